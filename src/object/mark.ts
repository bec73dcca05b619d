// The mark that a copy leaves in the metadata of its object: who wrote it, where, and the source's ETag. From
// it a later sync knows what the object is, whatever its own ETag.
//
// Where a version is copied that need not be the current one, the mark has its ID as well: the newest of a
// key shows a later sync how much of the key's history is there.
//
// A service that copies an object with all its attributes, and many a tool, take the mark along to another
// place, where it names a source of before. So a mark counts only where it was written.

import { createHash } from "node:crypto";
import { COPY_ID_HEADER } from "./attributes.ts";
import { bareEtag } from "../s3/digest.ts";

interface Place {
  readonly bucket: string;
  readonly key: string;
}

/** @param id of the copy or sync @param place where the object is written @param versionId of the source */
export function copyMark(id: string, sourceEtag: string, place: Place, versionId?: string): string {
  const version = versionId === undefined ? "" : `@${encodeURIComponent(versionId)}`;
  return `${id}${version}@${digestOf(place)}/${bareEtag(sourceEtag)}`;
}

/** The ID of the source's version in the mark of an object; null if it has none of its own. */
export function markedVersion(headers: Headers, place: Place): string | null {
  if (markedSourceEtag(headers, place) === null) return null;
  const [who = ""] = (headers.get(COPY_ID_HEADER) ?? "").split("/", 1);
  const [, version, digest] = who.split("@");
  return version === undefined || digest === undefined ? null : decodedOf(version);
}

interface Mark {
  /** Of the copy, sync or replication that has written it: it sorts by time. */
  readonly id: string;
  /** Without quotes. */
  readonly sourceEtag: string;
}

/** The mark of an object. Null if it has none of its own. */
export function markOf(headers: Headers, place: Place): Mark | null {
  const text = headers.get(COPY_ID_HEADER) ?? "";
  const at = text.indexOf("@");
  const sourceEtag = markedSourceEtag(headers, place);
  return sourceEtag === null || at < 0 ? null : { id: text.slice(0, at), sourceEtag };
}

/** The source's ETag, without quotes, in the mark of an object. Null if it has none of its own. */
export function markedSourceEtag(headers: Headers, place: Place): string | null {
  const mark = headers.get(COPY_ID_HEADER) ?? "";
  const slash = mark.indexOf("/");
  return slash >= 0 && mark.slice(0, slash).endsWith(`@${digestOf(place)}`) ? mark.slice(slash + 1) : null;
}

function decodedOf(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function digestOf({ bucket, key }: Place): string {
  return createHash("md5").update(`${bucket}/${key}`).digest("hex").slice(0, 16);
}
