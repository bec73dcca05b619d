// The status of a replication as the API shows it. Pure.

import { isoTime } from "../http/fields.ts";
import type { Replication, ReplicationLag } from "../view/replication_answers.ts";
import type { ReplicationCounters } from "../view/news.ts";
import { describeFailure, publicCode } from "../view/failure.ts";
import { sentence } from "../s3/told.ts";
import { type ReplicationJob, childOf } from "./job.ts";
import type { Lag, Stretch } from "./lag.ts";
import type { FailedRow, QueueCounts } from "./queue.ts";
import type { Notes, ReplicationRow, Totals } from "./record.ts";
import { shownSpec } from "./spec.ts";

/** Failed keys that a status names. */
export const FAILURES_SHOWN = 20;

interface StatusInput {
  readonly row: ReplicationRow;
  readonly job: ReplicationJob;
  readonly notes: Notes;
  readonly counts: QueueCounts;
  /** Since when the oldest key waits; null: none waits. */
  readonly oldestMs: number | null;
  readonly totals: Totals;
  readonly lag: Lag;
  readonly failures: readonly FailedRow[];
  /** Null: none by itself. */
  readonly nextRepairMs: number | null;
  readonly timeline: Replication["timeline"];
  readonly now: number;
}

export function replicationStatus(input: StatusInput): Replication {
  const { row, job, notes, counts, oldestMs, totals, lag, now } = input;
  const { name, id, spec, createdAtMs } = row;
  const { waiting, working, held } = counts;
  const { taken, ignored, failed: _ever, ...done } = totals;
  const { lastRepair, cutover } = notes;
  return {
    name,
    id,
    phase: job.phase,
    ...shownSpec(spec),
    createdAt: isoTime(createdAtMs),
    pending: {
      keys: waiting + working,
      working,
      oldestSeconds: oldestMs === null ? null : Math.max(0, Math.round((now - oldestMs) / 1000)),
      repairNeeded: notes.overflow,
    },
    lag: secondsOf(lag),
    events: { taken, ignored },
    keys: { ...done, failed: counts.failed, held },
    failures: input.failures.map(({ key, failure, attempts }) => ({
      key,
      code: publicCode(failure),
      message: sentence(failure.message),
      attempts,
    })),
    run: runOf(job),
    nextRepairAt: isoTime(input.nextRepairMs),
    lastRepair: lastRepair && {
      comparisonId: lastRepair.comparisonId,
      at: isoTime(lastRepair.atMs),
      found: lastRepair.found,
    },
    cutover: cutover && {
      state: cutover.state,
      at: isoTime(cutover.atMs),
      comparisonId: cutover.comparisonId,
      reasons: { ...cutover.reasons },
      keys: [...cutover.keys],
    },
    failure: job.phase === "blocked" ? describeFailure(job.failure) : null,
    timeline: input.timeline,
  };
}

/** What the metrics have of it. */
export function countersOf({ keys, pending, lag }: Replication): ReplicationCounters {
  const { copiedBytes: bytes, held: _held, failed: _now, ...outcomes } = keys;
  return {
    kind: "replication",
    bytes,
    outcomes,
    pending: pending.keys,
    oldestSeconds: pending.oldestSeconds ?? 0,
    ...lag,
  };
}

/** How far it has lagged behind in the last day. */
export function lagSeries(series: readonly Stretch[]): ReplicationLag {
  return {
    series: series.map(({ fromMs, copied, deleted, failed, pending, ...lag }) => ({
      at: isoTime(fromMs),
      ...secondsOf(lag),
      pending,
      copied,
      deleted,
      failed,
    })),
  };
}

function secondsOf({ p50Ms, p99Ms }: Lag): Replication["lag"] {
  return { p50Seconds: inSeconds(p50Ms), p99Seconds: inSeconds(p99Ms) };
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms / 100) / 10;
}

function runOf(job: ReplicationJob): Replication["run"] {
  const child = childOf(job);
  return child === null ? null : { kind: child.kind, id: child.id };
}
