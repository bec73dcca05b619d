// The XML of versions: ListVersionsResult and VersioningConfiguration. Pure.
//
// The versions of a key and its delete markers are one list, newest first, in the order of the document
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html, 2026-11). An XML parser that
// groups elements by their names would lose it, so the children of the root are read in their order.

import { type ListedObject, listedObjectOf } from "./listing_xml.ts";
import { findUnreadableName } from "./unreadable.ts";
import { knownId } from "./value.ts";
import { type Element, decodeForm, encodingOf, orderedChildren, parseRoot, textOf, truthOf } from "./xml.ts";

/** A version of a key, or the marker of a deletion, which has no size and no ETag. */
export interface ListedVersion extends ListedObject {
  /** `null` is the ID of what was written while the bucket kept no versions. */
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly isDeleteMarker: boolean;
}

export interface VersionMarker {
  readonly key: string;
  /** Null: after all versions of the key. */
  readonly versionId: string | null;
}

export interface VersionPage {
  readonly versions: readonly ListedVersion[];
  /** Keys as the store has encoded them, which are no UTF-8. */
  readonly unreadable: readonly string[];
  readonly bucket: string | null;
  /** Null: it was the last page. */
  readonly next: VersionMarker | null;
}

type ParsedVersions =
  | { readonly kind: "page"; readonly page: VersionPage }
  | { readonly kind: "unreadable_key"; readonly shown: string }
  | { readonly kind: "unclear"; readonly detail: string }
  | { readonly kind: "no_listing" };

/**
 * Parses `<ListVersionsResult><IsTruncated>…<NextKeyMarker>…<NextVersionIdMarker>…
 * <Version><Key>…<VersionId>…<IsLatest>…</Version><DeleteMarker>…</DeleteMarker>…`.
 */
export function parseVersions(text: string): ParsedVersions {
  const children = orderedChildren(text, "ListVersionsResult");
  const root = children === null ? null : parseRoot(text, "ListVersionsResult");
  if (children === null || root === null) return { kind: "no_listing" };
  const isTruncated = truthOf(root, "IsTruncated");
  const isEncoded = encodingOf(root);
  if (typeof isTruncated !== "boolean") return { kind: "unclear", detail: "it does not say IsTruncated" };
  if (isEncoded === null) return { kind: "unclear", detail: "its EncodingType is unclear" };
  const hidden = isEncoded ? null : findUnreadableName(text);
  if (hidden !== null) return { kind: "unreadable_key", shown: hidden };
  const decode = isEncoded ? decodeForm : (name: string) => name;
  const versions: ListedVersion[] = [];
  const unreadable: string[] = [];
  for (const { name, element } of children) {
    if (name === "CommonPrefixes")
      return { kind: "unclear", detail: "it has groups, which nobody asked for" };
    if (name !== "Version" && name !== "DeleteMarker") continue;
    const read = versionOf(element, name === "DeleteMarker", decode);
    if (read === null) return { kind: "no_listing" };
    if (typeof read === "string") unreadable.push(read);
    else versions.push(read);
  }
  const next = isTruncated ? nextOf(root, decode) : null;
  if (next === "unclear")
    return { kind: "unclear", detail: "it is truncated and names no key to go on from" };
  return { kind: "page", page: { versions, unreadable, bucket: textOf(root, "Name"), next } };
}

/** A text: a key that cannot be read. Null: it is no version. */
function versionOf(
  element: Element,
  isDeleteMarker: boolean,
  decode: (name: string) => string | null,
): ListedVersion | string | null {
  const given = isDeleteMarker ? { ...element, Size: "0" } : element;
  const object = listedObjectOf(given, decode);
  if (object === null || typeof object === "string") return object;
  const versionId = knownId(textOf(element, "VersionId"));
  const isLatest = truthOf(element, "IsLatest");
  if (versionId === null || typeof isLatest !== "boolean") return null;
  return { ...object, ...(isDeleteMarker ? { etag: null } : {}), versionId, isLatest, isDeleteMarker };
}

function nextOf(root: Element, decode: (name: string) => string | null): VersionMarker | "unclear" {
  const key = decode(textOf(root, "NextKeyMarker") ?? "");
  if (key === null || key === "") return "unclear";
  return { key, versionId: knownId(textOf(root, "NextVersionIdMarker")) };
}

/** `off`: it has never kept versions. `suspended`: it has those of before, and a new one replaces `null`. */
export type Versioning = "enabled" | "suspended" | "off";

/** Parses `<VersioningConfiguration><Status>Enabled</Status></…>`. Null: it is something else. */
export function parseVersioning(text: string): Versioning | null {
  const root = parseRoot(text, "VersioningConfiguration");
  if (root === null) return null;
  switch (textOf(root, "Status")?.trim().toLowerCase() ?? "") {
    case "enabled":
      return "enabled";
    case "suspended":
      return "suspended";
    case "":
      return "Status" in root && typeof root["Status"] !== "string" ? null : "off";
    default:
      return null;
  }
}
