// Who did what, in the registry's SQLite: the calls that change something, and the calls that were refused.
//
// Invariants: each of the two has its own room, so that guessing pushes out no call. A refusal that repeats
// within a minute is one row with a count, and a minute has a bounded number of rows; what goes beyond that
// is counted without the particulars. Nothing is kept longer than RETENTION_DAYS.

import { isoTime } from "../http/fields.ts";
import { makeId } from "../http/id.ts";

export interface AuditedCall {
  readonly atMs: number;
  /** Null: a caller who was not recognised. */
  readonly who: string | null;
  readonly method: string;
  /** As in the description of the API; null: there is none. */
  readonly route: string | null;
  /** The id or name of what the call is about, or of what it has started. */
  readonly target: string | null;
  /** What it reads and writes, in words. */
  readonly places: string | null;
  readonly address: string | null;
  readonly ray: string | null;
  readonly status: number;
  readonly code: string | null;
}

/** A refusal, and how often it came in the same minute. */
export interface Refusal {
  readonly call: AuditedCall;
  readonly times: number;
}

/** A row as GET /audit shows it. */
interface AuditRow extends Omit<AuditedCall, "atMs"> {
  readonly id: string;
  readonly at: string;
  readonly times: number;
}

export interface AuditFilter {
  /** Null: everybody, also those who were not recognised. */
  readonly who: string | null;
  readonly sinceMs: number;
}

export interface AuditPage {
  readonly calls: AuditRow[];
  readonly next: string | null;
}

const MAX_ROWS = { audited: 100_000, refused: 20_000 } as const;

const ROWS_A_MINUTE = 200;

const MINUTE_MS = 60_000;

type TableName = keyof typeof MAX_ROWS;

const TABLES: readonly TableName[] = ["audited", "refused"];

export class AuditTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    for (const table of TABLES) {
      this.#sql.exec(`
        CREATE TABLE IF NOT EXISTS ${table} (
          seq INTEGER PRIMARY KEY,
          id TEXT NOT NULL UNIQUE,       -- sorts by time
          at_ms INTEGER NOT NULL,
          likeness TEXT UNIQUE,          -- of refusals: the minute, and what they have in common
          who TEXT, method TEXT NOT NULL, route TEXT, target TEXT, places TEXT, address TEXT, ray TEXT,
          status INTEGER NOT NULL, code TEXT, times INTEGER NOT NULL
        );
        CREATE INDEX IF NOT EXISTS ${table}_by_caller ON ${table} (who, id);
      `);
    }
  }

  /** Call it in a transaction. */
  add(call: AuditedCall): void {
    this.#insert("audited", call, null, 1);
  }

  /** Call it in a transaction. @param count for the metrics */
  addRefusals(refusals: readonly Refusal[], count: (code: string, times: number) => void): void {
    const rows = new Map<string, number>();
    for (const { call, times } of refusals) {
      count(call.code ?? "none", times);
      const minute = Math.floor(call.atMs / MINUTE_MS);
      const { who, method, route, address, code } = call;
      const own = JSON.stringify([minute, who, method, route, address, code]);
      const isKnown = this.#sql.exec("SELECT 1 FROM refused WHERE likeness = ?", own).toArray().length > 0;
      // Who guesses hides nothing of what those do who are recognised.
      const room = `${minute} ${who !== null}`;
      const used = rows.get(room) ?? this.#rowsOf(minute, who !== null);
      const fits = isKnown || used < ROWS_A_MINUTE;
      rows.set(room, used + (isKnown || !fits ? 0 : 1));
      if (fits) this.#insert("refused", call, own, times);
      else this.#insert("refused", { ...call, ...UNTOLD }, JSON.stringify([minute, code]), times);
    }
  }

  #rowsOf(minute: number, isRecognised: boolean): number {
    const begun = makeId(minute * MINUTE_MS, new Uint8Array(10));
    const { n } = this.#sql
      .exec(
        "SELECT count(*) AS n FROM refused WHERE id >= ? AND (who IS NOT NULL) = ?",
        begun,
        isRecognised ? 1 : 0,
      )
      .one();
    return Number(n);
  }

  #insert(table: TableName, call: AuditedCall, likeness: string | null, times: number): void {
    const { atMs, who, method, route, target, places, address, ray, status, code } = call;
    this.#sql.exec(
      `INSERT INTO ${table} (id, at_ms, likeness, who, method, route, target, places, address, ray, status, code, times)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (likeness) DO UPDATE SET times = times + excluded.times`,
      makeId(atMs, crypto.getRandomValues(new Uint8Array(10))),
      atMs,
      likeness,
      who,
      method,
      route,
      target,
      places,
      address,
      ray,
      status,
      code,
      times,
    );
    this.#sql.exec(`DELETE FROM ${table} WHERE seq <= (SELECT max(seq) FROM ${table}) - ?`, MAX_ROWS[table]);
  }

  /** Newest first. @param before the id to continue after, or null */
  list({ who, sinceMs }: AuditFilter, before: string | null, limit: number): AuditPage {
    const from = makeId(sinceMs, new Uint8Array(10));
    const found = TABLES.flatMap((table) =>
      this.#sql
        .exec(
          `SELECT * FROM ${table} WHERE id >= ?1 AND id < ?2 ${who === null ? "" : "AND who = ?4"}
           ORDER BY id DESC LIMIT ?3`,
          from,
          before ?? AFTER_ALL,
          limit + 1,
          ...(who === null ? [] : [who]),
        )
        .toArray(),
    ).toSorted((one, other) => (String(one["id"]) < String(other["id"]) ? 1 : -1));
    const calls = found.slice(0, limit).map(rowOf);
    return { calls, next: found.length > limit ? (calls.at(-1)?.id ?? null) : null };
  }

  /** Forgets what is older. */
  forget(cutoffMs: number): void {
    if (cutoffMs < 0) return;
    const before = makeId(cutoffMs, new Uint8Array(10));
    for (const table of TABLES) this.#sql.exec(`DELETE FROM ${table} WHERE id < ?`, before);
  }
}

/** Sorts after every id. */
const AFTER_ALL = "~";

/** Of refusals beyond what a minute holds. */
const UNTOLD = { who: null, method: "*", route: null, target: null, places: null, address: null, ray: null };

function rowOf(row: Readonly<Record<string, unknown>>): AuditRow {
  const text = (name: string) => (typeof row[name] === "string" ? row[name] : null);
  return {
    id: String(row["id"]),
    at: isoTime(Number(row["at_ms"])),
    who: text("who"),
    method: String(row["method"]),
    route: text("route"),
    target: text("target"),
    places: text("places"),
    address: text("address"),
    ray: text("ray"),
    status: Number(row["status"]),
    code: text("code"),
    times: Number(row["times"]),
  };
}
