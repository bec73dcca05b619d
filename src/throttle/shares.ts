// One job's side of the caps that all jobs share: what it holds of each capped store, and the timetable on
// which it books its requests. A store without a cap costs no call. See "How fast a job goes" in governor.ts.
//
// What it needs: `ask`, the call to the registry. The state is in memory only. A job that loses it asks
// again, and books nothing until everything that it may have booked before is over.
//
// Invariant: whatever starts or is booked here is covered by a share of the registry at that moment. What an
// earlier, larger share covered is reported to the registry until it is over (share_table.ts).

import { Bandwidth } from "./bandwidth.ts";
import { type Limits, ceilingAt, isLimited } from "../store/limits.ts";
import type { Store } from "../store/stores.ts";
import { type Pace, sleepUntil } from "./sender.ts";
import { type Amounts, type ShareRequest, REQUESTS_OF, SHARE_MS } from "./share_table.ts";
import { BOOK_AHEAD_MS, bookablePerSecond, Timetable } from "./timetable.ts";

/** How often a share is renewed. */
export const ASK_EVERY_MS = 4_000;

/** A job stops using its share a little before the registry ends it: clocks differ, and answers take time. */
const SAFETY_MS = 5_000;

/** A step that may send nothing for this long is given up; a later alarm starts it again. */
const TURN_LIMIT_MS = 60_000;

const RECHECK_MS = 250;

/** Where there are several senders, each gets at least this many requests per second. */
const LEAST_PER_COLUMN = 4;

/** The longest booking. It is short, so that a smaller share takes effect soon. */
export const LONGEST_BOOKING_MS = 10_000;

/** After this, everything is over that a job booked before it lost its memory. */
export const FORGOTTEN_MS = BOOK_AHEAD_MS + LONGEST_BOOKING_MS;

type AskShares = (requests: readonly ShareRequest[]) => Promise<readonly Amounts[]>;

export type TurnsAt = (store: Store) => (() => Promise<void>) | undefined;

/** This many requests to one store. */
export interface Requests {
  readonly store: Store;
  readonly requests: number;
}

interface Capped {
  /** What the jobs that share it call it. */
  readonly name: string;
  /** The store that the requests go to. */
  readonly store: string;
  /** Of the job's own limit: what it is now. */
  readonly cap?: () => number;
  share: Amounts;
  untilMs: number;
  timetable: Timetable | null;
  /** The most that older timetables still let out, and until when. */
  draining: { perSecond: number; untilMs: number };
  booked: number;
  /** A task found no room on the timetable. */
  crowded: boolean;
  askedAtMs: number;
}

/** A job's own limits, and by which name it shares them with the jobs that it has started. */
interface OwnRequests {
  readonly key: string;
  readonly limits: Limits;
}

/** The caps leave nothing to this job. */
export class NoTurnError extends Error {
  override readonly name = "NoTurnError";
}

/** Runs a short piece of work that sends a store one request after the other, as a job beside the others. */
export async function withTurns<T>(ask: AskShares, run: (turnsAt: TurnsAt) => Promise<T>): Promise<T> {
  const shares = new StoreShares(ask, { columns: () => 1, quietUntilMs: 0 });
  shares.setDemand(1, 1);
  try {
    return await run((store) => shares.turnsAt(store));
  } finally {
    await shares.release();
  }
}

const NOTHING: Amounts = { concurrency: 0, perSecond: 0 };

function isCapped(store: Store): boolean {
  return isLimited(store, "maxConcurrency") || isLimited(store, "maxRequestsPerSecond");
}

export class StoreShares {
  readonly #ask: AskShares;
  /** The job's part of the limits of bytes per second. */
  readonly bytes: Bandwidth;
  readonly #clock: () => number;
  readonly #columns: () => number;
  readonly #quietUntilMs: number;
  readonly #own: () => OwnRequests | null;
  readonly #capped = new Map<string, Capped>();
  #asking: Promise<void> | null = null;
  #wanted = 1;
  /** Requests that wait for their turn. They need a share even if the job wants no more transfers. */
  #waiting = 0;
  #inFlight = 0;
  #askedFor = 0;

  /**
   * @param options.columns how many senders there are at once; each sends its requests one after the other
   * @param options.quietUntilMs nothing is booked before: the job may have run before, and its bookings are
   *   forgotten
   * @param options.own the job's own limits; its requests to either store are held to them as to a store's
   */
  constructor(
    ask: AskShares,
    {
      columns,
      quietUntilMs,
      own = () => null,
      clock = Date.now,
    }: { columns: () => number; quietUntilMs: number; own?: () => OwnRequests | null; clock?: () => number },
  ) {
    this.#own = own;
    this.#ask = ask;
    this.bytes = new Bandwidth(ask);
    this.#columns = columns;
    this.#quietUntilMs = quietUntilMs;
    this.#clock = clock;
  }

  get isNeeded(): boolean {
    return this.#capped.size > 0 || this.bytes.isNeeded;
  }

  /** Is any share still valid? */
  holdsAny(now: number): boolean {
    return [...this.#capped.values()].some(({ untilMs }) => untilMs > now) || this.bytes.holdsAny(now);
  }

  /** Sets what there is to do: transfers that are wanted, and those that run. */
  setDemand(wanted: number, inFlight: number): void {
    this.#wanted = wanted;
    this.#inFlight = inFlight;
    this.bytes.setDemand(wanted > 0, inFlight);
  }

  /** Renews the shares, if it is time. */
  async refresh(): Promise<void> {
    const now = this.#clock();
    if (this.bytes.isDue(now)) await this.bytes.refresh(now);
    const isDue = [...this.#capped.values()].some(({ askedAtMs }) => now - askedAtMs >= ASK_EVERY_MS);
    // There is more to do than was asked for: that does not wait for its time.
    if (isDue || (this.#capped.size > 0 && this.#demand() > this.#askedFor)) await this.#refreshOnce();
  }

  #demand(): number {
    return Math.max(this.#wanted, Math.min(1, this.#waiting));
  }

  /**
   * Gives back what the job holds. No transfer of the job may run any more. A request of its own that waits,
   * such as an abort that is owed or the reading of a report, keeps the share until it has gone out.
   */
  async release(): Promise<void> {
    this.setDemand(0, 0);
    await this.bytes.release(this.#clock());
    if (this.#waiting > 0 || !this.holdsAny(this.#clock())) return;
    for (const one of this.#capped.values()) one.share = NOTHING;
    await this.#refreshOnce();
    for (const one of this.#capped.values()) one.untilMs = 0;
  }

  async #refreshOnce(): Promise<void> {
    this.#asking ??= this.#refresh().finally(() => {
      this.#asking = null;
    });
    await this.#asking;
  }

  async #refresh(): Promise<void> {
    const [wanted, inFlight] = [this.#demand(), this.#inFlight];
    this.#askedFor = wanted;
    const capped = [...this.#capped.values()];
    const askedAtMs = this.#clock();
    const requests = capped.map((one): ShareRequest => ({
      store: one.name,
      ...(one.cap === undefined ? {} : { perSecondCap: one.cap() }),
      wants: { concurrency: wanted, perSecond: wanted === 0 ? 0 : wantedPerSecond(one, askedAtMs) },
      having: {
        concurrency: Math.max(inFlight, held(one, askedAtMs).concurrency),
        perSecond: usable(one, askedAtMs),
      },
    }));
    const answers = await this.#ask(requests);
    for (const [index, one] of capped.entries()) this.#take(one, answers[index] ?? NOTHING, askedAtMs);
  }

  #take(one: Capped, share: Amounts, askedAtMs: number): void {
    const now = this.#clock();
    const bookedUntilMs = one.timetable?.bookedUntilMs ?? -Infinity;
    if (one.timetable === null || one.share.perSecond !== share.perSecond) {
      const old = one.timetable?.perSecond ?? 0;
      const perSecond = bookablePerSecond(share.perSecond);
      const slowest = Math.min(perSecond, old === 0 ? perSecond : old);
      const fromMs = Math.max(now, this.#quietUntilMs, bookedUntilMs + 1000 / slowest);
      one.draining = {
        perSecond: Math.max(one.share.perSecond, one.draining.untilMs > now ? one.draining.perSecond : 0),
        untilMs: fromMs,
      };
      one.timetable =
        share.perSecond === Infinity || share.perSecond === 0
          ? null
          : new Timetable({
              perSecond,
              columns: Math.max(1, Math.min(this.#columns(), Math.floor(perSecond / LEAST_PER_COLUMN))),
              fromMs,
            });
    }
    one.share = share;
    one.untilMs = askedAtMs + SHARE_MS - SAFETY_MS;
    one.booked = 0;
    one.crowded = false;
    one.askedAtMs = askedAtMs;
  }

  /** Transfers that the caps of these stores leave to this job. */
  concurrency(stores: readonly Store[], now: number): number {
    return Math.min(Infinity, ...this.#cappedOf(stores).map((one) => held(one, now).concurrency));
  }

  /** May a task at these stores be booked now? */
  isOpen(stores: readonly Store[], now: number): boolean {
    for (const one of this.#cappedOf(stores)) {
      const { perSecond } = held(one, now);
      if (perSecond === Infinity || (perSecond > 0 && one.timetable?.isOpen(now) === true)) continue;
      one.crowded = true;
      return false;
    }
    return true;
  }

  /**
   * Books the requests of one task at each of its stores.
   *
   * @returns the pace at each of them, null where it has no cap; or null if the task may not start yet
   */
  book(tasks: readonly Requests[], now: number): (Pace | null)[] | null {
    const stores = tasks.map(({ store }) => store);
    if (!this.isOpen(stores, now)) return null;
    return tasks.map(({ store, requests }) => {
      const paces = this.#cappedAt(store).map((one) => {
        one.booked += requests;
        return one.timetable?.book(requests, now) ?? null;
      });
      return paces.reduce(slowerPace, null);
    });
  }

  /** The gap between the requests of one sender at these stores. */
  gapMs(stores: readonly Store[]): number {
    const gaps = this.#cappedOf(stores).map(({ timetable }) =>
      timetable === null ? 0 : (timetable.columns * 1000) / timetable.perSecond,
    );
    return Math.max(0, ...gaps);
  }

  /** When a task at these stores may be booked. */
  nextMs(stores: readonly Store[], now: number): number {
    const waits = this.#cappedOf(stores).map((one) => {
      const { perSecond } = held(one, now);
      if (perSecond === Infinity) return now;
      if (perSecond === 0 || one.timetable === null) return one.askedAtMs + ASK_EVERY_MS;
      return one.timetable.nextMs(now) - BOOK_AHEAD_MS;
    });
    return Math.max(now, ...waits);
  }

  /** What the job's own requests to a store wait for, one by one; undefined where the store has no cap. */
  turnsAt(store: Store): (() => Promise<void>) | undefined {
    if (this.#cappedAt(store).length === 0) return undefined;
    return async () => {
      this.#waiting += 1;
      try {
        for (const one of this.#cappedAt(store)) await this.#turn(one);
      } finally {
        this.#waiting -= 1;
      }
    };
  }

  /** @throws {NoTurnError} */
  async #turn(one: Capped): Promise<void> {
    const untilMs = this.#clock() + TURN_LIMIT_MS;
    for (let now = this.#clock(); now < untilMs; now = this.#clock()) {
      await this.refresh();
      if (held(one, now).perSecond === Infinity) return;
      if (held(one, now).perSecond > 0 && one.timetable?.isOpen(now) === true) {
        one.booked += 1;
        return await sleepUntil(one.timetable.book(1, now).startAtMs);
      }
      one.crowded = true;
      await sleepUntil(this.#clock() + RECHECK_MS);
    }
    throw new NoTurnError(
      `No request to store "${one.store}" was allowed in time: ${one.cap === undefined ? "its" : "this job's"} maxRequestsPerSecond is used up`,
    );
  }

  /** May requests to these stores be capped, at this hour or another? */
  mayPace(stores: readonly Store[]): boolean {
    return (
      stores.some((store) => isLimited(store, "maxRequestsPerSecond")) || (stores.length > 0 && this.#isOwn())
    );
  }

  #isOwn(): boolean {
    const own = this.#own();
    return own !== null && isLimited(own.limits, "maxRequestsPerSecond");
  }

  #cappedOf(stores: readonly Store[]): Capped[] {
    return [...new Set(stores.flatMap((store) => this.#cappedAt(store)))];
  }

  /** The store's own caps, and the job's. */
  #cappedAt(store: Store): Capped[] {
    const { name } = store;
    const ofStore = isCapped(store) ? [this.#of({ name, store: name })] : [];
    const own = this.#own();
    if (own === null || !isLimited(own.limits, "maxRequestsPerSecond")) return ofStore;
    const cap = () => ceilingAt(own.limits, "maxRequestsPerSecond", this.#clock());
    return [...ofStore, this.#of({ name: `${REQUESTS_OF}${own.key} ${name}`, store: name, cap })];
  }

  #of({ name, ...at }: Pick<Capped, "name" | "store" | "cap">): Capped {
    const known = this.#capped.get(name);
    if (known !== undefined) return known;
    const one: Capped = {
      name,
      ...at,
      share: NOTHING,
      untilMs: 0,
      timetable: null,
      draining: { perSecond: 0, untilMs: 0 },
      booked: 0,
      crowded: true, // not known yet how many requests there will be
      askedAtMs: -Infinity,
    };
    this.#capped.set(name, one);
    return one;
  }
}

/** Of two paces that a request must keep. */
function slowerPace(one: Pace | null, other: Pace | null): Pace | null {
  if (one === null || other === null) return one ?? other;
  return {
    startAtMs: Math.max(one.startAtMs, other.startAtMs),
    gapMs: Math.max(one.gapMs, other.gapMs),
  };
}

function held({ share, untilMs }: Capped, now: number): Amounts {
  return untilMs > now ? share : NOTHING;
}

/** Requests per second that may go out on any timetable that is not over. */
function usable({ share, timetable, draining }: Capped, now: number): number {
  if (share.perSecond === Infinity) return 0;
  const own = timetable === null ? 0 : share.perSecond;
  return Math.max(own, draining.untilMs > now ? draining.perSecond : 0);
}

/** A job that found no room wants all it can get; otherwise twice what it used, and a little to grow from. */
function wantedPerSecond({ crowded, booked, askedAtMs }: Capped, now: number): number {
  return crowded
    ? Number.MAX_SAFE_INTEGER
    : Math.ceil((2 * booked * 1000) / Math.max(1000, now - askedAtMs)) + 4;
}
