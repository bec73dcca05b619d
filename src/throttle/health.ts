// Whether a store answers at all, as one copy sees it: the budget of retries. A store that fails now and then
// is used at full width, and each failure is retried. Of a store that is down, only one part at a time finds
// out whether it is back; otherwise every part would ask again and again.
//
// Pure. How this bounds a copy's speed: "How fast a job goes" in governor.ts. The figures are botocore's
// retry quota (500 tokens; a retry costs 5, a timeout 10; a success gives back what the retry before it cost,
// else 1): https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html (2026-11). With them a
// store may fail every third request indefinitely and is still used at full width.

import type { Failure, Side } from "../s3/failure.ts";
import { backoffMs, isStoreTrouble, MAX_OUTAGE_ATTEMPTS, verdictOf } from "../s3/retry.ts";

export interface Health {
  readonly tokens: number;
  /** The first failure since the last success; null while all is well. */
  readonly failingSinceMs: number | null;
  /** Failures in a row. */
  readonly failures: number;
  /** While the budget is empty: when the next trial request may go out. The name is stored, so it stays. */
  readonly probeAtMs: number;
}

export const FULL_TOKENS = 500;

const RETRY_COST = 5;

const TIMEOUT_COST = 10;

const UNASKED_GAIN = 1;

/**
 * A copy whose store has been down for this long stops asking and waits for a person. It keeps all its work.
 */
export const OUTAGE_PATIENCE_MS = 15 * 60_000;

export const HEALTHY: Health = { tokens: FULL_TOKENS, failingSinceMs: null, failures: 0, probeAtMs: 0 };

/** @param failedBefore attempts that the request had failed before it succeeded */
export function afterSuccess(health: Health, failedBefore: number): Health {
  const gain = failedBefore > 0 ? RETRY_COST : UNASKED_GAIN;
  return { ...HEALTHY, tokens: Math.min(FULL_TOKENS, health.tokens + gain) };
}

export function afterFailure(health: Health, failure: Failure, now: number, random: number): Health {
  const cost = failure.code === "timeout" ? TIMEOUT_COST : RETRY_COST;
  const failures = health.failures + 1;
  return {
    tokens: Math.max(0, health.tokens - cost),
    failingSinceMs: health.failingSinceMs ?? now,
    failures,
    probeAtMs: now + backoffMs(failure, failures, random),
  };
}

/** Is the budget used up? */
export function isDown({ tokens }: Health): boolean {
  return tokens < RETRY_COST;
}

/**
 * Should a part that has failed `attempts` times of `allowed` be given up? Not while its store answers
 * nobody: then the attempts say nothing about the part, and only the store's own patience can run out.
 *
 * @param before the store's health before this failure
 */
export function isUsedUp(
  failure: Failure,
  { attempts, allowed }: { attempts: number; allowed: number },
  before: Health,
  now: number,
): boolean {
  if (attempts < allowed) return false;
  if (before.failingSinceMs !== null && isStoreTrouble(failure)) return isHopeless(before, now);
  // A busy store answers others meanwhile, and may never answer this part by chance.
  return verdictOf(failure) !== "throttle" || attempts >= MAX_OUTAGE_ATTEMPTS;
}

/** Has nothing succeeded for so long that a person must act? */
export function isHopeless({ failingSinceMs }: Health, now: number): boolean {
  return failingSinceMs !== null && now - failingSinceMs >= OUTAGE_PATIENCE_MS;
}

export type Healths = Readonly<Record<Side, Health>>;

export const ALL_HEALTHY: Healths = { source: HEALTHY, destination: HEALTHY, mesh: HEALTHY };

/** The health of all sides while the reports of one claim are taken in, one after the other. */
export class HealthBook {
  #healths: Healths;

  constructor(healths: Healths) {
    this.#healths = healths;
  }

  get healths(): Healths {
    return this.#healths;
  }

  /** A part was copied: both stores and the mesh worked. */
  succeeded(failedBefore: number): void {
    const { source, destination, mesh } = this.#healths;
    this.#healths = {
      source: afterSuccess(source, failedBefore),
      destination: afterSuccess(destination, failedBefore),
      mesh: afterSuccess(mesh, failedBefore),
    };
  }

  failed(failure: Failure, now: number, random: number): void {
    const after = afterFailure(this.#healths[failure.side], failure, now, random);
    this.#healths = { ...this.#healths, [failure.side]: after };
  }

  isUsedUp(failure: Failure, tries: { attempts: number; allowed: number }, now: number): boolean {
    return isUsedUp(failure, tries, this.#healths[failure.side], now);
  }

  isHopeless(side: Side, now: number): boolean {
    return isHopeless(this.#healths[side], now);
  }

  /** When requests may go out: at once, or while a store is down one at a time, the next at `trialAtMs`. */
  pace(): { kind: "full" } | { kind: "trial"; trialAtMs: number } {
    const down = Object.values(this.#healths).filter(isDown);
    if (down.length === 0) return { kind: "full" };
    return { kind: "trial", trialAtMs: Math.max(...down.map(({ probeAtMs }) => probeAtMs)) };
  }
}
