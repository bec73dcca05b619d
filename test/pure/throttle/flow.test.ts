// How much a store takes at once: the doubling, the cut, and the way back.
import { describe, expect, test } from "vitest";
import {
  type Flow,
  afterRefusal,
  DOUBLING_MS,
  FIRST_STREAMS,
  FREE,
  reaches,
  startingAt,
  valueAt,
} from "../../../src/throttle/flow.ts";

const NOW = 1_000_000;
const START = startingAt(NOW);
/** So many in use, and all of them but the refused one go on. */
const all = (inUse: number) => ({ before: inUse, left: Infinity });

describe("a store that has refused nothing", () => {
  test("gets sixteen at first, and twice as many after each quarter of a second", () => {
    expect([0, 1, 2, 4].map((steps) => valueAt(START, NOW + steps * DOUBLING_MS))).toEqual([16, 32, 64, 256]);
    expect(FIRST_STREAMS).toBe(16);
  });

  test("gets a thousand within two seconds", () => {
    expect(valueAt(START, NOW + 2000)).toBeGreaterThan(1000);
  });

  test("that is free gets what there is", () => {
    expect(valueAt(FREE, NOW)).toBe(Infinity);
  });
});

describe("a refusal", () => {
  test("while it doubles halves what was in use, since it was too much by up to twice", () => {
    const flow = afterRefusal(START, all(40), 1, NOW + 1000);
    expect(valueAt(flow, NOW + 1000)).toBe(20);
  });

  test("later takes three tenths of it", () => {
    const once = afterRefusal(START, all(100), 1, NOW);
    const later = NOW + 60_000;
    expect(valueAt(afterRefusal(once, all(200), 1, later), later)).toBeCloseTo(140);
  });

  test("counts once a second: those that come together met one event", () => {
    const once = afterRefusal(START, all(100), 1, NOW + 2000);
    expect(afterRefusal(once, all(50), 1, NOW + 2999)).toBe(once);
    expect(valueAt(afterRefusal(once, all(50), 1, NOW + 3000), NOW + 3000)).toBeLessThan(50);
  });

  test("of the same event only tells more exactly what the store takes", () => {
    const once = afterRefusal(START, { before: 40, left: 39 }, 1, NOW + 2000);
    const last = afterRefusal(once, { before: 9, left: 8 }, 1, NOW + 2400);
    expect(valueAt(last, NOW + 2000)).toBe(4);
    expect(reaches(last, 8, NOW + 2400)).toBeLessThan(NOW + 2000 + 3000);
  });

  test("that is a timeout counts half", () => {
    const found: Flow = { kind: "found", max: 100, cutTo: 70, cutAtMs: 0 };
    expect(valueAt(afterRefusal(found, all(100), 0.5, NOW), NOW)).toBeCloseTo(85);
  });

  test("never leaves less than one", () => {
    let flow: Flow = START;
    for (let second = 1; second <= 100; second++) flow = afterRefusal(flow, all(1), 1, NOW + second * 1000);
    expect(valueAt(flow, NOW + 100_000)).toBe(1);
  });
});

describe("the way back", () => {
  test.each([2, 10, 100, 500, 1000])(
    "from %i comes to where it was cut within ten seconds, and goes on beyond",
    (max) => {
      const flow = afterRefusal({ kind: "found", max: 1, cutTo: 1, cutAtMs: 0 }, all(max), 1, NOW);
      expect(valueAt(flow, NOW + 10_000)).toBeGreaterThanOrEqual(max * 0.99);
      expect(valueAt(flow, NOW + 20_000)).toBeGreaterThan(max * 1.3);
    },
  );

  test("from one comes to two hundred within ten seconds after the refusals have stopped", () => {
    let flow: Flow = startingAt(NOW);
    for (let second = 0; second < 60; second++) flow = afterRefusal(flow, all(1), 1, NOW + second * 1000);
    expect(valueAt(flow, NOW + 59_000 + 10_000)).toBeGreaterThan(200);
  });

  test("never falls with time", () => {
    const flow = afterRefusal(START, all(300), 1, NOW + 1500);
    let last = 0;
    for (let now = NOW + 1500; now < NOW + 60_000; now += 50) {
      const value = valueAt(flow, now);
      expect(value).toBeGreaterThanOrEqual(last);
      last = value;
    }
  });

  test.each([START, afterRefusal(START, all(300), 1, NOW + 1500)])("is foretold: %o", (flow) => {
    for (const value of [20, 100, 250, 400, 1250]) {
      const atMs = reaches(flow, value, NOW + 1500);
      expect(valueAt(flow, atMs)).toBeGreaterThanOrEqual(value - 1e-6);
      if (atMs > NOW + 1500) expect(valueAt(flow, atMs - 2)).toBeLessThan(value);
    }
  });
});
