// What becomes of each name that the walk of a comparison has found: a finding at once, where the listings
// decide, or work for the lanes, which ask both sides by HEAD. Pure.
//
// Invariant: each name that either side lists comes out exactly once: as a finding, as work, or counted among
// those that the filter leaves out.

import { type Filter, filterName, filterObject } from "../listing/filter.ts";
import type { Found as Pair } from "../listing/lookup.ts";
import { compareListed } from "../object/compare.ts";
import { meshFailure } from "../s3/failure.ts";
import type { Store } from "../store/stores.ts";
import type { ObjectWork, SeenSide } from "../work/batch_task.ts";
import type { ComparisonSpec } from "./comparison_spec.ts";
import type { Finding, Verdict } from "./finding.ts";
import { collisionOf } from "./decide.ts";
import { type AtSource, workAt } from "./found_work.ts";
import { type Renaming, targetOf } from "./names.ts";
import { skipped } from "./outcome.ts";
import type { Entry } from "./report.ts";
import { isReportKey } from "./report_keys.ts";

interface PlanContext {
  readonly spec: ComparisonSpec;
  readonly filter: Filter;
  readonly source: Store;
  readonly destination: Store;
  /** Absent: names stay. */
  readonly rename?: Renaming | undefined;
}

interface PlannedComparison {
  readonly entries: readonly Entry[];
  readonly works: readonly ObjectWork[];
  /** Names that take part or are left out. */
  readonly names: number;
  readonly bytes: number;
  readonly destinationKeys: number;
}

export function planComparison(pairs: readonly Pair[], context: PlanContext): PlannedComparison {
  const entries: Entry[] = [];
  const works: ObjectWork[] = [];
  let names = 0;
  let bytes = 0;
  for (const pair of pairs) {
    const { name, source, destination } = pair;
    if (source === null) {
      const { key, sizeBytes, etag, lastModifiedMs: modifiedMs } = destination;
      if (isReportKey(key) || filterName(context.filter, name) !== null) continue;
      names += 1;
      bytes += sizeBytes;
      const verdict: Verdict = { outcome: "extra" };
      entries.push({ action: "compared", key, verdict, sizeBytes, etag, destination: null, modifiedMs });
      continue;
    }
    names += 1;
    bytes += source.sizeBytes;
    const judged = judge(pair, context);
    if ("action" in judged) entries.push(judged);
    else works.push(judged);
  }
  const destinationKeys = pairs.filter(
    ({ destination }) => destination !== null && destination !== "unlisted",
  ).length;
  return { entries, works, names, bytes, destinationKeys };
}

function judge(
  found: AtSource,
  { spec, filter, source: from, destination: to, rename }: PlanContext,
): Entry | ObjectWork {
  const { name, source, destination } = found;
  const { key } = source;
  const work = workAt(found, "compare", { isArchived: false });
  if (isReportKey(key)) return skipped(work, "sync_report");
  const filtered = filterObject(filter, name, source);
  if (filtered !== null) return skipped(work, filtered);
  const timed = { name, modifiedMs: source.lastModifiedMs };
  const target = targetOf(rename?.rename ?? null, spec.destination.prefix, timed, to.profile.maxKeyBytes);
  if (!target.ok && target.code === "empty_key" && name === "") return skipped(work, "prefix_itself");
  if (!target.ok) {
    const failure = meshFailure(target.code, target.message, "plan");
    return findingOf(work, { outcome: "unreadable", failure, attempts: 1 }, null);
  }
  const placed = { ...work, to: target.key };
  const ask: ObjectWork = rename === undefined ? placed : { ...placed, isRenamed: true };
  const holder = rename?.claim(target.key, key) ?? null;
  if (holder !== null) {
    const failure = collisionOf({ key, holder, image: target.key });
    return findingOf(ask, { outcome: "unreadable", failure, attempts: 1 }, null);
  }
  if (destination === "unlisted") return ask;
  if (destination === null) return findingOf(ask, { outcome: "missing" }, null);
  const profiles = { source: from.profile, destination: to.profile };
  const listed = compareListed(spec.compare, profiles, source, destination);
  switch (listed.kind) {
    case "equal":
      return findingOf(ask, { outcome: "equal", proof: listed.proof }, destination);
    case "undecided":
      return ask;
    case "different":
      return findingOf(
        ask,
        listed.reason === "size"
          ? { outcome: "different", reason: "size" }
          : { outcome: "unknown", reason: "mtime" },
        destination,
      );
  }
}

export function findingOf(
  { key, sizeBytes, etag, ...work }: Pick<ObjectWork, "key" | "sizeBytes" | "etag"> & Partial<ObjectWork>,
  verdict: Verdict,
  destination: SeenSide | null,
): Finding {
  const side = destination && { sizeBytes: destination.sizeBytes, etag: destination.etag };
  const renamed = work.isRenamed === true && work.to !== undefined ? { to: work.to } : {};
  const version = work.versionId === undefined ? {} : { versionId: work.versionId };
  return { action: "compared", key, verdict, sizeBytes, etag, destination: side, ...version, ...renamed };
}
