// A copy as data: the phases, what exists in each, and how to read them. job.ts holds the rules, step.ts has
// what is done in each, event.ts what changes them. All of it is plain JSON, since a job rests in SQLite
// between two alarms.

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
  /** `archived`: it must be restored first, and the request says to leave it then. */
  | { readonly phase: "skipped"; readonly reason?: "archived" }
  | {
      readonly phase: "restart";
      readonly via: "auto" | "stream";
      readonly restarts: number;
      readonly start: "now" | "paused";
    };

interface Sizing {
  readonly phase: "sizing";
  /** `stream`: copying inside the service was refused before. */
  readonly via: "auto" | "stream";
  readonly restarts: number;
  readonly retry: Retry;
}

interface Uploading {
  readonly phase: "uploading";
  readonly object: Prepared;
  readonly upload: Upload;
  /**
   * `unchecked`: the copy was paused, blocked or restoring, perhaps for days. It asks first whether its
   * source is still the same.
   */
  readonly source: "same" | "unchecked";
  readonly retry: Retry;
}

/** The source is archived: its store restores it, and is asked from time to time whether it has. */
export interface Restoring {
  readonly phase: "restoring";
  /** What goes on once the source can be read. */
  readonly resume: Sizing | Uploading;
  /** `unknown`: is the store at it? HEAD shows that. `due`: it is to be asked. `asked`: it is at it. */
  readonly call: "unknown" | "due" | "asked";
  /** How often it was looked at since it was asked for. */
  readonly looks: number;
  readonly retry: Retry;
}

export type Working =
  /** Another copy to the same destination goes first. `behind` is its ID, once that is known. */
  | { readonly phase: "queued"; readonly behind: string | null; readonly retry: Retry }
  | Sizing
  | Restoring
  | {
      readonly phase: "creating";
      readonly object: Prepared;
      /** When a CreateMultipartUpload was sent whose answer is unknown: it may have made an upload. */
      readonly sentAtMs: number | null;
      readonly retry: Retry;
    }
  | Uploading
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

/** `skipped`: the destination had an object, or the source is archived, and the request said to leave it. */
export interface Skipped {
  readonly kind: "skipped";
  readonly reason?: "archived";
}

type Result = { readonly kind: "copied"; readonly etag: string; readonly proof: Proof } | Skipped;

export type Job =
  | Working
  | Aborting
  /** `by`: it has stopped at its budget; absent: somebody has paused it. */
  | { readonly phase: "paused"; readonly resume: Working; readonly by?: "budget" }
  | { readonly phase: "blocked"; readonly resume: Working; readonly failure: Failure }
  | Ended;

export function isEnded(job: Job): job is Ended {
  return job.phase === "completed" || job.phase === "failed" || job.phase === "cancelled";
}

/** Has it stopped because of its budget? */
export function isAtBudget(job: Job): boolean {
  return job.phase === "paused" && job.by === "budget";
}

/** What a paused, blocked or restoring copy goes on with; the job itself otherwise. */
export function workOf(job: Job): Exclude<Working, Restoring> | Aborting | Ended {
  const work = job.phase === "paused" || job.phase === "blocked" ? job.resume : job;
  return work.phase === "restoring" ? work.resume : work;
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
