// Lane: a Durable Object that does nothing but run its alarm, and in it up to five part copies at a time.
//
// Why lanes. The platform lets one top-level event have six connections that wait for response headers, shared with
// every Worker it calls, and an UploadPart waits for its headers during its whole upload
// (https://developers.cloudflare.com/workers/platform/limits/, 2026-11). An alarm is a fresh top-level event, so each
// lane brings five parts in flight and one connection to spare. A copy's parallelism is lanes × 5.
//
// Protocol: the coordinator wakes a lane; its alarm claims parts from the coordinator (the same call reports finished
// ones), has PartCopier copy each, and ends when the coordinator says `rest` or `stop`. It claims no new part after
// ten minutes, since an alarm may run for fifteen, and goes on in the next alarm.
//
// Invariant: at most PARTS_PER_LANE part copies run at once. A lane keeps nothing worth keeping: if it dies, the
// coordinator notices its silence and hands its parts to another.

import { DurableObject } from "cloudflare:workers";
import { PARTS_PER_LANE } from "./api.ts";
import { callCopier } from "./copier.ts";
import type { Env } from "./env.ts";
import type { Grant, PartReport, PartTask } from "./work.ts";

interface Assignment {
  readonly copyId: string;
  readonly lane: number;
}

const STOP_CLAIMING_AFTER_MS = 10 * 60_000;
/** The coordinator takes a lane that is silent for 90 s for dead. */
const HEARTBEAT_MS = 20_000;
/** The spare alarm waits until a running one has ended, which sets its own; so it matters only if this event dies. */
const REVIVE_AFTER_MS = 5_000;
const CLAIM_TRIES = 6;
/** Before the event that follows one which met a limit of the platform. */
const BREATH_MS = 1_000;

export class Lane extends DurableObject<Env> {
  // In memory only: what it stops are calls of the running event, which die with the memory.
  #stop: AbortController | null = null;
  // In memory only: a running event that dies is followed by its spare alarm, which is as good as a wake.
  #wokenWhileRunning = false;

  /** Starts the lane; a lane that runs goes round once more before it ends. */
  async wake(assignment: Assignment): Promise<void> {
    if (this.#stop !== null) {
      this.#wokenWhileRunning = true;
      return;
    }
    this.ctx.storage.kv.put("assignment", assignment);
    await this.ctx.storage.setAlarm(Date.now());
  }

  /** Cancels the part copies that run; they are reported as cancelled. */
  async stop(): Promise<void> {
    this.#stop?.abort();
  }

  override async alarm(): Promise<void> {
    const assignment = this.ctx.storage.kv.get<Assignment>("assignment");
    if (assignment === undefined) return;
    // First of all: an alarm that has fired is used up, and a lane without one would sleep for ever.
    await this.ctx.storage.setAlarm(Date.now() + REVIVE_AFTER_MS);
    const stop = new AbortController();
    this.#stop = stop;
    this.#wokenWhileRunning = false;
    try {
      const nextAlarmMs = await this.#pump(assignment, stop);
      if (this.#wokenWhileRunning) await this.ctx.storage.setAlarm(Date.now());
      else if (nextAlarmMs !== null) await this.ctx.storage.setAlarm(nextAlarmMs);
      else await this.ctx.storage.deleteAll();
    } finally {
      this.#stop = null;
      stop.abort();
    }
  }

  /** Claims and copies until there is nothing more to do here. @returns when to go on, or null for never */
  async #pump({ copyId, lane }: Assignment, stop: AbortController): Promise<number | null> {
    const startedAtMs = Date.now();
    const running = new Map<number, PartTask>();
    let finished: PartReport[] = [];
    let spent = false;
    let changed = Promise.withResolvers<void>();
    for (;;) {
      changed = Promise.withResolvers();
      // An event that the platform gives no more to has no more to do than one that has run for long.
      const tired = spent || Date.now() - startedAtMs > STOP_CLAIMING_AFTER_MS;
      const reporting = finished;
      finished = [];
      const grant = await this.#claim(copyId, {
        lane,
        finished: reporting,
        running: [...running.values()].map(({ partNumber, attempt }) => ({ partNumber, attempt })),
        wanted: tired ? 0 : PARTS_PER_LANE - running.size,
      });
      if (grant.kind === "stop") stop.abort();
      const tasks = grant.kind === "work" ? grant.tasks : [];
      for (const task of tasks) {
        running.set(task.partNumber, task);
        void callCopier(this.ctx.exports.PartCopier, task, stop.signal).then((result) => {
          running.delete(task.partNumber);
          if (!result.ok && result.failure.code === "platform_limit") spent = true;
          finished.push({ partNumber: task.partNumber, attempt: task.attempt, result });
          changed.resolve(); // of the round that waits now
        });
      }
      const idle = running.size === 0 && finished.length === 0;
      if (idle && grant.kind !== "work") return null;
      const retryInMs = grant.kind === "work" ? grant.retryInMs : null;
      if (idle) return Date.now() + (spent ? BREATH_MS : tired ? 0 : (retryInMs ?? HEARTBEAT_MS));
      if (finished.length > 0) continue;
      await until(changed.promise, Math.min(HEARTBEAT_MS, retryInMs ?? HEARTBEAT_MS));
    }
  }

  /**
   * One claim, tried again when the coordinator was evicted or overloaded: reports are not given up for that. A
   * repeated claim is harmless: reports are known by their attempt, and a grant whose answer was lost is taken back
   * because the next claim does not name it as running.
   */
  async #claim(copyId: string, claim: Parameters<CoordinatorStub["claim"]>[0]): Promise<Grant> {
    for (let failed = 0; ;) {
      try {
        return await this.ctx.exports.Coordinator.getByName(copyId).claim(claim);
      } catch (error) {
        failed += 1;
        if (failed === CLAIM_TRIES) throw error;
        await until(null, 100 * 2 ** failed);
      }
    }
  }
}

type CoordinatorStub = InstanceType<typeof import("./coordinator.ts").Coordinator>;

/** Waits for `event` or for `timeoutMs`, whichever is first. */
async function until(event: Promise<void> | null, timeoutMs: number): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(timeout.resolve, timeoutMs);
  await Promise.race(event === null ? [timeout.promise] : [event, timeout.promise]);
  clearTimeout(timer);
}
