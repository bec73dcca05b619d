// Which keys of a prefix take part. Pure.
//
// Include and exclude patterns match the whole name, which is the key without the source prefix. Precedence:
// a name that any `exclude` matches is out. If there are `include` patterns, a name that none of them matches
// is out. Size, age and storage class of the source object narrow further.
//
// Names are filtered on both sides, so an excluded object at the destination is neither compared nor deleted.
// Size, age and class are checked at the source only. An object that they filter out still exists at the
// source, so its copy is not deleted either.

import { type Glob, matchesGlob } from "./glob_match.ts";
import type { ListedObject } from "../s3/listing_xml.ts";

export interface Filter {
  readonly include: readonly Glob[];
  readonly exclude: readonly Glob[];
  readonly minSizeBytes: number | null;
  readonly maxSizeBytes: number | null;
  /** Last modified at or after the first time and before the second. */
  readonly modifiedFromMs: number | null;
  readonly modifiedBeforeMs: number | null;
  /** In upper case; null means any. The standard class is STANDARD, even where a listing does not name it. */
  readonly storageClasses: readonly string[] | null;
}

type FilterReason =
  "excluded" | "not_included" | "too_small" | "too_large" | "too_old" | "too_new" | "storage_class";

/** Why a name takes no part, or null if it does. */
export function filterName(filter: Filter, name: string): "excluded" | "not_included" | null {
  if (filter.exclude.some((glob) => matchesGlob(glob, name))) return "excluded";
  if (filter.include.length === 0 || filter.include.some((glob) => matchesGlob(glob, name))) return null;
  return "not_included";
}

/**
 * Why an object of the source takes no part, or null if it does. An unknown time is neither too old nor too
 * new.
 */
export function filterObject(filter: Filter, name: string, source: ListedObject): FilterReason | null {
  const byName = filterName(filter, name);
  if (byName !== null) return byName;
  const { sizeBytes, lastModifiedMs, storageClass } = source;
  if (filter.minSizeBytes !== null && sizeBytes < filter.minSizeBytes) return "too_small";
  if (filter.maxSizeBytes !== null && sizeBytes > filter.maxSizeBytes) return "too_large";
  if (lastModifiedMs !== null) {
    if (filter.modifiedFromMs !== null && lastModifiedMs < filter.modifiedFromMs) return "too_old";
    if (filter.modifiedBeforeMs !== null && lastModifiedMs >= filter.modifiedBeforeMs) return "too_new";
  }
  const storedAs = storageClass?.trim().toUpperCase() ?? "STANDARD";
  if (filter.storageClasses !== null && !filter.storageClasses.includes(storedAs)) return "storage_class";
  return null;
}
