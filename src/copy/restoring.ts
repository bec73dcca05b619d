// A copy whose source is archived: what is asked of the source's store, how long it is waited for, and what
// goes on then. Pure; job.ts decides when.
//
// The rules:
// - A restore costs money. A copy has it asked for once, and once more if the object is archived again before
//   all of it is copied. That a request was sent is on disk first; one whose answer is lost may be repeated,
//   since the store then says that the restore is under way.
// - Between two looks nothing runs and nothing is paid for. They are the further apart, the longer it takes.
// - Only the store's own word that the object can be read ends the waiting.

import { end, stepFailed } from "./ending.ts";
import type { Event, RestoreEvent } from "./event.ts";
import type { Job, Restoring } from "./phase.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { FRESH, verdictOf } from "../s3/retry.ts";
import { lookAfterMs, MAX_LOOKS } from "../work/looks.ts";

/** Once for the copy, and once more. */
export const MAX_ASKS = 2;

export function isRestore(event: Event): event is RestoreEvent {
  return event.type === "sourceArchived" || event.type.startsWith("restore");
}

export function applyRestore(job: Job, event: RestoreEvent): Job {
  if (event.type === "sourceArchived") return archived(job, event);
  if (job.phase !== "restoring") return job;
  switch (event.type) {
    case "restoreSending":
      return job.call === "due" ? { ...job, call: "unknown" } : job;
    case "restoreAsked":
      return waiting({ ...job, looks: 0 }, event.now);
    case "restoreSeen":
      return seen(job, event);
  }
}

function archived(job: Job, { failure, wish, asks }: Extract<RestoreEvent, { type: "sourceArchived" }>): Job {
  if (job.phase !== "sizing" && job.phase !== "uploading") return job;
  if (wish === "fail") return end(job, { phase: "failed", failure });
  if (wish === "skip") return end(job, { phase: "skipped", reason: "archived" });
  return asks >= MAX_ASKS
    ? end(job, { phase: "failed", failure: restoreFailed() })
    : { phase: "restoring", resume: job, call: "unknown", looks: 0, retry: FRESH };
}

function seen(job: Restoring, { state, asks, now }: Extract<RestoreEvent, { type: "restoreSeen" }>): Job {
  switch (state) {
    case "readable":
      return job.resume.phase === "uploading"
        ? { ...job.resume, source: "unchecked", retry: FRESH }
        : { ...job.resume, retry: FRESH };
    case "ongoing":
      return waiting(job, now);
    case "archived":
      // Attempts that have failed count on: it is one request that is repeated.
      return asks >= MAX_ASKS
        ? end(job, { phase: "failed", failure: restoreFailed() })
        : { ...job, call: "due", retry: { ...job.retry, notBeforeMs: 0 } };
  }
}

/**
 * A step has failed. Hours lie between two looks, so a store that cannot be asked now is asked at the next
 * one; only what a person must put right waits for that person.
 */
export function restoreStepFailed(job: Restoring, event: Extract<Event, { type: "stepFailed" }>): Job {
  const { failure, now } = event;
  const verdict = verdictOf(failure);
  const isTrouble = verdict === "retry" || verdict === "throttle";
  return job.call === "asked" && isTrouble ? waiting(job, now, failure) : stepFailed(job, event);
}

/** The next look; after the last one, a person is asked. */
function waiting(job: Restoring, now: number, failure = overdue()): Job {
  const looks = job.looks + 1;
  const retry = { failedAttempts: 0, notBeforeMs: now + lookAfterMs(job.looks) };
  return job.looks < MAX_LOOKS
    ? { ...job, call: "asked", looks, retry }
    : { phase: "blocked", resume: { ...job, call: "asked", looks: 0, retry: FRESH }, failure };
}

export function restoreFailed(): Failure {
  const message =
    "The source was restored and is archived again before all of it is copied: ask for more days, or restore it yourself";
  return meshFailure("restore_failed", message, "RestoreObject");
}

export function overdue(): Failure {
  const message =
    "The restore has not ended within 72 hours: ask the provider of the store; resuming looks again";
  return meshFailure("restore_overdue", message, "HeadObject");
}
