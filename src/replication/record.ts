// The state of a replication, in its replicator's SQLite.
//
// Invariant: a change of the job and what it is about are one transaction.

import type { CutoverReason } from "../http/vocabulary.ts";
import { BatchTable } from "../sync/batch_table.ts";
import type { Alert } from "../view/news.ts";
import { Timeline } from "../view/timeline.ts";
import { LaneTable } from "../work/lane_table.ts";
import { openState, stampState } from "../work/state.ts";
import type { Taken, Hint } from "./hint.ts";
import { type Facts, type JobEvent, type ReplicationJob, apply, newJob } from "./job.ts";
import { LagTable } from "./lag.ts";
import { KeyQueue } from "./queue.ts";
import { type ReplicationSpec, targetOfHint } from "./spec.ts";

export interface ReplicationRow {
  readonly name: string;
  readonly id: string;
  readonly spec: ReplicationSpec;
  readonly createdAtMs: number;
}

/** Counted since the beginning. */
export interface Totals {
  readonly taken: number;
  readonly ignored: number;
  readonly copied: number;
  readonly copiedBytes: number;
  /** Keys that were looked at and are as they should be. */
  readonly equal: number;
  readonly deleted: number;
  /** Gone at the source, and at the destination nobody knows it to be a copy. */
  readonly kept: number;
  readonly failed: number;
  /** Changes that only a repair has found. */
  readonly lost: number;
}

const NOTHING: Totals = {
  taken: 0,
  ignored: 0,
  copied: 0,
  copiedBytes: 0,
  equal: 0,
  deleted: 0,
  kept: 0,
  failed: 0,
  lost: 0,
};

interface CutoverResult {
  readonly state: "running" | "ready" | "not_ready";
  readonly atMs: number;
  readonly comparisonId: string | null;
  readonly reasons: Readonly<Partial<Record<CutoverReason, number>>>;
  /** Some of the keys. */
  readonly keys: readonly string[];
}

/** What is kept beside the job. */
export interface Notes {
  readonly nextSeq: number;
  readonly overflow: boolean;
  readonly repairWanted: boolean;
  /** Up to when repairs by schedule have been seen to. */
  readonly repairsMs: number;
  /** Of the destination, as last counted; null: never. */
  readonly destinationKeys: number | null;
  readonly lastRepair: {
    readonly comparisonId: string;
    readonly atMs: number;
    readonly found: number;
  } | null;
  readonly cutover: CutoverResult | null;
  /** The phase that the registry knows. */
  readonly reported: string | null;
  /** Those that the registry may not know. */
  readonly alerts: readonly Alert[];
  readonly nextAlert: number;
  /** Deletions in the hour that began then; `isTold`: a person was told that more are held. */
  readonly deletes: { readonly sinceMs: number; readonly count: number; readonly isTold?: boolean };
}

const MAX_NOTED_KEYS = 100;

/** While the registry cannot be reached, the oldest are forgotten. */
const MAX_ALERTS = 10;

const NO_ALERTS = { alerts: [], nextAlert: 1 } as const;

export class ReplicationRecord {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly queue: KeyQueue;
  readonly batches: BatchTable;
  readonly lanes: LaneTable;
  readonly lag: LagTable;
  readonly timeline: Timeline;
  // Parsed once: a change of the spec makes another.
  #parsed: {
    readonly text: string;
    readonly spec: ReplicationSpec;
    readonly target: ReturnType<typeof targetOfHint>;
  } | null = null;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = openState(storage.sql);
    this.queue = new KeyQueue(this.#sql);
    this.batches = new BatchTable(this.#sql);
    this.lanes = new LaneTable(this.#sql);
    this.lag = new LagTable(this.#sql);
    this.timeline = new Timeline(this.#sql, () => ({ replication: this.load().name }));
  }

  transaction<T>(change: () => T): T {
    try {
      return this.#storage.transactionSync(change);
    } catch (error) {
      this.queue.countAgain();
      throw error;
    }
  }

  /** Stores a new replication, or another spec of this one. */
  put({ name, id, spec, createdAtMs }: ReplicationRow): void {
    this.transaction(() => {
      stampState(this.#sql);
      for (const table of [this.queue, this.batches, this.lanes, this.lag, this.timeline])
        table.createTables();
      this.#sql.exec(`
        CREATE TABLE IF NOT EXISTS replication (
          one INTEGER PRIMARY KEY CHECK (one = 1),
          name TEXT NOT NULL,
          id TEXT NOT NULL,
          spec TEXT NOT NULL,            -- ReplicationSpec
          job TEXT NOT NULL,             -- ReplicationJob
          notes TEXT NOT NULL,           -- Notes
          totals TEXT NOT NULL,          -- Totals
          created_at_ms INTEGER NOT NULL
        );
        CREATE TABLE IF NOT EXISTS known (
          key TEXT PRIMARY KEY,          -- at the source
          etag TEXT NOT NULL             -- of either side, or of the mark: what the copy is known by
        ) WITHOUT ROWID;
      `);
      const notes: Notes = {
        nextSeq: 1,
        overflow: false,
        repairWanted: false,
        repairsMs: createdAtMs,
        destinationKeys: null,
        lastRepair: null,
        cutover: null,
        reported: null,
        ...NO_ALERTS,
        deletes: { sinceMs: 0, count: 0 },
      };
      this.#sql.exec(
        "INSERT INTO replication VALUES (1, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET spec = excluded.spec",
        name,
        id,
        JSON.stringify(spec),
        JSON.stringify(newJob()),
        JSON.stringify(notes),
        JSON.stringify(NOTHING),
        createdAtMs,
      );
    });
  }

  /** The replication, or null in an object that was never given one. */
  find(): ReplicationRow | null {
    const made = this.#sql
      .exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'replication'")
      .toArray();
    if (made.length === 0) return null;
    const [row] = this.#sql.exec("SELECT name, id, spec, created_at_ms FROM replication").toArray();
    if (row === undefined) return null;
    return {
      name: String(row["name"]),
      id: String(row["id"]),
      spec: this.#parse(String(row["spec"])).spec,
      createdAtMs: Number(row["created_at_ms"]),
    };
  }

  load(): ReplicationRow {
    const row = this.find();
    if (row === null) throw new Error("There is no replication in this object");
    return row;
  }

  #parse(text: string) {
    if (this.#parsed?.text !== text) {
      const spec = JSON.parse(text) as ReplicationSpec;
      this.#parsed = { text, spec, target: targetOfHint(spec) };
    }
    return this.#parsed;
  }

  #column(name: "job" | "notes" | "totals"): unknown {
    return JSON.parse(String(this.#sql.exec(`SELECT ${name} AS value FROM replication`).one()["value"]));
  }

  job(): ReplicationJob {
    return this.#column("job") as ReplicationJob;
  }

  notes(): Notes {
    // One that was made before there were alerts has none.
    return { ...NO_ALERTS, ...(this.#column("notes") as Notes) };
  }

  totals(): Totals {
    return this.#column("totals") as Totals;
  }

  note(change: Partial<Notes>): void {
    this.#sql.exec("UPDATE replication SET notes = ?", JSON.stringify({ ...this.notes(), ...change }));
  }

  /** The receivers of webhooks are to be told. */
  alert(type: Alert["type"], now: number): void {
    const { alerts, nextAlert: seq } = this.notes();
    const kept = [...alerts, { seq, type, atMs: now }].slice(-MAX_ALERTS);
    this.note({ alerts: kept, nextAlert: seq + 1 });
  }

  count(rise: Partial<Totals>): void {
    const totals: Record<string, number> = { ...this.totals() };
    for (const [name, by] of Object.entries(rise)) totals[name] = (totals[name] ?? 0) + by;
    this.#sql.exec("UPDATE replication SET totals = ?", JSON.stringify(totals));
  }

  /** @returns whether the job has changed */
  apply(event: JobEvent, detail: string | null = null): boolean {
    return this.transaction(() => {
      const before = this.job();
      const after = apply(before, event);
      if (after === before) return false;
      this.#sql.exec("UPDATE replication SET job = ?", JSON.stringify(after));
      if (after.phase !== before.phase) this.timeline.add(Date.now(), after.phase, detail);
      // A run has taken the number.
      if (event.type === "task" || event.type === "drained" || event.type === "ended")
        this.note({ nextSeq: this.notes().nextSeq + 1 });
      return true;
    });
  }

  facts(repairDue: boolean): Facts {
    const { waiting, working } = this.queue.counts();
    const { overflow, nextSeq } = this.notes();
    const { copied, deleted } = this.totals();
    return { pending: waiting + working, working, overflow, repairDue, changes: copied + deleted, nextSeq };
  }

  /** The key at the destination of a key at the source; null: this replication does not copy it. */
  targetOf(key: string): string | null {
    const { sync } = this.load().spec;
    return this.#parsed?.target({ bucket: sync.source.bucket, key, atMs: null }) ?? null;
  }

  /** Puts the keys of events into the queue. More than may wait are dropped, and a sync looks at all keys. */
  take(hints: readonly Hint[], now: number): Taken {
    const { spec } = this.load();
    const target = this.#parsed?.target ?? targetOfHint(spec);
    const ours = ["cut_over", "deleting"].includes(this.job().phase)
      ? []
      : hints.filter((hint) => target(hint) !== null);
    const taken = { taken: ours.length, ignored: hints.length - ours.length };
    this.transaction(() => {
      this.queue.take(ours, "event", now);
      this.count(taken);
      this.limitBacklog(now);
    });
    return taken;
  }

  /** With more keys than may wait, none does: a sync will look at all. */
  limitBacklog(now: number): void {
    const most = this.load().spec.maxPending;
    if (this.queue.counts().waiting <= most) return;
    this.queue.dropWaiting();
    if (this.notes().overflow) return;
    this.timeline.add(now, "backlog_full", `more than ${most} keys wait: a sync catches up`);
    this.note({ overflow: true });
    this.alert("backlog_full", now);
  }

  // --- What is known of copies ------------------------------------------------------------------

  /** The destination has this copy, of the source as it was then. */
  know(key: string, etag: string): void {
    if (etag !== "") this.#sql.exec("INSERT OR REPLACE INTO known VALUES (?, ?)", key, etag);
  }

  knownEtag(key: string): string | null {
    const [row] = this.#sql.exec("SELECT etag FROM known WHERE key = ?", key).toArray();
    return row === undefined ? null : String(row["etag"]);
  }

  forgetKnown(key: string): void {
    this.#sql.exec("DELETE FROM known WHERE key = ?", key);
  }

  // --- The cutover ------------------------------------------------------------------------------

  /** Of the one that runs: what a later repair finds is none of its result. */
  noteCutover(change: Partial<CutoverResult>): void {
    const before = this.notes().cutover;
    if (before?.state !== "running") return;
    const keys = [...new Set([...before.keys, ...(change.keys ?? [])])].slice(0, MAX_NOTED_KEYS);
    this.note({ cutover: { ...before, ...change, keys } });
    if (change.state === "not_ready") this.alert("not_ready", change.atMs ?? Date.now());
  }
}
