// How a copy ends when it cannot or must not go on: which upload must go first, and what comes after it.
// Pure; job.ts decides when.

import {
  type Aborting,
  type Ending,
  type Job,
  type Prepared,
  type Skipped,
  type Working,
  isEnded,
  objectOf,
  uploadOf,
  workOf,
} from "./phase.ts";
import type { Failure } from "../s3/failure.ts";
import {
  afterCrash,
  backoffMs,
  FRESH,
  isOutage,
  isStoreTrouble,
  MAX_ATTEMPTS,
  MAX_OUTAGE_ATTEMPTS,
  verdictOf,
} from "../s3/retry.ts";

/**
 * A copy starts over at most this many times, even if its source keeps changing or its store loses every
 * upload.
 */
const MAX_RESTARTS = 3;

/**
 * Attempts to end an upload before the copy ends without that, which takes about 15 seconds. debts.ts does
 * the rest.
 */
const MAX_ABORT_ATTEMPTS = 5;

/** Ends a copy whose destination object does not exist: its upload, if there is one, goes first. */
export function end(of: Working, ending: Ending): Job {
  const object = objectOf(of);
  const job = of.phase === "restoring" ? of.resume : of;
  // Nothing was started, or the object exists and is complete: there is no upload to abort.
  if (job.phase === "queued" || job.phase === "sizing" || job.phase === "verifying")
    return endAs({ object, ending });
  const strayAtMs = job.phase === "creating" ? job.sentAtMs : null;
  return { phase: "aborting", object, upload: uploadOf(job), strayAtMs, ending, retry: FRESH };
}

/**
 * Some failures start the copy over, a few times: the store has lost the upload; AWS asks for a new upload
 * (409 after a write that raced with Complete); or the source has changed and the request allows it.
 */
export function afterFailure({ restarts, ifSourceChanges }: Prepared, failure: Failure): Ending {
  const curable =
    failure.code === "NoSuchUpload" ||
    failure.code === "ConditionalRequestConflict" ||
    (failure.code === "source_changed" && ifSourceChanges === "restart");
  return curable && restarts < MAX_RESTARTS
    ? { phase: "restart", via: "auto", restarts: restarts + 1, start: "now" }
    : { phase: "failed", failure };
}

/** The phase after the upload is gone. */
export function endAs({ object, ending }: { object: Prepared | null; ending: Ending }): Job {
  switch (ending.phase) {
    case "cancelled":
      return { phase: "cancelled", object };
    case "failed":
      return { phase: "failed", failure: ending.failure, object };
    case "skipped":
      return { phase: "completed", object, result: skippedBy(ending) };
    case "restart": {
      const { via, restarts, start } = ending;
      const again = { phase: "sizing" as const, via, restarts, retry: FRESH };
      return start === "paused" ? { phase: "paused", resume: again } : again;
    }
  }
}

function skippedBy({ reason }: Extract<Ending, { phase: "skipped" }>): Skipped {
  return reason === undefined ? { kind: "skipped" } : { kind: "skipped", reason };
}

/** What has been begun is taken back, unless it is done. */
export function cancel(job: Job): Job {
  const work = workOf(job);
  if (isEnded(work)) return work;
  // Either it is not known yet whether the object exists, or it exists and is complete. Then there is nothing
  // left to cancel.
  if ((work.phase === "completing" && work.call.sent) || work.phase === "verifying")
    return work.wish === "cancel" && job === work ? work : { ...work, wish: "cancel", retry: FRESH };
  if (work.phase !== "aborting") return end(work, { phase: "cancelled" });
  const ending = cancelledEnding(work.ending);
  return ending === work.ending ? work : { ...work, ending };
}

/**
 * What an abort ends with once its copy is cancelled. What it fails with stays; if its object turns out to be
 * there, that is looked at no longer than needed.
 */
function cancelledEnding(ending: Ending): Ending {
  if (ending.phase === "restart") return { phase: "cancelled" };
  return ending.phase === "failed" && ending.isCancelled !== true ? { ...ending, isCancelled: true } : ending;
}

export function wishOf(ending: Ending): "finish" | "cancel" {
  if (ending.phase === "failed") return ending.isCancelled === true ? "cancel" : "finish";
  return ending.phase === "cancelled" ? "cancel" : "finish";
}

/** A step has failed: is it tried again, is a person asked, or does the copy end? */
export function stepFailed(job: Job, event: { failure: Failure; now: number; random: number }): Job {
  const { failure, now, random } = event;
  if (isEnded(job) || job.phase === "paused" || job.phase === "blocked") return job;
  if (failure.code === "budget_reached") return atBudget(job, failure, now);
  const failedAttempts = job.retry.failedAttempts + 1;
  const notBeforeMs = now + backoffMs(failure, failedAttempts, random);
  const again = { ...job, retry: { failedAttempts, notBeforeMs } };
  const verdict = verdictOf(failure);
  if (job.phase === "aborting") {
    if (failedAttempts >= MAX_ABORT_ATTEMPTS) return endAs(job);
    return { ...job, retry: { failedAttempts, notBeforeMs: now + abortBackoffMs(failedAttempts, random) } };
  }
  // The object may exist. Until that is known, the copy can only look again, and finally ask a person to
  // look.
  if (job.phase === "completing" && job.call.sent) {
    const call =
      failure.operation === "CompleteMultipartUpload" ? { sent: true as const, failure } : job.call;
    const looking = { ...job, call, retry: again.retry };
    const asksPerson =
      verdict === "blocked" || failedAttempts >= Math.max(2 * MAX_ATTEMPTS, attemptsFor(job, failure));
    return asksPerson ? { phase: "blocked", resume: looking, failure } : looking;
  }
  if (verdict !== "fatal" && verdict !== "blocked" && failedAttempts < attemptsFor(job, failure))
    return again;
  return giveUp(job, failure);
}

/** Nothing was sent. While something is under way that may spend less than it could, that is waited for. */
function atBudget(job: Working | Aborting, { retryAfterMs }: Failure, now: number): Job {
  if (retryAfterMs !== null) return { ...job, retry: { ...job.retry, notBeforeMs: now + retryAfterMs } };
  return job.phase === "aborting" ? job : { phase: "paused", resume: job, by: "budget" };
}

/** What crashes again and again waits for a person; an abort that does is owed. */
export function crashed(job: Job, failure: Failure): Job {
  if (isEnded(job) || job.phase === "paused" || job.phase === "blocked") return job;
  const retry = afterCrash(job.retry);
  if (retry !== null) return { ...job, retry };
  if (job.phase === "aborting") return endAs(job);
  if (job.phase === "verifying" && job.wish === "cancel") return unverified(job.object, failure);
  return { phase: "blocked", resume: { ...job, retry: FRESH }, failure };
}

/**
 * No attempt is left: is a person asked, or does the copy end? Work is not thrown away because a store is in
 * trouble.
 */
export function giveUp(job: Working, failure: Failure): Job {
  if (verdictOf(failure) === "blocked" || (hasWork(job) && isStoreTrouble(failure))) {
    return job.phase === "verifying" && job.wish === "cancel"
      ? unverified(job.object, failure)
      : { phase: "blocked", resume: job, failure };
  }
  const object = objectOf(job);
  return end(job, object === null ? { phase: "failed", failure } : afterFailure(object, failure));
}

/**
 * A store that is down when a copy starts ends it soon. Once there is work to lose, the copy waits for the
 * store to come back.
 */
export function attemptsFor(job: Working | Aborting, failure: Failure): number {
  if (job.phase === "verifying" && job.wish === "cancel") return CANCELLED_ATTEMPTS;
  return hasWork(job) && isOutage(failure) ? MAX_OUTAGE_ATTEMPTS : MAX_ATTEMPTS;
}

/** A second of looking at an object that nobody waits for: its copy is cancelled. */
const CANCELLED_ATTEMPTS = 3;

/** A restore that was asked for is paid for. */
function hasWork({ phase }: Working | Aborting): boolean {
  return ["restoring", "uploading", "completing", "verifying"].includes(phase);
}

/** The copy was cancelled when its object already existed. Nobody should have to wait for the proof. */
function unverified(object: Prepared, failure: Failure): Job {
  const message = `The object is at the destination, complete but not verified: ${failure.message}`;
  return { phase: "failed", object, failure: { ...failure, message } };
}

/** One, two, four … seconds, never less than half of that. */
function abortBackoffMs(failedAttempts: number, random: number): number {
  return Math.ceil(500 * 2 ** failedAttempts * (0.5 + random / 2));
}
