// An object that a manifest has named, and of which nothing else is known: it is looked at before anything is
// done with it.

import { archiveAt } from "../object/archive.ts";
import { failedAt, FailureError } from "../s3/errors.ts";
import { answerFailure } from "../s3/failure.ts";
import { headObject } from "../s3/read.ts";
import type { S3 } from "../s3/request.ts";
import { etagOf, sizeOf, timeOf } from "../s3/value.ts";
import type { BatchTask, ObjectWork, Seen } from "./batch_task.ts";

/** @throws {FailureError} */
export async function lookAt(
  source: S3,
  { source: { bucket } }: BatchTask,
  { key, versionId }: ObjectWork,
): Promise<Seen> {
  const { headers } = await headObject(source, { bucket, key, versionId }).catch(failedAt("source"));
  const archive = archiveAt(headers, source.store.provider);
  const sizeBytes = sizeOf(headers);
  const modifiedMs = timeOf(headers.get("last-modified"));
  const archived =
    archive.kind === "readable" ? {} : { isArchived: true as const, storageClass: archive.storageClass };
  if (sizeBytes !== null) return { sizeBytes, etag: etagOf(headers), modifiedMs, ...archived };
  const message = "The answer to HEAD has no Content-Length";
  throw new FailureError(answerFailure("source", "wrong_length", message, "HeadObject"));
}
