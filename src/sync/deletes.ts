// May the keys that only the destination has be deleted? Pure: everything that the rules need is counted
// before the first key is deleted.
//
// The rules exist because a sync that deletes is the fastest way to lose a backup. A source that is empty by
// mistake (an unmounted disk, a mistyped prefix), or listed only in part, looks like one whose objects were
// removed. And where a copy has failed, an extra key may be the last copy of what could not be written: the
// old name of an object that was renamed.

import { z } from "zod";
import type { DeleteRule } from "../http/vocabulary.ts";
import type { Failure } from "../s3/failure.ts";
import { type Counters, underWay } from "./report.ts";

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
  /** Absent in runs that were stored before there was this field. */
  readonly deleteDespiteFailures?: boolean;
  /** The refusal says what the run itself would do. */
  readonly dryRun: boolean;
}

type DeleteDecision =
  | { readonly do: "nothing" }
  | { readonly do: "delete" }
  | { readonly do: "refuse"; readonly code: DeleteRule; readonly message: string };

export const DEFAULT_MAX_DELETES: MaxDeletes = { kind: "share", share: 0.1 };

/** DeleteObjects takes 1,000 keys by its documentation; R2 has been seen to fail above 700. */
export const KEYS_PER_DELETE = 500;

export function judgeDeletes(
  rules: DeleteRules,
  counters: Counters,
  listingFailure: Failure | null,
): DeleteDecision {
  const { listed, destination, extra } = counters;
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
  if (extra.objects > most) {
    const message = `${nothing}: ${extra.objects} of the destination's ${destination.objects} keys are not at the source, and "maxDeletes" (${describeMaxDeletes(rules.maxDeletes)}) allows ${most}`;
    return { do: "refuse", code: "too_many_deletes", message };
  }
  const uncopied = counters.failed.objects + (counters.skippedBy["cancelled"] ?? 0) + underWay(counters);
  if (uncopied === 0 || rules.deleteDespiteFailures === true) return { do: "delete" };
  const message = `${nothing}: ${uncopied} of the source's keys could not be copied, and ${extra.objects} keys of the destination would be deleted; retry the failed keys, or set "deleteDespiteFailures": true to delete all the same`;
  return { do: "refuse", code: "failed_keys", message };
}

/**
 * Whether a store refused a key because another key is in its way: it keeps objects as files, and knows no
 * file beside a folder of its name. The codes are those of MinIO (`XMinioParentIsObject`,
 * `XMinioObjectExistsAsDirectory`), Versity (`ObjectParentIsFile`, `ExistingObjectIsDirectory`) and SeaweedFS
 * (`ExistingObjectIsDirectory`, `ExistingObjectIsFile`).
 */
export function isInTheWay({ code }: Failure): boolean {
  return /(ParentIsObject|ParentIsFile|ObjectExistsAsDirectory|ExistingObjectIs(Directory|File))$/.test(code);
}

/** The extra keys that are a folder of one of these keys, or lie in a folder of its name. */
export function inTheWayOf(keys: readonly string[]): (extraKey: string) => boolean {
  const files = new Set(keys.map(withoutSlash));
  const folders = new Set(keys.flatMap(foldersOf));
  return (extraKey) =>
    folders.has(withoutSlash(extraKey)) || foldersOf(extraKey).some((folder) => files.has(folder));
}

/** `a/b/c` is in `a` and in `a/b`. */
function foldersOf(key: string): string[] {
  const names = withoutSlash(key).split("/");
  return names.slice(1).map((_, index) => names.slice(0, index + 1).join("/"));
}

function withoutSlash(key: string): string {
  return key.endsWith("/") ? key.slice(0, -1) : key;
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

export const MaxDeletesSchema = z
  .union([z.number(), z.string()], { error: 'must be a number of keys or a percentage such as "10%"' })
  .transform((value, context) => {
    const most = parseMaxDeletes(value);
    if (most !== null) return most;
    const message = `must be a number of keys or a percentage such as "10%", not ${JSON.stringify(value)}`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

function mostDeletes(maxDeletes: MaxDeletes, destinationKeys: number): number {
  return maxDeletes.kind === "count"
    ? maxDeletes.count
    : Math.floor(maxDeletes.share * destinationKeys + 1e-9);
}
