// What an ended copy still owes the destination, such as an upload that could not be aborted because the
// store was down or refused. Debts are kept in the coordinator's SQLite, shown in the status, and tried again
// for days: the store bills every part of an unfinished upload until it is gone.
//
// What it needs: the coordinator's storage. undo.ts does what a debt asks for. Invariant: a debt goes only
// when the store itself shows that it is paid. A debt that was given up stays visible, and `resume` tries it
// again.

import type { Aborting } from "./phase.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";

type Debt =
  /** An upload that must be aborted. */
  | { readonly kind: "upload"; readonly uploadId: string }
  /**
   * An upload whose abort is confirmed, and in which a part may still land. Nothing is owed until one has.
   */
  | { readonly kind: "recheck"; readonly uploadId: string }
  /** An unanswered CreateMultipartUpload, sent then, may have made an upload. */
  | { readonly kind: "stray"; readonly sentAtMs: number }
  /** An unanswered PutObject may have made the object; it carries this copy ID. */
  | { readonly kind: "object"; readonly copyId: string };

export interface OwedDebt {
  readonly id: number;
  readonly debt: Debt;
  readonly sinceMs: number;
  readonly failedAttempts: number;
  /** Null: given up. */
  readonly nextTryMs: number | null;
  readonly failure: Failure;
}

const FIRST_RETRY_MS = 15_000;

/**
 * The longest time that a part could still be under way after its lane has given it up: the platform ends
 * every event after 15 minutes (work/limits.ts), and what a store has received by then it answers within one
 * more.
 */
const LATEST_PART_MS = 16 * 60_000;

const MAX_RETRY_MS = 3600_000;

/** Stores that expire unfinished uploads by themselves do so after a week at most (R2's default). */
const GIVEN_UP_AFTER_MS = 7 * 24 * 3600_000;

/** What an abort leaves undone when it is given up. */
export function debtsOf({ upload, strayAtMs, object }: Aborting): Debt[] {
  const debts: Debt[] = [];
  if (strayAtMs !== null) debts.push({ kind: "stray", sentAtMs: strayAtMs });
  if (upload?.kind === "parts") debts.push({ kind: "upload", uploadId: upload.uploadId });
  // Without a copy ID the object cannot be told from another writer's, so nothing can be done about it.
  const copyId = object?.copyId ?? null;
  if (upload?.kind === "whole" && copyId !== null) debts.push({ kind: "object", copyId });
  return debts;
}

/** When to try again, or null for never. @param random in [0, 1) */
export function nextTryMs(
  sinceMs: number,
  failedAttempts: number,
  now: number,
  random: number,
): number | null {
  if (now - sinceMs > GIVEN_UP_AFTER_MS) return null;
  const delayMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failedAttempts);
  return Math.ceil(now + delayMs * (0.5 + random / 2));
}

export class Debts {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS debts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        debt TEXT NOT NULL,              -- Debt
        since_ms INTEGER NOT NULL,
        failed_attempts INTEGER NOT NULL,
        next_try_ms INTEGER,             -- null: given up
        failure TEXT NOT NULL            -- Failure, of the last try
      );
    `);
  }

  add(debt: Debt, failure: Failure, now: number, random: number): void {
    this.#sql.exec(
      "INSERT INTO debts (debt, since_ms, failed_attempts, next_try_ms, failure) VALUES (?, ?, 0, ?, ?)",
      JSON.stringify(debt),
      now,
      nextTryMs(now, 0, now, random),
      JSON.stringify(failure),
    );
  }

  /** An upload has been aborted: it is looked at once more when no part can be under way any more. */
  recheckLater(uploadId: string, now: number): void {
    this.#sql.exec(
      "INSERT INTO debts (debt, since_ms, failed_attempts, next_try_ms, failure) VALUES (?, ?, 0, ?, ?)",
      JSON.stringify({ kind: "recheck", uploadId } satisfies Debt),
      now,
      now + LATEST_PART_MS,
      JSON.stringify(meshFailure("cancelled", "a part may have landed after the abort", "ListParts")),
    );
  }

  /** What is owed. An upload that is only to be looked at once more is none. */
  all(): OwedDebt[] {
    return this.#rows().filter(({ debt }) => debt.kind !== "recheck");
  }

  #rows(): OwedDebt[] {
    return this.#sql
      .exec("SELECT * FROM debts ORDER BY id")
      .toArray()
      .map((row) => ({
        id: Number(row["id"]),
        debt: JSON.parse(String(row["debt"])) as Debt,
        sinceMs: Number(row["since_ms"]),
        failedAttempts: Number(row["failed_attempts"]),
        nextTryMs: row["next_try_ms"] === null ? null : Number(row["next_try_ms"]),
        failure: JSON.parse(String(row["failure"])) as Failure,
      }));
  }

  due(now: number): OwedDebt[] {
    return this.#rows().filter((owed) => owed.nextTryMs !== null && owed.nextTryMs <= now);
  }

  count(): number {
    return this.all().length;
  }

  /** The time of the next try, or null when there is none. */
  nextTryMs(): number | null {
    const next = this.#sql.exec("SELECT min(next_try_ms) AS next FROM debts").one()["next"];
    return next === null || next === undefined ? null : Number(next);
  }

  paid({ id }: OwedDebt): void {
    this.#sql.exec("DELETE FROM debts WHERE id = ?", id);
  }

  stillOwed({ id, sinceMs, failedAttempts }: OwedDebt, failure: Failure, now: number, random: number): void {
    this.#sql.exec(
      "UPDATE debts SET failed_attempts = ?, next_try_ms = ?, failure = ? WHERE id = ?",
      failedAttempts + 1,
      nextTryMs(sinceMs, failedAttempts + 1, now, random),
      JSON.stringify(failure),
      id,
    );
  }

  /** A part has landed in an upload that was only to be looked at: now it is owed. */
  nowOwed({ id }: OwedDebt, uploadId: string): void {
    this.#sql.exec(
      "UPDATE debts SET debt = ? WHERE id = ?",
      JSON.stringify({ kind: "upload", uploadId } satisfies Debt),
      id,
    );
  }

  /** A person says that it may work now. */
  tryNow(now: number): void {
    this.#sql.exec("UPDATE debts SET next_try_ms = ?", now);
  }
}
