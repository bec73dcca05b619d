// What comes of a key that was looked at. Pure.

import type { CutoverReason } from "../http/vocabulary.ts";
import type { Failure } from "../s3/failure.ts";
import { settleFailure } from "../sync/outcome.ts";
import { type ObjectOutcome, type ObjectWork, seenAs } from "../work/batch_task.ts";

/** What becomes of the key. */
export type KeyEnd =
  | {
      readonly kind: "copied";
      readonly bytes: number;
      readonly etag: string;
      readonly modifiedMs: number | null;
    }
  | { readonly kind: "equal"; readonly etag: string }
  | { readonly kind: "removed" }
  /** There is nothing at either side. */
  | { readonly kind: "absent" }
  /** Gone at the source; the destination's is not known to be a copy. */
  | { readonly kind: "kept" }
  /** The source has no such key: its copy is to go, if deletions are wanted. */
  | { readonly kind: "gone"; readonly attempts: number }
  | { readonly kind: "large"; readonly work: ObjectWork }
  | { readonly kind: "again"; readonly attempts: number; readonly notBeforeMs: number }
  | { readonly kind: "failed"; readonly failure: Failure; readonly attempts: number }
  /** A person must act before any key can be copied. */
  | { readonly kind: "blocked"; readonly failure: Failure };

export function endOf(
  work: ObjectWork,
  outcome: ObjectOutcome,
  times: { readonly now: number; readonly random: number },
): KeyEnd {
  const { failedAttempts: attempts } = work;
  switch (outcome.kind) {
    case "copied": {
      const { sizeBytes: bytes, etag } = outcome;
      return { kind: "copied", bytes, etag, modifiedMs: outcome.seen?.modifiedMs ?? null };
    }
    case "same":
      return { kind: "equal", etag: outcome.etag };
    case "differs":
      return {
        kind: "large",
        work: { ...(outcome.seen === undefined ? work : seenAs(work, outcome.seen)), first: "copy" },
      };
    case "removal":
      return removalEnd(outcome.end, times.now);
    case "failed":
      return isGone(outcome.failure) && work.first !== "remove"
        ? { kind: "gone", attempts }
        : failedEnd(work, outcome.failure, times);
    default:
      return { kind: "again", attempts, notBeforeMs: times.now };
  }
}

function removalEnd(end: Extract<ObjectOutcome, { kind: "removal" }>["end"], now: number): KeyEnd {
  switch (end) {
    case "removed":
      return { kind: "removed" };
    case "absent":
      return { kind: "absent" };
    case "foreign":
      return { kind: "kept" };
    case "back":
      return { kind: "again", attempts: 0, notBeforeMs: now };
  }
}

/** The source has said so of the key; of a bucket that is gone, it says nothing of the key. */
function isGone({ side, status, code }: Failure): boolean {
  return side === "source" && status === 404 && code !== "NoSuchBucket";
}

function failedEnd(
  work: ObjectWork,
  failure: Failure,
  times: { readonly now: number; readonly random: number },
): KeyEnd {
  const settled = settleFailure(work, failure, { dryRun: false, ...times });
  switch (settled.kind) {
    case "again":
      return { kind: "again", attempts: settled.work.failedAttempts, notBeforeMs: settled.notBeforeMs };
    case "run":
      return { kind: "blocked", failure };
    // A replication restores nothing.
    case "archived":
    case "entry":
      return { kind: "failed", failure, attempts: work.failedAttempts + 1 };
  }
}

/** The most keys that may be deleted in an hour. A share allows some in any case. */
export function mostDeletesAnHour(
  rule:
    { readonly kind: "count"; readonly count: number } | { readonly kind: "share"; readonly share: number },
  destinationKeys: number | null,
): number {
  if (rule.kind === "count") return rule.count;
  return Math.max(LEAST_DELETES, Math.floor(rule.share * (destinationKeys ?? 0) + 1e-9));
}

const LEAST_DELETES = 100;

/**
 * What speaks against a cutover: nothing may be missing, different or undecided by its comparison, failed or
 * held, and nothing may have changed since the comparison began.
 *
 * @param found null: the comparison is not there any more
 */
export function reasonsOf(
  now: Readonly<Record<"failed" | "held" | "changed", number>>,
  found: Readonly<Record<"missing" | "different" | "unknown" | "unreadable", number>> | null,
): Partial<Record<CutoverReason, number>> {
  const { failed, held, changed } = now;
  const { missing, different, unknown, unreadable } = found ?? NOTHING_FOUND;
  const comparison_failed = found === null ? 1 : 0;
  const counts = { missing, different, unknown, unreadable, changed, failed, held, comparison_failed };
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

const NOTHING_FOUND = { missing: 0, different: 0, unknown: 0, unreadable: 0 };
