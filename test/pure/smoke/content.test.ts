import { expect, test } from "vitest";
import { Comparison, fixed, generated } from "../../smoke/content.ts";

test("any range is the same as that range of the whole", () => {
  const content = generated("seed", 1000);
  const whole = content.slice(0, 1000);
  for (const [offset, length] of [
    [0, 1],
    [15, 2],
    [16, 16],
    [17, 500],
    [990, 100],
    [1000, 5],
  ] as const)
    expect(content.slice(offset, length)).toEqual(whole.subarray(offset, offset + length));
  expect(whole.length).toBe(1000);
});

test("another seed has other bytes, and no byte is much more frequent than others", () => {
  const bytes = generated("seed", 65_536).slice(0, 65_536);
  expect(bytes.equals(generated("other", 65_536).slice(0, 65_536))).toBe(false);
  const counts = Array.from({ length: 256 }, () => 0);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  expect(Math.min(...counts)).toBeGreaterThan(150);
  expect(Math.max(...counts)).toBeLessThan(370);
});

function compare(content: Parameters<typeof fixed>[0], ...pieces: readonly string[]): string | null {
  const comparison = new Comparison(fixed(content));
  for (const piece of pieces) comparison.take(Buffer.from(piece));
  return comparison.end();
}

test("equal bytes are equal in whatever pieces they come", () => {
  expect(compare(Buffer.from("abcdef"), "a", "bcde", "f")).toBeNull();
  expect(compare(Buffer.alloc(0))).toBeNull();
});

test("the first byte that differs is told, and too few or too many", () => {
  expect(compare(Buffer.from("abcdef"), "abc", "dXY")).toBe("byte 4 is 88 and was written as 101");
  expect(compare(Buffer.from("abcdef"), "abc")).toBe("3 bytes came of 6");
  expect(compare(Buffer.from("abc"), "abc", "d")).toBe("4 bytes came of 3");
  expect(compare(Buffer.alloc(0), "a")).toBe("1 bytes came of 0");
});
