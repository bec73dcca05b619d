// The registry's index of work, in its SQLite: one row per copy and sync. It decides which syncs may start
// and what is old enough to forget.
//
// Invariants:
// - Of two syncs whose destination prefixes overlap in one bucket only one runs. The second would take the
//   first one's objects for its own, or delete them. The caller makes the check and the row one transaction.
// - Work that has not ended is never forgotten, and neither is a copy that may have left something at its
//   destination.
// - A row is deleted only after its object has removed its own storage, so nothing is left behind.
//
// The only state of the work that it holds is the phase last reported. The object is the authority.

import { isoTime } from "../http/fields.ts";
import { makeId } from "../id.ts";
import { type ObjectRef, type PrefixRef, formatObject, overlap } from "../store/address.ts";
import type { AdmittedSync, SyncSpec } from "../sync/spec.ts";

export interface SyncListRow {
  readonly id: string;
  readonly phase: string;
  readonly source: PrefixRef;
  readonly destination: PrefixRef;
  readonly dryRun: boolean;
  readonly schedule: string | null;
  readonly createdAt: string;
  readonly endedAt: string | null;
}

export class SyncRows {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS syncs (
        id TEXT PRIMARY KEY,
        phase TEXT NOT NULL,             -- admitted, then as the sync reports it
        spec TEXT NOT NULL,              -- SyncSpec
        place TEXT NOT NULL,             -- bucketIdentity() of the destination
        schedule TEXT,                   -- the schedule that started it
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER
      );
      CREATE INDEX IF NOT EXISTS syncs_by_phase ON syncs (phase, id);
      CREATE INDEX IF NOT EXISTS running_syncs ON syncs (place) WHERE ended_at_ms IS NULL;
    `);
  }

  /**
   * The id of a running sync whose destination prefix overlaps this one's, or null. A dry run writes nothing.
   */
  rival(spec: SyncSpec, identity: string): string | null {
    if (spec.dryRun) return null;
    for (const row of this.#sql.exec(
      "SELECT id, spec FROM syncs WHERE place = ? AND ended_at_ms IS NULL ORDER BY id",
      identity,
    )) {
      const other = JSON.parse(String(row["spec"])) as SyncSpec;
      if (!other.dryRun && overlap(other.destination.prefix, spec.destination.prefix))
        return String(row["id"]);
    }
    return null;
  }

  insert(spec: SyncSpec, identity: string, schedule: string | null, now: number): AdmittedSync {
    // Two syncs created in the same millisecond must still sort in the order in which they came.
    const last = this.#sql.exec("SELECT max(created_at_ms) AS last FROM syncs").one()["last"];
    const createdAtMs = Math.max(now, Number(last ?? 0) + 1);
    const id = makeId(createdAtMs, crypto.getRandomValues(new Uint8Array(10)));
    this.#sql.exec(
      "INSERT INTO syncs (id, phase, spec, place, schedule, created_at_ms) VALUES (?, 'admitted', ?, ?, ?, ?)",
      id,
      JSON.stringify(spec),
      identity,
      schedule,
      createdAtMs,
    );
    return { id, spec, createdAtMs };
  }

  takeNews(id: string, phase: string, endedAtMs: number | null): void {
    this.#sql.exec("UPDATE syncs SET phase = ?, ended_at_ms = ? WHERE id = ?", phase, endedAtMs, id);
  }

  /** Syncs that have an id and have not reported yet. */
  admitted(limit: number): AdmittedSync[] {
    return this.#sql
      .exec("SELECT id, spec, created_at_ms FROM syncs WHERE phase = 'admitted' LIMIT ?", limit)
      .toArray()
      .map((row) => ({
        id: String(row["id"]),
        spec: JSON.parse(String(row["spec"])) as SyncSpec,
        createdAtMs: Number(row["created_at_ms"]),
      }));
  }

  /** The running sync of a schedule, or null. */
  runningOf(schedule: string): string | null {
    const row = this.#sql
      .exec("SELECT id FROM syncs WHERE schedule = ? AND ended_at_ms IS NULL LIMIT 1", schedule)
      .toArray()[0];
    return row === undefined ? null : String(row["id"]);
  }

  /** Newest first. @param before the id to continue after, or null */
  list(
    phase: string | null,
    before: string | null,
    limit: number,
  ): { syncs: SyncListRow[]; next: string | null } {
    const rows = this.#sql
      .exec(
        "SELECT * FROM syncs WHERE (?1 IS NULL OR phase = ?1) AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3",
        phase,
        before,
        limit + 1,
      )
      .toArray();
    const syncs = rows.slice(0, limit).map((row): SyncListRow => {
      const { source, destination, dryRun } = JSON.parse(String(row["spec"])) as SyncSpec;
      return {
        id: String(row["id"]),
        phase: String(row["phase"]),
        source,
        destination,
        dryRun,
        schedule: row["schedule"] === null ? null : String(row["schedule"]),
        createdAt: isoTime(Number(row["created_at_ms"])),
        endedAt: row["ended_at_ms"] === null ? null : isoTime(Number(row["ended_at_ms"])),
      };
    });
    return { syncs, next: rows.length > limit ? (syncs.at(-1)?.id ?? null) : null };
  }
}

export interface CopyRow {
  readonly id: string;
  readonly phase: string;
  readonly source: ObjectRef;
  readonly destination: ObjectRef;
  readonly schedule: string | null;
  readonly createdAt: string;
  readonly endedAt: string | null;
  readonly orphans: number;
}

/** A copy as a list shows it. */
export function describeCopy({ source, destination, ...rest }: CopyRow): Record<string, unknown> {
  return { ...rest, source: formatObject(source), destination: formatObject(destination) };
}

/** Per Cron event: each one is a call to its object. */
const FORGOTTEN_AT_ONCE = 100;

export class Retention {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The oldest rows among those that ended before `cutoffMs`. */
  due(table: "copies" | "syncs", cutoffMs: number): string[] {
    if (cutoffMs < 0) return [];
    // An id begins with the time of creation, which is before the end. So this skips rows that are too young.
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

  /** Deletes everything that the registry keeps of it. */
  forget(table: "copies" | "syncs", id: string): void {
    this.#sql.exec(`DELETE FROM ${table} WHERE id = ?`, id);
    this.#sql.exec("DELETE FROM counted WHERE id = ?", id);
    this.#sql.exec("DELETE FROM idempotency WHERE copy_id = ?", id);
  }
}
