// Makes findings of what lanes have seen of the keys of a comparison, and work of what is still open: another
// try, or the bytes of a pair that nothing else decides.
//
// Invariant: every object that goes in comes out exactly once: as a finding, or as work. Of an object that is
// read in stretches, the last stretch is the finding, or the first that differs or cannot be read.

import type { Failure } from "../s3/failure.ts";
import { backoffMs, keyVerdictOf, MAX_ATTEMPTS } from "../s3/retry.ts";
import { type ObjectOutcome, type ObjectWork, seenAs } from "../work/batch_task.ts";
import { findingOf } from "./comparison_plan.ts";
import type { Finding, Verdict } from "./finding.ts";
import { isRunWide } from "./outcome.ts";
import type { ReadingTable } from "./reading_table.ts";

interface Settled {
  readonly findings: readonly Finding[];
  readonly again: readonly ObjectWork[];
  readonly notBeforeMs: number;
  /** Bytes of objects that a manifest has named, and that nobody had looked at before. */
  readonly seenBytes: number;
  /** Stretches to read. */
  readonly stretches: readonly ObjectWork[];
  /** Concerns every key: credentials, buckets, configuration. */
  readonly runFailure: Failure | null;
}

interface Options {
  readonly deep: boolean;
  readonly readings: ReadingTable;
  readonly now: number;
  readonly random: number;
}

export function settleComparison(
  objects: readonly ObjectWork[],
  outcomes: readonly ObjectOutcome[],
  options: Options,
): Settled {
  const findings: Finding[] = [];
  const again: ObjectWork[] = [];
  const stretches: ObjectWork[] = [];
  let notBeforeMs = 0;
  let runFailure: Failure | null = null;
  let seenBytes = 0;
  for (const [index, given] of objects.entries()) {
    const outcome: ObjectOutcome = outcomes[index] ?? { kind: "left" };
    const seen = outcome.kind === "compared" ? outcome.source : null;
    const work = given.isUnseen === true && seen !== null ? seenAs(given, seen) : given;
    if (work !== given) seenBytes += work.sizeBytes;
    const { reading } = work;
    if (reading !== undefined && !options.readings.has(reading.seq)) continue;
    const settled = settleOne(work, outcome, options);
    switch (settled.kind) {
      case "found": {
        const isLast =
          reading === undefined ||
          (settled.finding.verdict.outcome === "equal"
            ? options.readings.equal(reading.seq)
            : options.readings.take(reading.seq));
        if (isLast) findings.push(settled.finding);
        break;
      }
      case "open":
        stretches.push(...options.readings.add(settled.work, settled.sourceEtag, settled.destinationEtag));
        break;
      case "again":
        again.push(settled.work);
        notBeforeMs = Math.max(notBeforeMs, settled.notBeforeMs);
        break;
      case "run":
        again.push(work);
        runFailure = settled.failure;
    }
  }
  return { findings, again, notBeforeMs, seenBytes, stretches, runFailure };
}

type SettledOne =
  | { readonly kind: "found"; readonly finding: Finding }
  /** Only the bytes can decide, and they are to be read. */
  | {
      readonly kind: "open";
      readonly work: ObjectWork;
      readonly sourceEtag: string;
      readonly destinationEtag: string;
    }
  | { readonly kind: "again"; readonly work: ObjectWork; readonly notBeforeMs: number }
  | { readonly kind: "run"; readonly failure: Failure };

function settleOne(work: ObjectWork, outcome: ObjectOutcome, options: Options): SettledOne {
  switch (outcome.kind) {
    case "compared": {
      const { verdict, source, destination } = outcome;
      const seen = source === null ? work : { ...work, sizeBytes: source.sizeBytes, etag: source.etag };
      const sourceEtag = source?.etag ?? null;
      const destinationEtag = destination?.etag ?? null;
      const isOpen =
        options.deep &&
        verdict.outcome === "unknown" &&
        verdict.reason !== "no_length" &&
        sourceEtag !== null &&
        destinationEtag !== null;
      if (isOpen) return { kind: "open", work: seen, sourceEtag, destinationEtag };
      return { kind: "found", finding: findingOf(seen, verdict, destination) };
    }
    case "read": {
      const { reading } = work;
      if (reading === undefined) return { kind: "again", work, notBeforeMs: 0 };
      const { fromBytes } = outcome;
      return { kind: "again", work: { ...work, reading: { ...reading, fromBytes } }, notBeforeMs: 0 };
    }
    case "failed":
      return settleFailure(work, outcome.failure, options);
    default:
      return { kind: "again", work, notBeforeMs: 0 };
  }
}

function settleFailure(work: ObjectWork, failure: Failure, { now, random }: Options): SettledOne {
  const { code } = failure;
  const found = (verdict: Verdict): SettledOne => ({
    kind: "found",
    finding: findingOf(work, verdict, null),
  });
  if (code === "source_changed" || code === "destination_changed")
    return found({ outcome: "unknown", reason: code });
  if (code === "source_archived" || code === "InvalidObjectState")
    return found({ outcome: "unknown", reason: "archived" });
  const judged = keyVerdictOf(failure);
  if (judged === "blocked" || isRunWide(failure)) return { kind: "run", failure };
  const failedAttempts = work.failedAttempts + 1;
  if (judged === "fatal" || failedAttempts >= MAX_ATTEMPTS)
    return found({ outcome: "unreadable", failure, attempts: failedAttempts });
  const notBeforeMs = now + backoffMs(failure, failedAttempts, random);
  return { kind: "again", work: { ...work, failedAttempts }, notBeforeMs };
}
