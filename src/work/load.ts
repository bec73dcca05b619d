// What work is to bring over, and what it will send for that: the arithmetic of a quote. Pure.
//
// A quote has no retries in it. What it cannot know beforehand (tags that are asked for, a source's parts) is
// counted as it usually is, and widens the tolerance.

import { isWholeMd5Etag } from "../s3/digest.ts";
import { type JobLimits, ceilingAt } from "../store/limits.ts";
import type { MeshUse } from "../store/prices.ts";
import { type Store, canCopyInside } from "../store/stores.ts";
import { NOTHING_SENT, requestsOf } from "../store/sent.ts";
import type { Spent } from "./spent.ts";

/** Objects that go whole, each by one GET and one PUT, and large ones, each by an upload of its own. */
export interface Load {
  readonly whole: number;
  readonly large: number;
  /** Of all large ones. */
  readonly parts: number;
  /** Lists of parts, 1,000 in each. */
  readonly partPages: number;
  /** HEADs by which the part size of multipart sources is found out. */
  readonly partHeads: number;
  readonly bytes: number;
}

export const NO_LOAD: Load = { whole: 0, large: 0, parts: 0, partPages: 0, partHeads: 0, bytes: 0 };

export function addLoads(one: Load, other: Load): Load {
  return {
    whole: one.whole + other.whole,
    large: one.large + other.large,
    parts: one.parts + other.parts,
    partPages: one.partPages + other.partPages,
    partHeads: one.partHeads + other.partHeads,
    bytes: one.bytes + other.bytes,
  };
}

const MAX_PARTS = 10_000;

/** Of all parts but the last, everywhere. */
const MIN_PART_BYTES = 5 * 2 ** 20;

const PARTS_PER_PAGE = 1_000;

/** First, last and middle part. */
const MOST_PART_HEADS = 3;

/** The largest objects that one GET and one PUT copy. */
export interface WholeLimits {
  readonly wholeBytes: number;
  /**
   * Of objects that were uploaded whole, by their ETag. Uploaded whole again they keep it, so it proves the
   * copy without a digest, which parts would need. Absent: as others.
   */
  readonly uploadedWholeBytes?: number;
}

export function fitsWhole(
  { sizeBytes, etag }: { readonly sizeBytes: number; readonly etag: string | null },
  { wholeBytes, uploadedWholeBytes = wholeBytes }: WholeLimits,
): boolean {
  const isUploadedWhole = etag !== null && isWholeMd5Etag(etag);
  return sizeBytes <= (isUploadedWhole ? uploadedWholeBytes : wholeBytes);
}

export function addWhole(load: Load, sizeBytes: number): Load {
  return { ...load, whole: load.whole + 1, bytes: load.bytes + sizeBytes };
}

/**
 * @param partCount of a source that was uploaded in parts; null: it was not
 * @param wholeBytes the largest part; an object that fits one goes whole
 */
export function addObject(
  load: Load,
  { sizeBytes, partCount }: { readonly sizeBytes: number; readonly partCount: number | null },
  wholeBytes: number,
): Load {
  if (sizeBytes <= wholeBytes) return addWhole(load, sizeBytes);
  // A source's own parts are kept where their size allows.
  const ownBytes = partCount === null ? 0 : sizeBytes / partCount;
  const keeps = ownBytes >= MIN_PART_BYTES && ownBytes <= wholeBytes;
  const parts = Math.min(
    MAX_PARTS,
    keeps && partCount !== null ? partCount : Math.ceil(sizeBytes / wholeBytes),
  );
  return {
    whole: load.whole,
    large: load.large + 1,
    parts: load.parts + parts,
    partPages: load.partPages + Math.ceil(parts / PARTS_PER_PAGE),
    partHeads: load.partHeads + (partCount === null ? 0 : Math.min(MOST_PART_HEADS, partCount)),
    bytes: load.bytes + sizeBytes,
  };
}

interface Sides {
  readonly source: Store;
  readonly destination: Store;
}

/**
 * @param tags whether the request is to bring tags over
 * @param asked whole objects of a copy each, which asks by HEAD before and after; a sync does not
 */
export function sentFor(
  { whole, large, parts, partPages, partHeads, bytes }: Load,
  { source, destination }: Sides,
  { tags, asked }: { readonly tags: boolean; readonly asked: number },
): Spent {
  const inside = canCopyInside(source, destination);
  const hasTags = tags && source.profile.tags;
  const tagsOfWhole = hasTags && !source.profile.tagCount ? whole : asked;
  const reads = (inside ? 0 : whole + parts) + (hasTags ? large + tagsOfWhole : 0);
  const looks = large + partHeads + (inside ? whole : asked);
  return {
    source: {
      ...NOTHING_SENT,
      // A web server is looked at by GET, and asked for a range before a large file is cut into parts.
      ...(source.web === undefined ? { get: reads, head: looks } : { get: reads + looks + large }),
      bytes: inside ? 0 : bytes,
    },
    destination: {
      ...NOTHING_SENT,
      put: whole + parts + 2 * large,
      list: partPages,
      head: large + (inside ? whole : asked),
    },
  };
}

/**
 * The time that the limits of both stores and of the work leave to it at the least, as they are now, in whole
 * seconds. Null: there are none.
 */
export function leastSecondsFor(spent: Spent, sides: Sides, own: JobLimits, now: number): number | null {
  const passing = spent.source.bytes + spent.destination.bytes;
  const times = (["source", "destination"] as const).flatMap((side) => [
    requestsOf(spent[side]) / ceilingAt(sides[side], "maxRequestsPerSecond", now),
    passing / ceilingAt(sides[side], "maxBytesPerSecond", now),
  ]);
  const ceilings = [passing / ceilingAt(own, "maxBytesPerSecond", now), ...times];
  const most = Math.max(...ceilings.filter((seconds) => !Number.isNaN(seconds)));
  // A limit of 0 pauses: nobody knows for how long.
  return most > 0 && most < Infinity ? Math.ceil(most) : null;
}

/** By how much the count may be off, as a fraction, without failures. */
export function toleranceOf({ source, destination }: Sides): number {
  // How a service copies by itself, and what goes together in an archive, is found out object by object.
  return canCopyInside(source, destination) || destination.profile.unpacksTar ? 0.5 : 0.05;
}

/**
 * Per part and per whole object, as `npm run simulate` finds it with 8 lanes (test/simulate/RESULTS.md), and
 * the CPU as `npm run bench` does.
 */
const PER_PART: MeshUse = { objectRequests: 1.05, objectSeconds: 0.4, rowsWritten: 2.3, cpuMs: 2 };

const PER_WHOLE: MeshUse = { objectRequests: 0.034, objectSeconds: 0.025, rowsWritten: 0.21, cpuMs: 1.3 };

/** A copy is admitted, created and woken, and keeps its rows. */
const PER_LARGE: MeshUse = { objectRequests: 10, objectSeconds: 5, rowsWritten: 30, cpuMs: 20 };

export function meshUseFor({ whole, parts, large }: Load): MeshUse {
  const sum = (name: keyof MeshUse) =>
    Math.ceil(whole * PER_WHOLE[name] + parts * PER_PART[name] + large * PER_LARGE[name]);
  return {
    objectRequests: sum("objectRequests"),
    objectSeconds: sum("objectSeconds"),
    rowsWritten: sum("rowsWritten"),
    cpuMs: sum("cpuMs"),
  };
}
