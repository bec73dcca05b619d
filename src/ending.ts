// How a copy ends when it cannot, or shall not, go on: which upload must go first, and what comes after it. Pure; job.ts
// decides when.

import type { Failure } from "./failure.ts";
import {
  type Ending,
  type Job,
  type Prepared,
  type Retry,
  type Working,
  objectOf,
  uploadOf,
} from "./phase.ts";

/** Every new phase begins with it. */
export const FRESH: Retry = { failedAttempts: 0, notBeforeMs: 0 };

/** A source that changes for ever, or a store that loses every upload, ends the copy after this many new beginnings. */
const MAX_RESTARTS = 3;

/** Ends a copy whose destination object does not exist: whatever upload there is goes first. */
export function end(job: Working, ending: Ending): Job {
  const object = objectOf(job);
  // Nothing was begun, or the object is whole and there: there is no upload to abort.
  if (job.phase === "sizing" || job.phase === "verifying") return conclude({ object, ending });
  const strayAtMs = job.phase === "creating" ? job.sentAtMs : null;
  return { phase: "aborting", object, upload: uploadOf(job), strayAtMs, ending, retry: FRESH };
}

/**
 * An upload that the store has lost, or that AWS says to begin anew (409 after a write that raced with Complete), and by
 * option a source that has changed, begin the copy again a few times.
 */
export function afterFailure({ restarts, ifSourceChanges }: Prepared, failure: Failure): Ending {
  const curable =
    failure.code === "NoSuchUpload" ||
    failure.code === "ConditionalRequestConflict" ||
    (failure.code === "source_changed" && ifSourceChanges === "restart");
  return curable && restarts < MAX_RESTARTS
    ? { phase: "restart", via: "auto", restarts: restarts + 1 }
    : { phase: "failed", failure };
}

/** The phase after the upload is gone. */
export function conclude({ object, ending }: { object: Prepared | null; ending: Ending }): Job {
  switch (ending.phase) {
    case "cancelled":
      return { phase: "cancelled", object };
    case "failed":
      return { phase: "failed", failure: ending.failure, object };
    case "skipped":
      return { phase: "completed", object, result: { kind: "skipped" } };
    case "restart":
      return { phase: "sizing", via: ending.via, restarts: ending.restarts, retry: FRESH };
  }
}
