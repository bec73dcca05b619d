// The governor of one copy or one sync: how many streams may run, and how many requests may go out, so that
// neither store is asked for more than it takes. Each side has its own measure, since a source that is busy
// says nothing of the destination; the job runs at the smaller of the two. Pure: a clock and dice are
// arguments.
//
// What it governs. A part is many bytes and two requests, so a copy is governed by its streams. Small objects
// are many requests, so a sync is governed by requests per second, which is the finer measure: its streams
// only start slowly.
//
// What it hears. Every refusal that the job draws, whatever the operation: lanes report those of parts and
// objects, and the job tells those of its own requests (HEAD, Create, lists, Complete), also where it can do
// without an answer.
//
// What else bounds a job: the request's own `concurrency`; the caps of the configuration, which all jobs
// share (shares.ts); and the health of the stores (health.ts), which asks another question. The governor asks
// how much a store takes that answers; the health asks whether it answers at all, and while it does not, one
// part at a time finds out. What may run is the least of all.
//
// In memory only: a job that loses it starts slowly once more.

import type { Failure } from "../s3/failure.ts";
import { verdictOf } from "../s3/retry.ts";
import { type Flow, afterRefusal, FREE, reaches, startingAt, valueAt } from "./flow.ts";

export type StoreSide = "source" | "destination";

export const STORE_SIDES: readonly StoreSide[] = ["source", "destination"];

/** A job that had nothing under way for so long knows nothing of the stores any more. */
const FORGET_MS = 30_000;

/** After a refusal a store counts as busy for so long, whatever it takes meanwhile. */
const BUSY_MS = 10_000;

/** A store may ask for a day of silence by mistake; each part obeys it, the whole job for this long. */
const MAX_HOLD_MS = 5 * 60_000;

/** The rate of requests is measured over this. */
const METER_MS = 4_000;

interface Direction {
  readonly streams: Flow;
  readonly requests: Flow;
  /** Retry-After: nothing is begun before. */
  readonly holdUntilMs: number;
  readonly refusedAtMs: number;
}

export class Governor {
  readonly #governs: "streams" | "requests";
  #directions: Readonly<Record<StoreSide, Direction>>;
  #busyAtMs: number;
  readonly #meter: { readonly atMs: number; readonly requests: number; readonly durationMs: number }[] = [];

  constructor(governs: "streams" | "requests", now: number) {
    this.#governs = governs;
    this.#busyAtMs = now;
    const fresh = { streams: startingAt(now), requests: FREE, holdUntilMs: 0, refusedAtMs: -Infinity };
    this.#directions = { source: fresh, destination: fresh };
  }

  /** Before anything is granted: a job that has rested starts slowly again. */
  settleDown(inFlight: number, now: number): void {
    const { source, destination } = this.#directions;
    if (inFlight === 0 && now - this.#busyAtMs > FORGET_MS) {
      const again = (side: Direction): Direction => ({ ...side, streams: startingAt(now), requests: FREE });
      this.#directions = { source: again(source), destination: again(destination) };
    }
    if (inFlight > 0) this.#busyAtMs = now;
  }

  /** One stream has had so many requests to each side answered, well or not, within `durationMs`. */
  answered(requests: number, durationMs: number, now: number): void {
    this.#meter.push({ atMs: now, requests, durationMs });
    while ((this.#meter[0]?.atMs ?? now) < now - METER_MS) this.#meter.shift();
  }

  /** A request has failed. @param streams under way when it did, and those that still are */
  failed(failure: Failure, streams: { readonly before: number; readonly left: number }, now: number): void {
    const { side, retryAfterMs } = failure;
    const refused = verdictOf(failure) === "throttle";
    if (side === "mesh" || !(refused || failure.code === "timeout")) return;
    const direction = this.#directions[side];
    const weight = refused ? 1 : 0.5;
    const holdUntilMs = Math.max(direction.holdUntilMs, now + Math.min(retryAfterMs ?? 0, MAX_HOLD_MS));
    // What a store takes is not found out while nothing is asked: the way back begins after the silence.
    const cut = (flow: Flow, use: typeof streams): Flow => {
      const after = afterRefusal(flow, use, weight, now);
      return after.kind === "found" ? { ...after, cutAtMs: Math.max(after.cutAtMs, holdUntilMs) } : after;
    };
    const changed: Direction = {
      streams: this.#governs === "streams" ? cut(direction.streams, streams) : direction.streams,
      requests:
        this.#governs === "requests"
          ? cut(direction.requests, { before: this.#perSecond(streams.before, now), left: Infinity })
          : direction.requests,
      holdUntilMs,
      refusedAtMs: now,
    };
    this.#directions = { ...this.#directions, [side]: changed };
    // Of what it has just said it is not forgotten, though nothing was under way but the request that it
    // refused.
    this.#busyAtMs = Math.max(this.#busyAtMs, now, holdUntilMs);
  }

  /** Streams that may run now; none while a store wants to be left alone. */
  streams(now: number): number {
    const limits = STORE_SIDES.map((side) => {
      const { streams, holdUntilMs } = this.#directions[side];
      return holdUntilMs > now ? 0 : Math.floor(valueAt(streams, now));
    });
    return Math.min(...limits);
  }

  /** Requests per second that a side is known to take; Infinity before it has refused any. */
  requestsPerSecond(side: StoreSide, now: number): number {
    return valueAt(this.#directions[side].requests, now);
  }

  /**
   * When a lane that waits for a stream is to ask again, if no store refuses anything before: when the number
   * of streams has come somewhere between what runs and what is wanted at most. So those who wait come one
   * after the other, as fast as the number grows.
   */
  turnMs(
    { inFlight, most, random }: { inFlight: number; most: number; random: number },
    now: number,
  ): number {
    const turn = inFlight + 1 + random * Math.max(0, most - inFlight - 1);
    return Math.max(
      ...STORE_SIDES.map((side) => {
        const { streams, holdUntilMs } = this.#directions[side];
        return Math.max(holdUntilMs, reaches(streams, turn, now));
      }),
    );
  }

  /** The sides that have refused something lately. */
  busySides(now: number): StoreSide[] {
    return STORE_SIDES.filter((side) => {
      const { refusedAtMs, holdUntilMs } = this.#directions[side];
      return now - refusedAtMs < BUSY_MS || holdUntilMs > now;
    });
  }

  /**
   * What goes out with so many streams: each sends as those did that have reported lately. Counting reports
   * instead would lag behind by a batch, and see half of what a store takes.
   */
  #perSecond(streams: number, now: number): number {
    const lately = this.#meter.filter(({ atMs }) => atMs >= now - METER_MS);
    const requests = lately.reduce((sum, one) => sum + one.requests, 0);
    const durationMs = lately.reduce((sum, one) => sum + one.durationMs, 0);
    return Math.max(1, (streams * requests * 1000) / Math.max(1, durationMs));
  }
}

/** Polls of lanes that wait for a turn, all together, in a second. */
const POLLS_PER_SECOND = 20;

/** What a lane waits at least, and how far those who were told the same are spread. */
const LEAST_WAIT_MS = 250;

const SPREAD = 0.5;

/**
 * How long a lane that got nothing is to wait. Never the same for two of them: those who wake together are
 * refused together. The more of them wait, the less often each asks.
 *
 * @param waitMs until there may be something for one of them
 * @param sleepers lanes that wait with it
 */
export function lanePauseMs(waitMs: number, sleepers: number, random: number): number {
  const turnMs = (sleepers / POLLS_PER_SECOND) * 1000;
  const leastMs = Math.max(LEAST_WAIT_MS, waitMs);
  return Math.ceil(leastMs + random * Math.max(turnMs, SPREAD * leastMs));
}

/** How fast it may go at this moment, and who holds it back. */
export interface PaceView {
  /**
   * Transfers that may run at once: what the request, both stores and the caps of the configuration allow.
   */
  readonly streams: number;
  /** Stores that have lately asked for fewer requests. */
  readonly throttledBy: readonly ("source" | "destination")[];
}
