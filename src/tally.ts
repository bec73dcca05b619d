// How often what failed in one copy, by the public code of the failure, in the coordinator's SQLite. For the metrics.

import { type Failure, publicCode } from "./failure.ts";

export class Tally {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(failure: Failure): void {
    // Made when it is first needed: most copies meet no failure, and those of an older deploy have no such table.
    this.#sql.exec("CREATE TABLE IF NOT EXISTS failed (code TEXT PRIMARY KEY, times INTEGER NOT NULL)");
    this.#sql.exec(
      "INSERT INTO failed VALUES (?, 1) ON CONFLICT (code) DO UPDATE SET times = times + 1",
      publicCode(failure),
    );
  }

  all(): Record<string, number> {
    const made = this.#sql
      .exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'failed'")
      .toArray();
    if (made.length === 0) return {};
    const rows = this.#sql.exec("SELECT code, times FROM failed ORDER BY code").toArray();
    return Object.fromEntries(rows.map((row) => [String(row["code"]), Number(row["times"])]));
  }
}
