// The order in which S3 lists keys: by their UTF-8 bytes. Pure.
//
// JavaScript's `<` compares UTF-16 units, which is a different order from U+E000 on: there "😀" (D83D DE00) is
// before "Ｚ" (FF3A), in UTF-8 after it. A merge of two listings that compares with `<` gets out of step at
// such a key and takes keys for missing that both sides have. Nothing needs to be encoded: a surrogate pair
// stands for a code point of four bytes, so it only has to rank above every other unit.
//
// Invariant: a total order. Lone surrogates have no UTF-8 form and rank as U+FFFD, which every encoder puts
// in their place. Strings that differ only in them are ordered by their units, so that 0 means the same
// string.

/** Negative if `a` is listed before `b`, 0 if they are the same key. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let tie = 0;
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right && (left & 0xf800) !== 0xd800) continue;
    const order = rankAt(a, index, left) - rankAt(b, index, right);
    if (order !== 0) return order;
    if (tie === 0) tie = left - right;
  }
  return a.length - b.length || tie;
}

/** The key that is listed later. Null comes before every key. */
export function laterKey(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return compareKeys(a, b) > 0 ? a : b;
}

function rankAt(text: string, index: number, unit: number): number {
  if ((unit & 0xf800) !== 0xd800) return unit;
  const paired =
    unit < 0xdc00
      ? (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00 // NaN & n is 0 at the end of the text
      : index > 0 && (text.charCodeAt(index - 1) & 0xfc00) === 0xd800;
  return paired ? 0x10000 + unit : 0xfffd;
}
