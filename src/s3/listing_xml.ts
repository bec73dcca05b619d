// The XML of listings: ListBucketResult, of V1 and V2. Pure.
//
// Names are decoded only if the answer itself says `<EncodingType>url`, whatever was asked for: stores that
// ignore the option list a real "+" as "+". Tokens are opaque and never decoded. XML 1.0 cannot contain most
// control characters (https://www.w3.org/TR/xml/#charsets), and a raw carriage return is read back as a line
// feed (§2.11). A key with one of these, from a store that has not encoded it, would be read as another key,
// so it is an error that shows the key.
//
// A page has a thousand objects, and a sync of millions does little but read pages. So the objects of a plain
// document, which is what stores send, are cut out by searching for their tags, and the XML parser reads only
// the rest. It reads the whole document if anything in it is not plain.

import { knownEtag, timeOf, wholeNumber } from "./value.ts";
import { findUnreadableName } from "./unreadable.ts";
import { type Element, decodeForm, elementsOf, encodingOf, parseRoot, textOf, truthOf } from "./xml.ts";

/** An object as a listing describes it. */
export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** As the store sent it, with quotes if it sends quotes. Null if it reports none. */
  readonly etag: string | null;
  readonly lastModifiedMs: number | null;
  /** Null: the store reports none, which means its standard class. */
  readonly storageClass: string | null;
  /** An archived object with a readable copy that is restored for some days. Only AWS lists this. */
  readonly isRestored: boolean;
}

export interface ListingPage {
  readonly objects: readonly ListedObject[];
  /** Keys as the store has encoded them, which are no UTF-8: no request can name them. */
  readonly unreadable: readonly string[];
  readonly commonPrefixes: readonly string[];
  /** Null: the answer does not say so. */
  readonly isTruncated: boolean | null;
  /** What the page says that it is of; null: it does not say so. The prefix as written, and decoded. */
  readonly bucket: string | null;
  readonly prefix: readonly [string, string] | null;
  /** How many keys and groups it says that it has. */
  readonly keyCount: number | null;
  /** V2: what it says that it was asked to continue from, and where to go on. */
  readonly token: string | null;
  readonly nextToken: string | null;
  /** V1, and only with a delimiter. */
  readonly nextMarker: string | null;
  /** Old stores do not know `list-type=2` and answer as if it were absent. */
  readonly isV1: boolean;
}

type ParsedListing =
  | { readonly kind: "page"; readonly page: ListingPage }
  /** The document is a listing, but a key in it cannot be read reliably. */
  | { readonly kind: "unreadable_key"; readonly shown: string }
  /** A field is there twice, or says what it cannot say. */
  | { readonly kind: "unclear"; readonly detail: string }
  | { readonly kind: "no_listing" };

/**
 * Parses `<ListBucketResult><IsTruncated>…<NextContinuationToken>…<EncodingType>url</EncodingType>
 * <Contents><Key>…<Size>…<ETag>…<LastModified>…<StorageClass>…</Contents><CommonPrefixes><Prefix>…`.
 */
export function parseListing(text: string): ParsedListing {
  const cut = cutContents(text);
  const result = parseRoot(cut?.rest ?? text, "ListBucketResult");
  if (result === null) return { kind: "no_listing" };
  const isTruncated = truthOf(result, "IsTruncated");
  const isEncoded = encodingOf(result);
  const keyCount = nonEmpty(textOf(result, "KeyCount"));
  const unclear =
    SINGLE.find((name) => name in result && textOf(result, name) === null) ??
    (isTruncated === "unclear" ? "IsTruncated" : undefined) ??
    (isEncoded === null ? "EncodingType" : undefined) ??
    (keyCount !== null && wholeNumber(keyCount) === null ? "KeyCount" : undefined);
  if (unclear !== undefined)
    return {
      kind: "unclear",
      detail: `its <${unclear}> is ${JSON.stringify(result[unclear]).slice(0, 100)}`,
    };
  const unreadable = isEncoded === true ? null : findUnreadableName(text);
  if (unreadable !== null) return { kind: "unreadable_key", shown: unreadable };
  const decode = isEncoded === true ? decodeForm : (name: string) => name;
  const objects: ListedObject[] = [];
  const undecoded: string[] = [];
  for (const element of cut?.contents ?? elementsOf(result, "Contents")) {
    const object = listedObjectOf(element, decode);
    if (object === null) return { kind: "no_listing" };
    if (typeof object === "string") undecoded.push(object);
    else objects.push(object);
  }
  const commonPrefixes: string[] = [];
  for (const element of elementsOf(result, "CommonPrefixes")) {
    const name = textOf(element, "Prefix") ?? "";
    const prefix = decode(name);
    if (prefix === null) return { kind: "unreadable_key", shown: name };
    commonPrefixes.push(prefix);
  }
  const marker = textOf(result, "NextMarker");
  const nextMarker = marker === null ? null : decode(marker);
  if (marker !== null && nextMarker === null) return { kind: "unreadable_key", shown: marker };
  const prefix = nonEmpty(textOf(result, "Prefix"));
  const page: ListingPage = {
    objects,
    unreadable: undecoded,
    commonPrefixes,
    isTruncated: isTruncated === true || (isTruncated === false ? false : null),
    bucket: nonEmpty(textOf(result, "Name")),
    prefix: prefix === null ? null : [prefix, decode(prefix) ?? prefix],
    keyCount: wholeNumber(keyCount),
    token: nonEmpty(textOf(result, "ContinuationToken")),
    nextToken: nonEmpty(textOf(result, "NextContinuationToken")),
    nextMarker: nonEmpty(nextMarker),
    isV1: "Marker" in result && !("KeyCount" in result),
  };
  return { kind: "page", page };
}

/** A text: its key, which cannot be decoded. Null: it is no object. */
export function listedObjectOf(
  element: Element,
  decode: (name: string) => string | null,
): ListedObject | string | null {
  const name = textOf(element, "Key");
  const key = name === null ? null : decode(name);
  const sizeBytes = wholeNumber(textOf(element, "Size"));
  if (key === null && name !== null) return name;
  if (key === null || key === "" || sizeBytes === null) return null;
  return {
    key,
    sizeBytes,
    etag: knownEtag(textOf(element, "ETag")),
    lastModifiedMs: timeOf(textOf(element, "LastModified")),
    storageClass: nonEmpty(textOf(element, "StorageClass")),
    isRestored: isRestored(element["RestoreStatus"]),
  };
}

/** What is there once, or not at all. */
const SINGLE =
  "Name Prefix KeyCount IsTruncated EncodingType ContinuationToken NextContinuationToken NextMarker".split(
    " ",
  );

/**
 * Anything but `<Name>` or `</Name>`: an attribute, a namespace, an empty tag, a comment, a CDATA section.
 */
const NOT_PLAIN = /<(?!\/?[\w.-]+>)/;

const OPEN = "<Contents>";
const CLOSE = "</Contents>";

/**
 * The `<Contents>` of a plain document, as the parser would return them as far as parseListing() reads them,
 * and the document without them. Null if it is not plain or has none.
 */
export function cutContents(text: string): { contents: Element[]; rest: string } | null {
  const from = text.indexOf(OPEN);
  const to = text.lastIndexOf(CLOSE) + CLOSE.length;
  if (from < 0 || to < from || text.lastIndexOf("<!", from) >= 0) return null;
  if (NOT_PLAIN.test(text.slice(from, to))) return null;
  const contents: Element[] = [];
  let rest = text.slice(0, from);
  for (let at = from; ;) {
    const end = text.indexOf(CLOSE, at);
    const next = text.indexOf(OPEN, at + 1);
    const element = end < 0 || (next >= 0 && next < end) ? null : leavesOf(text.slice(at, end));
    if (element === null) return null;
    contents.push(element);
    rest += text.slice(end + CLOSE.length, next < 0 ? text.length : next);
    // If the rest contains another spelling of the tag, the parser must read the document.
    if (next < 0) return /<(?:[\w.-]+:)?Contents/.test(rest) ? null : { contents, rest };
    at = next;
  }
}

const LEAVES = ["Key", "LastModified", "ETag", "Size", "StorageClass"].map((name) => ({
  name,
  open: `<${name}>`,
  close: `</${name}>`,
}));

/** The children of one `<Contents>` that are read. Null if one of them is not plain text or occurs twice. */
function leavesOf(block: string): Element | null {
  const element: Record<string, unknown> = {};
  for (const { name, open, close } of LEAVES) {
    const start = block.indexOf(open);
    if (start < 0) continue;
    const end = block.indexOf("<", start + open.length);
    const isLeaf = end > 0 && block.startsWith(close, end) && block.indexOf(open, end) < 0;
    const text = isLeaf ? plainText(block.slice(start + open.length, end)) : null;
    if (text === null) return null;
    element[name] = text;
  }
  return block.includes("<RestoreStatus") ? null : element;
}

/** A Map, because an object also has what every object has, such as a constructor. */
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);

/** A text with its references replaced. Null if the parser must decide about one of them. */
function plainText(text: string): string | null {
  if (!text.includes("&")) return text;
  // The quotes of an ETag, which every object has.
  const unquoted = text.replaceAll("&quot;", '"').replaceAll("&#34;", '"');
  if (!unquoted.includes("&")) return unquoted;
  let isPlain = true;
  const replaced = unquoted.replace(
    /&(?:(\w+);|#(\d\d\d?);)?/g,
    (_whole, name?: string, decimal?: string) => {
      const character = decimal === undefined ? ENTITIES.get(name ?? "") : asciiOf(Number(decimal));
      isPlain &&= character !== undefined;
      return character ?? "";
    },
  );
  return isPlain ? replaced : null;
}

function asciiOf(code: number): string | undefined {
  return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : undefined;
}

function nonEmpty(text: string | null): string | null {
  return text === null || text.trim() === "" ? null : text;
}

/** `<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>…`. */
function isRestored(status: unknown): boolean {
  if (typeof status !== "object" || status === null) return false;
  const element = status as Element;
  return textOf(element, "IsRestoreInProgress")?.trim() === "false" && "RestoreExpiryDate" in element;
}
