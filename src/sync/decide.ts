// What happens to each name that a walk has found: an entry of the report at once, or work for the window.
// Pure.
//
// Invariant: every source object comes out exactly once, as an entry, as small or as large. Every destination
// object without a source object is extra, unless a filter excludes it. Reports of syncs are ignored on both
// sides.

import { type SkipReason, FILTERED } from "../http/vocabulary.ts";
import { type Filter, filterName, filterObject } from "../listing/filter.ts";
import type { Found } from "../listing/lookup.ts";
import type { Rename } from "../listing/rename.ts";
import { needsRestore } from "../object/archive.ts";
import { compareListed } from "../object/compare.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import type { ListedObject } from "../s3/listing_xml.ts";
import { formatObject, formatPrefix } from "../store/address.ts";
import type { Store } from "../store/stores.ts";
import { goesWhole } from "./batches.ts";
import { type AtSource, workAt } from "./found_work.ts";
import { failed, skipped, wouldCopy } from "./outcome.ts";
import { archivedFailure } from "./restores.ts";
import type { Counters, Entry, Extra } from "./report.ts";
import { isReportKey } from "./report_keys.ts";
import type { Sum } from "./sums.ts";
import { type Renaming, targetOf } from "./names.ts";
import type { RunBase } from "./run_spec.ts";
import type { SyncSpec } from "./spec.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import type { WholeLimits } from "../work/load.ts";

interface PlanContext {
  readonly spec: SyncSpec;
  readonly filter: Filter;
  readonly source: Store;
  readonly destination: Store;
  /** What is larger becomes a copy of its own. */
  readonly whole: WholeLimits;
  /** Absent: names stay. */
  readonly rename?: Renaming | undefined;
}

interface PlannedPage {
  readonly entries: readonly Entry[];
  readonly small: readonly ObjectWork[];
  readonly large: readonly ObjectWork[];
  /** To be restored before they are copied. */
  readonly archived: readonly ObjectWork[];
  readonly extras: readonly Extra[];
  readonly listed: Sum;
  readonly destination: Sum;
}

type Decision =
  { readonly kind: "entry"; readonly entry: Entry } | { readonly kind: "work"; readonly work: ObjectWork };

/**
 * Why a run that has listed everything had nothing to do, if that may be a mistake: a prefix without keys, a
 * filter that lets none through. Null: it had.
 */
export function whyNothing(
  { source, include, manifest }: Pick<RunBase, "source" | "include"> & Pick<SyncSpec, "manifest">,
  { listed, skippedBy }: Pick<Counters, "listed" | "skippedBy">,
): string | null {
  const ignored = (skippedBy["prefix_itself"] ?? 0) + (skippedBy["sync_report"] ?? 0);
  const keys = listed.objects - ignored;
  if (keys === 0 && manifest !== undefined)
    return `The manifest ${formatObject(manifest)} names no key at all`;
  if (keys === 0) return `The source has no key under ${formatPrefix(source)}: is the prefix right?`;
  const reasons = FILTERED.filter((reason) => (skippedBy[reason] ?? 0) > 0);
  const left = reasons.reduce((sum, reason) => sum + (skippedBy[reason] ?? 0), 0);
  if (left < keys) return null;
  const counts = reasons.map((reason) => `${skippedBy[reason] ?? 0} ${reason}`).join(", ");
  const listLike = include.find((pattern) => /,/.test(pattern.replaceAll(/\{[^}]*\}/g, "")));
  const hint =
    listLike === undefined
      ? ""
      : `; ${JSON.stringify(listLike)} is one pattern: give "include" once for each, or write {a,b}`;
  return `The filter lets none of the ${keys} keys through: ${counts}${hint}`;
}

export function planPage(
  pairs: readonly Found[],
  known: readonly ListedObject[],
  context: PlanContext,
): PlannedPage {
  const entries: Entry[] = [];
  const small: ObjectWork[] = [];
  const large: ObjectWork[] = [];
  const archived: ObjectWork[] = [];
  const extras: Extra[] = [];
  for (const pair of pairs) {
    if (pair.source === null) {
      const { key, sizeBytes, etag, lastModifiedMs: modifiedMs } = pair.destination;
      if (!isReportKey(key) && filterName(context.filter, pair.name) === null)
        extras.push({ key, sizeBytes, etag, modifiedMs });
      continue;
    }
    const decision = decide(pair, context);
    if (decision.kind === "entry") entries.push(decision.entry);
    else if (decision.work.isArchived === true && decision.work.first === "copy")
      archived.push(decision.work);
    // Asking costs a request and no bytes, whatever the size.
    else if (decision.work.first === "tell" || goesWhole(decision.work, context.spec, context.whole))
      small.push(decision.work);
    else large.push(decision.work);
  }
  const atDestination = pairs.flatMap(({ destination }) =>
    destination === null || destination === "unlisted" ? [] : [destination],
  );
  return {
    entries,
    small,
    large,
    archived,
    extras,
    listed: sumOf(pairs.flatMap(({ source }) => source ?? [])),
    destination: sumOf([...atDestination, ...known]),
  };
}

function decide(
  found: AtSource,
  { spec, filter, source: from, destination: to, whole, rename }: PlanContext,
): Decision {
  const { name, source, destination, to: known } = found;
  const work = workAt(found, "copy", { isArchived: needsRestore(source, from.provider) });
  const left = whyLeft(name, source, { filter, source: from, spec });
  if (left !== null) return entry(skipped(work, left));
  if (work.isArchived === true && spec.ifArchived === "fail")
    return entry(failed(work, archivedFailure(), 1));
  const timed = { name, modifiedMs: source.lastModifiedMs };
  const target =
    known !== undefined
      ? ({ ok: true, key: known } as const)
      : targetOf(rename?.rename ?? null, spec.destination.prefix, timed, to.profile.maxKeyBytes);
  // The marker of the folder that is copied: a bucket's root needs none, and has no key for it.
  if (!target.ok && target.code === "empty_key" && name === "") return entry(skipped(work, "prefix_itself"));
  if (!target.ok) return entry(failed(work, meshFailure(target.code, target.message, "plan"), 1));
  const placed = { ...work, to: target.key };
  const mapped: ObjectWork = rename === undefined ? placed : { ...placed, isRenamed: true };
  const { key } = source;
  const holder = rename?.claim(target.key, key) ?? null;
  if (holder !== null) return entry(failed(mapped, collisionOf({ key, holder, image: target.key }), 1));
  if (destination === "unlisted") return asking(mapped, spec, whole);
  const comparison = compareListed(
    spec.compare,
    { source: from.profile, destination: to.profile },
    source,
    destination,
  );
  switch (comparison.kind) {
    case "equal":
      return entry(skipped(mapped, "equal", comparison.proof));
    case "different":
      return spec.dryRun ? entry(wouldCopy(mapped, comparison.reason)) : { kind: "work", work: mapped };
    case "undecided":
      return asking(mapped, spec, whole);
  }
}

/** Work that first asks the stores whether the two are equal. */
function asking(work: ObjectWork, spec: SyncSpec, whole: WholeLimits): Decision {
  const first = spec.dryRun || !goesWhole(work, spec, whole) ? "tell" : "look";
  return { kind: "work", work: { ...work, first } };
}

/** Why an object takes no part, whatever its name becomes; null: it does. */
function whyLeft(
  name: string,
  source: ListedObject,
  {
    filter,
    source: { provider },
    spec: { ifArchived },
  }: Pick<PlanContext, "filter" | "source"> & { readonly spec: Pick<SyncSpec, "ifArchived"> },
): SkipReason | null {
  if (isReportKey(source.key)) return "sync_report";
  const isLeft = (ifArchived === undefined || ifArchived === "skip") && needsRestore(source, provider);
  return filterObject(filter, name, source) ?? (isLeft ? "archived" : null);
}

/** What an object becomes. `key`: its own; null: it takes no part. */
interface Image {
  readonly image: string;
  readonly key: string | null;
}

/** What the objects of a page become by the rules. One that can become nothing is left out. */
export function imagesOf(
  pairs: readonly Found[],
  context: Pick<PlanContext, "filter" | "source"> & {
    readonly spec: Pick<SyncSpec, "destination" | "ifArchived">;
  },
  rename: Rename,
): Image[] {
  return pairs.flatMap(({ name, source }) => {
    if (source === null) return [];
    const { key, lastModifiedMs: modifiedMs } = source;
    const target = targetOf(rename, context.spec.destination.prefix, { name, modifiedMs });
    if (!target.ok) return [];
    return [{ image: target.key, key: whyLeft(name, source, context) === null ? key : null }];
  });
}

interface Collision {
  readonly key: string;
  readonly holder: string;
  readonly image: string;
}

export function collisionOf({ key, holder, image }: Collision): Failure {
  const message = `${JSON.stringify(key)} and ${JSON.stringify(holder)} would both become ${JSON.stringify(image)}`;
  return meshFailure("rename_collision", message, "rename");
}

function entry(made: Entry): Decision {
  return { kind: "entry", entry: made };
}

function sumOf(objects: readonly ListedObject[]): Sum {
  return { objects: objects.length, bytes: objects.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0) };
}
