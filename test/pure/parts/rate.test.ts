// The rate of a copy, against what really moved, over parts of every length.
import { expect, test } from "vitest";
import { bytesPerSecond } from "../../../src/parts/rate.ts";
import { type OpenPart, PART_TABLES } from "../../../src/parts/rows.ts";
import { memorySql } from "../sqlite.ts";

const MIB = 2 ** 20;

/** Streams that each send one part after the other, from time 0. @returns the rate shown at a time */
function copying({ streams, length, partMs, untilMs = Infinity }: Record<string, number>) {
  return (now: number): number | null => {
    const sql = memorySql();
    sql.exec(PART_TABLES);
    const open: OpenPart[] = [];
    const spacing = Number(partMs);
    let partNumber = 0;
    for (let stream = 0; stream < Number(streams); stream++) {
      for (let begunMs = 0; begunMs <= Math.min(now, Number(untilMs)); begunMs += spacing) {
        partNumber += 1;
        const doneMs = begunMs + spacing;
        if (doneMs <= Math.min(now, Number(untilMs)))
          sql.exec(
            `INSERT INTO parts (part_number, state, attempt, failed_attempts, not_before_ms, length, duration_ms, done_at_ms)
             VALUES (?, 'done', 1, 0, 0, ?, ?, ?)`,
            partNumber,
            Number(length),
            spacing,
            doneMs,
          );
        else open.push({ state: "leased", leasedAtMs: begunMs, length: Number(length) } as OpenPart);
      }
    }
    return bytesPerSecond(sql, open, now);
  };
}

test.each([
  ["eight slow streams, parts of 84 s that begin and end together", 8, 32 * MIB, 84_000],
  ["parts of four minutes", 4, 95 * MIB, 240_000],
  ["parts about as long as the least window", 5, 64 * MIB, 14_000],
  ["parts of a third of a second", 40, 8 * MIB, 333],
])("%s: what is shown is what moves, at every moment", (_what, streams, length, partMs) => {
  const rate = copying({ streams, length, partMs });
  const truth = (streams * length * 1000) / partMs;
  for (let now = partMs; now < 5 * partMs + 15_000; now += Math.max(partMs / 17, 500))
    expect([now, (rate(now) ?? 0) / truth]).toEqual([now, expect.closeTo(1, 1)]);
});

test("before the first part is done nothing is known", () => {
  expect(copying({ streams: 8, length: MIB, partMs: 84_000 })(83_999)).toBeNull();
});

test("streams that stop moving are seen to slow down, and in the end to stand", () => {
  const stalled = copying({ streams: 8, length: 32 * MIB, partMs: 84_000, untilMs: 168_000 });
  const shown = [168_000, 300_000, 420_000, 840_000, 8_400_000].map((now) => stalled(now) ?? 0);
  expect(shown.toSorted((one, other) => other - one)).toEqual(shown);
  expect(shown[4]).toBeLessThan((shown[0] ?? 0) / 50);
});

test("parts that were finished before a pause do not count against those that go on after it", () => {
  const sql = memorySql();
  sql.exec(PART_TABLES);
  const insert = (partNumber: number, doneMs: number) =>
    sql.exec(
      `INSERT INTO parts (part_number, state, attempt, failed_attempts, not_before_ms, length, duration_ms, done_at_ms)
       VALUES (?, 'done', 1, 0, 0, ?, 60000, ?)`,
      partNumber,
      60 * MIB,
      doneMs,
    );
  insert(1, 60_000);
  const open = [{ state: "leased", leasedAtMs: 3_600_000, length: 60 * MIB }] as OpenPart[];
  expect(bytesPerSecond(sql, open, 3_620_000)).toBe(MIB);
  insert(2, 3_660_000);
  expect(bytesPerSecond(sql, [], 3_660_000)).toBe(MIB);
});

test("a part that the store was found to have counts when it was found", () => {
  const sql = memorySql();
  sql.exec(PART_TABLES);
  sql.exec(
    `INSERT INTO parts (part_number, state, attempt, failed_attempts, not_before_ms, length, duration_ms, done_at_ms)
     VALUES (1, 'done', 1, 0, 0, ?, 10000, 10000), (2, 'done', 1, 0, 0, ?, NULL, 10000)`,
    10 * MIB,
    10 * MIB,
  );
  expect(bytesPerSecond(sql, [], 10_000)).toBe(2 * MIB);
});
