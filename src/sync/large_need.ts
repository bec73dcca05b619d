// How many of a run's transfers the copy of one large object takes. Pure.

import { DEFAULT_PART_BYTES } from "../copy/plan.ts";
import { partCountOf } from "../s3/digest.ts";
import type { CopyStatus } from "../view/answers.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import type { RunBase } from "./run_spec.ts";

/**
 * One large copy has at most this fraction of the transfers: while one lists and completes its parts, others
 * move theirs. While there are batches, this fraction is left to them too.
 */
export const FRACTION = 1 / 4;

/**
 * Transfers that one large copy can use at most: it usually keeps the parts that its source was uploaded in.
 *
 * @param maxPartBytes of a part, from MAX_PART_MIB
 */
export function transfersOf(
  { concurrency }: Pick<RunBase, "concurrency">,
  { sizeBytes, etag }: Pick<ObjectWork, "sizeBytes" | "etag">,
  maxPartBytes: number,
): number {
  const parts = partCountOf(etag ?? "") ?? Math.ceil(sizeBytes / Math.min(DEFAULT_PART_BYTES, maxPartBytes));
  return Math.max(1, Math.min(parts, Math.floor(concurrency * FRACTION)));
}

/**
 * Transfers that a running copy still needs, of those that it may have. One that has not begun to upload will
 * need all of them in a moment; one that completes, or waits for its restore, needs none.
 */
export function needOf({ phase, parts }: Pick<CopyStatus, "phase" | "parts">, most: number): number {
  if (phase === "uploading") return Math.min(most, (parts.total ?? most) - parts.done);
  return ["restoring", "completing", "verifying"].includes(phase) ? 0 : most;
}
