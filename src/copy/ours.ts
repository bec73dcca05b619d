// Is the object at the destination the one that this copy made? After an answer that was lost this decides
// whether the copy goes on or tries again, and only its own object may a copy delete. Reads the part table,
// changes nothing.

import type { Prepared } from "./phase.ts";
import { COPY_ID_HEADER } from "../object/attributes.ts";
import { predictedEtag } from "../parts/digests.ts";
import type { PartTable } from "../parts/table.ts";
import { bareEtag } from "../s3/digest.ts";
import { sizeOf } from "../s3/value.ts";

/**
 * The ETag that the store returned says so; without one the copy ID, or an ETag that no other object can
 * have.
 * Some stores forget the metadata of a multipart upload, and the copy ID with it: no ID at all says nothing,
 * another ID says no.
 *
 * @param headers of the object, as HEAD reports them
 * @param answered the ETag that the store returned when it made the object: the object must still have it.
 *   `unsaid`: the store reported success without an ETag (Ceph does). Null: nothing is known.
 */
export async function isOurs(
  headers: Headers,
  { copyId, plan, proof, sourceEtag }: Prepared,
  parts: PartTable,
  answered: string | null = null,
): Promise<boolean> {
  const etag = bareEtag(headers.get("etag") ?? "").toLowerCase();
  const foundId = headers.get(COPY_ID_HEADER);
  if (sizeOf(headers) !== plan.sizeBytes) return false;
  if (foundId !== null && copyId !== null && foundId !== copyId) return false;
  if (answered !== null && answered !== "unsaid") return bareEtag(answered).toLowerCase() === etag;
  if (foundId !== null && foundId === copyId) return true;
  if (plan.kind === "parts") {
    const predicted = await predictedEtag(parts, "parts");
    return predicted === null ? answered === "unsaid" : predicted === etag;
  }
  // If the answer to PutObject was lost, its ETag is unknown. The MD5 of the source's bytes serves as well.
  const expected = proof.etag === "kept" ? sourceEtag : "";
  return bareEtag(parts.finished()[0]?.etag ?? expected).toLowerCase() === etag;
}

/**
 * The ETag that PutObject returned. Null after several attempts: any of them may have been the last to reach
 * the store.
 */
export function etagOfOnlyAttempt(parts: PartTable): string | null {
  return parts.attempts() === 1 ? (parts.finished()[0]?.etag ?? null) : null;
}
