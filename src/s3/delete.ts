// Deletes many objects of one bucket: with DeleteObjects, or one by one with DeleteObject where that is not
// possible.
//
// What it needs: a Store and a User-Agent (request.ts signs and sends). The caller decides which keys may be
// deleted; nothing here looks at a prefix.
//
// Invariant: each key is accounted for once, as deleted (or already gone, which is the same) or as refused
// with the reason. A key counts as deleted only where the store's answer names it, or a look afterwards does
// not find it. Single deletes are used for keys that XML cannot carry, and for stores without DeleteObjects.

import { createHash } from "node:crypto";
import { base64OfHex } from "./digest.ts";
import { S3Error } from "./errors.ts";
import {
  type DeleteResult,
  type ToDelete,
  deleteDocument,
  fitsXml,
  parseDeleteResult,
} from "./delete_xml.ts";
import { headObject } from "./read.ts";
import { type S3, ask } from "./request.ts";
import { badAnswer, deleteObject } from "./s3.ts";

/** S3's limit for one request. */
const MAX_DELETE_KEYS = 1000;

/** Concurrent requests for single keys; an event has six connections. */
const SINGLES_AT_ONCE = 4;

// Endpoints that refused DeleteObjects as not implemented. Losing this costs one more refused request.
const withoutDeleteObjects = new Set<string>();

/** A key that was not deleted, and why. */
export interface DeleteRefusal {
  readonly key: string;
  /** S3's own, or `delete_unconfirmed`: the store did not say that it is deleted, and it is still there. */
  readonly code: string;
  readonly message: string;
  /** Null inside the answer to DeleteObjects, which has one status for all keys. */
  readonly status: number | null;
  readonly retryAfterMs: number | null;
}

export interface DeleteOutcome {
  readonly deleted: readonly string[];
  readonly refused: readonly DeleteRefusal[];
}

/**
 * @param objects at most 1,000, each key once; a text is a key that is deleted whatever it holds
 * @throws {S3Error} if a whole request is refused or not answered: some of the keys may be gone then, and
 * asking again is harmless
 */
export async function deleteObjects(
  s3: S3,
  bucket: string,
  objects: readonly (string | ToDelete)[],
): Promise<DeleteOutcome> {
  if (objects.length > MAX_DELETE_KEYS) {
    throw new RangeError(`Cannot delete ${objects.length} keys at once: S3 takes at most ${MAX_DELETE_KEYS}`);
  }
  const wanted = objects.map((object) => (typeof object === "string" ? { key: object, etag: null } : object));
  const isBatchable = ({ key }: ToDelete) => fitsXml(key) && !withoutDeleteObjects.has(s3.store.endpoint);
  const batch = wanted.filter(isBatchable);
  const singles = wanted.filter((object) => !isBatchable(object));
  const refused: DeleteRefusal[] = [];
  if (batch.length > 0) {
    const answer = await deleteBatch(s3, bucket, batch);
    if (answer === null) singles.push(...batch);
    else refused.push(...answer);
  }
  const answers = await each(singles, async (object) => await deleteSingle(s3, bucket, object));
  refused.push(...answers.filter((answer) => answer !== null));
  const refusedKeys = new Set(refused.map(({ key }) => key));
  return { deleted: wanted.map(({ key }) => key).filter((key) => !refusedKeys.has(key)), refused };
}

/** Calls for each, a few at once. @returns the results in their order */
export async function each<T, Result>(
  items: readonly T[],
  call: (item: T) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += SINGLES_AT_ONCE)
    results.push(...(await Promise.all(items.slice(from, from + SINGLES_AT_ONCE).map(call))));
  return results;
}

/** @returns the keys that were not deleted, or null if the store has no DeleteObjects */
async function deleteBatch(
  s3: S3,
  bucket: string,
  objects: readonly ToDelete[],
): Promise<DeleteRefusal[] | null> {
  const operation = "DeleteObjects";
  const address = { bucket, key: null };
  const body = new TextEncoder().encode(deleteDocument(objects));
  // The signature's SHA-256 is not enough: S3 requires a Content-MD5 or a checksum header here.
  const md5 = createHash("md5").update(body).digest("hex");
  const headers = { "content-type": "application/xml", "content-md5": base64OfHex(md5) };
  let text: string;
  try {
    ({ text } = await ask(s3, operation, address, { method: "POST", query: { delete: "" }, headers, body }));
  } catch (error) {
    if (!(error instanceof S3Error) || !hasNoBatches(error)) throw error;
    // An argument that is refused may be one of these keys: the next batch may be taken.
    if (error.code !== "InvalidArgument") withoutDeleteObjects.add(s3.store.endpoint);
    return null;
  }
  const result = parseDeleteResult(text) ?? badAnswer(operation, address, text);
  const asked = new Set(objects.map(({ key }) => key));
  const answered = [...result.deleted, ...result.refused.map(({ key }) => key)];
  // An answer about a key that was not asked for leaves open which key still exists.
  if (answered.some((key) => !asked.has(key))) return badAnswer(operation, address, text);
  const { refused, unclear } = sortOut(objects, result);
  const left = await each(unclear, async (object) => await lookAfter(s3, bucket, object.key));
  return [...refused, ...left.filter((refusal) => refusal !== null)];
}

/** Google's XML API, and stores behind it, answer 400 (https://github.com/supabase/storage/issues/898). */
function hasNoBatches({ status, code }: S3Error): boolean {
  if (status === 501 || status === 405) return true;
  return status === 400 && ["NotImplemented", "MethodNotAllowed", "InvalidArgument"].includes(code);
}

/** What the answer says of each key. `unclear`: nothing, or both. */
function sortOut(
  objects: readonly ToDelete[],
  result: DeleteResult,
): { refused: DeleteRefusal[]; unclear: ToDelete[] } {
  const deleted = new Set(result.deleted);
  const refusals = new Map(result.refused.map((refusal) => [refusal.key, refusal]));
  return {
    refused: [...refusals.values()]
      .filter(({ key }) => !deleted.has(key))
      .map((refusal) => ({ ...refusal, status: null, retryAfterMs: null })),
    unclear: objects.filter(({ key }) => deleted.has(key) === refusals.has(key)),
  };
}

/** Whether a key is gone whose deletion was not confirmed. @returns null: it is */
async function lookAfter(s3: S3, bucket: string, key: string): Promise<DeleteRefusal | null> {
  if ((await headersOf(s3, bucket, key)) === null) return null;
  const message = "the answer does not say that it is deleted, and it is still there";
  return { key, code: "delete_unconfirmed", message, status: null, retryAfterMs: null };
}

/** The headers of an object; null: there is none. @throws {S3Error} */
export async function headersOf(s3: S3, bucket: string, key: string): Promise<Headers | null> {
  try {
    return (await headObject(s3, { bucket, key })).headers;
  } catch (error) {
    // A bucket that does not exist proves nothing about a key.
    if (error instanceof S3Error && error.status === 404 && error.code !== "NoSuchBucket") return null;
    throw error;
  }
}

async function deleteSingle(s3: S3, bucket: string, { key, etag }: ToDelete): Promise<DeleteRefusal | null> {
  try {
    const isConfirmed = await deleteObject(s3, { bucket, key }, { ifMatch: etag });
    return isConfirmed ? null : await lookAfter(s3, bucket, key);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    if (error.status === 404 && error.code === "NoSuchKey") return null;
    // No answer or a throttle is not about this key: it would stop every other key too.
    if (error.status === null || error.status === 429 || error.status === 503) throw error;
    return refusalOf(key, error);
  }
}

export function refusalOf(key: string, error: S3Error): DeleteRefusal {
  const { code, message, status, retryAfterMs } = error;
  return { key, code, message, status, retryAfterMs };
}
