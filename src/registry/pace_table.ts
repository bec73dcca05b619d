// How fast work between each two stores has been, in the registry's SQLite: the best of the last days, of
// objects and of bytes each. Work of small objects shows the one, work of large ones the other.

import { type Pace, UNKNOWN_PACE } from "../view/pace.ts";

/** What is older is forgotten: stores and their limits change. */
const KEPT_MS = 7 * 24 * 3_600_000;

/** What two stores are called between which work runs. */
export interface StorePair {
  readonly source: string;
  readonly destination: string;
}

const MEASURES = ["objects", "bytes"] as const;

export class PaceTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS paces (
        source TEXT NOT NULL,
        destination TEXT NOT NULL,
        measure TEXT NOT NULL,          -- objects or bytes
        per_second REAL NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (source, destination, measure)
      ) WITHOUT ROWID;
    `);
  }

  /** @param rate as the status of work shows it; a field that is null or absent says nothing */
  note({ source, destination }: StorePair, rate: Readonly<Record<string, number | null>>, now: number): void {
    for (const measure of MEASURES) {
      const perSecond = rate[`${measure}PerSecond`] ?? 0;
      if (perSecond <= 0) continue;
      this.#sql.exec(
        `INSERT INTO paces VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET per_second = ?4, at_ms = ?5
         WHERE per_second <= ?4 OR at_ms < ?5 - ${KEPT_MS}`,
        source,
        destination,
        measure,
        perSecond,
        now,
      );
    }
  }

  between({ source, destination }: StorePair, now: number): Pace {
    const rows = this.#sql
      .exec(
        "SELECT measure, per_second FROM paces WHERE source = ? AND destination = ? AND at_ms >= ?",
        source,
        destination,
        now - KEPT_MS,
      )
      .toArray();
    return rows.reduce<Pace>(
      (pace, row) => ({ ...pace, [`${String(row["measure"])}PerSecond`]: Number(row["per_second"]) }),
      UNKNOWN_PACE,
    );
  }
}
