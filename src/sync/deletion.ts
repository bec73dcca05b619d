// What came of deletions: an entry of the report for each key, or another try. Pure.
//
// Invariant: every key that goes in comes out exactly once, as an entry or in `again`.

import { type Failure, meshFailure } from "../s3/failure.ts";
import { backoffMs, keyVerdictOf, MAX_ATTEMPTS } from "../s3/retry.ts";
import type { DeleteOutcome, DeleteRefusal } from "../s3/delete.ts";
import type { Entry, Extra } from "./report.ts";

interface SettledDeletes {
  readonly entries: readonly Entry[];
  /** Tried again no earlier than `notBeforeMs`. */
  readonly again: { readonly extras: readonly Extra[]; readonly notBeforeMs: number };
  readonly refusals: readonly Failure[];
  /** A person must act before any key can be deleted. */
  readonly blocked: Failure | null;
}

export function settleDeletes(
  extras: readonly Extra[],
  outcome: DeleteOutcome,
  { now, random }: { now: number; random: number },
): SettledDeletes {
  const refusals = new Map(outcome.refused.map((refusal) => [refusal.key, refusal]));
  const entries: Entry[] = [];
  const again: Extra[] = [];
  const failures: Failure[] = [];
  let notBeforeMs = 0;
  let blocked: Failure | null = null;
  for (const extra of extras) {
    const refusal = refusals.get(extra.key);
    if (refusal === undefined) {
      const { key, sizeBytes } = extra;
      entries.push({ action: "deleted", key, sizeBytes });
      continue;
    }
    const failure = failureOf(refusal);
    failures.push(failure);
    const attempts = (extra.failedAttempts ?? 0) + 1;
    const verdict = keyVerdictOf(failure);
    if (verdict === "blocked") {
      blocked = failure;
      again.push(extra);
    } else if (verdict === "fatal" || attempts >= MAX_ATTEMPTS) {
      entries.push(deleteFailed(extra, failure, attempts));
    } else {
      again.push({ ...extra, failedAttempts: attempts });
      notBeforeMs = Math.max(notBeforeMs, now + backoffMs(failure, attempts, random));
    }
  }
  return { entries, again: { extras: again, notBeforeMs }, refusals: failures, blocked };
}

function deleteFailed(extra: Extra, failure: Failure, attempts: number): Entry {
  const { failedAttempts: _tried, ...fresh } = extra;
  const { key, sizeBytes } = extra;
  return { action: "delete_failed", key, sizeBytes, failure, attempts, extra: fresh };
}

function failureOf({ code, message, status, retryAfterMs }: DeleteRefusal): Failure {
  const operation = "DeleteObjects";
  switch (code) {
    case "destination_changed":
      return meshFailure(code, `It is not the object that was listed, and is left: ${message}`, operation);
    case "source_changed":
    case "delete_unconfirmed":
    case "invalid_key":
      return meshFailure(code, `It is not deleted: ${message}`, operation);
  }
  const words = `The store refused to delete it: ${code}: ${message}`;
  return { side: "destination", code, message: words, operation, status, requestId: null, retryAfterMs };
}
