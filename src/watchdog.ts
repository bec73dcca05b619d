// Watchdog: the time limits of steps that follow one another in one call, and its cancelling, with one timer and one
// listener for all of them. A small object takes about a millisecond of CPU, of which a timer and a combined signal of its
// own would be a tenth.
//
// Invariant: the signal of a step fires when its time is over, when the call is cancelled, and at its end, so that a body
// that nobody has read to its end holds no connection. There is one step at a time.

import { timeoutError } from "./s3_request.ts";

const LOOK_EVERY_MS = 1_000;
/** Made once: an abort without a reason makes an exception with its stack. */
const OVER = new DOMException("the step has ended", "AbortError");

interface Step {
  readonly controller: AbortController;
  readonly limitMs: number;
  readonly untilMs: number;
}

export class Watchdog {
  readonly #cancelled: AbortSignal;
  readonly #timer: ReturnType<typeof setInterval>;
  #step: Step | null = null;

  constructor(cancelled: AbortSignal) {
    this.#cancelled = cancelled;
    cancelled.addEventListener("abort", this.#cancel, { once: true });
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** Runs one step under a limit that is kept to the second. */
  async run<T>(limitMs: number, step: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#step = { controller, limitMs, untilMs: Date.now() + limitMs };
    if (this.#cancelled.aborted) this.#cancel();
    try {
      return await step(controller.signal);
    } finally {
      this.#step = null;
      controller.abort(OVER);
    }
  }

  /** After the last step. A timer that went on would keep its event, and be billed for it. */
  stop(): void {
    clearInterval(this.#timer);
    this.#cancelled.removeEventListener("abort", this.#cancel);
  }

  #look(): void {
    if (this.#step !== null && Date.now() >= this.#step.untilMs)
      this.#step.controller.abort(timeoutError(this.#step.limitMs));
  }

  readonly #cancel = (): void => this.#step?.controller.abort(this.#cancelled.reason);
}
