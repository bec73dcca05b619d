// The window of a sync: batches of small objects that are decided and not done, in its SQLite.
//
// Invariants:
// - A batch has one current attempt, and only the report of that attempt counts.
// - A batch that is leased belongs to a lane that either names it as running in each of its calls or has been
//   silent too long. After that the batch is free again. Nobody knows then which of its objects were copied,
//   so they are looked for at the destination before they are copied again.
// - A batch whose calls break again and again waits longer each time, and is halved until it is the one
//   object that breaks them. That object fails at last.
// - A row is a whole batch, and is deleted when the batch is done: the table is as small as the window.

import { meshFailure } from "../s3/failure.ts";
import { backoffMs, MAX_ATTEMPTS } from "../s3/retry.ts";
import { type BatchClaim, type ObjectOutcome, type ObjectWork, isAsking } from "../work/batch_task.ts";

interface LeasedBatch {
  readonly batch: number;
  readonly attempt: number;
  readonly objects: readonly ObjectWork[];
}

interface WindowTotals {
  readonly objects: number;
  readonly pending: number;
  readonly leased: number;
  /** When the first pending batch may be tried. */
  readonly earliestMs: number;
}

interface FinishedBatch {
  readonly objects: readonly ObjectWork[];
  readonly outcomes: readonly ObjectOutcome[];
  /** It was handed out before the sync was resumed. */
  readonly isOld: boolean;
}

interface Times {
  readonly now: number;
  readonly random: number;
}

export class BatchTable {
  readonly #sql: SqlStorage;
  // In memory only: if it is lost, a failure of before may block the sync once more.
  readonly #old = new Set<string>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS batches (
        batch INTEGER PRIMARY KEY AUTOINCREMENT,
        lane INTEGER,                     -- null: pending
        attempt INTEGER NOT NULL,         -- the current one, from 1; 0: never handed out
        doubtful INTEGER NOT NULL,        -- attempts that were lost: its objects may be at the destination
        not_before_ms INTEGER NOT NULL,
        count INTEGER NOT NULL,
        objects TEXT NOT NULL             -- ObjectWork[]
      );
    `);
  }

  /** @param lost attempts at these objects that were lost */
  add(objects: readonly ObjectWork[], notBeforeMs: number, lost = 0): void {
    if (objects.length === 0) return;
    this.#sql.exec(
      "INSERT INTO batches (attempt, doubtful, not_before_ms, count, objects) VALUES (0, ?, ?, ?, ?)",
      lost,
      notBeforeMs,
      objects.length,
      JSON.stringify(objects),
    );
  }

  totals(): WindowTotals {
    const row = this.#sql
      .exec(
        `SELECT coalesce(sum(count), 0) AS objects, count(*) - count(lane) AS pending, count(lane) AS leased,
           coalesce(min(CASE WHEN lane IS NULL THEN not_before_ms END), 0) AS earliest FROM batches`,
      )
      .one();
    const [objects, pending, leased, earliestMs] = [
      row["objects"],
      row["pending"],
      row["leased"],
      row["earliest"],
    ].map(Number) as [number, number, number, number];
    return { objects, pending, leased, earliestMs };
  }

  /** The sync is resumed: what is under way was handed out before, and its failures are those of before. */
  markOld(): void {
    for (const row of this.#sql.exec("SELECT batch, attempt FROM batches WHERE lane IS NOT NULL"))
      this.#old.add(`${Number(row["batch"])}/${Number(row["attempt"])}`);
  }

  /** Removes the batches that a lane has finished, and frees those it has lost. */
  takeReports({ lane, finished, running }: BatchClaim, times: Times): FinishedBatch[] {
    const done: FinishedBatch[] = [];
    for (const { batch, attempt, outcomes } of finished) {
      const row = this.#sql
        .exec(
          "SELECT doubtful, objects FROM batches WHERE batch = ? AND attempt = ? AND lane IS NOT NULL",
          batch,
          attempt,
        )
        .toArray()[0];
      // A superseded attempt, or a report that was delivered twice.
      if (row === undefined) continue;
      const isOld = this.#old.delete(`${batch}/${attempt}`);
      const lost = Number(row["doubtful"]) + 1;
      if (outcomes === null && lost < MAX_ATTEMPTS) {
        this.#putBack(batch, lost, times);
        continue;
      }
      this.#sql.exec("DELETE FROM batches WHERE batch = ?", batch);
      done.push({ ...(outcomes === null ? brokenBy(row) : { objects: objectsOf(row), outcomes }), isOld });
    }
    const alive = new Map(running.map(({ batch, attempt }) => [batch, attempt]));
    for (const row of this.#sql.exec("SELECT batch, attempt FROM batches WHERE lane = ?", lane).toArray()) {
      const batch = Number(row["batch"]);
      if (alive.get(batch) !== Number(row["attempt"])) this.#free("batch = ?", batch);
    }
    return done;
  }

  /**
   * @param mayTake how many of these objects, from the first on, may be handed out now; 0 ends it
   * @param shares null: batches stay as they are. Otherwise these are the last ones, for so many transfers: a
   *   batch that is more than half a transfer's share of what waits is cut, or most would have nothing to do
   *   at the end
   */
  lease(
    lane: number,
    wanted: number,
    now: number,
    mayTake: (objects: readonly ObjectWork[]) => number = () => Infinity,
    shares: number | null = null,
  ): LeasedBatch[] {
    if (wanted <= 0) return [];
    let isOpen = true;
    const most = shares === null ? Infinity : this.#shareOf(shares);
    return this.#sql
      .exec(
        "SELECT batch, attempt, doubtful, count, objects FROM batches WHERE lane IS NULL AND not_before_ms <= ? ORDER BY batch LIMIT ?",
        now,
        wanted,
      )
      .toArray()
      .flatMap((row) => {
        const batch = Number(row["batch"]);
        const wantedNow = objectsOf(row).slice(0, most);
        const objects = wantedNow.slice(0, isOpen ? mayTake(wantedNow) : 0);
        isOpen = objects.length > 0;
        if (!isOpen) return [];
        if (objects.length < Number(row["count"])) this.#cut(batch, objects.length);
        const attempt = Number(row["attempt"]) + 1;
        this.#sql.exec("UPDATE batches SET lane = ?, attempt = ? WHERE batch = ?", lane, attempt, batch);
        return [{ batch, attempt, objects }];
      });
  }

  /** The size of a batch, if what waits were dealt out in so many. */
  #shareOf(shares: number): number {
    const waiting = Number(
      this.#sql.exec("SELECT coalesce(sum(count), 0) AS waiting FROM batches WHERE lane IS NULL").one()[
        "waiting"
      ],
    );
    return Math.max(LEAST_OBJECTS, Math.ceil(waiting / Math.max(1, ROUNDS * shares)));
  }

  /** The objects that are handed out next. */
  first(): ObjectWork[] {
    const [row] = this.#sql
      .exec("SELECT doubtful, objects FROM batches WHERE lane IS NULL ORDER BY not_before_ms, batch LIMIT 1")
      .toArray();
    return row === undefined ? [] : objectsOf(row);
  }

  /** The attempts under way, as `batch/attempt`. */
  leasedNames(): ReadonlySet<string> {
    const rows = this.#sql.exec("SELECT batch, attempt FROM batches WHERE lane IS NOT NULL").toArray();
    return new Set(rows.map((row) => `${Number(row["batch"])}/${Number(row["attempt"])}`));
  }

  /** Of a batch that is not settled. */
  objects(batch: number): ObjectWork[] {
    const [row] = this.#sql.exec("SELECT doubtful, objects FROM batches WHERE batch = ?", batch).toArray();
    return row === undefined ? [] : objectsOf(row);
  }

  /** Frees the batches of a dead lane. */
  releaseLane(lane: number): void {
    this.#free("lane = ?", lane);
  }

  /** Removes and returns all objects that are with no lane. */
  takePending(): ObjectWork[] {
    const rows = this.#sql.exec("SELECT objects FROM batches WHERE lane IS NULL ORDER BY batch").toArray();
    this.#sql.exec("DELETE FROM batches WHERE lane IS NULL");
    return rows.flatMap((row) => JSON.parse(String(row["objects"])) as ObjectWork[]);
  }

  /** The call broke, perhaps for one of its objects: from the second time on, each half goes alone. */
  #putBack(batch: number, lost: number, { now, random }: Times): void {
    const { count } = this.#sql.exec("SELECT count FROM batches WHERE batch = ?", batch).one();
    const notBeforeMs = now + backoffMs(BROKEN, lost, random);
    this.#sql.exec(
      "UPDATE batches SET lane = NULL, doubtful = ?, not_before_ms = ? WHERE batch = ?",
      lost,
      notBeforeMs,
      batch,
    );
    if (lost >= 2) this.#cut(batch, Math.ceil(Number(count) / 2));
  }

  /** Leaves the first objects in a batch; the others become one of their own, to be tried at its time. */
  #cut(batch: number, first: number): void {
    const row = this.#sql
      .exec("SELECT doubtful, not_before_ms, objects FROM batches WHERE batch = ?", batch)
      .one();
    const objects = JSON.parse(String(row["objects"])) as ObjectWork[];
    const left = objects.slice(0, first);
    this.#sql.exec(
      "UPDATE batches SET count = ?, objects = ? WHERE batch = ?",
      left.length,
      JSON.stringify(left),
      batch,
    );
    this.add(objects.slice(first), Number(row["not_before_ms"]), Number(row["doubtful"]));
  }

  #free(condition: "batch = ?" | "lane = ?", value: number): void {
    this.#sql.exec(`UPDATE batches SET lane = NULL, doubtful = max(doubtful, 1) WHERE ${condition}`, value);
  }
}

/** Fewer objects in a batch would cost more in calls than they gain. */
const LEAST_OBJECTS = 2;

/** Dealt out once, what waits would end with the slowest share: each transfer gets half of its own first. */
const ROUNDS = 2;

const BROKEN = meshFailure(
  "copier_died",
  "The call that copies this object has broken each time: an error in the mesh, or a limit of the platform",
  "copy",
);

/** The last outcome of objects whose calls always break. */
function brokenBy(row: Readonly<Record<string, unknown>>): Pick<FinishedBatch, "objects" | "outcomes"> {
  const objects = objectsOf(row).map((work) => ({ ...work, failedAttempts: MAX_ATTEMPTS - 1 }));
  return { objects, outcomes: objects.map(() => ({ kind: "failed", failure: BROKEN })) };
}

/**
 * As they were handed out. After a lost attempt, an object that was to be copied may be at the destination,
 * so it is looked for first; one that was only to be asked about is asked about again.
 */
function objectsOf(row: Readonly<Record<string, unknown>>): ObjectWork[] {
  const objects = JSON.parse(String(row["objects"])) as ObjectWork[];
  if (Number(row["doubtful"]) === 0) return objects;
  return objects.map((work) => (isAsking(work) || looksItself(work) ? work : { ...work, first: "find" }));
}

/** Does it look by itself what is there, before it writes? */
function looksItself({ first }: ObjectWork): boolean {
  return first === "replay" || first === "remove";
}
