// May the keys that only the destination has be deleted? Pure: everything that the rules need is counted
// before the first key is deleted.
//
// The rules exist because a sync that deletes is the fastest way to lose a backup. A source that is empty by
// mistake (an unmounted disk, a mistyped prefix), or listed only in part, looks like one whose objects were
// removed.

import type { Failure } from "../s3/failure.ts";
import type { Counters } from "./report.ts";

/**
 * The most keys that one run may delete, as a number or as a fraction of the destination's keys. Stored
 * requests spell a fraction `share`.
 */
export type MaxDeletes =
  { readonly kind: "count"; readonly count: number } | { readonly kind: "share"; readonly share: number };

export interface DeleteRules {
  readonly delete: boolean;
  readonly allowEmptySource: boolean;
  readonly maxDeletes: MaxDeletes;
  /** The refusal says what the run itself would do. */
  readonly dryRun: boolean;
}

type DeleteDecision =
  | { readonly do: "nothing" }
  | { readonly do: "delete" }
  | {
      readonly do: "refuse";
      readonly code: "listing_failed" | "source_empty" | "too_many_deletes";
      readonly message: string;
    };

export const DEFAULT_MAX_DELETES: MaxDeletes = { kind: "share", share: 0.1 };

/** DeleteObjects takes 1,000 keys by its documentation; R2 has been seen to fail above 700. */
export const KEYS_PER_DELETE = 500;

export function judgeDeletes(
  rules: DeleteRules,
  { listed, destination, extra }: Counters,
  listingFailure: Failure | null,
): DeleteDecision {
  if (!rules.delete || extra.objects === 0) return { do: "nothing" };
  const nothing = rules.dryRun ? "Nothing would be deleted" : "Nothing was deleted";
  if (listingFailure !== null) {
    const message = `${nothing}: a listing did not finish`;
    return { do: "refuse", code: "listing_failed", message };
  }
  if (listed.objects === 0 && !rules.allowEmptySource) {
    const message = `${nothing}: the source has no key under its prefix, and ${extra.objects} keys of the destination would be deleted; set "allowEmptySource": true if that is intended`;
    return { do: "refuse", code: "source_empty", message };
  }
  const most = mostDeletes(rules.maxDeletes, destination.objects);
  if (extra.objects <= most) return { do: "delete" };
  const message = `${nothing}: ${extra.objects} of the destination's ${destination.objects} keys are not at the source, and "maxDeletes" (${describeMaxDeletes(rules.maxDeletes)}) allows ${most}`;
  return { do: "refuse", code: "too_many_deletes", message };
}

/**
 * With more extra keys than this, nothing will be deleted, so the plan need not be kept. Null: not known
 * before the end.
 */
export function keepAtMost(maxDeletes: MaxDeletes): number | null {
  return maxDeletes.kind === "count" ? maxDeletes.count : null;
}

export function describeMaxDeletes(maxDeletes: MaxDeletes): string {
  return maxDeletes.kind === "count"
    ? String(maxDeletes.count)
    : `${Number((maxDeletes.share * 100).toFixed(6))}%`;
}

/** `250`, `"250"` or `"10%"`; null when it is neither. */
export function parseMaxDeletes(value: string | number): MaxDeletes | null {
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(String(value).trim());
  if (match === null) return null;
  const [, digits = "", percent] = match;
  const number = Number(digits);
  if (percent === "%") return number <= 100 ? { kind: "share", share: number / 100 } : null;
  return Number.isSafeInteger(number) ? { kind: "count", count: number } : null;
}

function mostDeletes(maxDeletes: MaxDeletes, destinationKeys: number): number {
  return maxDeletes.kind === "count"
    ? maxDeletes.count
    : Math.floor(maxDeletes.share * destinationKeys + 1e-9);
}
