// The keys that must be looked at, in the replicator's SQLite: each key once, however many events name it.
//
// Invariants:
// - A key is worked on once at a time. A hint that comes meanwhile is not lost: the key is looked at again.
// - Keys are taken in the order of their last event. One that changes all the time waits PATIENCE_MS at most.
// - What was just worked on rests for REST_MS, so a key that changes ten times in a second is copied twice.
//
// A row that is `done` only keeps that rest, and is removed by the next sweep.

import type { Failure } from "../s3/failure.ts";
import type { ObjectWork } from "../work/batch_task.ts";

/** Where a hint comes from: what only a repair has found is an event that was lost. */
type Origin = "event" | "repair";

/**
 * What a key is looked at for. `remove`: its object was gone at the source, and its copy is to go too.
 * `held`: a person was told that its copy would go, and has not decided; if the source has it again, it is
 * copied.
 */
type Mode = "follow" | "remove" | "held";

/** How long a key that changes all the time may be overtaken by others. */
const PATIENCE_MS = 10_000;

const REST_MS = 1_000;

interface HintedKey {
  readonly key: string;
  /** Null: the event does not say. */
  readonly atMs: number | null;
}

/** A key that is worked on. */
export interface KeyRow {
  readonly key: string;
  readonly origin: Origin;
  readonly mode: Mode;
  readonly attempts: number;
  /** Of one that needs a copy of its own. */
  readonly work: ObjectWork | null;
  readonly seq: number;
  readonly copyId: string | null;
}

export interface FailedRow {
  readonly key: string;
  readonly failure: Failure;
  readonly attempts: number;
}

export interface QueueCounts {
  readonly waiting: number;
  /** Deletions that wait for a person: more than an hour may have. */
  readonly held: number;
  /** With a lane, or with a copy of their own. */
  readonly working: number;
  readonly failed: number;
}

type Counted = "waiting" | "working" | "copying" | "held" | "failed";

const NO_KEYS: Readonly<Record<Counted, number>> = { waiting: 0, working: 0, copying: 0, held: 0, failed: 0 };

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY,            -- at the source
    state TEXT NOT NULL,             -- waiting, working, copying, held, failed or done
    mode TEXT NOT NULL DEFAULT 'follow',
    origin TEXT NOT NULL,            -- event or repair
    hint_ms INTEGER,                 -- when it happened, by the last event
    taken_ms INTEGER NOT NULL,       -- since when it waits
    order_ms INTEGER NOT NULL,       -- its place in the queue, and when it may be worked on at the earliest
    attempts INTEGER NOT NULL,       -- that have failed
    again INTEGER NOT NULL,          -- 1: a hint has come while it was worked on
    work TEXT,                       -- ObjectWork, of one that is copying
    failure TEXT,                    -- Failure, of one that has failed
    seq INTEGER,                     -- stands for that copy, under which it is requested once
    copy TEXT                        -- the id of the copy that writes it
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS keys_by_state ON keys (state, order_ms);
`;

const TAKE = `
  INSERT INTO keys (key, state, origin, hint_ms, taken_ms, order_ms, attempts, again)
  VALUES (?1, 'waiting', ?2, ?3, ?4, ?4, 0, 0)
  ON CONFLICT (key) DO UPDATE SET
    origin = CASE WHEN state NOT IN ('done', 'failed', 'held') AND (origin = 'event' OR ?2 = 'event') THEN 'event' ELSE ?2 END,
    hint_ms = ?3,
    taken_ms = CASE WHEN state IN ('done', 'failed', 'held') THEN ?4 ELSE taken_ms END,
    order_ms = CASE
      WHEN state = 'done' THEN max(?4, order_ms)
      WHEN state IN ('failed', 'held') THEN ?4
      WHEN state = 'waiting' AND attempts = 0 THEN max(order_ms, min(?4, taken_ms + ${PATIENCE_MS}))
      ELSE order_ms END,
    again = CASE WHEN state IN ('working', 'copying') THEN 1 ELSE 0 END,
    attempts = CASE WHEN state IN ('done', 'failed', 'held') THEN 0 ELSE attempts END,
    work = CASE WHEN state IN ('done', 'failed', 'held') THEN NULL ELSE work END,
    mode = CASE WHEN state IN ('working', 'copying') OR mode = 'held' THEN mode ELSE 'follow' END,
    failure = CASE WHEN state = 'failed' THEN NULL ELSE failure END,
    state = CASE WHEN state IN ('done', 'failed', 'held') THEN 'waiting' ELSE state END
`;

export class KeyQueue {
  readonly #sql: SqlStorage;
  // Keys by state. In memory only: counted once, then kept with each change, because the queue may be long
  // and each event asks. Null: it is to be counted.
  #counts: Record<Counted, number> | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#counts = null;
    this.#sql.exec(SCHEMA);
  }

  /** Takes hints in; the caller makes it one transaction. */
  take(hints: readonly HintedKey[], origin: Origin, now: number): void {
    for (const { key, atMs } of hints) this.#change(TAKE, key, origin, atMs, now);
  }

  /** The keys whose turn it is, which are worked on from now on. */
  begin(most: number, now: number): KeyRow[] {
    const counts = this.#counted();
    const rows = this.#sql
      .exec(
        "SELECT * FROM keys WHERE state = 'waiting' AND order_ms <= ? ORDER BY order_ms LIMIT ?",
        now,
        most,
      )
      .toArray()
      .map(rowOf);
    for (const { key } of rows)
      this.#sql.exec("UPDATE keys SET state = 'working', again = 0 WHERE key = ?", key);
    counts.waiting -= rows.length;
    counts.working += rows.length;
    return rows;
  }

  find(key: string): KeyRow | null {
    const [row] = this.#sql.exec("SELECT * FROM keys WHERE key = ?", key).toArray();
    return row === undefined ? null : rowOf(row);
  }

  /** It is as it should be; if a hint has come meanwhile, it is looked at again. */
  end(key: string, now: number): void {
    this.#change(
      `UPDATE keys SET
         state = CASE again WHEN 1 THEN 'waiting' ELSE 'done' END,
         taken_ms = CASE again WHEN 1 THEN ?2 ELSE taken_ms END,
         order_ms = ?2 + ${REST_MS}, again = 0, attempts = 0, mode = 'follow', work = NULL, copy = NULL
       WHERE key = ?1`,
      key,
      now,
    );
  }

  /** It is looked at again, not before then. */
  again(key: string, mode: Mode, attempts: number, notBeforeMs: number): void {
    this.#change(
      `UPDATE keys SET state = 'waiting', mode = ?2, attempts = ?3, order_ms = max(order_ms, ?4), again = 0,
         work = NULL, copy = NULL WHERE key = ?1`,
      key,
      mode,
      attempts,
      notBeforeMs,
    );
  }

  /** It is given up, until a hint or a repair names it again. */
  fail(key: string, failure: Failure, attempts: number, now: number): void {
    const [row] = this.#sql.exec("SELECT again FROM keys WHERE key = ?", key).toArray();
    if (Number(row?.["again"] ?? 0) === 1) return this.again(key, "follow", 0, now);
    this.#change(
      "UPDATE keys SET state = 'failed', failure = ?2, attempts = ?3, work = NULL, copy = NULL WHERE key = ?1",
      key,
      JSON.stringify(failure),
      attempts,
    );
  }

  /** Nothing is deleted before a person decides; if a hint has come meanwhile, it is looked at again. */
  hold(key: string): void {
    this.#change(
      `UPDATE keys SET state = CASE again WHEN 1 THEN 'waiting' ELSE 'held' END, mode = 'held', again = 0
       WHERE key = ?`,
      key,
    );
  }

  /** A person has seen how much is to be deleted. */
  releaseHeld(now: number): void {
    const counts = this.#counted();
    this.#sql.exec(
      "UPDATE keys SET state = 'waiting', order_ms = ?, mode = 'follow' WHERE state = 'held'",
      now,
    );
    this.#sql.exec("UPDATE keys SET mode = 'follow' WHERE state IN ('waiting', 'working') AND mode = 'held'");
    counts.waiting += counts.held;
    counts.held = 0;
  }

  /** It needs a copy of its own. */
  copyAlone(key: string, work: ObjectWork, seq: number): void {
    this.#change(
      "UPDATE keys SET state = 'copying', work = ?2, seq = ?3, copy = NULL WHERE key = ?1",
      key,
      JSON.stringify(work),
      seq,
    );
  }

  copyStarted(key: string, copyId: string): void {
    this.#sql.exec("UPDATE keys SET copy = ? WHERE key = ?", copyId, key);
  }

  /** The keys with a copy of their own, begun or not. */
  copying(most: number): KeyRow[] {
    return this.#sql
      .exec("SELECT * FROM keys WHERE state = 'copying' ORDER BY copy IS NULL, order_ms LIMIT ?", most)
      .toArray()
      .map(rowOf);
  }

  /** When the next key may be looked at; null: none waits. */
  nextMs(): number | null {
    const { at } = this.#sql.exec("SELECT min(order_ms) AS at FROM keys WHERE state = 'waiting'").one() as {
      at: number | null;
    };
    return at === null ? null : Number(at);
  }

  /** Drops what waits: a sync will look at every key. What a person is to decide stays. */
  dropWaiting(): void {
    this.#sql.exec("UPDATE keys SET state = 'held' WHERE state = 'waiting' AND mode = 'held'");
    this.#sql.exec("DELETE FROM keys WHERE state IN ('waiting', 'failed')");
    this.#counts = null;
  }

  /** Removes what has rested. */
  sweep(now: number): void {
    this.#sql.exec("DELETE FROM keys WHERE state = 'done' AND order_ms <= ?", now);
  }

  failures(most: number): FailedRow[] {
    return this.#sql
      .exec("SELECT key, failure, attempts FROM keys WHERE state = 'failed' ORDER BY key LIMIT ?", most)
      .toArray()
      .map((row) => ({
        key: String(row["key"]),
        failure: JSON.parse(String(row["failure"])) as Failure,
        attempts: Number(row["attempts"]),
      }));
  }

  /** Since when the key waits that has waited longest; null: none waits. It reads all that wait. */
  oldestMs(): number | null {
    const { oldest } = this.#sql
      .exec("SELECT min(taken_ms) AS oldest FROM keys WHERE state IN ('waiting', 'working', 'copying')")
      .one();
    return oldest === null ? null : Number(oldest);
  }

  counts(): QueueCounts {
    const { waiting, working, copying, held, failed } = this.#counted();
    return { waiting, working: working + copying, held, failed };
  }

  /** What was counted is not to be relied on: a transaction was rolled back. */
  countAgain(): void {
    this.#counts = null;
  }

  #counted(): Record<Counted, number> {
    if (this.#counts !== null) return this.#counts;
    const counts = { ...NO_KEYS };
    const query = "SELECT state, count(*) AS n FROM keys WHERE state <> 'done' GROUP BY state";
    for (const { state, n } of this.#sql.exec(query)) counts[String(state) as Counted] = Number(n);
    this.#counts = counts;
    return counts;
  }

  /** Changes one key, and counts it where it is then. */
  #change(query: string, key: string, ...values: readonly (string | number | null)[]): void {
    const counts = this.#counted();
    const before = this.#stateOf(key);
    this.#sql.exec(query, key, ...values);
    const after = this.#stateOf(key);
    if (before === after) return;
    if (before !== null) counts[before] -= 1;
    if (after !== null) counts[after] += 1;
  }

  /** Null: there is none, or it only rests. */
  #stateOf(key: string): Counted | null {
    const query = "SELECT state FROM keys WHERE key = ? AND state <> 'done'";
    const [row] = this.#sql.exec(query, key).toArray();
    return row === undefined ? null : (String(row["state"]) as Counted);
  }
}

function rowOf(row: Readonly<Record<string, unknown>>): KeyRow {
  return {
    key: String(row["key"]),
    origin: String(row["origin"]) as Origin,
    mode: String(row["mode"]) as Mode,
    attempts: Number(row["attempts"]),
    work: row["work"] === null ? null : (JSON.parse(String(row["work"])) as ObjectWork),
    seq: Number(row["seq"] ?? 0),
    copyId: row["copy"] === null ? null : String(row["copy"]),
  };
}
