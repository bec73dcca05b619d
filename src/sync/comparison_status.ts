// The status of a comparison as the API shows it. Pure.

import { isoTime } from "../http/fields.ts";
import { COMPARISON_PHASES } from "../http/vocabulary.ts";
import { formatPrefix } from "../store/address.ts";
import type { ComparisonStatus } from "../view/comparison_answers.ts";
import { describeFailure } from "../view/failure.ts";
import type { ComparisonSpec } from "./comparison_spec.ts";
import { NOTHING_FOUND, outcomesOf, proofsOf } from "./finding.ts";
import { isHandingOut } from "./job.ts";
import { underWay } from "./report.ts";
import { type StatusInput, describeKey, describeReport, phasesOf } from "./status.ts";

export function comparisonStatus(input: StatusInput, spec: ComparisonSpec): ComparisonStatus {
  const { id, job, counters, startedAtMs, endedAtMs, now } = input;
  const {
    source,
    destination,
    known: _known,
    startedBy = null,
    kind: _kind,
    firstLanes: _first,
    keys,
    ...options
  } = spec;
  const { listed, skipped, found = NOTHING_FOUND } = counters;
  const elapsedMs = startedAtMs === null ? 0 : Math.max(1, (endedAtMs ?? now) - startedAtMs);
  const done = listed.objects - underWay(counters);
  return {
    id,
    ...phasesOf(job, COMPARISON_PHASES),
    source: formatPrefix(source),
    destination: formatPrefix(destination),
    location: input.location,
    deep: spec.deep,
    // Each name that either side lists is in exactly one of the others.
    keys: {
      listed: listed.objects,
      ...outcomesOf(found, "objects"),
      skipped: skipped.objects,
      underWay: underWay(counters),
    },
    bytes: { listed: listed.bytes, ...outcomesOf(found, "bytes"), skipped: skipped.bytes },
    proofs: proofsOf(found),
    reasons: found.reasons,
    skippedBy: counters.skippedBy,
    rate: { keysPerSecond: elapsedMs === 0 ? null : Math.round((done * 10_000) / elapsedMs) / 10 },
    spent: input.spent,
    ...(input.budget ? { budget: input.budget } : {}),
    ...(input.quote === null ? {} : { quote: input.quote }),
    inFlight: { batches: input.window.batches },
    ...(isHandingOut(job) ? { pace: input.pace } : {}),
    unreadable: input.failures.map(describeKey),
    warnings: input.warnings,
    ...(job.phase === "failed" || job.phase === "blocked" ? { failure: describeFailure(job.failure) } : {}),
    repairSyncId: input.repair,
    report: { path: `/comparisons/${id}/report`, ...describeReport(input) },
    options: { ...options, ...(keys === undefined ? {} : { keys: keys.length }) },
    startedBy,
    createdAt: isoTime(input.createdAtMs),
    startedAt: isoTime(startedAtMs),
    endedAt: isoTime(endedAtMs),
    timeline: input.timeline,
  };
}
