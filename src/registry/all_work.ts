// Work of every kind in the registry's tables: how it begins, what runs, what is listed, what is forgotten.
//
// What it needs: the checks of stores, of which new work takes along what they have seen.
//
// Invariant: whether work may begin and its row are one transaction, which is the caller's.

import { type Env, mostRunning } from "../env.ts";
import type { Touched } from "../access/rights.ts";
import type { Mesh } from "../mesh.ts";
import type { Obstacle } from "./admission.ts";
import type { CheckTable } from "./check_table.ts";
import type { RequestedRun, RunningWork } from "../replication/started.ts";
import type { ReplicationRows } from "./replication_rows.ts";
import { type ListedWork, type ListFilter, type Starter, type WorkPlaces, WorkRows } from "./work_rows.ts";
import {
  type SpecOf,
  type Started,
  type Work,
  type WorkKind,
  PLURALS,
  WORK_KINDS,
  objectsOf,
} from "../schedule/kinds.ts";
import type { CopySpec } from "../copy/spec.ts";
import { type ObjectRef, bucketIdentity, formatPrefix, overlap, writeObject } from "../store/address.ts";
import { findStore } from "../store/stores.ts";
import type { ComparisonSpec } from "../sync/comparison_spec.ts";
import { type SyncSpec, destinationIdentity } from "../sync/spec.ts";

/** What a list has of a request. */
interface Shown {
  readonly source: ObjectRef | string;
  readonly destination: ObjectRef | string;
  readonly dryRun?: boolean;
  readonly deep?: boolean;
}

const SHOWN: { readonly [Kind in WorkKind]: (spec: SpecOf[Kind]) => Shown } = {
  copy: ({ source, destination }) => ({
    source: writeObject(source),
    destination: writeObject(destination),
  }),
  sync: ({ source, destination, dryRun }) => ({
    source: formatPrefix(source),
    destination: formatPrefix(destination),
    dryRun,
  }),
  comparison: ({ source, destination, deep }) => ({
    source: formatPrefix(source),
    destination: formatPrefix(destination),
    deep,
  }),
};

export interface ListedPage {
  readonly rows: readonly (ListedWork & Shown)[];
  readonly next: string | null;
}

export interface PlacesPage {
  readonly rows: readonly { readonly id: string; readonly touched: Touched }[];
  readonly next: string | null;
}

/** `owes`: it may have left something at its destination. */
export type Forgotten = "forgotten" | "unknown" | "running" | "part_of_sync" | "owes";

const MOST_STARTED = 100;

export class AllWork {
  readonly #sql: SqlStorage;
  readonly #env: Env;
  readonly #checks: CheckTable;
  readonly #replications: ReplicationRows;
  readonly #rows: { readonly [Kind in WorkKind]: WorkRows<SpecOf[Kind]> };

  constructor(sql: SqlStorage, env: Env, checks: CheckTable, replications: ReplicationRows) {
    this.#sql = sql;
    this.#replications = replications;
    this.#env = env;
    this.#checks = checks;
    this.#rows = {
      copy: new WorkRows<CopySpec>(sql, PLURALS.copy),
      sync: new WorkRows<SyncSpec>(sql, PLURALS.sync),
      comparison: new WorkRows<ComparisonSpec>(sql, PLURALS.comparison),
    };
  }

  createTables(): void {
    for (const kind of WORK_KINDS) this.#rows[kind].createTables();
  }

  /** The rows of one kind. */
  of<Kind extends WorkKind>(kind: Kind): WorkRows<SpecOf[Kind]> {
    return this.#rows[kind];
  }

  /** Gives work its id, or says why it does not begin now. */
  begin(work: Work, starter: Starter, now: number): { kind: "new"; work: Started } | Obstacle {
    const ahead = this.#inTheWayOf(work);
    if (ahead !== null) return { kind: "taken", id: ahead };
    // What a sync starts is part of the sync.
    const most = starter.sync === null ? this.#fullAt() : null;
    if (most !== null) return { kind: "full", most };
    return { kind: "new", work: this.#insert(work, starter, now) };
  }

  #insert(work: Work, starter: Starter, now: number): Started {
    const target = this.#targetOf(work);
    // For the compiler: the kinds apart.
    if (work.kind === "copy") {
      const spec = this.#checks.inform(work.spec);
      return { kind: "copy", ...this.#rows.copy.insert(spec, target, starter, now) };
    }
    if (work.kind === "comparison") {
      const spec = this.#checks.inform(work.spec);
      return { kind: "comparison", ...this.#rows.comparison.insert(spec, target, starter, now) };
    }
    const spec = this.#checks.inform(work.spec);
    return { kind: "sync", ...this.#rows.sync.insert(spec, target, starter, now) };
  }

  /** Where it writes, by one name whatever its store is called in the configuration. */
  #targetOf(work: Work): string {
    if (work.kind !== "copy") return destinationIdentity(work.spec, this.#env);
    const { store, bucket, key } = work.spec.destination;
    return `${bucketIdentity(findStore(this.#env, store), bucket)}/${key}`;
  }

  /** Work of its kind that writes there and for which it does not wait, or null. */
  #inTheWayOf(work: Work): string | null {
    if (work.kind === "copy")
      return work.spec.ifBusy === "fail" ? this.#rows.copy.firstAt(this.#targetOf(work)) : null;
    if (work.kind === "comparison" || work.spec.dryRun) return null; // it writes nothing
    const { destination, replication = null } = work.spec;
    const writer = this.#replications.writerAt(this.#targetOf(work), destination.prefix, replication);
    return this.syncAt(work.spec) ?? (writer === null ? null : `replication ${writer}`);
  }

  /** The sync of somebody else that writes there, or null. */
  syncAt({ destination, replication }: SyncSpec): string | null {
    const rival = this.#rows.sync
      .runningAt(destinationIdentity({ destination }, this.#env))
      .find(
        ({ spec }) =>
          !spec.dryRun &&
          (replication === undefined || spec.replication !== replication) &&
          overlap(spec.destination.prefix, destination.prefix),
      );
    return rival?.id ?? null;
  }

  /** How much MAX_RUNNING allows, if so much runs; else null. @throws {Problem} 503 */
  #fullAt(): number | null {
    const most = mostRunning(this.#env);
    if (most === null) return null;
    const counts = WORK_KINDS.map((kind) => this.#rows[kind].running(most));
    return counts.reduce((sum, count) => sum + count, 0) >= most ? most : null;
  }

  /** What a schedule has started and has not ended, in words, or null. */
  runningOf(schedule: string): string | null {
    for (const kind of WORK_KINDS) {
      const id = this.#rows[kind].runningOf(schedule);
      if (id !== null) return `${kind} ${id} is still going`;
    }
    return null;
  }

  /** What a replication has started and has not ended: of its copies some at a time, and its run. */
  startedBy(replication: string, run: RequestedRun | null): RunningWork[] {
    const query = "SELECT id FROM copies WHERE sync = ? AND ended_at_ms IS NULL LIMIT ?";
    const copies = this.#sql.exec(query, replication, MOST_STARTED).toArray();
    const running: RunningWork[] = copies.map(({ id }) => ({ kind: "copy", id: String(id) }));
    if (run === null || run.id === null || this.#rows[run.kind].find(run.id)?.hasEnded !== false)
      return running;
    return [...running, { kind: run.kind, id: run.id }];
  }

  /** For a schedule. @returns why it must wait, in words, or what was started */
  beginScheduled(work: Work, schedule: string, now: number): Started | string {
    const begun = this.begin(work, { schedule, sync: null }, now);
    if (begun.kind === "new") return begun.work;
    if (begun.kind === "full") return `as much runs as MAX_RUNNING allows, ${begun.most}`;
    const writes = work.kind === "copy" ? "writes the same object" : "is writing there";
    return `${work.kind} ${begun.id} ${writes}`;
  }

  /** What has an id and may not have its object yet. */
  uncreated(): Started[] {
    return WORK_KINDS.flatMap((kind) => this.#rows[kind].uncreated().map((one) => startedOf(kind, one)));
  }

  /** What an id was given to; null: nothing that is still known. */
  admitted(kind: WorkKind, id: string): Started | null {
    const one = this.#rows[kind].admitted(id);
    return one === null ? null : startedOf(kind, one);
  }

  /** What it touches, or null if there is none of that id. */
  places(kind: WorkKind, id: string): WorkPlaces | null {
    return this.#rows[kind].places(id);
  }

  /** Newest first, and only what the caller sees. @param before the id to continue after, or null */
  list<Kind extends WorkKind>(
    kind: Kind,
    filter: ListFilter,
    before: string | null,
    limit: number,
  ): ListedPage {
    const rows: WorkRows<SpecOf[Kind]> = this.#rows[kind];
    return rows.list(filter, before, limit, SHOWN[kind]);
  }

  /** As list(): what each touches. */
  listPlaces<Kind extends WorkKind>(
    kind: Kind,
    filter: ListFilter,
    before: string | null,
    limit: number,
  ): PlacesPage {
    const rows: WorkRows<SpecOf[Kind]> = this.#rows[kind];
    const page = rows.list(filter, before, limit, (spec) => rows.placesOf(spec));
    return { rows: page.rows.map(({ id, touched }) => ({ id, touched })), next: page.next };
  }

  /** Removes what has ended, here and in its own object. @param inTransaction as for forgetOld() */
  async forget(
    mesh: Mesh,
    kind: WorkKind,
    id: string,
    inTransaction: (run: () => void) => void,
  ): Promise<Forgotten> {
    const found = this.#rows[kind].find(id);
    if (found === null) return "unknown";
    if (!found.hasEnded) return "running";
    // The sync asks its copies how they ended.
    const isPart = found.sync !== null && this.#rows.sync.find(found.sync)?.hasEnded === false;
    if (isPart) return "part_of_sync";
    if (!(await objectsOf(mesh, kind).getByName(id).forget())) return "owes";
    inTransaction(() => this.#rows[kind].forget(id));
    return "forgotten";
  }

  /**
   * Removes what ended before, here and in its own object.
   *
   * @param inTransaction runs what it is given as one transaction
   */
  async forgetOld(mesh: Mesh, cutoffMs: number, inTransaction: (run: () => void) => void): Promise<void> {
    for (const kind of WORK_KINDS) {
      for (const id of this.#rows[kind].due(cutoffMs)) {
        // The object's storage goes first: the row is the only way to find it.
        const isGone = await objectsOf(mesh, kind).getByName(id).forget();
        if (isGone) inTransaction(() => this.#rows[kind].forget(id));
      }
    }
  }
}

/** For the compiler, which does not see that the rows of a kind hold its specs. */
function startedOf(kind: WorkKind, one: Omit<Started, "kind">): Started {
  return { kind, ...one } as Started;
}
