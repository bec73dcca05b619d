// The record of one sync in its SQLite: the request, the job, the sums, the window of work, the failures, the
// planned deletions, and the part of the report that is not stored yet.
//
// Invariant: a change is one transaction with everything that belongs to it, above all the sums and the
// report's lines. A read tells what storage holds at that moment, so nothing can be stale after an await; the
// sync's own row alone is kept in memory between its writes (own_row.ts). No table has a row per key: a batch
// of objects is a row, 500 planned deletions are one, a stored part of the report is one. Only failures have
// a row each, and a run with too many of them ends; and so do the names of a run that changes them
// (images.ts).

import { type DeleteRule, DELETE_RULES } from "../http/vocabulary.ts";
import { log } from "../log.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { describeKnown } from "../store/facts.ts";
import { windowObjects } from "./batches.ts";
import { BatchTable } from "./batch_table.ts";
import { inTheWayOf, isInTheWay, KEYS_PER_DELETE } from "./deletes.ts";
import type { Finding } from "./finding.ts";
import { Images } from "./images.ts";
import type { SyncEvent } from "./event.ts";
import { apply, newSyncJob } from "./job.ts";
import { type Requeue, isSyncEnded } from "./phase.ts";
import { LargeTable } from "./large_table.ts";
import { isFilteredOut } from "./outcome.ts";
import { ReportTree } from "./merkle.ts";
import { adaptOlderTables } from "./older_tables.ts";
import { ReadingTable } from "./reading_table.ts";
import { type Counters, type Entry, type Extra, countEntries, linesOf, NO_COUNTERS } from "./report.ts";
import { takenFrom } from "./sums.ts";
import { MAX_KEPT_BYTES, ReportBuffer } from "./report_buffer.ts";
import { RestoreTable } from "./restore_table.ts";
import { type RunSpec, isComparison, isOfHistories } from "./comparison_spec.ts";
import { firstCursorOf } from "./first_cursor.ts";
import { sentence } from "../s3/told.ts";
import { VersionTable } from "./version_table.ts";
import type { SyncCounts } from "./step.ts";
import { type SyncRow, OwnRow } from "./own_row.ts";
import { Timeline } from "../view/timeline.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import { LaneTable } from "../work/lane_table.ts";
import { SpentTable } from "../work/spent.ts";
import { openState, stampState } from "../work/state.ts";

interface PlannedDeletion {
  readonly seq: number;
  readonly extras: readonly Extra[];
}

export interface FailedKey {
  readonly key: string;
  readonly failure: Failure;
  readonly attempts: number;
}

/** A failed copy or a failed deletion, as a retry needs it. What a comparison cannot read is not retried. */
type FailedWork = { readonly copy: ObjectWork } | { readonly delete: Extra } | { readonly unreadable: true };

const UNREADABLE_KEPT = 20;
/** With more failures than this, the cause is not the single keys. */
export const MAX_FAILURES = 10_000;

/** Large objects that wait beside the small ones; each is a row. */
const MAX_LARGE_WAITING = 200;
/** A row may have 2 MB. */
const MAX_EXTRA_CHARACTERS = 500_000;

export class SyncRecord {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly #own: OwnRow;
  readonly batches: BatchTable;
  readonly lanes: LaneTable;
  readonly large: LargeTable;
  readonly readings: ReadingTable;
  readonly report: ReportBuffer;
  readonly restores: RestoreTable;
  readonly tree: ReportTree;
  readonly images: Images;
  readonly histories: VersionTable;
  readonly timeline: Timeline;
  readonly spent: SpentTable;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = openState(storage.sql);
    this.#own = new OwnRow(this.#sql);
    this.batches = new BatchTable(this.#sql);
    this.lanes = new LaneTable(this.#sql);
    this.large = new LargeTable(this.#sql);
    this.readings = new ReadingTable(this.#sql);
    this.report = new ReportBuffer(this.#sql);
    this.restores = new RestoreTable(this.#sql);
    this.tree = new ReportTree(this.#sql);
    this.images = new Images(this.#sql);
    this.histories = new VersionTable(this.#sql);
    this.spent = new SpentTable(this.#sql);
    this.timeline = new Timeline(this.#sql, () => ({ syncId: this.load().id }));
    adaptOlderTables(this.#sql);
  }

  /** Stores a new sync. An existing sync stays as it is. */
  create(id: string, spec: RunSpec, createdAtMs: number): void {
    this.transaction(() => {
      this.#createTables();
      if (spec.rename !== undefined) this.images.createTable();
      if (isOfHistories(spec)) this.histories.createTables();
      const rowsWritten = this.#own.write(
        "INSERT OR IGNORE INTO sync (one, id, spec, job, counters, round, created_at_ms) VALUES (1, ?, ?, ?, ?, 1, ?)",
        id,
        JSON.stringify(spec),
        JSON.stringify(newSyncJob(firstCursorOf(spec), spec.kind)),
        JSON.stringify(NO_COUNTERS),
        createdAtMs,
      );
      if (rowsWritten > 0) this.timeline.add(Date.now(), "created", describeKnown(spec.known));
    });
  }

  /** The sync, or null in an object that was never given one. */
  find(): SyncRow | null {
    return this.#own.find();
  }

  load(): SyncRow {
    const sync = this.find();
    if (sync === null) throw new Error("This object has no sync");
    return sync;
  }

  transaction<T>(change: () => T): T {
    try {
      return this.#storage.transactionSync(change);
    } catch (error) {
      this.#own.forget();
      throw error;
    }
  }

  /** All that is stored is about to be removed. */
  forget(): void {
    this.#own.forget();
  }

  async onDisk(): Promise<void> {
    await this.#storage.sync();
  }

  /** Applies an event and saves what it changes. @returns whether it changed anything */
  applyEvent(event: SyncEvent, label: string | null = null, detail: string | null = null): boolean {
    return this.transaction(() => {
      const { job: before } = this.load();
      const job = apply(before, event);
      // An answer that came too late to matter is no event of this sync.
      if (job === before) return false;
      const now = Date.now();
      if (label !== null) this.timeline.add(now, label, detail);
      if (job.phase !== before.phase) this.timeline.add(now, `phase_${job.phase}`);
      const endedAtMs = isSyncEnded(job) ? now : null;
      this.#own.write("UPDATE sync SET job = ?, ended_at_ms = ?", JSON.stringify(job), endedAtMs);
      return true;
    });
  }

  changeBudget(budget: Pick<RunSpec, "maxUsd" | "maxBytes" | "maxRequests">): void {
    this.#own.write("UPDATE sync SET spec = ?", JSON.stringify({ ...this.load().spec, ...budget }));
  }

  /** An alarm has ended in an error that nobody foresaw. The next one goes on, but not for ever. */
  crashed(error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    log("error", "step_crashed", { syncId: this.load().id, detail });
    const message = `The sync cannot go on: ${detail}`;
    this.timeline.add(Date.now(), "step_crashed", detail);
    this.applyEvent({ type: "crashed", failure: meshFailure("internal_error", message, "sync") });
  }

  alarmLost(): void {
    log("error", "alarm_lost", { syncId: this.load().id });
    this.timeline.add(Date.now(), "alarm_lost");
  }

  /** Adds entries to the report, to the sums and, if they failed, to the failures. */
  enter(entries: readonly Entry[], change: (counters: Counters) => Counters = (counters) => counters): void {
    this.transaction(() => {
      const { counters, spec } = this.load();
      this.#saveCounters(change(countEntries(counters, entries)));
      const told = entries.filter((entry) =>
        isComparison(spec)
          ? entry.action === "compared"
          : spec.reportFiltered !== false || !isFilteredOut(entry),
      );
      this.report.append(linesOf(this.#listed(told)));
      for (const entry of entries) {
        if (entry.action === "failed") this.#addFailure(entry, { copy: entry.work }, entry.attempts);
        if (entry.action === "compared") this.#addUnreadable(entry);
        if (entry.action === "delete_failed")
          this.#addFailure(entry, { delete: entry.extra }, entry.attempts);
      }
    });
  }

  /** Once the run keeps as much as it may, only failures are listed. Everything is counted all the same. */
  #listed(entries: readonly Entry[]): readonly Entry[] {
    if (this.report.keptBytes() < MAX_KEPT_BYTES) return entries;
    this.warn(
      `The report has reached ${MAX_KEPT_BYTES} bytes: from there on it lists only keys that failed. ` +
        'Set "report" to a place of its own for runs of this size',
    );
    return entries.filter((entry) =>
      entry.action === "compared"
        ? entry.verdict.outcome !== "equal"
        : entry.action === "failed" || entry.action === "delete_failed",
    );
  }

  counts(): SyncCounts {
    const { spec } = this.load();
    const batches = this.batches.totals();
    const large = this.large.counts();
    const restores = this.restores.counts();
    return {
      hasRoom: batches.objects < windowObjects(spec) && large.waiting < MAX_LARGE_WAITING,
      underWay: batches.pending + batches.leased + large.waiting + large.running + restores.restoring,
      ...restores,
      running: batches.leased + large.running,
      deletions: Number(this.#sql.exec("SELECT count(*) AS n FROM deletions").one()["n"]),
      reportBytes: this.report.waitingBytes(),
      // A dry run reports what the run itself would do. That the run would not delete is part of its answer
      // and no error.
      errors: this.failures() + (isComparison(spec) || spec.dryRun || this.deletesRefused() === null ? 0 : 1),
    };
  }

  // --- Failures ---------------------------------------------------------------------------------

  failures(): number {
    return Number(this.#sql.exec("SELECT count(*) AS n FROM failures").one()["n"]);
  }

  /** The first failures, for the status. */
  someFailures(limit: number): FailedKey[] {
    return this.#sql
      .exec("SELECT key, failure, attempts FROM failures ORDER BY rowid LIMIT ?", limit)
      .toArray()
      .map((row) => ({
        key: String(row["key"]),
        failure: JSON.parse(String(row["failure"])) as Failure,
        attempts: Number(row["attempts"]),
      }));
  }

  hasFailed(key: string, code: string): boolean {
    const found = this.#sql.exec(
      "SELECT 1 FROM failures WHERE key = ? AND json_extract(failure, '$.code') = ?",
      key,
      code,
    );
    return found.toArray().length > 0;
  }

  /** From now on failures belong to a new round; those of earlier rounds are retried. */
  newRound(): void {
    this.#sql.exec("UPDATE sync SET round = round + 1");
    this.#sql.exec("DELETE FROM warnings WHERE rule IS NOT NULL");
  }

  /**
   * Takes out failed keys of earlier rounds, as if they had not been tried. Keys that no request can name
   * stay, and lines that name none.
   *
   * @returns the objects to copy, and whether there are more
   */
  takeFailures(which: Requeue, limit: number): { objects: ObjectWork[]; more: boolean } {
    return this.transaction(() => {
      const rows = this.#sql
        .exec(
          `SELECT rowid, work FROM failures WHERE round < (SELECT round FROM sync)
             AND json_extract(failure, '$.code') NOT IN ('unreadable_key', 'bad_manifest_line')
             AND (? = 'all' OR json_extract(work, '$.copy') IS NOT NULL) ORDER BY rowid LIMIT ?`,
          which,
          limit + 1,
        )
        .toArray();
      const taken = rows.slice(0, limit);
      const objects: ObjectWork[] = [];
      const extras: Extra[] = [];
      for (const row of taken) {
        this.#sql.exec("DELETE FROM failures WHERE rowid = ?", row["rowid"]);
        const work = JSON.parse(String(row["work"])) as FailedWork;
        if ("copy" in work) objects.push({ ...work.copy, failedAttempts: 0, first: "copy" });
        else if ("delete" in work) extras.push(work.delete);
      }
      this.addDeletions(extras);
      const { counters } = this.load();
      this.#saveCounters({
        ...counters,
        failed: takenFrom(counters.failed, objects),
        deleteFailed: takenFrom(counters.deleteFailed, extras),
      });
      return { objects, more: rows.length > limit };
    });
  }

  /** 1, and one more each time that failed keys are taken up again. */
  round(): number {
    return Number(this.#sql.exec("SELECT round FROM sync").one()["round"]);
  }

  // --- Deletions --------------------------------------------------------------------------------

  /** Plans deletions. Nothing is deleted before all of them are counted. */
  addDeletions(extras: readonly Extra[], what: "room" | "extras" = "extras"): void {
    let chunk: Extra[] = [];
    let characters = 0;
    const flush = () => {
      if (chunk.length > 0)
        this.#sql.exec("INSERT INTO deletions (what, keys) VALUES (?, ?)", what, JSON.stringify(chunk));
      chunk = [];
      characters = 0;
    };
    for (const extra of extras) {
      if (chunk.length === KEYS_PER_DELETE || characters > MAX_EXTRA_CHARACTERS) flush();
      chunk.push(extra);
      characters += extra.key.length + (extra.etag?.length ?? 0);
    }
    flush();
  }

  /**
   * Sorts out the planned deletions that make room for copies that have failed, so that firstDeletion() has
   * them.
   *
   * @returns how many keys they are
   */
  planRoom(): number {
    return this.transaction(() => {
      const wanted = this.#keysInWant();
      if (wanted.length === 0) return 0;
      const isBlocking = inTheWayOf(wanted);
      let count = 0;
      // One row after the other: all of them may be millions of keys.
      const rows = this.#sql.exec("SELECT seq FROM deletions WHERE what = 'extras' ORDER BY seq").toArray();
      for (const row of rows) {
        const { seq, extras } = deletionOf(
          this.#sql.exec("SELECT seq, keys FROM deletions WHERE seq = ?", row["seq"]).one(),
        );
        const blocking = extras.filter(({ key }) => isBlocking(key));
        if (blocking.length === 0) continue;
        const others = extras.filter(({ key }) => !isBlocking(key));
        this.#sql.exec("DELETE FROM deletions WHERE seq = ?", seq);
        this.addDeletions(others);
        this.addDeletions(blocking, "room");
        count += blocking.length;
      }
      return count;
    });
  }

  /** The keys that could not be copied because another key is in their way. */
  #keysInWant(): string[] {
    return this.#sql
      .exec("SELECT failure, work FROM failures WHERE json_extract(work, '$.copy') IS NOT NULL")
      .toArray()
      .filter((row) => isInTheWay(JSON.parse(String(row["failure"])) as Failure))
      .map((row) => (JSON.parse(String(row["work"])) as { copy: ObjectWork }).copy.to);
  }

  firstDeletion(what: "room" | "extras"): PlannedDeletion | null {
    const row = this.#sql
      .exec("SELECT seq, keys FROM deletions WHERE what = ? ORDER BY seq LIMIT 1", what)
      .toArray()[0];
    return row === undefined ? null : deletionOf(row);
  }

  /** Takes a planned deletion out. @returns whether it was there */
  takeDeletion(seq: number): boolean {
    return this.#sql.exec("DELETE FROM deletions WHERE seq = ?", seq).rowsWritten > 0;
  }

  dropDeletions(): void {
    this.#sql.exec("DELETE FROM deletions");
  }

  // --- The rest ---------------------------------------------------------------------------------

  /** A warning that changes nothing about how the run ends. */
  warn(message: string): void {
    this.#sql.exec("INSERT OR IGNORE INTO warnings VALUES (?, NULL)", sentence(message));
  }

  /** What the request wants deleted is not deleted: the run does not end as completed. */
  refuseDeletes(rule: DeleteRule, message: string): void {
    this.#sql.exec("INSERT OR IGNORE INTO warnings VALUES (?, ?)", message, rule);
  }

  /** The rule that forbids the deletions of this round; null: none has. */
  deletesRefused(): DeleteRule | null {
    const row = this.#sql.exec("SELECT rule FROM warnings WHERE rule IS NOT NULL LIMIT 1").toArray()[0];
    return DELETE_RULES.find((rule) => rule === row?.["rule"]) ?? null;
  }

  warnings(): string[] {
    return this.#sql
      .exec("SELECT text FROM warnings ORDER BY rowid")
      .toArray()
      .map((row) => String(row["text"]));
  }

  markStarted(now: number): void {
    this.#own.write("UPDATE sync SET started_at_ms = ? WHERE started_at_ms IS NULL", now);
  }

  markReported(phase: string): void {
    this.#own.write("UPDATE sync SET reported = ?", phase);
  }

  #saveCounters(counters: Counters): void {
    this.#own.write("UPDATE sync SET counters = ?", JSON.stringify(counters));
  }

  #addFailure({ key, failure }: { key: string; failure: Failure }, work: FailedWork, attempts: number): void {
    this.#sql.exec(
      "INSERT INTO failures (key, failure, attempts, work, round) VALUES (?, ?, ?, ?, (SELECT round FROM sync))",
      key,
      JSON.stringify(failure),
      attempts,
      JSON.stringify(work),
    );
  }

  /** The report names them all; the status, the first. */
  #addUnreadable({ key, verdict }: Finding): void {
    if (verdict.outcome !== "unreadable") return;
    const { failure, attempts } = verdict;
    const isUnnamed = failure.code === "unreadable_key"; // it may be listed twice
    if (isUnnamed || this.failures() < UNREADABLE_KEPT)
      this.#addFailure({ key, failure }, { unreadable: true }, attempts);
  }

  #createTables(): void {
    stampState(this.#sql);
    this.batches.createTables();
    this.lanes.createTables();
    this.large.createTables();
    this.readings.createTables();
    this.report.createTables();
    this.timeline.createTables();
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS sync (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- RunSpec
        job TEXT NOT NULL,               -- SyncJob
        counters TEXT NOT NULL,          -- Counters
        round INTEGER NOT NULL,          -- 1, and one more with each retry
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        reported TEXT
      );
      CREATE TABLE IF NOT EXISTS failures (
        key TEXT NOT NULL, failure TEXT NOT NULL, attempts INTEGER NOT NULL,
        work TEXT NOT NULL, round INTEGER NOT NULL
      );
      CREATE TABLE IF NOT EXISTS deletions (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        what TEXT NOT NULL,              -- 'room': in the way of failed copies; 'extras': the others
        keys TEXT NOT NULL               -- Extra[]
      );
      CREATE TABLE IF NOT EXISTS warnings (
        text TEXT PRIMARY KEY,
        rule TEXT                        -- DeleteRule, where it says why nothing is deleted
      );
    `);
  }
}

function deletionOf(row: Readonly<Record<string, unknown>>): PlannedDeletion {
  return { seq: Number(row["seq"]), extras: JSON.parse(String(row["keys"])) as Extra[] };
}
