// What a copy or run has sent to both stores, as its object keeps it, and what is reserved for what is under
// way.
//
// Invariant: a row is written for each report and each step, not for each request. Only work with a budget
// has reservations, and a row for each request of its own.

import {
  type Charge,
  type Sent,
  NOTHING_SENT,
  SentCount,
  addSent,
  requestsOf,
  timesSent,
} from "../store/sent.ts";

export interface Spent {
  readonly source: Sent;
  readonly destination: Sent;
}

export const NOTHING_SPENT: Spent = { source: NOTHING_SENT, destination: NOTHING_SENT };

export function addSpent(one: Spent, other: Spent): Spent {
  return {
    source: addSent(one.source, other.source),
    destination: addSent(one.destination, other.destination),
  };
}

export type ChargeAt = (side: keyof Spent, ...charge: Parameters<Charge>) => boolean;

/** A counter for each side. */
export class SpentCount {
  readonly source: SentCount;
  readonly destination: SentCount;

  constructor(charge: ChargeAt | null = null) {
    this.source = new SentCount(charge && ((...cost) => charge("source", ...cost)));
    this.destination = new SentCount(charge && ((...cost) => charge("destination", ...cost)));
  }

  take(): Spent {
    return { source: this.source.take(), destination: this.destination.take() };
  }
}

export class SpentTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(spent: Spent): void {
    const { source, destination } = spent;
    if (isNothing(source) && isNothing(destination)) return;
    // The table is created when it is first needed: work of an older deployment has no such table.
    this.#sql.exec("CREATE TABLE IF NOT EXISTS spent (one INTEGER PRIMARY KEY, spent TEXT NOT NULL)");
    const sum = JSON.stringify(addSpent(this.all(), spent));
    this.#sql.exec("INSERT OR REPLACE INTO spent VALUES (1, ?)", sum);
  }

  all(): Spent {
    const [row] = this.#has("spent") ? this.#sql.exec("SELECT spent FROM spent").toArray() : [];
    return row === undefined ? NOTHING_SPENT : (JSON.parse(String(row["spent"])) as Spent);
  }

  /** @param name of what is under way; a second reservation replaces the first */
  reserve(name: string, spent: Spent): void {
    this.#sql.exec("CREATE TABLE IF NOT EXISTS reserved (name TEXT PRIMARY KEY, spent TEXT NOT NULL)");
    this.#sql.exec("INSERT OR REPLACE INTO reserved VALUES (?, ?)", name, JSON.stringify(spent));
  }

  /** By name. */
  reserved(): ReadonlyMap<string, Spent> {
    const rows = this.#has("reserved") ? this.#sql.exec("SELECT * FROM reserved").toArray() : [];
    return new Map(rows.map((row) => [String(row["name"]), JSON.parse(String(row["spent"])) as Spent]));
  }

  /** @returns what was reserved; null: nothing is, or not any more */
  release(name: string): Spent | null {
    if (!this.#has("reserved")) return null;
    const [row] = this.#sql.exec("DELETE FROM reserved WHERE name = ? RETURNING spent", name).toArray();
    return row === undefined ? null : (JSON.parse(String(row["spent"])) as Spent);
  }

  #has(table: "spent" | "reserved"): boolean {
    const made = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", table);
    return made.toArray().length > 0;
  }
}

function isNothing(sent: Sent): boolean {
  return requestsOf(sent) + sent.bytes === 0 && (sent.retrievalUsd ?? 0) === 0;
}

/** So many times as much. */
export function timesSpent({ source, destination }: Spent, times: number): Spent {
  return { source: timesSent(source, times), destination: timesSent(destination, times) };
}

/** What one attempt to bring this many bytes over sends: a GET and a PUT. */
export function attemptOf(sizeBytes: number): Spent {
  return {
    source: { ...NOTHING_SENT, get: 1, bytes: sizeBytes },
    destination: { ...NOTHING_SENT, put: 1 },
  };
}
