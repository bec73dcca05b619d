// What a copy has had restored at its source, as its object keeps it.

import type { RetrievalTier } from "../http/vocabulary.ts";

export interface Restored {
  readonly storageClass: string;
  readonly sizeBytes: number;
  /** It is restored for good. */
  readonly isTiered: boolean;
  readonly tier: RetrievalTier;
  /** How often this copy has asked. */
  readonly asks: number;
  /** Null: somebody else has asked. */
  readonly askedAtMs: number | null;
  /** Null: it cannot be read. */
  readonly readableAtMs: number | null;
  /** Then the restored copy is gone; null: never, or the store does not say. */
  readonly untilMs: number | null;
}

export class RestoredTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  save(restored: Restored): void {
    // The table is created when it is first needed: few copies restore anything.
    this.#sql.exec("CREATE TABLE IF NOT EXISTS restored (one INTEGER PRIMARY KEY, restored TEXT NOT NULL)");
    this.#sql.exec("INSERT OR REPLACE INTO restored VALUES (1, ?)", JSON.stringify(restored));
  }

  find(): Restored | null {
    const made = this.#sql
      .exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'restored'")
      .toArray();
    const [row] = made.length === 0 ? [] : this.#sql.exec("SELECT restored FROM restored").toArray();
    return row === undefined ? null : (JSON.parse(String(row["restored"])) as Restored);
  }
}
