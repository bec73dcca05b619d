// What becomes of a page of listed versions: entries of the report at once, and of each key a part of its
// history. Pure.
//
// Invariant: every version comes out exactly once, as an entry or in a part. A filter leaves out whole keys.

import type { SkipReason } from "../http/vocabulary.ts";
import { type Filter, filterName } from "../listing/filter.ts";
import { nameOf } from "../listing/prefix.ts";
import { needsRestore } from "../object/archive.ts";
import type { HistoryVersion } from "../object/history.ts";
import { meshFailure } from "../s3/failure.ts";
import type { ListedVersion } from "../s3/versions_xml.ts";
import type { Store } from "../store/stores.ts";
import type { ObjectWork, Replayed } from "../work/batch_task.ts";
import type { WholeLimits } from "../work/load.ts";
import { goesWhole } from "./batches.ts";
import { targetOf } from "./names.ts";
import { copied, failed, skipped, wouldCopy } from "./outcome.ts";
import type { Entry } from "./report.ts";
import { isReportKey } from "./report_keys.ts";
import type { SyncSpec } from "./spec.ts";

export interface VersionContext {
  readonly spec: SyncSpec;
  readonly filter: Filter;
  readonly source: Store;
  readonly destination: Store;
  /** Versions up to these sizes go whole; a larger one becomes a copy of its own. */
  readonly whole: WholeLimits;
}

/** The versions of one key on one page, newest first. */
interface HistoryPart {
  readonly key: string;
  readonly to: string;
  readonly versions: readonly HistoryVersion[];
}

interface PlannedVersions {
  readonly entries: readonly Entry[];
  readonly parts: readonly HistoryPart[];
}

export function planVersions(versions: readonly ListedVersion[], context: VersionContext): PlannedVersions {
  const entries: Entry[] = [];
  const parts: HistoryPart[] = [];
  for (const [key, listed] of Map.groupBy(versions, (version) => version.key)) {
    const all = listed.map((version) => historyVersion(version, context));
    const decided = decideKey(key, context);
    if ("to" in decided) parts.push({ key, to: decided.to, versions: all });
    else if ("reason" in decided)
      entries.push(...all.map((version) => skippedVersion({ key, to: "" }, version, decided.reason)));
    else entries.push(...failedVersions({ key, to: "" }, all, decided.failure, 1));
  }
  return { entries, parts };
}

type Decided =
  | { readonly to: string }
  | { readonly reason: SkipReason }
  | { readonly failure: ReturnType<typeof meshFailure> };

function decideKey(key: string, { spec, filter, destination }: VersionContext): Decided {
  if (isReportKey(key)) return { reason: "sync_report" };
  const name = nameOf(key, spec.source.prefix);
  const filtered = filterName(filter, name);
  if (filtered !== null) return { reason: filtered };
  const timed = { name, modifiedMs: null };
  const target = targetOf(null, spec.destination.prefix, timed, destination.profile.maxKeyBytes);
  if (target.ok) return { to: target.key };
  if (target.code === "empty_key" && name === "") return { reason: "prefix_itself" };
  return { failure: meshFailure(target.code, target.message, "plan") };
}

function historyVersion(listed: ListedVersion, { spec, source, whole }: VersionContext): HistoryVersion {
  const { versionId, sizeBytes, etag, isDeleteMarker } = listed;
  const version = { versionId, sizeBytes, etag };
  if (isDeleteMarker) return { ...version, isDeleteMarker: true };
  const isLarge = !goesWhole({ ...NO_WORK, sizeBytes, etag }, spec, whole);
  return {
    ...version,
    ...(needsRestore(listed, source.provider) ? { isArchived: true as const } : {}),
    ...(isLarge ? { isLarge: true as const } : {}),
  };
}

const NO_WORK: ObjectWork = {
  key: "",
  to: "",
  sizeBytes: 0,
  etag: null,
  failedAttempts: 0,
  first: "copy",
};

type KeyOfWork = Pick<ObjectWork, "key" | "to">;

/** A version as work of its own. */
export function workOfVersion({ key, to }: KeyOfWork, version: HistoryVersion): ObjectWork {
  const { versionId, sizeBytes, etag } = version;
  return { ...NO_WORK, key, to, versionId, sizeBytes, etag, isInHistory: true };
}

export function skippedVersion(
  at: KeyOfWork,
  version: HistoryVersion,
  reason: SkipReason,
  proof: "record" | null = null,
): Entry {
  return marked(skipped(workOfVersion(at, version), reason, proof), version);
}

/**
 * The oldest has failed, and those after it wait for it: a history has no holes.
 *
 * @param versions oldest first
 */
export function failedVersions(
  at: KeyOfWork,
  versions: readonly HistoryVersion[],
  failure: Parameters<typeof failed>[1],
  attempts: number,
): Entry[] {
  const [first, ...others] = versions;
  if (first === undefined) return [];
  return [
    marked(failed(workOfVersion(at, first), failure, attempts), first),
    ...others.map((version) => skippedVersion(at, version, "version_before_failed")),
  ];
}

export function replayedVersion(
  at: KeyOfWork & Pick<ObjectWork, "failedAttempts">,
  version: HistoryVersion,
  replayed: Replayed,
): Entry {
  const work = { ...workOfVersion(at, version), failedAttempts: at.failedAttempts };
  switch (replayed.kind) {
    case "same":
      return skippedVersion(at, version, "equal", "record");
    case "absent":
      return marked(wouldCopy(work, "absent"), version);
    case "marked":
      return marked(copied(work, { etag: "", proof: "length", sizeBytes: 0, warnings: [] }), version);
    case "copied": {
      const { sizeBytes } = version;
      return copied(work, { ...replayed, sizeBytes });
    }
  }
}

function marked(entry: Entry, { isDeleteMarker }: HistoryVersion): Entry {
  if (isDeleteMarker !== true || entry.action === "compared") return entry;
  return { ...entry, isDeleteMarker };
}
