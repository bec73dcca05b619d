// What a sync does next, and the counts that decide it; job.ts chooses.

import type { Requeue, RunCursor } from "./phase.ts";

/** What a decision needs of the record. */
export interface SyncCounts {
  /** The window takes another page of decisions. */
  readonly hasRoom: boolean;
  /** Batches and large copies that are decided and not done. */
  readonly underWay: number;
  /** Those of them that wait for their restore, and when the next one is to be asked for or looked at. */
  readonly restoring: number;
  readonly restoreDueMs: number | null;
  /** Those of them that a lane or a coordinator is working on now. */
  readonly running: number;
  readonly deletions: number;
  readonly reportBytes: number;
  readonly errors: number;
}

export type SyncStep =
  | { readonly do: "list"; readonly cursor: RunCursor }
  /** A part of the report is written to its store. */
  | { readonly do: "report" }
  | { readonly do: "requeue"; readonly which: Requeue }
  /** Archived keys are asked for, or looked at. */
  | { readonly do: "restore" }
  /** Whether anything else is under way has changed. */
  | { readonly do: "awaitRestores"; readonly only: boolean }
  /** Everything listed is done: may the extra keys be deleted? */
  | { readonly do: "judgeDeletes" }
  | { readonly do: "delete" }
  /** Every key of a comparison has its finding. */
  | { readonly do: "conclude" }
  /** What runs is stopped and waited for. */
  | { readonly do: "settle" }
  /** What was never started is given up, each key with its line. */
  | { readonly do: "abandon" }
  | { readonly do: "end" }
  /** The lanes and large copies are checked, then the sync waits. Null: until a call comes. */
  | { readonly do: "rest"; readonly untilMs: number | null };
