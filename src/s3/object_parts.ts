// The parts that a finished object was uploaded in, as its store shows them: GetObjectAttributes lists up to
// a thousand at once, but on AWS only of objects that were uploaded with checksums; HEAD with a part number
// shows one (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html, 2026-11).
//
// Invariant: a length counts only if the answer fits the object: its size, its ETag, its number of parts.

import { bareEtag } from "./digest.ts";
import { customerKeyHeaders } from "./encryption.ts";
import { S3Error } from "./errors.ts";
import { headObject } from "./read.ts";
import { type ObjectAddress, type S3, ask } from "./request.ts";
import { saysNo } from "./retry.ts";
import { versionQuery } from "./s3.ts";
import { parseContentRange } from "./url.ts";
import { knownEtag, wholeNumber } from "./value.ts";
import { type Element, elementsOf, parseRoot, textOf, truthOf } from "./xml.ts";

/** The object as HEAD showed it. */
export interface WholeObject {
  readonly etag: string;
  readonly sizeBytes: number;
}

/**
 * The lengths of all parts in their order, by GetObjectAttributes. Null: the store does not list them, or not
 * reliably.
 *
 * @throws {S3Error} of a store that may list them later
 */
export async function listedLengths(
  s3: S3,
  address: ObjectAddress,
  object: WholeObject,
): Promise<number[] | null> {
  const lengths = new Map<number, number>();
  for (let marker = 0; ;) {
    const page = await attributesPage(s3, address, marker);
    if (page === null || page.sizeBytes !== object.sizeBytes) return null;
    if (page.etag === null || bareEtag(page.etag) !== bareEtag(object.etag)) return null;
    const before = lengths.size;
    for (const [partNumber, length] of page.parts) lengths.set(partNumber, length);
    if (page.isTruncated) {
      if (lengths.size === before || !(page.nextMarker > marker)) return null;
      marker = page.nextMarker;
      continue;
    }
    const inOrder = [...lengths].toSorted(([one], [other]) => one - other).map(([, length]) => length);
    const isWhole = inOrder.length === page.partCount && sumOf(inOrder) === object.sizeBytes;
    return isWhole ? inOrder : null;
  }
}

interface AttributesPage {
  readonly etag: string | null;
  readonly sizeBytes: number | null;
  readonly partCount: number | null;
  readonly parts: readonly (readonly [partNumber: number, lengthBytes: number])[];
  readonly isTruncated: boolean;
  readonly nextMarker: number;
}

async function attributesPage(
  s3: S3,
  address: ObjectAddress,
  marker: number,
): Promise<AttributesPage | null> {
  const operation = "GetObjectAttributes";
  const headers = {
    ...(await customerKeyHeaders(s3.store.encryption)),
    "x-amz-object-attributes": "ETag,ObjectParts,ObjectSize",
    "x-amz-max-parts": "1000",
    ...(marker === 0 ? {} : { "x-amz-part-number-marker": String(marker) }),
  };
  const query = { attributes: "", ...versionQuery(address) };
  try {
    const { text } = await ask(s3, operation, address, { method: "GET", query, headers });
    return parseAttributes(text);
  } catch (error) {
    // A permission of its own, and an operation that few stores have.
    if (error instanceof S3Error && saysNo(error.toFailure("source"))) return null;
    throw error;
  }
}

function parseAttributes(text: string): AttributesPage | null {
  const result =
    parseRoot(text, "GetObjectAttributesResponse") ?? parseRoot(text, "GetObjectAttributesOutput");
  const list = result?.["ObjectParts"];
  if (result === null || typeof list !== "object" || list === null || Array.isArray(list)) return null;
  const element = list as Element;
  const parts: [number, number][] = [];
  for (const part of elementsOf(element, "Part")) {
    const partNumber = wholeNumber(textOf(part, "PartNumber"));
    const length = wholeNumber(textOf(part, "Size"));
    if (partNumber === null || length === null) return null;
    parts.push([partNumber, length]);
  }
  return {
    etag: knownEtag(textOf(result, "ETag")),
    sizeBytes: wholeNumber(textOf(result, "ObjectSize")),
    partCount: wholeNumber(textOf(element, "PartsCount") ?? textOf(element, "TotalPartsCount")),
    parts,
    isTruncated: truthOf(element, "IsTruncated") === true,
    nextMarker: wholeNumber(textOf(element, "NextPartNumberMarker")) ?? 0,
  };
}

/** One part of an object, as HEAD shows it. */
interface ShownPart {
  readonly lengthBytes: number;
  /** Null: the store does not say that the object has parts. */
  readonly partCount: number | null;
}

/**
 * One part by `HEAD ?partNumber`. It counts only with status 206 and the right total. Null: the store shows
 * no parts.
 *
 * @throws {S3Error} of a store that may show it later
 */
export async function shownPart(
  s3: S3,
  address: ObjectAddress,
  partNumber: number,
  { sizeBytes }: Pick<WholeObject, "sizeBytes">,
): Promise<ShownPart | null> {
  try {
    const { status, headers } = await headObject(s3, address, { partNumber });
    const range = parseContentRange(headers.get("content-range"));
    if (status !== 206 || range?.totalBytes !== sizeBytes) return null;
    return { lengthBytes: range.length, partCount: wholeNumber(headers.get("x-amz-mp-parts-count")) };
  } catch (error) {
    // A store without part numbers on HEAD (501, 400).
    if (error instanceof S3Error && saysNo(error.toFailure("source"))) return null;
    throw error;
  }
}

export function sumOf(lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}
