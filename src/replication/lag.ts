// How far the destination lags behind, in the replicator's SQLite: for each five minutes of the last day how
// many keys were copied, deleted or failed, how many waited at most, and how long copies took, from the
// source's Last-Modified to the destination's acknowledgement.
//
// Times are counted in classes, each half as long again as the one before. So the table is small whatever
// happens, several stretches can be taken together, and a quantile is the upper end of its class.

const STRETCH_MS = 5 * 60_000;

const KEPT_MS = 24 * 3600_000;

/** The status shows the quantiles of so long. */
const RECENT_MS = 3600_000;

const FIRST_CLASS_MS = 250;

const GROWTH = 1.5;

/** Above the last but one, 4 days, all is one class. */
const CLASSES = 36;

interface LagSample {
  readonly copied: number;
  readonly deleted: number;
  readonly failed: number;
  /** Keys that wait now. */
  readonly pending: number;
  readonly lagsMs: readonly number[];
}

export interface Lag {
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface Stretch extends Lag {
  readonly fromMs: number;
  readonly copied: number;
  readonly deleted: number;
  readonly failed: number;
  readonly pending: number;
}

export class LagTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS lag (
        from_ms INTEGER PRIMARY KEY,
        copied INTEGER NOT NULL,
        deleted INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        pending INTEGER NOT NULL,        -- at most
        classes TEXT NOT NULL            -- how many copies of each class, as JSON
      );
    `);
  }

  add({ copied, deleted, failed, pending, lagsMs }: LagSample, now: number): void {
    const fromMs = now - (now % STRETCH_MS);
    const row = this.#sql.exec("SELECT * FROM lag WHERE from_ms = ?", fromMs).toArray()[0];
    const classes = classesOf(row);
    for (const lagMs of lagsMs) {
      const at = classAt(lagMs);
      classes[at] = (classes[at] ?? 0) + 1;
    }
    this.#sql.exec(
      "INSERT OR REPLACE INTO lag VALUES (?, ?, ?, ?, ?, ?)",
      fromMs,
      Number(row?.["copied"] ?? 0) + copied,
      Number(row?.["deleted"] ?? 0) + deleted,
      Number(row?.["failed"] ?? 0) + failed,
      Math.max(Number(row?.["pending"] ?? 0), pending),
      JSON.stringify(classes),
    );
    if (row === undefined) this.#sql.exec("DELETE FROM lag WHERE from_ms < ?", now - KEPT_MS);
  }

  /** Of the last hour. */
  recent(now: number): Lag {
    const rows = this.#sql.exec("SELECT classes FROM lag WHERE from_ms >= ?", now - RECENT_MS).toArray();
    const sum: number[] = [];
    for (const row of rows)
      for (const [at, count] of classesOf(row).entries()) sum[at] = (sum[at] ?? 0) + count;
    return lagOf(sum);
  }

  /** Of the last day, the oldest first. */
  series(now: number): Stretch[] {
    return this.#sql
      .exec("SELECT * FROM lag WHERE from_ms >= ? ORDER BY from_ms", now - KEPT_MS)
      .toArray()
      .map((row) => ({
        fromMs: Number(row["from_ms"]),
        copied: Number(row["copied"]),
        deleted: Number(row["deleted"]),
        failed: Number(row["failed"]),
        pending: Number(row["pending"]),
        ...lagOf(classesOf(row)),
      }));
  }
}

function classesOf(row: Readonly<Record<string, unknown>> | undefined): number[] {
  return row === undefined ? [] : (JSON.parse(String(row["classes"])) as (number | null)[]).map(Number);
}

function classAt(lagMs: number): number {
  const at = Math.ceil(Math.log(Math.max(1, lagMs) / FIRST_CLASS_MS) / Math.log(GROWTH));
  return Math.min(CLASSES - 1, Math.max(0, at));
}

function lagOf(classes: readonly number[]): Lag {
  return { p50Ms: quantileOf(classes, 0.5), p99Ms: quantileOf(classes, 0.99) };
}

function quantileOf(classes: readonly number[], fraction: number): number | null {
  const all = classes.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let left = Math.ceil(all * fraction);
  for (const [at, count] of classes.entries()) {
    left -= count;
    if (left <= 0) return Math.round(FIRST_CLASS_MS * GROWTH ** at);
  }
  return null;
}
