// When a schedule is due, in UTC, by the clock that is handed in.
import { describe, expect, test } from "vitest";
import { checkCron, lastDueMs, minuteOf, nextDueMs } from "../../src/schedule.ts";

const at = (text: string) => Date.parse(`${text}Z`);
const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString().slice(0, 16));

describe("lastDueMs() is the last due time in (after, until]", () => {
  const rows: [cron: string, after: string, until: string, due: string | null][] = [
    ["*/15 * * * *", "2026-11-25T10:00", "2026-11-25T10:14", null],
    ["*/15 * * * *", "2026-11-25T10:00", "2026-11-25T10:15", "2026-11-25T10:15"],
    ["*/15 * * * *", "2026-11-25T10:00", "2026-11-25T10:15:59.999", "2026-11-25T10:15"],
    ["*/15 * * * *", "2026-11-25T10:14:59.999", "2026-11-25T10:15", "2026-11-25T10:15"],
    ["*/15 * * * *", "2026-11-25T10:15", "2026-11-25T10:15:30", null],
    ["*/15 * * * *", "2026-11-25T08:00", "2026-11-25T10:20", "2026-11-25T10:15"],
    ["* * * * *", "2026-11-25T10:00", "2026-11-25T10:00:00.001", null],
    ["0 3 * * *", "2026-11-24T03:00", "2026-11-25T02:59", null],
    ["0 3 * * *", "2026-11-24T03:00", "2026-11-25T03:00", "2026-11-25T03:00"],
    ["0 0 31 * *", "2026-09-01T00:00", "2026-11-30T23:59", "2026-10-31T00:00"],
    ["0 0 29 2 *", "2024-03-01T00:00", "2028-02-29T00:00", "2028-02-29T00:00"],
    ["0 0 29 2 *", "2024-03-01T00:00", "2028-02-28T23:59", null],
    ["0 0 L * *", "2026-02-01T00:00", "2026-03-01T00:00", "2026-02-28T00:00"],
    ["59 23 31 12 *", "2026-01-01T00:00", "2027-01-01T00:00", "2026-12-31T23:59"],
    ["0 12 * * 1", "2026-11-22T00:00", "2026-11-24T00:00", "2026-11-23T12:00"],
    // Where clocks are put back or forward, UTC goes on: one due time an hour.
    ["30 1 * * *", "2026-10-24T01:30", "2026-10-25T01:30", "2026-10-25T01:30"],
    ["30 2 * * *", "2026-03-28T02:30", "2026-03-29T02:30", "2026-03-29T02:30"],
  ];
  test.each(rows)("%s in (%s, %s]: %s", (cron, after, until, due) => {
    expect(iso(lastDueMs(cron, at(after), at(until)))).toBe(due);
  });

  test("is nothing when triggers come out of order", () => {
    expect(lastDueMs("* * * * *", at("2026-11-25T10:05"), at("2026-11-25T10:04"))).toBeNull();
    expect(lastDueMs("* * * * *", at("2026-11-25T10:05"), at("2026-11-25T10:05"))).toBeNull();
  });

  test("starts one run for each due time, by whatever triggers: none lost, none twice", () => {
    const starts: (string | null)[] = [];
    let afterMs = at("2026-11-25T10:00");
    for (const until of ["10:04", "10:05", "10:05:30", "10:09:59", "10:21", "10:21", "10:25:01"]) {
      const due = lastDueMs("*/5 * * * *", afterMs, at(`2026-11-25T${until}`));
      if (due === null) continue;
      starts.push(iso(due));
      afterMs = due;
    }
    expect(starts).toEqual(["2026-11-25T10:05", "2026-11-25T10:20", "2026-11-25T10:25"]);
  });
});

describe("nextDueMs() is the first due time after", () => {
  test.each([
    ["*/15 * * * *", "2026-11-25T10:00", "2026-11-25T10:15"],
    ["*/15 * * * *", "2026-11-25T10:14:59.999", "2026-11-25T10:15"],
    ["0 0 1 * *", "2026-12-31T23:59:59", "2027-01-01T00:00"],
    ["0 0 31 * *", "2026-10-31T00:00", "2026-12-31T00:00"],
    ["0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"],
    ["30 2 * * *", "2026-03-29T00:00", "2026-03-29T02:30"],
  ])("%s after %s: %s", (cron, after, due) => {
    expect(iso(nextDueMs(cron, at(after)))).toBe(due);
  });

  test("is null for what never comes", () => {
    expect(nextDueMs("0 0 30 2 *", at("2026-01-01T00:00"))).toBeNull();
  });

  test("lastDueMs() finds each time that nextDueMs() foretells", () => {
    for (const cron of ["*/7 * * * *", "13 */5 * * *", "0 4 * * 0", "1 2 3 * *"]) {
      let ms = at("2026-11-25T10:00");
      for (let round = 0; round < 20; round++) {
        const next = nextDueMs(cron, ms) ?? Number.NaN;
        expect(lastDueMs(cron, ms, next)).toBe(next);
        expect(lastDueMs(cron, ms, next - 1)).toBeNull();
        ms = next;
      }
    }
  });
});

describe("checkCron()", () => {
  test.each(["* * * * *", "*/15 0-6 1,15 JAN-MAR MON", " 0 3 * * * ", "0 0 L * *", "0 0 * * 7"])(
    "takes %j",
    (text) => {
      expect(checkCron(text)).toBeNull();
    },
  );

  test.each([
    ["", /^must have five fields .*, not ""$/],
    ["* * * *", /^must have five fields/],
    ["0 * * * * *", /^must have five fields/],
    ["@daily", /^must have five fields/],
    ["0 0 30 2 *", /^never comes due: "0 0 30 2 \*"$/],
    ["60 * * * *", /^is no cron expression/],
    ["* 24 * * *", /^is no cron expression/],
    ["* * 0 * *", /^is no cron expression/],
    ["* * * 13 *", /^is no cron expression/],
    ["* * * * 8", /^is no cron expression/],
    ["a b c d e", /^is no cron expression/],
    ["*/0 * * * *", /^is no cron expression/],
    ["5-1 * * * *", /^is no cron expression/],
  ])("refuses %j", (text, problem) => {
    expect(checkCron(text)).toMatch(problem);
  });
});

test("minuteOf() is the start of the minute", () => {
  expect(iso(minuteOf(at("2026-11-25T10:15:59.999")))).toBe("2026-11-25T10:15");
  expect(minuteOf(at("2026-11-25T10:15"))).toBe(at("2026-11-25T10:15"));
});
