// The order of UTF-8 bytes, compared with what Node makes of the encoded strings.
import { expect, test } from "vitest";
import { compareKeys, laterKey } from "../../../src/listing/key_order.ts";
import { seeded } from "../samples.ts";

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

const UNITS = [
  ..."\0\u0001 !/09AZaz~\u007f\u0080é\u07ff\u0800日\ud7ff\ue000\uf8ffＺ\ufffd\uffff",
  "😀",
  "\u{10000}",
  "\u{10ffff}",
];
const LONE = ["\ud800", "\ud83d", "\udbff", "\udc00", "\ude00", "\udfff"];

function randomText(random: () => number, units: readonly string[]): string {
  let text = "";
  for (let length = Math.floor(random() * 6); length > 0; length--) {
    text += units[Math.floor(random() * units.length)];
  }
  return text;
}

test.each([
  ["Ｚ", "😀a"],
  ["a", "aa"],
  ["", "a"],
  ["a/", "a0"],
  ["a", "é"],
  ["\uffff", "\u{10000}"],
  ["a!", "a/b"],
  ["A", "a"],
  ["e\u0301", "é"],
])("%j is listed before %j", (first, second) => {
  expect(compareKeys(first, second)).toBeLessThan(0);
  expect(compareKeys(second, first)).toBeGreaterThan(0);
  expect(byBytes(first, second)).toBeLessThan(0);
});

test("any two keys compare as their bytes do", () => {
  const random = seeded(1);
  for (let round = 0; round < 100_000; round++) {
    const [a, b] = [randomText(random, UNITS), randomText(random, UNITS)];
    if (Math.sign(compareKeys(a, b)) !== byBytes(a, b)) expect([a, b]).toEqual("in the order of their bytes");
  }
});

test("lone surrogates rank as the bytes that stand in for them, and only the same string is 0", () => {
  const random = seeded(2);
  const units = [...UNITS, ...LONE, ...LONE];
  for (let round = 0; round < 100_000; round++) {
    const [a, b] = [randomText(random, units), randomText(random, units)];
    const order = Math.sign(compareKeys(a, b));
    const expected = byBytes(a, b);
    if (expected !== 0 ? order !== expected : (order === 0) !== (a === b)) {
      expect([a, b]).toEqual("in the order of their bytes");
    }
    if (order !== -Math.sign(compareKeys(b, a))) expect([a, b]).toEqual("the same both ways");
  }
});

test("sorts into one order, whatever the order before", () => {
  const random = seeded(3);
  const keys = Array.from({ length: 2000 }, () => randomText(random, [...UNITS, ...LONE]));
  const sorted = keys.toSorted(compareKeys);
  for (let round = 0; round < 3; round++) {
    const shuffled = keys.toSorted(() => random() - 0.5);
    expect(shuffled.toSorted(compareKeys)).toEqual(sorted);
  }
});

test("laterKey() is the later one; null is before every key", () => {
  expect(laterKey("a", "b")).toBe("b");
  expect(laterKey("😀", "Ｚ")).toBe("😀");
  expect(laterKey(null, "")).toBe("");
  expect(laterKey("a", null)).toBe("a");
  expect(laterKey(null, null)).toBeNull();
});
