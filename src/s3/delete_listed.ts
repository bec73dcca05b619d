// Deletes the objects that a listing has shown, and no others: an object that has been written since bears
// the same key and is left alone.
//
// What it needs: a Store and a User-Agent. Where the store knows conditions for deletions, it compares the
// ETags itself. Elsewhere each object is asked for by HEAD right before; what is written in between is not
// noticed.
//
// Invariant: an object goes only if its ETag is the one that was listed or, where either is missing, its
// date. Where neither is known, it stays.

import {
  type DeleteOutcome,
  type DeleteRefusal,
  deleteObjects,
  each,
  headersOf,
  refusalOf,
} from "./delete.ts";
import { bareEtag } from "./digest.ts";
import { S3Error } from "./errors.ts";
import type { S3 } from "./request.ts";
import { UnaddressableKeyError } from "./url.ts";
import { etagOf, timeOf } from "./value.ts";

/** An object as it was listed. */
interface ListedKey {
  readonly key: string;
  readonly etag: string | null;
  readonly modifiedMs: number | null;
}

/**
 * @param listed at most 1,000, each key once
 * @returns refused with `destination_changed`: it is not the object that was listed
 * @throws {S3Error} as deleteObjects() does
 */
export async function deleteListed(
  s3: S3,
  bucket: string,
  listed: readonly ListedKey[],
): Promise<DeleteOutcome> {
  const conditional = s3.store.profile.conditionalDelete;
  const first = await each(listed, async (object) =>
    conditional && object.etag !== null ? "same" : await look(s3, bucket, object),
  );
  const seen = sortOut(listed, first);
  const doomed = seen.same.map(({ key, etag }) => ({ key, etag: conditional ? etag : null }));
  const outcome = await deleteObjects(s3, bucket, doomed);
  // The condition does not hold: for an object that has changed, or is gone. Some stores say so of the right
  // ETag too (OpenStack Swift, of multipart objects).
  const unmet = new Set(outcome.refused.filter(isUnmet).map(({ key }) => key));
  const doubted = listed.filter(({ key }) => unmet.has(key));
  const again = sortOut(doubted, await each(doubted, async (object) => await look(s3, bucket, object)));
  const last = await deleteObjects(
    s3,
    bucket,
    again.same.map(({ key }) => key),
  );
  return {
    deleted: [...seen.gone, ...outcome.deleted, ...again.gone, ...last.deleted],
    refused: [
      ...seen.refused,
      ...outcome.refused.filter((refusal) => !isUnmet(refusal)),
      ...again.refused,
      ...last.refused,
    ],
  };
}

type Look = "same" | "gone" | DeleteRefusal;

async function look(s3: S3, bucket: string, object: ListedKey): Promise<Look> {
  const { key } = object;
  try {
    const headers = await headersOf(s3, bucket, key);
    if (headers === null) return "gone";
    return isListed(object, headers) ? "same" : changed(object, headers);
  } catch (error) {
    if (error instanceof UnaddressableKeyError)
      return { key, code: "invalid_key", message: error.message, status: null, retryAfterMs: null };
    // What is refused for one key may be allowed for the next; a store in trouble is asked no further.
    if (!(error instanceof S3Error) || error.status === null) throw error;
    if (error.status === 429 || error.status >= 500) throw error;
    return refusalOf(key, error);
  }
}

function isListed({ etag, modifiedMs }: ListedKey, headers: Headers): boolean {
  const current = etagOf(headers);
  if (etag !== null && current !== null) return bareEtag(current) === bareEtag(etag);
  const currentMs = timeOf(headers.get("last-modified"));
  // A header has whole seconds.
  return (
    modifiedMs !== null &&
    currentMs !== null &&
    Math.floor(modifiedMs / 1000) === Math.floor(currentMs / 1000)
  );
}

function changed({ key, etag }: ListedKey, headers: Headers): DeleteRefusal {
  const message = `its ETag was ${etag ?? "not listed"} and is ${headers.get("etag") ?? "not told"} now`;
  return { key, code: "destination_changed", message, status: null, retryAfterMs: null };
}

function isUnmet({ code, status }: DeleteRefusal): boolean {
  return status === 412 || code === "PreconditionFailed";
}

function sortOut(
  objects: readonly ListedKey[],
  looks: readonly Look[],
): { same: ListedKey[]; gone: string[]; refused: DeleteRefusal[] } {
  return {
    same: objects.filter((_, index) => looks[index] === "same"),
    gone: objects.filter((_, index) => looks[index] === "gone").map(({ key }) => key),
    refused: looks.filter((found) => typeof found === "object"),
  };
}
