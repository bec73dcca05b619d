// Copies inside a service are pinned to the source's ETag by a condition, which some services take and do not heed (Ceph).
// There the source is asked again once its copy is made: what it is then, it was while it was copied.
//
// What it needs: the source. A change back and forth within one copy would not be seen.

import { bareEtag } from "./proof.ts";
import { type ObjectAddress, type S3, S3Error, headObject } from "./s3.ts";

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
