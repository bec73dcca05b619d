// The lanes of one owner, a copy or a sync, that are expected to call, in the owner's SQLite. A lane is
// listed from the moment it is woken, and is forgotten when it is told that there is nothing more to do.

/** A lane calls at least every 20 s; one that has been silent for this long is dead. */
export const LANE_LEASE_MS = 90_000;

/**
 * A call is recorded only if the last recorded one is older than this: a row for each of ten thousand calls
 * would be billed.
 */
const NOTED_EVERY_MS = 10_000;

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

  /** A lane is expected to call, or has just called. */
  expect(lane: number, now: number): void {
    this.#sql.exec(
      `INSERT INTO lanes VALUES (?1, ?2) ON CONFLICT (lane) DO UPDATE SET seen_at_ms = ?2 WHERE seen_at_ms <= ?3`,
      lane,
      now,
      now - NOTED_EVERY_MS,
    );
  }

  /** A lane that was told to rest or stop is not expected to call again. */
  forget(lane: number): void {
    this.#sql.exec("DELETE FROM lanes WHERE lane = ?", lane);
  }

  /**
   * The first lanes that are asleep, which are expected from now on.
   *
   * @param wanted how many there is work for
   * @param most lanes that may be awake, with those that are
   */
  chooseAsleep(wanted: number, most: number, now: number): number[] {
    const awake = new Set(this.live());
    const count = Math.min(most - awake.size, wanted);
    const chosen: number[] = [];
    for (let lane = 1; chosen.length < count; lane++) {
      if (awake.has(lane)) continue;
      this.expect(lane, now);
      chosen.push(lane);
    }
    return chosen;
  }

  /** Lanes that are expected to call. */
  live(): number[] {
    return this.#lanes("SELECT lane FROM lanes ORDER BY lane");
  }

  /** Forgets the lanes that have been silent too long. @returns those lanes */
  takeSilent(now: number): number[] {
    const silent = this.#lanes(
      "SELECT lane FROM lanes WHERE seen_at_ms < ? ORDER BY lane",
      now - LANE_LEASE_MS,
    );
    for (const lane of silent) this.forget(lane);
    return silent;
  }

  #lanes(query: string, ...values: number[]): number[] {
    return this.#sql
      .exec(query, ...values)
      .toArray()
      .map((row) => Number(row["lane"]));
  }
}
