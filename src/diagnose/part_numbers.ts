// The question of a check how many parts an upload may have: S3 takes 10,000, and some stores take fewer. A
// copy that learns it from a refusal has sent all parts before.

import { type Findings, isUnknown } from "./findings.ts";
import { S3Error } from "../s3/errors.ts";
import { CALL_LIMIT_MS, type ObjectAddress, type S3 } from "../s3/request.ts";
import { createMultipartUpload, uploadPart } from "../s3/s3.ts";
import { MAX_PART_NUMBER } from "../s3/upload_xml.ts";

/** The fewest that any provider documents (Scaleway, OpenStack Swift), for a refusal that names no number. */
const FEWEST_PARTS = 1_000;

/** @param uploads where the upload is entered that somebody must abort */
export async function askPartNumbers(
  s3: S3,
  address: ObjectAddress,
  { findings, uploads }: { findings: Findings; uploads: { key: string; uploadId: string }[] },
): Promise<void> {
  await findings.attempt("part numbers", async () => {
    const { uploadId } = await createMultipartUpload(s3, address, {});
    uploads.push({ key: address.key, uploadId });
    const body = new Uint8Array(1);
    const signal = AbortSignal.timeout(CALL_LIMIT_MS);
    try {
      await uploadPart(s3, address, { uploadId, partNumber: MAX_PART_NUMBER, body, signal });
      return ["yes", `up to ${MAX_PART_NUMBER}, as S3`];
    } catch (error) {
      if (!(error instanceof S3Error && isUnknown(error))) throw error;
      findings.facts.maxParts = mostPartsOf(error.message);
      return ["no", `fewer than ${MAX_PART_NUMBER}; copies send at most ${findings.facts.maxParts} parts`];
    }
  });
}

/** "Part number must be an integer between 1 and 1000, inclusive" */
export function mostPartsOf(message: string): number {
  const most = Number(/\b1 and ([\d,]{1,6})\b/.exec(message)?.[1]?.replaceAll(",", "") ?? FEWEST_PARTS);
  return most > 1 && most < MAX_PART_NUMBER ? most : FEWEST_PARTS;
}
