// An object of a bucket's own that can be read, for the check of a bucket that must not be written to.

import { needsRestore } from "../object/archive.ts";
import { S3Error } from "../s3/errors.ts";
import { listObjectsV2 } from "../s3/list.ts";
import type { ListedObject } from "../s3/listing_xml.ts";
import { getObject } from "../s3/read.ts";
import type { S3 } from "../s3/request.ts";

const CALL_LIMIT_MS = 60_000;

/** A listing does not tell of every archived object: some are found out by trying. */
const MAX_TRIES = 10;

/** @returns the object, or why there is none, in words */
export async function findReadable(s3: S3, bucket: string): Promise<ListedObject | string> {
  const page = await listObjectsV2(s3, bucket, { prefix: "", maxKeys: 100 });
  const objects = page.objects.filter(({ sizeBytes }) => sizeBytes > 1);
  if (objects.length === 0) return "the bucket has no object to read among its first hundred";
  const readable = objects.filter((object) => !needsRestore(object, s3.store.provider));
  for (const object of readable.slice(0, MAX_TRIES))
    if (!(await isArchived(s3, bucket, object))) return object;
  return "the bucket's first objects are archived: none of them can be read before it is restored";
}

/** Any other refusal is for the questions that follow to report. */
async function isArchived(s3: S3, bucket: string, { key }: ListedObject): Promise<boolean> {
  const signal = AbortSignal.timeout(CALL_LIMIT_MS);
  try {
    const { body } = await getObject(
      s3,
      { bucket, key },
      { range: { offset: 0, length: 1 }, ifMatch: null, signal },
    );
    await body?.cancel();
    return false;
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return error.code === "InvalidObjectState";
  }
}
