import { describe, expect, test } from "vitest";
import { isId, makeId } from "../../../src/http/id.ts";
import { seeded } from "../samples.ts";

const ZEROS = new Uint8Array(10);
const ONES = new Uint8Array(10).fill(255);

/** The time in an id, read back by the ULID specification. */
function idTimeMs(id: string): number {
  const digits = "0123456789abcdefghjkmnpqrstvwxyz";
  return Array.from(id.slice(0, 10)).reduce((value, digit) => value * 32 + digits.indexOf(digit), 0);
}

describe("makeId()", () => {
  test.each([
    [0, ZEROS, "00000000000000000000000000"],
    [0, ONES, "0000000000zzzzzzzzzzzzzzzz"],
    // The time of the ULID specification's own example, 01ARZ3NDEK…
    [1_469_922_850_259, ZEROS, "01arz3ndek0000000000000000"],
    [2 ** 48 - 1, ONES, "7zzzzzzzzzzzzzzzzzzzzzzzzz"],
  ])("at %d", (atMs, random, id) => {
    expect(makeId(atMs, random)).toBe(id);
    expect(idTimeMs(id)).toBe(atMs);
    expect(isId(id)).toBe(true);
  });

  test("sorts by time as text, whatever the random bytes", () => {
    const random = seeded(7);
    const bytes = () => Uint8Array.from({ length: 10 }, () => Math.floor(random() * 256));
    for (let round = 0; round < 500; round++) {
      const atMs = Math.floor(random() * 2 ** 47);
      const laterMs = atMs + 1 + Math.floor(random() * 1e6);
      expect(makeId(atMs, bytes()) < makeId(laterMs, bytes())).toBe(true);
    }
  });

  test("keeps every random byte", () => {
    const ids = Array.from({ length: 10 }, (_, index) => {
      const bytes = new Uint8Array(10);
      bytes[index] = 1;
      return makeId(5, bytes);
    });
    expect(new Set(ids).size).toBe(10);
  });

  test.each([0, 9, 11])("takes ten random bytes, not %d", (length) => {
    expect(() => makeId(0, new Uint8Array(length))).toThrow(
      new RangeError(`Cannot make an id of ${length} random bytes: it takes 10`),
    );
  });
});

test.each([
  "",
  "01arz3ndek000000000000000",
  "01arz3ndek00000000000000000",
  "81arz3ndek0000000000000000",
  "01ARZ3NDEK0000000000000000",
  "01arz3ndeki000000000000000",
  "01arz3ndekl000000000000000",
  "01arz3ndeko000000000000000",
  "01arz3ndeku000000000000000",
  "../rz3ndek0000000000000000",
  "01arz3ndek0000000000000000\n",
])("isId(%j) is false", (text) => {
  expect(isId(text)).toBe(false);
});
