// How much one store takes at once, learned from what it refuses. The number doubles until the store says
// "slow down". It is cut by a factor then, and comes back along a cubic curve: fast at first, slowly near
// where the store had enough the last time, faster again beyond. Pure. The number is streams or requests per
// second; the governor decides which.
//
// This is additive increase and multiplicative decrease as CUBIC does it (RFC 9438), with the figures of
// botocore's adaptive mode: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
// (2026-11). The curve follows time and not answers: a part may take a minute, but a refusal comes within a
// round trip.

export type Flow =
  /** No limit: nothing was refused yet, and nothing is held back. */
  | { readonly kind: "free" }
  /** Nothing was refused yet, but the job starts slowly: the number doubles from `from`. */
  | { readonly kind: "starting"; readonly from: number; readonly sinceMs: number }
  /** `max` was too much. Since then the number comes back from `cutTo`. */
  | { readonly kind: "found"; readonly max: number; readonly cutTo: number; readonly cutAtMs: number };

/** Streams that a job starts with. Stores answer 503 to new load that comes all at once. */
export const FIRST_STREAMS = 16;

/** Longer than the round trip within which a store refuses. */
export const DOUBLING_MS = 250;

/** Refusals within one second are one event and cause one cut: their requests were under way together. */
const CUT_EVERY_MS = 1000;

const CUT = 0.7;

/** While the number doubles, up to twice what the store takes may be under way. */
const FIRST_CUT = 0.5;

/** Per second cubed: how steeply the number comes back. */
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

/** When the number reaches `value`, if nothing is refused before. */
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
 * The flow after a refusal.
 *
 * @param use.before what was in use when the refusal came; a higher number was never tried
 * @param use.left what of it is still running. The refusals of one event come one after the other, and
 *   together they show what the store does take
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

/** How long the curve takes from the cut back to the number at which it was cut. */
function secondsBack({ max, cutTo }: Flow & { kind: "found" }): number {
  return Math.cbrt((max - cutTo) / STEEPNESS);
}
