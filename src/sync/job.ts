// A sync as data: its phase, what exists in that phase, what to do next, and what an answer changes.
//
//   listing → copying → deleting → reporting → completed | finished_with_errors | failed | cancelled
//   copying ↔ restoring, while nothing but restores at the source is under way
//   `listing` lists both sides, decides and copies at once; `copying` waits for what is still under way;
//   listing → comparing → reporting → equal | different | inconclusive | failed | cancelled, of a comparison
//   `stopping` comes before `reporting` when a run ends early; paused and blocked keep everything and go on.
//
// Pure: nextStep() decides and apply() changes. The sync does what nextStep() says and saves what apply()
// returns. Any step may run twice and any answer may come late: an event that no longer fits the phase
// changes nothing. The keys are not in here, only the cursor that says how far both listings are decided.
//
// The rule of deletion: `deleting` is reached only from `copying`, and only if both listings were read to
// their end. After a listing that failed, the keys it returned are still copied, and nothing is deleted.
// Deletions that make room for copies come first; then the run is `copying` again.

import type { SyncEvent } from "./event.ts";
import { type RunCursor, type SyncEnding, type SyncJob, isSyncEnded, isWorking } from "./phase.ts";
import type { SyncCounts, SyncStep } from "./step.ts";
import type { Failure } from "../s3/failure.ts";
import { afterCrash, backoffMs, FRESH, keyVerdictOf, MAX_ATTEMPTS, withoutCrashes } from "../s3/retry.ts";

/** The report is written in parts of about this size. */
export const REPORT_PART_BYTES = 4 * 2 ** 20;

const COMPLETED: SyncEnding = { phase: "completed" };

export function newSyncJob(cursor: RunCursor, kind?: "comparison"): SyncJob {
  const next = kind === undefined ? {} : { next: "comparing" as const };
  return { phase: "listing", cursor, ...next, retry: FRESH };
}

/** Are batches handed out, and new large copies started? */
export function isHandingOut({ phase }: SyncJob): boolean {
  return phase === "listing" || phase === "comparing" || phase === "copying";
}

export function nextStep(job: SyncJob, counts: SyncCounts, now: number): SyncStep {
  if (isSyncEnded(job) || job.phase === "paused" || job.phase === "blocked")
    return { do: "rest", untilMs: null };
  if (job.phase === "stopping") return { do: counts.running > 0 ? "settle" : "abandon" };
  if (job.retry.notBeforeMs > now) return { do: "rest", untilMs: job.retry.notBeforeMs };
  if (job.phase === "reporting") return { do: counts.reportBytes > 0 ? "report" : "end" };
  if (counts.reportBytes >= REPORT_PART_BYTES) return { do: "report" };
  const { restoring, restoreDueMs: untilMs } = counts;
  if (job.phase !== "deleting" && untilMs !== null && untilMs <= now) return { do: "restore" };
  switch (job.phase) {
    case "listing":
      return counts.hasRoom ? { do: "list", cursor: job.cursor } : { do: "rest", untilMs };
    case "comparing":
      return counts.underWay > 0 ? { do: "rest", untilMs: null } : { do: "conclude" };
    case "copying":
      if (job.requeue !== null)
        return counts.hasRoom ? { do: "requeue", which: job.requeue } : { do: "rest", untilMs };
      if (restoring > 0 && restoring === counts.underWay) return { do: "awaitRestores", only: true };
      return counts.underWay > 0 ? { do: "rest", untilMs } : { do: "judgeDeletes" };
    case "restoring":
      return restoring > 0 && restoring === counts.underWay
        ? { do: "rest", untilMs }
        : { do: "awaitRestores", only: false };
    case "deleting":
      return { do: "delete" };
  }
}

export function apply(job: SyncJob, event: SyncEvent): SyncJob {
  switch (event.type) {
    case "pause":
      return isWorking(job) ? { phase: "paused", resume: job } : job;
    case "resume":
      return job.phase === "paused" || job.phase === "blocked" ? { ...job.resume, retry: FRESH } : job;
    case "cancel":
      return stop(job, { phase: "cancelled" });
    case "runFailed":
      return keyVerdictOf(event.failure) === "blocked"
        ? block(job, event.failure)
        : stop(job, { phase: "failed", failure: event.failure });
    case "retry":
      return job.phase === "finished_with_errors"
        ? { phase: "copying", failure: null, requeue: "all", retry: FRESH }
        : job;
  }
  // Answers that were under way when the sync was paused or blocked still count.
  if (job.phase === "paused" || job.phase === "blocked") {
    const resumed = apply(job.resume, event);
    return isWorking(resumed) ? { ...job, resume: resumed } : resumed;
  }
  switch (event.type) {
    case "listed":
      if (job.phase !== "listing") return job;
      return event.cursor === null ? listed(job, null) : { ...job, cursor: event.cursor, retry: FRESH };
    case "concluded":
      if (job.phase !== "comparing") return job;
      return concluded(job.failure, { phase: event.end });
    case "restoresWait":
      return restoresWait(job, event.only);
    case "requeued":
      return job.phase === "copying" ? { ...job, requeue: null } : job;
    case "deletesJudged":
      if (job.phase !== "copying") return job;
      if (job.failure !== null) return concluded(job.failure, COMPLETED);
      return event.delete === "nothing"
        ? { phase: "reporting", ending: COMPLETED, retry: FRESH }
        : { phase: "deleting", what: event.delete, retry: FRESH };
    case "deletedSome":
      return job.phase === "deleting"
        ? { ...job, retry: { failedAttempts: 0, notBeforeMs: event.notBeforeMs } }
        : job;
    case "deleted":
      if (job.phase !== "deleting") return job;
      return job.what === "room"
        ? { phase: "copying", failure: null, requeue: "copies", retry: FRESH }
        : { phase: "reporting", ending: COMPLETED, retry: FRESH };
    case "stopped":
      return job.phase === "stopping" ? { phase: "reporting", ending: job.ending, retry: FRESH } : job;
    case "ended":
      if (job.phase !== "reporting") return job;
      return job.ending.phase === "completed" && event.errors > 0
        ? { phase: "finished_with_errors" }
        : job.ending;
    case "reported":
    case "stepDone":
      return "retry" in job && job.retry.failedAttempts > 0 ? { ...job, retry: FRESH } : job;
    case "stepFailed":
      return stepFailed(job, event);
    case "crashed":
      return crashed(job, event.failure);
    case "advanced":
      return withoutCrashes(job);
  }
}

/** @param only nothing else is under way */
function restoresWait(job: SyncJob, only: boolean): SyncJob {
  if (job.phase !== "copying" && job.phase !== "restoring") return job;
  const { failure } = job;
  return only
    ? { phase: "restoring", failure, retry: FRESH }
    : { phase: "copying", failure, requeue: null, retry: FRESH };
}

/** @param failure what ended the listing early */
function listed({ next }: Extract<SyncJob, { phase: "listing" }>, failure: Failure | null): SyncJob {
  return next === undefined
    ? { phase: "copying", failure, requeue: null, retry: FRESH }
    : { phase: next, failure, retry: FRESH };
}

/** What was listed in part is judged in part. */
function concluded(failure: Failure | null, ending: SyncEnding): SyncJob {
  return {
    phase: "reporting",
    ending: failure === null ? ending : { phase: "failed", failure },
    retry: FRESH,
  };
}

function stop(job: SyncJob, ending: SyncEnding): SyncJob {
  return isWorking(job) || job.phase === "paused" || job.phase === "blocked"
    ? { phase: "stopping", ending }
    : job;
}

function block(job: SyncJob, failure: Failure): SyncJob {
  if (job.phase === "paused") return { phase: "blocked", resume: job.resume, failure };
  return isWorking(job) ? { phase: "blocked", resume: job, failure } : job;
}

/** What crashes again and again waits for a person; what is about to end, ends. */
function crashed(job: SyncJob, failure: Failure): SyncJob {
  if (!isWorking(job) && job.phase !== "stopping" && job.phase !== "reporting") return job;
  const retry = afterCrash(job.retry ?? FRESH);
  if (retry !== null) return { ...job, retry };
  if (isWorking(job)) return block({ ...job, retry: FRESH }, failure);
  return job.phase === "stopping"
    ? { phase: "reporting", ending: { phase: "failed", failure }, retry: FRESH }
    : { phase: "failed", failure };
}

function stepFailed(job: SyncJob, event: Extract<SyncEvent, { type: "stepFailed" }>): SyncJob {
  if (!isWorking(job) && job.phase !== "reporting") return job;
  const { step, failure, now, random } = event;
  if (failure.code === "budget_reached") {
    // While something is under way that may spend less than it could, that is waited for.
    const { retryAfterMs: waitMs } = failure;
    if (waitMs === null && isWorking(job)) return { phase: "paused", resume: job, by: "budget" };
    return { ...job, retry: { ...job.retry, notBeforeMs: now + (waitMs ?? 0) } };
  }
  const failedAttempts = job.retry.failedAttempts + 1;
  const verdict = keyVerdictOf(failure);
  if (verdict === "blocked" && isWorking(job)) return block(job, failure);
  if (verdict !== "fatal" && verdict !== "blocked" && failedAttempts < MAX_ATTEMPTS) {
    const notBeforeMs = now + backoffMs(failure, failedAttempts, random);
    return { ...job, retry: { failedAttempts, notBeforeMs } };
  }
  // What is listed is copied anyway; nothing is deleted.
  if (job.phase === "listing" && step === "list") return listed(job, failure);
  return job.phase === "reporting"
    ? { phase: "failed", failure: job.ending.phase === "failed" ? job.ending.failure : failure }
    : { phase: "stopping", ending: { phase: "failed", failure } };
}
