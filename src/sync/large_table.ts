// The large objects of a sync that are decided and not done, in the sync's SQLite. Each becomes a copy with a
// coordinator of its own.
//
// Invariant: a row exists until its copy has ended and its entry is written. Its sequence number names the
// copy and is never used again, so requesting the same copy twice makes one.

import type { ObjectWork } from "../work/batch_task.ts";

export interface LargeRow {
  readonly seq: number;
  readonly work: ObjectWork;
  /** Null: its copy was not started yet. */
  readonly copyId: string | null;
  /** Its copy was paused with the sync. */
  readonly paused: boolean;
}

export class LargeTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS large (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        work TEXT NOT NULL,               -- ObjectWork
        copy_id TEXT,
        paused INTEGER NOT NULL DEFAULT 0
      );
    `);
  }

  add(works: readonly ObjectWork[]): void {
    for (const work of works) this.#sql.exec("INSERT INTO large (work) VALUES (?)", JSON.stringify(work));
  }

  counts(): { waiting: number; running: number } {
    const row = this.#sql.exec("SELECT count(*) AS n, count(copy_id) AS running FROM large").one();
    return { waiting: Number(row["n"]) - Number(row["running"]), running: Number(row["running"]) };
  }

  waiting(limit: number): LargeRow[] {
    return this.#rows("WHERE copy_id IS NULL ORDER BY seq LIMIT ?", limit);
  }

  running(): LargeRow[] {
    return this.#rows("WHERE copy_id IS NOT NULL ORDER BY seq LIMIT ?", -1);
  }

  markStarted(seq: number, copyId: string): void {
    this.#sql.exec("UPDATE large SET copy_id = ? WHERE seq = ?", copyId, seq);
  }

  markPaused(seq: number, paused: boolean): void {
    this.#sql.exec("UPDATE large SET paused = ? WHERE seq = ?", paused ? 1 : 0, seq);
  }

  /** @returns whether it was there: an end that is seen twice counts once */
  take(seq: number): boolean {
    return this.#sql.exec("DELETE FROM large WHERE seq = ?", seq).rowsWritten > 0;
  }

  #rows(clause: string, limit: number): LargeRow[] {
    return this.#sql
      .exec(`SELECT seq, work, copy_id, paused FROM large ${clause}`, limit)
      .toArray()
      .map((row) => ({
        seq: Number(row["seq"]),
        work: JSON.parse(String(row["work"])) as ObjectWork,
        copyId: row["copy_id"] === null ? null : String(row["copy_id"]),
        paused: Number(row["paused"]) === 1,
      }));
  }
}
