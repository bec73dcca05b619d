// What the copies of large objects take of a run's transfers, at each moment of their lives.
import { expect, test } from "vitest";
import { needOf, transfersOf } from "../../../src/sync/large_need.ts";

const MIB = 2 ** 20;

const PART = 95 * MIB;

test.each([
  [1, 1],
  [64 * MIB, 1],
  [64 * MIB + 1, 2],
  [10_000 * MIB, 10],
])("an object of %i bytes takes %i of 40 transfers", (sizeBytes, transfers) => {
  expect(transfersOf({ concurrency: 40 }, { sizeBytes, etag: null }, PART)).toBe(transfers);
});

test("of few transfers, a large object takes one", () => {
  expect(transfersOf({ concurrency: 3 }, { sizeBytes: 10_000 * MIB, etag: null }, PART)).toBe(1);
});

test("where parts must be small, an object takes more transfers", () => {
  expect(transfersOf({ concurrency: 40 }, { sizeBytes: 30 * MIB, etag: null }, 5 * MIB)).toBe(6);
});

test.each([
  [2, 2],
  [25, 10],
])("an object that was uploaded in %i parts takes %i of 40 transfers", (parts, transfers) => {
  const etag = `"${"0".repeat(32)}-${parts}"`;
  expect(transfersOf({ concurrency: 40 }, { sizeBytes: 200 * MIB, etag }, PART)).toBe(transfers);
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
