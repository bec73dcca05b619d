// What a comparison finds of each key: a line of its report, and the sums. Pure.
//
// Invariant: a key's line and its count come from one finding, so the two cannot disagree.

import {
  type ComparisonProof,
  type Difference,
  type Doubt,
  type Outcome,
  COMPARISON_PROOFS,
  OUTCOMES,
} from "../http/vocabulary.ts";
import type { PairVerdict } from "../object/compare.ts";
import type { Failure } from "../s3/failure.ts";
import { named, sentence } from "../s3/told.ts";
import { publicCode } from "../view/failure.ts";
import type { SeenSide } from "../work/batch_task.ts";

export type Verdict =
  | PairVerdict
  | { readonly outcome: "missing" | "extra" }
  | { readonly outcome: "unreadable"; readonly failure: Failure; readonly attempts: number };

export interface Finding {
  readonly action: "compared";
  /** At the source; of an extra key, at the destination. */
  readonly key: string;
  /** At the destination, where rules have changed its name; absent: they have not. */
  readonly to?: string;
  /** Of the source, where it need not be the current one; absent: the current one. */
  readonly versionId?: string;
  readonly verdict: Verdict;
  /** Of the side that the key is of. */
  readonly sizeBytes: number;
  readonly etag: string | null;
  /** Null: it is not there, or nothing of it is known. */
  readonly destination: SeenSide | null;
  /** Of an extra key, as it was listed. */
  readonly modifiedMs?: number | null;
}

interface Sum {
  readonly objects: number;
  readonly bytes: number;
}

export interface Found {
  readonly outcomes: Readonly<Partial<Record<Outcome, Sum>>>;
  readonly proofs: Readonly<Partial<Record<ComparisonProof, Sum>>>;
  /** Why keys are different or unknown, and how many. */
  readonly reasons: Readonly<Partial<Record<Difference | Doubt, number>>>;
}

export const NOTHING_FOUND: Found = { outcomes: {}, proofs: {}, reasons: {} };

export function countFindings(found: Found, findings: readonly Finding[]): Found {
  const outcomes: Partial<Record<Outcome, Sum>> = { ...found.outcomes };
  const proofs: Partial<Record<ComparisonProof, Sum>> = { ...found.proofs };
  const reasons: Partial<Record<Difference | Doubt, number>> = { ...found.reasons };
  for (const { verdict, sizeBytes } of findings) {
    outcomes[verdict.outcome] = plus(outcomes[verdict.outcome], sizeBytes);
    if (verdict.outcome === "equal") proofs[verdict.proof] = plus(proofs[verdict.proof], sizeBytes);
    if (verdict.outcome === "different" || verdict.outcome === "unknown")
      reasons[verdict.reason] = (reasons[verdict.reason] ?? 0) + 1;
  }
  return { outcomes, proofs, reasons };
}

export function sumOfAll({ outcomes }: Found): number {
  return OUTCOMES.reduce((sum, outcome) => sum + (outcomes[outcome]?.objects ?? 0), 0);
}

/** Of each outcome, also of those that no key has. */
export function outcomesOf({ outcomes }: Found, unit: keyof Sum): Record<Outcome, number> {
  const entries = OUTCOMES.map((outcome) => [outcome, outcomes[outcome]?.[unit] ?? 0] as const);
  return Object.fromEntries(entries) as Record<Outcome, number>;
}

/** By what keys are known to be equal, as far as any is. */
export function proofsOf({
  proofs,
}: Found): Partial<Record<ComparisonProof, { keys: number; bytes: number }>> {
  return Object.fromEntries(
    COMPARISON_PROOFS.flatMap((proof) => {
      const sum = proofs[proof];
      return sum === undefined ? [] : [[proof, { keys: sum.objects, bytes: sum.bytes }]];
    }),
  );
}

/** How a comparison ends that has judged every key. Nothing compared is nothing known. */
export function endOf({ outcomes }: Found): "equal" | "different" | "inconclusive" {
  const has = (outcome: Outcome) => (outcomes[outcome]?.objects ?? 0) > 0;
  if (has("different") || has("missing") || has("extra")) return "different";
  return has("unknown") || has("unreadable") || !has("equal") ? "inconclusive" : "equal";
}

/** JSON leaves out what is undefined: this is made for each key, where spreads would cost the most of all. */
export function findingLine(finding: Finding) {
  const { key, verdict, destination, modifiedMs = null } = finding;
  const [shown, to] = [named(key), finding.to === undefined ? undefined : named(finding.to)];
  const unread = verdict.outcome === "unreadable" ? verdict : undefined;
  return {
    key: shown,
    to,
    versionId: finding.versionId,
    outcome: verdict.outcome,
    proof: verdict.outcome === "equal" ? verdict.proof : undefined,
    reason: "reason" in verdict ? verdict.reason : unread && publicCode(unread.failure),
    message: unread && sentence(unread.failure.message),
    attempts: unread?.attempts,
    size: finding.sizeBytes,
    etag: finding.etag,
    destinationSize: destination?.sizeBytes,
    destinationEtag: destination?.etag,
    modifiedAt: modifiedMs === null ? undefined : new Date(modifiedMs).toISOString(),
    // A repair must not take it for the key.
    masked: shown === key && to === finding.to ? undefined : true,
  };
}

function plus(sum: Sum | undefined, sizeBytes: number): Sum {
  return { objects: (sum?.objects ?? 0) + 1, bytes: (sum?.bytes ?? 0) + sizeBytes };
}
