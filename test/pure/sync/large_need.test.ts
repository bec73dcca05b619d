// What the copies of large objects take of a run's transfers, at each moment of their lives.
import { expect, test } from "vitest";
import { needOf, transfersOf } from "../../../src/sync/large_need.ts";

const MIB = 2 ** 20;

test.each([
  [1, 1],
  [64 * MIB, 1],
  [64 * MIB + 1, 2],
  [10_000 * MIB, 10],
])("an object of %i bytes takes %i of 40 transfers", (sizeBytes, transfers) => {
  expect(transfersOf({ concurrency: 40 }, { sizeBytes })).toBe(transfers);
});

test("of few transfers, a large object takes one", () => {
  expect(transfersOf({ concurrency: 3 }, { sizeBytes: 10_000 * MIB })).toBe(1);
});

const parts = (done: number, total: number | null) => ({ total, done, inFlight: 0, failedAttempts: 0 });

test.each(["queued", "sizing", "creating"] as const)(
  "a copy that is %s will need all that it may have in a moment: no other is begun in its place",
  (phase) => {
    expect(needOf({ phase, parts: parts(0, null) }, 5)).toBe(5);
  },
);

test("a copy that uploads needs no more than it has parts left", () => {
  expect([0, 5, 7, 8].map((done) => needOf({ phase: "uploading", parts: parts(done, 8) }, 5))).toEqual([
    5, 3, 1, 0,
  ]);
});

test.each(["completing", "verifying", "restoring"] as const)(
  "a copy that is %s holds up no other",
  (phase) => {
    expect(needOf({ phase, parts: parts(8, 8) }, 5)).toBe(0);
  },
);
