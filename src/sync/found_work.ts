// The work at a name as the walk of a run has found it, of syncs and of comparisons: with a listed object,
// or by name alone. Pure.
//
// It is made for each key. In V8 a literal whose fields stand behind a spread costs several times one whose
// spreads come last.

import type { Found, FoundPage } from "../listing/lookup.ts";
import type { NamedKey } from "../listing/manifest_lines.ts";
import { meshFailure } from "../s3/failure.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import { failed, skipped } from "./outcome.ts";
import type { Entry } from "./report.ts";

/** A name that the source has. */
export type AtSource = Exclude<Found, { source: null }>;

/** Work that has no place at the destination yet. */
export function workAt(
  { source, named, versionId }: AtSource,
  first: ObjectWork["first"],
  { isArchived }: { readonly isArchived: boolean },
): ObjectWork {
  const { key, sizeBytes, etag, storageClass } = source;
  return {
    to: "",
    sizeBytes,
    etag,
    failedAttempts: 0,
    first,
    ...(named === undefined ? { key, storageClass } : unseen(named)),
    ...(versionId === undefined ? {} : { versionId }),
    ...(isArchived ? { isArchived } : {}),
  };
}

/** Work at a key that is not looked at yet. */
function unseen({ key, versionId }: NamedKey): Pick<ObjectWork, "key" | "isUnseen" | "versionId"> {
  return { key, isUnseen: true, ...(versionId === null ? {} : { versionId }) };
}

/** The entries of what a manifest names beside keys of the source. */
export function asideOf({ outside, notCurrent, bad }: NonNullable<FoundPage<unknown>["aside"]>): Entry[] {
  return [
    ...outside.map((key) => skipped(nothingAt(key), "outside_source")),
    ...notCurrent.map((key) => skipped(nothingAt(key), "not_current")),
    ...bad.map(({ place, why }) => {
      const failure = meshFailure("bad_manifest_line", `${place} names no key: ${why}`, "manifest");
      return failed(nothingAt(place), failure, 1);
    }),
  ];
}

/** Work of which nothing is known but a name. */
export function nothingAt(key: string): ObjectWork {
  return { key, to: "", sizeBytes: 0, etag: null, failedAttempts: 0, first: "copy" };
}
