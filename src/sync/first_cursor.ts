// Where a run begins: at the first name of both listings, the first version, or the first line of a report.

import { FIRST_CURSOR } from "../listing/walk.ts";
import { type RunSpec, isOfHistories, isRepair } from "./comparison_spec.ts";
import type { RunCursor } from "./phase.ts";
import { FIRST_LINE } from "./repair_walk.ts";

export function firstCursorOf(spec: RunSpec): RunCursor {
  if (isRepair(spec)) return FIRST_LINE;
  return isOfHistories(spec) ? { kind: "histories", list: null } : FIRST_CURSOR;
}
