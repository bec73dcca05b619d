// What a claim asks of a copy's part table many times, cached in memory beside the rows in the coordinator's
// SQLite: the parts that are handed out and not done (a few per lane), and the sums over those that are done.
//
// Why in memory: an index that finds the open parts among 10,000, and a row of totals, would each be written
// three times per part. That would be three of five rows written, and rows written are billed.
//
// What it needs: the table of rows.ts. Invariant: every change of a row of `parts` goes through here, and the
// cache holds what the change returned. The caller that rolls back a transaction calls forget(); the table is
// then read again.

import { MIB } from "../http/fields.ts";
import { type OpenPart, type PartRow, openPartOf, partRowOf } from "./rows.ts";

/**
 * Sums over the parts that are done. The slowest is over all that were ever done, and null before the first.
 */
interface Done {
  readonly count: number;
  readonly bytes: number;
  readonly slowestMsPerMib: number | null;
}

interface Known {
  readonly open: Map<number, OpenPart>;
  done: Done;
}

export class PartCache {
  readonly #sql: SqlStorage;
  #known: Known | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The cache no longer matches the table. */
  forget(): void {
    this.#known = null;
  }

  /** An open part; undefined for one that is done or was never handed out. */
  get(partNumber: number): OpenPart | undefined {
    return this.#read().open.get(partNumber);
  }

  /** All open parts, in no order. */
  all(): OpenPart[] {
    return [...this.#read().open.values()];
  }

  done(): Done {
    return this.#read().done;
  }

  /** The open parts in one state, in no order. */
  inState(state: OpenPart["state"]): OpenPart[] {
    return this.all().filter((part) => part.state === state);
  }

  /** The parts that this lane alone is sending. */
  ofLane(lane: number): OpenPart[] {
    return this.inState("leased").filter((part) => part.lane === lane && !part.isRaced);
  }

  /** Adds a part that is handed out for the first time. */
  add(part: { partNumber: number; attempt: number; lane: number; length: number }, now: number): void {
    const rows = this.#sql.exec(
      `INSERT INTO parts (part_number, state, attempt, failed_attempts, lane, leased_at_ms, not_before_ms, length)
       VALUES (?, 'leased', ?, 0, ?, ?, 0, ?) RETURNING *`,
      part.partNumber,
      part.attempt,
      part.lane,
      now,
      part.length,
    );
    this.#opened(rows.one());
  }

  /** Adds a row for a part that was never handed out, if there is none. */
  addPending(partNumber: number, length: number): void {
    const rows = this.#sql.exec(
      `INSERT OR IGNORE INTO parts (part_number, state, attempt, failed_attempts, not_before_ms, length)
       VALUES (?, 'pending', 0, 0, 0, ?) RETURNING *`,
      partNumber,
      length,
    );
    for (const row of rows.toArray()) this.#opened(row);
  }

  /**
   * Changes the row of one part.
   *
   * @param change what follows SET, with a `?` for each of `values`
   * @throws {Error} when there is no such row
   */
  update(partNumber: number, change: string, ...values: (string | number | null)[]): PartRow {
    const query = `UPDATE parts SET ${change} WHERE part_number = ? RETURNING *`;
    const row = this.#sql.exec(query, ...values, partNumber).one();
    const part = partRowOf(row);
    // If nothing is cached yet, the change is read later with the rest.
    const wasOpen = this.#known?.open.has(partNumber) ?? false;
    if (part.state === "done") {
      if (wasOpen) this.#closed(part);
    } else {
      if (!wasOpen) this.#reopened(part);
      this.#opened(row);
    }
    return part;
  }

  /** Changes all rows, also of parts that are done. */
  updateAll(change: string): void {
    this.#sql.exec(`UPDATE parts SET ${change}`);
    this.forget();
  }

  clear(): void {
    this.#sql.exec("DELETE FROM parts");
    this.forget();
  }

  #read(): Known {
    if (this.#known === null) {
      const rows = this.#sql.exec("SELECT * FROM parts WHERE state <> 'done'").toArray();
      const sums = this.#sql
        .exec(
          `SELECT count(CASE state WHEN 'done' THEN 1 END) AS n,
             coalesce(sum(CASE state WHEN 'done' THEN length END), 0) AS bytes,
             max(duration_ms * 1.0 / max(length * 1.0 / ${MIB}, 1)) AS slowest FROM parts`,
        )
        .one();
      this.#known = {
        open: new Map(rows.flatMap(openPartOf).map((part) => [part.partNumber, part])),
        done: {
          count: Number(sums["n"]),
          bytes: Number(sums["bytes"]),
          slowestMsPerMib: sums["slowest"] === null ? null : Number(sums["slowest"]),
        },
      };
    }
    return this.#known;
  }

  #opened(row: Readonly<Record<string, unknown>>): void {
    for (const part of openPartOf(row)) this.#known?.open.set(part.partNumber, part);
  }

  #closed({ partNumber, length, durationMs }: PartRow): void {
    if (this.#known === null) return;
    this.#known.open.delete(partNumber);
    const { count, bytes, slowestMsPerMib } = this.#known.done;
    const msPerMib = durationMs === null ? null : durationMs / Math.max(1, length / MIB);
    this.#known.done = {
      count: count + 1,
      bytes: bytes + length,
      slowestMsPerMib: msPerMib === null ? slowestMsPerMib : Math.max(slowestMsPerMib ?? 0, msPerMib),
    };
  }

  #reopened({ length }: PartRow): void {
    if (this.#known === null) return;
    const { done } = this.#known;
    this.#known.done = { ...done, count: done.count - 1, bytes: done.bytes - length };
  }
}
