// The archived keys of a sync that wait for their restore, in the sync's SQLite.
//
// Invariant: a row exists until its key can be copied, or has its entry. Only so many are taken in as the
// request allows (restores.ts).

import type { ObjectWork } from "../work/batch_task.ts";

export interface RestoreRow {
  readonly seq: number;
  readonly work: ObjectWork;
  /** `unknown`: is the store at it? HEAD shows that. `due`: it is to be asked. `asked`: it is at it. */
  readonly call: "unknown" | "due" | "asked";
  /** INTELLIGENT_TIERING has archived it: it is restored for good. */
  readonly isTiered: boolean;
  /** How often the run has asked for it. */
  readonly asks: number;
  readonly looks: number;
  readonly failedAttempts: number;
}

export class RestoreTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(row: Omit<RestoreRow, "seq">, nextMs: number): void {
    // The table is created when it is first needed: few syncs restore anything.
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS restores (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        next_ms INTEGER NOT NULL,
        row TEXT NOT NULL                 -- RestoreRow without its number
      )
    `);
    this.#sql.exec("CREATE INDEX IF NOT EXISTS restores_next ON restores (next_ms)");
    this.#sql.exec("INSERT INTO restores (next_ms, row) VALUES (?, ?)", nextMs, JSON.stringify(row));
  }

  save({ seq, ...row }: RestoreRow, nextMs: number): void {
    this.#sql.exec(
      "UPDATE restores SET next_ms = ?, row = ? WHERE seq = ?",
      nextMs,
      JSON.stringify(row),
      seq,
    );
  }

  /** @returns whether it was there: what ends twice counts once */
  take(seq: number): boolean {
    return this.#sql.exec("DELETE FROM restores WHERE seq = ?", seq).rowsWritten > 0;
  }

  /** Those that are to be asked for or looked at. */
  due(now: number, limit: number): RestoreRow[] {
    if (!this.#isMade()) return [];
    return this.#sql
      .exec("SELECT seq, row FROM restores WHERE next_ms <= ? ORDER BY next_ms, seq LIMIT ?", now, limit)
      .toArray()
      .map((row) => ({
        seq: Number(row["seq"]),
        ...(JSON.parse(String(row["row"])) as Omit<RestoreRow, "seq">),
      }));
  }

  all(): RestoreRow[] {
    return this.due(Number.MAX_SAFE_INTEGER, -1);
  }

  /** `restoreDueMs`: when the next one is to be asked for or looked at; null: there is none. */
  counts(): { restoring: number; restoreDueMs: number | null } {
    if (!this.#isMade()) return { restoring: 0, restoreDueMs: null };
    const row = this.#sql.exec("SELECT count(*) AS n, min(next_ms) AS due FROM restores").one();
    return { restoring: Number(row["n"]), restoreDueMs: row["due"] === null ? null : Number(row["due"]) };
  }

  #isMade(): boolean {
    const made = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'restores'");
    return made.toArray().length > 0;
  }
}
