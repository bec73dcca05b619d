// What passes between a sync, its lanes and the object copier: batches of small objects. Plain data, as in
// part_task.ts. A batch has a lease and an attempt number, as a part has.

import type { CompareMode, RetrievalTier } from "../http/vocabulary.ts";
import type { EqualityProof, Proof } from "../http/vocabulary.ts";
import type { PairVerdict } from "../object/compare.ts";
import type { Stretch } from "../object/history.ts";
import type { ObjectOptions } from "../object/options.ts";
import type { Failure } from "../s3/failure.ts";
import type { Amounts } from "../store/budget.ts";
import type { StoreFacts } from "../store/facts.ts";
import type { StreamRate } from "../throttle/byte_bucket.ts";
import type { Allowance } from "../throttle/sender.ts";
import type { Claim, Grant } from "./claim.ts";
import type { Spent } from "./spent.ts";

/** One object of a batch. */
export interface ObjectWork {
  /** At the source. */
  readonly key: string;
  /** At the destination. */
  readonly to: string;
  /** Rules have given it that key. Absent: it is the prefix and the name. */
  readonly isRenamed?: true;
  /** Named by a manifest, and not looked at yet: size and ETag are not known. Absent: they are. */
  readonly isUnseen?: true;
  /** Absent: the current one. */
  readonly versionId?: string;
  readonly sizeBytes: number;
  /** As the source was listed; null where it lists none. */
  readonly etag: string | null;
  /** As the source was listed; null: it names none, which is its standard class. Absent: it is not known. */
  readonly storageClass?: string | null;
  /** It must be restored before it is read, and is only compared. Absent: it can be, or nobody knows. */
  readonly isArchived?: true;
  /** Restored for this run; absent: it was not. */
  readonly restored?: RestoredWork;
  readonly failedAttempts: number;
  /**
   * `copy`: copy at once. `look`: first ask the destination whether it already has the object. `tell`: only
   * ask. `find`: an attempt of this run may have copied it and its answer was lost, so ask first. `compare`:
   * ask both sides, for a comparison. `read`: read both sides, for a comparison; `reading` says what.
   * `replay`: bring a stretch of its history over, in order; `stretch` says which. `remove`: delete its copy,
   * if the source has no such object; `ours` says what is a copy.
   */
  readonly first: "copy" | "look" | "tell" | "find" | "compare" | "read" | "replay" | "remove";
  readonly ours?: Ours;
  readonly reading?: Reading;
  readonly stretch?: Stretch;
  /** It is a version whose place in a history matters: it must not be written twice. Absent: it does not. */
  readonly isInHistory?: true;
}

/** By what a replication knows its copies. */
interface Ours {
  /** Of a mark: its id is this one, or a later one. */
  readonly since: string;
  /** As it was written, or found equal; null: that is not known. */
  readonly etag: string | null;
}

export interface RestoredWork {
  readonly tier: RetrievalTier;
  /** How often the run has asked. */
  readonly asks: number;
  /** Until then it can be read; null: for good, or the store does not say. */
  readonly untilMs: number | null;
}

/** A stretch of an object that is read at both sides, each time the object with that ETag. */
export interface Reading {
  /** The object that it is a stretch of, in the record of the comparison. */
  readonly seq: number;
  readonly fromBytes: number;
  readonly untilBytes: number;
  readonly sourceEtag: string;
  readonly destinationEtag: string;
}

/** A comparison reads so much of each side at a time, and may end after each. */
export const READ_BYTES = 64 * 2 ** 20;

/** Does it write nothing, whatever comes of it? */
export function isAsking({ first }: ObjectWork): boolean {
  return first === "tell" || first === "compare" || first === "read";
}

/** The bytes that pass for an object: none where both sides are only asked, both' where they are read. */
export function bytesOf({ first, sizeBytes, reading }: ObjectWork): number {
  if (first === "compare") return 0;
  return reading === undefined ? sizeBytes : 2 * (reading.untilBytes - reading.fromBytes);
}

/** One side of a pair, by its HEAD. */
export interface SeenSide {
  readonly sizeBytes: number;
  readonly etag: string | null;
}

/** A batch on its way to the object copier. */
export interface BatchTask {
  /** The id of the sync, or of the replication. */
  readonly syncId: string;
  /** Its name, of a replication. */
  readonly replication?: string;
  readonly lane: number;
  readonly batch: number;
  /** From 1; it identifies the report of an older attempt. */
  readonly attempt: number;
  readonly source: { readonly store: string; readonly bucket: string };
  readonly destination: { readonly store: string; readonly bucket: string };
  /** `compare`: how to recognise that the destination's object equals the source's. */
  readonly options: ObjectOptions & { readonly compare: CompareMode };
  /** What checks had found out about its buckets when the sync was admitted. */
  readonly known?: readonly StoreFacts[];
  readonly objects: readonly ObjectWork[];
  /** Null: as fast as it can. */
  readonly pace: BatchPace | null;
  /** What it may spend; absent: as much as it likes. */
  readonly purse?: Amounts | undefined;
  /** How fast the bytes of its objects may pass, one object after the other; absent: as fast as they can. */
  readonly rate?: StreamRate;
  /** Set by the lane: no object is started whose time limit would pass this; undefined: any may be. */
  readonly endsAtMs?: number;
}

/**
 * How fast a batch may send its requests, and until when it may start another object. `one`: both sides are
 * one capped store. The batch alternates between the two sides, so with a pace for each it would use only
 * half of both.
 */
export type BatchPace = { readonly untilMs: number } & (
  | { readonly kind: "each"; readonly source: Allowance | null; readonly destination: Allowance | null }
  | { readonly kind: "one"; readonly both: Allowance }
);

/** What a HEAD has shown of an object that was not looked at before. */
export interface Seen {
  readonly sizeBytes: number;
  readonly etag: string | null;
  /** Null: the source does not say. */
  readonly modifiedMs?: number | null;
  /** Both absent: it can be read. */
  readonly isArchived?: true;
  readonly storageClass?: string;
}

/** `seen`: of an object that a manifest has named. */
export type ObjectOutcome = Outcome & { readonly seen?: Seen };

type Outcome =
  | {
      readonly kind: "copied";
      readonly etag: string;
      readonly proof: Proof;
      readonly sizeBytes: number;
      readonly warnings: readonly string[];
      /** Tries that were given up because they were slow; absent: none. */
      readonly slowTries?: number;
    }
  /** The destination already has this very object. */
  | { readonly kind: "same"; readonly etag: string; readonly proof: EqualityProof }
  | { readonly kind: "differs" }
  /** Of a comparison. A side that is null is gone: it was listed, or may have been. */
  | {
      readonly kind: "compared";
      readonly verdict: PairVerdict | { readonly outcome: "missing" };
      readonly source: SeenSide | null;
      readonly destination: SeenSide | null;
    }
  /** Of `replay`: what has come of its first versions, and why it ended there. */
  | { readonly kind: "replayed"; readonly done: readonly Replayed[]; readonly ends: ReplayEnd }
  /** A stretch of both sides is the same up to here. */
  | { readonly kind: "read"; readonly fromBytes: number }
  /** `foreign`: it is not known to be a copy, and stays. `back`: the source has it again. */
  | { readonly kind: "removal"; readonly end: "removed" | "absent" | "foreign" | "back" }
  | { readonly kind: "failed"; readonly failure: Failure }
  /** Not started: the batch ended first. */
  | { readonly kind: "left" };

/** What has come of one version. */
export type Replayed =
  | Pick<Extract<Outcome, { kind: "copied" }>, "kind" | "etag" | "proof" | "warnings">
  /** Its delete marker is written. */
  | { readonly kind: "marked" }
  /** It was there before. */
  | { readonly kind: "same" }
  /** Of a dry run: it is not there. */
  | { readonly kind: "absent" };

export type ReplayEnd =
  | { readonly kind: "all" }
  /** The batch ended first. */
  | { readonly kind: "left" }
  /** The next one becomes a copy of its own. */
  | { readonly kind: "large" }
  /** The destination has everything up to this version of the source, which is not of this stretch. */
  | { readonly kind: "ahead"; readonly versionId: string }
  | { readonly kind: "failed"; readonly failure: Failure };

/** What has come of a batch. */
export interface BatchOutcome {
  /**
   * One for each object of the batch, in its order. Null when the call itself broke, so that nothing is
   * known.
   */
  readonly outcomes: readonly ObjectOutcome[] | null;
  /** Absent: the call broke, and nobody knows. */
  readonly spent?: Spent;
  /** It met the end of what it may spend. */
  readonly isShort?: true;
}

export interface BatchReport extends BatchOutcome {
  readonly batch: number;
  readonly attempt: number;
  readonly durationMs: number;
}

export type BatchAttempt = Pick<BatchTask, "batch" | "attempt">;

export type BatchClaim = Claim<BatchReport, BatchAttempt>;

export type BatchGrant = Grant<BatchTask>;

/** The work as if its object had been listed. Above `maxBytes` it is only looked for at the destination. */
export function seenAs(
  { isUnseen: _isUnseen, ...work }: ObjectWork,
  seen: Seen,
  maxBytes = Infinity,
): ObjectWork {
  const { sizeBytes, etag } = seen;
  const isLarge = sizeBytes > maxBytes && work.first === "look";
  return { ...work, sizeBytes, etag, ...(isLarge ? { first: "tell" as const } : {}) };
}
