// The mark that a copy leaves in the metadata of its object: who wrote it, where, and the source's ETag. From
// it a later sync knows what the object is, whatever its own ETag.
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

/** @param id of the copy or sync @param place where the object is written */
export function copyMark(id: string, sourceEtag: string, place: Place): string {
  return `${id}@${digestOf(place)}/${bareEtag(sourceEtag)}`;
}

/** The source's ETag, without quotes, in the mark of an object. Null if it has none of its own. */
export function markedSourceEtag(headers: Headers, place: Place): string | null {
  const mark = headers.get(COPY_ID_HEADER) ?? "";
  const slash = mark.indexOf("/");
  return slash >= 0 && mark.slice(0, slash).endsWith(`@${digestOf(place)}`) ? mark.slice(slash + 1) : null;
}

function digestOf({ bucket, key }: Place): string {
  const bytes = new TextEncoder().encode(`${bucket}/${key}`);
  return createHash("md5").update(bytes).digest("hex").slice(0, 16);
}
