// Which copies and syncs are old enough to be forgotten. In the registry's SQLite; the registry asks each object to
// remove its own storage first, so a row goes only when nothing is left behind it.
//
// Invariant: what has not ended is never old, nor is a copy that may have left something at its destination.

import { makeId } from "./id.ts";

/** So many in one Cron event: each is a call to its object. */
export const FORGOTTEN_AT_ONCE = 100;

export class Retention {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The oldest of those that ended before `cutoffMs`. */
  due(table: "copies" | "syncs", cutoffMs: number): string[] {
    if (cutoffMs < 0) return [];
    // Ids begin with the time of creation, which is before the end: no young row is looked at.
    const before = makeId(cutoffMs, new Uint8Array(10));
    const debts = table === "copies" ? "AND orphans = 0" : "";
    return this.#sql
      .exec(
        `SELECT id FROM ${table} WHERE id < ? AND ended_at_ms < ? ${debts} ORDER BY id LIMIT ?`,
        before,
        cutoffMs,
        FORGOTTEN_AT_ONCE,
      )
      .toArray()
      .map((row) => String(row["id"]));
  }

  /** Takes out all that the registry has of it. */
  forget(table: "copies" | "syncs", id: string): void {
    this.#sql.exec(`DELETE FROM ${table} WHERE id = ?`, id);
    this.#sql.exec("DELETE FROM counted WHERE id = ?", id);
    this.#sql.exec("DELETE FROM idempotency WHERE copy_id = ?", id);
  }
}
