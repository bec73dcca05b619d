// The keys that must be looked at, in the replicator's SQLite: each key once, however many events name it.
//
// Invariants:
// - A key is worked on once at a time. A hint that comes meanwhile is not lost: the key is looked at again.
// - Keys are taken in the order of their last event. One that changes all the time waits PATIENCE_MS at most.
// - What was just worked on rests for REST_MS, so a key that changes ten times in a second is copied twice.
//
// A row that is `done` only keeps that rest, and is removed by the next sweep.

/** Where a hint comes from: what only a repair has found is an event that was lost. */
type Origin = "event" | "repair";

/** How long a key that changes all the time may be overtaken by others. */
const PATIENCE_MS = 10_000;

interface HintedKey {
  readonly key: string;
  /** Null: the event does not say. */
  readonly atMs: number | null;
}

export interface QueueCounts {
  readonly waiting: number;
  /** With a lane, or with a copy of their own. */
  readonly working: number;
  readonly failed: number;
  /** Since when the key waits that has waited longest; null: none waits. */
  readonly oldestMs: number | null;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY,            -- at the source
    state TEXT NOT NULL,             -- waiting, working, copying, failed or done
    origin TEXT NOT NULL,            -- event or repair
    hint_ms INTEGER,                 -- when it happened, by the last event
    taken_ms INTEGER NOT NULL,       -- since when it waits
    order_ms INTEGER NOT NULL,       -- its place in the queue, and when it may be worked on at the earliest
    attempts INTEGER NOT NULL,       -- that have failed
    again INTEGER NOT NULL,          -- 1: a hint has come while it was worked on
    work TEXT,                       -- what is known of it, as JSON: see the record
    failure TEXT,                    -- Failure, of one that has failed
    copy TEXT                        -- the id of the copy that writes it
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS keys_by_state ON keys (state, order_ms);
`;

const TAKE = `
  INSERT INTO keys (key, state, origin, hint_ms, taken_ms, order_ms, attempts, again)
  VALUES (?1, 'waiting', ?2, ?3, ?4, ?4, 0, 0)
  ON CONFLICT (key) DO UPDATE SET
    origin = CASE WHEN state NOT IN ('done', 'failed') AND (origin = 'event' OR ?2 = 'event') THEN 'event' ELSE ?2 END,
    hint_ms = ?3,
    taken_ms = CASE WHEN state IN ('done', 'failed') THEN ?4 ELSE taken_ms END,
    order_ms = CASE
      WHEN state = 'done' THEN max(?4, order_ms)
      WHEN state = 'failed' THEN ?4
      WHEN state = 'waiting' AND attempts = 0 THEN max(order_ms, min(?4, taken_ms + ${PATIENCE_MS}))
      ELSE order_ms END,
    again = CASE WHEN state IN ('working', 'copying') THEN 1 ELSE 0 END,
    attempts = CASE WHEN state IN ('done', 'failed') THEN 0 ELSE attempts END,
    work = CASE WHEN state IN ('done', 'failed') THEN NULL ELSE work END,
    failure = CASE WHEN state = 'failed' THEN NULL ELSE failure END,
    state = CASE WHEN state IN ('done', 'failed') THEN 'waiting' ELSE state END
`;

export class KeyQueue {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(SCHEMA);
  }

  /** Takes hints in; the caller makes it one transaction. */
  take(hints: readonly HintedKey[], origin: Origin, now: number): void {
    for (const { key, atMs } of hints) this.#sql.exec(TAKE, key, origin, atMs, now);
  }

  counts(): QueueCounts {
    const row = this.#sql
      .exec(
        `SELECT count(CASE state WHEN 'waiting' THEN 1 END) AS waiting,
           count(CASE WHEN state IN ('working', 'copying') THEN 1 END) AS working,
           count(CASE state WHEN 'failed' THEN 1 END) AS failed,
           min(CASE WHEN state IN ('waiting', 'working', 'copying') THEN taken_ms END) AS oldest
         FROM keys`,
      )
      .one();
    return {
      waiting: Number(row["waiting"]),
      working: Number(row["working"]),
      failed: Number(row["failed"]),
      oldestMs: row["oldest"] === null ? null : Number(row["oldest"]),
    };
  }
}
