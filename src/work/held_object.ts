// Does the destination already hold an object, as far as HEAD shows it? Asked before it is copied, where the
// listings do not decide.
//
// What it needs: both sides. It writes nothing.

import type { CompareMode } from "../http/vocabulary.ts";
import { fullObjectChecksums } from "../object/checksum.ts";
import { type ObjectHead, compareHeads } from "../object/compare.ts";
import { markedSourceEtag } from "../object/mark.ts";
import { bareEtag } from "../s3/digest.ts";
import { isEncryptedWithKey } from "../s3/encryption.ts";
import { failedAt, S3Error } from "../s3/errors.ts";
import { headObject } from "../s3/read.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";
import { etagOf, sizeOf } from "../s3/value.ts";
import type { ObjectOutcome, ObjectWork } from "./batch_task.ts";

interface Sides {
  readonly source: S3;
  readonly destination: S3;
  readonly from: ObjectAddress;
  readonly to: ObjectAddress;
}

/**
 * @param compare as the request has it @returns null: it is not there, or nothing proves that it is the same
 */
export async function heldAtDestination(
  { source, destination, from, to }: Sides,
  work: ObjectWork,
  compare: CompareMode,
): Promise<Extract<ObjectOutcome, { kind: "same" }> | null> {
  const { etag, sizeBytes, first } = work;
  // A copy that this run may have made is recognised by its ETag or the mark it wrote, whatever is compared.
  const mode = first === "find" ? "auto" : compare;
  const stores = { source: source.store.profile, destination: destination.store.profile };
  const headers = await headIfAny(destination, to);
  if (headers === null) return null;
  const held = objectHead(headers, to);
  // The listing usually says enough about the source. Its checksums and encryption would cost a HEAD.
  const listed = { etag, sizeBytes, isEncryptedWithKey: false, checksums: [], mark: null };
  let comparison = compareHeads(mode, stores, listed, held);
  if (mode === "checksum" || mayGain(work, mode, comparison, held)) {
    const { headers: own } = await headObject(source, from).catch(failedAt("source"));
    comparison = compareHeads(mode, stores, objectHead(own, from), held);
  }
  return comparison.kind === "equal"
    ? { kind: "same", etag: held.etag ?? "", proof: comparison.proof }
    : null;
}

/** May a HEAD of the source show what its listing does not: checksums, or another size? */
function mayGain(
  work: ObjectWork,
  mode: CompareMode,
  comparison: ReturnType<typeof compareHeads>,
  held: ObjectHead,
): boolean {
  if (comparison.kind === "equal") return false;
  if (comparison.reason === "unproved") return mode === "auto" && held.checksums.length > 0;
  // Gateways that encrypt list the stored size and serve the plain one.
  const etag = bareEtag(work.etag ?? "");
  return comparison.reason === "size" && [held.mark, bareEtag(held.etag ?? "")].includes(etag);
}

export function objectHead(headers: Headers, place: ObjectAddress): ObjectHead {
  return {
    etag: etagOf(headers),
    sizeBytes: sizeOf(headers) ?? Number.NaN,
    isEncryptedWithKey: isEncryptedWithKey(headers),
    checksums: fullObjectChecksums(headers),
    mark: markedSourceEtag(headers, place),
  };
}

/** The headers of an object; null when there is none. @throws {S3Error} also when the bucket is gone */
export async function headIfAny(s3: S3, address: ObjectAddress): Promise<Headers | null> {
  try {
    return (await headObject(s3, address)).headers;
  } catch (error) {
    if (error instanceof S3Error && error.status === 404 && error.code !== "NoSuchBucket") return null;
    throw error;
  }
}
