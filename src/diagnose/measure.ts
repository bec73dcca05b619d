// The measurements of the probe, each made with the requests of a copy: one body sent; one body started and
// held back; one key put, read and replaced. Also deletes what these leave at the store.
//
// What it needs: a store, and the upload and the folder of one probe. It holds no state.

import { createHash } from "node:crypto";
import type { Env } from "../env.ts";
import { deleteObjects } from "../s3/delete.ts";
import { demandsDigest } from "../s3/demands.ts";
import { S3Error } from "../s3/errors.ts";
import { bytesOf, getObject, headObject } from "../s3/read.ts";
import { type ObjectAddress, type S3, connect, timeoutError } from "../s3/request.ts";
import { verdictOf } from "../s3/retry.ts";
import { abortMultipartUpload, listUploadsOfKey, putObject, uploadPart } from "../s3/s3.ts";
import { sentence } from "../s3/told.ts";
import { findStore } from "../store/stores.ts";
import type { KeyRead, ProbeTarget, Sent } from "./probe_task.ts";

const MIB = 2 ** 20;

/** Less than what is left of an alarm that claims for ten of its fifteen minutes. */
const SEND_LIMIT_MS = 4 * 60_000;

const CALL_LIMIT_MS = 60_000;

const CHUNK = new Uint8Array(256 * 1024);

const HELD_BYTES = 1024;

/** The second object is longer, so that the length also reveals a stale answer. */
const OBJECT_BYTES = [4096, 4099] as const;

const RANGE = { offset: 1000, length: 1000 };

/** The state of one body when the time was over. */
export type Held =
  { readonly state: "held" | "waiting" } | { readonly state: "refused"; readonly message: string };

/** The parts of an answer that a range is judged by. */
export interface ReadRange {
  readonly status: number;
  readonly contentRange: string | null;
  readonly bytes: Uint8Array;
}

/** Sends one body of zeros as part 1 of the upload, with a digest if the bucket demands one. */
export async function sendZeros(
  env: Env,
  target: ProbeTarget,
  sizeMib: number,
  cancelled: AbortSignal,
): Promise<Sent> {
  const s3 = s3Of(env, target);
  const address = { bucket: target.bucket, key: target.uploadKey };
  if (!demandsDigest(s3, address)) {
    const sent = await sendBody(s3, target, { sizeMib, md5: null }, cancelled);
    if (sent.ok || !demandsDigest(s3, address)) return sent;
  }
  return await sendBody(s3, target, { sizeMib, md5: md5OfZeros(sizeMib * MIB) }, cancelled);
}

async function sendBody(
  s3: S3,
  target: ProbeTarget,
  { sizeMib, md5 }: { sizeMib: number; md5: string | null },
  cancelled: AbortSignal,
): Promise<Sent> {
  const { bucket, uploadKey: key, uploadId } = target;
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
    await within(SEND_LIMIT_MS, cancelled, async (signal) => {
      const part = { uploadId, partNumber: 1, body: readable, md5, signal };
      await uploadPart(s3, { bucket, key }, part);
    });
    return { ok: true, sizeMib, durationMs: Date.now() - startedAtMs };
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return { ok: false, sizeMib, message: error.message };
  }
}

function md5OfZeros(sizeBytes: number): string {
  const hash = createHash("md5");
  for (let left = sizeBytes; left > 0; left -= CHUNK.length)
    hash.update(CHUNK.subarray(0, Math.min(left, CHUNK.length)));
  return hash.digest("hex");
}

/** Starts one body, holds it back, and reports whether it was in flight when the time was over. */
export async function hold(
  env: Env,
  target: ProbeTarget,
  { partNumber, untilMs }: { partNumber: number; untilMs: number },
  cancelled: AbortSignal,
): Promise<Held> {
  const { bucket, uploadKey: key, uploadId } = target;
  const { readable, writable } = new FixedLengthStream(HELD_BYTES);
  const over = new AbortController();
  const stop = AbortSignal.any([over.signal, cancelled]);
  let isBegun = false;
  // A write resolves when its bytes are taken. The rest of the body never follows.
  writable
    .getWriter()
    .write(new Uint8Array(1))
    .then(
      () => (isBegun = true),
      () => undefined,
    );
  let state: "held" | "waiting" = "waiting";
  const timer = setTimeout(
    () => {
      if (isBegun) state = "held";
      over.abort();
    },
    Math.max(0, untilMs - Date.now()),
  );
  try {
    await uploadPart(
      s3Of(env, target),
      { bucket, key },
      { uploadId, partNumber, body: readable, md5: md5OfZeros(HELD_BYTES), signal: stop },
    );
    return { state: "refused", message: "the store answered before it had the body" };
  } catch (error) {
    if (stop.aborted) return { state };
    return { state: "refused", message: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Reads a range of an object, pinned to an ETag, as a part copy does. */
export async function readRange(s3: S3, address: ObjectAddress, etag: string): Promise<ReadRange> {
  return await within(CALL_LIMIT_MS, null, async (signal) => {
    const response = await getObject(s3, address, { range: RANGE, ifMatch: etag, signal });
    const bytes = await bytesOf(address, response);
    return { status: response.status, contentRange: response.headers.get("content-range"), bytes };
  });
}

/** Puts an object, reads it as a copy does, replaces it, and reads it again. */
export async function readKey(
  env: Env,
  reader: { read(target: ProbeTarget, key: string, etag: string): Promise<ReadRange> },
  target: ProbeTarget,
  name: string,
): Promise<KeyRead> {
  const s3 = s3Of(env, target);
  const address = { bucket: target.bucket, key: target.prefix + name };
  const look = async (fill: number, sizeBytes: number): Promise<string | null> => {
    const body = new Uint8Array(sizeBytes).fill(fill);
    const { etag } = await within(
      CALL_LIMIT_MS,
      null,
      async (signal) =>
        await putObject(s3, address, { body, headers: { "cache-control": "public, max-age=3600" }, signal }),
    );
    try {
      return differenceOf(await headObject(s3, address), await reader.read(target, address.key, etag), {
        etag,
        sizeBytes,
        fill,
      });
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      return error.message;
    }
  };
  const first = await look(1, OBJECT_BYTES[0]);
  if (first !== null) return { name, isUnchanged: false, isCurrent: null, detail: sentence(first) };
  const second = await look(2, OBJECT_BYTES[1]);
  const detail = second ?? `HEAD, a ranged GET with If-Match, and both again after it was replaced`;
  return { name, isUnchanged: true, isCurrent: second === null, detail: sentence(detail) };
}

/** @returns how the answers differ from what was put, or null */
function differenceOf(
  { headers }: { headers: Headers },
  range: ReadRange,
  put: { etag: string; sizeBytes: number; fill: number },
): string | null {
  const length = headers.get("content-length");
  if (length !== String(put.sizeBytes)) return `HEAD says ${length ?? "no length"} of ${put.sizeBytes} bytes`;
  if (headers.get("etag") !== put.etag)
    return `HEAD says ETag ${headers.get("etag")}, and ${put.etag} was put`;
  const expected = `bytes ${RANGE.offset}-${RANGE.offset + RANGE.length - 1}/${put.sizeBytes}`;
  if (range.status !== 206 || range.contentRange !== expected)
    return `a range was answered with ${range.status} ${range.contentRange ?? ""}`.trim();
  if (range.bytes.length !== RANGE.length || range.bytes.some((byte) => byte !== put.fill))
    return "the bytes are not those that were put";
  return null;
}

/** Aborts every upload of that key that the store lists. Some stores list none (R2's local stand-in). */
export async function abortAllOf(s3: S3, address: ObjectAddress): Promise<void> {
  let uploads;
  try {
    uploads = await listUploadsOfKey(s3, address);
  } catch (error) {
    if (error instanceof S3Error && verdictOf(error.toFailure("destination")) === "fatal") return;
    throw error;
  }
  for (const { uploadId } of uploads) await abortMultipartUpload(s3, address, uploadId);
}

/** @throws {S3Error} for the first one that is refused */
export async function deleteAllOf(s3: S3, bucket: string, keys: readonly string[]): Promise<void> {
  const { refused } = await deleteObjects(s3, bucket, keys);
  const [first] = refused;
  if (first === undefined) return;
  throw new S3Error("DeleteObjects", { bucket, key: first.key }, { code: first.code, detail: first.message });
}

/** Runs a call under a limit, without a timer that outlives it. */
async function within<T>(
  limitMs: number,
  cancelled: AbortSignal | null,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const overdue = new AbortController();
  const timer = setTimeout(() => overdue.abort(timeoutError(limitMs)), limitMs);
  try {
    return await call(cancelled === null ? overdue.signal : AbortSignal.any([overdue.signal, cancelled]));
  } finally {
    clearTimeout(timer);
  }
}

/** Each lane names itself, so that a store's log tells them apart. Null: the probe's own requests. */
export function s3Of(
  env: Env,
  { store, probeId, lane }: Pick<ProbeTarget, "store" | "probeId"> & { readonly lane: number | null },
): S3 {
  const userAgent = `bucket-brigade probe/${probeId}${lane === null ? "" : ` lane/${lane}`}`;
  return connect(findStore(env, store), userAgent);
}
