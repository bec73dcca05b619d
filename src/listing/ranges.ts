// Cuts a prefix into ranges of names that can be listed at the same time. For stores that list in UTF-8 byte
// order.
//
// A range is (afterName, untilName], and a cut at a name M makes (afterName, M] and (M, untilName] of it.
// Whatever M is, every name is in exactly one of the two, so a badly chosen M costs balance and never a key.
// Good names to cut at cannot be computed, since keys cluster: they are found by asking the store for the
// first name in a range, which costs one request for one key (`firstKey()` of listing.ts). That takes some 6
// to 20 such requests for a cut.
//
// A cut is a name that is there. So who lists up to it can tell whether the listing has come to it, or has
// passed it unseen; walk.ts says what for.
//
// Pure but for the `firstNameIn` that it is handed.

import { compareKeys } from "./key_order.ts";
import { MAX_KEY_BYTES } from "../s3/url.ts";

/** Names are keys below the prefix. Null: from the first, to the last. */
export interface NameRange {
  readonly afterName: string | null;
  readonly untilName: string | null;
}

/** The first name in a range, or null when it is empty. */
export type FirstNameIn = (range: NameRange) => Promise<string | null>;

export const ALL_NAMES: NameRange = { afterName: null, untilName: null };

/**
 * Behind every name that begins with what stands before it, as far as names are sane; if not, balance
 * suffers.
 */
const TOP = "\u{10FFFF}";

/**
 * A name of the range at which it falls into two parts; null: there is none, or it would be too long to ask
 * for.
 *
 * First the longest beginning that all names of the range share, then the characters that follow it: the cut
 * goes through their middle.
 *
 * @param maxNameBytes how long a name may be for the store to take prefix and name as a `start-after`
 */
export async function findCut(
  range: NameRange,
  firstNameIn: FirstNameIn,
  { maxNameBytes = MAX_KEY_BYTES }: { maxNameBytes?: number } = {},
): Promise<string | null> {
  const firstBehind = async (afterName: string | null): Promise<string | null> => {
    const name = await firstNameIn({ ...range, afterName });
    return name === range.untilName ? null : name; // its end is no place to cut a range at
  };
  let first = await firstBehind(range.afterName);
  if (first === null) return null;
  // A name that is the beginning of all the others shows nothing of where they part.
  if (byteLength(first + TOP) <= maxNameBytes && (await firstBehind(first + TOP)) === null) {
    first = await firstBehind(first);
    if (first === null) return null;
  }
  const characters = [...first];
  let shared = 0;
  let firstOther: string | null = null;
  for (let bound = characters.length; shared < bound;) {
    const length = Math.ceil((shared + bound) / 2);
    const name = characters.slice(0, length).join("") + TOP;
    const other = byteLength(name) > maxNameBytes ? null : await firstBehind(name);
    if (byteLength(name) > maxNameBytes) bound = length - 1;
    else if (other === null) shared = length;
    else {
      firstOther = other;
      bound = length - 1;
    }
  }
  const beginning = characters.slice(0, shared).join("");
  if (byteLength(beginning + TOP + TOP) > maxNameBytes) return null;
  const lowest = codeAt(first, beginning);
  if (firstOther === null || lowest === null) return null;
  const behindCharacter = (code: number) => beginning + scalar(code) + TOP;
  let low = codeAt(firstOther, beginning);
  if (low === null || low <= lowest) return null;
  let high = 0x7e;
  const beyondAscii = low > high ? null : await firstBehind(behindCharacter(high));
  if (low > high || beyondAscii !== null) high = 0x10ffff;
  if (beyondAscii !== null) low = codeAt(beyondAscii, beginning) ?? low;
  // `low` occurs, nothing is above `high`; the last character need not be known closer than this.
  while (high - low > (high - lowest) / 4) {
    const middle = Math.floor((low + high) / 2);
    const other = await firstBehind(behindCharacter(middle));
    if (other === null) high = middle;
    else low = codeAt(other, beginning) ?? high;
  }
  return await firstBehind(behindCharacter(Math.floor((lowest + low - 1) / 2)));
}

/**
 * The two halves of what is left of a range.
 *
 * @param range from the last name that has been taken on
 * @returns null when the range has passed the cut by now
 */
export function cutAt(range: NameRange, cut: string): readonly [NameRange, NameRange] | null {
  const { afterName, untilName } = range;
  if (afterName !== null && compareKeys(afterName, cut) >= 0) return null;
  if (untilName !== null && compareKeys(cut, untilName) >= 0) return null;
  return [
    { afterName, untilName: cut },
    { afterName: cut, untilName },
  ];
}

/** The character that follows the shared beginning. */
function codeAt(name: string, beginning: string): number | null {
  return name.startsWith(beginning) ? (name.codePointAt(beginning.length) ?? null) : null;
}

/** A character that has a UTF-8 form: the surrogates have none, and U+D7FF stands before all of them. */
function scalar(code: number): string {
  return String.fromCodePoint(code >= 0xd800 && code <= 0xdfff ? 0xd7ff : code);
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
