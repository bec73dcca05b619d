// The probe: measures on one's own account what no document tells: how large a body may leave a Worker and a
// Durable Object, how many bodies are in flight in one event and in several lanes, how fast one stream is,
// and whether lanes land on different machines.
//
// What it needs: a store and a bucket to send zeros to, as parts of an upload that is aborted in the end; the
// classes ProbeWorker and Probe. It is asked by the front and takes minutes on an account.
//
// How bodies in flight are counted: each is begun and held back. The runtime asks for the first bytes of a
// body when its request has a connection, and not before; so those asked for are those in flight.
//
// Invariant: the upload is aborted whatever happens. Nothing becomes an object.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import type { Measured, Sent, Started } from "./diagnose/probe_answer.ts";
import type { Env } from "./env.ts";
import { S3Error } from "./s3/errors.ts";
import { type ObjectAddress, type S3, connect } from "./s3/request.ts";
import { abortMultipartUpload, createMultipartUpload, uploadPart } from "./s3/s3.ts";
import { findStore } from "./store/stores.ts";

const MIB = 2 ** 20;

const CHUNK = new Uint8Array(256 * 1024);

const KEY = ".bucket-brigade/probe";

const SEND_LIMIT_MS = 10 * 60_000;

/** Bodies begun at once, far more than any event is said to have in flight. */
const ASKED = 30;

/** No body has begun for so long: what has not waits for another to end. */
const STEADY_MS = 2_000;

const HELD_BYTES = 1024;

interface Target {
  readonly store: string;
  readonly address: ObjectAddress;
  readonly uploadId: string;
  /** Then there is no machine of Cloudflare's to ask for. */
  readonly isLocal: boolean;
}

/** A Worker without state, as PartCopier is. */
export class ProbeWorker extends WorkerEntrypoint<Env> {
  async send(target: Target, sizeMib: number): Promise<Sent> {
    return await sendZeros(s3Of(this.env, target.store), target, sizeMib);
  }
}

/** A Durable Object, as Lane is: one alarm, which is an event of its own. */
export class Probe extends DurableObject<Env> {
  async send(target: Target, sizeMib: number): Promise<Sent> {
    return await sendZeros(s3Of(this.env, target.store), target, sizeMib);
  }

  async begin(target: Target): Promise<void> {
    this.ctx.storage.kv.put("target", target);
    await this.ctx.storage.setAlarm(Date.now());
  }

  /** What the alarm has counted, or null while it does; asked for once, after which nothing is kept. */
  async take(): Promise<Started | null> {
    const started = this.ctx.storage.kv.get<Started>("started") ?? null;
    if (started !== null) await this.ctx.storage.deleteAll();
    return started;
  }

  override async alarm(): Promise<void> {
    const target = this.ctx.storage.kv.get<Target>("target");
    if (target === undefined) return;
    this.ctx.storage.kv.put("started", await countStarted(s3Of(this.env, target.store), target));
  }
}

/** Runs the whole probe. @throws {S3Error} when no upload can be made */
export async function runProbe(
  env: Env,
  exports: Cloudflare.Exports,
  request: { store: string; bucket: string; sizesMib: readonly number[]; lanes: number; isLocal: boolean },
): Promise<Measured> {
  const s3 = s3Of(env, request.store);
  const address = { bucket: request.bucket, key: KEY };
  const { uploadId } = await createMultipartUpload(s3, address, {});
  const target: Target = { store: request.store, address, uploadId, isLocal: request.isLocal };
  try {
    const byWorker = await rising(
      request.sizesMib,
      async (size) => await exports.ProbeWorker.send(target, size),
    );
    const object = exports.Probe.getByName(`${uploadId} body`);
    const byObject = await rising(request.sizesMib, async (size) => await object.send(target, size));
    const oneEvent = await countStarted(s3, target);
    const names = Array.from({ length: request.lanes }, (_, lane) => `${uploadId} lane ${lane + 1}`);
    const lanes = names.map((name) => exports.Probe.getByName(name));
    await Promise.all(lanes.map(async (lane) => await lane.begin(target)));
    return {
      byWorker,
      byObject,
      oneEvent,
      lanes: await Promise.all(lanes.map(async (lane) => await resultOf(lane))),
    };
  } finally {
    await abortMultipartUpload(s3, address, uploadId);
  }
}

const LOOK_EVERY_MS = 250;

const LANE_LIMIT_MS = 120_000;

async function resultOf(lane: { take(): Promise<Started | null> }): Promise<Started> {
  const untilMs = Date.now() + LANE_LIMIT_MS;
  while (Date.now() < untilMs) {
    const started = await lane.take();
    if (started !== null) return started;
    await scheduler.wait(LOOK_EVERY_MS);
  }
  return { streams: 0, asked: ASKED, machine: null };
}

/** Each size until one does not pass. */
async function rising(
  sizesMib: readonly number[],
  send: (sizeMib: number) => Promise<Sent>,
): Promise<Sent[]> {
  const sent: Sent[] = [];
  for (const sizeMib of sizesMib.toSorted((a, b) => a - b)) {
    sent.push(
      await send(sizeMib).catch((error: unknown) => ({
        ok: false as const,
        sizeMib,
        message: String(error),
      })),
    );
    if (sent.at(-1)?.ok === false) break;
  }
  return sent;
}

async function sendZeros(s3: S3, { address, uploadId }: Target, sizeMib: number): Promise<Sent> {
  const { readable, writable } = new FixedLengthStream(sizeMib * MIB);
  const startedAtMs = Date.now();
  const writing = (async () => {
    const writer = writable.getWriter();
    for (let left = sizeMib * MIB; left > 0; left -= CHUNK.length) {
      await writer.write(CHUNK.subarray(0, Math.min(left, CHUNK.length)));
    }
    await writer.close();
  })();
  writing.catch(() => undefined); // the request fails with the same cause
  try {
    const signal = AbortSignal.timeout(SEND_LIMIT_MS);
    await uploadPart(s3, address, { uploadId, partNumber: 1, body: readable, signal });
    return { ok: true, sizeMib, durationMs: Date.now() - startedAtMs };
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return { ok: false, sizeMib, message: error.message };
  }
}

/** Begins many bodies, holds them back, and counts those that the runtime has begun to send. */
async function countStarted(s3: S3, { address, uploadId, isLocal }: Target): Promise<Started> {
  const stop = new AbortController();
  let streams = 0;
  let lastAtMs = Date.now();
  const calls = Array.from({ length: ASKED }, async (_, index) => {
    const { readable, writable } = new FixedLengthStream(HELD_BYTES);
    const writer = writable.getWriter();
    // A write ends when its bytes are taken; the rest of the body never comes.
    writer.write(new Uint8Array(1)).then(
      () => {
        streams += 1;
        lastAtMs = Date.now();
      },
      () => undefined,
    );
    await uploadPart(s3, address, {
      uploadId,
      partNumber: 2 + index,
      body: readable,
      signal: stop.signal,
    }).catch(
      () => undefined, // it is aborted here, which is its end
    );
  });
  while (Date.now() - lastAtMs < STEADY_MS) await scheduler.wait(LOOK_EVERY_MS);
  const counted = streams;
  stop.abort();
  await Promise.all(calls);
  return { streams: counted, asked: ASKED, machine: isLocal ? null : await machineOf() };
}

/** `fl` names the machine and `colo` the data centre, as Cloudflare's own trace tells them. */
async function machineOf(): Promise<string | null> {
  try {
    const response = await fetch("https://www.cloudflare.com/cdn-cgi/trace", {
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    const machine = /^fl=(.*)$/m.exec(text)?.[1];
    return machine === undefined ? null : `${machine} ${/^colo=(.*)$/m.exec(text)?.[1] ?? ""}`.trim();
  } catch {
    return null; // nobody to ask, as on a machine without the internet
  }
}

function s3Of(env: Env, store: string): S3 {
  return connect(findStore(env, store), "bucket-brigade probe");
}
