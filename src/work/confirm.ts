// Does a destination have what it accepted? Many stores take every header and keep what they like. An
// encryption, a storage class and tags count as kept only if the object shows them.
//
// What it needs: the destination. What is lost becomes a sentence each, for a warning or a failure; an object
// that must not stay as it is, is deleted.

import { COPY_ID_HEADER, STORAGE_CLASS, TAGGING } from "../object/attributes.ts";
import { hasLock, missingLock } from "../object/lock.ts";
import { removeExactly } from "../s3/conditions.ts";
import { confirmsEncryption } from "../s3/encryption.ts";
import { FailureError, meshError, S3Error } from "../s3/errors.ts";
import { headObject } from "../s3/read.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";
import { saysNo } from "../s3/retry.ts";
import { type Stored, getObjectTagging } from "../s3/s3.ts";
import { etagOf, wholeNumber } from "../s3/value.ts";

type Sent = Readonly<Record<string, string>>;

/**
 * What of the storage class, the lock and the tags that were sent an object does not show, a sentence each.
 *
 * @param shown the headers of its HEAD
 * @throws {S3Error} of a store that may say it later
 */
export async function unkept(s3: S3, address: ObjectAddress, sent: Sent, shown: Headers): Promise<string[]> {
  return [...lostClass(sent, shown), ...lostLock(sent, shown), ...(await lostTags(s3, address, sent, shown))];
}

/** Bytes lie in the clear that were to be encrypted, or would. */
export function notEncrypted({ store }: S3, operation: string): FailureError {
  const message =
    `Store "${store.name}" is set to encrypt (${store.encryption?.kind}), and its answer to ${operation} ` +
    "does not confirm that: it seems to ignore the request";
  return meshError("encryption_not_applied", message, operation);
}

/** An object that a store has acknowledged, and the headers that it was sent with. */
export interface Acknowledged extends Stored {
  readonly sent: Sent;
  readonly operation: string;
}

/**
 * Confirms an object among many.
 *
 * @returns what it has lost, a sentence each
 * @throws {FailureError} if it may not stay as it is; it is deleted then
 * @throws {S3Error} of a store that may say it later
 */
export async function confirmObject(
  s3: S3,
  address: ObjectAddress,
  { etag, isEncrypted, sent, operation }: Acknowledged,
  ifLossy: "warn" | "fail",
): Promise<readonly string[]> {
  if (!isEncrypted && !(await isShownEncrypted(s3, address)))
    throw await takenBack(s3, address, etag, notEncrypted(s3, operation));
  const losses = await unkeptOfKind(s3, address, sent);
  if (losses.length === 0 || ifLossy === "warn") return losses;
  throw await takenBack(s3, address, etag, meshError("attribute_lost", losses.join("; "), operation));
}

/**
 * Deletes what an unanswered PutObject has left in the clear although it was to be encrypted: only an object
 * with the very mark that was sent. If the store does not say what is there, nothing is deleted.
 *
 * @param sent the headers of the PutObject
 */
export async function removeUnencrypted(s3: S3, address: ObjectAddress, sent: Sent): Promise<void> {
  const mark = sent[COPY_ID_HEADER];
  if (s3.store.encryption === undefined || mark === undefined) return;
  try {
    const { headers } = await headObject(s3, address);
    const etag = etagOf(headers);
    if (headers.get(COPY_ID_HEADER) !== mark || etag === null) return;
    if (!(await confirmsEncryption(s3.store.encryption, headers))) await removeExactly(s3, address, etag);
  } catch (error) {
    // No object, or no answer: the key is not done, so the next attempt or run meets it again.
    if (!(error instanceof S3Error)) throw error;
  }
}

async function isShownEncrypted(s3: S3, address: ObjectAddress): Promise<boolean> {
  const { headers } = await headObject(s3, address);
  return await confirmsEncryption(s3.store.encryption, headers);
}

/** Deletes the object. @returns the error, which says so if it could not be deleted */
async function takenBack(
  s3: S3,
  address: ObjectAddress,
  etag: string,
  error: FailureError,
): Promise<FailureError> {
  try {
    await removeExactly(s3, address, etag);
    return error;
  } catch (failed) {
    if (!(failed instanceof S3Error)) throw failed;
    const message = `${error.failure.message}; the object could not be deleted: ${failed.message}`;
    return new FailureError({ ...error.failure, message });
  }
}

// What the objects before have shown, by bucket and class; losing it costs a HEAD.
const known = new Map<string, readonly string[]>();

/**
 * The same of an object among many: the answer to one of its kind counts for all that this isolate writes to
 * the bucket. No request if nothing was sent that could be lost.
 *
 * @throws {S3Error}
 */
async function unkeptOfKind(s3: S3, address: ObjectAddress, sent: Sent): Promise<readonly string[]> {
  const storageClass = sent[STORAGE_CLASS] ?? "";
  const hasTags = sent[TAGGING] !== undefined;
  const isLocked = hasLock(sent);
  if (storageClass === "" && !hasTags && !isLocked) return [];
  const kind = JSON.stringify([s3.store.endpoint, address.bucket, storageClass, hasTags, isLocked]);
  const before = known.get(kind);
  if (before !== undefined) return before;
  const { headers } = await headObject(s3, address);
  const losses = await unkept(s3, address, sent, headers);
  known.set(kind, losses);
  return losses;
}

function lostClass(sent: Sent, shown: Headers): string[] {
  const asked = sent[STORAGE_CLASS];
  const has = shown.get(STORAGE_CLASS);
  if (asked === undefined || has?.toUpperCase() === asked.toUpperCase()) return [];
  const instead = has === null ? "shows none" : `shows "${has}"`;
  return [`The destination accepted the storage class "${asked}" but ${instead}`];
}

function lostLock(sent: Sent, shown: Headers): string[] {
  const missing = missingLock(sent, shown);
  return missing.length === 0
    ? []
    : [`The destination accepted the object lock but does not show its ${missing.join(", ")}`];
}

async function lostTags(s3: S3, address: ObjectAddress, sent: Sent, shown: Headers): Promise<string[]> {
  const tagging = sent[TAGGING];
  if (tagging === undefined) return [];
  const asked = [...new URLSearchParams(tagging)];
  // AWS counts them in its answer to HEAD, other stores are asked.
  if (wholeNumber(shown.get("x-amz-tagging-count")) === asked.length) return [];
  try {
    const has = new Map(await getObjectTagging(s3, address));
    return asked.every(([key, value]) => has.get(key) === value)
      ? []
      : ["The destination accepted the tags but does not show them"];
  } catch (error) {
    if (!(error instanceof S3Error) || !saysNo(error.toFailure("destination"))) throw error;
    return [`The destination accepted the tags and does not show whether it has them (${error.code})`];
  }
}
