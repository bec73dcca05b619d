// The parts that the source was uploaded in. With the same parts the destination's object has the same
// multipart ETag, by S3's rule, which proves the copy without a further look at the bytes.
//
// What it needs: the source. A length is taken from the source's answers alone; what it does not tell is
// unknown.

import { partCountOf, isWholeMd5Etag } from "../s3/digest.ts";
import { type WholeObject, listedLengths, shownPart, sumOf } from "../s3/object_parts.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";

type Layout =
  /** Null: it was uploaded in one request. */
  | { readonly kind: "known"; readonly lengths: readonly number[] | null }
  | { readonly kind: "unknown"; readonly why: string };

/** HEADs at once: an event has six connections that wait for an answer. */
const AT_ONCE = 5;

/**
 * Of the 15 minutes that an event has; an upload has up to 10,000 parts, and a cap may slow the HEADs down.
 */
const LIMIT_MS = 10 * 60_000;

/** @throws {S3Error} of a source that may tell it later */
export async function layoutOf(source: S3, address: ObjectAddress, object: WholeObject): Promise<Layout> {
  const { etag, sizeBytes } = object;
  const told = partCountOf(etag);
  // An ETag of S3's other form is of one request.
  if (isWholeMd5Etag(etag)) return { kind: "known", lengths: null };
  if (told === 1) return { kind: "known", lengths: [sizeBytes] };
  const listed = await listedLengths(source, address, object);
  if (listed !== null && (told === null || listed.length === told)) return { kind: "known", lengths: listed };
  const first = await shownPart(source, address, 1, object);
  if (first === null) return unknown("it shows no part by HEAD or GetObjectAttributes");
  const partCount = first.partCount ?? (first.lengthBytes === sizeBytes ? 1 : null);
  if (partCount === null || (told !== null && partCount !== told))
    return unknown(`its ETag is ${etag}, and HEAD says that it has ${first.partCount ?? "no"} parts`);
  // A source of opaque ETags that names one part may have been uploaded either way.
  if (partCount === 1) return { kind: "known", lengths: first.partCount === null ? null : [sizeBytes] };
  return await byHeads(source, address, object, { first: first.lengthBytes, partCount });
}

async function byHeads(
  source: S3,
  address: ObjectAddress,
  object: WholeObject,
  { first, partCount }: { first: number; partCount: number },
): Promise<Layout> {
  const lengths = [first];
  const untilMs = Date.now() + LIMIT_MS;
  while (lengths.length < partCount) {
    if (Date.now() > untilMs)
      return unknown(`its ${partCount} parts could not be asked for within ${LIMIT_MS / 60_000} minutes`);
    const from = lengths.length + 1;
    const numbers = Array.from({ length: Math.min(AT_ONCE, partCount - lengths.length) }, (_, n) => from + n);
    const shown = await Promise.all(
      numbers.map(async (partNumber) => await shownPart(source, address, partNumber, object)),
    );
    for (const [index, part] of shown.entries()) {
      if (part?.partCount !== partCount) return unknown(`it does not show part ${from + index}`);
      lengths.push(part.lengthBytes);
    }
  }
  const sum = sumOf(lengths);
  return sum === object.sizeBytes
    ? { kind: "known", lengths }
    : unknown(`its parts have ${sum} bytes together, and the object has ${object.sizeBytes}`);
}

function unknown(why: string): Layout {
  return { kind: "unknown", why };
}
