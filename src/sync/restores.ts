// The archived keys of a sync: which are taken in to be restored, and what becomes of each when it was asked
// for or looked at. Pure; restore_steps.ts asks the store.
//
// The rules are those of a copy (copy/restoring.ts), for each key by itself. They wait beside the batches and
// hold nothing up. A key is restored for a run at most twice, and counts once against `maxRestores`.

import { MAX_ASKS, overdue, restoreFailed } from "../copy/restoring.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { backoffMs, keyVerdictOf, MAX_ATTEMPTS } from "../s3/retry.ts";
import type { RetrievalTier } from "../http/vocabulary.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import { lookAfterMs, MAX_LOOKS } from "../work/looks.ts";
import { failed, isRunWide, skipped } from "./outcome.ts";
import { type Entry } from "./report.ts";
import { type Restores, addRestore } from "./sums.ts";
import type { RestoreRow } from "./restore_table.ts";

/** Where the request names no `maxRestores`. */
export const DEFAULT_RESTORES = 1_000;

/** Of a key that is not to be restored. */
export function archivedFailure(): Failure {
  return meshFailure("source_archived", "The source is archived, and ifArchived is fail", "ListObjectsV2");
}

interface TakenIn {
  readonly rows: readonly Omit<RestoreRow, "seq">[];
  readonly entries: readonly Entry[];
  readonly restores: Restores;
  /** Keys beyond the limit. */
  readonly over: number;
}

/** What is archived, up to the limit. What was restored for the run before is asked for once more. */
export function takeIn(works: readonly ObjectWork[], before: Restores, maxRestores: number): TakenIn {
  const rows: Omit<RestoreRow, "seq">[] = [];
  const entries: Entry[] = [];
  let restores = before;
  let over = 0;
  for (const work of works) {
    const asks = work.restored?.asks ?? 0;
    if (asks >= MAX_ASKS) entries.push(failed(work, restoreFailed(), work.failedAttempts + 1));
    else if (work.restored === undefined && restores.asked >= maxRestores) {
      over += 1;
      entries.push(skipped(work, "restore_limit"));
    } else {
      if (work.restored === undefined)
        restores = addRestore(restores, work.storageClass ?? "", work.sizeBytes);
      const row = { call: "unknown" as const, isTiered: false, asks, looks: 0, failedAttempts: 0 };
      rows.push({ work: { ...work, isArchived: true, first: "copy" }, ...row });
    }
  }
  return { rows, entries, restores, over };
}

/** What the store has said of one key. */
export type RestoreAnswer =
  | { readonly kind: "asked" }
  | { readonly kind: "readable"; readonly untilMs: number | null }
  | { readonly kind: "ongoing" | "archived"; readonly isTiered: boolean }
  | { readonly kind: "failed"; readonly failure: Failure };

type Settled =
  | { readonly kind: "waits"; readonly row: RestoreRow; readonly nextMs: number }
  | { readonly kind: "readable"; readonly work: ObjectWork }
  | { readonly kind: "ended"; readonly entry: Entry }
  /** Concerns every key: the row stays as it is. */
  | { readonly kind: "run"; readonly failure: Failure };

export function settleRestore(
  row: RestoreRow,
  answer: RestoreAnswer,
  { tier, now, random }: { readonly tier: RetrievalTier; readonly now: number; readonly random: number },
): Settled {
  const ended = (failure: Failure): Settled => ({
    kind: "ended",
    entry: failed(row.work, failure, row.failedAttempts + 1),
  });
  const waits = (changed: RestoreRow): Settled =>
    changed.looks >= MAX_LOOKS
      ? ended(overdue())
      : {
          kind: "waits",
          row: { ...changed, call: "asked", looks: changed.looks + 1, failedAttempts: 0 },
          nextMs: now + lookAfterMs(changed.looks),
        };
  switch (answer.kind) {
    case "asked":
      return waits({ ...row, asks: row.asks + 1, looks: 0 });
    case "readable": {
      const { isArchived: _archived, ...work } = row.work;
      const restored = { tier, asks: row.asks, untilMs: answer.untilMs };
      return { kind: "readable", work: { ...work, restored } };
    }
    case "ongoing":
      return waits({ ...row, isTiered: answer.isTiered });
    case "archived":
      return row.asks >= MAX_ASKS
        ? ended(restoreFailed())
        : { kind: "waits", row: { ...row, call: "due", isTiered: answer.isTiered }, nextMs: now };
    case "failed":
      return afterFailure(row, answer.failure, { now, random, ended, waits });
  }
}

function afterFailure(
  row: RestoreRow,
  failure: Failure,
  {
    now,
    random,
    ended,
    waits,
  }: {
    readonly now: number;
    readonly random: number;
    readonly ended: (failure: Failure) => Settled;
    readonly waits: (row: RestoreRow) => Settled;
  },
): Settled {
  const verdict = keyVerdictOf(failure);
  if (verdict === "blocked" || isRunWide(failure)) return { kind: "run", failure };
  if (verdict === "fatal") return ended(failure);
  // Hours lie between two looks: what cannot be asked now is asked at the next one.
  if (row.call === "asked") return waits(row);
  const failedAttempts = row.failedAttempts + 1;
  return failedAttempts >= MAX_ATTEMPTS
    ? ended(failure)
    : {
        kind: "waits",
        row: { ...row, failedAttempts },
        nextMs: now + backoffMs(failure, failedAttempts, random),
      };
}
