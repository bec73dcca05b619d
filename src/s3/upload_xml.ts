// What an upload has: ListPartsResult and ListMultipartUploadsResult. Pure.

import { knownEtag, knownId, timeOf, wholeNumber } from "./value.ts";
import { type Element, decodeForm, elementsOf, encodingOf, parseRoot, textOf, truthOf } from "./xml.ts";

export interface ListedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly sizeBytes: number;
}

/**
 * One page of ListParts: `<ListPartsResult>…<Part><PartNumber>1</PartNumber>…`. A part without an ETag is
 * left out: nobody knows what it holds. Null if a part cannot be told, or one number is two parts.
 */
export function parseListParts(
  text: string,
): { parts: ListedPart[]; isTruncated: boolean; nextMarker: string | null } | null {
  const result = parseRoot(text, "ListPartsResult");
  if (result === null) return null;
  const parts = new Map<number, ListedPart>();
  const elements = elementsOf(result, "Part");
  for (const part of elements) {
    const partNumber = wholeNumber(textOf(part, "PartNumber"), MAX_PART_NUMBER);
    const sizeBytes = wholeNumber(textOf(part, "Size"));
    const etag = knownEtag(textOf(part, "ETag"));
    if (partNumber === null || partNumber === 0 || sizeBytes === null) return null;
    const twin = parts.get(partNumber);
    if (twin !== undefined && (twin.etag !== etag || twin.sizeBytes !== sizeBytes)) return null;
    if (etag !== null) parts.set(partNumber, { partNumber, sizeBytes, etag });
  }
  const isTruncated = goesOn(result, elements.length);
  if (isTruncated === null) return null;
  return { parts: [...parts.values()], isTruncated, nextMarker: textOf(result, "NextPartNumberMarker") };
}

/** The most parts that an upload has, in any store. */
export const MAX_PART_NUMBER = 10_000;

/** Of parts and of uploads. */
const PAGE_ENTRIES = 1000;

/** Whether a page follows. A full page that does not say so may have a successor. Null: it is unclear. */
function goesOn(result: Element, entries: number): boolean | null {
  const isTruncated = truthOf(result, "IsTruncated");
  if (isTruncated === "unclear") return null;
  return isTruncated === "missing" ? entries >= PAGE_ENTRIES : isTruncated;
}

export interface ListedUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly initiatedMs: number;
}

/** One page of ListMultipartUploads. Keys are decoded if the answer says that they are encoded. */
export function parseListUploads(text: string): {
  uploads: ListedUpload[];
  isTruncated: boolean;
  nextKeyMarker: string | null;
  nextUploadIdMarker: string | null;
} | null {
  const result = parseRoot(text, "ListMultipartUploadsResult");
  const isEncoded = result === null ? null : encodingOf(result);
  if (result === null || isEncoded === null) return null;
  const decode = (key: string | null) => (isEncoded && key !== null ? decodeForm(key) : key);
  const uploads: ListedUpload[] = [];
  const elements = elementsOf(result, "Upload");
  for (const upload of elements) {
    const [key, uploadId] = [decode(textOf(upload, "Key")), knownId(textOf(upload, "UploadId"))];
    const initiatedMs = timeOf(textOf(upload, "Initiated"));
    if (key === null || uploadId === null || initiatedMs === null) return null;
    uploads.push({ key, uploadId, initiatedMs });
  }
  const isTruncated = goesOn(result, elements.length);
  if (isTruncated === null) return null;
  return {
    uploads,
    isTruncated,
    nextKeyMarker: decode(textOf(result, "NextKeyMarker")),
    nextUploadIdMarker: textOf(result, "NextUploadIdMarker"),
  };
}
