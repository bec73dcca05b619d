// An attribute that the destination refuses, and the copy goes on without.

import type { Prepared } from "./phase.ts";
import type { CopyRecord } from "./record.ts";
import { droppable } from "../object/attributes.ts";
import type { Failure } from "../s3/failure.ts";
import { saysNo } from "../s3/retry.ts";

/**
 * Goes on without a header that the store refused. @returns false when there is none to drop, or when the
 * request allows no loss
 */
export function dropHeader(record: CopyRecord, headers: Prepared["headers"], failure: Failure): boolean {
  if (!saysNo(failure) || record.load().spec.ifLossy === "fail") return false;
  const dropped = droppable(headers, failure);
  if (dropped === null) return false;
  record.transaction(() => {
    record.warn(dropped.loss);
    record.applyEvent({ type: "headerDropped", header: dropped.name }, "attribute_dropped", dropped.loss);
  });
  return true;
}
