// How fast a job goes, and the governor of one job.
//
// Five mechanisms bound the speed of a copy or a sync. What may run is the least of what they allow.
// - The request's `concurrency`: how many transfers the user wants at once.
// - The governor (this file): how much each store takes, learned from its refusals. One per job.
// - The caps of the configuration, `maxConcurrency` and `maxRequestsPerSecond` of a store. All jobs share
//   them: the registry divides each cap among the jobs (share_table.ts), and a job books the requests of its
//   share (shares.ts) on a timetable (timetable.ts). A sender waits for the moments that were booked for it
//   (sender.ts). A job's own limit of requests per second is kept in the same way, and shared with the copies
//   that the job has started.
// - The limits of bytes per second, of stores and of jobs. All jobs share them in lots: the registry deals
//   them out, a job gives each stream some (bandwidth.ts), and the stream paces itself (byte_bucket.ts).
// - The health of the stores (health.ts), for copies: whether a store answers at all. While it does not, one
//   part at a time tries it.
// copy/dispatch.ts applies them to parts, sync/gate.ts to batches of small objects. A lane that gets less
// than it can take is told when to ask again, each at a different moment.
//
// What the governor limits: a part is many bytes and two requests, so a copy is limited by its streams. Small
// objects are many requests, so a sync is limited by requests per second, which is the finer measure; its
// streams only start slowly. Each store has its own measure, since a busy source says nothing about the
// destination.
//
// What it learns from: every refusal of any request of the job. Lanes report those of parts and objects. The
// job reports those of its own requests (HEAD, Create, lists, Complete), including those whose failure it
// tolerates.
//
// Pure: the clock and randomness are arguments. The state is in memory only: a job that loses it starts
// slowly again.

import type { Failure, StoreSide } from "../s3/failure.ts";
import { verdictOf } from "../s3/retry.ts";
import { type Flow, afterRefusal, FREE, reaches, startingAt, valueAt } from "./flow.ts";

export const STORE_SIDES: readonly StoreSide[] = ["source", "destination"];

/** A job that has had nothing under way for this long knows nothing about the stores any more. */
const FORGET_MS = 30_000;

/** A store counts as busy for this long after a refusal, whatever it takes meanwhile. */
const BUSY_MS = 10_000;

/**
 * A store may ask for a day of silence by mistake. Each part obeys it; the whole job waits no longer than
 * this.
 */
const MAX_HOLD_MS = 5 * 60_000;

/** The window over which the rate of requests is measured. */
const METER_MS = 4_000;

/** A store has asked for fewer requests after a while without asking: an entry of the job's timeline. */
export interface Throttling {
  readonly event: `throttled_by_${StoreSide}`;
  /** What the store answered, and how fast the job goes on. */
  readonly detail: string;
}

interface Direction {
  readonly streams: Flow;
  readonly requests: Flow;
  /** From Retry-After: nothing starts before. */
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

  /** Called before anything is granted: a job that has been idle starts slowly again. */
  settleDown(inFlight: number, now: number): void {
    const { source, destination } = this.#directions;
    if (inFlight === 0 && now - this.#busyAtMs > FORGET_MS) {
      const again = (side: Direction): Direction => ({ ...side, streams: startingAt(now), requests: FREE });
      this.#directions = { source: again(source), destination: again(destination) };
    }
    if (inFlight > 0) this.#busyAtMs = now;
  }

  /**
   * One stream has had this many requests to each side answered, successfully or not, within `durationMs`.
   */
  answered(requests: number, durationMs: number, now: number): void {
    this.#meter.push({ atMs: now, requests, durationMs });
    while ((this.#meter[0]?.atMs ?? now) < now - METER_MS) this.#meter.shift();
  }

  /**
   * A request has failed.
   *
   * @param streams under way when it failed, and those that still are
   * @returns the entry for the timeline; null if the store was already busy, or did not ask for less
   */
  failed(
    failure: Failure,
    streams: { readonly before: number; readonly left: number },
    now: number,
  ): Throttling | null {
    const { side, retryAfterMs } = failure;
    const refused = verdictOf(failure) === "throttle";
    if (side === "mesh" || !(refused || failure.code === "timeout")) return null;
    const wasBusy = this.busySides(now).includes(side);
    const direction = this.#directions[side];
    const weight = refused ? 1 : 0.5;
    const holdUntilMs = Math.max(direction.holdUntilMs, now + Math.min(retryAfterMs ?? 0, MAX_HOLD_MS));
    // While nothing is sent, nothing is learned about the store. So the curve starts after the silence.
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
    // Without this, a job with nothing under way but the refused request would forget the refusal too soon.
    this.#busyAtMs = Math.max(this.#busyAtMs, now, holdUntilMs);
    if (wasBusy) return null;
    return { event: `throttled_by_${side}`, detail: `${failure.message}; ${this.#outlook(changed, now)}` };
  }

  /** How fast the job goes on at a side that has just asked for less. */
  #outlook({ streams, requests, holdUntilMs }: Direction, now: number): string {
    const fromMs = Math.max(now, holdUntilMs);
    const most =
      this.#governs === "streams"
        ? `at most ${Math.floor(valueAt(streams, fromMs))} at once`
        : `at most ${Math.floor(valueAt(requests, fromMs))} requests per second`;
    return fromMs > now ? `nothing for ${Math.ceil((fromMs - now) / 1000)} s, then ${most}` : `${most} now`;
  }

  /** Streams that may run now; none while a store has asked for silence. */
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
   * When a lane that waits for a stream asks again, if no store refuses anything before. That is when the
   * number of streams reaches a random value between what runs now and the most that is wanted. So the lanes
   * that wait come one after the other, as fast as the number grows.
   */
  nextAskMs(
    { inFlight, most, random }: { inFlight: number; most: number; random: number },
    now: number,
  ): number {
    const wanted = inFlight + 1 + random * Math.max(0, most - inFlight - 1);
    return Math.max(
      ...STORE_SIDES.map((side) => {
        const { streams, holdUntilMs } = this.#directions[side];
        return Math.max(holdUntilMs, reaches(streams, wanted, now));
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
   * Requests per second that this many streams send, judged by those that have reported lately. Counting
   * reports instead would lag behind by a batch and show half of what a store takes.
   */
  #perSecond(streams: number, now: number): number {
    const lately = this.#meter.filter(({ atMs }) => atMs >= now - METER_MS);
    const requests = lately.reduce((sum, one) => sum + one.requests, 0);
    const durationMs = lately.reduce((sum, one) => sum + one.durationMs, 0);
    return Math.max(1, (streams * requests * 1000) / Math.max(1, durationMs));
  }
}

/** Calls per second of all waiting lanes together. */
const POLLS_PER_SECOND = 20;

/** The least time a lane waits, and how far lanes with the same wait are spread. */
const LEAST_WAIT_MS = 250;

const SPREAD = 0.5;

/**
 * How long a lane that got nothing waits. It is different for each lane: lanes that wake together are refused
 * together. The more lanes wait, the less often each one asks.
 *
 * @param waitMs until there may be something for one of them
 * @param sleepers lanes that wait with it
 */
export function lanePauseMs(waitMs: number, sleepers: number, random: number): number {
  const roundMs = (sleepers / POLLS_PER_SECOND) * 1000;
  const leastMs = Math.max(LEAST_WAIT_MS, waitMs);
  return Math.ceil(leastMs + random * Math.max(roundMs, SPREAD * leastMs));
}
