// The few XML documents of S3 that the mesh reads and writes. Pure.
//
// Reading is lenient where stores differ (with or without namespace, unknown elements, entities, white space
// before the root) and strict where a wrong reading would be a wrong copy: a document with another root is
// not an answer. Values stay strings as the store wrote them. In particular an ETag is opaque and is sent
// back unchanged.

import { XMLParser } from "fast-xml-parser";
import { told, toldId } from "./told.ts";
import { knownCode, knownEtag, knownId } from "./value.ts";

const LISTS = new Set(["Part", "Tag", "Upload", "Contents", "CommonPrefixes"]);

const IN_DELETE_RESULT = new Set<unknown>(["DeleteResult.Error", "DeleteResult.Deleted"]);

const READING = {
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false, // "007" is an upload ID or a key, not a number
  trimValues: false, // a key may begin or end with a space
  htmlEntities: true, // numeric references such as &#34; and &#x27;
};

const parser = new XMLParser({
  ...READING,
  isArray: (name, path) => LISTS.has(name) || IN_DELETE_RESULT.has(path), // an Error alone is a refusal
});

export type Element = Readonly<Record<string, unknown>>;

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

const orderedParser = new XMLParser({ ...READING, preserveOrder: true });

type Ordered = Readonly<Record<string, unknown>>;

/**
 * The children of the root in the order of the document, each with the texts of its own children; null as in
 * parseRoot(). A child that is there twice has no text.
 */
export function orderedChildren(text: string, root: string): { name: string; element: Element }[] | null {
  if (parseRoot(text, root) === null) return null;
  const document = orderedParser.parse(text.trimStart()) as Ordered[];
  const children = document.flatMap((node) => (root in node ? (node[root] as Ordered[]) : []));
  return children.flatMap((node) =>
    Object.entries(node).flatMap(([name, content]) =>
      Array.isArray(content) ? [{ name, element: leavesOf(content as Ordered[]) }] : [],
    ),
  );
}

function leavesOf(nodes: readonly Ordered[]): Element {
  const element: Record<string, unknown> = {};
  for (const [name, content] of nodes.flatMap((node) => Object.entries(node))) {
    if (!Array.isArray(content)) continue;
    const texts = (content as Ordered[]).map((node) => node["#text"]);
    const isText = texts.every((part) => typeof part === "string") && !(name in element);
    element[name] = isText ? texts.join("") : {};
  }
  return element;
}

/** The text of a child element, or null if there is none. An empty element is the empty string. */
export function textOf(element: Element, name: string): string | null {
  const value = element[name];
  return typeof value === "string" ? value : null;
}

/** The child elements of one name; one that is a text alone has no children. */
export function elementsOf(parent: Element, name: string): Element[] {
  const children = parent[name];
  return Array.isArray(children) ? children.map((child) => (typeof child === "object" ? child : {})) : [];
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

/**
 * `<Error><Code>…</Code><Message>…</Message>…</Error>`. Null if the text is not an S3 error, which has a code
 * of S3's.
 */
export function parseError(text: string): {
  code: string;
  message: string;
  /** Some stores put the actual words there: OpenStack Swift does. */
  reason: string | null;
  requestId: string | null;
  region: string | null;
  endpoint: string | null;
} | null {
  const error = parseRoot(text, "Error");
  const code = error === null ? null : knownCode(textOf(error, "Code"));
  if (error === null || code === null) return null;
  return {
    code,
    message: told((textOf(error, "Message") ?? "").trim()),
    reason: told((textOf(error, "Reason") ?? "").trim()) || null,
    requestId: toldId(textOf(error, "RequestId")),
    region: textOf(error, "Region"),
    endpoint: textOf(error, "Endpoint"),
  };
}

/** `<InitiateMultipartUploadResult>…<UploadId>VXBsb2Fk</UploadId></…>`. */
export function parseInitiate(text: string): { uploadId: string } | null {
  const result = parseRoot(text, "InitiateMultipartUploadResult");
  const uploadId = result === null ? null : knownId(textOf(result, "UploadId"));
  return uploadId === null ? null : { uploadId };
}

/**
 * `<CompleteMultipartUploadResult>…<ETag>"3858f6…-2"</ETag></…>`. The ETag is null if it cannot be known:
 * Ceph sends an empty one.
 */
export function parseComplete(text: string): { etag: string | null } | null {
  const result = parseRoot(text, "CompleteMultipartUploadResult");
  return result === null ? null : { etag: knownEtag(textOf(result, "ETag")) };
}

/** `<CopyObjectResult>` or `<CopyPartResult>` with the new ETag. */
export function parseCopyResult(text: string): { etag: string } | null {
  const result = parseRoot(text, "CopyObjectResult") ?? parseRoot(text, "CopyPartResult");
  const etag = result === null ? null : knownEtag(textOf(result, "ETag"));
  return etag === null ? null : { etag };
}

/**
 * `<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>`. Null if it does not say
 * which tags there are: without a TagSet, with a tag that has no key, or two values for one.
 */
export function parseTagging(text: string): [key: string, value: string][] | null {
  const set = parseRoot(text, "Tagging")?.["TagSet"];
  if (set === "") return [];
  if (typeof set !== "object" || set === null || Array.isArray(set)) return null;
  const tags = new Map<string, string>();
  for (const tag of elementsOf(set as Element, "Tag")) {
    const [key, value] = [textOf(tag, "Key"), textOf(tag, "Value")];
    if (key === null || key === "" || value === null || tags.has(key)) return null;
    tags.set(key, value);
  }
  return [...tags];
}

/** Whether the keys of an answer are encoded. Null: it is unclear. */
export function encodingOf(result: Element): boolean | null {
  const type = result["EncodingType"] ?? "";
  if (typeof type !== "string") return null;
  const isEncoded = type.trim().toLowerCase() === "url";
  return isEncoded || type.trim() === "" ? isEncoded : null;
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
