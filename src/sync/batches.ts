// How objects that are to be copied are put together: which go whole, in batches, and which become copies of
// their own. Pure.

import { DEFAULT_PART_BYTES } from "../copy/plan.ts";
import { partCountOf } from "../s3/digest.ts";
import type { Store } from "../store/stores.ts";
import { type RunSpec, isOfHistories } from "./comparison_spec.ts";
import type { SyncSpec } from "./spec.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import { type WholeLimits, fitsWhole } from "../work/load.ts";

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
export function goesWhole(work: ObjectWork, spec: Pick<SyncSpec, "partSize">, limits: WholeLimits): boolean {
  return fitsWhole(work, limits) && !keepsParts(work, spec);
}

/** Does it keep the parts that it was uploaded in? One that was uploaded whole has none. */
export function keepsParts({ etag }: ObjectWork, { partSize }: Pick<SyncSpec, "partSize">): boolean {
  return partSize === "source" && partCountOf(etag ?? "") !== null;
}

/**
 * The largest objects that are copied by one GET and one PUT. Above that, a multipart upload by a coordinator
 * of its own moves the parts at once, and repeats only those that fail.
 *
 * @param maxPartBytes the ceiling of one request body, from MAX_PART_MIB
 */
export function wholeLimitsAt(spec: RunSpec, { profile }: Store, maxPartBytes: number): WholeLimits {
  const most = Math.min(maxPartBytes, profile.maxPutBytes);
  const wholeBytes = Math.min(DEFAULT_PART_BYTES, most);
  // A PUT whose answer is lost may leave a version that must not be there: large ones go in parts.
  if (isOfHistories(spec)) return { wholeBytes };
  return { wholeBytes, uploadedWholeBytes: Math.min(MOST_UPLOADED_WHOLE_BYTES, most) };
}

/** A failure sends all of it again. At 400 kB/s it passes within the time that a transfer has. */
const MOST_UPLOADED_WHOLE_BYTES = 256 * 2 ** 20;

/** Enough that a claim costs little in comparison. */
const BATCH_OBJECTS = 32;

/** Of those that travel together, where the destination unpacks archives. */
const ARCHIVED_OBJECTS = 256;

/** A batch copies one object after the other: a few seconds of them. */
const BATCH_BYTES = 8 * 2 ** 20;

/** Objects that may wait in the window: enough to keep every lane busy while the next pages are listed. */
export function windowObjects({ concurrency }: { readonly concurrency: number }): number {
  return Math.max(2_000, concurrency * 64);
}
