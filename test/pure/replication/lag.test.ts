// How far a destination lags behind: counted in classes, shown in quantiles, kept for a day.

import { expect, test } from "vitest";
import { LagTable } from "../../../src/replication/lag.ts";
import { memorySql } from "../sqlite.ts";

const NONE = { copied: 0, deleted: 0, failed: 0, pending: 0, lagsMs: [] };
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

test("quantiles are at most half too high, and never too low, up to days", () => {
  for (const trueMs of [1, 250, 1_000, 59_000, 3_600_000, DAY_MS]) {
    const lag = new LagTable(memorySql());
    lag.createTables();
    lag.add({ ...NONE, copied: 1, lagsMs: [trueMs] }, DAY_MS);
    const { p50Ms } = lag.recent(DAY_MS);
    expect(p50Ms).toBeGreaterThanOrEqual(trueMs);
    expect(p50Ms).toBeLessThanOrEqual(Math.max(250, trueMs * 1.5 + 1));
  }
});

test("of a hundred copies one slow one is the p99 no more than it should be; the last hour counts", () => {
  const lag = new LagTable(memorySql());
  lag.createTables();
  const now = 10 * DAY_MS;
  lag.add({ ...NONE, lagsMs: [DAY_MS] }, now - 2 * 60 * MINUTE_MS);
  lag.add({ ...NONE, copied: 100, lagsMs: [...Array.from({ length: 99 }, () => 400), 100_000] }, now);
  expect(lag.recent(now)).toEqual({ p50Ms: 563, p99Ms: 563 });
  lag.add({ ...NONE, copied: 1, lagsMs: [100_000] }, now);
  expect(lag.recent(now).p99Ms).toBeGreaterThan(100_000);
});

test("the series has five minutes each, of one day, with the most that waited", () => {
  const lag = new LagTable(memorySql());
  lag.createTables();
  for (let minute = 0; minute < 3 * 24 * 60; minute++)
    lag.add({ ...NONE, copied: 1, pending: minute % 5 }, minute * MINUTE_MS);
  const series = lag.series((3 * 24 * 60 - 1) * MINUTE_MS);
  expect(series.length).toBeLessThanOrEqual(289);
  expect(series.at(-1)).toMatchObject({ copied: 5, pending: 4, p50Ms: null });
});
