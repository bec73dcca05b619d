// An object that a manifest has named, and of which nothing else is known: it is looked at before anything is
// done with it.

import { archiveOf } from "../object/archive.ts";
import { failedAt, FailureError, meshError } from "../s3/errors.ts";
import { answerFailure } from "../s3/failure.ts";
import { headObject } from "../s3/read.ts";
import type { S3 } from "../s3/request.ts";
import { etagOf, sizeOf, timeOf } from "../s3/value.ts";
import type { BatchTask, ObjectWork, Seen } from "./batch_task.ts";

/** @throws {FailureError} also of one that is archived */
export async function lookAt(
  source: S3,
  { source: { bucket } }: BatchTask,
  { key, versionId }: ObjectWork,
): Promise<Seen> {
  const { headers } = await headObject(source, { bucket, key, versionId }).catch(failedAt("source"));
  const archived = archiveOf(headers, source.store.provider);
  if (archived !== null) throw meshError("source_archived", archived, "HeadObject");
  const sizeBytes = sizeOf(headers);
  const modifiedMs = timeOf(headers.get("last-modified"));
  if (sizeBytes !== null) return { sizeBytes, etag: etagOf(headers), modifiedMs };
  const message = "The answer to HEAD has no Content-Length";
  throw new FailureError(answerFailure("source", "wrong_length", message, "HeadObject"));
}
