// Whether an object keeps its lock on its way: only in a bucket that has locks. The bucket is asked once,
// when the first locked object comes.
//
// What it needs: the destination. It keeps in memory what buckets have said; losing that costs a request.

import { hasLock, lockInForce, withoutLock } from "../object/lock.ts";
import { S3Error } from "../s3/errors.ts";
import { type S3, ask } from "../s3/request.ts";
import type { Store } from "../store/stores.ts";

/** Do buckets take a lock, as far as they say? */
const answers = new Map<string, boolean>();

export interface LockToSend {
  /** The source's headers, without a lock that is kept or over. What is left in them is lost. */
  readonly source: Headers;
  readonly headers: Readonly<Record<string, string>>;
}

/** @param shown the headers of the source's HEAD or GET @throws {S3Error} of a store that may answer later */
export async function lockToSend(destination: S3, bucket: string, shown: Headers): Promise<LockToSend> {
  const headers = lockInForce(shown, Date.now());
  if (!hasLock(headers)) return { source: withoutLock(shown), headers };
  return (await takesLocks(destination, bucket))
    ? { source: withoutLock(shown), headers }
    : { source: shown, headers: {} };
}

/** Who may not ask is not told, and a write tells. */
async function takesLocks(s3: S3, bucket: string): Promise<boolean> {
  const place = `${s3.store.endpoint}/${bucket}`;
  const known = answers.get(place);
  if (known !== undefined) return known;
  const takes = await askBucket(s3, bucket);
  answers.set(place, takes);
  return takes;
}

async function askBucket(s3: S3, bucket: string): Promise<boolean> {
  const query = { "object-lock": "" };
  try {
    await ask(s3, "GetObjectLockConfiguration", { bucket, key: null }, { method: "GET", query });
    return true;
  } catch (error) {
    if (!(error instanceof S3Error) || error.status === null || error.status >= 500 || error.status === 429) {
      if (error instanceof S3Error && error.status === 501) return false;
      throw error;
    }
    return error.status === 403;
  }
}

/** Does CopyObject set a lock? AWS's does; Ceph's (16.2) takes the headers and sets none. */
export function locksInside({ provider }: Store): boolean {
  return provider === "aws";
}
