// One job's part of the limits of bytes per second. See "How fast a job goes" in governor.ts.
//
// A limit is 1,000 lots. The registry deals them out to the jobs under that limit as it deals out transfers
// (share_table.ts), and a job gives each of its streams some when the stream starts. A stream keeps its lots
// to its end, and paces itself by what they are worth at each moment (byte_bucket.ts). So no more than the
// limit ever passes, whatever the hour and whoever dies, and a change of the hour needs no message.
//
// What it needs: `ask`, the call to the registry, and after each call of a lane what that lane runs. The
// clock is an argument. The state is in memory only: a job that loses it counts the streams that it does not
// know as if they had all lots, until they have ended.

import { type Limits, ceilingAt, isLimited, LEAST_BYTES_PER_SECOND } from "../store/limits.ts";
import type { Store } from "../store/stores.ts";
import { type StreamRate, rateAt } from "./byte_bucket.ts";
import { type Amounts, type ShareRequest, LOTS, LOTS_OF, SHARE_MS } from "./share_table.ts";

/** How often the lots are asked for anew, and how much sooner than the registry ends them they are over. */
const ASK_EVERY_MS = 4_000;

const SAFETY_MS = 5_000;

/**
 * A stream gets lots enough to end in this time, if the limit has so many: rather few streams that end soon
 * and give their lots to others than many that take long.
 */
const TRANSFER_S = 30;

/** A limit that a job is under. */
export interface Limiter {
  /** What the jobs that share it call it. */
  readonly key: string;
  /** As the status names it. */
  readonly name: string;
  readonly limits: Limits;
  readonly weight: number;
}

/** The job's own limits, and by which name it shares them with the jobs that it has started. */
export interface OwnLimits {
  readonly kind: "copy" | "sync";
  readonly key: string;
  readonly limits: Limits;
}

export function limitersOf(
  { source, destination }: { readonly source: Store | null; readonly destination: Store | null },
  own: OwnLimits,
): Limiter[] {
  const isOne = source !== null && source.name === destination?.name;
  const sides = isOne
    ? [{ name: "source", store: source, weight: 2 }]
    : [
        { name: "source", store: source, weight: 1 },
        { name: "destination", store: destination, weight: 1 },
      ];
  const all: (Limiter | null)[] = [
    ...sides.map(({ name, store, weight }) =>
      store === null
        ? null
        : { key: store.name, name: `${name}.maxBytesPerSecond`, limits: onlyLimits(store), weight },
    ),
    { key: own.key, name: `${own.kind}.maxBytesPerSecond`, limits: own.limits, weight: 1 },
  ];
  return all.filter((one) => one !== null).filter(({ limits }) => isLimited(limits, "maxBytesPerSecond"));
}

/** What goes with a task must not hold credentials. */
function onlyLimits({ maxBytesPerSecond, limits }: Store): Limits {
  return { maxBytesPerSecond, limits };
}

interface Held {
  lots: number;
  /** Lots without which no stream can start. */
  least: number;
  /** Lots times milliseconds that nobody has used between one stream and the next. */
  idle: number;
  untilMs: number;
  askedAtMs: number;
}

interface Stream {
  /** By limit. */
  readonly lotsOf: ReadonlyMap<string, number>;
  /** When all that it moves has been paid for. */
  readonly paidAtMs: number;
}

interface NewStream {
  readonly lane: number;
  readonly key: string;
  readonly lengthBytes: number;
  readonly totalBytes: number;
}

/** What a stream may begin sooner, because the lots were idle between it and the stream before. */
const MOST_IDLE_MS = 1_000;

export class Bandwidth {
  readonly #ask: (requests: readonly ShareRequest[]) => Promise<readonly Amounts[]>;
  readonly #limits = new Map<string, Held>();
  /** The lots of each stream that a lane runs, by limit. */
  readonly #streams = new Map<number, Map<string, Stream>>();
  #wants = false;
  #inFlight = 0;

  constructor(ask: (requests: readonly ShareRequest[]) => Promise<readonly Amounts[]>) {
    this.#ask = ask;
  }

  get isNeeded(): boolean {
    return this.#limits.size > 0;
  }

  holdsAny(now: number): boolean {
    return [...this.#limits.values()].some(({ untilMs }) => untilMs > now);
  }

  /** @param inFlight streams of all lanes */
  setDemand(wants: boolean, inFlight: number): void {
    this.#wants = wants;
    this.#inFlight = inFlight;
  }

  /** A lane has said what it runs. @param running the keys under which the streams were granted */
  tell(lane: number, running: readonly string[], now: number): void {
    const known = this.#streams.get(lane);
    if (known === undefined) return;
    for (const [key, { lotsOf, paidAtMs }] of known) {
      if (running.includes(key)) continue;
      known.delete(key);
      const idleMs = Math.min(MOST_IDLE_MS, Math.max(0, now - paidAtMs));
      for (const [limit, lots] of lotsOf) {
        const held = this.#of(limit);
        held.idle = Math.min(LOTS * MOST_IDLE_MS, held.idle + lots * idleMs);
      }
    }
    if (known.size === 0) this.#streams.delete(lane);
  }

  /** Lanes that are gone run nothing. */
  keep(lanes: readonly number[]): void {
    for (const lane of this.#streams.keys()) if (!lanes.includes(lane)) this.#streams.delete(lane);
  }

  isDue(now: number): boolean {
    return [...this.#limits.values()].some(({ askedAtMs }) => now - askedAtMs >= ASK_EVERY_MS);
  }

  async refresh(now: number): Promise<void> {
    const limits = [...this.#limits];
    if (limits.length === 0) return;
    const requests = limits.map(([key, { least }]): ShareRequest => ({
      store: `${LOTS_OF}${key}`,
      least,
      wants: { concurrency: this.#wants ? LOTS : 0, perSecond: 0 },
      having: { concurrency: this.#inUse(key), perSecond: 0 },
    }));
    for (const [, held] of limits) held.askedAtMs = now;
    const answers = await this.#ask(requests);
    for (const [index, [, held]] of limits.entries()) {
      held.lots = answers[index]?.concurrency ?? 0;
      held.untilMs = now + SHARE_MS - SAFETY_MS;
    }
  }

  /** Gives back what the job holds; nothing of it may run any more. */
  async release(now: number): Promise<void> {
    this.setDemand(false, 0);
    this.#streams.clear();
    if (!this.holdsAny(now)) return;
    await this.refresh(now);
    for (const held of this.#limits.values()) held.untilMs = 0;
  }

  /**
   * How many streams of this length may start now.
   *
   * @param inFlight streams of all lanes, as the job's own storage has them
   */
  room(limiters: readonly Limiter[], lengthBytes: number, inFlight: number, now: number): number {
    this.#inFlight = inFlight;
    const rooms = limiters.map((limiter) => {
      const ceiling = ceilingAt(limiter.limits, "maxBytesPerSecond", now);
      const free = this.#free(limiter.key, now);
      const held = this.#of(limiter.key);
      held.least = leastLots(limiter, ceiling, lengthBytes);
      if (ceiling === Infinity) return held.untilMs > now ? Infinity : 0;
      return ceiling === 0 ? 0 : Math.floor(free / held.least);
    });
    return Math.min(Infinity, ...rooms);
  }

  /**
   * The rate of a stream that starts now; the caller has asked for room().
   *
   * @param stream.totalBytes of all that it moves, one after the other; `lengthBytes` is the longest of it
   * @param streams that are to start now, this one among them: they share what is free
   */
  grant(
    { lane, key, lengthBytes, totalBytes }: NewStream,
    limiters: readonly Limiter[],
    streams: number,
    now: number,
  ): StreamRate | null {
    if (limiters.length === 0) return null;
    const lotsOf = new Map<string, number>();
    for (const limiter of limiters) {
      const free = this.#free(limiter.key, now);
      const ceiling = ceilingAt(limiter.limits, "maxBytesPerSecond", now);
      const least = leastLots(limiter, ceiling, lengthBytes);
      lotsOf.set(limiter.key, Math.min(free, Math.max(least, Math.floor(free / Math.max(1, streams)))));
    }
    // The time until the stream before has been heard of is not lost: this one begins that much sooner.
    const idles = [...lotsOf].map(([limit, lots]) => this.#of(limit).idle / Math.max(1, lots));
    const idleMs = Math.min(MOST_IDLE_MS, ...idles);
    for (const [limit, lots] of lotsOf) this.#of(limit).idle -= lots * idleMs;
    const startAtMs = now - idleMs;
    const of = limiters.map(({ key: limit, limits, weight }) => ({
      limits,
      weight,
      lots: lotsOf.get(limit) ?? 0,
    }));
    const rate = { startAtMs, of };
    const known = this.#streams.get(lane) ?? new Map<string, Stream>();
    const paidAtMs = startAtMs + (totalBytes * 1000) / rateAt(rate, now);
    this.#streams.set(lane, known.set(key, { lotsOf, paidAtMs }));
    this.#inFlight += 1;
    return rate;
  }

  /** When a stream that found no room may find some. */
  nextMs(now: number): number {
    return this.isNeeded ? now + ASK_EVERY_MS / 4 : now;
  }

  /** What the limits leave to this job now, in bytes per second, and which of them is the tightest. */
  paceOf(limiters: readonly Limiter[], now: number): { bytesPerSecond: number | null; heldBy: string[] } {
    const ceilings = limiters.map(({ name, key, limits, weight }) => {
      const ceiling = ceilingAt(limits, "maxBytesPerSecond", now);
      const held = this.#of(key);
      const share =
        ceiling === Infinity ? Infinity : (ceiling * (held.untilMs > now ? held.lots : 0)) / LOTS / weight;
      return { name, share };
    });
    const least = Math.min(Infinity, ...ceilings.map(({ share }) => share));
    if (least === Infinity) return { bytesPerSecond: null, heldBy: [] };
    const heldBy = ceilings.filter(({ share }) => share === least).map(({ name }) => name);
    return { bytesPerSecond: Math.floor(least), heldBy };
  }

  #free(key: string, now: number): number {
    const held = this.#of(key);
    return held.untilMs > now ? Math.max(0, held.lots - this.#inUse(key)) : 0;
  }

  #inUse(key: string): number {
    let [known, lots] = [0, 0];
    for (const streams of this.#streams.values()) {
      for (const { lotsOf } of streams.values()) lots += lotsOf.get(key) ?? 0;
      known += streams.size;
    }
    const unknown = Math.max(0, this.#inFlight - known);
    return Math.min(LOTS, lots + (unknown * LOTS) / Math.max(1, this.#inFlight));
  }

  #of(key: string): Held {
    const known = this.#limits.get(key);
    if (known !== undefined) return known;
    const held = { lots: 0, least: 1, idle: 0, untilMs: 0, askedAtMs: -Infinity };
    this.#limits.set(key, held);
    return held;
  }
}

/** With fewer, a stream would take too long. */
function leastLots({ weight }: Limiter, ceiling: number, lengthBytes: number): number {
  if (ceiling === Infinity || ceiling === 0) return 1;
  const perSecond = Math.max(LEAST_BYTES_PER_SECOND, lengthBytes / TRANSFER_S);
  return Math.min(LOTS, Math.max(1, Math.ceil((LOTS * perSecond * weight) / ceiling)));
}
