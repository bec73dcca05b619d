// What changes a sync: the answers to its steps, and the calls of people. job.ts says what each changes.

import type { RunCursor } from "./phase.ts";
import type { SyncStep } from "./step.ts";
import type { Failure } from "../s3/failure.ts";

export type SyncEvent =
  /** A page of both sides is decided and in the window. Null: it was the last. */
  | { readonly type: "listed"; readonly cursor: RunCursor | null }
  | { readonly type: "requeued" }
  /** Nothing but restores is under way, or something is again. */
  | { readonly type: "restoresWait"; readonly only: boolean }
  | { readonly type: "concluded"; readonly end: "equal" | "different" | "inconclusive" }
  | { readonly type: "deletesJudged"; readonly delete: "nothing" | "room" | "extras" }
  /** Some keys are deleted. The next ones wait until then, if the store was in trouble. */
  | { readonly type: "deletedSome"; readonly notBeforeMs: number }
  /** The last deletion is done. */
  | { readonly type: "deleted" }
  | { readonly type: "stopped" }
  | { readonly type: "reported" }
  | { readonly type: "ended"; readonly errors: number }
  | {
      readonly type: "stepFailed";
      readonly step: SyncStep["do"];
      readonly failure: Failure;
      readonly now: number;
      readonly random: number;
    }
  | { readonly type: "stepDone" }
  /** An alarm has ended in an error that nobody foresaw; or it has ended well. */
  | { readonly type: "crashed"; readonly failure: Failure }
  | { readonly type: "advanced" }
  /** A failure that concerns every key, not one. */
  | { readonly type: "runFailed"; readonly failure: Failure }
  | { readonly type: "pause" }
  | { readonly type: "resume" }
  | { readonly type: "cancel" }
  | { readonly type: "retry" };
