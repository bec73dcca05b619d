// The status of a copy as the API shows it: what is in storage, for people and programs. Pure.

import type { OwedDebt } from "./debts.ts";
import { type Job, isAtBudget, objectOf, workOf } from "./phase.ts";
import { type Plan, partRange, unitCount } from "./plan.ts";
import type { Restored } from "./restored_table.ts";
import type { CopySpec } from "./spec.ts";
import { isoTime } from "../http/fields.ts";
import { type PartRow, type PartTotals, partState } from "../parts/rows.ts";
import { writeObject } from "../store/address.ts";
import type { Location } from "../store/location.ts";
import type { CopyStatus, PartsPage } from "../view/answers.ts";
import { describeFailure } from "../view/failure.ts";

export interface StatusInput {
  readonly id: string;
  readonly spec: CopySpec;
  readonly job: Job;
  readonly totals: PartTotals;
  /** How often any part was sent. */
  readonly attempts: number;
  /** Of the parts that move now; null: none does, or none is done yet. */
  readonly bytesPerSecond: number | null;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly spent: CopyStatus["spent"];
  /** Null: nothing was restored for it. */
  readonly restored: Restored | null;
  readonly budget: CopyStatus["budget"] | null;
  readonly warnings: string[];
  readonly debts: readonly OwedDebt[];
  readonly timeline: CopyStatus["timeline"];
  readonly pace: NonNullable<CopyStatus["pace"]>;
  /** Null: the platform has chosen. */
  readonly location: Location | null;
  readonly now: number;
}

export function copyStatus(input: StatusInput): CopyStatus {
  const { id, spec, job, totals } = input;
  const {
    source,
    destination,
    partSizeBytes: partSize,
    lanes,
    firstLanes: _first,
    concurrency,
    known: _known,
    limitsOf: _limitsOf,
    startedBy = null,
    ...options
  } = spec;
  const plan = objectOf(job)?.plan ?? null;
  const work = workOf(job);
  return {
    id,
    phase: job.phase,
    ...(job.phase === "paused" || job.phase === "blocked" ? { resumesIn: job.resume.phase } : {}),
    ...(isAtBudget(job) ? { reason: "budget_reached" } : {}),
    ...(work.phase === "queued" && work.behind !== null ? { queuedBehind: work.behind } : {}),
    source: writeObject(source),
    destination: writeObject(destination),
    size: plan?.sizeBytes ?? null,
    partSize: plan?.kind === "parts" ? plan.partSizeBytes : null,
    parts: {
      total: plan === null ? null : unitCount(plan),
      done: totals.done,
      inFlight: totals.inFlight,
      failedAttempts: totals.failedAttempts,
    },
    bytes: { done: totals.doneBytes, total: plan?.sizeBytes ?? null },
    rate: rateOf(input, plan),
    lanes,
    concurrency,
    location: input.location,
    ...(job.phase === "uploading" ? { pace: input.pace } : {}),
    attempts: input.attempts,
    spent: input.spent,
    ...(input.budget ? { budget: input.budget } : {}),
    via: objectOf(job)?.via ?? null,
    ...resultOf(job),
    ...(input.restored === null ? {} : { restored: describeRestored(input.restored, job) }),
    warnings: input.warnings,
    ...(input.debts.length === 0 ? {} : { orphans: input.debts.map(describeDebt) }),
    ...failureOf(job),
    options: { partSize, ...options },
    startedBy,
    createdAt: isoTime(input.createdAtMs),
    startedAt: isoTime(input.startedAtMs),
    endedAt: isoTime(input.endedAtMs),
    timeline: input.timeline,
  };
}

/** A page of the part table. Parts that were never handed out have no row yet and are shown as pending. */
export function partsPage(
  plan: Plan | null,
  rows: readonly PartRow[],
  after: number,
  limit: number,
): PartsPage {
  if (plan === null) return { parts: [], next: null };
  const total = unitCount(plan);
  const byNumber = new Map(rows.map((row) => [row.partNumber, row]));
  const parts: PartsPage["parts"] = [];
  for (let partNumber = after + 1; partNumber <= total && parts.length < limit; partNumber++) {
    const row = byNumber.get(partNumber);
    parts.push({
      partNumber,
      ...partRange(plan, partNumber),
      state: partState(row ?? { state: "pending" }),
      attempt: row?.attempt ?? 0,
      failedAttempts: row?.failedAttempts ?? 0,
      lane: row?.lane ?? null,
      etag: row?.etag ?? null,
      durationMs: row?.durationMs ?? null,
      doneAt: isoTime(row?.doneAtMs ?? null),
    });
  }
  const last = after + parts.length;
  return { parts, next: last < total ? String(last) : null };
}

/** What may be left at the destination, and when its removal is tried again. */
function describeDebt({
  debt,
  sinceMs,
  failedAttempts,
  nextTryMs,
  failure,
}: OwedDebt): NonNullable<CopyStatus["orphans"]>[number] {
  return {
    kind: ORPHANS[debt.kind],
    ...(debt.kind === "upload" ? { uploadId: debt.uploadId } : {}),
    since: isoTime(sinceMs),
    failedAttempts,
    nextTryAt: isoTime(nextTryMs),
    failure: describeFailure(failure),
  };
}

function describeRestored(restored: Restored, job: Job): NonNullable<CopyStatus["restored"]> {
  const { storageClass, tier, asks, askedAtMs, readableAtMs, untilMs } = restored;
  const waits = job.phase === "restoring" && job.call === "asked";
  return {
    storageClass,
    tier,
    asks,
    askedAt: isoTime(askedAtMs),
    readableAt: isoTime(readableAtMs),
    until: isoTime(untilMs),
    ...(waits ? { nextLookAt: isoTime(job.retry.notBeforeMs) } : {}),
  };
}

const ORPHANS = {
  upload: "upload",
  recheck: "upload",
  stray: "possible_upload",
  object: "possible_object",
} as const;

function resultOf(job: Job): Pick<CopyStatus, "skipped" | "skippedBy" | "proof" | "etag"> {
  if (job.phase !== "completed") return {};
  return job.result.kind === "skipped"
    ? { skipped: true, ...(job.result.reason === undefined ? {} : { skippedBy: job.result.reason }) }
    : { proof: job.result.proof, etag: job.result.etag };
}

function failureOf(job: Job): Pick<CopyStatus, "failure"> {
  if (job.phase === "failed" || job.phase === "blocked") return { failure: describeFailure(job.failure) };
  if (job.phase === "aborting" && job.ending.phase === "failed")
    return { failure: describeFailure(job.ending.failure) };
  return {};
}

/** An ended copy shows its average, one that uploads the rate of its last parts, any other none. */
function rateOf(input: StatusInput, plan: Plan | null): CopyStatus["rate"] {
  const { job, totals, startedAtMs, endedAtMs } = input;
  if (totals.doneBytes === 0 || startedAtMs === null) return { bytesPerSecond: null, etaSeconds: null };
  if (endedAtMs !== null) {
    const elapsedMs = Math.max(1, endedAtMs - startedAtMs);
    return { bytesPerSecond: Math.round((totals.doneBytes * 1000) / elapsedMs), etaSeconds: 0 };
  }
  const bytesPerSecond = job.phase === "uploading" ? input.bytesPerSecond : null;
  const leftBytes = (plan?.sizeBytes ?? 0) - totals.doneBytes;
  // Before one full part is done, a tiny last part would forecast hours.
  const tooEarly = leftBytes > 0 && plan?.kind === "parts" && totals.doneBytes < plan.partSizeBytes;
  const isKnown = bytesPerSecond !== null && bytesPerSecond > 0 && !tooEarly;
  return { bytesPerSecond, etaSeconds: isKnown ? Math.ceil(leftBytes / bytesPerSecond) : null };
}
