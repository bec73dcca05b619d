// Deletes exactly one object, although some stores accept a condition on DeleteObject and ignore it (Ceph,
// local R2), some refuse it, and some refuse it to the right ETag (OpenStack Swift).
//
// What it needs: the destination. Where the store has no condition, a write between the last HEAD and the
// delete is not noticed.

import { bareEtag } from "./digest.ts";
import { S3Error } from "./errors.ts";
import { headObject } from "./read.ts";
import type { ObjectAddress, S3 } from "./request.ts";
import { saysNo } from "./retry.ts";
import { deleteObject } from "./s3.ts";
import { etagOf } from "./value.ts";

/**
 * Deletes the object that has this ETag and leaves any other alone. If the store reports its version, only
 * that version is deleted, so that the previous one is current again.
 *
 * @param what `version`: a copy over its own source, whose object is deleted only as a version of its own
 * @returns `kept` if it exists and has no version that can be deleted; otherwise nothing of it is left
 * @throws {S3Error}
 */
export async function removeExactly(
  destination: S3,
  address: ObjectAddress,
  etag: string,
  what: "object" | "version" = "object",
): Promise<"removed" | "kept"> {
  try {
    // HEAD first: some stores accept the condition and delete whatever is there (Ceph, local R2).
    const { headers } = await headObject(destination, address);
    if (!isThis(headers, address, etag)) return "removed";
    const versionId = headers.get("x-amz-version-id") ?? "";
    // "null" is the only object of a bucket without versions, and may be the only one there is. A header that
    // is there twice is `1, 2` and names none.
    const isVersion = versionId !== "null" && /^[^\s,]+$/.test(versionId);
    if (isVersion && (await removeVersion(destination, { ...address, versionId }))) return "removed";
    if (what === "version") return "kept";
    await removeIf(destination, address, etag);
  } catch (error) {
    // 412: or it is another object.
    const isGone = error instanceof S3Error && (error.status === 404 || error.status === 412);
    if (!isGone) throw error;
  }
  return "removed";
}

/** Is it the object with this ETag? @throws {S3Error} if the store does not say */
function isThis(headers: Headers, address: ObjectAddress, etag: string): boolean {
  const found = etagOf(headers);
  if (found !== null) return bareEtag(found) === bareEtag(etag);
  const detail = "the store does not say which object is there, so none is deleted";
  throw new S3Error("HeadObject", address, { code: "missing_etag", detail });
}

/**
 * @returns whether the store deletes versions with these credentials: some report versions and delete none
 */
async function removeVersion(destination: S3, address: ObjectAddress): Promise<boolean> {
  try {
    if (!(await deleteObject(destination, address, { ifMatch: null })))
      await expectGone(destination, address, null);
    return true;
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    if (error.status === 404) return true; // gone already, and what is current now is another object
    if (saysNo(error.toFailure("destination"))) return false;
    throw error;
  }
}

async function removeIf(destination: S3, address: ObjectAddress, etag: string): Promise<void> {
  const remove = async (ifMatch: string | null) => {
    if (!(await deleteObject(destination, address, { ifMatch })))
      await expectGone(destination, address, etag);
  };
  try {
    await remove(etag);
  } catch (error) {
    if (!(error instanceof S3Error) || (error.status !== 501 && error.status !== 412)) throw error;
    // OpenStack Swift answers 412 to the right ETag of a multipart object: only a look tells.
    if (error.status === 412) {
      const { headers } = await headObject(destination, address);
      if (!isThis(headers, address, etag)) return;
    }
    // A store without conditional deletes: the HEAD just before is the best guard there is.
    await remove(null);
  }
}

/**
 * Looks after a success that is not S3's own answer to a delete.
 *
 * @param etag of the object that was to go; null: whatever is at the address
 * @throws {S3Error} if it is still there
 */
async function expectGone(destination: S3, address: ObjectAddress, etag: string | null): Promise<void> {
  try {
    const { headers } = await headObject(destination, address);
    if (etag !== null && !isThis(headers, address, etag)) return;
  } catch (error) {
    if (error instanceof S3Error && error.status === 404) return;
    throw error;
  }
  const detail = "the store has answered the delete with success, and still has the object";
  throw new S3Error("DeleteObject", address, { code: "bad_answer", detail });
}
