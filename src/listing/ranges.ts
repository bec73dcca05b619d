// Cuts a prefix into ranges of names that can be listed at the same time. For stores that list in UTF-8 byte
// order.
//
// A range is (afterName, untilName], and a cut at a name M turns it into (afterName, M] and (M, untilName].
// Whatever M is, every name is in exactly one of the two: a badly chosen M costs balance, never a key. Good
// cuts cannot be computed, since keys cluster. They are found by asking the store for the first name in a
// range, which costs one request for one key (`firstKey()` in listing.ts). A cut takes 6 to 20 such requests.
//
// A cut is a name that exists. So the listing up to it can tell whether it has reached the name or passed it
// without seeing it. walk.ts says why that matters.
//
// Pure but for the `firstNameIn` passed in.

import { compareKeys } from "./key_order.ts";
import { MAX_KEY_BYTES, utf8Bytes } from "../s3/url.ts";

/** Names are keys without the prefix. Null: from the first name, or to the last. */
export interface NameRange {
  readonly afterName: string | null;
  readonly untilName: string | null;
}

/** The first name in a range, or null if it is empty. */
export type FirstNameIn = (range: NameRange) => Promise<string | null>;

export const ALL_NAMES: NameRange = { afterName: null, untilName: null };

/**
 * `text + TOP` sorts after every name that begins with `text`. A name that contains TOP itself only costs
 * balance.
 */
const TOP = "\u{10FFFF}";

/**
 * A name that splits the range in two. Null: there is none, or it would be too long to ask for.
 *
 * It first finds the longest beginning that all names of the range share, then cuts through the middle of the
 * characters that follow it.
 *
 * @param maxNameBytes the longest name that the store accepts, with the prefix, as a `start-after`
 */
export async function findCut(
  range: NameRange,
  firstNameIn: FirstNameIn,
  { maxNameBytes = MAX_KEY_BYTES }: { maxNameBytes?: number } = {},
): Promise<string | null> {
  const firstBehind = async (afterName: string | null): Promise<string | null> => {
    const name = await firstNameIn({ ...range, afterName });
    return name === range.untilName ? null : name; // a range cannot be cut at its end
  };
  let first = await firstBehind(range.afterName);
  if (first === null) return null;
  // A name with which all the others begin does not show where they differ.
  if (utf8Bytes(first + TOP) <= maxNameBytes && (await firstBehind(first + TOP)) === null) {
    first = await firstBehind(first);
    if (first === null) return null;
  }
  const characters = [...first];
  let shared = 0;
  let firstOther: string | null = null;
  for (let bound = characters.length; shared < bound;) {
    const length = Math.ceil((shared + bound) / 2);
    const name = characters.slice(0, length).join("") + TOP;
    const other = utf8Bytes(name) > maxNameBytes ? null : await firstBehind(name);
    if (utf8Bytes(name) > maxNameBytes) bound = length - 1;
    else if (other === null) shared = length;
    else {
      firstOther = other;
      bound = length - 1;
    }
  }
  const beginning = characters.slice(0, shared).join("");
  if (utf8Bytes(beginning + TOP + TOP) > maxNameBytes) return null;
  const lowest = codeAt(first, beginning);
  if (firstOther === null || lowest === null) return null;
  const behindCharacter = (code: number) => beginning + scalar(code) + TOP;
  let low = codeAt(firstOther, beginning);
  if (low === null || low <= lowest) return null;
  let high = 0x7e;
  const beyondAscii = low > high ? null : await firstBehind(behindCharacter(high));
  if (low > high || beyondAscii !== null) high = 0x10ffff;
  if (beyondAscii !== null) low = codeAt(beyondAscii, beginning) ?? low;
  // `low` occurs and nothing is above `high`. The last character need not be known more exactly than this.
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
 * @param range from the last name that was returned
 * @returns null if the range has already passed the cut
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

/** The character after the shared beginning. */
function codeAt(name: string, beginning: string): number | null {
  return name.startsWith(beginning) ? (name.codePointAt(beginning.length) ?? null) : null;
}

/** A character that has a UTF-8 form. Surrogates have none; U+D7FF is before all of them. */
function scalar(code: number): string {
  return String.fromCodePoint(code >= 0xd800 && code <= 0xdfff ? 0xd7ff : code);
}
