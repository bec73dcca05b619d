// Attributes that a destination refuses: the copy goes on without them and says so, where its request allows that.

import { droppable } from "./attributes.ts";
import { type Failure, saysNo } from "./failure.ts";
import type { Prepared } from "./phase.ts";
import type { CopyRecord } from "./record.ts";

/** Goes on without a header that the store refused. @returns false when there is none to leave out, or the caller wants all */
export function dropHeader(record: CopyRecord, headers: Prepared["headers"], failure: Failure): boolean {
  if (!saysNo(failure) || record.load().spec.ifLossy === "fail") return false;
  const dropped = droppable(headers, failure);
  if (dropped === null) return false;
  record.transaction(() => {
    record.warn(dropped.loss);
    record.record({ type: "headerDropped", header: dropped.name }, "attribute_dropped", dropped.loss);
  });
  return true;
}
