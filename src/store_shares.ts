// One job's side of the caps that all jobs share: what it holds of each capped store, and the timetable on which its
// requests are booked. Of a store without a cap it knows nothing, and costs no call.
//
// What it needs: `ask`, the call to the registry. In memory only: a job that loses it asks again, and books nothing
// before what it may have booked is over.
//
// Invariant: what is begun or booked here is covered by a share of the registry at that moment; what was covered by a
// larger one before is told to the registry until it is over (share_table.ts).

import type { StoreSide } from "./governor.ts";
import { type Pace, sleepUntil } from "./pace.ts";
import type { Amounts, Caps, ShareRequest } from "./share_table.ts";
import { SHARE_MS } from "./share_table.ts";
import type { Store } from "./stores.ts";
import { BOOK_AHEAD_MS, Timetable, bookablePerSecond } from "./timetable.ts";

/** How often a share is asked for anew. */
export const ASK_EVERY_MS = 4_000;
/** A share ends for its user a little before it ends for the registry: clocks differ, and answers travel. */
const SAFETY_MS = 5_000;
/** A step that gets no turn for so long is begun again by a later alarm. */
const TURN_LIMIT_MS = 60_000;
const LOOK_MS = 250;
/** Requests per second that a sender gets at least, where there are several. */
const LEAST_PER_COLUMN = 4;
/** No booking is longer, so that a smaller share is soon kept to. */
export const LONGEST_BOOKING_MS = 10_000;
/** What was booked by a job that has lost its memory is over after this. */
export const FORGOTTEN_MS = BOOK_AHEAD_MS + LONGEST_BOOKING_MS;

export type AskShares = (requests: readonly ShareRequest[]) => Promise<readonly Amounts[]>;

/** How the requests of one task are to go out; null: as they come. */
export type Paces = Readonly<Record<StoreSide, Pace | null>>;

interface Capped {
  readonly store: string;
  readonly columns: number;
  share: Amounts;
  untilMs: number;
  timetable: Timetable | null;
  /** What older timetables have let out, and until when. */
  draining: { perSecond: number; untilMs: number };
  booked: number;
  /** Somebody came and found no room on the timetable. */
  crowded: boolean;
  askedAtMs: number;
}

const NOTHING: Amounts = { concurrency: 0, perSecond: 0 };

export function capsOf({ maxConcurrency = Infinity, maxRequestsPerSecond = Infinity }: Store): Caps {
  return { concurrency: maxConcurrency, perSecond: maxRequestsPerSecond };
}

function isCapped(store: Store): boolean {
  return store.maxConcurrency !== undefined || store.maxRequestsPerSecond !== undefined;
}

export class StoreShares {
  readonly #ask: AskShares;
  readonly #clock: () => number;
  readonly #quietUntilMs: number;
  readonly #capped = new Map<string, Capped>();
  readonly #sides = new Map<StoreSide, string>();
  #asking: Promise<void> | null = null;
  #wanted = 1;
  #inFlight = 0;

  /** @param quietUntilMs nothing is booked before: the job has run already, and its bookings are forgotten */
  constructor(ask: AskShares, quietUntilMs: number, clock: () => number = Date.now) {
    this.#ask = ask;
    this.#quietUntilMs = quietUntilMs;
    this.#clock = clock;
  }

  /**
   * Which stores the job uses. May be called again.
   *
   * @param columns senders at once, each of which sends its requests one after the other
   */
  use(stores: Readonly<Partial<Record<StoreSide, Store>>>, columns = 1): void {
    for (const side of ["source", "destination"] as const) {
      const store = stores[side];
      if (store === undefined || !isCapped(store)) continue;
      this.#sides.set(side, store.name);
      if (this.#capped.has(store.name)) continue;
      this.#capped.set(store.name, {
        store: store.name,
        columns,
        share: NOTHING,
        untilMs: 0,
        timetable: null,
        draining: { perSecond: 0, untilMs: 0 },
        booked: 0,
        crowded: true, // nothing is known of how many requests it will be
        askedAtMs: 0,
      });
    }
  }

  get isNeeded(): boolean {
    return this.#capped.size > 0;
  }

  /** What there is to do: transfers that are wanted, and those that run. */
  tell(wanted: number, inFlight: number): void {
    this.#wanted = wanted;
    this.#inFlight = inFlight;
  }

  /** Asks for new shares, if it is time. */
  async refresh(): Promise<void> {
    const now = this.#clock();
    const isDue = [...this.#capped.values()].some(({ askedAtMs }) => now - askedAtMs >= ASK_EVERY_MS);
    if (isDue) await this.#refreshOnce();
  }

  /** Gives back what the job has: nothing of it runs any more. */
  async release(): Promise<void> {
    this.tell(0, 0);
    const holds = [...this.#capped.values()].some(({ untilMs }) => untilMs > this.#clock());
    if (!holds) return;
    for (const one of this.#capped.values()) one.share = NOTHING;
    await this.#refreshOnce();
  }

  async #refreshOnce(): Promise<void> {
    this.#asking ??= this.#refresh().finally(() => {
      this.#asking = null;
    });
    await this.#asking;
  }

  async #refresh(): Promise<void> {
    const [wanted, inFlight] = [this.#wanted, this.#inFlight];
    const capped = [...this.#capped.values()];
    const askedAtMs = this.#clock();
    const requests = capped.map((one): ShareRequest => ({
      store: one.store,
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
              columns: Math.max(1, Math.min(one.columns, Math.floor(perSecond / LEAST_PER_COLUMN))),
              fromMs,
            });
    }
    one.share = share;
    one.untilMs = askedAtMs + SHARE_MS - SAFETY_MS;
    one.booked = 0;
    one.crowded = false;
    one.askedAtMs = askedAtMs;
  }

  /** Transfers that the caps leave to this job. */
  concurrency(now: number): number {
    return Math.min(Infinity, ...[...this.#capped.values()].map((one) => held(one, now).concurrency));
  }

  /** Books the requests of one task at both stores; null when it is not its turn yet. */
  book(requests: Readonly<Record<StoreSide, number>>, now: number): Paces | null {
    const sides = (["source", "destination"] as const).filter((side) => this.#sides.has(side));
    const stores = sides.map((side) => this.#of(side));
    for (const one of stores) {
      if (held(one, now).perSecond === Infinity) continue;
      const open = held(one, now).perSecond > 0 && one.timetable?.isOpen(now) === true;
      if (open) continue;
      one.crowded = true;
      return null;
    }
    const paceFor = (side: StoreSide): Pace | null => {
      if (!sides.includes(side)) return null;
      const one = this.#of(side);
      one.booked += requests[side];
      return one.timetable?.book(requests[side], now) ?? null;
    };
    return { source: paceFor("source"), destination: paceFor("destination") };
  }

  /** When a task may be booked again. */
  nextMs(now: number): number {
    const waits = [...this.#capped.values()].map((one) => {
      const { perSecond } = held(one, now);
      if (perSecond === Infinity) return now;
      if (perSecond === 0 || one.timetable === null) return one.askedAtMs + ASK_EVERY_MS;
      return one.timetable.nextMs(now) - BOOK_AHEAD_MS;
    });
    return Math.max(now, ...waits);
  }

  /** What the job's own requests to a store wait for, one by one; undefined where the store has no cap. */
  turnAt(side: StoreSide): (() => Promise<void>) | undefined {
    if (!this.#sides.has(side)) return undefined;
    return async () => {
      const one = this.#of(side);
      const untilMs = this.#clock() + TURN_LIMIT_MS;
      for (let now = this.#clock(); now < untilMs; now = this.#clock()) {
        await this.refresh();
        if (held(one, now).perSecond === Infinity) return;
        if (held(one, now).perSecond > 0 && one.timetable?.isOpen(now) === true) {
          one.booked += 1;
          return await sleepUntil(one.timetable.book(1, now).startAtMs);
        }
        one.crowded = true;
        await sleepUntil(this.#clock() + LOOK_MS);
      }
      throw new Error(
        `No turn came for a request to store "${one.store}": its maxRequestsPerSecond is used by others`,
      );
    };
  }

  #of(side: StoreSide): Capped {
    const one = this.#capped.get(this.#sides.get(side) ?? "");
    if (one === undefined) throw new Error(`The ${side} has no cap`);
    return one;
  }
}

function held({ share, untilMs }: Capped, now: number): Amounts {
  return untilMs > now ? share : NOTHING;
}

/** What may go out by any timetable that is not over. */
function usable({ share, timetable, draining }: Capped, now: number): number {
  if (share.perSecond === Infinity) return 0;
  const own = timetable === null ? 0 : share.perSecond;
  return Math.max(own, draining.untilMs > now ? draining.perSecond : 0);
}

/** Whoever found no room wants all that he can get; else what was used, and room to grow. */
function wantedPerSecond({ crowded, booked, askedAtMs }: Capped, now: number): number {
  return crowded
    ? Number.MAX_SAFE_INTEGER
    : Math.ceil((2 * booked * 1000) / Math.max(1000, now - askedAtMs)) + 4;
}
