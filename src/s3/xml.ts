// The few XML documents of S3 that the mesh reads and writes. Pure.
//
// Reading is lenient where stores differ (with or without namespace, unknown elements, entities, white space
// before the root) and strict where a wrong reading would be a wrong copy: a document with another root is
// not an answer. Values stay strings as the store wrote them. In particular an ETag is opaque and is sent
// back unchanged.

import { XMLParser } from "fast-xml-parser";

export interface ListedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly sizeBytes: number;
}

const LISTS = new Set(["Part", "Tag", "Upload", "Contents", "CommonPrefixes"]);

const IN_DELETE_RESULT = new Set<unknown>(["DeleteResult.Error", "DeleteResult.Deleted"]);

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false, // "007" is an upload ID or a key, not a number
  trimValues: false, // a key may begin or end with a space
  htmlEntities: true, // numeric references such as &#34; and &#x27;
  isArray: (name, path) => LISTS.has(name) || IN_DELETE_RESULT.has(path), // an Error alone is a refusal
});

type Element = Readonly<Record<string, unknown>>;

/**
 * The children of the root if it is called `root`, else null, as for text that is not XML. The parser would
 * read a truncated document as far as it goes, and half a list is not a list. So the root must be closed.
 */
export function parseRoot(text: string, root: string): Element | null {
  const closed = new RegExp(`(?:</(?:[\\w.-]+:)?${root}\\s*>|<(?:[\\w.-]+:)?${root}(?:\\s[^<>]*)?/>)\\s*$`);
  if (!closed.test(text)) return null;
  let document: Element;
  try {
    document = parser.parse(text.trimStart()) as Element;
  } catch {
    return null; // a proxy's HTML page or half a document is not an answer
  }
  const element = document[root];
  if (typeof element === "object" && element !== null) return element as Element;
  return element === "" ? {} : null; // <Root/> parses to an empty string
}

/** The text of a child element, or null if there is none. An empty element is the empty string. */
export function textOf(element: Element, name: string): string | null {
  const value = element[name];
  return typeof value === "string" ? value : null;
}

/** `missing`: there is none, or it is empty. `unclear`: it is there twice, or is no boolean. */
type Truth = boolean | "missing" | "unclear";

/** XML Schema's spelling is `true`; some stores write `True`. Nothing else is taken for either. */
export function truthOf(element: Element, name: string): Truth {
  const value = element[name];
  if (value === undefined) return "missing";
  switch (typeof value === "string" ? value.trim().toLowerCase() : null) {
    case "true":
      return true;
    case "false":
      return false;
    case "":
      return "missing";
    default:
      return "unclear";
  }
}

/** `<Error><Code>…</Code><Message>…</Message>…</Error>`. Null if the text is not an S3 error. */
export function parseError(text: string): {
  code: string;
  message: string;
  requestId: string | null;
  region: string | null;
  endpoint: string | null;
} | null {
  const error = parseRoot(text, "Error");
  const code = error === null ? null : textOf(error, "Code");
  if (error === null || code === null) return null;
  return {
    code: code.trim(),
    message: (textOf(error, "Message") ?? "").trim(),
    requestId: textOf(error, "RequestId"),
    region: textOf(error, "Region"),
    endpoint: textOf(error, "Endpoint"),
  };
}

/** `<InitiateMultipartUploadResult>…<UploadId>VXBsb2Fk</UploadId></…>`. */
export function parseInitiate(text: string): { uploadId: string } | null {
  const result = parseRoot(text, "InitiateMultipartUploadResult");
  const uploadId = result === null ? null : textOf(result, "UploadId");
  return uploadId === null || uploadId === "" ? null : { uploadId };
}

/**
 * `<CompleteMultipartUploadResult>…<ETag>"3858f6…-2"</ETag></…>`. The ETag is null if it is empty, as Ceph
 * sends it.
 */
export function parseComplete(text: string): { etag: string | null } | null {
  const result = parseRoot(text, "CompleteMultipartUploadResult");
  if (result === null) return null;
  const etag = textOf(result, "ETag");
  return { etag: etag === null || etag.trim() === "" ? null : etag };
}

/** `<CopyObjectResult>` or `<CopyPartResult>` with the new ETag. */
export function parseCopyResult(text: string): { etag: string } | null {
  const result = parseRoot(text, "CopyObjectResult") ?? parseRoot(text, "CopyPartResult");
  const etag = result === null ? null : textOf(result, "ETag");
  return etag === null || etag.trim() === "" ? null : { etag };
}

/** `<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>`. */
export function parseTagging(text: string): [key: string, value: string][] | null {
  const tagging = parseRoot(text, "Tagging");
  if (tagging === null) return null;
  const set = tagging["TagSet"];
  const tags = typeof set === "object" && set !== null ? (set as Element)["Tag"] : [];
  return (Array.isArray(tags) ? (tags as Element[]) : []).map((tag) => [
    textOf(tag, "Key") ?? "",
    textOf(tag, "Value") ?? "",
  ]);
}

/** One page of ListParts: `<ListPartsResult>…<Part><PartNumber>1</PartNumber>…`. */
export function parseListParts(
  text: string,
): { parts: ListedPart[]; isTruncated: boolean; nextMarker: string | null } | null {
  const result = parseRoot(text, "ListPartsResult");
  if (result === null) return null;
  const isTruncated = truthOf(result, "IsTruncated");
  if (isTruncated === "unclear") return null;
  const parts: ListedPart[] = [];
  for (const part of Array.isArray(result["Part"]) ? (result["Part"] as Element[]) : []) {
    const partNumber = wholeNumber(textOf(part, "PartNumber"));
    const sizeBytes = wholeNumber(textOf(part, "Size"));
    const etag = textOf(part, "ETag");
    if (partNumber === null || sizeBytes === null || etag === null) return null;
    parts.push({ partNumber, sizeBytes, etag });
  }
  return {
    parts,
    isTruncated: isTruncated === true,
    nextMarker: textOf(result, "NextPartNumberMarker"),
  };
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
  if (result === null) return null;
  const isTruncated = truthOf(result, "IsTruncated");
  if (isTruncated === "unclear") return null;
  const encoded = textOf(result, "EncodingType") === "url";
  const decode = (key: string | null) => (encoded && key !== null ? decodeForm(key) : key);
  const uploads: ListedUpload[] = [];
  for (const upload of Array.isArray(result["Upload"]) ? (result["Upload"] as Element[]) : []) {
    const [key, uploadId] = [decode(textOf(upload, "Key")), textOf(upload, "UploadId")];
    const initiatedMs = Date.parse(textOf(upload, "Initiated") ?? "");
    if (key === null || uploadId === null || Number.isNaN(initiatedMs)) return null;
    uploads.push({ key, uploadId, initiatedMs });
  }
  return {
    uploads,
    isTruncated: isTruncated === true,
    nextKeyMarker: decode(textOf(result, "NextKeyMarker")),
    nextUploadIdMarker: textOf(result, "NextUploadIdMarker"),
  };
}

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\s*\d+\s*$/.test(text) ? Number(text) : null; // Number(null) would be 0
}

/** Decodes form encoding, where a space is "+" and a plus is "%2B". Null if the text is not valid. */
export function decodeForm(text: string): string | null {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return null;
  }
}

/** The body of CompleteMultipartUpload. The parts must come in ascending order of their numbers. */
export function completeDocument(parts: Iterable<{ partNumber: number; etag: string }>): string {
  let document = "<CompleteMultipartUpload>";
  for (const { partNumber, etag } of parts) {
    document += `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escapeText(etag)}</ETag></Part>`;
  }
  return document + "</CompleteMultipartUpload>";
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;", // by name: not every store reads numbers (workerd's local R2 does not)
  "'": "&apos;",
  "\r": "&#13;", // raw, it would be read back as a line feed (XML 1.0 §2.11)
};

/** Escapes character data. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"'\r]/g, (character) => ENTITIES[character] ?? character);
}
