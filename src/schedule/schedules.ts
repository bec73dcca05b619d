// The schedules and their runs, in the registry's SQLite.
//
// What it needs: a starter, which gives copies and syncs their ids in the same database. Every method that
// writes is called in a transaction of the registry, so that a run and what it started are recorded together
// or not at all.
//
// Invariants:
// - One due time of a schedule is one run, however often and in whatever order the Cron event comes: a run is
//   a row under (schedule, due time).
// - Due times that no event came for make one run, the last of them.
// - Of one schedule at most one run is active, and at most one waits for it.
//
// It holds no state of a copy or sync: it shows a run by the phase last reported.

import type { CopyRequest } from "../copy/spec.ts";
import { isoTime } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { lastDueMs, nextDueMs } from "./cron.ts";
import type { Started, Work } from "./kinds.ts";
import type { ComparisonRequest } from "../sync/comparison_spec.ts";
import type { SyncRequest } from "../sync/spec.ts";
import { type Schedule, type ScheduledWork, type ScheduleRequest, requestOf, resolveWork } from "./spec.ts";

interface Starter {
  /** A copy or sync of this schedule that has not ended, in words, or null. */
  runningOf(schedule: string): string | null;
  /** @returns why it must wait, in words, or what was started */
  start(work: Work, schedule: string, now: number): Started | string;
}

export interface RunView {
  readonly dueAt: string;
  /**
   * `skipped`: the previous run was still active, or another sync was writing there. `queued`: the same, and
   * it starts when that ends. `refused`: the schedule as written cannot be started.
   */
  readonly outcome: "started" | "skipped" | "queued" | "refused";
  readonly startedAt: string | null;
  readonly copyId: string | null;
  readonly syncId: string | null;
  readonly comparisonId: string | null;
  /** Of that work. */
  readonly phase: string | null;
  readonly endedAt: string | null;
  readonly detail: string | null;
}

export interface ScheduleView {
  readonly name: string;
  readonly cron: string;
  readonly timezone: string;
  readonly enabled: boolean;
  readonly overlap: Schedule["overlap"];
  readonly copy?: CopyRequest;
  readonly sync?: SyncRequest;
  readonly comparison?: ComparisonRequest;
  /** Who put it last. Its runs bear that name, but for those that somebody else has called for. */
  readonly startedBy: string | null;
  /** What PUT takes to make the same schedule. */
  readonly request: ScheduleRequest;
  readonly createdAt: string;
  readonly nextRunAt: string | null;
  readonly lastRun: RunView | null;
  readonly runs: readonly RunView[];
}

const RUNS_KEPT = 100;

/** In a list. */
const RUNS_LISTED = 10;

/** All of them may be due in one minute, and are looked at by each Cron event. */
export const MAX_SCHEDULES = 500;

type Row = Readonly<Record<string, unknown>>;

export class Schedules {
  readonly #sql: SqlStorage;
  readonly #starter: Starter;
  readonly #env: Readonly<Record<string, unknown>>;

  constructor(sql: SqlStorage, starter: Starter, env: Readonly<Record<string, unknown>>) {
    this.#sql = sql;
    this.#starter = starter;
    this.#env = env;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS schedules (
        name TEXT PRIMARY KEY,
        cron TEXT NOT NULL,
        time_zone TEXT NOT NULL,
        work TEXT NOT NULL,              -- ScheduledWork
        overlap TEXT NOT NULL,           -- skip or queue
        enabled INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        evaluated_until_ms INTEGER NOT NULL,
        started_by TEXT                  -- who put it last
      );
      CREATE TABLE IF NOT EXISTS runs (
        schedule TEXT NOT NULL,
        due_at_ms INTEGER NOT NULL,
        outcome TEXT NOT NULL,           -- started, skipped, queued or refused
        started_at_ms INTEGER,
        copy_id TEXT,
        sync_id TEXT,
        detail TEXT,
        comparison_id TEXT,
        PRIMARY KEY (schedule, due_at_ms)
      );
      CREATE INDEX IF NOT EXISTS queued_runs ON runs (schedule, due_at_ms) WHERE outcome = 'queued';
    `);
    const columns = this.#sql.exec("SELECT name FROM pragma_table_info('schedules')").toArray();
    // A registry of an older deployment.
    if (!columns.some(({ name }) => name === "started_by"))
      this.#sql.exec("ALTER TABLE schedules ADD COLUMN started_by TEXT");
    const ofRuns = this.#sql.exec("SELECT name FROM pragma_table_info('runs')").toArray();
    if (!ofRuns.some(({ name }) => name === "comparison_id"))
      this.#sql.exec("ALTER TABLE runs ADD COLUMN comparison_id TEXT");
  }

  /**
   * Creates or replaces a schedule. Due times count from now on, whenever the Cron event of this minute
   * comes. A schedule that does not change keeps the due times that no event has come for yet.
   *
   * @param by whose name its runs bear
   * @returns whether it is new
   */
  put(
    name: string,
    { cron, timeZone, work, overlap, enabled }: Schedule,
    now: number,
    by: string | null = null,
  ): boolean {
    const isNew = this.#find(name) === null;
    this.#sql.exec(
      `INSERT INTO schedules (name, cron, time_zone, work, overlap, enabled, created_at_ms, evaluated_until_ms, started_by)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET started_by = excluded.started_by, cron = excluded.cron, time_zone = excluded.time_zone, work = excluded.work,
         overlap = excluded.overlap, enabled = excluded.enabled,
         evaluated_until_ms = CASE
           WHEN cron = excluded.cron AND time_zone = excluded.time_zone AND work = excluded.work AND enabled = excluded.enabled
           THEN evaluated_until_ms ELSE max(evaluated_until_ms, excluded.evaluated_until_ms) END`,
      name,
      cron,
      timeZone,
      JSON.stringify(work),
      overlap,
      enabled ? 1 : 0,
      now,
      now - 1,
      by,
    );
    if (!enabled || overlap === "skip") {
      this.#sql.exec(
        "UPDATE runs SET outcome = 'skipped', detail = 'the schedule was changed while this run waited' WHERE schedule = ? AND outcome = 'queued'",
        name,
      );
    }
    return isNew;
  }

  get(name: string, now: number): ScheduleView | null {
    const row = this.#find(name);
    return row === null ? null : this.#view(row, RUNS_KEPT, now);
  }

  /** By name. @param after the name to continue after, or null */
  list(after: string | null, limit: number, now: number): { schedules: ScheduleView[]; next: string | null } {
    const found = this.#sql
      .exec("SELECT * FROM schedules WHERE name > ? ORDER BY name LIMIT ?", after ?? "", limit + 1)
      .toArray();
    const schedules = found.slice(0, limit).map((row) => this.#view(row, RUNS_LISTED, now));
    return { schedules, next: found.length > limit ? (schedules.at(-1)?.name ?? null) : null };
  }

  count(): number {
    return Number(this.#sql.exec("SELECT count(*) AS n FROM schedules").one()["n"]);
  }

  /** Deletes a schedule and its history; what it has started continues. @returns whether it existed */
  delete(name: string): boolean {
    this.#sql.exec("DELETE FROM runs WHERE schedule = ?", name);
    return this.#sql.exec("DELETE FROM schedules WHERE name = ?", name).rowsWritten > 0;
  }

  /** Runs it now, whatever the cron expression says, enabled or not. Null: there is no such schedule. */
  run(name: string, now: number, by: string | null = null): { run: RunView; started: Started | null } | null {
    const row = this.#find(name);
    if (row === null) return null;
    const last = this.#sql
      .exec("SELECT max(due_at_ms) AS last FROM runs WHERE schedule = ? AND due_at_ms <= ?", name, now)
      .one()["last"];
    const dueMs = Math.max(now, Number(last ?? 0) + 1); // two calls in one millisecond are two runs
    const started = this.#begin(by === null ? row : { ...row, started_by: by }, dueMs, now);
    const [run] = this.#runs(name, 1, dueMs);
    return run === undefined ? null : { run, started };
  }

  /** The run that was due then, or null. */
  runOf(name: string, dueMs: number): RunView | null {
    return this.#runs(name, 1, dueMs)[0] ?? null;
  }

  /** Starts what has become due since the last call. @param untilMs the event's minute */
  tick(untilMs: number, now: number): Started[] {
    const due = this.#sql
      .exec("SELECT * FROM schedules WHERE enabled = 1 AND evaluated_until_ms < ?", untilMs)
      .toArray();
    const started: (Started | null)[] = [];
    for (const row of due) {
      const dueMs = lastDueMs(ruleOf(row), Number(row["evaluated_until_ms"]), untilMs);
      this.#sql.exec("UPDATE schedules SET evaluated_until_ms = ? WHERE name = ?", untilMs, row["name"]);
      if (dueMs !== null && !this.#isKnown(String(row["name"]), dueMs)) {
        started.push(this.#begin(row, dueMs, now));
      }
    }
    // A queued run may wait for a sync of another schedule, or the news of its predecessor's end may be lost.
    for (const { schedule } of this.#sql
      .exec("SELECT schedule FROM runs WHERE outcome = 'queued'")
      .toArray()) {
      started.push(this.startQueued(String(schedule), now));
    }
    return started.filter((one) => one !== null);
  }

  /** Starts the queued run of a schedule, if it need not wait any longer. */
  startQueued(name: string, now: number): Started | null {
    const row = this.#find(name);
    const queued = this.#sql
      .exec(
        "SELECT due_at_ms FROM runs WHERE schedule = ? AND outcome = 'queued' ORDER BY due_at_ms LIMIT 1",
        name,
      )
      .toArray()[0];
    if (row === null || queued === undefined || this.#starter.runningOf(name) !== null) return null;
    return this.#start(row, Number(queued["due_at_ms"]), now);
  }

  #begin(row: Row, dueMs: number, now: number): Started | null {
    const name = String(row["name"]);
    const running = this.#starter.runningOf(name);
    if (running === null) return this.#start(row, dueMs, now);
    this.#wait(row, dueMs, running);
    return null;
  }

  #start(row: Row, dueMs: number, now: number): Started | null {
    const name = String(row["name"]);
    try {
      const { timeZone } = ruleOf(row);
      const work = resolveWork(workOf(row), dueMs, timeZone, this.#env);
      const started = this.#starter.start(startedBy(work, textOf(row["started_by"])), name, now);
      if (typeof started === "string") {
        this.#wait(row, dueMs, started);
        return null;
      }
      this.#addRun(name, dueMs, { outcome: "started", detail: null, now, started });
      return started;
    } catch (error) {
      // The configuration has changed since the schedule was saved. Its owner finds the reason in the runs.
      if (!(error instanceof Problem)) throw error;
      this.#addRun(name, dueMs, { outcome: "refused", detail: error.message });
      return null;
    }
  }

  /** @param reason why it cannot start now */
  #wait(row: Row, dueMs: number, reason: string): void {
    const name = String(row["name"]);
    const waiting = this.#sql
      .exec(
        "SELECT due_at_ms FROM runs WHERE schedule = ? AND outcome = 'queued' AND due_at_ms <> ?",
        name,
        dueMs,
      )
      .toArray()[0];
    if (row["overlap"] === "skip") this.#addRun(name, dueMs, { outcome: "skipped", detail: reason });
    else if (waiting === undefined) this.#addRun(name, dueMs, { outcome: "queued", detail: reason });
    else {
      const detail = `the run due at ${isoTime(Number(waiting["due_at_ms"]))} is already waiting`;
      this.#addRun(name, dueMs, { outcome: "skipped", detail });
    }
  }

  #addRun(
    name: string,
    dueMs: number,
    run:
      | { outcome: "started"; detail: null; now: number; started: Started }
      | { outcome: "skipped" | "queued" | "refused"; detail: string },
  ): void {
    const started = run.outcome === "started" ? run : null;
    this.#sql.exec(
      `INSERT OR REPLACE INTO runs (schedule, due_at_ms, outcome, started_at_ms, copy_id, sync_id, comparison_id, detail)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      name,
      dueMs,
      run.outcome,
      started?.now ?? null,
      started?.started.kind === "copy" ? started.started.id : null,
      started?.started.kind === "sync" ? started.started.id : null,
      started?.started.kind === "comparison" ? started.started.id : null,
      run.detail,
    );
    this.#sql.exec(
      `DELETE FROM runs WHERE schedule = ?1 AND due_at_ms <
         (SELECT min(due_at_ms) FROM (SELECT due_at_ms FROM runs WHERE schedule = ?1 ORDER BY due_at_ms DESC LIMIT ?2))`,
      name,
      RUNS_KEPT,
    );
  }

  #find(name: string): Row | null {
    return this.#sql.exec("SELECT * FROM schedules WHERE name = ?", name).toArray()[0] ?? null;
  }

  #isKnown(name: string, dueMs: number): boolean {
    const rows = this.#sql.exec("SELECT 1 FROM runs WHERE schedule = ? AND due_at_ms = ?", name, dueMs);
    return rows.toArray().length > 0;
  }

  #view(row: Row, runLimit: number, now: number): ScheduleView {
    const name = String(row["name"]);
    const rule = ruleOf(row);
    const work = workOf(row);
    const enabled = row["enabled"] === 1;
    const next = enabled ? nextDueMs(rule, Math.max(now, Number(row["evaluated_until_ms"]))) : null;
    const runs = this.#runs(name, runLimit, null);
    const overlap = row["overlap"] === "queue" ? "queue" : "skip";
    return {
      name,
      cron: rule.cron,
      timezone: rule.timeZone,
      enabled,
      overlap,
      ...workFieldOf(work),
      startedBy: textOf(row["started_by"]),
      request: requestOf({ ...rule, work, overlap, enabled }),
      createdAt: isoTime(Number(row["created_at_ms"])),
      nextRunAt: isoTime(next),
      lastRun: runs[0] ?? null,
      runs,
    };
  }

  /** Newest first. @param dueMs if not null, only the run of this due time */
  #runs(name: string, limit: number, dueMs: number | null): RunView[] {
    return this.#sql
      .exec(
        `SELECT runs.*, coalesce(copies.phase, syncs.phase, comparisons.phase) AS phase,
           coalesce(copies.ended_at_ms, syncs.ended_at_ms, comparisons.ended_at_ms) AS ended_at_ms
         FROM runs LEFT JOIN copies ON copies.id = copy_id LEFT JOIN syncs ON syncs.id = sync_id
           LEFT JOIN comparisons ON comparisons.id = comparison_id
         WHERE runs.schedule = ?1 AND (?2 IS NULL OR due_at_ms = ?2) ORDER BY due_at_ms DESC LIMIT ?3`,
        name,
        dueMs,
        limit,
      )
      .toArray()
      .map((row) => ({
        dueAt: isoTime(Number(row["due_at_ms"])),
        outcome: outcomeOf(row["outcome"]),
        startedAt: timeOf(row["started_at_ms"]),
        copyId: textOf(row["copy_id"]),
        syncId: textOf(row["sync_id"]),
        comparisonId: textOf(row["comparison_id"]),
        phase: textOf(row["phase"]),
        endedAt: timeOf(row["ended_at_ms"]),
        detail: textOf(row["detail"]),
      }));
  }
}

function startedBy(work: Work, by: string | null): Work {
  if (by === null) return work;
  // For the compiler: the kinds apart.
  if (work.kind === "copy") return { ...work, spec: { ...work.spec, startedBy: by } };
  if (work.kind === "comparison") return { ...work, spec: { ...work.spec, startedBy: by } };
  return { ...work, spec: { ...work.spec, startedBy: by } };
}

function workFieldOf(work: ScheduledWork): Pick<ScheduleView, "copy" | "sync" | "comparison"> {
  if (work.kind === "copy") return { copy: work.copy };
  return work.kind === "sync" ? { sync: work.sync } : { comparison: work.comparison };
}

function ruleOf(row: Row): { cron: string; timeZone: string } {
  return { cron: String(row["cron"]), timeZone: String(row["time_zone"]) };
}

function workOf(row: Row): ScheduledWork {
  return JSON.parse(String(row["work"])) as ScheduledWork;
}

function outcomeOf(value: unknown): RunView["outcome"] {
  return value === "started" || value === "skipped" || value === "queued" ? value : "refused";
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function timeOf(value: unknown): string | null {
  return typeof value === "number" ? isoTime(value) : null;
}
