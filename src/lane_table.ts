// The lanes of one owner, a copy or a sync, in its SQLite: which of them are expected to call, and since when they have
// not.
//
// Invariant: a lane stands here from the moment it is woken until it is told to rest or has been silent for
// LANE_LEASE_MS, after which it counts as dead.

import { LANE_LEASE_MS } from "./part_table.ts";

export class LaneTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS lanes (lane INTEGER PRIMARY KEY, seen_at_ms INTEGER NOT NULL)",
    );
  }

  /** A lane has called, or has been woken and is expected to. */
  expect(lane: number, now: number): void {
    this.#sql.exec("INSERT OR REPLACE INTO lanes VALUES (?, ?)", lane, now);
  }

  forget(lane: number): void {
    this.#sql.exec("DELETE FROM lanes WHERE lane = ?", lane);
  }

  live(): number[] {
    return numbers(this.#sql.exec("SELECT lane FROM lanes ORDER BY lane"));
  }

  /** Forgets the lanes that have been silent for too long. @returns those lanes */
  takeSilent(now: number): number[] {
    const silent = numbers(
      this.#sql.exec("SELECT lane FROM lanes WHERE seen_at_ms < ?", now - LANE_LEASE_MS),
    );
    for (const lane of silent) this.forget(lane);
    return silent;
  }
}

function numbers(rows: Iterable<Record<string, SqlStorageValue>>): number[] {
  return Array.from(rows, (row) => Number(row["lane"]));
}
