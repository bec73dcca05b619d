// What the rules of deletion are asked with (deletes.ts). Pure.

import type { DeleteRules } from "./deletes.ts";
import type { Counters } from "./report.ts";
import type { SyncSpec } from "./spec.ts";

/** A repair lists only some keys: how many there are of either side, the comparison has counted. */
export function rulesOf(spec: SyncSpec, counters: Counters): [rules: DeleteRules, counters: Counters] {
  const { repairs } = spec;
  if (repairs === undefined) return [spec, counters];
  const allowEmptySource = spec.allowEmptySource || repairs.sourceKeys > 0;
  const destination = { ...counters.destination, objects: repairs.destinationKeys };
  return [
    { ...spec, allowEmptySource },
    { ...counters, destination },
  ];
}

export function bytesOf(keys: readonly { sizeBytes: number }[]): number {
  return keys.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0);
}
