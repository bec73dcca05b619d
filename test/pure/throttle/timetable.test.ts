// The timetable of a store: never more requests in any second than it allows, and no more idle moments than
// needed.
import { describe, expect, test } from "vitest";
import {
  type Booking,
  BOOK_AHEAD_MS,
  bookablePerSecond,
  Timetable,
} from "../../../src/throttle/timetable.ts";
import { seeded } from "../samples.ts";
import { mostInASecond } from "../window.ts";

const NOW = 1_000_000;

const momentsOf = ({ startAtMs, gapMs }: Booking, requests: number) =>
  Array.from({ length: requests }, (_, index) => startAtMs + index * gapMs);

describe("any second", () => {
  test.each([
    [0.5, 1],
    [1, 1],
    [3, 1],
    [7.5, 2],
    [10, 2],
    [100, 20],
    [475, 40],
    [3500, 200],
  ])("of a timetable of %d per second in %i columns has no more than that", (perSecond, columns) => {
    const random = seeded(perSecond);
    const timetable = new Timetable({ perSecond, columns, fromMs: NOW });
    const moments: number[] = [];
    for (let now = NOW; moments.length < 4000; now += random() * 400) {
      const requests = random() < 0.5 ? 1 : Math.ceil(random() * 64);
      while (timetable.isOpen(now)) {
        const booking = timetable.book(requests, now);
        expect(booking.startAtMs).toBeGreaterThanOrEqual(now);
        moments.push(...momentsOf(booking, requests));
      }
    }
    expect(mostInASecond(moments)).toBeLessThanOrEqual(Math.ceil(perSecond));
  });
});

test("all moments are used when there is enough to do", () => {
  const timetable = new Timetable({ perSecond: 100, columns: 10, fromMs: NOW });
  const moments: number[] = [];
  for (let now = NOW; now < NOW + 60_000; now += 20) {
    while (timetable.isOpen(now)) moments.push(...momentsOf(timetable.book(32, now), 32));
  }
  const within = moments.filter((ms) => ms >= NOW + 10_000 && ms < NOW + 50_000).length;
  expect(within).toBeGreaterThan(0.99 * 40 * 100);
});

test("nobody books far ahead: he would hold what another could use", () => {
  const timetable = new Timetable({ perSecond: 2, columns: 1, fromMs: NOW });
  expect(timetable.book(1, NOW).startAtMs).toBe(NOW);
  timetable.book(10, NOW);
  expect(timetable.isOpen(NOW)).toBe(false);
  expect(timetable.nextMs(NOW)).toBe(NOW + 5500);
  expect(timetable.isOpen(NOW + 5500 - BOOK_AHEAD_MS)).toBe(true);
  expect(timetable.book(1, NOW + 5500 - BOOK_AHEAD_MS).startAtMs).toBe(NOW + 5500);
});

test("what was not used in time is gone, and cannot be made up for", () => {
  const timetable = new Timetable({ perSecond: 10, columns: 1, fromMs: NOW });
  const late = Array.from({ length: 20 }, () => timetable.book(1, NOW + 60_000).startAtMs);
  expect(late.filter((ms) => ms < NOW + 61_000).length).toBe(10);
});

test("a new timetable that begins one interval after the last request of the old one keeps the law", () => {
  const old = new Timetable({ perSecond: 50, columns: 5, fromMs: NOW });
  const moments: number[] = [];
  while (old.isOpen(NOW)) moments.push(...momentsOf(old.book(16, NOW), 16));
  expect(old.bookedUntilMs).toBe(Math.max(...moments));
  const next = new Timetable({ perSecond: 20, columns: 2, fromMs: old.bookedUntilMs + 50 });
  for (let now = old.bookedUntilMs; now < old.bookedUntilMs + 5000; now += 100) {
    if (next.isOpen(now)) moments.push(next.book(1, now).startAtMs);
  }
  expect(mostInASecond(moments)).toBeLessThanOrEqual(50);
});

test("of a large share a twentieth stays free for what the network delays, of a small one nothing", () => {
  expect([500, 20, 1, 0.5].map(bookablePerSecond)).toEqual([475, 20, 1, 0.5]);
});
