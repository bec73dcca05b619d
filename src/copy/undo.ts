// Takes back at the destination what a copy has started there. Every function here may be called twice. It
// returns only when the store shows that nothing is left, or when the store has confirmed it and cannot show
// it.
//
// What it needs: the destination. It knows nothing of the copy's state; steps.ts does.

import type { OwedDebt } from "./debts.ts";
import { COPY_ID_HEADER } from "../object/attributes.ts";
import { removeExactly } from "../s3/conditions.ts";
import { S3Error } from "../s3/errors.ts";
import { headObject } from "../s3/read.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";
import { saysNo } from "../s3/retry.ts";
import { abortMultipartUpload, listParts, listUploadsOfKey } from "../s3/s3.ts";
import { etagOf } from "../s3/value.ts";

/**
 * A store's times are whole seconds, and its clock differs from the mesh's. A larger tolerance would risk
 * uploads that another tool has started.
 */
const CLOCK_TOLERANCE_MS = 2_000;

/**
 * Aborts an upload. The caller has made sure that no part is in flight; a part that arrives anyway is found
 * here, if the store can list parts.
 *
 * @returns whether the store has shown that nothing is left
 * @throws {S3Error} `upload_still_there` when the store still lists parts after the abort: abort again
 */
export async function endUpload(destination: S3, address: ObjectAddress, uploadId: string): Promise<boolean> {
  await abortMultipartUpload(destination, address, uploadId);
  const left = await lookForUpload(destination, address, uploadId);
  if (left !== "there") return left !== "unknown";
  throw new S3Error("AbortMultipartUpload", address, {
    code: "upload_still_there",
    detail: "the store still lists parts after the abort",
  });
}

/**
 * Does the store still know an upload? `empty`: it does, but lists no part, as some stores answer for a while
 * after an abort. `unknown`: the store cannot list parts (501, 403).
 *
 * @throws {S3Error}
 */
export async function lookForUpload(
  destination: S3,
  address: ObjectAddress,
  uploadId: string,
): Promise<"there" | "empty" | "gone" | "unknown"> {
  try {
    const { parts, isWhole } = await listParts(destination, address, uploadId);
    return parts.length === 0 && isWhole ? "empty" : "there";
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    if (error.code === "NoSuchUpload" || error.status === 404) return "gone";
    if (saysNo(error.toFailure("destination"))) return "unknown";
    throw error;
  }
}

/**
 * The uploads that an unanswered CreateMultipartUpload may have made. Only uploads of this very key that
 * started since it was sent, and before this copy ended, can be its own; nothing else identifies an upload in
 * S3.
 *
 * @param span.endedAtMs another copy may have started since; null while this one goes on
 * @returns their upload IDs
 * @throws {S3Error} also when the store cannot list its uploads
 */
export async function findStrays(
  destination: S3,
  address: ObjectAddress,
  { sentAtMs, endedAtMs }: { sentAtMs: number; endedAtMs: number | null },
): Promise<string[]> {
  // A store reports whole seconds, so an upload of the second in which the copy ended may be another copy's.
  const untilMs = endedAtMs === null ? Infinity : Math.floor(endedAtMs / 1000) * 1000;
  const uploads = await listUploadsOfKey(destination, address);
  return uploads
    .filter(({ initiatedMs }) => initiatedMs >= sentAtMs - CLOCK_TOLERANCE_MS && initiatedMs < untilMs)
    .map(({ uploadId }) => uploadId);
}

/**
 * Deletes the object that carries a copy ID; any other is left alone.
 *
 * @returns whether there was one
 * @throws {S3Error}
 */
async function removeOurs(
  destination: S3,
  address: ObjectAddress,
  copyId: string,
  what: "object" | "version",
): Promise<boolean> {
  try {
    const { headers } = await headObject(destination, address);
    if (headers.get(COPY_ID_HEADER) !== copyId) return false;
    const etag = etagOf(headers);
    if (etag === null) {
      const detail = "the store shows this copy's object without an ETag, so it is not deleted";
      throw new S3Error("HeadObject", address, { code: "missing_etag", detail });
    }
    return (await removeExactly(destination, address, etag, what)) === "removed";
  } catch (error) {
    if (error instanceof S3Error && error.status === 404) return false;
    throw error;
  }
}

/**
 * Does what a debt asks for.
 *
 * @param what may be deleted, see removeExactly()
 * @returns what was found, for people
 * @throws {S3Error} when it is still owed
 */
export async function payDebt(
  destination: S3,
  address: ObjectAddress,
  { debt, sinceMs }: OwedDebt,
  what: "object" | "version",
): Promise<string> {
  switch (debt.kind) {
    case "recheck":
    case "upload":
      await endUpload(destination, address, debt.uploadId);
      return "the unfinished upload has been aborted";
    case "stray": {
      const span = { sentAtMs: debt.sentAtMs, endedAtMs: sinceMs };
      const strays = await findStrays(destination, address, span);
      for (const uploadId of strays) await endUpload(destination, address, uploadId);
      return `${strays.length} unfinished uploads have been aborted`;
    }
    case "object":
      return (await removeOurs(destination, address, debt.copyId, what))
        ? "the object of an unanswered PutObject has been deleted"
        : "no object is left that may be deleted";
  }
}
