// How long one part may take, and the watchdog that enforces the limits of the steps of one call.
//
// Where the runtime alone moves a part's bytes, no code sees them move. A part that has stopped is then
// recognised only by its time: many times what the slowest part before it took. Where digests are computed,
// every buffer is seen, and a stream that moves nothing is abandoned much sooner (digest_stream.ts).

import { timeoutError } from "../s3/request.ts";

/**
 * What may still be under way after this long in one event is not begun in it: the platform ends an alarm
 * after 15 minutes, and a pending call as well (https://developers.cloudflare.com/workers/platform/limits/,
 * 2026-11). A part that is ended so is sent again.
 */
export const EVENT_MS = 14 * 60_000;

/** A transfer slower than this is stalled, whatever was seen before. */
const SLOWEST_BYTES_PER_SECOND = 256 * 1024;

/** For the answers at both ends, whatever the length. */
const BASE_LIMIT_MS = 60_000;

/** Leaves an event two minutes in which it may begin such a transfer. */
const MAX_LIMIT_MS = 12 * 60_000;

/** No part is given up before this, even if others took only seconds. */
const LEAST_LIMIT_MS = 30_000;

const SLACK = 4;

/** Where bytes are seen: no byte for this long is a stall. */
export const IDLE_LIMIT_MS = 30_000;

/** A store that has received all bytes of a part answers within this. */
export const ANSWER_LIMIT_MS = 60_000;

/** The time for this many bytes while nothing is known about the speed of the stores. */
export function transferLimitMs(sizeBytes: number): number {
  return Math.ceil(Math.min(MAX_LIMIT_MS, BASE_LIMIT_MS + (sizeBytes / SLOWEST_BYTES_PER_SECOND) * 1000));
}

/**
 * @param length of the part in bytes
 * @param slowestMsPerMib of the parts that are done, null before the first
 * @param failedAttempts of this part: each doubles the time, since the whole store may have become slow
 */
export function partLimitMs(length: number, slowestMsPerMib: number | null, failedAttempts: number): number {
  const mostMs = transferLimitMs(length);
  if (slowestMsPerMib === null) return mostMs;
  const seenMs = SLACK * slowestMsPerMib * (length / 2 ** 20);
  return Math.ceil(Math.min(mostMs, Math.max(LEAST_LIMIT_MS, seenMs) * 2 ** failedAttempts));
}

const CHECK_EVERY_MS = 1_000;

/** Made once: an abort without a reason creates an exception with its stack. */
const OVER = new DOMException("the step has ended", "AbortError");

interface Step {
  readonly controller: AbortController;
  readonly limitMs: number;
  readonly untilMs: number;
}

/**
 * The time limits of the successive steps of one call, and its cancellation, with one timer and one listener
 * for all of them. A small object takes about a millisecond of CPU, of which a timer and a combined signal of
 * its own would be a tenth.
 *
 * Invariant: the signal of a step fires when its time is over, when the call is cancelled, and when the step
 * ends without having read all. So a body that was not read to its end keeps no connection open. There is one
 * step at a time.
 */
export class Watchdog {
  readonly #cancelled: AbortSignal;
  readonly #timer: ReturnType<typeof setInterval>;
  #step: Step | null = null;
  #isOverdue = false;

  constructor(cancelled: AbortSignal) {
    this.#cancelled = cancelled;
    cancelled.addEventListener("abort", this.#cancel, { once: true });
    this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
  }

  /**
   * Runs one step under a limit that is kept to the second.
   *
   * @param readsAll has a step with this result read all bodies to their end? An abort costs a twentieth of a
   *   small object
   */
  async run<T>(
    limitMs: number,
    step: (signal: AbortSignal) => Promise<T>,
    readsAll: (result: T) => boolean = () => false,
  ): Promise<T> {
    const controller = new AbortController();
    this.#step = { controller, limitMs, untilMs: Date.now() + limitMs };
    this.#isOverdue = false;
    if (this.#cancelled.aborted) this.#cancel();
    let isRead = false;
    try {
      const result = await step(controller.signal);
      isRead = readsAll(result);
      return result;
    } finally {
      this.#step = null;
      if (!isRead) controller.abort(OVER);
    }
  }

  /** Has the time of the last step run out? */
  get isOverdue(): boolean {
    return this.#isOverdue;
  }

  /**
   * Call this after the last step. A timer left running would keep its event alive, and the event is billed.
   */
  stop(): void {
    clearInterval(this.#timer);
    this.#cancelled.removeEventListener("abort", this.#cancel);
  }

  #check(): void {
    if (this.#step === null || Date.now() < this.#step.untilMs) return;
    this.#isOverdue = true;
    this.#step.controller.abort(timeoutError(this.#step.limitMs));
  }

  readonly #cancel = (): void => this.#step?.controller.abort(this.#cancelled.reason);
}
