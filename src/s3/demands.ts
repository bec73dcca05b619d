// Buckets that take no write without a digest. One with a default retention (Object Lock) refuses PutObject
// and UploadPart that have neither Content-MD5 nor a checksum, and some stores refuse them everywhere
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html, 2026-11).
//
// A body in memory always gets its digest. That of a stream is unknown before it has passed, so a stream is
// sent without one until a bucket refuses that. The refusal is remembered while this isolate lives; losing it
// costs one more refusal.

import { S3Error } from "./errors.ts";
import type { ObjectAddress, S3 } from "./request.ts";

const demanding = new Set<string>();

/** Must a write to this bucket have a digest, as far as its refusals have shown? */
export function demandsDigest({ store }: S3, { bucket }: ObjectAddress): boolean {
  return demanding.has(`${store.endpoint}/${bucket}`);
}

/**
 * What a refusal of a write without a digest means: `digest_demanded` if the bucket demands one.
 *
 * @param sent the headers of the refused request
 * @returns the error to throw
 */
export function learnDemand(
  { store }: S3,
  { bucket, key }: ObjectAddress,
  sent: Readonly<Record<string, string>>,
  error: unknown,
): unknown {
  if (!(error instanceof S3Error) || !namesDigest(error)) return error;
  const { operation, status, requestId, message } = error;
  const hasDigest = sent["content-md5"] !== undefined;
  const isLocked = Object.keys(sent).some((name) => name.startsWith("x-amz-object-lock-"));
  // A lock demands a digest of its own object, the bucket's default retention one of every object.
  if (!hasDigest && !isLocked) demanding.add(`${store.endpoint}/${bucket}`);
  const why = hasDigest
    ? "the bucket demands a digest of every write, as one with Object Lock does, and Content-MD5 is none to it"
    : "the bucket demands a digest of every write, as one with Object Lock does";
  const code = hasDigest ? error.code : "digest_demanded";
  const detail = `${wordsOf(message)}; ${why}`;
  return new S3Error(operation, { bucket, key }, { code, detail, status: status ?? 400, requestId });
}

function namesDigest({ status, code, message }: S3Error): boolean {
  if (status !== 400 && status !== 411 && status !== 428) return false;
  if (code === "BadDigest" || code === "InvalidDigest") return false;
  return /content-?md5|x-amz-(?:sdk-)?checksum|object.?lock/i.test(`${code} ${wordsOf(message)}`);
}

/** The store's own words; what stands before them names the key. */
function wordsOf(message: string): string {
  return message.slice(message.lastIndexOf("the store answered"));
}
