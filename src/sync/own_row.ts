// The one row of a sync in its SQLite: the request, the job, the sums, and when it began and ended.
//
// Invariant: what find() returns is what stands in the table. It is kept in memory, since a claim reads it
// twenty times; every write forgets it, and so does a transaction that fails (record.ts).

import type { RunSpec } from "./comparison_spec.ts";
import type { SyncJob } from "./phase.ts";
import type { Counters } from "./report.ts";

export interface SyncRow {
  readonly id: string;
  readonly spec: RunSpec;
  readonly job: SyncJob;
  readonly counters: Counters;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** The phase that the registry knows of. */
  readonly reported: string | null;
}

export class OwnRow {
  readonly #sql: SqlStorage;
  #row: SyncRow | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The sync, or null in an object that was never given one. */
  find(): SyncRow | null {
    this.#row ??= this.#read();
    return this.#row;
  }

  #read(): SyncRow | null {
    // A request for an ID that does not exist must not leave an object with empty tables behind.
    const made = this.#sql
      .exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sync'")
      .toArray();
    const row = made.length === 0 ? undefined : this.#sql.exec("SELECT * FROM sync").toArray()[0];
    if (row === undefined) return null;
    return {
      id: String(row["id"]),
      spec: JSON.parse(String(row["spec"])) as RunSpec,
      job: JSON.parse(String(row["job"])) as SyncJob,
      counters: JSON.parse(String(row["counters"])) as Counters,
      createdAtMs: Number(row["created_at_ms"]),
      startedAtMs: row["started_at_ms"] === null ? null : Number(row["started_at_ms"]),
      endedAtMs: row["ended_at_ms"] === null ? null : Number(row["ended_at_ms"]),
      reported: row["reported"] === null ? null : String(row["reported"]),
    };
  }

  /** @returns how many rows were written */
  write(statement: string, ...values: (string | number | null)[]): number {
    this.forget();
    return this.#sql.exec(statement, ...values).rowsWritten;
  }

  /** The table is, or is about to be, another one. */
  forget(): void {
    this.#row = null;
  }
}
