// When a report that the registry did not take is sent again: it has an end.
import { expect, test } from "vitest";
import { Reports, reportAgainAtMs } from "../../../src/view/reports.ts";
import { memorySql, storageOver } from "../sqlite.ts";

const HOUR_MS = 3600_000;
const START = Date.parse("2026-06-01T00:00:00Z");

/** The moments of all tries of a registry that never answers. */
function tries(reports: Reports): number[] {
  const atMs = [START];
  for (let next: number | null = START; next !== null && atMs.length < 1000;) {
    reports.failed({ copyId: "c1" }, new Error("overloaded"), next);
    next = reports.nextTryMs(next);
    if (next !== null) atMs.push(next);
  }
  return atMs;
}

test("the waits double from 5 s to an hour, and end after three days", () => {
  const atMs = tries(new Reports(storageOver(memorySql())));
  expect(atMs.slice(0, 6).map((ms) => (ms - START) / 1000)).toEqual([0, 5, 10, 20, 40, 80]);
  expect(Math.max(...atMs.map((ms, index) => ms - (atMs[index - 1] ?? ms)))).toBe(HOUR_MS);
  expect((atMs.at(-1) ?? 0) - START).toBeGreaterThanOrEqual(72 * HOUR_MS);
  expect((atMs.at(-1) ?? 0) - START).toBeLessThan(73 * HOUR_MS);
  expect(atMs.length).toBeLessThan(100);
});

test("a job that is evicted meanwhile does not begin anew", () => {
  const storage = storageOver(memorySql());
  new Reports(storage).failed({ copyId: "c1" }, new Error("overloaded"), START);
  expect(new Reports(storage).nextTryMs(START + 60_000)).toBe(START + 120_000);
  expect(new Reports(storage).nextTryMs(START + 72 * HOUR_MS)).toBeNull();
});

test("once it was taken, the next failure is a first one", () => {
  const reports = new Reports(storageOver(memorySql()));
  reports.failed({ syncId: "s1" }, new Error("overloaded"), START);
  reports.taken();
  expect(reports.nextTryMs(START + 72 * HOUR_MS)).toBe(START + 72 * HOUR_MS + 5_000);
});

test("a clock that goes back does no harm", () => {
  expect(reportAgainAtMs(START, START - HOUR_MS)).toBe(START - HOUR_MS + 5_000);
});
