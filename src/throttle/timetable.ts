// The timetable of requests to one store whose requests per second are capped: each request has a moment of
// its own, and no two are closer than the cap allows. Pure: the clock is an argument. See "How fast a job
// goes" in governor.ts.
//
// The moments lie on a grid, one every 1/perSecond. A sender that sends its requests one after the other (a
// batch of small objects) cannot use adjacent moments, so it gets every `columns`-th one: the grid is dealt
// out like cards to `columns` hands. A booking is a start and a gap. Its requests go out at the start and
// then a gap apart, or later.
//
// Invariant: in any window of one second at most ceil(perSecond) requests are booked. Requests that the
// network delays may bunch up beyond that at the store; HEADROOM is kept free for them. A sender that is late
// does not catch up: it keeps its gap, so that a store that has stalled is not met by a crowd afterwards.

export interface Booking {
  readonly startAtMs: number;
  /** Between one request and the next. */
  readonly gapMs: number;
}

/** The fraction of a cap that is not handed out. */
const HEADROOM = 0.05;

/** How far ahead a booking may start. A sender that would have to wait longer asks again. */
export const BOOK_AHEAD_MS = 1_000;

/**
 * How much of a share is put on the timetable. Small shares are used in full: their requests are far apart.
 */
export function bookablePerSecond(perSecond: number): number {
  return perSecond > 20 ? perSecond * (1 - HEADROOM) : perSecond;
}

export class Timetable {
  readonly perSecond: number;
  readonly columns: number;
  readonly #fromMs: number;
  /** By column: the first moment, counted from `fromMs`, that is not booked. */
  readonly #free: number[];

  /** @param fromMs nothing is booked before: until then requests go out that an older timetable booked */
  constructor({ perSecond, columns, fromMs }: { perSecond: number; columns: number; fromMs: number }) {
    this.perSecond = perSecond;
    this.columns = columns;
    this.#fromMs = fromMs;
    this.#free = Array.from({ length: columns }, (_, column) => column);
  }

  /** Books this many requests, one after the other. The caller has checked isOpen(). */
  book(requests: number, now: number): Booking {
    const { column, slot } = this.#soonest(now);
    this.#free[column] = slot + requests * this.columns;
    return { startAtMs: this.#momentOf(slot), gapMs: (this.columns * 1000) / this.perSecond };
  }

  /** When the next booking could start. */
  nextMs(now: number): number {
    return this.#momentOf(this.#soonest(now).slot);
  }

  /** Could a booking start soon? */
  isOpen(now: number): boolean {
    return this.nextMs(now) <= now + BOOK_AHEAD_MS;
  }

  #soonest(now: number): { column: number; slot: number } {
    const first = Math.max(0, Math.ceil(((now - this.#fromMs) * this.perSecond) / 1000));
    let [column, slot] = [0, Infinity];
    for (const [candidate, free] of this.#free.entries()) {
      const soonest = free >= first ? free : free + Math.ceil((first - free) / this.columns) * this.columns;
      if (soonest < slot) [column, slot] = [candidate, soonest];
    }
    return { column, slot };
  }

  #momentOf(slot: number): number {
    return this.#fromMs + (slot * 1000) / this.perSecond;
  }

  /** When the last booked request goes out, if none is late. A new timetable may start one interval after. */
  get bookedUntilMs(): number {
    const last = Math.max(
      ...this.#free.map((free, column) => (free === column ? -Infinity : free - this.columns)),
    );
    return last === -Infinity ? -Infinity : this.#fromMs + (last * 1000) / this.perSecond;
  }
}
