// The attributes that an object of a batch is sent with: the source's, changed as the request asks, and the
// mark (object/mark.ts).
//
// What it needs: both sides. It asks the source for the tags where they are wanted and not known to be none.

import { attributeHeaders } from "../object/attributes.ts";
import { copyMark } from "../object/mark.ts";
import { meshError } from "../s3/errors.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";
import type { BatchTask } from "./batch_task.ts";
import { lockToSend } from "./object_lock.ts";
import { type Tags, tagsOfSource } from "./source_tags.ts";

interface Sides {
  readonly source: S3;
  readonly from: ObjectAddress;
  readonly destination: S3;
  readonly to: ObjectAddress;
}

interface Marked extends Pick<BatchTask, "syncId" | "options"> {
  readonly etag: string;
  /** Without the mark the copy would be of no use. */
  readonly needsMark: boolean;
}

/**
 * @param work.etag of the source
 * @param shown the headers of its GET or HEAD
 * @returns the headers of the PUT, and what the destination cannot keep, a sentence each
 * @throws {FailureError}
 */
export async function attributesToSend(
  sides: Sides,
  { syncId, options, etag, needsMark }: Marked,
  shown: Headers,
): Promise<{ readonly headers: Readonly<Record<string, string>>; readonly warnings: readonly string[] }> {
  const { profile, encryption } = sides.destination.store;
  const { found: tags, warning } = await tagsOf(sides, options, shown);
  const warnings = warning === null ? [] : [warning];
  const lock = await lockToSend(sides.destination, sides.to.bucket, shown);
  const request = {
    source: lock.source,
    tags,
    metadata: options.metadata,
    changes: options.attributes,
    storageClass: options.storageClass,
    profile,
    encryption,
  };
  const mark = options.markCopy ? copyMark(syncId, etag, sides.to, sides.from.versionId) : null;
  let attributes = attributeHeaders({ ...request, copyId: mark });
  if (attributes.metadataBytes > profile.maxMetadataBytes && mark !== null && !needsMark) {
    attributes = attributeHeaders({ ...request, copyId: null });
    warnings.push("The metadata is full: the destination object carries no mark of the source's ETag");
  }
  if (attributes.metadataBytes > profile.maxMetadataBytes) {
    const message = `The metadata has ${attributes.metadataBytes} bytes; the destination allows ${profile.maxMetadataBytes}`;
    throw meshError("metadata_too_large", message, "plan");
  }
  return {
    headers: { ...attributes.headers, ...lock.headers },
    warnings: [...warnings, ...attributes.losses],
  };
}

async function tagsOf(
  { source, from }: Sides,
  { tags }: BatchTask["options"],
  shown: Headers,
): Promise<{ readonly found: Tags; readonly warning: string | null }> {
  if (tags === "none") return { found: "none", warning: null };
  if (typeof tags === "object") return { found: Object.entries(tags), warning: null };
  return await tagsOfSource(source, from, { told: shown.get("x-amz-tagging-count"), mode: tags });
}
