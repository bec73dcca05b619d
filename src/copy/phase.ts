// A copy as data: the phases, what exists in each, the steps between them and the events that change them,
// and how to read them. job.ts holds the rules. All of it is plain JSON, since a job rests in SQLite between
// two alarms.

import type { Plan } from "./plan.ts";
import type { Proof, ProofPlan } from "../object/proof.ts";
import type { Failure } from "../s3/failure.ts";
import type { Retry } from "../s3/retry.ts";

/** The source as it was found by HEAD, and how it is copied. The plan is fixed for the life of the upload. */
export interface Prepared {
  readonly sourceEtag: string;
  readonly plan: Plan;
  readonly via: Via;
  /** Random, in the destination's metadata: tells our object from any other. Null: not wanted. */
  readonly copyId: string | null;
  /** Request headers of Create or PutObject: the object's attributes. */
  readonly headers: Readonly<Record<string, string>>;
  readonly proof: ProofPlan;
  /** How often all parts were sent again because they did not add up to the source's own word. */
  readonly timesRedone: number;
  /** How often Complete was refused because of the parts: a store that always does is not asked for ever. */
  readonly timesRefused: number;
  /** How often the copy began again because its upload was lost or its source had changed. */
  readonly restarts: number;
  /** What an object that is at the destination already means. */
  readonly ifExists: "overwrite" | "skip" | "fail";
  readonly ifSourceChanges: "fail" | "restart";
  /** PutObject carries `If-None-Match: *`: the destination itself sees to it that nothing is overwritten. */
  readonly onlyIfAbsent: boolean;
}

/** `stream`: the bytes pass through part copiers. `server`: one service has both sides and copies itself. */
export type Via = "stream" | "server";

export type Upload = { readonly kind: "whole" } | { readonly kind: "parts"; readonly uploadId: string };

/**
 * CompleteMultipartUpload may have happened once it was sent, whatever came back; `sent` is on disk before
 * the request goes out. `failure` is what came back, if anything did.
 */
type CompleteCall = { readonly sent: false } | { readonly sent: true; readonly failure: Failure | null };

/** What a copy comes to after its upload is gone. `restart`: it begins again from the source's HEAD. */
export type Ending =
  | { readonly phase: "cancelled" }
  | { readonly phase: "failed"; readonly failure: Failure }
  | { readonly phase: "skipped" }
  | {
      readonly phase: "restart";
      readonly via: "auto" | "stream";
      readonly restarts: number;
      readonly start: "now" | "paused";
    };

export type Working =
  /** Another copy to the same destination goes first: the one `behind` names, once that is known. */
  | { readonly phase: "queued"; readonly behind: string | null; readonly retry: Retry }
  // `stream`: copying inside the service was refused before.
  | {
      readonly phase: "sizing";
      readonly via: "auto" | "stream";
      readonly restarts: number;
      readonly retry: Retry;
    }
  | {
      readonly phase: "creating";
      readonly object: Prepared;
      /** When a CreateMultipartUpload was sent that may have made an upload: its answer is not known. */
      readonly sentAtMs: number | null;
      readonly retry: Retry;
    }
  | {
      readonly phase: "uploading";
      readonly object: Prepared;
      readonly upload: Upload;
      /**
       * `unchecked`: the copy has rested, perhaps for days; whether its source is still the same is asked
       * first.
       */
      readonly source: "same" | "unchecked";
      readonly retry: Retry;
    }
  | {
      readonly phase: "completing";
      readonly object: Prepared;
      readonly uploadId: string;
      readonly call: CompleteCall;
      /**
       * `cancel`: the copy was cancelled while the outcome was unknown; it is aborted if the object is not
       * there.
       */
      readonly wish: "finish" | "cancel";
      readonly retry: Retry;
    }
  | {
      readonly phase: "verifying";
      readonly object: Prepared;
      readonly etag: string | null;
      /**
       * `cancel`: the object is there and cannot be cancelled, but if it cannot be verified now, the copy
       * ends.
       */
      readonly wish: "finish" | "cancel";
      readonly retry: Retry;
    };

export type Aborting = {
  readonly phase: "aborting";
  readonly object: Prepared | null;
  readonly upload: Upload | null;
  /** As in `creating`: an upload that nobody knows may have been made since then. */
  readonly strayAtMs: number | null;
  readonly ending: Ending;
  readonly retry: Retry;
};

type Ended =
  | { readonly phase: "completed"; readonly object: Prepared | null; readonly result: Result }
  | { readonly phase: "failed"; readonly object: Prepared | null; readonly failure: Failure }
  | { readonly phase: "cancelled"; readonly object: Prepared | null };

/** `skipped`: there was an object at the destination, and the request said to leave it. */
type Result =
  { readonly kind: "copied"; readonly etag: string; readonly proof: Proof } | { readonly kind: "skipped" };

export type Job =
  | Working
  | Aborting
  | { readonly phase: "paused"; readonly resume: Working }
  | { readonly phase: "blocked"; readonly resume: Working; readonly failure: Failure }
  | Ended;

export interface PartCounts {
  readonly total: number;
  readonly done: number;
  readonly inFlight: number;
  /** The lane that had them died: whether they are at the store is to be looked up. */
  readonly lost: number;
}

/**
 * What the coordinator is to do; `tendLanes` and `rest` end the alarm, the others are followed by another
 * step.
 */
export type Step =
  | { readonly do: "checkQueue" }
  | { readonly do: "prepare"; readonly via: "auto" | "stream"; readonly restarts: number }
  | { readonly do: "createUpload"; readonly object: Prepared }
  | { readonly do: "recheckSource"; readonly object: Prepared }
  | { readonly do: "tendLanes" }
  | { readonly do: "findParts"; readonly uploadId: string }
  | { readonly do: "checkParts"; readonly object: Prepared; readonly upload: Upload }
  | { readonly do: "complete"; readonly object: Prepared; readonly uploadId: string }
  | { readonly do: "findObject"; readonly object: Prepared; readonly uploadId: string | null }
  | { readonly do: "verify"; readonly object: Prepared; readonly etag: string | null }
  | { readonly do: "settleParts" }
  | { readonly do: "sweep"; readonly sinceMs: number }
  | { readonly do: "abort"; readonly uploadId: string }
  | { readonly do: "rest"; readonly untilMs: number | null };

export type Event =
  /** The destination is this copy's own now. */
  | { readonly type: "isNext" }
  /** It is not yet; look again then. */
  | { readonly type: "notYet"; readonly behind: string; readonly recheckAtMs: number }
  /** Perhaps it is now. */
  | { readonly type: "recheckQueue" }
  | { readonly type: "sized"; readonly object: Prepared }
  /** The destination has an object of that name already. */
  | { readonly type: "conflict"; readonly failure: Failure; readonly skip: boolean }
  /** The store refused an attribute: the copy goes on without it. */
  | { readonly type: "headerDropped"; readonly header: string }
  | { readonly type: "createSending"; readonly now: number }
  | { readonly type: "created"; readonly uploadId: string }
  /** There is no upload of an unanswered CreateMultipartUpload, or none any more. */
  | { readonly type: "swept" }
  | { readonly type: "sourceSame" }
  /** What had become of the parts of a dead lane is in the table. */
  | { readonly type: "partsFound" }
  | { readonly type: "partsChecked" }
  /**
   * What arrived does not add up to the source's word: all parts are sent again, watched by other digests.
   */
  | { readonly type: "sentAgain"; readonly proof: ProofPlan }
  /** The service does not copy by itself. */
  | { readonly type: "streamInstead" }
  | { readonly type: "completeSending" }
  | { readonly type: "completed"; readonly etag: string | null }
  /** The store refused Complete because of its parts; they have been put right in the table. */
  | {
      readonly type: "partsRefused";
      readonly failure: Failure;
      readonly now: number;
      readonly random: number;
    }
  | { readonly type: "objectFound"; readonly etag: string }
  /** `uploadGone`: the store no longer knows the upload, so no Complete can succeed any more. */
  | { readonly type: "objectAbsent"; readonly uploadGone: boolean }
  /** The store answered Complete with a refusal that leaves no doubt: no object was made. */
  | {
      readonly type: "completeRefused";
      readonly failure: Failure;
      readonly now: number;
      readonly random: number;
    }
  | { readonly type: "verified"; readonly etag: string; readonly proof: Proof }
  | { readonly type: "aborted" }
  /** `random` in [0, 1) spreads the retries. */
  | { readonly type: "stepFailed"; readonly failure: Failure; readonly now: number; readonly random: number }
  /** A part failed for good: its attempts are used up, or no attempt can help. */
  | { readonly type: "partFailed"; readonly failure: Failure }
  | { readonly type: "cancel" }
  | { readonly type: "pause" }
  | { readonly type: "resume" };

export function isEnded(job: Job): job is Ended {
  return job.phase === "completed" || job.phase === "failed" || job.phase === "cancelled";
}

/** The phase that a person waits through: what a paused or blocked copy will go on with. */
export function workOf(job: Job): Working | Aborting | Ended {
  return job.phase === "paused" || job.phase === "blocked" ? job.resume : job;
}

/** The upload of a job that has one. */
export function uploadOf(job: Job): Upload | null {
  const work = workOf(job);
  switch (work.phase) {
    case "uploading":
    case "aborting":
      return work.upload;
    case "completing":
      return { kind: "parts", uploadId: work.uploadId };
    default:
      return null;
  }
}

/** The source and its plan, once the source has been sized. */
export function objectOf(job: Job): Prepared | null {
  const work = workOf(job);
  return work.phase === "sizing" || work.phase === "queued" ? null : work.object;
}
