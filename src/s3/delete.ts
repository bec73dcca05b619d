// Deletes many objects of one bucket: with DeleteObjects, or one by one with DeleteObject where that is not
// possible.
//
// What it needs: a Store and a User-Agent (request.ts signs and sends). The caller decides which keys may be
// deleted; nothing here looks at a prefix.
//
// Invariant: each key is accounted for once, as deleted (or already gone, which is the same) or as refused
// with the store's own reason. Single deletes are used for keys that XML cannot carry, and for stores without
// DeleteObjects.

import { createHash } from "node:crypto";
import { base64OfHex } from "./digest.ts";
import { S3Error } from "./errors.ts";
import { type DeleteRefusal, deleteDocument, fitsXml, parseDeleteResult } from "./listing_xml.ts";
import { type S3, readText, send } from "./request.ts";
import { badAnswer } from "./s3.ts";

/** S3's limit for one request. */
const MAX_DELETE_KEYS = 1000;

/** Concurrent single deletes; an event has six connections. */
const SINGLE_DELETES = 4;

// Endpoints that refused DeleteObjects as not implemented. Losing this costs one more refused request.
const withoutDeleteObjects = new Set<string>();

interface DeleteOutcome {
  readonly deleted: readonly string[];
  readonly refused: readonly DeleteRefusal[];
}

/**
 * @param keys at most 1,000, each once
 * @throws {S3Error} if a whole request is refused or not answered: some of the keys may be gone then, and
 * asking again is harmless
 */
export async function deleteObjects(s3: S3, bucket: string, keys: readonly string[]): Promise<DeleteOutcome> {
  if (keys.length > MAX_DELETE_KEYS) {
    throw new RangeError(`Cannot delete ${keys.length} keys at once: S3 takes at most ${MAX_DELETE_KEYS}`);
  }
  const isBatchable = (key: string) => fitsXml(key) && !withoutDeleteObjects.has(s3.store.endpoint);
  const batch = keys.filter(isBatchable);
  const singles = keys.filter((key) => !isBatchable(key));
  const refused: DeleteRefusal[] = [];
  if (batch.length > 0) {
    const answer = await deleteBatch(s3, bucket, batch);
    if (answer === null) singles.push(...batch);
    else refused.push(...answer);
  }
  for (let from = 0; from < singles.length; from += SINGLE_DELETES) {
    const answers = await Promise.all(
      singles.slice(from, from + SINGLE_DELETES).map((key) => deleteSingle(s3, bucket, key)),
    );
    for (const answer of answers) if (answer !== null) refused.push(answer);
  }
  const refusedKeys = new Set(refused.map(({ key }) => key));
  return { deleted: keys.filter((key) => !refusedKeys.has(key)), refused };
}

/** @returns the keys that were refused, or null if the store has no DeleteObjects */
async function deleteBatch(s3: S3, bucket: string, keys: readonly string[]): Promise<DeleteRefusal[] | null> {
  const operation = "DeleteObjects";
  const address = { bucket, key: null };
  const body = new TextEncoder().encode(deleteDocument(keys));
  // The signature's SHA-256 is not enough: S3 requires a Content-MD5 or a checksum header here.
  const md5 = createHash("md5").update(body).digest("hex");
  const headers = { "content-type": "application/xml", "content-md5": base64OfHex(md5) };
  let response: Response;
  try {
    response = await send(s3, operation, address, { method: "POST", query: { delete: "" }, headers, body });
  } catch (error) {
    if (!(error instanceof S3Error) || (error.status !== 501 && error.status !== 405)) throw error;
    withoutDeleteObjects.add(s3.store.endpoint);
    return null;
  }
  const text = await readText(operation, address, response);
  const refused = parseDeleteResult(text) ?? badAnswer(operation, address, text);
  const asked = new Set(keys);
  // A failure for a key that was not asked for leaves open which key still exists.
  if (refused.some(({ key }) => !asked.has(key))) return badAnswer(operation, address, text);
  return refused;
}

async function deleteSingle(s3: S3, bucket: string, key: string): Promise<DeleteRefusal | null> {
  try {
    const response = await send(s3, "DeleteObject", { bucket, key }, { method: "DELETE" });
    await response.body?.cancel();
    return null;
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    if (error.status === 404 && error.code === "NoSuchKey") return null;
    // No answer, a throttle or a failing store is not about this key: it would stop every other key too.
    if (error.status === null || error.status === 429 || error.status >= 500) throw error;
    return { key, code: error.code, message: error.message };
  }
}
