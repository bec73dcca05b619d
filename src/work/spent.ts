// What a copy or sync has sent to both stores, as its object keeps it.
//
// Invariant: a row is written for each report and each step, not for each request.

import { type Sent, NOTHING_SENT, SentCount, addSent, requestsOf } from "../store/sent.ts";

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

/** A counter for each side. */
export class SpentCount {
  readonly source = new SentCount();
  readonly destination = new SentCount();

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
    if (requestsOf(spent.source) + requestsOf(spent.destination) === 0) return;
    // The table is created when it is first needed: work of an older deployment has no such table.
    this.#sql.exec("CREATE TABLE IF NOT EXISTS spent (one INTEGER PRIMARY KEY, spent TEXT NOT NULL)");
    const sum = JSON.stringify(addSpent(this.all(), spent));
    this.#sql.exec("INSERT OR REPLACE INTO spent VALUES (1, ?)", sum);
  }

  all(): Spent {
    const made = this.#sql
      .exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'spent'")
      .toArray();
    const [row] = made.length === 0 ? [] : this.#sql.exec("SELECT spent FROM spent").toArray();
    return row === undefined ? NOTHING_SPENT : (JSON.parse(String(row["spent"])) as Spent);
  }
}

/** What one attempt to bring this many bytes over sends: a GET and a PUT. */
export function attemptOf(sizeBytes: number): Spent {
  return {
    source: { ...NOTHING_SENT, get: 1, bytes: sizeBytes },
    destination: { ...NOTHING_SENT, put: 1 },
  };
}
