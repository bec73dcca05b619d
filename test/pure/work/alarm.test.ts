import { afterEach, expect, test, vi } from "vitest";
import { isLost, wakeAt } from "../../../src/work/alarm.ts";
import { memorySql, storageOver } from "../sqlite.ts";

afterEach(() => vi.useRealTimers());

async function set(now: number, atMs: number): Promise<number[]> {
  vi.useFakeTimers({ now });
  const times: number[] = [];
  const setAlarm = async (timeMs: number) => void times.push(timeMs);
  await wakeAt({ ...storageOver(memorySql()), setAlarm }, atMs);
  return times;
}

test.each([
  ["a time to come stays", 1000, 1500, 1500],
  [
    "a fraction is not cut off: what was set would be over, and set again for what it was",
    1000,
    1500.25,
    1501,
  ],
  ["now is the next millisecond: the alarm that runs may have been set for this one", 1000, 1000, 1001],
  ["what is over is the next millisecond", 1000, 1, 1001],
])("%s", async (_name, now, atMs, expected) => {
  expect(await set(now, atMs)).toEqual([expected]);
});

test("an alarm is lost that is not there, or long over", () => {
  expect([null, 0, 9_999, 10_001, 200_000].map((alarmMs) => isLost(alarmMs, 100_000))).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});
