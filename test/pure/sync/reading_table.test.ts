// The objects that a comparison reads: cut into stretches, equal when all are.
import { expect, test } from "vitest";
import { ReadingTable } from "../../../src/sync/reading_table.ts";
import type { ObjectWork } from "../../../src/work/batch_task.ts";
import { memorySql } from "../sqlite.ts";

const MIB = 2 ** 20;

const work = (sizeBytes: number): ObjectWork => ({
  key: "k",
  to: "k",
  sizeBytes,
  etag: "a",
  failedAttempts: 2,
  first: "compare",
});

function opened(): ReadingTable {
  const table = new ReadingTable(memorySql());
  table.createTables();
  return table;
}

test.each([
  [1, 1],
  [256 * MIB, 1],
  [256 * MIB + 1, 2],
  [5 * 2 ** 40, 64],
])("an object of %d bytes is %d stretches, which cover it without a gap", (sizeBytes, count) => {
  const stretches = opened().add(work(sizeBytes), "a", "b");
  const readings = stretches.map(({ reading }) => reading);
  expect(readings).toHaveLength(count);
  expect(readings[0]?.fromBytes).toBe(0);
  expect(readings.at(-1)?.untilBytes).toBe(sizeBytes);
  for (const [index, reading] of readings.entries())
    if (index > 0) expect(reading?.fromBytes).toBe(readings[index - 1]?.untilBytes);
  expect(stretches.every(({ first, failedAttempts }) => first === "read" && failedAttempts === 0)).toBe(true);
});

test("the last stretch that is equal concludes, and what comes of one that is taken counts no more", () => {
  const table = opened();
  const seq = table.add(work(600 * MIB), "a", "b")[0]?.reading?.seq ?? 0;
  expect([table.equal(seq), table.equal(seq), table.equal(seq), table.equal(seq)]).toEqual([
    false,
    false,
    true,
    false,
  ]);
  const other = table.add(work(600 * MIB), "a", "b")[0]?.reading?.seq ?? 0;
  expect(table.take(other)).toBe(true);
  expect([table.has(other), table.equal(other), table.take(other)]).toEqual([false, false, false]);
});
