// How long a small object is waited for before it is asked for again, on a new connection. A request that is
// much slower than the others meets a slow machine of the store, and the next one another machine
// (https://docs.aws.amazon.com/whitepapers/latest/s3-optimizing-performance-best-practices/, 2026-11: below
// 512 KB after 2 s, then after 4 s). Pure.

const SMALL_BYTES = 512 * 1024;

const FIRST_MS = 2_000;

/** Tries that are given up early; the next one has all the time that a transfer may take. */
const EARLY_TRIES = 2;

/** Slower than so many times the mean is slow, where a store takes its time with all. */
const SLOW = 4;

/** The weight of one more object in the mean time. */
const WEIGHT = 1 / 4;

export class Patience {
  readonly #isCalm: boolean;
  #meanMs = 0;

  /** @param isCalm no store has asked for fewer requests, none waits for its turn, no budget is kept */
  constructor(isCalm: boolean) {
    this.#isCalm = isCalm;
  }

  /** @param tries that were given up @returns null: no sooner than any transfer */
  limitMs(sizeBytes: number, tries: number): number | null {
    if (!this.#isCalm || sizeBytes > SMALL_BYTES || tries >= EARLY_TRIES) return null;
    return Math.max(FIRST_MS * 2 ** tries, SLOW * this.#meanMs);
  }

  /** An object has been copied, in this time from the first try on. */
  took(durationMs: number): void {
    this.#meanMs += (durationMs - this.#meanMs) * (this.#meanMs === 0 ? 1 : WEIGHT);
  }
}
