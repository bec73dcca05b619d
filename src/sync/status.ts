// The status of a sync as the API shows it: what is in storage, for people and programs. Pure.

import { isoTime } from "../http/fields.ts";
import { type DeleteRule, SYNC_PHASES } from "../http/vocabulary.ts";
import { named, sentence } from "../s3/told.ts";
import { formatPrefix } from "../store/address.ts";
import type { Location } from "../store/location.ts";
import { asSync } from "./comparison_spec.ts";
import { describeMaxDeletes } from "./deletes.ts";
import { isHandingOut } from "./job.ts";
import type { SyncJob } from "./phase.ts";
import { secondsLeft } from "./rate_table.ts";
import type { FailedKey } from "./record.ts";
import type { SyncRow } from "./own_row.ts";
import { underWay } from "./report.ts";
import { REPORT_PREFIX } from "./report_keys.ts";
import type { Sum } from "./sums.ts";
import { type StoredPart, MAX_KEPT_BYTES } from "./report_buffer.ts";
import type { SyncSpec } from "./spec.ts";
import type { SyncStatus } from "../view/answers.ts";
import { describeFailure, publicCode } from "../view/failure.ts";

export interface StatusInput extends SyncRow {
  readonly window: { readonly batches: number; readonly largeRunning: number; readonly largeWaiting: number };
  readonly failures: readonly FailedKey[];
  readonly spent: SyncStatus["spent"];
  readonly budget: SyncStatus["budget"] | null;
  /** Of a dry run or a comparison. */
  readonly quote: NonNullable<SyncStatus["quote"]> | null;
  /** Archived keys that wait, and when the next one is looked at. */
  readonly restoring: { readonly restoring: number; readonly restoreDueMs: number | null };
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
  /** What was copied in the last minute, by the second; null: nothing. */
  readonly recentRate: { readonly objectsPerSecond: number; readonly bytesPerSecond: number } | null;
  /** Of a comparison: the sync that repairs it, if one does. */
  readonly repair: string | null;
  readonly now: number;
}

/** Failed keys that a status names; the report has them all. */
export const FAILURES_SHOWN = 20;

export function syncStatus(input: StatusInput): SyncStatus {
  const { id, job, counters, startedAtMs, endedAtMs, now } = input;
  const spec = asSync(input.spec);
  const { source, destination, report, maxDeletes, known: _known, startedBy = null, ...given } = spec;
  const { firstLanes: _first, kind: _kind, keys, repairs, ...options } = given;
  const elapsedMs = startedAtMs === null ? 0 : Math.max(1, (endedAtMs ?? now) - startedAtMs);
  const rate = (count: number) => (elapsedMs === 0 ? null : Math.round((count * 10_000) / elapsedMs) / 10);
  return {
    id,
    ...phasesOf(job, SYNC_PHASES),
    source: formatPrefix(source),
    destination: formatPrefix(destination),
    dryRun: spec.dryRun,
    ...(repairs === undefined ? {} : { repairs: repairs.comparison }),
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
    rate: {
      objectsPerSecond: rate(counters.copied.objects),
      bytesPerSecond: rate(counters.copied.bytes),
      etaSeconds: etaOf(input),
    },
    spent: input.spent,
    ...(input.budget ? { budget: input.budget } : {}),
    ...(input.quote === null ? {} : { quote: input.quote }),
    ...describeRestores(input, spec),
    inFlight: input.window,
    ...(isHandingOut(job) ? { pace: input.pace } : {}),
    failures: input.failures.map(describeKey),
    warnings: input.warnings,
    ...(job.phase === "failed" || job.phase === "blocked" ? { failure: describeFailure(job.failure) } : {}),
    report: {
      path: `/syncs/${id}/report`,
      storedAt: report === null ? null : `${formatPrefix(report)}${id}/`,
      ...describeReport(input),
    },
    options: {
      ...options,
      ...(keys === undefined ? {} : { keys: keys.length }),
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

/** Known once all is listed. */
function etaOf({ job, counters, recentRate, spec }: StatusInput): number | null {
  if (job.phase !== "copying" || spec.kind === "comparison" || spec.dryRun) return null;
  const { listed, copied, skipped, failed } = counters;
  const bytes = Math.max(0, listed.bytes - copied.bytes - skipped.bytes - failed.bytes);
  return secondsLeft({ objects: Math.max(0, underWay(counters)), bytes }, recentRate);
}

/** A run has only phases of its kind. */
export function phasesOf<Phase extends string>(
  job: SyncJob,
  phases: readonly Phase[],
): { phase: Phase; resumesIn?: Phase; reason?: "budget_reached" } {
  const wordOf = (text: string): Phase => {
    const phase = phases.find((known) => known === text);
    if (phase === undefined) throw new Error(`"${text}" is no phase of this run`);
    return phase;
  };
  const isHeld = job.phase === "paused" || job.phase === "blocked";
  return {
    phase: wordOf(job.phase),
    ...(isHeld ? { resumesIn: wordOf(job.resume.phase) } : {}),
    ...(job.phase === "paused" && job.by === "budget" ? { reason: "budget_reached" } : {}),
  };
}

/** Nothing in a sync that restores nothing, or has nothing to restore. */
function describeRestores(
  { counters: { restores }, restoring }: StatusInput,
  { maxRestores, dryRun }: Pick<SyncSpec, "maxRestores" | "dryRun">,
): Pick<SyncStatus, "restores"> {
  if (restores === undefined || dryRun) return {};
  const { asked, readable } = restores;
  const { restoring: waiting, restoreDueMs: dueMs } = restoring;
  return {
    restores: { asked, readable, waiting, most: maxRestores ?? asked, nextLookAt: isoTime(dueMs) },
  };
}

export function describeKey({ key, failure, attempts }: FailedKey): SyncStatus["failures"][number] {
  return { key: named(key), code: publicCode(failure), message: sentence(failure.message), attempts };
}

export function describeReport({ parts, keptBytes }: Pick<StatusInput, "parts" | "keptBytes">) {
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return { parts: parts.length, bytes, keptBytes, maxKeptBytes: MAX_KEPT_BYTES };
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
