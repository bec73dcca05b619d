// What the clock on a wall shows, and when.
import { describe, expect, test } from "vitest";
import { instantOf, repeatedMs, wallMs } from "../../../src/schedule/clock.ts";

const at = (text: string) => Date.parse(`${text}Z`);
const iso = (ms: number) => new Date(ms).toISOString().slice(0, 16);

describe("instantOf() is the first instant at which the wall shows a time or a later one", () => {
  test.each([
    ["Europe/Berlin", "2027-01-01T12:00", "2027-01-01T11:00"],
    ["Europe/Berlin", "2027-03-28T01:59", "2027-03-28T00:59"],
    ["Europe/Berlin", "2027-03-28T02:00", "2027-03-28T01:00"],
    ["Europe/Berlin", "2027-03-28T02:59", "2027-03-28T01:00"],
    ["Europe/Berlin", "2027-03-28T03:00", "2027-03-28T01:00"],
    ["Europe/Berlin", "2027-03-28T03:01", "2027-03-28T01:01"],
    ["Europe/Berlin", "2027-10-31T02:30", "2027-10-31T00:30"],
    ["Europe/Berlin", "2027-10-31T03:00", "2027-10-31T02:00"],
    ["America/New_York", "2027-03-14T02:30", "2027-03-14T07:00"],
    ["America/New_York", "2027-11-07T01:30", "2027-11-07T05:30"],
    ["Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45"],
    ["Asia/Kolkata", "2027-04-04T00:00", "2027-04-03T18:30"],
    ["Pacific/Kiritimati", "2027-04-04T00:00", "2027-04-03T10:00"],
    ["Etc/GMT+12", "2027-04-04T00:00", "2027-04-04T12:00"],
    ["UTC", "2027-04-04T00:00", "2027-04-04T00:00"],
  ])("%s %s is %sZ", (timeZone, wall, instant) => {
    expect(iso(instantOf(at(wall), timeZone))).toBe(instant);
  });

  test("never falls when the wall time rises, and shows it back outside of gaps, in every zone for two years", () => {
    for (const timeZone of Intl.supportedValuesOf("timeZone")) {
      let before = Number.NEGATIVE_INFINITY;
      for (let wall = at("2026-12-01T00:15"); wall < at("2028-12-01T00:00"); wall += 397 * 3_600_000) {
        const instant = instantOf(wall, timeZone);
        if (instant < before || wallMs(instant, timeZone) < wall)
          expect([timeZone, iso(wall)]).toBe("in order");
        before = instant;
      }
    }
  });
});

test("repeatedMs() is more than nothing while hours repeat", () => {
  expect(repeatedMs(at("2027-10-31T00:59"), "Europe/Berlin")).toBe(0);
  expect(repeatedMs(at("2027-10-31T01:00"), "Europe/Berlin")).toBe(3_600_000);
  expect(repeatedMs(at("2027-03-28T01:30"), "Europe/Berlin")).toBe(0);
});
