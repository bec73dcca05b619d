// The probe: it measures on one's own account what no document says: how large a body may leave a Worker and
// a Durable Object, how many bodies one lane has in flight, across how many isolates lanes are spread, how
// fast one stream is, and whether the platform passes on a store's answers unchanged.
//
// It measures along the path of copies. Probe is a Durable Object, one per mesh, that does for its lanes what
// a coordinator does: its alarm creates the upload and wakes lanes (lane.ts, the same class that copies).
// They claim their tasks and call ProbeWorker as they call PartCopier: from their alarm, through ctx.exports.
//
// How bodies in flight are counted: each is started by a call of its own and held back. The runtime asks for
// the first bytes of a body only when its request has a connection. So the bodies that were asked for are
// those in flight.
//
// Invariants: the state is on disk before each step (diagnose/probe_job.ts decides), so the client may
// disconnect and the mesh may die. The upload is aborted and the objects are deleted whatever happens.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import {
  type Held,
  type ReadRange,
  abortAllOf,
  deleteAllOf,
  hold,
  readKey,
  readRange,
  s3Of,
  sendZeros,
} from "./diagnose/measure.ts";
import {
  type Ending,
  type ProbeJob,
  type ProbeSpec,
  beginProbe,
  cleaned,
  createFailed,
  created,
  ending,
  objectKeysOf,
  prefixOf,
  PROBE_LIMIT_MS,
  retryInMs,
  uploadKeyOf,
} from "./diagnose/probe_job.ts";
import { type ProbeAnswer, probeAnswer } from "./diagnose/probe_answer.ts";
import type {
  Counted,
  ProbeAttempt,
  ProbeOutcome,
  ProbeReport,
  ProbeTarget,
  ProbeTask,
  Sent,
} from "./diagnose/probe_task.ts";
import { busyLanes, isMeasured, lanesToWake, releaseSilent, takeClaim } from "./diagnose/probe_tasks.ts";
import type { Env } from "./env.ts";
import { Problem } from "./http/problem.ts";
import { makeId } from "./http/id.ts";
import { log } from "./log.ts";
import { S3Error } from "./s3/errors.ts";
import type { S3 } from "./s3/request.ts";
import { verdictOf } from "./s3/retry.ts";
import { abortMultipartUpload, createMultipartUpload } from "./s3/s3.ts";
import { placeOfWork } from "./store/stores.ts";
import { Waiting } from "./view/audience.ts";
import { wakeAt } from "./work/alarm.ts";
import { callWithCancel, runWithCancel } from "./work/cancel.ts";
import type { Claim, Grant } from "./work/claim.ts";
import { openState, stampState } from "./work/state.ts";

/** How often the probe checks its lanes. */
const WATCH_MS = 10_000;

const SETTLE_MS = 1_000;

/** A stateless Worker, like PartCopier. Its methods end early when `cancel` does. */
export class ProbeWorker extends WorkerEntrypoint<Env> {
  async send(target: ProbeTarget, sizeMib: number, cancel: ReadableStream): Promise<Sent> {
    return await runWithCancel(cancel, async (signal) => await sendZeros(this.env, target, sizeMib, signal));
  }

  async hold(
    target: ProbeTarget,
    body: { partNumber: number; untilMs: number },
    cancel: ReadableStream,
  ): Promise<{ held: Held; isolate: string }> {
    const held = await runWithCancel(cancel, async (signal) => await hold(this.env, target, body, signal));
    return { held, isolate: isolateId() };
  }

  /** A range of an object, pinned to an ETag, as a part copy reads it. */
  async read(target: ProbeTarget, key: string, etag: string): Promise<ReadRange> {
    return await readRange(s3Of(this.env, target), { bucket: target.bucket, key }, etag);
  }
}

/** The only probe of a mesh: the last one, until another starts. */
export class Probe extends DurableObject<Env> {
  readonly #sql = openState(this.ctx.storage.sql);
  readonly #waiting = new Waiting();

  /** Starts a probe, unless one runs: two would measure each other. */
  async start(spec: ProbeSpec): Promise<{ kind: "started" | "running"; probe: ProbeAnswer }> {
    const now = Date.now();
    const before = this.#find();
    if (before !== null && before.state.phase !== "ended")
      return { kind: "running", probe: probeAnswer(before, now) };
    await wakeAt(this.ctx.storage, now);
    stampState(this.#sql);
    const job = beginProbe(makeId(now, crypto.getRandomValues(new Uint8Array(10))), spec, now);
    this.#save(job);
    return { kind: "started", probe: probeAnswer(job, now) };
  }

  /**
   * Waits for the end of the probe, at most this long, and not at all while many others do.
   *
   * @returns null when none was ever started
   */
  async status(waitSeconds: number): Promise<ProbeAnswer | null> {
    if (waitSeconds > 0 && !this.#waiting.isFull() && this.#find()?.state.phase !== "ended")
      await this.#waiting.wait(waitSeconds);
    const job = this.#find();
    return job === null ? null : probeAnswer(job, Date.now());
  }

  async cancel(): Promise<ProbeAnswer | null> {
    if (this.#find() === null) return null;
    this.#update((job) => ending(job, { outcome: "cancelled" }));
    await wakeAt(this.ctx.storage, Date.now());
    return await this.status(0);
  }

  /** Takes a lane's reports and gives it its next tasks. */
  async claim(probeId: string, claim: Claim<ProbeReport, ProbeAttempt>): Promise<Grant<ProbeTask>> {
    const before = this.#find();
    // A lane may outlive its probe.
    if (before?.id !== probeId) return { kind: "stop" };
    const { job, grant } = takeClaim(before, claim, Date.now());
    this.#save(job);
    // Other lanes may have something to do now, or the probe is over: neither waits for the watch.
    if (claim.finished.length > 0) await wakeAt(this.ctx.storage, Date.now());
    return grant;
  }

  override async alarm(): Promise<void> {
    // The next alarm first, and no rethrow below: mesh.ts says why.
    await wakeAt(this.ctx.storage, Date.now() + WATCH_MS);
    try {
      const nextAlarmMs = await this.#advance();
      if (nextAlarmMs === null) await this.ctx.storage.deleteAlarm();
      else await wakeAt(this.ctx.storage, nextAlarmMs);
    } catch (error) {
      log("error", "probe_crashed", { probeId: this.#find()?.id ?? "", detail: String(error) });
      const message = `a step of the probe failed: ${String(error)}`;
      this.#update((job) => cleaned(ending(job, { outcome: "failed", message }), [message], Date.now()));
    }
  }

  /** Takes steps until there is nothing to do but wait. @returns when to go on, or null for never */
  async #advance(): Promise<number | null> {
    for (;;) {
      const job = this.#find();
      if (job === null) return null;
      const { state } = job;
      switch (state.phase) {
        case "creating":
          await this.#create(job);
          break;
        case "measuring":
          if (await this.#measure()) break;
          return Date.now() + WATCH_MS;
        case "cleaning":
          if (await this.#isSettled()) {
            await this.#cleanUp();
            break;
          }
          return Date.now() + SETTLE_MS;
        case "ended":
          this.#waiting.wake();
          return null;
      }
      const { state: after } = this.#find() ?? job;
      if ((after.phase === "creating" || after.phase === "cleaning") && after.failedAttempts > 0)
        return Date.now() + retryInMs(after.failedAttempts);
    }
  }

  async #create(job: ProbeJob): Promise<void> {
    const { state, spec } = job;
    if (state.phase !== "creating") return;
    const address = { bucket: spec.bucket, key: uploadKeyOf(job) };
    try {
      const s3 = this.#s3Of(job);
      // On disk before the call: a lost answer leaves an upload, which is found by its key, used by this
      // probe alone.
      this.#update((now) =>
        now.state.phase === "creating" ? { ...now, state: { ...state, isTried: true } } : now,
      );
      if (state.isTried) await abortAllOf(s3, address);
      const { uploadId } = await createMultipartUpload(s3, address, {});
      this.#update((now) => created(now, uploadId));
    } catch (error) {
      if (!(error instanceof S3Error) && !(error instanceof Problem)) throw error;
      const mayPass =
        error instanceof S3Error && ["retry", "throttle"].includes(verdictOf(error.toFailure("destination")));
      this.#update((now) => createFailed(now, error.message, mayPass));
    }
  }

  /** @returns whether it is over */
  async #measure(): Promise<boolean> {
    const now = Date.now();
    const job = this.#update((each) => releaseSilent(each, now));
    const end: Ending | null =
      now - job.startedAtMs > PROBE_LIMIT_MS
        ? { outcome: "failed", message: `not done after ${PROBE_LIMIT_MS / 60_000} minutes` }
        : isMeasured(job)
          ? { outcome: "completed" }
          : null;
    if (end !== null) {
      this.#update((each) => ending(each, end));
      return true;
    }
    // A lane that is awake claims once more. One that cannot be woken now is tried again by the next watch.
    await Promise.allSettled(
      lanesToWake(job).map((lane) => this.#lane(job, lane).wake({ probeId: job.id, lane })),
    );
    return false;
  }

  /** Nothing is aborted while a part is in flight: the part would be stored afterwards and stay. */
  async #isSettled(): Promise<boolean> {
    const job = this.#update((each) => releaseSilent(each, Date.now()));
    const lanes = busyLanes(job);
    await Promise.allSettled(lanes.map((lane) => this.#lane(job, lane).stop()));
    return lanes.length === 0;
  }

  async #cleanUp(): Promise<void> {
    const job = this.#find();
    if (job?.state.phase !== "cleaning") return;
    const { spec, state } = job;
    const address = { bucket: spec.bucket, key: uploadKeyOf(job) };
    const leftovers: string[] = [];
    const attempt = async (what: string, step: () => Promise<void>) => {
      try {
        await step();
      } catch (error) {
        if (!(error instanceof S3Error) && !(error instanceof Problem)) throw error;
        leftovers.push(`${what}: ${error.message}`);
      }
    };
    const { uploadId } = state;
    if (uploadId !== null)
      await attempt(`upload ${uploadId} of ${address.key}`, async () => {
        await abortMultipartUpload(this.#s3Of(job), address, uploadId);
      });
    await attempt(`uploads of ${address.key}`, async () => {
      await abortAllOf(this.#s3Of(job), address);
    });
    // Objects are put only after the upload was created.
    if (uploadId !== null)
      await attempt(`objects under ${prefixOf(job)}`, async () => {
        await deleteAllOf(this.#s3Of(job), spec.bucket, objectKeysOf(job));
      });
    this.#update((each) => cleaned(each, leftovers, Date.now()));
  }

  #lane({ id, spec }: ProbeJob, lane: number) {
    const place = placeOfWork({ destination: spec }, this.env);
    return this.ctx.exports.Lane.getByName(`${id}/${lane}`, place);
  }

  #s3Of({ id, spec }: ProbeJob): S3 {
    return s3Of(this.env, { store: spec.store, probeId: id, lane: null });
  }

  #find(): ProbeJob | null {
    return this.ctx.storage.kv.get<ProbeJob>("job") ?? null;
  }

  #save(job: ProbeJob): void {
    this.ctx.storage.kv.put("job", job);
  }

  /** Changes the job as it is now: a lane or a person may have changed it while something was awaited. */
  #update(change: (job: ProbeJob) => ProbeJob): ProbeJob {
    const before = this.#find();
    if (before === null) throw new Error("There is no probe");
    const after = change(before);
    if (after !== before) this.#save(after);
    return after;
  }
}

/** The lane's side; it always returns a result. `signal` cancels the task. */
export async function runProbeTask(
  env: Env,
  worker: Pick<ProbeWorker, "send" | "hold" | "read">,
  { target, work }: ProbeTask,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  try {
    switch (work.kind) {
      case "send": {
        const { sizeMib } = work;
        const sent =
          work.from === "lane"
            ? await sendZeros(env, target, sizeMib, signal)
            : await callWithCancel(signal, async (cancel) => await worker.send(target, sizeMib, cancel));
        return { kind: "sent", sent };
      }
      case "read":
        return { kind: "read", read: await readKey(env, worker, target, work.name) };
      case "count":
        return { kind: "counted", counted: await countHeld(worker, target, work, signal) };
    }
  } catch (error) {
    return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}

/** Starts many bodies at once, a call for each, and counts those in flight when the time is over. */
async function countHeld(
  worker: Pick<ProbeWorker, "hold">,
  target: ProbeTarget,
  work: Extract<ProbeTask["work"], { kind: "count" }>,
  signal: AbortSignal,
): Promise<Counted> {
  const { streams: asked, firstPartNumber, untilMs, asksMachine } = work;
  const answers = await Promise.all(
    Array.from({ length: asked }, async (_, index) => {
      const body = { partNumber: firstPartNumber + index, untilMs };
      return await callWithCancel(signal, async (cancel) => await worker.hold(target, body, cancel));
    }),
  );
  const refused = answers.flatMap(({ held }) => (held.state === "refused" ? [held.message] : []));
  return {
    streams: answers.filter(({ held }) => held.state === "held").length,
    asked,
    isolate: isolateId(),
    copierIsolates: [...new Set(answers.map(({ isolate }) => isolate))],
    machine: asksMachine ? await machineOf() : null,
    refusal: refused[0] ?? null,
  };
}

// Made when it is first needed: the platform gives no random numbers while a module is loaded.
let isolate: string | null = null;

/** Different in each isolate. */
function isolateId(): string {
  isolate ??= crypto.randomUUID();
  return isolate;
}

/** `fl` names the machine and `colo` the data centre, as Cloudflare's own trace reports them. */
async function machineOf(): Promise<string | null> {
  try {
    const response = await fetch("https://www.cloudflare.com/cdn-cgi/trace", {
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    const machine = /^fl=(.*)$/m.exec(text)?.[1];
    return machine === undefined ? null : `${machine} ${/^colo=(.*)$/m.exec(text)?.[1] ?? ""}`.trim();
  } catch {
    return null; // no answer, as on a machine without the internet
  }
}
