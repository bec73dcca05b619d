import { expect, test } from "vitest";
import { RateTable, secondsLeft } from "../../../src/sync/rate_table.ts";
import { memorySql } from "../sqlite.ts";

const rowsIn = (sql: SqlStorage) => Number(sql.exec("SELECT count(*) AS n FROM rates").one()["n"]);

/** Notes, each second, what a steady run has copied. */
function steady(table: RateTable, seconds: number): void {
  for (let second = 0; second <= seconds; second++)
    table.note(second * 1000, () => ({ objects: 5 * second, bytes: 100 * second }));
}

test("a table that nobody has written has no samples, and makes no table", () => {
  const sql = memorySql();
  const table = new RateTable(sql);
  expect([table.samples(), table.recent(0, { objects: 0, bytes: 0 })]).toEqual([[], null]);
  expect(sql.exec("SELECT name FROM sqlite_master").toArray()).toEqual([]);
});

test("a sample is what was copied since the one before it", () => {
  const table = new RateTable(memorySql());
  table.note(0, () => ({ objects: 0, bytes: 0 }));
  table.note(2000, () => ({ objects: 10, bytes: 4096 }));
  table.note(4000, () => ({ objects: 10, bytes: 4096 }));
  expect(table.samples()).toEqual([
    { at: "1970-01-01T00:00:02.000Z", objectsPerSecond: 5, bytesPerSecond: 2048 },
    { at: "1970-01-01T00:00:04.000Z", objectsPerSecond: 0, bytesPerSecond: 0 },
  ]);
});

test("what comes within the gap is not read, but for the last", () => {
  const table = new RateTable(memorySql());
  table.note(0, () => ({ objects: 0, bytes: 0 }));
  table.note(500, () => {
    throw new Error("read");
  });
  table.note(600, () => ({ objects: 3, bytes: 3 }), true);
  table.note(900, () => ({ objects: 3, bytes: 3 }), true);
  expect(table.samples()).toMatchObject([{ objectsPerSecond: 5 }]);
});

test("however long a sync runs, its rows stay few, and the rate that they tell is the same", () => {
  const sql = memorySql();
  const table = new RateTable(sql);
  steady(table, 100_000);
  expect(rowsIn(sql)).toBeLessThanOrEqual(121);
  expect(rowsIn(sql)).toBeGreaterThan(40);
  for (const sample of table.samples())
    expect(sample).toMatchObject({ objectsPerSecond: 5, bytesPerSecond: 100 });
});

test("the recent rate is that of the last minute, and none if nothing came", () => {
  const table = new RateTable(memorySql());
  steady(table, 90);
  expect(table.recent(90_000, { objects: 450, bytes: 9000 })).toEqual({
    objectsPerSecond: 5,
    bytesPerSecond: 100,
  });
  for (const atMs of [100_000, 170_000]) table.note(atMs, () => ({ objects: 450, bytes: 9000 }));
  expect(table.recent(171_000, { objects: 450, bytes: 9000 })).toBe(null);
});

test.each([
  ["by keys", { objects: 100, bytes: 0 }, { objectsPerSecond: 10, bytesPerSecond: 1 }, 10],
  ["by bytes", { objects: 1, bytes: 1000 }, { objectsPerSecond: 10, bytesPerSecond: 10 }, 100],
  ["nothing is left", { objects: 0, bytes: 0 }, null, 0],
  ["unknown without a rate", { objects: 1, bytes: 1 }, null, null],
])("the time left: %s", (_what, left, rate, seconds) => {
  expect(secondsLeft(left, rate)).toBe(seconds);
});
