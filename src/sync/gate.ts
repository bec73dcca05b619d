// How many batches of small objects may run, and how fast each sends its requests. It decides and calls
// nobody. See "How fast a job goes" in throttle/governor.ts.

import type { Failure, StoreSide } from "../s3/failure.ts";
import { type JobLimits, ceilingAt, limitsOf } from "../store/limits.ts";
import { type Store, canCopyInside } from "../store/stores.ts";
import { type OwnLimits, limitersOf } from "../throttle/bandwidth.ts";
import type { StreamRate } from "../throttle/byte_bucket.ts";
import { type Governor, type Throttling, lanePauseMs, STORE_SIDES } from "../throttle/governor.ts";
import { type Allowance, slower } from "../throttle/sender.ts";
import { type Requests, type StoreShares, LONGEST_BOOKING_MS } from "../throttle/shares.ts";
import { BOOK_AHEAD_MS } from "../throttle/timetable.ts";
import type { SyncStatus } from "../view/answers.ts";
import { archivesOf } from "../work/archive_plan.ts";
import {
  type BatchAttempt,
  type BatchPace,
  type BatchReport,
  type BatchTask,
  type ObjectOutcome,
  type ObjectWork,
  bytesOf,
  READ_BYTES,
} from "../work/batch_task.ts";
import { mayKeepAttributes } from "../work/kept_attributes.ts";

/**
 * Where a sync is held back, each batch still moves at least so many objects per second, or so many bytes:
 * there are fewer batches instead of slower ones.
 */
const LEAST_PER_BATCH = 4;
const LEAST_BYTES_PER_BATCH = 8 * 2 ** 20;

/** The weight of one more object in the mean size. */
const SIZE_WEIGHT = 1 / 32;

const LONGEST_PAUSE_MS = 20_000;

export interface Sides {
  readonly source: Store | null;
  readonly destination: Store | null;
}

export class BatchGate {
  readonly #governor: Governor;
  readonly #shares: StoreShares;
  /** Of the objects copied lately. In memory only: without it, objects count as small ones. */
  #meanBytes = 0;

  constructor(governor: Governor, shares: StoreShares) {
    this.#governor = governor;
    this.#shares = shares;
  }

  /**
   * The sync's own requests, such as its lists, count like those of its objects. @param running batches under
   * way
   */
  refused(failure: Failure, running: number, now: number): Throttling[] {
    const begun = this.#governor.failed(failure, { before: running + 1, left: running }, now);
    return begun === null ? [] : [begun];
  }

  /** A lane has reported a batch. @param running batches under way, including this one */
  reported({ outcomes, durationMs }: BatchReport, running: number, now: number): Throttling[] {
    if (outcomes === null) return [];
    this.#governor.answered(outcomes.filter(({ kind }) => kind !== "left").length, durationMs, now);
    for (const outcome of outcomes) {
      if (outcome.kind === "copied") this.#meanBytes += (outcome.sizeBytes - this.#meanBytes) * SIZE_WEIGHT;
    }
    const streams = { before: running, left: running - 1 };
    return outcomes.flatMap((outcome) =>
      failuresOf(outcome).flatMap((failure) => this.#governor.failed(failure, streams, now) ?? []),
    );
  }

  /** Batches that may run at once. @param most that the request allows @param running that run now */
  width(most: number, running: number, sides: Sides, now: number): number {
    this.#governor.settleDown(running, now);
    const perSecond = this.#perSecond(now);
    const leastPerBatch = Math.min(LEAST_PER_BATCH, LEAST_BYTES_PER_BATCH / Math.max(1, this.#meanBytes));
    const fast = perSecond === Infinity ? Infinity : Math.max(1, Math.floor(perSecond / leastPerBatch));
    return Math.min(most, this.#governor.streams(now), this.#shares.concurrency(storesOf(sides), now), fast);
  }

  isThrottled(now: number): boolean {
    return this.#governor.busySides(now).length > 0;
  }

  /** How fast the sync may go now. */
  pace(
    most: number,
    running: number,
    sides: Sides,
    { row, now }: { row: Limited; now: number },
  ): NonNullable<SyncStatus["pace"]> {
    const perSecond = this.#perSecond(now);
    return {
      streams: this.width(most, running, sides, now),
      throttledBy: this.#governor.busySides(now),
      requestsPerSecond: perSecond === Infinity ? null : Math.floor(perSecond),
      ...this.#shares.bytes.paceOf(limitersOf(sides, ownOf(row)), now),
    };
  }

  /** May a batch start now, as far as caps of requests per second go? */
  isOpen(sides: Sides, now: number): boolean {
    return this.#shares.isOpen(storesOf(sides), now);
  }

  /**
   * The pace of a batch that starts now; null: as fast as it can. The caller has checked isOpen().
   *
   * @param width batches at once
   */
  paceOf(
    batch: { readonly objects: readonly ObjectWork[]; readonly options: Asking },
    sides: Sides,
    { width, now, random }: { width: number; now: number; random: number },
  ): BatchPace | null {
    const learned = this.#learnedPace(width, now, random);
    const untilMs = now + BOOK_AHEAD_MS + LONGEST_BOOKING_MS;
    const { source, destination } = sides;
    const foreseen = requestsOf(batch, sides);
    if (source !== null && source.name === destination?.name) {
      const [booked] = this.#book([{ store: source, requests: foreseen.source + foreseen.destination }], now);
      if (booked !== undefined && booked !== null) {
        const both = slower(learned, booked);
        return both === null ? null : { kind: "one", both, untilMs };
      }
    }
    const known = STORE_SIDES.flatMap((side) => {
      const store = sides[side];
      return store === null ? [] : [{ side, store, requests: foreseen[side] }];
    });
    const booked = this.#book(known, now);
    const paceAt = (wanted: StoreSide) =>
      slower(learned, booked[known.findIndex(({ side }) => side === wanted)] ?? null);
    const paces = { source: paceAt("source"), destination: paceAt("destination") };
    const isFree = paces.source === null && paces.destination === null;
    // Where the hour may bring a cap, no batch runs for long without asking again.
    const isForever = isFree && !this.#shares.mayPace(storesOf(sides));
    return isForever ? null : { kind: "each", ...paces, untilMs };
  }

  /** Books as many of the requests as one booking may hold. */
  #book(wanted: readonly Requests[], now: number): (Allowance | null)[] {
    const gapMs = this.#shares.gapMs(wanted.map(({ store }) => store));
    const most = gapMs === 0 ? Infinity : Math.max(1, Math.floor(LONGEST_BOOKING_MS / gapMs));
    const tasks = wanted.map(({ store, requests }) => ({ store, requests: Math.min(most, requests) }));
    const paces = this.#shares.book(tasks, now) ?? [];
    return paces.map((pace, index) => pace && { ...pace, requests: tasks[index]?.requests ?? 0 });
  }

  /** A lane has said which batches it runs. @param lanes that are awake */
  told(
    { lane, running }: { readonly lane: number; readonly running: readonly BatchAttempt[] },
    lanes: readonly number[],
    now: number,
  ): void {
    this.#shares.bytes.keep(lanes);
    this.#shares.bytes.tell(lane, running.map(flightOf), now);
  }

  /** Transfers at once, as the sync's own limits have it now. */
  most(most: number, { spec }: Limited, now: number): number {
    return Math.min(most, ceilingAt(limitsOf(spec), "maxConcurrency", now));
  }

  /** Do the limits of bytes per second leave enough to one more batch? @param running batches under way */
  fits(running: number, sides: Sides, { row, now }: { row: Limited; now: number }) {
    const limiters = limitersOf(sides, ownOf(row));
    return (objects: readonly ObjectWork[]): boolean =>
      this.#shares.bytes.room(limiters, longestOf(objects), running, now) >= 1;
  }

  /** How fast the bytes of a batch may pass. @param starting batches, this one among them */
  rateOf(
    {
      lane,
      batch,
    }: { readonly lane: number; readonly batch: BatchAttempt & { readonly objects: readonly ObjectWork[] } },
    sides: Sides,
    { row, starting, now }: { row: Limited; starting: number; now: number },
  ): { rate?: StreamRate } {
    const totalBytes = batch.objects.reduce((sum, work) => sum + bytesOf(work), 0);
    const stream = { lane, key: flightOf(batch), lengthBytes: longestOf(batch.objects), totalBytes };
    const rate = this.#shares.bytes.grant(stream, limitersOf(sides, ownOf(row)), starting, now);
    return rate === null ? {} : { rate };
  }

  /** How long a lane that got nothing waits. @param lanes that wait with it */
  pauseMs(
    { most, running, lanes, readyMs }: { most: number; running: number; lanes: number; readyMs: number },
    sides: Sides,
    { now, random }: { now: number; random: () => number },
  ): number {
    const askMs = this.#governor.nextAskMs({ inFlight: running, most, random: random() }, now);
    const openMs = this.#shares.nextMs(storesOf(sides), now);
    const waitMs = Math.max(readyMs, openMs, askMs, this.#shares.bytes.nextMs(now)) - now;
    return Math.min(LONGEST_PAUSE_MS, lanePauseMs(waitMs, lanes, random()));
  }

  #learnedPace(width: number, now: number, random: number): Allowance | null {
    const perSecond = this.#perSecond(now);
    if (perSecond === Infinity) return null;
    const gapMs = (width * 1000) / perSecond;
    return { startAtMs: now + random * gapMs, gapMs, requests: Infinity };
  }

  /** Objects per second: each object is at least one request to either side. */
  #perSecond(now: number): number {
    return Math.min(...STORE_SIDES.map((side) => this.#governor.requestsPerSecond(side, now)));
  }
}

/** A sync and its own limits. */
interface Limited {
  readonly id: string;
  readonly spec: JobLimits;
}

export function ownOf({ id, spec }: Limited): OwnLimits {
  return { kind: "sync", key: id, limits: limitsOf(spec) };
}

function failuresOf(outcome: ObjectOutcome): Failure[] {
  if (outcome.kind === "replayed") return outcome.ends.kind === "failed" ? [outcome.ends.failure] : [];
  return outcome.kind === "failed" ? [outcome.failure] : [];
}

function longestOf(objects: readonly ObjectWork[]): number {
  return Math.max(0, ...objects.map(bytesOf));
}

function flightOf({ batch, attempt }: BatchAttempt): string {
  return `${batch}/${attempt}`;
}

function storesOf({ source, destination }: Sides): Store[] {
  return [source, destination].filter((store) => store !== null);
}

/** The options of a sync that cost requests. */
type Asking = Omit<BatchTask["options"], "verify" | "markCopy">;

/** The requests of a batch to its stores if nothing unforeseen happens (work/object_copy.ts sends them). */
export function requestsOf(
  { objects, options }: { readonly objects: readonly ObjectWork[]; readonly options: Asking },
  { source, destination }: Sides,
): Record<StoreSide, number> {
  const inside = source !== null && destination !== null && canCopyInside(source, destination);
  // A service that ignores the condition on the source gets one more request: a HEAD of the source
  // afterwards. One that keeps all attributes by itself gets no HEAD at all.
  const rechecks = inside && !source.profile.conditionalCopy ? 1 : 0;
  const isUntold = source !== null && source.profile.tags && !source.profile.tagCount;
  const tags = options.tags === "require" || (options.tags === "preserve" && isUntold) ? 1 : 0;
  // No listing shows checksums and encryption. Where the destination has some, the source is asked for them.
  const compares = options.compare === "auto" || options.compare === "checksum" ? 1 : 0;
  // Whether the destination keeps a storage class and tags is looked at once for all of them.
  const sends = options.tags === "require" || options.storageClass !== null;
  const isCopying = objects.some(({ first }) => !["tell", "compare", "read"].includes(first));
  const sum = { source: 0, destination: sends && isCopying ? 2 : 0 };
  const archives =
    source === null || destination === null ? [] : archivesOf({ objects, options }, source, destination);
  const archived = new Set(archives.flat());
  // The archive, and a page of the listing that shows what it has brought.
  sum.destination += archives.length * 2;
  for (const [place, work] of objects.entries()) {
    const { first } = work;
    if (first === "compare" || first === "read") {
      const { fromBytes = 0, untilBytes = 0 } = work.reading ?? {};
      const each = Math.max(1, Math.ceil((untilBytes - fromBytes) / READ_BYTES));
      sum.source += each;
      sum.destination += each;
      continue;
    }
    if (work.stretch !== undefined) {
      const copies = work.stretch.versions.filter(({ isDeleteMarker }) => isDeleteMarker !== true).length;
      // What is there is listed, and its end looked at, before anything is written.
      sum.source += copies * (1 + rechecks + tags);
      sum.destination += work.stretch.versions.length + 3;
      continue;
    }
    const keeps = inside && mayKeepAttributes(work, options, source, destination);
    const looks = first === "copy" ? 0 : 1;
    const copies = first === "tell" ? 0 : 1;
    sum.source += looks * (first === "find" ? 1 : compares) + (keeps ? 0 : copies * (1 + rechecks + tags));
    sum.destination += archived.has(place) ? 0 : looks + copies;
  }
  return sum;
}
