// The phases of a sync, and what exists in each. All of it is plain JSON, since a job rests in SQLite between
// two alarms. Pure; job.ts holds the rules.

import { ENDED_PHASES } from "../http/vocabulary.ts";
import type { VersionCursor } from "../listing/versions.ts";
import type { Cursor } from "../listing/walk.ts";
import type { ReportCursor } from "./repair_walk.ts";
import type { Failure } from "../s3/failure.ts";
import type { Retry } from "../s3/retry.ts";

/** How far the keys are decided: of both listings, or of a comparison's report. */
export type RunCursor = Cursor | ReportCursor | HistoryCursor;

/** How far the versions of the source are listed. */
export interface HistoryCursor {
  readonly kind: "histories";
  readonly list: VersionCursor | null;
}

export type SyncEnding =
  | { readonly phase: "completed" }
  | { readonly phase: "finished_with_errors" }
  /** Of a comparison. */
  | { readonly phase: "equal" | "different" | "inconclusive" }
  | { readonly phase: "failed"; readonly failure: Failure }
  | { readonly phase: "cancelled" };

type SyncWorking =
  | {
      readonly phase: "listing";
      readonly cursor: RunCursor;
      /** What comes after it; absent: `copying`. */
      readonly next?: "comparing";
      readonly retry: Retry;
    }
  /** A comparison waits for what the lanes still ask both sides. */
  | {
      readonly phase: "comparing";
      /** What ended the listing early; null: both sides were listed to their end. */
      readonly failure: Failure | null;
      readonly retry: Retry;
    }
  | {
      readonly phase: "copying";
      /** What ended the listing early; null: both sides were listed to their end. */
      readonly failure: Failure | null;
      /** Failed keys of an earlier round that still have to be retried. */
      readonly requeue: Requeue | null;
      readonly retry: Retry;
    }
  /** Nothing is under way but restores at the source: it looks at them from time to time. */
  | {
      readonly phase: "restoring";
      /** As in `copying`. */
      readonly failure: Failure | null;
      readonly retry: Retry;
    }
  | {
      readonly phase: "deleting";
      /** `room`: only what was in the way of failed copies, which are then tried again. */
      readonly what: "room" | "extras";
      readonly retry: Retry;
    };

/** `copies`: the keys that could not be copied; `all`: also those that could not be deleted. */
export type Requeue = "copies" | "all";

export type SyncJob =
  | SyncWorking
  /** `by`: it has stopped at its budget; absent: somebody has paused it. */
  | { readonly phase: "paused"; readonly resume: SyncWorking; readonly by?: "budget" }
  | { readonly phase: "blocked"; readonly resume: SyncWorking; readonly failure: Failure }
  | { readonly phase: "stopping"; readonly ending: SyncEnding; readonly retry?: Retry }
  | { readonly phase: "reporting"; readonly ending: SyncEnding; readonly retry: Retry }
  | SyncEnding;

const ENDED: readonly SyncJob["phase"][] = ENDED_PHASES satisfies readonly SyncEnding["phase"][];

export function isSyncEnded(job: SyncJob): job is SyncEnding {
  return ENDED.includes(job.phase);
}

export function isWorking(job: SyncJob): job is SyncWorking {
  return (
    job.phase === "listing" ||
    job.phase === "comparing" ||
    job.phase === "copying" ||
    job.phase === "restoring" ||
    job.phase === "deleting"
  );
}
