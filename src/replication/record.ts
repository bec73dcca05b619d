// The state of a replication, in its replicator's SQLite.
//
// Invariant: a change of the job and what it is about are one transaction.

import type { Taken, Hint } from "./hint.ts";
import { KeyQueue } from "./queue.ts";
import { type ReplicationSpec, targetOfHint } from "./spec.ts";

export interface ReplicationRow {
  readonly name: string;
  readonly id: string;
  readonly spec: ReplicationSpec;
  readonly createdAtMs: number;
}

/** Since the beginning. */
export interface Totals {
  readonly taken: number;
  readonly ignored: number;
}

const NOTHING: Totals = { taken: 0, ignored: 0 };

export class ReplicationRecord {
  readonly #storage: DurableObjectStorage;
  readonly queue: KeyQueue;
  // Parsed once: a change of the spec makes another.
  #targets: { readonly spec: string; readonly of: ReturnType<typeof targetOfHint> } | null = null;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.queue = new KeyQueue(storage.sql);
  }

  transaction<T>(change: () => T): T {
    return this.#storage.transactionSync(change);
  }

  /** Stores a new replication, or another spec of this one. */
  put({ name, id, spec, createdAtMs }: ReplicationRow): void {
    this.transaction(() => {
      this.queue.createTables();
      this.#storage.sql.exec(`
        CREATE TABLE IF NOT EXISTS replication (
          one INTEGER PRIMARY KEY CHECK (one = 1),
          name TEXT NOT NULL,
          id TEXT NOT NULL,
          spec TEXT NOT NULL,            -- ReplicationSpec
          totals TEXT NOT NULL,          -- Totals
          created_at_ms INTEGER NOT NULL
        );
      `);
      this.#storage.sql.exec(
        "INSERT INTO replication VALUES (1, ?, ?, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET spec = excluded.spec",
        name,
        id,
        JSON.stringify(spec),
        JSON.stringify(NOTHING),
        createdAtMs,
      );
    });
  }

  /** The replication, or null in an object that was never given one. */
  find(): ReplicationRow | null {
    const made = this.#storage.sql
      .exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'replication'")
      .toArray();
    const row =
      made.length === 0 ? undefined : this.#storage.sql.exec("SELECT * FROM replication").toArray()[0];
    if (row === undefined) return null;
    return {
      name: String(row["name"]),
      id: String(row["id"]),
      spec: JSON.parse(String(row["spec"])) as ReplicationSpec,
      createdAtMs: Number(row["created_at_ms"]),
    };
  }

  totals(): Totals {
    const { totals } = this.#storage.sql.exec("SELECT totals FROM replication").one();
    return { ...NOTHING, ...(JSON.parse(String(totals)) as Partial<Totals>) };
  }

  count(change: (totals: Totals) => Totals): void {
    this.#storage.sql.exec("UPDATE replication SET totals = ?", JSON.stringify(change(this.totals())));
  }

  /** Puts the keys of events into the queue. */
  take(hints: readonly Hint[], spec: ReplicationSpec, now: number): Taken {
    const text = JSON.stringify(spec);
    this.#targets = this.#targets?.spec === text ? this.#targets : { spec: text, of: targetOfHint(spec) };
    const { of } = this.#targets;
    const ours = hints.filter((hint) => of(hint) !== null);
    const taken = { taken: ours.length, ignored: hints.length - ours.length };
    this.transaction(() => {
      this.queue.take(ours, "event", now);
      this.count((totals) => ({
        ...totals,
        taken: totals.taken + taken.taken,
        ignored: totals.ignored + taken.ignored,
      }));
    });
    return taken;
  }
}
