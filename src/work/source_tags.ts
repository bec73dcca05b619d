// The tags of a source object among many. They cost a request each, so a run that is to preserve them asks
// only where it is not known that an object has none.
//
// What it needs: the source. It keeps in memory which buckets have shown their tags; losing that costs a
// request.

import { failedAt, S3Error } from "../s3/errors.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";
import { keyVerdictOf } from "../s3/retry.ts";
import { getObjectTagging } from "../s3/s3.ts";
import { wholeNumber } from "../s3/value.ts";

export type Tags = "none" | readonly (readonly [name: string, value: string])[];

// Buckets whose tags these credentials have read, and buckets of a store that has none.
const readable = new Set<string>();
const tagless = new Set<string>();

const bucketOf = ({ store }: S3, { bucket }: ObjectAddress) => `${store.endpoint}/${bucket}`;

/**
 * @param told `x-amz-tagging-count` of the answer that has the object, or null
 * @param mode `require`: ask in any case, and fail where the tags cannot be read
 * @returns `warning`: what is not known of its tags, or not copied
 * @throws {FailureError}
 */
export async function tagsOfSource(
  source: S3,
  address: ObjectAddress,
  { told, mode }: { readonly told: string | null; readonly mode: "preserve" | "require" },
): Promise<{ readonly found: Tags; readonly warning: string | null }> {
  // A count that is none is asked for.
  const count = told === null ? countUntold(source, address) : wholeNumber(told);
  if (mode === "preserve" && count === 0) return { found: "none", warning: null };
  try {
    const found = await getObjectTagging(source, address);
    readable.add(bucketOf(source, address));
    const isShort = told !== null && count !== null && found.length < count;
    const short = `The source has ${count} tags and shows ${found.length}: the others are not copied`;
    return { found, warning: isShort ? short : null };
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    const failure = error.toFailure("source");
    if (mode === "preserve" && error.status === 501 && told === null) {
      tagless.add(bucketOf(source, address));
      return { found: "none", warning: null };
    }
    if (mode === "require" || keyVerdictOf(failure) !== "fatal") return failedAt("source")(error);
    const warning = `The source's tags could not be read and are not copied (${failure.code})`;
    return { found: "none", warning };
  }
}

/** How many tags an object has whose answer does not say so; null: unknown. */
function countUntold(source: S3, address: ObjectAddress): number | null {
  const { profile, provider } = source.store;
  const bucket = bucketOf(source, address);
  if (!profile.tags || tagless.has(bucket)) return 0;
  // AWS counts them only for who may read them, so one object is asked before a missing number is believed
  // (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, x-amz-tagging-count, 2026-11).
  return profile.tagCount && (provider !== "aws" || readable.has(bucket)) ? 0 : null;
}
