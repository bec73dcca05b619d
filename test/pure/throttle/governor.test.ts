// The governor of a job: two stores, of which each has its own measure, and lanes that wait for their turn.
import { describe, expect, test } from "vitest";
import type { Failure } from "../../../src/s3/failure.ts";
import { Governor, lanePauseMs } from "../../../src/throttle/governor.ts";
import { failure, seeded } from "../samples.ts";

const NOW = 1_000_000;
const SLOW_DOWN = failure("SlowDown", 503);
const AT_SOURCE: Failure = { ...SLOW_DOWN, side: "source" };
/** So many in flight, of which all but the refused one go on. */
const of = (before: number) => ({ before, left: before - 1 });
const copy = () => new Governor("streams", NOW);
const sync = () => new Governor("requests", NOW);

describe("the streams of a copy", () => {
  test("are the smaller number of the two sides", () => {
    const governor = copy();
    governor.failed(AT_SOURCE, of(100), NOW + 2000);
    governor.failed(SLOW_DOWN, of(30), NOW + 2000);
    expect(governor.streams(NOW + 2000)).toBe(15);
  });

  test("are cut once for all parts that one event has refused, on both sides apart", () => {
    const governor = copy();
    for (let part = 0; part < 50; part++) governor.failed(SLOW_DOWN, of(100), NOW + 2000 + part);
    expect(governor.streams(NOW + 2100)).toBeGreaterThanOrEqual(50);
    governor.failed(AT_SOURCE, of(20), NOW + 2100);
    expect(governor.streams(NOW + 2100)).toBe(10);
  });

  test.each(["InternalError", "stream_broken", "network", "AccessDenied"])("are not cut by %s", (code) => {
    const governor = copy();
    governor.failed(failure(code), of(100), NOW + 2000);
    expect(governor.streams(NOW + 2000)).toBeGreaterThan(1000);
  });

  test("wait for Retry-After, and begin with fewer then", () => {
    const governor = copy();
    governor.failed({ ...SLOW_DOWN, retryAfterMs: 7000 }, of(100), NOW + 2000);
    expect(governor.streams(NOW + 8999)).toBe(0);
    expect(governor.streams(NOW + 9000)).toBeGreaterThan(0);
    expect(governor.streams(NOW + 9000)).toBeLessThanOrEqual(100);
  });

  test("are told when a store begins to ask for fewer, once, with its own words and what follows", () => {
    const governor = copy();
    const at = (failed: Failure, now: number) => governor.failed(failed, of(30), now);
    expect(at(failure("InternalError"), NOW)).toBeNull();
    expect(at(SLOW_DOWN, NOW + 2000)).toEqual({
      event: "throttled_by_destination",
      detail: `${SLOW_DOWN.message}; at most 15 at once now`,
    });
    // It is known as busy for ten seconds after it last said so.
    expect(at(SLOW_DOWN, NOW + 11_999)).toBeNull();
    expect(at(AT_SOURCE, NOW + 12_000)?.event).toBe("throttled_by_source");
    expect(at({ ...SLOW_DOWN, retryAfterMs: 60_000 }, NOW + 21_000)).toBeNull();
    expect(at(SLOW_DOWN, NOW + 80_999)).toBeNull();
    expect(at({ ...SLOW_DOWN, retryAfterMs: 6_500 }, NOW + 90_999)?.detail).toMatch(
      /; nothing for 7 s, then at most \d+ at once$/,
    );
  });

  test("start slowly again after a rest", () => {
    const governor = copy();
    governor.settleDown(1000, NOW + 10_000);
    governor.settleDown(0, NOW + 100_000);
    expect(governor.streams(NOW + 100_000)).toBe(16);
  });

  test("are few after a refusal that came before any of them, however long the store wanted to be left alone", () => {
    const governor = copy();
    governor.failed({ ...SLOW_DOWN, retryAfterMs: 45_000 }, of(1), NOW);
    governor.settleDown(0, NOW + 44_999);
    expect(governor.streams(NOW + 44_999)).toBe(0);
    governor.settleDown(0, NOW + 45_000);
    expect(governor.streams(NOW + 45_000)).toBe(1);
    expect(governor.streams(NOW + 50_000)).toBeGreaterThan(16);
  });

  test("settle below what a store takes, stay near it, and are back in seconds when it takes more", () => {
    // A store that refuses whatever is begun while it has more than `takes` streams; parts of three seconds.
    const governor = copy();
    let takes = 60;
    let running: number[] = [];
    const seen: { now: number; inFlight: number; refused: number }[] = [];
    for (let now = NOW; now < NOW + 180_000; now += 50) {
      if (now === NOW + 120_000) takes = 400;
      running = running.filter((endMs) => endMs > now);
      let refused = 0;
      for (let room = Math.min(1000, governor.streams(now)) - running.length; room > 0; room--) {
        if (running.length < takes) running.push(now + 3000);
        else {
          refused += 1;
          governor.failed(SLOW_DOWN, { before: running.length + 1, left: running.length }, now);
          break; // the others of this moment are refused with it, and back off
        }
      }
      seen.push({ now, inFlight: running.length, refused });
    }
    const between = (from: number, to: number) =>
      seen.filter(({ now }) => now >= NOW + from && now < NOW + to);
    const mean = (list: typeof seen) => list.reduce((sum, { inFlight }) => sum + inFlight, 0) / list.length;
    expect(mean(between(10_000, 120_000))).toBeGreaterThan(0.85 * 60);
    const refusals = between(10_000, 120_000).reduce((sum, { refused }) => sum + refused, 0);
    expect(refusals).toBeLessThan(0.02 * ((60 * 110_000) / 3000));
    expect(mean(between(135_000, 140_000))).toBeGreaterThan(0.85 * 400);
  });
});

describe("the requests of a sync", () => {
  test("are free until a store refuses one, then fewer than went through", () => {
    const governor = sync();
    expect(governor.requestsPerSecond("destination", NOW)).toBe(Infinity);
    for (let now = NOW; now < NOW + 4000; now += 100) governor.answered(60, 4_000, now);
    governor.failed(SLOW_DOWN, of(40), NOW + 4000);
    const now = NOW + 4000;
    expect(governor.requestsPerSecond("destination", now)).toBeGreaterThan(0.5 * 0.9 * 600);
    expect(governor.requestsPerSecond("destination", now)).toBeLessThan(600);
    expect(governor.requestsPerSecond("source", now)).toBe(Infinity);
  });

  test("leave its streams as they are", () => {
    const governor = sync();
    governor.answered(100, 1_000, NOW + 1000);
    governor.failed(SLOW_DOWN, of(40), NOW + 2000);
    expect(governor.streams(NOW + 2000)).toBeGreaterThan(1000);
  });
});

describe("lanes that wait", () => {
  test("are told moments that are spread over all that they may wait, not one", () => {
    const random = seeded(1);
    const waits = Array.from({ length: 200 }, () => lanePauseMs(1000, 200, random()));
    const bySecond = Map.groupBy(waits, (ms) => Math.floor(ms / 1000));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1000);
    expect(Math.max(...[...bySecond.values()].map((list) => list.length))).toBeLessThan(40);
  });

  test("come one after the other as the streams grow, not all when the first of them may", () => {
    const governor = copy();
    const random = seeded(2);
    const moments = Array.from({ length: 250 }, () =>
      governor.nextAskMs({ inFlight: 16, most: 1250, random: random() }, NOW),
    );
    // When so many may run, about so many have been told to come.
    for (const steps of [2, 4, 6]) {
      const now = NOW + steps * 250;
      const came = moments.filter((ms) => ms <= now).length * 5;
      expect(came).toBeGreaterThan(0.5 * (governor.streams(now) - 16));
      expect(came).toBeLessThan(1.6 * governor.streams(now));
    }
  });

  test("are never told a moment before Retry-After is over", () => {
    const governor = copy();
    governor.failed({ ...SLOW_DOWN, retryAfterMs: 9000 }, of(10), NOW + 2000);
    for (const random of [0, 0.5, 0.99]) {
      expect(governor.nextAskMs({ inFlight: 0, most: 100, random }, NOW + 2000)).toBeGreaterThanOrEqual(
        NOW + 11_000,
      );
    }
  });
});

test("a job knows which of its stores are busy, for a while", () => {
  const governor = copy();
  expect(governor.busySides(NOW)).toEqual([]);
  governor.failed(AT_SOURCE, of(5), NOW);
  expect(governor.busySides(NOW + 9000)).toEqual(["source"]);
  expect(governor.busySides(NOW + 11_000)).toEqual([]);
});
