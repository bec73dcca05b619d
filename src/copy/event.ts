// What changes a copy: the answers to its steps, and the calls of people. job.ts says what each changes.

import type { Prepared } from "./phase.ts";
import type { Proof } from "../http/vocabulary.ts";
import type { IfArchived } from "../object/archive.ts";
import type { ProofPlan } from "../object/proof.ts";
import type { Failure } from "../s3/failure.ts";

interface Failed {
  readonly failure: Failure;
  readonly now: number;
  /** In [0, 1): spreads the retries. */
  readonly random: number;
}

export type Event =
  /** No other copy writes the destination any more: this one may start. */
  | { readonly type: "isNext" }
  /** Another copy still writes the destination; ask again then. */
  | { readonly type: "notYet"; readonly behind: string; readonly recheckAtMs: number }
  /** The copy ahead may have ended. */
  | { readonly type: "recheckQueue" }
  | { readonly type: "sized"; readonly object: Prepared }
  | RestoreEvent
  /** The destination already has an object of this key. */
  | { readonly type: "conflict"; readonly failure: Failure; readonly skip: boolean }
  /** The store refused an attribute: the copy goes on without it. */
  | { readonly type: "headerDropped"; readonly header: string }
  | { readonly type: "createSending"; readonly now: number }
  | { readonly type: "created"; readonly uploadId: string }
  /** An unanswered CreateMultipartUpload has left no upload, or what it left was aborted. */
  | { readonly type: "swept" }
  | { readonly type: "sourceSame" }
  /** The table shows what became of the parts of a dead lane. */
  | { readonly type: "partsFound" }
  | { readonly type: "partsChecked" }
  /**
   * What arrived does not match the source's own checksum or ETag: all parts are sent again, with other
   * digests.
   */
  | { readonly type: "sentAgain"; readonly proof: ProofPlan }
  /** The service does not copy by itself. */
  | { readonly type: "streamInstead" }
  | { readonly type: "completeSending" }
  | { readonly type: "completed"; readonly etag: string | null }
  /** The store refused Complete because of its parts. The table has been corrected. */
  | ({ readonly type: "partsRefused" } & Failed)
  | { readonly type: "objectFound"; readonly etag: string }
  /** `uploadGone`: the store no longer knows the upload, so no Complete can succeed any more. */
  | { readonly type: "objectAbsent"; readonly uploadGone: boolean }
  /** The store refused Complete in a way that leaves no doubt: no object was made. */
  | ({ readonly type: "completeRefused" } & Failed)
  | { readonly type: "verified"; readonly etag: string; readonly proof: Proof }
  | { readonly type: "aborted" }
  | ({ readonly type: "stepFailed" } & Failed)
  /** An alarm has ended in an error that nobody foresaw; or it has ended well. */
  | ({ readonly type: "crashed" } & Failed)
  | { readonly type: "advanced" }
  /** A part failed for good: its attempts are used up, or no attempt can help. */
  | { readonly type: "partFailed"; readonly failure: Failure }
  | { readonly type: "cancel" }
  | { readonly type: "pause" }
  | { readonly type: "resume" };

export type RestoreEvent =
  | {
      readonly type: "sourceArchived";
      readonly failure: Failure;
      readonly wish: IfArchived;
      /** How often this copy has had a restore asked for. */
      readonly asks: number;
    }
  | { readonly type: "restoreSending" }
  | { readonly type: "restoreAsked"; readonly now: number }
  /** What HEAD shows of the source. */
  | {
      readonly type: "restoreSeen";
      readonly state: "readable" | "ongoing" | "archived";
      readonly asks: number;
      readonly now: number;
    };
