// How many lanes a job has: as many as its work needs, up to a ceiling. It begins with few, doubles them
// while all of them work, something waits and no store asks for less, and lets them go when the work ends.
// Pure; the state is in memory only, so a job that loses it begins with few again.
//
// The governor (governor.ts) stays the authority over transfers: lanes that it keeps idle are no reason for
// more of them.

import { PARTS_PER_LANE } from "../env.ts";

/** Longer than a store takes to refuse what the lanes before have begun. */
const DOUBLING_MS = 1_000;

/** How long most lanes must have been idle before half of them rest. */
const HALVING_MS = 30_000;

/** In use, if so much of the transfers runs: a lane that reports has none for a moment. */
const IN_USE = 0.8;

const IDLE = 0.25;

interface LaneBounds {
  readonly first: number;
  readonly most: number;
  /** Transfers over all of them, at most. */
  readonly concurrency: number;
}

interface LaneCount {
  readonly lanes: number;
  /** When it changed, or when a store last asked for less. */
  readonly changedMs: number;
  /** Since when most lanes have been idle; null: they are not. */
  readonly idleSinceMs: number | null;
}

interface LaneUse {
  /** Transfers that run. */
  readonly running: number;
  /** Transfers that could begin if there were lanes for them. */
  readonly waiting: number;
  readonly isThrottled: boolean;
}

/** Do all lanes work, and something waits? */
function isShort(
  { lanes }: LaneCount,
  { running, waiting }: Omit<LaneUse, "isThrottled">,
  most: number,
): boolean {
  return lanes < most && waiting > 0 && running >= lanes * PARTS_PER_LANE * IN_USE;
}

/** The count after what was seen. */
function lanesFor(
  now: LaneCount,
  { running, waiting, isThrottled }: LaneUse,
  { first, most }: Pick<LaneBounds, "first" | "most">,
  atMs: number,
): LaneCount {
  const least = Math.min(first, most);
  const transfers = now.lanes * PARTS_PER_LANE;
  if (running + waiting === 0)
    return now.lanes === least ? now : { lanes: least, changedMs: atMs, idleSinceMs: null };
  const isDue = !isThrottled && atMs - now.changedMs >= DOUBLING_MS;
  if (isDue && isShort(now, { running, waiting }, most)) {
    const lanes = Math.min(most, now.lanes * 2, now.lanes + Math.ceil(waiting / PARTS_PER_LANE));
    return { lanes, changedMs: atMs, idleSinceMs: null };
  }
  const isIdle = running < transfers * IDLE && now.lanes > least;
  const idleSinceMs = isIdle ? (now.idleSinceMs ?? atMs) : null;
  if (idleSinceMs !== null && atMs - idleSinceMs >= HALVING_MS)
    return { lanes: Math.max(least, Math.ceil(now.lanes / 2)), changedMs: atMs, idleSinceMs: null };
  return { lanes: now.lanes, changedMs: isThrottled ? atMs : now.changedMs, idleSinceMs };
}

/** The bounds of a job. */
export function laneBounds(spec: {
  readonly lanes: number;
  readonly firstLanes?: number;
  readonly concurrency: number;
}): LaneBounds {
  const most = Math.min(spec.lanes, Math.ceil(spec.concurrency / PARTS_PER_LANE));
  return { first: Math.min(most, spec.firstLanes ?? most), most, concurrency: spec.concurrency };
}

export class LaneScale {
  readonly #bounds: () => LaneBounds;
  #count: LaneCount | null = null;
  #dueMs: number | null = null;

  constructor(bounds: () => LaneBounds) {
    this.#bounds = bounds;
  }

  get lanes(): number {
    const { first, most } = this.#bounds();
    return Math.min(most, this.#count?.lanes ?? first);
  }

  /** Transfers that the lanes can run at once. */
  get transfers(): number {
    return Math.min(this.#bounds().concurrency, this.lanes * PARTS_PER_LANE);
  }

  /** When there may be more, by what was seen last; null: no more are wanted. */
  get dueMs(): number | null {
    return this.#dueMs;
  }

  /** @returns whether there are more lanes now */
  see(use: LaneUse, now: number): boolean {
    const { lanes } = this;
    const bounds = this.#bounds();
    this.#count ??= { lanes, changedMs: now, idleSinceMs: null };
    this.#count = lanesFor({ ...this.#count, lanes }, use, bounds, now);
    const isWanted = isShort(this.#count, use, bounds.most) && !use.isThrottled;
    this.#dueMs = isWanted ? this.#count.changedMs + DOUBLING_MS : null;
    return this.#count.lanes > lanes;
  }
}
