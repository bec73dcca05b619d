// How many lanes a job has, as its work grows, is held back, and ends.
import { describe, expect, test } from "vitest";
import { LaneScale, laneBounds } from "../../../src/throttle/lanes.ts";

const BOUNDS = { first: 8, most: 100, concurrency: 500 };
const scaleOf = (bounds = BOUNDS) => new LaneScale(() => bounds);
const CALM = { isThrottled: false };
/** All that the lanes can run, and as much waiting. */
const full = ({ transfers }: LaneScale) => ({ running: transfers, waiting: transfers, ...CALM });

/** The count each second, for so many seconds. */
function secondsOf(scale: LaneScale, seconds: number, use = full, fromSecond = 0): number[] {
  return Array.from({ length: seconds }, (_, second) => {
    scale.see(use(scale), (fromSecond + second) * 1000);
    return scale.lanes;
  });
}

test("lanes double every second while all of them work and much waits, up to the ceiling", () => {
  expect(secondsOf(scaleOf(), 7)).toEqual([8, 16, 32, 64, 100, 100, 100]);
});

test("reports in between are no reason to wait longer: many small changes of what runs change nothing", () => {
  const scale = scaleOf();
  for (let ms = 0; ms < 1000; ms += 10)
    scale.see({ running: ms % 20 === 0 ? 39 : 20, waiting: 100, ...CALM }, ms);
  expect(scale.see({ running: 39, waiting: 100, ...CALM }, 1000)).toBe(true);
  expect(scale.lanes).toBe(16);
});

test("no more lanes than there is work for", () => {
  const scale = scaleOf();
  scale.see({ running: 40, waiting: 6, ...CALM }, 0);
  expect(scale.dueMs).toBe(1000);
  expect(scale.see({ running: 40, waiting: 6, ...CALM }, 1000)).toBe(true);
  expect(scale.lanes).toBe(10);
  scale.see({ running: 46, waiting: 0, ...CALM }, 1001);
  expect(scale.dueMs).toBeNull();
});

describe("lanes do not grow", () => {
  test.each([
    ["while the governor keeps some of them idle", { running: 31, waiting: 1000, ...CALM }],
    ["if nothing waits", { running: 40, waiting: 0, ...CALM }],
    ["while a store asks for less", { running: 40, waiting: 1000, isThrottled: true }],
  ])("%s", (_, use) => {
    expect(secondsOf(scaleOf(), 60, () => use).at(-1)).toBe(8);
  });

  test("for a second after a store has asked for less", () => {
    const scale = scaleOf();
    scale.see({ running: 40, waiting: 1000, isThrottled: true }, 9_000);
    expect(scale.see(full(scale), 9_999)).toBe(false);
    expect(scale.see(full(scale), 10_000)).toBe(true);
  });

  test("beyond what the request or the stores allow", () => {
    const most = scaleOf(laneBounds({ lanes: 100, firstLanes: 8, concurrency: 50 }));
    expect(secondsOf(most, 20).at(-1)).toBe(10);
    const few = scaleOf(laneBounds({ lanes: 3, firstLanes: 8, concurrency: 15 }));
    expect(secondsOf(few, 20).at(-1)).toBe(3);
    // A job of an older version has all its lanes from the first.
    expect(scaleOf(laneBounds({ lanes: 20, concurrency: 100 })).lanes).toBe(20);
  });
});

function grown(): LaneScale {
  const scale = scaleOf();
  secondsOf(scale, 20);
  return scale;
}

const idle = () => ({ running: 10, waiting: 0, ...CALM });

describe("lanes rest", () => {
  test("at once when nothing runs and nothing waits", () => {
    const scale = grown();
    scale.see({ running: 0, waiting: 0, ...CALM }, 20_000);
    expect(scale.lanes).toBe(8);
  });

  test("by halves while less than a quarter of them has work for half a minute", () => {
    const counts = secondsOf(grown(), 100, idle, 20);
    expect([29, 30, 59, 61, 99].map((second) => counts[second])).toEqual([100, 50, 50, 25, 13]);
  });

  test("not because work is short for a moment", () => {
    const scale = grown();
    secondsOf(scale, 29, idle, 20);
    scale.see(full(scale), 49_000);
    scale.see(idle(), 50_000);
    expect(scale.lanes).toBe(100);
  });
});
