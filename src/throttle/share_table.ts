// What each running job holds of the capped stores, in the registry's SQLite, since all copies and syncs
// share the caps. See "How fast a job goes" in governor.ts.
//
// Protocol. Every few seconds a job asks: it says what it wants, and what it may still be using of what it
// had. The answer is its share from now on, valid for SHARE_MS. A share that shrinks is counted in full until
// its job has reported that it uses less. So the sum of what is in use never exceeds the cap, even if a job
// is slow, dies, or never gets an answer. A job that stops asking holds nothing once its share has expired.

import type { Env } from "../env.ts";
import { ceilingAt } from "../store/limits.ts";
import { readStores } from "../store/stores.ts";

/** Of one store: transfers at once, and requests per second. */
export interface Amounts {
  readonly concurrency: number;
  readonly perSecond: number;
}

export interface ShareRequest {
  readonly store: string;
  readonly wants: Amounts;
  /** What may be in use now. */
  readonly having: Amounts;
  /** Less of the concurrency is of no use: jobs wait for their turn, instead of having that little each. */
  readonly least?: number;
  /** Of a job's own limit of requests per second: what it is now. The jobs that share it have the same. */
  readonly perSecondCap?: number;
}

/** Before the name of a job's own limit of requests per second, which it shares with the copies it starts. */
export const REQUESTS_OF = "requests ";

/** Before the name of a limit of bytes per second, whose lots are shared like transfers (bandwidth.ts). */
export const LOTS_OF = "bytes ";

/** A limit of bytes per second in lots. */
export const LOTS = 1_000;

/** Infinity where the store has no cap. */
type Caps = Amounts;

const NO_CAPS: Caps = { concurrency: Infinity, perSecond: Infinity };

/** What is shared under this name now; nothing of a store that is not configured any more. */
export function capsAt(
  env: Env,
  { store: name, perSecondCap }: Pick<ShareRequest, "store" | "perSecondCap">,
  now: number,
): Caps {
  if (name.startsWith(REQUESTS_OF)) return { concurrency: Infinity, perSecond: perSecondCap ?? Infinity };
  if (name.startsWith(LOTS_OF)) return { concurrency: LOTS, perSecond: Infinity };
  const entry = readStores(env).get(name);
  // The request to it will fail with the reason.
  if (entry?.ok !== true) return NO_CAPS;
  return {
    concurrency: ceilingAt(entry.store, "maxConcurrency", now),
    perSecond: ceilingAt(entry.store, "maxRequestsPerSecond", now),
  };
}

/** How long a share is valid. A lane whose coordinator is dead stops its parts within this time. */
export const SHARE_MS = 40_000;

const RESOURCES = ["concurrency", "perSecond"] as const;

type Resource = (typeof RESOURCES)[number];

export class ShareTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS shares (
        store TEXT NOT NULL,
        resource TEXT NOT NULL,          -- concurrency | perSecond
        job TEXT NOT NULL,
        wants REAL NOT NULL,
        counted REAL NOT NULL,           -- what the job may be using
        until_ms INTEGER NOT NULL,
        served_ms INTEGER NOT NULL,      -- when it last got something; the job that has waited longest is served first
        PRIMARY KEY (store, resource, job)
      );
    `);
  }

  /** One job's share of one store from now on. Call it in a transaction. */
  ask(job: string, { store, wants, having, least = 1 }: ShareRequest, caps: Caps, now: number): Amounts {
    const share = (resource: Resource) =>
      this.#ask(
        job,
        { store, resource, wants: wants[resource], having: having[resource], least },
        caps[resource],
        now,
      );
    return { concurrency: share("concurrency"), perSecond: share("perSecond") };
  }

  #ask(
    job: string,
    {
      store,
      resource,
      wants,
      having,
      least,
    }: { store: string; resource: Resource; wants: number; having: number; least: number },
    cap: number,
    now: number,
  ): number {
    if (cap === Infinity) return Infinity;
    this.#sql.exec(
      "DELETE FROM shares WHERE store = ? AND resource = ? AND until_ms <= ?",
      store,
      resource,
      now,
    );
    const wanted = Math.min(wants, cap);
    const others = this.#sql
      .exec(
        "SELECT job, wants, counted, served_ms FROM shares WHERE store = ? AND resource = ?",
        store,
        resource,
      )
      .toArray()
      .map((row) => ({
        job: String(row["job"]),
        wants: Number(row["wants"]),
        counted: Number(row["counted"]),
        servedMs: Number(row["served_ms"]),
      }));
    const servedMs = others.find((other) => other.job === job)?.servedMs ?? 0;
    const own = { job, wants: wanted, counted: having, servedMs };
    const holdings = [...others.filter((other) => other.job !== job), own].toSorted(
      (one, other) => one.servedMs - other.servedMs || (one.job < other.job ? -1 : 1),
    );
    const share = shareFor(cap, job, holdings, least);
    const counted = Math.max(share, having);
    if (wanted === 0 && counted === 0) {
      this.#sql.exec("DELETE FROM shares WHERE store = ? AND resource = ? AND job = ?", store, resource, job);
      return 0;
    }
    this.#sql.exec(
      "INSERT OR REPLACE INTO shares VALUES (?, ?, ?, ?, ?, ?, ?)",
      store,
      resource,
      job,
      wanted,
      counted,
      now + SHARE_MS,
      share > 0 ? now : servedMs,
    );
    return share;
  }
}

/**
 * How the cap of a store is divided among the jobs that use it. Pure. Max-min fair: no job gets more than it
 * asks for, and no job could get more without taking it from one that has less. Shares are whole numbers,
 * since two halves of a request per second could both fall into one second. Where there are more jobs than
 * units, those that have waited longest go first.
 *
 * @param cap units in total; a cap below 1 (a request every few seconds) is one unit, and one job has it
 * @param demands by job, in the order in which jobs are served when there is not enough for all
 */
export function fairShares(cap: number, demands: ReadonlyMap<string, number>): Map<string, number> {
  const unit = Math.min(1, cap);
  let left = cap === 0 ? 0 : Math.floor(cap / unit);
  const shares = new Map<string, number>();
  const hungry = new Map([...demands].filter(([, demand]) => demand > 0));
  for (const job of demands.keys()) shares.set(job, 0);
  while (left > 0 && hungry.size > 0) {
    const each = Math.floor(left / hungry.size);
    const modest = [...hungry].filter(([, demand]) => Math.ceil(demand / unit) <= each);
    if (modest.length === 0) {
      // All want more than an equal part: each gets that, and the first jobs one unit each of the remainder.
      const more = left - each * hungry.size;
      for (const [index, job] of [...hungry.keys()].entries())
        shares.set(job, (each + (index < more ? 1 : 0)) * unit);
      return shares;
    }
    for (const [job, demand] of modest) {
      const units = Math.ceil(demand / unit);
      shares.set(job, units * unit);
      left -= units;
      hungry.delete(job);
    }
  }
  return shares;
}

/** What one job holds of one store, as the registry remembers it. */
interface Holding {
  readonly job: string;
  readonly wants: number;
  /** What the job may be using, at most. */
  readonly counted: number;
}

/**
 * What a job may use from now on. The sum of what all jobs may be using never exceeds the cap: a job whose
 * share grows waits until those whose shares shrink have reported that they use less.
 *
 * @param holdings of all jobs including this one, those that have waited longest first
 */
function shareFor(cap: number, job: string, holdings: readonly Holding[], least: number): number {
  const places = least > 1 ? Math.max(1, Math.floor(cap / least)) : Infinity;
  const hungry = holdings.filter(({ wants }) => wants > 0).slice(0, places);
  const fair = fairShares(cap, new Map(hungry.map((holding) => [holding.job, holding.wants]))).get(job) ?? 0;
  const taken = holdings.reduce((sum, holding) => sum + (holding.job === job ? 0 : holding.counted), 0);
  const free = Math.max(0, cap - taken);
  if (free >= fair) return fair;
  const part = cap < 1 ? 0 : Math.floor(free);
  return part < least ? 0 : part;
}
