// When a small object is asked for again.
import { expect, test } from "vitest";
import { Patience } from "../../../src/work/patience.ts";

test("a small object is waited for 2 s, then 4 s, then as long as any transfer", () => {
  const patience = new Patience(true);
  expect([0, 1, 2, 3].map((tries) => patience.limitMs(1000, tries))).toEqual([2000, 4000, null, null]);
  expect(patience.limitMs(512 * 1024, 0)).toBe(2000);
  expect(patience.limitMs(512 * 1024 + 1, 0)).toBeNull();
});

test("never sooner while a store asks for fewer requests, or requests wait for their turn", () => {
  expect(new Patience(false).limitMs(1, 0)).toBeNull();
});

test("a store that takes its time with every object is waited for", () => {
  const patience = new Patience(true);
  patience.took(3000);
  expect(patience.limitMs(1, 0)).toBe(12_000);
  for (let object = 0; object < 20; object++) patience.took(20);
  expect(patience.limitMs(1, 0)).toBe(2000);
});
