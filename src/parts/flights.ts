// The attempts under way of parts that are sent twice, in the coordinator's SQLite beside the part table.
// These are the slowest parts at the end of a copy: a second lane tries each on a new connection
// (copy/dispatch.ts).
//
// Invariant: a row is an attempt that a lane may still be sending. The rows of a part that is done are beaten
// attempts. They are cancelled, and the upload is neither completed nor aborted before they have ended: a
// beaten attempt that reaches the store after the winner replaces it, with the same bytes and perhaps another
// ETag.

import type { PartCache } from "./cache.ts";
import type { Leased } from "./rows.ts";

interface Flight {
  readonly partNumber: number;
  readonly attempt: number;
  readonly lane: number;
}

/** A beaten attempt that has not ended this long after its cancellation has died with its lane. */
const BEATEN_PATIENCE_MS = 15_000;

export class FlightTable {
  readonly #sql: SqlStorage;
  readonly #open: PartCache;

  constructor(sql: SqlStorage, open: PartCache) {
    this.#sql = sql;
    this.#open = open;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS flights (
        part_number INTEGER NOT NULL, attempt INTEGER NOT NULL, lane INTEGER NOT NULL,
        lost_at_ms INTEGER,               -- when another attempt won; null: the race is open
        PRIMARY KEY (part_number, attempt)
      );
    `);
  }

  #add({ partNumber, attempt, lane }: Flight): void {
    this.#sql.exec("INSERT INTO flights VALUES (?, ?, ?, NULL)", partNumber, attempt, lane);
  }

  /** Parts under way on other lanes that were not sent twice yet: since when, and how long they are. */
  running(besidesLane: number): { partNumber: number; length: number; sinceMs: number }[] {
    return this.#open
      .inState("leased")
      .filter((part) => part.lane !== besidesLane && !part.isRaced && part.heldEtag === null)
      .map(({ partNumber, length, leasedAtMs }) => ({ partNumber, length, sinceMs: leasedAtMs ?? 0 }));
  }

  /** The median time per byte of the finished parts, and how many there are. */
  medianPace(): { msPerByte: number; count: number } {
    const count = Number(
      this.#sql.exec("SELECT count(duration_ms) AS n FROM parts WHERE state = 'done'").one()["n"],
    );
    if (count === 0) return { msPerByte: 0, count };
    const { pace } = this.#sql
      .exec(
        `SELECT duration_ms * 1.0 / max(length, 1) AS pace FROM parts
         WHERE state = 'done' AND duration_ms IS NOT NULL ORDER BY pace LIMIT 1 OFFSET ?`,
        Math.floor(count / 2),
      )
      .one();
    return { msPerByte: Number(pace), count };
  }

  /** Leases a part that is under way to a second lane as well. */
  race(partNumber: number, lane: number, now: number): Leased {
    const part = this.#open.get(partNumber);
    if (part === undefined || part.lane === null) throw new Error(`Part ${partNumber} is on no lane`);
    const attempt = part.attempt + 1;
    this.#add({ partNumber, attempt: part.attempt, lane: part.lane });
    this.#add({ partNumber, attempt, lane });
    this.#open.update(partNumber, "attempt = ?, lane = ?, leased_at_ms = ?, raced = 1", attempt, lane, now);
    this.#sql.exec("UPDATE totals SET raced = raced + 1");
    return { partNumber, attempt, failedAttempts: part.failedAttempts, heldEtag: null };
  }

  /** How many parts were sent twice at once. */
  raced(): number {
    return Number(this.#sql.exec("SELECT raced AS n FROM totals").one()["n"]);
  }

  /** An attempt has ended. @returns whether it was one of these */
  take(partNumber: number, attempt: number): boolean {
    const taken = this.#sql.exec(
      "DELETE FROM flights WHERE part_number = ? AND attempt = ? RETURNING attempt",
      partNumber,
      attempt,
    );
    return taken.toArray().length > 0;
  }

  /** Is any attempt of this part still under way? */
  has(partNumber: number): boolean {
    return this.#sql.exec("SELECT 1 FROM flights WHERE part_number = ?", partNumber).toArray().length > 0;
  }

  count(): number {
    return Number(this.#sql.exec("SELECT count(*) AS n FROM flights").one()["n"]);
  }

  ofLane(lane: number): Flight[] {
    return this.#flights("lane = ?", lane);
  }

  /** Another attempt of the part has won: those still under way are beaten. */
  markBeaten(partNumber: number, now: number): void {
    this.#sql.exec(
      "UPDATE flights SET lost_at_ms = ? WHERE part_number = ? AND lost_at_ms IS NULL",
      now,
      partNumber,
    );
  }

  /** The beaten attempts, which must be cancelled. */
  beaten(): Flight[] {
    return this.#flights("lost_at_ms IS NOT NULL");
  }

  /**
   * Forgets beaten attempts that have not ended in time: they are dead. Before completion ListParts shows
   * whether they stored the part.
   */
  forgetDead(now: number): void {
    this.#sql.exec("DELETE FROM flights WHERE lost_at_ms <= ?", now - BEATEN_PATIENCE_MS);
  }

  clear(): void {
    this.#sql.exec("DELETE FROM flights");
  }

  #flights(where: string, ...values: number[]): Flight[] {
    return this.#sql
      .exec(`SELECT part_number, attempt, lane FROM flights WHERE ${where} ORDER BY part_number`, ...values)
      .toArray()
      .map((row) => ({
        partNumber: Number(row["part_number"]),
        attempt: Number(row["attempt"]),
        lane: Number(row["lane"]),
      }));
  }
}
