// How much one store takes at once, learnt from what it refuses: a number that doubles until the store says
// "slow down", falls by a factor then, and comes back along a cubic curve: fast at first, slowly where the
// store had enough the last time, faster again beyond. Pure; the number is streams, or requests per second,
// as its user has it.
//
// It is additive increase and multiplicative decrease as CUBIC does it (RFC 9438), with the figures of
// botocore's adaptive mode: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
// (2026-11). The curve is one of time and not of answers, since a part may take a minute, and a refusal comes
// within a round trip.

export type Flow =
  /** As much as the user wants: nothing was refused yet, and nothing is held back. */
  | { readonly kind: "free" }
  /** Nothing was refused yet, and not all at once: it doubles from `from`. */
  | { readonly kind: "starting"; readonly from: number; readonly sinceMs: number }
  /** `max` was too much; since then it comes back from `cutTo`. */
  | { readonly kind: "found"; readonly max: number; readonly cutTo: number; readonly cutAtMs: number };

/** Streams that a job begins with. Stores meet new load with 503 where it comes all at once. */
export const FIRST_STREAMS = 16;

/** Longer than the round trip in which a store refuses. */
export const DOUBLING_MS = 250;

/** Refusals of one second are one event, and one cut: the requests that met it were under way together. */
const CUT_EVERY_MS = 1000;

const CUT = 0.7;

/** In the doubling, up to twice of what the store takes may be under way. */
const FIRST_CUT = 0.5;

/** Per cubic second: the steepness of the way back. */
const STEEPNESS = 0.4;

export const FREE: Flow = { kind: "free" };

export function startingAt(now: number): Flow {
  return { kind: "starting", from: FIRST_STREAMS, sinceMs: now };
}

/** What may be in use now, at least 1. */
export function valueAt(flow: Flow, now: number): number {
  switch (flow.kind) {
    case "free":
      return Infinity;
    case "starting":
      return flow.from * 2 ** (Math.max(0, now - flow.sinceMs) / DOUBLING_MS);
    case "found": {
      const seconds = Math.max(0, now - flow.cutAtMs) / 1000 - secondsBack(flow);
      return Math.max(1, flow.cutTo, STEEPNESS * seconds ** 3 + flow.max);
    }
  }
}

/** When it will have come to `value`, if nothing is refused before. */
export function reaches(flow: Flow, value: number, now: number): number {
  if (valueAt(flow, now) >= value) return now;
  switch (flow.kind) {
    case "free":
      return now;
    case "starting":
      return Math.ceil(flow.sinceMs + DOUBLING_MS * Math.log2(value / flow.from));
    case "found": {
      const seconds = secondsBack(flow) + Math.cbrt((value - flow.max) / STEEPNESS);
      return Math.ceil(flow.cutAtMs + seconds * 1000);
    }
  }
}

/**
 * After a refusal.
 *
 * @param use.before what was in use when it came; a higher number was never tried
 * @param use.left what of it goes on. Refusals of one event tell by that, one after the other, what the store
 * does take
 * @param weight 1: the store said so; 0.5: it did not answer in time, which may have other reasons
 */
export function afterRefusal(
  flow: Flow,
  use: { readonly before: number; readonly left: number },
  weight: 0.5 | 1,
  now: number,
): Flow {
  if (flow.kind === "found" && now - flow.cutAtMs < CUT_EVERY_MS) {
    const max = Math.max(1, Math.min(flow.max, use.left));
    return max === flow.max ? flow : { ...flow, max, cutTo: Math.max(1, (flow.cutTo * max) / flow.max) };
  }
  const max = Math.max(1, Math.min(valueAt(flow, now), use.before));
  const cut = flow.kind === "found" ? CUT : FIRST_CUT;
  return { kind: "found", max, cutTo: Math.max(1, max * (1 - weight * (1 - cut))), cutAtMs: now };
}

/** From the cut to where it was cut. */
function secondsBack({ max, cutTo }: Flow & { kind: "found" }): number {
  return Math.cbrt((max - cutTo) / STEEPNESS);
}
