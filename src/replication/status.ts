// The status of a replication as the API shows it. Pure.

import { isoTime } from "../http/fields.ts";
import type { Replication } from "../view/replication_answers.ts";
import type { QueueCounts } from "./queue.ts";
import type { ReplicationRow, Totals } from "./record.ts";
import { shownSpec } from "./spec.ts";

interface StatusInput {
  readonly row: ReplicationRow;
  readonly phase: Replication["phase"];
  readonly counts: QueueCounts;
  readonly totals: Totals;
  readonly now: number;
}

export function replicationStatus({ row, phase, counts, totals, now }: StatusInput): Replication {
  const { name, id, spec, createdAtMs } = row;
  const { waiting, working, oldestMs } = counts;
  return {
    name,
    id,
    phase,
    ...shownSpec(spec),
    createdAt: isoTime(createdAtMs),
    pending: {
      keys: waiting + working,
      working,
      oldestSeconds: oldestMs === null ? null : Math.round((now - oldestMs) / 1000),
    },
    events: { taken: totals.taken, ignored: totals.ignored },
  };
}
