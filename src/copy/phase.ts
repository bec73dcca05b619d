// A copy as data: the phases, what exists in each, the steps between them, the events that change them, and
// how to read them. job.ts holds the rules. All of it is plain JSON, since a job rests in SQLite between two
// alarms.

import type { Plan } from "./plan.ts";
import type { Proof } from "../http/vocabulary.ts";
import type { ProofPlan } from "../object/proof.ts";
import type { Failure } from "../s3/failure.ts";
import type { Retry } from "../s3/retry.ts";

/** The source as HEAD showed it, and how it is copied. The plan is fixed for the life of the upload. */
export interface Prepared {
  readonly sourceEtag: string;
  /** As headObject() returned it; undefined: nothing special. */
  readonly acceptEncoding?: string;
  readonly plan: Plan;
  readonly via: Via;
  /** Random, in the destination's metadata: it identifies this copy's object. Null: not wanted. */
  readonly copyId: string | null;
  /** Request headers of Create or PutObject: the object's attributes. */
  readonly headers: Readonly<Record<string, string>>;
  readonly proof: ProofPlan;
  /** How often all parts were sent again because they did not match the checksum or ETag of the source. */
  readonly timesRedone: number;
  /** How often Complete was refused because of the parts; a store that always refuses ends the copy. */
  readonly timesRefused: number;
  /** How often the copy started over because its upload was lost or its source had changed. */
  readonly restarts: number;
  /** What to do if the destination already has an object of this key. */
  readonly ifExists: "overwrite" | "skip" | "fail";
  readonly ifSourceChanges: "fail" | "restart";
  /** PutObject carries `If-None-Match: *`: the destination itself makes sure that nothing is overwritten. */
  readonly onlyIfAbsent: boolean;
}

/**
 * `stream`: the bytes pass through part copiers. `server`: one service has both sides and copies by itself.
 */
export type Via = "stream" | "server";

export type Upload = { readonly kind: "whole" } | { readonly kind: "parts"; readonly uploadId: string };

/**
 * Once CompleteMultipartUpload was sent, it may have happened, whatever the answer was. `sent` is on disk
 * before the request goes out. `failure` is the answer, if there was one.
 */
type CompleteCall = { readonly sent: false } | { readonly sent: true; readonly failure: Failure | null };

/** How a copy ends after its upload is gone. `restart`: it starts over with a HEAD of the source. */
export type Ending =
  | { readonly phase: "cancelled" }
  /** `isCancelled`: meanwhile nobody waits for it any more. */
  | { readonly phase: "failed"; readonly failure: Failure; readonly isCancelled?: true }
  | { readonly phase: "skipped" }
  | {
      readonly phase: "restart";
      readonly via: "auto" | "stream";
      readonly restarts: number;
      readonly start: "now" | "paused";
    };

export type Working =
  /** Another copy to the same destination goes first. `behind` is its ID, once that is known. */
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
      /** When a CreateMultipartUpload was sent whose answer is unknown: it may have made an upload. */
      readonly sentAtMs: number | null;
      readonly retry: Retry;
    }
  | {
      readonly phase: "uploading";
      readonly object: Prepared;
      readonly upload: Upload;
      /**
       * `unchecked`: the copy was paused or blocked, perhaps for days. It asks first whether its source is
       * still the same.
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
       * `cancel`: the copy was cancelled while the outcome was unknown. It is aborted if the object does not
       * exist.
       */
      readonly wish: "finish" | "cancel";
      readonly retry: Retry;
    }
  | {
      readonly phase: "verifying";
      readonly object: Prepared;
      readonly etag: string | null;
      /**
       * `cancel`: the object exists and cannot be cancelled, but if it cannot be verified now, the copy ends.
       */
      readonly wish: "finish" | "cancel";
      readonly retry: Retry;
    };

export type Aborting = {
  readonly phase: "aborting";
  readonly object: Prepared | null;
  readonly upload: Upload | null;
  /** As in `creating`: since then an upload may have been made whose ID is unknown. */
  readonly strayAtMs: number | null;
  readonly ending: Ending;
  readonly retry: Retry;
};

type Ended =
  | { readonly phase: "completed"; readonly object: Prepared | null; readonly result: Result }
  | { readonly phase: "failed"; readonly object: Prepared | null; readonly failure: Failure }
  | { readonly phase: "cancelled"; readonly object: Prepared | null };

/** `skipped`: the destination had an object, and the request said to leave it. */
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
  /** The lane that had them died. ListParts must show whether they are at the store. */
  readonly lost: number;
}

/**
 * What the coordinator does next. `tendLanes` and `rest` end the alarm; the others are followed by another
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

export function isEnded(job: Job): job is Ended {
  return job.phase === "completed" || job.phase === "failed" || job.phase === "cancelled";
}

/** What a paused or blocked copy goes on with; the job itself otherwise. */
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
