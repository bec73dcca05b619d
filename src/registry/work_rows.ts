// The registry's index of work, in its SQLite: one row per copy, sync and comparison. It decides which syncs
// may start and what is old enough to forget.
//
// Invariants:
// - Of two syncs whose destination prefixes overlap in one bucket only one runs. The second would take the
//   first one's objects for its own, or delete them. The caller makes the check and the row one transaction.
// - Work that has not ended is never forgotten, and neither is a copy that may have left something at its
//   destination.
// - A row is deleted only after its object has removed its own storage, so nothing is left behind.
//
// The only state of the work that it holds is the phase last reported. The object is the authority.

import { placesOfCopy, placesOfSync, withDelete } from "../access/places.ts";
import { type Caller, type Touched, sees } from "../access/rights.ts";
import { isoTime } from "../http/fields.ts";
import { makeId } from "../http/id.ts";
import type { Admitted, CopySpec } from "../copy/spec.ts";
import type { ComparisonSpec } from "../sync/comparison_spec.ts";
import type { SyncSpec } from "../sync/spec.ts";
import type { StorePair } from "./pace_table.ts";
import type { Glance, JobNews } from "../view/news.ts";

/** `target`: the column with the destination, under one name whatever its store is called. */
const TABLES = {
  copies: {
    target: "object",
    schema: `
      CREATE TABLE IF NOT EXISTS copies (
        id TEXT PRIMARY KEY,
        phase TEXT NOT NULL,             -- admitted, then as the coordinator reports it
        spec TEXT NOT NULL,              -- CopySpec
        object TEXT NOT NULL,            -- the destination, by one name for each object (objectNameOf)
        orphans INTEGER NOT NULL DEFAULT 0,
        schedule TEXT,                   -- the schedule that started it
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        sync TEXT,                       -- the sync whose large object it copies
        glance TEXT                      -- Glance, as last reported
      );
      CREATE INDEX IF NOT EXISTS copies_by_phase ON copies (phase, id);
      CREATE INDEX IF NOT EXISTS running_by_object ON copies (object, id) WHERE ended_at_ms IS NULL;
      CREATE INDEX IF NOT EXISTS copies_with_orphans ON copies (id) WHERE orphans > 0;
      CREATE INDEX IF NOT EXISTS running_by_schedule ON copies (schedule) WHERE ended_at_ms IS NULL;
      CREATE INDEX IF NOT EXISTS running_copies ON copies (phase, created_at_ms) WHERE ended_at_ms IS NULL;
    `,
  },
  syncs: {
    target: "place",
    schema: `
      CREATE TABLE IF NOT EXISTS syncs (
        id TEXT PRIMARY KEY,
        phase TEXT NOT NULL,             -- admitted, then as the sync reports it
        spec TEXT NOT NULL,              -- SyncSpec
        place TEXT NOT NULL,             -- bucketIdentity() of the destination
        schedule TEXT,                   -- the schedule that started it
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        glance TEXT                      -- Glance, as last reported
      );
      CREATE INDEX IF NOT EXISTS syncs_by_phase ON syncs (phase, id);
      CREATE INDEX IF NOT EXISTS running_syncs ON syncs (place) WHERE ended_at_ms IS NULL;
      CREATE INDEX IF NOT EXISTS running_syncs_by_schedule ON syncs (schedule) WHERE ended_at_ms IS NULL;
      CREATE INDEX IF NOT EXISTS running_syncs_by_phase ON syncs (phase, created_at_ms) WHERE ended_at_ms IS NULL;
    `,
  },
  comparisons: {
    target: "place",
    schema: `
      CREATE TABLE IF NOT EXISTS comparisons (
        id TEXT PRIMARY KEY,
        phase TEXT NOT NULL,             -- admitted, then as the comparison reports it
        spec TEXT NOT NULL,              -- ComparisonSpec
        place TEXT NOT NULL,             -- bucketIdentity() of the destination
        schedule TEXT,                   -- the schedule that started it
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        glance TEXT                      -- Glance, as last reported
      );
      CREATE INDEX IF NOT EXISTS comparisons_by_phase ON comparisons (phase, id);
      CREATE INDEX IF NOT EXISTS running_comparisons ON comparisons (place, id) WHERE ended_at_ms IS NULL;
      CREATE INDEX IF NOT EXISTS running_comparisons_by_schedule ON comparisons (schedule) WHERE ended_at_ms IS NULL;
      CREATE INDEX IF NOT EXISTS running_comparisons_by_phase ON comparisons (phase, created_at_ms) WHERE ended_at_ms IS NULL;
    `,
  },
} as const;

/** A row of a list; what the request says comes beside it. */
export interface ListedWork {
  readonly id: string;
  readonly phase: string;
  /** Of a copy: what it may have left at its destination. */
  readonly orphans?: number;
  readonly schedule: string | null;
  readonly startedBy: string | null;
  readonly createdAt: string;
  readonly endedAt: string | null;
  /** As last reported; null before the first report. */
  readonly bytes: Glance["bytes"] | null;
  /** Of a sync. */
  readonly objects?: Glance["objects"] | null;
  /** Of a comparison. */
  readonly keys?: Glance["keys"] | null;
  readonly rate: Glance["rate"] | null;
  readonly failure: Glance["failure"];
}

/** What a copy or sync touches, for who asks about it by its id. */
export interface WorkPlaces {
  readonly touched: Touched;
  /** It deletes at its destination. */
  readonly deletes: boolean;
}

interface FoundWork extends Starter {
  readonly phase: string;
  readonly target: string;
  readonly hasEnded: boolean;
}

/** What has started work, beside a caller. */
export interface Starter {
  readonly schedule: string | null;
  readonly sync: string | null;
}

/** `no-sync`: all that no sync has started. `orphans`: all that may have left something, whoever began it. */
export type RowsOf = "anybody" | "no-sync" | "orphans" | { readonly sync: string };

function conditionOf(of: RowsOf): string {
  switch (of) {
    case "anybody":
      return "";
    case "no-sync":
      return "AND sync IS NULL";
    case "orphans":
      return "AND orphans > 0";
    default:
      return "AND sync = ?4";
  }
}

/** Behind the last id there can be. */
const AFTER_ALL = "~";

function isChoosy({ text = null, store = null, schedule = null }: Wanted): boolean {
  return text !== null || store !== null || schedule !== null;
}

function isWanted(
  { text = null, store = null, schedule = null }: Wanted,
  touched: Touched,
  row: Row,
): boolean {
  const places = touched === "mesh" ? [] : [...touched.source, ...touched.destination];
  if (schedule !== null && row["schedule"] !== schedule) return false;
  if (store !== null && !places.some((place) => place.store === store)) return false;
  const wanted = text?.toLowerCase() ?? "";
  return places.some((place) =>
    `${place.store}:${place.bucket}/${place.name}`.toLowerCase().includes(wanted),
  );
}

function newestFirst(one: Readonly<Record<string, unknown>>, other: typeof one): number {
  return String(one["id"]) < String(other["id"]) ? 1 : -1;
}

/** Per Cron event: each one is a call to its object. */
const FORGOTTEN_AT_ONCE = 100;

const CREATED_AT_ONCE = 100;

/** Per Cron event, likewise. */
const KEPT_AWAKE_AT_ONCE = 100;

/** Pages that a list looks through for who sees, or wants, only some of their rows. */
const PAGES_SEARCHED = 20;

/** Of such a page. */
const ROWS_SEARCHED = 500;

type Row = Readonly<Record<string, unknown>>;

/** What a row must have to be listed; what is null or absent matters not. */
export interface Wanted {
  /** A part of the source or the destination, as `store:bucket/key`, in any case. */
  readonly text?: string | null;
  /** Of either side. */
  readonly store?: string | null;
  readonly schedule?: string | null;
}

export interface ListFilter extends Wanted {
  readonly phases: readonly string[];
  readonly of?: RowsOf;
  readonly caller?: Caller | null;
  /** Only what reads or writes there. */
  readonly store?: string | null;
}

/** One of the two tables. */
export class WorkRows<Spec extends { readonly startedBy?: string }> {
  readonly #sql: SqlStorage;
  readonly table: keyof typeof TABLES;
  readonly #target: string;
  // In memory only: after an eviction it begins again.
  #keptAwake = { target: "", id: "" };

  constructor(sql: SqlStorage, table: keyof typeof TABLES) {
    this.#sql = sql;
    this.table = table;
    this.#target = TABLES[table].target;
  }

  createTables(): void {
    this.#sql.exec(TABLES[this.table].schema);
    this.#addColumn("glance");
    if (this.table !== "copies") return;
    this.#addColumn("sync");
    this.#sql.exec(`
      CREATE INDEX IF NOT EXISTS copies_of_syncs ON copies (sync, id) WHERE sync IS NOT NULL;
      CREATE INDEX IF NOT EXISTS copies_of_no_sync ON copies (id) WHERE sync IS NULL;
      CREATE INDEX IF NOT EXISTS running_alone ON copies (id) WHERE ended_at_ms IS NULL AND sync IS NULL;
    `);
  }

  /** For a registry of an older deployment. */
  #addColumn(column: string): void {
    const columns = this.#sql.exec(`SELECT name FROM pragma_table_info('${this.table}')`).toArray();
    if (!columns.some(({ name }) => name === column))
      this.#sql.exec(`ALTER TABLE ${this.table} ADD COLUMN ${column} TEXT`);
  }

  insert(spec: Spec, target: string, { schedule, sync }: Starter, now: number): Admitted<Spec> {
    // Work of the same millisecond must still sort in the order in which it came.
    const last = this.#sql
      .exec(`SELECT created_at_ms FROM ${this.table} ORDER BY id DESC LIMIT 1`)
      .toArray()[0]?.["created_at_ms"];
    const createdAtMs = Math.max(now, Number(last ?? 0) + 1);
    const id = makeId(createdAtMs, crypto.getRandomValues(new Uint8Array(10)));
    const [column, mark, values] = this.table === "copies" ? [", sync", ", ?", [sync]] : ["", "", []];
    this.#sql.exec(
      `INSERT INTO ${this.table} (id, phase, spec, ${this.#target}, schedule, created_at_ms${column})
       VALUES (?, 'admitted', ?, ?, ?, ?${mark})`,
      id,
      JSON.stringify(spec),
      target,
      schedule,
      createdAtMs,
      ...values,
    );
    return { id, spec, createdAtMs };
  }

  /** What the registry knows of it, or null. */
  find(id: string): FoundWork | null {
    const [row] = this.#sql.exec(`SELECT * FROM ${this.table} WHERE id = ?`, id).toArray();
    if (row === undefined) return null;
    return {
      phase: String(row["phase"]),
      schedule: textOf(row["schedule"]),
      sync: textOf(row["sync"]),
      target: String(row[this.#target]),
      hasEnded: row["ended_at_ms"] !== null,
    };
  }

  /** What it touches, or null if there is none of that id. */
  places(id: string): WorkPlaces | null {
    const [row] = this.#sql.exec(`SELECT spec FROM ${this.table} WHERE id = ?`, id).toArray();
    return row === undefined ? null : this.placesOf(JSON.parse(String(row["spec"])));
  }

  /** The stores between which it runs, or null if there is none of that id. */
  stores(id: string): StorePair | null {
    const [row] = this.#sql.exec(`SELECT spec FROM ${this.table} WHERE id = ?`, id).toArray();
    if (row === undefined) return null;
    const { source, destination } = JSON.parse(String(row["spec"])) as CopySpec | SyncSpec | ComparisonSpec;
    return { source: source.store, destination: destination.store };
  }

  placesOf(spec: unknown): WorkPlaces {
    if (this.table === "copies") return { touched: placesOfCopy(spec as CopySpec), deletes: false };
    if (this.table === "comparisons")
      return { touched: placesOfSync(spec as ComparisonSpec), deletes: false };
    const sync = spec as SyncSpec;
    return { touched: placesOfSync(sync), deletes: withDelete("steer", sync).includes("delete") };
  }

  takeNews(
    id: string,
    { phase, endedAtMs, orphans, glance }: Pick<JobNews, "phase" | "endedAtMs" | "orphans" | "glance">,
  ): void {
    const owes = this.table === "copies" ? [orphans] : [];
    this.#sql.exec(
      `UPDATE ${this.table} SET phase = ?, ended_at_ms = ?, glance = ?${owes.map(() => ", orphans = ?").join("")} WHERE id = ?`,
      phase,
      endedAtMs,
      JSON.stringify(glance),
      ...owes,
      id,
    );
  }

  /** The first that writes there and has not ended, or null. Ids rise with time. */
  firstAt(target: string): string | null {
    const row = this.#sql
      .exec(
        `SELECT min(id) AS id FROM ${this.table} WHERE ${this.#target} = ? AND ended_at_ms IS NULL`,
        target,
      )
      .one();
    return textOf(row["id"]);
  }

  /** The first that writes to the same place and is not this one, or null. */
  aheadOf(id: string): string | null {
    const row = this.find(id);
    const first = row === null ? null : this.firstAt(row.target);
    return first === id ? null : first;
  }

  /** All that write there and have not ended, in the order in which they came. */
  runningAt(target: string): Admitted<Spec>[] {
    return this.#admitted(`${this.#target} = ? AND ended_at_ms IS NULL ORDER BY id`, target);
  }

  /** Work that has reported, has not ended and waits for no person: some of it, and then the next. */
  nextWorking(): string[] {
    const { target, id } = this.#keptAwake;
    const rows = this.#sql
      .exec(
        `SELECT id, ${this.#target} AS target, phase FROM ${this.table}
         WHERE (${this.#target}, id) > (?, ?) AND ended_at_ms IS NULL ORDER BY ${this.#target}, id LIMIT ?`,
        target,
        id,
        KEPT_AWAKE_AT_ONCE,
      )
      .toArray();
    const last = rows.length < KEPT_AWAKE_AT_ONCE ? undefined : rows.at(-1);
    this.#keptAwake = { target: String(last?.["target"] ?? ""), id: String(last?.["id"] ?? "") };
    return rows
      .filter(({ phase }) => !["admitted", "paused", "blocked"].includes(String(phase)))
      .map((row) => String(row["id"]));
  }

  /** Work that has an id and has not reported yet. */
  uncreated(): Admitted<Spec>[] {
    return this.#admitted("phase = 'admitted' LIMIT ?", CREATED_AT_ONCE);
  }

  /** Work that has an id, or null. */
  admitted(id: string): Admitted<Spec> | null {
    return this.#admitted("id = ?", id)[0] ?? null;
  }

  #admitted(where: string, ...values: readonly (string | number)[]): Admitted<Spec>[] {
    return this.#sql
      .exec(`SELECT id, spec, created_at_ms FROM ${this.table} WHERE ${where}`, ...values)
      .toArray()
      .map((row) => ({
        id: String(row["id"]),
        spec: JSON.parse(String(row["spec"])) as Spec,
        createdAtMs: Number(row["created_at_ms"]),
      }));
  }

  /** What a schedule has started and has not ended, or null. */
  runningOf(schedule: string): string | null {
    const row = this.#sql
      .exec(`SELECT id FROM ${this.table} WHERE schedule = ? AND ended_at_ms IS NULL LIMIT 1`, schedule)
      .toArray()[0];
    return textOf(row?.["id"]);
  }

  /** How much has not ended, counted to `most`. What a sync has started counts as the sync. */
  running(most: number): number {
    const alone = this.table === "copies" ? "AND sync IS NULL" : "";
    const { n } = this.#sql
      .exec(
        `SELECT count(*) AS n FROM (SELECT 1 FROM ${this.table} WHERE ended_at_ms IS NULL ${alone} LIMIT ?)`,
        most,
      )
      .one();
    return Number(n);
  }

  /**
   * Newest first.
   *
   * @param phases only rows in one of them; none means all rows
   * @param of whose rows: the copies of a sync's large objects are listed under it, and not among the others
   * @param filter with a caller, who sees only what its grants cover, or a store, a page may have fewer rows
   *   than asked for, and yet a next one
   * @param before the id to continue after, or null
   * @param show the fields of the request that the list has
   */
  list<Shown>(
    filter: ListFilter,
    before: string | null,
    limit: number,
    show: (spec: Spec) => Shown,
  ): { rows: (ListedWork & Shown)[]; next: string | null } {
    const view = (row: Row): ListedWork & Shown => {
      const spec = JSON.parse(String(row["spec"])) as Spec;
      return {
        id: String(row["id"]),
        phase: String(row["phase"]),
        ...show(spec),
        ...(row["orphans"] === undefined ? {} : { orphans: Number(row["orphans"]) }),
        schedule: textOf(row["schedule"]),
        startedBy: spec.startedBy ?? null,
        createdAt: isoTime(Number(row["created_at_ms"])),
        endedAt: row["ended_at_ms"] === null ? null : isoTime(Number(row["ended_at_ms"])),
        ...this.#glanceOf(row),
      };
    };
    const { caller = null } = filter;
    const seesAll = caller === null || sees(caller, "mesh");
    if (seesAll && !isChoosy(filter)) {
      const { found, next } = this.#page(filter, before, limit);
      return { rows: found.map(view), next };
    }
    const size = Math.max(limit, isChoosy(filter) ? ROWS_SEARCHED : 0);
    const rows: (ListedWork & Shown)[] = [];
    let after = before;
    for (let pages = 1; ; pages++) {
      const { found, next } = this.#page(filter, after, size);
      for (const row of found) {
        const { touched } = this.placesOf(JSON.parse(String(row["spec"])));
        if (!(seesAll || sees(caller, touched)) || !isWanted(filter, touched, row)) continue;
        rows.push(view(row));
        if (rows.length === limit) return { rows, next: row === found.at(-1) ? next : String(row["id"]) };
      }
      if (next === null || pages === PAGES_SEARCHED) return { rows, next };
      after = next;
    }
  }

  #glanceOf({ glance }: Row): Pick<ListedWork, "bytes" | "objects" | "keys" | "rate" | "failure"> {
    if (typeof glance === "string") return JSON.parse(glance) as Glance;
    const unknown = { bytes: null, rate: null, failure: null };
    if (this.table === "comparisons") return { ...unknown, keys: null };
    return this.table === "syncs" ? { ...unknown, objects: null } : unknown;
  }

  #page(
    { phases, of = "anybody" }: ListFilter,
    before: string | null,
    limit: number,
  ): { found: Row[]; next: string | null } {
    // A query for each phase: its index has the rows in order, and those of other phases are not read.
    const read = (phase: string | null) =>
      this.#sql
        .exec(
          `SELECT * FROM ${this.table} WHERE id < ?1 ${conditionOf(of)} ${phase === null ? "" : "AND phase = ?3"}
           ORDER BY id DESC LIMIT ?2`,
          before ?? AFTER_ALL,
          limit + 1,
          ...(phase === null ? (typeof of === "string" ? [] : [null]) : [phase]),
          ...(typeof of === "string" ? [] : [of.sync]),
        )
        .toArray();
    const all = phases.length === 0 ? read(null) : phases.flatMap(read).toSorted(newestFirst);
    const found = all.slice(0, limit);
    return { found, next: all.length > limit ? String(found.at(-1)?.["id"]) : null };
  }

  /** The oldest rows among those that ended before `cutoffMs` and owe nothing. */
  due(cutoffMs: number): string[] {
    if (cutoffMs < 0) return [];
    // An id begins with the time of creation, which is before the end. So this skips rows that are too young.
    const before = makeId(cutoffMs, new Uint8Array(10));
    const debts = this.table === "copies" ? "AND orphans = 0" : "";
    return this.#sql
      .exec(
        `SELECT id FROM ${this.table} WHERE id < ? AND ended_at_ms < ? ${debts} ORDER BY id LIMIT ?`,
        before,
        cutoffMs,
        FORGOTTEN_AT_ONCE,
      )
      .toArray()
      .map((row) => String(row["id"]));
  }

  /** Deletes everything that the registry keeps of it. */
  forget(id: string): void {
    this.#sql.exec(`DELETE FROM ${this.table} WHERE id = ?`, id);
    this.#sql.exec("DELETE FROM counted WHERE id = ?", id);
    this.#sql.exec("DELETE FROM idempotency WHERE copy_id = ?", id);
  }
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
