// When the requests of one sender go out: the first at its start, each next one at least a gap after the one
// before. The moments come from a timetable (timetable.ts) or from the governor (governor.ts); this file
// waits for them.

export interface Pace {
  readonly startAtMs: number;
  readonly gapMs: number;
}

/** What a sender calls before each request; undefined where nothing holds it back. */
export function turnsOf(pace: Pace | null): (() => Promise<void>) | undefined {
  if (pace === null) return undefined;
  let nextMs = pace.startAtMs;
  return async () => {
    // The moment is taken before it is waited for, so that two requests that come at once get two moments. A
    // sender that is late does not catch up.
    const atMs = Math.max(Date.now(), nextMs);
    nextMs = atMs + pace.gapMs;
    await sleepUntil(atMs);
  };
}

/** A pace for this many requests. A sender that needs more asks again for the rest. */
export interface Allowance extends Pace {
  readonly requests: number;
}

/** The slower of two paces. */
export function slower(a: Allowance | null, b: Allowance | null): Allowance | null {
  if (a === null || b === null) return a ?? b;
  return {
    startAtMs: Math.max(a.startAtMs, b.startAtMs),
    gapMs: Math.max(a.gapMs, b.gapMs),
    requests: Math.min(a.requests, b.requests),
  };
}

/** One sender, which counts its requests. */
export class Sender {
  readonly #requests: number;
  #sent = 0;
  readonly turn: (() => Promise<void>) | undefined;

  constructor(allowance: Allowance | null) {
    this.#requests = allowance?.requests ?? Infinity;
    const turn = turnsOf(allowance);
    this.turn =
      turn &&
      (async () => {
        this.#sent += 1;
        await turn();
      });
  }

  /**
   * Are the allowed requests used up, so that nothing may start under this pace? A sender that has sent
   * nothing may always start: the number of requests is only an estimate.
   */
  get isSpent(): boolean {
    return this.#sent > 0 && this.#sent >= this.#requests;
  }
}

export async function sleepUntil(atMs: number): Promise<void> {
  const waitMs = atMs - Date.now();
  if (waitMs <= 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, waitMs);
  await promise;
}
