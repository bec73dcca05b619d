// Lane: a Durable Object that does nothing but run its alarm, and in it up to five part copies at a time.
//
// Why lanes. The platform lets one top-level event have six connections that wait for response headers. It
// shares them with every Worker it calls, and an UploadPart waits for its headers during its whole upload
// (https://developers.cloudflare.com/workers/platform/limits/, 2026-11). An alarm is a new top-level event,
// so each lane adds five parts in flight and keeps one connection spare. A copy's parallelism is lanes × 5.
//
// Protocol. The owner (the coordinator of a copy, a sync, a replicator, or the probe) wakes a lane. Its alarm
// claims work from the owner, and the same call reports finished work. The work is parts, which PartCopier
// copies one each; batches of objects that fit one PUT, which ObjectCopier copies one by one; or
// measurements, which ProbeWorker makes. The alarm ends when the owner says `rest` or `stop`. The platform
// ends it after fifteen minutes, and what runs then is lost. So a lane claims nothing whose time limit would
// pass minute fourteen, and nothing at all after ten minutes; the next alarm goes on.
//
// Invariant: at most PARTS_PER_LANE parts or batches run at once, and so as many transfers. A lane keeps
// nothing that matters: if it dies, its owner notices its silence and hands its work to another.

import { DurableObject } from "cloudflare:workers";
import type { ProbeAttempt, ProbeReport, ProbeTask } from "./diagnose/probe_task.ts";
import { type Env, PARTS_PER_LANE } from "./env.ts";
import { callCopier } from "./part_copier.ts";
import { runProbeTask } from "./probe.ts";
import { wakeAt } from "./work/alarm.ts";
import { callObjectCopier } from "./work/batch_call.ts";
import type { BatchAttempt, BatchClaim, BatchGrant, BatchReport, BatchTask } from "./work/batch_task.ts";
import { type Claim, type Grant, isFinal } from "./work/claim.ts";
import { EVENT_MS } from "./work/limits.ts";
import { type PageAnswer, type PageTask, runPageTask } from "./work/page_task.ts";
import type { PartAttempt, PartReport, PartTask } from "./work/part_task.ts";
import { type WrittenBy, WRITTEN_BY, checkFormat } from "./work/state.ts";

type Assignment = { readonly lane: number; readonly writtenBy?: WrittenBy } & (
  | { readonly copyId: string }
  | { readonly syncId: string }
  /** `id`: another replication may have that name by then. An older deployment has written none. */
  | { readonly replication: string; readonly id?: string }
  | { readonly probeId: string }
);

/** Whom a lane works for: how its tasks are named, how they are claimed, and what runs them. */
interface Owner<Task, Report, Running> {
  nameOf(task: Task): string;
  /** What the owner recognises a running task by. */
  runningOf(task: Task): Running;
  claim(claim: Claim<Report, Running>): Promise<Grant<Task>>;
  /** @param endsAtMs when the event plans to be over */
  run(task: Task, signal: AbortSignal, endsAtMs: number): Promise<Report>;
  /** Did the platform refuse this event any more calls? */
  isSpent(report: Report): boolean;
}

const STOP_CLAIMING_AFTER_MS = 10 * 60_000;

/** The coordinator counts a lane as dead after 90 s of silence. */
const HEARTBEAT_MS = 20_000;

/**
 * The spare alarm fires only after the running one has ended, which sets its own. So it matters only if this
 * event dies.
 */
const REVIVE_AFTER_MS = 5_000;

const CLAIM_TRIES = 6;

/** The pause before the next event after one that met a limit of the platform. */
const BREATH_MS = 1_000;

export class Lane extends DurableObject<Env> {
  // In memory only: it stops calls of the running event, which die with the memory.
  #stop: AbortController | null = null;
  // In memory only: if the running event dies, its spare alarm follows, which serves as well as a wake.
  #wokenWhileRunning = false;
  // What runs, by name. In memory only, like #stop.
  readonly #running = new Map<string, AbortController>();

  /** Starts the lane. A lane that is running claims once more before it ends. */
  async wake(assignment: Assignment): Promise<void> {
    if (this.#stop !== null) {
      this.#wokenWhileRunning = true;
      return;
    }
    this.ctx.storage.kv.put("assignment", { ...assignment, writtenBy: WRITTEN_BY });
    await wakeAt(this.ctx.storage, Date.now());
  }

  /** Cancels the part copies that run; they are reported as cancelled. */
  async stop(): Promise<void> {
    this.#stop?.abort();
  }

  /** Cancels one attempt of a part: another lane has sent the part meanwhile. */
  async drop(partNumber: number, attempt: number): Promise<void> {
    this.#running.get(nameOf(partNumber, attempt))?.abort();
  }

  /** Lists a page for a sync, whose own event has too few connections where pages are slow. */
  async listPage(task: PageTask): Promise<PageAnswer> {
    return await runPageTask(this.env, task);
  }

  override async alarm(): Promise<void> {
    const assignment = this.ctx.storage.kv.get<Assignment>("assignment");
    if (assignment === undefined) return;
    if (assignment.writtenBy !== undefined) checkFormat(assignment.writtenBy);
    // The next alarm first: mesh.ts says why.
    await wakeAt(this.ctx.storage, Date.now() + REVIVE_AFTER_MS);
    const stop = new AbortController();
    this.#stop = stop;
    this.#wokenWhileRunning = false;
    try {
      const { lane } = assignment;
      const nextAlarmMs =
        "copyId" in assignment
          ? await this.#pump(lane, this.#copy(assignment.copyId), stop)
          : "syncId" in assignment
            ? await this.#pump(lane, this.#batches(this.ctx.exports.Sync.getByName(assignment.syncId)), stop)
            : "replication" in assignment
              ? await this.#pump(lane, this.#replicator(assignment), stop)
              : await this.#pump(lane, this.#probe(assignment.probeId), stop);
      if (this.#wokenWhileRunning) await wakeAt(this.ctx.storage, Date.now());
      else if (nextAlarmMs !== null) await wakeAt(this.ctx.storage, nextAlarmMs);
      else await this.ctx.storage.deleteAll();
    } finally {
      this.#stop = null;
      stop.abort();
    }
  }

  /** Claims and copies until there is nothing more to do here. @returns when to go on, or null for never */
  async #pump<Task, Report, Running>(
    lane: number,
    owner: Owner<Task, Report, Running>,
    stop: AbortController,
  ): Promise<number | null> {
    const startedAtMs = Date.now();
    const endsAtMs = startedAtMs + EVENT_MS;
    const running = new Map<string, Running>();
    let finished: Report[] = [];
    let spent = false;
    let isLate = false;
    let changed = Promise.withResolvers<void>();
    for (;;) {
      changed = Promise.withResolvers();
      // An event to which the platform gives no more calls stops claiming, like one that has run for long.
      const tired = spent || isLate || Date.now() - startedAtMs > STOP_CLAIMING_AFTER_MS;
      const reporting = finished;
      finished = [];
      const claim = { lane, finished: reporting, running: [...running.values()] };
      const wanted = tired ? 0 : PARTS_PER_LANE - running.size;
      const withinMs = endsAtMs - Date.now();
      const grant = await persistently(async () => await owner.claim({ ...claim, wanted, withinMs }));
      if (grant.kind === "stop") stop.abort();
      if (grant.kind === "later") isLate = true;
      const tasks = grant.kind === "work" ? grant.tasks : [];
      for (const task of tasks) {
        const name = owner.nameOf(task);
        const own = new AbortController();
        running.set(name, owner.runningOf(task));
        this.#running.set(name, own);
        void owner.run(task, AbortSignal.any([stop.signal, own.signal]), endsAtMs).then((report) => {
          running.delete(name);
          this.#running.delete(name);
          if (owner.isSpent(report)) spent = true;
          finished.push(report);
          changed.resolve(); // of the round that waits now
        });
      }
      const idle = running.size === 0 && finished.length === 0;
      if (idle && isFinal(grant)) return null;
      const retryInMs = grant.kind === "work" ? grant.retryInMs : null;
      if (idle) return Date.now() + (spent ? BREATH_MS : tired || isLate ? 0 : (retryInMs ?? HEARTBEAT_MS));
      if (finished.length > 0) continue;
      await until(changed.promise, Math.min(HEARTBEAT_MS, retryInMs ?? HEARTBEAT_MS));
    }
  }

  #copy(copyId: string): Owner<PartTask, PartReport, PartAttempt> {
    const { Coordinator, PartCopier } = this.ctx.exports;
    return {
      nameOf: ({ partNumber, attempt }) => nameOf(partNumber, attempt),
      runningOf: ({ partNumber, attempt }) => ({ partNumber, attempt }),
      claim: async (claim) => await Coordinator.getByName(copyId).claim(claim),
      run: async (task, signal) => ({
        partNumber: task.partNumber,
        attempt: task.attempt,
        result: await callCopier(PartCopier, task, signal),
      }),
      isSpent: ({ result }) => !result.ok && result.failure.code === "platform_limit",
    };
  }

  #replicator(of: { replication: string; id?: string }): Owner<BatchTask, BatchReport, BatchAttempt> {
    const replicator = this.ctx.exports.Replicator.getByName(of.replication);
    return this.#batches({ claim: async (claim) => await replicator.claim(claim, of.id) });
  }

  /** @param of the sync or the replication */
  #batches(of: {
    claim(claim: BatchClaim): Promise<BatchGrant>;
  }): Owner<BatchTask, BatchReport, BatchAttempt> {
    const { ObjectCopier } = this.ctx.exports;
    return {
      nameOf: ({ batch, attempt }) => nameOf(batch, attempt),
      runningOf: ({ batch, attempt }) => ({ batch, attempt }),
      claim: async (claim) => await of.claim(claim),
      run: async (task, signal, endsAtMs) => {
        const { batch, attempt } = task;
        const startedAtMs = Date.now();
        const copied = await callObjectCopier(ObjectCopier, { ...task, endsAtMs }, signal);
        return { batch, attempt, ...copied, durationMs: Date.now() - startedAtMs };
      },
      isSpent: ({ outcomes }) =>
        outcomes?.some((outcome) => outcome.kind === "failed" && outcome.failure.code === "platform_limit") ??
        false,
    };
  }

  #probe(probeId: string): Owner<ProbeTask, ProbeReport, ProbeAttempt> {
    const { Probe, ProbeWorker } = this.ctx.exports;
    return {
      nameOf: ({ name, attempt }) => `${name}/${attempt}`,
      runningOf: ({ name, attempt }) => ({ name, attempt }),
      claim: async (claim) => await Probe.getByName("probe").claim(probeId, claim),
      run: async (task, signal) => ({
        name: task.name,
        attempt: task.attempt,
        outcome: await runProbeTask(this.env, ProbeWorker, task, signal),
      }),
      // Meeting the platform's limit is what the probe wants to see.
      isSpent: () => false,
    };
  }
}

function nameOf(number: number, attempt: number): string {
  return `${number}/${attempt}`;
}

/**
 * One claim, repeated if the owner was evicted or overloaded: reports are not given up for that. A repeated
 * claim is harmless. Reports are identified by their attempt, and a grant whose answer was lost is taken back
 * because the next claim does not name it as running.
 */
async function persistently<T>(claim: () => Promise<T>): Promise<T> {
  for (let failed = 0; ;) {
    try {
      return await claim();
    } catch (error) {
      failed += 1;
      if (failed === CLAIM_TRIES) throw error;
      await until(null, 100 * 2 ** failed);
    }
  }
}

/** Waits for `event` or for `timeoutMs`, whichever is first. */
async function until(event: Promise<void> | null, timeoutMs: number): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(timeout.resolve, timeoutMs);
  await Promise.race(event === null ? [timeout.promise] : [event, timeout.promise]);
  clearTimeout(timer);
}
