// When the restore of an archived object is looked at: a minute after it was asked for, then ever more
// rarely. Pure.

const FIRST_LOOK_MS = 60_000;

const LOOK_GROWTH = 1.5;

const LAST_LOOK_MS = 60 * 60_000;

/** The slowest restores take 48 hours. */
const LONGEST_RESTORE_MS = 72 * 60 * 60_000;

/** How long after look number `looks`, from 0, the next one is. */
export function lookAfterMs(looks: number): number {
  return Math.min(LAST_LOOK_MS, FIRST_LOOK_MS * LOOK_GROWTH ** looks);
}

/** So many looks take as long as the longest restore. */
export const MAX_LOOKS = looksWithin(LONGEST_RESTORE_MS);

/** How many looks there are in that time. */
export function looksWithin(ms: number): number {
  let looks = 0;
  for (let sumMs = 0; sumMs < ms; looks++) sumMs += lookAfterMs(looks);
  return looks;
}
