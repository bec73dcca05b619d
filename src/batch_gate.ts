// How many batches of small objects may run, and how fast each sends its requests: the least of what the request wants, of
// what the stores have shown that they take (governor.ts), and of what the caps of the configuration leave to this sync
// (store_shares.ts). Decides; talks to nobody.

import type { Failure } from "./failure.ts";
import { type Governor, STORE_SIDES, lanePauseMs } from "./governor.ts";
import type { BatchPace, ObjectWork } from "./object_work.ts";
import { type Pace, slower } from "./pace.ts";
import { LONGEST_BOOKING_MS, type StoreShares } from "./store_shares.ts";
import type { SyncPaceView } from "./sync_status.ts";
import type { Store } from "./stores.ts";
import { BOOK_AHEAD_MS } from "./timetable.ts";

/** Objects per second that a batch moves at least, where it is held back: fewer batches then, that go faster. */
const LEAST_PER_BATCH = 4;
const LONGEST_PAUSE_MS = 20_000;

export interface Sides {
  readonly source: Store | null;
  readonly destination: Store | null;
}

export class BatchGate {
  readonly #governor: Governor;
  readonly #shares: StoreShares;

  constructor(governor: Governor, shares: StoreShares) {
    this.#governor = governor;
    this.#shares = shares;
  }

  /** The sync's own requests, as its lists, count as the objects do. @param running batches under way */
  refused(failure: Failure, running: number, now: number): void {
    this.#governor.failed(failure, { before: running + 1, left: running }, now);
  }

  /** Batches that may run at once. @param most that the request allows @param running that run now */
  width(most: number, running: number, sides: Sides, now: number): number {
    this.#governor.look(running, now);
    const perSecond = this.#perSecond(now);
    const fast = perSecond === Infinity ? Infinity : Math.max(1, Math.floor(perSecond / LEAST_PER_BATCH));
    return Math.min(most, this.#governor.streams(now), this.#shares.concurrency(storesOf(sides), now), fast);
  }

  /** How fast the sync may go now. */
  pace(most: number, running: number, sides: Sides, now: number): SyncPaceView {
    const perSecond = this.#perSecond(now);
    return {
      streams: this.width(most, running, sides, now),
      throttledBy: this.#governor.busySides(now),
      requestsPerSecond: perSecond === Infinity ? null : Math.floor(perSecond),
    };
  }

  /** May a batch begin now, as far as caps of requests per second go? */
  isOpen(sides: Sides, now: number): boolean {
    return this.#shares.isOpen(storesOf(sides), now);
  }

  /** The pace of a batch that begins now; null: as fast as it can. It is open. @param width batches at once */
  paceOf(
    objects: readonly ObjectWork[],
    sides: Sides,
    { width, now, random }: { width: number; now: number; random: number },
  ): BatchPace | null {
    const learnt = this.#learntPace(width, now, random);
    const gapMs = this.#shares.gapMs(storesOf(sides));
    const most = gapMs === 0 ? Infinity : Math.max(1, Math.floor(LONGEST_BOOKING_MS / gapMs));
    const booked = this.#shares.book(
      STORE_SIDES.flatMap((side) => {
        const store = sides[side];
        return store === null ? [] : [{ store, requests: Math.min(most, requestsOf(objects, side)) }];
      }),
      now,
    );
    const paces = booked?.values();
    const paceAt = (side: "source" | "destination"): Pace | null =>
      sides[side] === null ? null : (paces?.next().value ?? null);
    const [source, destination] = [slower(learnt, paceAt("source")), slower(learnt, paceAt("destination"))];
    if (source === null && destination === null) return null;
    return { source, destination, untilMs: now + BOOK_AHEAD_MS + LONGEST_BOOKING_MS };
  }

  /** How long a lane that got nothing is to wait. @param lanes that wait with it */
  pauseMs(
    { most, running, lanes, readyMs }: { most: number; running: number; lanes: number; readyMs: number },
    sides: Sides,
    { now, random }: { now: number; random: () => number },
  ): number {
    const turnMs = this.#governor.turnMs({ inFlight: running, most, random: random() }, now);
    const openMs = this.#shares.nextMs(storesOf(sides), now);
    const waitMs = Math.max(readyMs, openMs, turnMs) - now;
    return Math.min(LONGEST_PAUSE_MS, lanePauseMs(waitMs, lanes, random()));
  }

  #learntPace(width: number, now: number, random: number): Pace | null {
    const perSecond = this.#perSecond(now);
    if (perSecond === Infinity) return null;
    const gapMs = (width * 1000) / perSecond;
    return { startAtMs: now + random * gapMs, gapMs };
  }

  /** Each object is one request to either side at least. */
  #perSecond(now: number): number {
    return Math.min(...STORE_SIDES.map((side) => this.#governor.requestsPerSecond(side, now)));
  }
}

function storesOf({ source, destination }: Sides): Store[] {
  return [source, destination].filter((store) => store !== null);
}

/** What a batch asks of one side when nothing unforeseen happens. */
function requestsOf(objects: readonly ObjectWork[], side: "source" | "destination"): number {
  return objects.reduce((sum, { first }) => {
    if (side === "source") return sum + (first === "tell" ? 0 : 1);
    return sum + (first === "look" || first === "find" ? 2 : 1);
  }, 0);
}
