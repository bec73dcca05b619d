// How fast one stream may move bytes: a bucket that fills at the stream's rate. The rate is the stream's lots
// of each limit that it is under (bandwidth.ts), and follows the hours of the limits by itself, so nobody has
// to tell the stream that an hour has begun. The clock is an argument.
//
// A stream whose rate falls below what it needs to end in time is handed back instead of held: an idle
// connection would be cut, and its bytes are sent again when there is room.

import { sleepUntil } from "./sender.ts";
import { LOTS } from "./share_table.ts";
import { type Limits, ceilingAt, LEAST_BYTES_PER_SECOND } from "../store/limits.ts";

/** The part of one limit that a stream has. */
interface Lots {
  readonly limits: Limits;
  readonly lots: number;
  /** How often each byte counts: twice at a store that is both source and destination. */
  readonly weight: number;
}

/** How fast a stream may go. Plain data, since it travels with a task. */
export interface StreamRate {
  /** When it was granted: the time until its first byte is not lost to it. */
  readonly startAtMs: number;
  readonly of: readonly Lots[];
}

/** Lost by a stream that cannot go on as slowly as its limits demand now. */
export class HandedBackError extends Error {
  override readonly name = "HandedBackError";

  constructor() {
    super("maxBytesPerSecond leaves too little to this transfer now: it is handed back");
  }
}

/** What a stream that was late may catch up with. It is what the limit can be exceeded by for a moment. */
const CATCH_UP_MS = 1_000;

/** The rate may change meanwhile. */
const RECHECK_MS = 1_000;

/** How much passes at once: small enough to be steady, large enough to be cheap. */
const CHUNK_MS = 100;

const LEAST_CHUNK_BYTES = 16 * 1024;

/** Rounding must not end a stream that has just what it needs. */
const SLACK = 0.9;

export class ByteBucket {
  readonly #rate: StreamRate;
  readonly #clock: () => number;
  #filledAtMs: number;
  /** May be negative: what has passed is paid for afterwards. */
  #bytes = 0;
  #handedBack = false;

  constructor(rate: StreamRate, clock: () => number = Date.now) {
    this.#rate = rate;
    this.#clock = clock;
    this.#filledAtMs = rate.startAtMs;
  }

  /** Whether its stream was given up for being too slow. */
  get handedBack(): boolean {
    return this.#handedBack;
  }

  /** Returns when more may pass. @throws {HandedBackError} when it would be too slow */
  async take(): Promise<void> {
    for (let waitMs = this.waitMs(); waitMs > 0; waitMs = this.waitMs())
      await sleepUntil(Date.now() + Math.min(RECHECK_MS, waitMs));
  }

  /** So much has passed. */
  spend(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** Until the bytes that have passed are paid for. @throws {HandedBackError} */
  waitMs(): number {
    const now = this.#clock();
    const perSecond = rateAt(this.#rate, now);
    if (perSecond < LEAST_BYTES_PER_SECOND * SLACK) {
      this.#handedBack = true;
      throw new HandedBackError();
    }
    if (perSecond === Infinity) {
      this.#bytes = 0;
      this.#filledAtMs = now;
      return 0;
    }
    const passedMs = Math.max(0, now - this.#filledAtMs);
    this.#filledAtMs = Math.max(now, this.#filledAtMs);
    const most = (perSecond * CATCH_UP_MS) / 1000;
    this.#bytes = Math.min(most, this.#bytes + (perSecond * passedMs) / 1000);
    return this.#bytes >= 0 ? 0 : Math.ceil((-this.#bytes * 1000) / perSecond);
  }

  /** How much of this to move at once now. */
  atMost(bytes: number): number {
    const perSecond = rateAt(this.#rate, this.#clock());
    return Math.ceil(Math.min(bytes, Math.max(LEAST_CHUNK_BYTES, (perSecond * CHUNK_MS) / 1000)));
  }
}

/** Bytes per second of a stream now. */
export function rateAt({ of }: StreamRate, now: number): number {
  return Math.min(
    Infinity,
    ...of.map(({ limits, lots, weight }) => {
      const ceiling = ceilingAt(limits, "maxBytesPerSecond", now);
      return ceiling === Infinity ? Infinity : (ceiling * lots) / LOTS / weight;
    }),
  );
}
