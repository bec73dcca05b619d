// The status of a sync as the API shows it: what is in storage, for people and programs. Pure.

import { isoTime } from "../http/fields.ts";
import type { DeleteRule } from "../http/vocabulary.ts";
import { named, sentence } from "../s3/told.ts";
import { formatPrefix } from "../store/address.ts";
import type { Location } from "../store/location.ts";
import { describeMaxDeletes } from "./deletes.ts";
import { isHandingOut } from "./job.ts";
import type { FailedKey, SyncRow } from "./record.ts";
import { type Sum, REPORT_PREFIX, underWay } from "./report.ts";
import { type StoredPart, MAX_KEPT_BYTES } from "./report_buffer.ts";
import type { SyncStatus } from "../view/answers.ts";
import { describeFailure, publicCode } from "../view/failure.ts";

interface SyncStatusInput extends SyncRow {
  readonly window: { readonly batches: number; readonly largeRunning: number; readonly largeWaiting: number };
  readonly failures: readonly FailedKey[];
  readonly warnings: string[];
  /** The request wanted deletions, and this rule forbids them. */
  readonly deletesRefused: DeleteRule | null;
  readonly parts: readonly StoredPart[];
  /** Of the report, compressed, in the run's own storage. */
  readonly keptBytes: number;
  readonly timeline: SyncStatus["timeline"];
  readonly pace: NonNullable<SyncStatus["pace"]>;
  /** Null: the platform has chosen. */
  readonly location: Location | null;
  readonly now: number;
}

/** Failed keys that a status names; the report has them all. */
export const FAILURES_SHOWN = 20;

export function syncStatus(input: SyncStatusInput): SyncStatus {
  const { id, spec, job, counters, startedAtMs, endedAtMs, now } = input;
  const { source, destination, report, maxDeletes, known: _known, startedBy = null, ...given } = spec;
  const { firstLanes: _first, ...options } = given;
  const elapsedMs = startedAtMs === null ? 0 : Math.max(1, (endedAtMs ?? now) - startedAtMs);
  const rate = (count: number) => (elapsedMs === 0 ? null : Math.round((count * 10_000) / elapsedMs) / 10);
  return {
    id,
    phase: job.phase,
    ...(job.phase === "paused" || job.phase === "blocked" ? { resumesIn: job.resume.phase } : {}),
    source: formatPrefix(source),
    destination: formatPrefix(destination),
    dryRun: spec.dryRun,
    location: input.location,
    // Each listed key is in exactly one of the others.
    objects: { ...sums(counters, "objects"), underWay: underWay(counters) },
    bytes: sums(counters, "bytes"),
    skippedBy: counters.skippedBy,
    deletes: {
      destinationObjects: counters.destination.objects,
      extra: counters.extra.objects,
      deleted: counters.deleted.objects,
      failed: counters.deleteFailed.objects,
      refused: input.deletesRefused !== null,
      ...(input.deletesRefused === null ? {} : { refusedBy: input.deletesRefused }),
      ...(spec.dryRun ? { wouldDelete: counters.wouldDelete.objects } : {}),
    },
    rate: { objectsPerSecond: rate(counters.copied.objects), bytesPerSecond: rate(counters.copied.bytes) },
    inFlight: input.window,
    ...(isHandingOut(job) ? { pace: input.pace } : {}),
    failures: input.failures.map(({ key, failure, attempts }) => ({
      key: named(key),
      code: publicCode(failure),
      message: sentence(failure.message),
      attempts,
    })),
    warnings: input.warnings,
    ...(job.phase === "failed" || job.phase === "blocked" ? { failure: describeFailure(job.failure) } : {}),
    report: {
      path: `/syncs/${id}/report`,
      storedAt: report === null ? null : `${formatPrefix(report)}${id}/`,
      parts: input.parts.length,
      bytes: input.parts.reduce((sum, { bytes }) => sum + bytes, 0),
      keptBytes: input.keptBytes,
      maxKeptBytes: MAX_KEPT_BYTES,
    },
    options: {
      ...options,
      maxDeletes: describeMaxDeletes(maxDeletes),
      // As a request would name it: resolveSync() appends the report prefix.
      report: report && { ...report, prefix: report.prefix.slice(0, -REPORT_PREFIX.length) },
    },
    startedBy,
    createdAt: isoTime(input.createdAtMs),
    startedAt: isoTime(startedAtMs),
    endedAt: isoTime(endedAtMs),
    timeline: input.timeline,
  };
}

function sums(counters: SyncRow["counters"], unit: keyof Sum): SyncStatus["bytes"] {
  const { listed, copied, skipped, failed, wouldCopy } = counters;
  return {
    listed: listed[unit],
    copied: copied[unit],
    skipped: skipped[unit],
    failed: failed[unit],
    wouldCopy: wouldCopy[unit],
  };
}
