// Copies inside a service are pinned to the source's ETag by a condition, which some services take and do not
// heed (Ceph). There the source is asked again once its copy is made: what it is then, it was while it was
// copied.
//
// What it needs: the source. A change back and forth within one copy would not be seen.

import { bareEtag } from "./digest.ts";
import { S3Error } from "./errors.ts";
import type { ObjectAddress, S3 } from "./request.ts";
import { deleteObject, headObject } from "./s3.ts";

/**
 * After a copy that the store has made by itself: is the source still the object that was meant?
 *
 * @returns what has become of it, in words; null when it is the same
 * @throws {S3Error} of the source
 */
export async function changeAfterCopy(
  source: S3,
  address: ObjectAddress,
  etag: string,
): Promise<string | null> {
  if (source.store.profile.conditionalCopy) return null;
  let now: string | null;
  try {
    now = (await headObject(source, address)).headers.get("etag");
  } catch (error) {
    if (!(error instanceof S3Error) || error.status !== 404) throw error;
    now = null;
  }
  if (now !== null && bareEtag(now) === bareEtag(etag)) return null;
  return `its ETag was ${etag} when the copy began and is ${now ?? "gone"} now`;
}

/** Deletes the object that has this ETag; any other is left alone. @throws {S3Error} */
export async function removeExactly(destination: S3, address: ObjectAddress, etag: string): Promise<void> {
  try {
    // Looked at first: there are stores that take the condition and delete whatever is there (Ceph, local
    // R2).
    const { headers } = await headObject(destination, address);
    if (bareEtag(headers.get("etag") ?? "") === bareEtag(etag)) await removeIf(destination, address, etag);
  } catch (error) {
    const isGone = error instanceof S3Error && (error.status === 404 || error.status === 412); // or another's
    if (!isGone) throw error;
  }
}

async function removeIf(destination: S3, address: ObjectAddress, etag: string): Promise<void> {
  try {
    await deleteObject(destination, address, { ifMatch: etag });
  } catch (error) {
    if (!(error instanceof S3Error) || error.status !== 501) throw error;
    // A store without conditional deletes: the look just before is as close as one can come.
    await deleteObject(destination, address, { ifMatch: null });
  }
}
