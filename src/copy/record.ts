// The record of one copy in the coordinator's SQLite: the request, the job, the parts, the timeline, the
// warnings, the debts, and how the stores have answered lately.
//
// Invariant: a change of the job is one transaction with everything that belongs to it. Reads go to storage
// each time, so nothing can be stale after an await. Only the parts under way are cached in memory, and a
// rollback clears that cache.

import { Debts, debtsOf } from "./debts.ts";
import { apply, newJob } from "./job.ts";
import type { Event } from "./event.ts";
import { type Job, isEnded, objectOf } from "./phase.ts";
import { unitCount } from "./plan.ts";
import { RestoredTable } from "./restored_table.ts";
import type { CopySpec } from "./spec.ts";
import type { PartCounts } from "./step.ts";
import { PartTable } from "../parts/table.ts";
import { log } from "../log.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { isPlatformLimit } from "../s3/retry.ts";
import type { Budget } from "../store/budget.ts";
import { describeKnown } from "../store/facts.ts";
import { sentence } from "../s3/told.ts";
import { type Healths, ALL_HEALTHY } from "../throttle/health.ts";
import { publicCode } from "../view/failure.ts";
import { Timeline } from "../view/timeline.ts";
import { LaneTable } from "../work/lane_table.ts";
import { SpentTable } from "../work/spent.ts";
import { openState, stampState } from "../work/state.ts";

export interface Copy {
  readonly id: string;
  readonly spec: CopySpec;
  readonly job: Job;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** What the registry knows of this copy (`newsOf`). */
  readonly reported: string | null;
}

/** What the registry is told, as one word. */
export function newsOf(phase: string, debts: number): string {
  return `${phase}/${debts}`;
}

export class CopyRecord {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly parts: PartTable;
  readonly lanes: LaneTable;
  readonly timeline: Timeline;
  readonly debts: Debts;
  readonly tally: Tally;
  readonly spent: SpentTable;
  readonly restored: RestoredTable;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = openState(storage.sql);
    this.parts = new PartTable(this.#sql);
    this.lanes = new LaneTable(this.#sql);
    this.timeline = new Timeline(this.#sql, () => ({ copyId: this.#id() }));
    this.debts = new Debts(this.#sql);
    this.tally = new Tally(this.#sql);
    this.spent = new SpentTable(this.#sql);
    this.restored = new RestoredTable(this.#sql);
  }

  /** Stores a new copy. An existing copy stays as it is. */
  create(id: string, spec: CopySpec, createdAtMs: number): void {
    this.transaction(() => {
      this.#createTables();
      const { rowsWritten } = this.#sql.exec(
        "INSERT OR IGNORE INTO copy (one, id, spec, job, created_at_ms, healths) VALUES (1, ?, ?, ?, ?, ?)",
        id,
        JSON.stringify(spec),
        JSON.stringify(newJob(spec.ifBusy)),
        createdAtMs,
        JSON.stringify(ALL_HEALTHY),
      );
      if (rowsWritten > 0) this.timeline.add(Date.now(), "created", describeKnown(spec.known));
    });
  }

  /** The copy, or null in an object that was never given one. */
  find(): Copy | null {
    // A request for an ID that does not exist must not leave an object with empty tables behind.
    const made = this.#sql
      .exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'copy'")
      .toArray();
    if (made.length === 0) return null;
    const row = this.#sql.exec("SELECT * FROM copy").toArray()[0];
    if (row === undefined) return null;
    return {
      id: String(row["id"]),
      spec: JSON.parse(String(row["spec"])) as CopySpec,
      job: JSON.parse(String(row["job"])) as Job,
      createdAtMs: Number(row["created_at_ms"]),
      startedAtMs: row["started_at_ms"] === null ? null : Number(row["started_at_ms"]),
      endedAtMs: row["ended_at_ms"] === null ? null : Number(row["ended_at_ms"]),
      reported: row["reported"] === null ? null : String(row["reported"]),
    };
  }

  load(): Copy {
    const copy = this.find();
    if (copy === null) throw new Error("This coordinator has no copy");
    return copy;
  }

  transaction<T>(change: () => T): T {
    try {
      return this.#storage.transactionSync(change);
    } catch (error) {
      this.parts.forgetCache();
      throw error;
    }
  }

  /** What was asked for, made more exact. */
  saveSpec(spec: CopySpec): void {
    this.#sql.exec("UPDATE copy SET spec = ?", JSON.stringify(spec));
  }

  /** Resolves when everything written so far is on disk. */
  async onDisk(): Promise<void> {
    await this.#storage.sync();
  }

  /** Applies an event and saves what it changes. @param label of the timeline entry, null for none */
  applyEvent(event: Event, label: string | null = null, detail: string | null = null): Copy {
    return this.transaction(() => {
      const copy = this.load();
      const job = apply(copy.job, event);
      const now = Date.now();
      // An answer that came too late to matter is no event of this copy.
      if (job === copy.job) return copy;
      const isAtBudget = event.type === "stepFailed" && event.failure.code === "budget_reached";
      if (event.type === "stepFailed" && !isAtBudget) this.tally.add(event.failure);
      if (label !== null) this.timeline.add(now, label, detail);
      if (job.phase !== copy.job.phase) this.timeline.add(now, `phase_${job.phase}`);
      // A copy that starts over makes a new plan and a new upload.
      if (job.phase === "sizing" && copy.job.phase === "aborting") this.parts.clear();
      // What an abort leaves behind when it is given up is owed from now on.
      const fails = event.type === "stepFailed" || event.type === "crashed";
      if (copy.job.phase === "aborting" && fails && job.phase !== "aborting") {
        for (const debt of debtsOf(copy.job)) this.debts.add(debt, event.failure, now, event.random);
      }
      if (event.type === "resume") {
        this.parts.forgive();
        this.saveHealths(ALL_HEALTHY);
      }
      const endedAtMs = isEnded(job) ? now : null;
      this.#sql.exec("UPDATE copy SET job = ?, ended_at_ms = ?", JSON.stringify(job), endedAtMs);
      return { ...copy, job, endedAtMs };
    });
  }

  /** A step could not be taken, or is not to be, because of the budget. */
  stepFailed(failure: Failure, now: number, random: number): void {
    const { code, message, retryAfterMs } = failure;
    const label = code !== "budget_reached" ? "step_failed" : retryAfterMs === null ? code : null;
    this.applyEvent({ type: "stepFailed", failure, now, random }, label, message);
  }

  changeBudget(budget: Budget): void {
    this.#sql.exec("UPDATE copy SET spec = ?", JSON.stringify({ ...this.load().spec, ...budget }));
  }

  /** An alarm has ended in an error that nobody foresaw. The next one goes on, but not for ever. */
  crashed(error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    const now = Date.now();
    const event = isPlatformLimit(error) ? "yielded" : "step_crashed";
    log("error", event, { copyId: this.#id(), detail });
    this.timeline.add(now, event, detail);
    if (event === "yielded") return;
    const failure = meshFailure("internal_error", `The copy cannot go on: ${detail}`, "copy");
    this.applyEvent({ type: "crashed", failure, now, random: Math.random() });
  }

  alarmLost(): void {
    log("error", "alarm_lost", { copyId: this.#id() });
    this.timeline.add(Date.now(), "alarm_lost");
  }

  /** Marks the parts of lanes that have been silent too long as lost. @returns those lanes */
  releaseSilent(now: number): number[] {
    const silent = this.lanes.takeSilent(now);
    for (const lane of silent) this.parts.loseLane(lane);
    return silent;
  }

  counts(job: Job): PartCounts {
    const plan = objectOf(job)?.plan;
    const { done, inFlight, lost } = this.parts.totals();
    return { total: plan === undefined ? 0 : unitCount(plan), done, inFlight, lost };
  }

  healths(): Healths {
    return JSON.parse(String(this.#sql.exec("SELECT healths FROM copy").one()["healths"])) as Healths;
  }

  saveHealths(healths: Healths): void {
    // Most reports change nothing here, so no row is written for them.
    const text = JSON.stringify(healths);
    this.#sql.exec("UPDATE copy SET healths = ?1 WHERE healths <> ?1", text);
  }

  warn(text: string): void {
    this.#sql.exec("INSERT OR IGNORE INTO warnings VALUES (?)", sentence(text));
  }

  warnings(): string[] {
    return this.#sql
      .exec("SELECT text FROM warnings ORDER BY rowid")
      .toArray()
      .map((row) => String(row["text"]));
  }

  markStarted(now: number): void {
    this.#sql.exec("UPDATE copy SET started_at_ms = ? WHERE started_at_ms IS NULL", now);
  }

  markReported(news: string): void {
    this.#sql.exec("UPDATE copy SET reported = ?", news);
  }

  #id(): string {
    return String(this.#sql.exec("SELECT id FROM copy").one()["id"]);
  }

  #createTables(): void {
    stampState(this.#sql);
    this.parts.createTables();
    this.lanes.createTables();
    this.timeline.createTables();
    this.debts.createTables();
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS copy (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- CopySpec
        job TEXT NOT NULL,               -- Job
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        reported TEXT,                   -- what the registry knows: the phase and the number of debts
        healths TEXT NOT NULL            -- Healths
      );
      CREATE TABLE IF NOT EXISTS warnings (text TEXT PRIMARY KEY);
    `);
  }
}

/** How often each kind of failure occurred in one copy, by public code. For the metrics. */
class Tally {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(failure: Failure): void {
    // The table is created when it is first needed: most copies meet no failure, and copies of an older
    // deployment have no such table.
    this.#sql.exec("CREATE TABLE IF NOT EXISTS failed (code TEXT PRIMARY KEY, times INTEGER NOT NULL)");
    this.#sql.exec(
      "INSERT INTO failed VALUES (?, 1) ON CONFLICT (code) DO UPDATE SET times = times + 1",
      publicCode(failure),
    );
  }

  all(): Record<string, number> {
    const made = this.#sql
      .exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'failed'")
      .toArray();
    if (made.length === 0) return {};
    const rows = this.#sql.exec("SELECT code, times FROM failed ORDER BY code").toArray();
    return Object.fromEntries(rows.map((row) => [String(row["code"]), Number(row["times"])]));
  }
}
