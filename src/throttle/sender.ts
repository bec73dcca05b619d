// When the requests of one sender go out: the first at its start, each next one a gap after the one before,
// or later. The moments come from a timetable (timetable.ts) or from the governor; this is the sender's side,
// which waits for them.

export interface Pace {
  readonly startAtMs: number;
  readonly gapMs: number;
}

/** What a sender calls before each request; undefined where nothing holds it back. */
export function turnsOf(pace: Pace | null): (() => Promise<void>) | undefined {
  if (pace === null) return undefined;
  let nextMs = pace.startAtMs;
  return async () => {
    // Taken before it is waited for, so that two requests that come at once get two moments. Who is late does
    // not catch up.
    const atMs = Math.max(Date.now(), nextMs);
    nextMs = atMs + pace.gapMs;
    await sleepUntil(atMs);
  };
}

/** A pace for so many requests; whoever needs more comes again for the rest. */
export interface Allowance extends Pace {
  readonly requests: number;
}

/** The slower of two. */
export function slower(a: Allowance | null, b: Allowance | null): Allowance | null {
  if (a === null || b === null) return a ?? b;
  return {
    startAtMs: Math.max(a.startAtMs, b.startAtMs),
    gapMs: Math.max(a.gapMs, b.gapMs),
    requests: Math.min(a.requests, b.requests),
  };
}

/** One sender, who keeps count. */
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
   * Nothing that is begun now would be covered. Whoever has sent nothing may begin: nobody foresees
   * everything.
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
