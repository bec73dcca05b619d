// What happens to each name that a walk has found: an entry of the report at once, or work for the window.
// Pure.
//
// Invariant: every source object comes out exactly once, as an entry, as small or as large. Every destination
// object without a source object is extra, unless a filter excludes it. Reports of syncs are ignored on both
// sides.

import { DEFAULT_PART_BYTES } from "../copy/plan.ts";
import { FILTERED } from "../http/vocabulary.ts";
import { type Filter, filterName, filterObject } from "../listing/filter.ts";
import { destinationKey } from "../listing/prefix.ts";
import type { Found } from "../listing/walk.ts";
import { compareListed, needsRestore } from "../object/compare.ts";
import { partCountOf } from "../s3/digest.ts";
import { meshFailure } from "../s3/failure.ts";
import type { ListedObject } from "../s3/listing_xml.ts";
import { formatPrefix } from "../store/address.ts";
import type { Store } from "../store/stores.ts";
import { failed, skipped, wouldCopy } from "./outcome.ts";
import { type Counters, type Entry, type Extra, type Sum, isReportKey } from "./report.ts";
import type { SyncSpec } from "./spec.ts";
import type { ObjectWork } from "../work/batch_task.ts";

interface PlanContext {
  readonly spec: SyncSpec;
  readonly filter: Filter;
  readonly source: Store;
  readonly destination: Store;
  /** Objects up to this size go whole, in batches; a larger one becomes a copy of its own. */
  readonly wholeBytes: number;
}

interface PlannedPage {
  readonly entries: readonly Entry[];
  readonly small: readonly ObjectWork[];
  readonly large: readonly ObjectWork[];
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
  { source, include }: Pick<SyncSpec, "source" | "include">,
  { listed, skippedBy }: Pick<Counters, "listed" | "skippedBy">,
): string | null {
  const ignored = (skippedBy["prefix_itself"] ?? 0) + (skippedBy["sync_report"] ?? 0);
  const keys = listed.objects - ignored;
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
  const extras: Extra[] = [];
  for (const pair of pairs) {
    if (pair.source === null) {
      const { key, sizeBytes, etag, lastModifiedMs: modifiedMs } = pair.destination;
      if (!isReportKey(key) && filterName(context.filter, pair.name) === null)
        extras.push({ key, sizeBytes, etag, modifiedMs });
      continue;
    }
    const decision = decide(pair.name, pair.source, pair.destination, context);
    if (decision.kind === "entry") entries.push(decision.entry);
    // Asking costs a request and no bytes, whatever the size.
    else if (decision.work.first === "tell" || goesWhole(decision.work, context.spec, context.wholeBytes))
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
    extras,
    listed: sumOf(pairs.flatMap(({ source }) => source ?? [])),
    destination: sumOf([...atDestination, ...known]),
  };
}

function decide(
  name: string,
  source: ListedObject,
  destination: ListedObject | "unlisted" | null,
  { spec, filter, source: from, destination: to, wholeBytes }: PlanContext,
): Decision {
  const { key, sizeBytes, etag, storageClass } = source;
  const work: ObjectWork = { key, to: "", sizeBytes, etag, storageClass, failedAttempts: 0, first: "copy" };
  if (isReportKey(key)) return entry(skipped(work, "sync_report"));
  const filtered = filterObject(filter, name, source);
  if (filtered !== null) return entry(skipped(work, filtered));
  if (needsRestore(source, from.provider)) return entry(skipped(work, "archived"));
  const target = destinationKey(spec.destination.prefix, name, to.profile.maxKeyBytes);
  // The marker of the folder that is copied: a bucket's root needs none, and has no key for it.
  if (!target.ok && target.code === "empty_key") return entry(skipped(work, "prefix_itself"));
  if (!target.ok) return entry(failed(work, meshFailure(target.code, target.message, "plan"), 1));
  const mapped = { ...work, to: target.key };
  const isLarge = !goesWhole(work, spec, wholeBytes);
  const ask: ObjectWork = { ...mapped, first: spec.dryRun || isLarge ? "tell" : "look" };
  if (destination === "unlisted") return { kind: "work", work: ask };
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
      return { kind: "work", work: ask };
  }
}

function entry(made: Entry): Decision {
  return { kind: "entry", entry: made };
}

function sumOf(objects: readonly ListedObject[]): Sum {
  return { objects: objects.length, bytes: objects.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0) };
}

/**
 * Batches small enough that every transfer gets some of what waits, and of bounded bytes: an object of more
 * than that is a batch of its own, so nothing waits behind it. Many transfers alone make no batch smaller:
 * each batch is a row, written three times.
 *
 * @param transfers that run at once
 * @param waiting objects that wait or are under way already
 * @param unpacks does the destination unpack archives?
 */
export function batchesOf(
  objects: readonly ObjectWork[],
  transfers: number,
  { waiting = 0, unpacks = false }: { waiting?: number; unpacks?: boolean } = {},
): ObjectWork[][] {
  const share = Math.ceil((waiting + objects.length) / transfers);
  const count = Math.max(1, Math.min(unpacks ? ARCHIVED_OBJECTS : BATCH_OBJECTS, share));
  const batches: ObjectWork[][] = [];
  let bytes = 0;
  for (const work of objects) {
    const last = batches.at(-1);
    if (last === undefined || last.length >= count || bytes + work.sizeBytes > BATCH_BYTES) {
      batches.push([work]);
      bytes = work.sizeBytes;
    } else {
      last.push(work);
      bytes += work.sizeBytes;
    }
  }
  return batches;
}

/** Is it copied by one GET and one PUT? What keeps its source's parts is not, whatever its size. */
export function goesWhole(work: ObjectWork, spec: Pick<SyncSpec, "partSize">, wholeBytes: number): boolean {
  return work.sizeBytes <= wholeBytes && !keepsParts(work, spec);
}

/** Does it keep the parts that it was uploaded in? One that was uploaded whole has none. */
export function keepsParts({ etag }: ObjectWork, { partSize }: Pick<SyncSpec, "partSize">): boolean {
  return partSize === "source" && partCountOf(etag ?? "") !== null;
}

/**
 * The largest object that is copied by one GET and one PUT. Above it, a multipart upload by a coordinator of
 * its own moves the parts at once, and repeats only those that fail.
 *
 * @param maxPartBytes the ceiling of one request body, from MAX_PART_MIB
 */
export function wholeBytesAt({ profile }: Store, maxPartBytes: number): number {
  return Math.min(DEFAULT_PART_BYTES, maxPartBytes, profile.maxPutBytes);
}

/** Enough that a claim costs little in comparison. */
const BATCH_OBJECTS = 32;

/** Of those that travel together, where the destination unpacks archives. */
const ARCHIVED_OBJECTS = 256;

/** A batch copies one object after the other: a few seconds of them. */
const BATCH_BYTES = 8 * 2 ** 20;
