// When a schedule is due, in its time zone, by the clock that is handed in.
import { describe, expect, test } from "vitest";
import { checkCron, checkTimeZone, lastDueMs, minuteOf, nextDueMs } from "../../../src/schedule/cron.ts";

const at = (text: string) => Date.parse(`${text}Z`);
const utc = (cron: string) => ({ cron, timeZone: "UTC" });
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
    expect(iso(lastDueMs(utc(cron), at(after), at(until)))).toBe(due);
  });

  test("is nothing when triggers come out of order", () => {
    expect(lastDueMs(utc("* * * * *"), at("2026-11-25T10:05"), at("2026-11-25T10:04"))).toBeNull();
    expect(lastDueMs(utc("* * * * *"), at("2026-11-25T10:05"), at("2026-11-25T10:05"))).toBeNull();
  });

  test("starts one run for each due time, by whatever triggers: none lost, none twice", () => {
    const starts: (string | null)[] = [];
    let afterMs = at("2026-11-25T10:00");
    for (const until of ["10:04", "10:05", "10:05:30", "10:09:59", "10:21", "10:21", "10:25:01"]) {
      const due = lastDueMs(utc("*/5 * * * *"), afterMs, at(`2026-11-25T${until}`));
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
    expect(iso(nextDueMs(utc(cron), at(after)))).toBe(due);
  });

  test("is null for what never comes", () => {
    expect(nextDueMs(utc("0 0 30 2 *"), at("2026-01-01T00:00"))).toBeNull();
  });

  test("lastDueMs() finds each time that nextDueMs() foretells", () => {
    for (const cron of ["*/7 * * * *", "13 */5 * * *", "0 4 * * 0", "1 2 3 * *"]) {
      let ms = at("2026-11-25T10:00");
      for (let round = 0; round < 20; round++) {
        const next = nextDueMs(utc(cron), ms) ?? Number.NaN;
        expect(lastDueMs(utc(cron), ms, next)).toBe(next);
        expect(lastDueMs(utc(cron), ms, next - 1)).toBeNull();
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
    ["60 * * * *", /^has "60" as its minute, at character 1 of "60 \* \* \* \*"; allowed are 0 to 59/],
    ["* 24 * * *", /^has "24" as its hour, at character 3 of/],
    ["0  3 0 * *", /^has "0" as its day of the month, at character 6 of/],
    ["* * 1,15,32 * *", /^has "32" as its day of the month, at character 10 of/],
    ["* * * 13 *", /^has "13" as its month, at character 7 of .* allowed are 1 to 12 or JAN to DEC/],
    ["* * * * 8", /^has "8" as its weekday, at character 9 of/],
    ["  * * * * MON-FRY", /^has "MON-FRY" as its weekday, at character 11 of/],
    ["a b c d e", /^has "a" as its minute, at character 1 of/],
    ["*/0 * * * *", /^has "\*\/0" as its minute, at character 1 of/],
    ["5-1 * * * *", /^has "5-1" as its minute/],
    ["1,,2 * * * *", /^has "" as its minute, at character 3 of/],
    ["1, * * * *", /^has "" as its minute, at character 3 of/],
  ])("refuses %j, with the place of the fault", (text, problem) => {
    expect(checkCron(text)).toMatch(problem);
  });
});

const times = (cron: string, timeZone: string, from: string, count: number) => {
  const due: (string | null)[] = [];
  for (let ms: number | null = at(from); due.length < count;) {
    ms = ms === null ? null : nextDueMs({ cron, timeZone }, ms);
    due.push(iso(ms));
  }
  return due;
};

describe("in a time zone", () => {
  test("an hour is the hour there, summer and winter", () => {
    expect(times("0 3 * * *", "Europe/Berlin", "2026-03-27T12:00", 3)).toEqual([
      "2026-03-28T02:00",
      "2026-03-29T01:00",
      "2026-03-30T01:00",
    ]);
    expect(times("30 9 * * 1", "Asia/Kolkata", "2026-11-25T00:00", 1)).toEqual(["2026-11-30T04:00"]);
    expect(times("0 0 1 * *", "Pacific/Auckland", "2026-11-25T00:00", 1)).toEqual(["2026-11-30T11:00"]);
  });

  test("a time that does not exist when clocks go forward is due when the gap ends", () => {
    expect(times("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2)).toEqual([
      "2026-03-29T01:00",
      "2026-03-30T00:30",
    ]);
  });

  test("a time that comes twice when clocks go back is due once", () => {
    expect(times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2)).toEqual([
      "2026-10-25T00:30",
      "2026-10-26T01:30",
    ]);
  });

  // Case 108. Berlin: on 2027-03-28 the clock goes from 02:00 to 03:00 (01:00Z), on 2027-10-31 from 03:00 to
  // 02:00.
  const spring = "2027-03-27T23:00";
  const autumn = "2027-10-30T22:00";
  test.each([
    ["30 2,14 * * *", spring, ["28T01:00", "28T12:30", "29T00:30"]],
    ["*/30 2 * * *", spring, ["28T01:00", "29T00:00", "29T00:30"]],
    ["30 2,3 * * *", spring, ["28T01:00", "28T01:30", "29T00:30"]],
    ["0 2,3 * * *", spring, ["28T01:00", "29T00:00"]],
    ["0 1-3 * * *", spring, ["28T00:00", "28T01:00", "28T23:00"]],
    ["0 */2 * * *", spring, ["28T01:00", "28T02:00", "28T04:00"]],
    ["45 1,2,3 * * *", spring, ["28T00:45", "28T01:00", "28T01:45", "28T23:45"]],
    ["30 2 28 3 *", spring, ["28T01:00"]],
    ["15 * * * *", spring, ["27T23:15", "28T00:15", "28T01:15", "28T02:15"]],
    ["*/20 0-23 * * *", spring, ["27T23:20", "27T23:40", "28T00:00", "28T00:20", "28T00:40", "28T01:00"]],
    ["30 2,14 * * *", autumn, ["31T00:30", "31T13:30"]],
    ["*/30 2 * * *", autumn, ["31T00:00", "31T00:30", "01T01:00"]],
    ["45 1,2,3 * * *", autumn, ["30T23:45", "31T00:45", "31T02:45", "01T00:45"]],
    ["0 1-3 * * *", autumn, ["30T23:00", "31T00:00", "31T02:00", "01T00:00"]],
    ["0 */2 * * *", autumn, ["31T00:00", "31T03:00", "31T05:00"]],
    ["15 * * * *", autumn, ["30T22:15", "30T23:15", "31T00:15", "31T01:15", "31T02:15"]],
    ["15 0-23/1 * * *", autumn, ["30T22:15", "30T23:15", "31T00:15", "31T01:15", "31T02:15"]],
  ] as const)("case 108: %s when clocks change, after %s: %j", (cron, from, expected) => {
    const due = times(cron, "Europe/Berlin", from, expected.length);
    expect(due.map((text) => text?.slice(8))).toEqual(expected);
  });

  test("case 108: events every 15 minutes start what names hours once a day, through both changes", () => {
    for (const cron of [
      "30 2,14 * * *",
      "*/30 2 * * *",
      "45 1,2,3 * * *",
      "0 1-3 * * *",
      "0 */2 * * *",
      "30 2 * * *",
    ]) {
      for (const from of [spring, autumn]) {
        const started: (string | null)[] = [];
        let evaluatedMs = at(from);
        for (let ms = at(from); ms < at(from) + 30 * 3_600_000; ms += 15 * 60_000) {
          const due = lastDueMs({ cron, timeZone: "Europe/Berlin" }, evaluatedMs, ms);
          if (due !== null) started.push(iso(due));
          evaluatedMs = ms;
        }
        const expected = new Set(times(cron, "Europe/Berlin", from, started.length));
        expect([cron, from, started.length > 1, started]).toEqual([cron, from, true, [...expected]]);
      }
    }
  });

  test("every half hour is every half hour, also when clocks go back", () => {
    expect(times("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00", 4)).toEqual([
      "2026-10-25T00:30",
      "2026-10-25T01:00",
      "2026-10-25T01:30",
      "2026-10-25T02:00",
    ]);
  });

  test("lastDueMs() finds each time that nextDueMs() foretells, through both changes of clocks", () => {
    for (const timeZone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]) {
      for (const cron of ["30 2 * * *", "*/20 1-3 * * *", "0 * * * *", "5 */2 * * *"]) {
        for (const from of ["2026-03-07T20:00", "2026-03-28T20:00", "2026-10-24T20:00", "2026-10-31T20:00"]) {
          let ms = at(from);
          for (let round = 0; round < 15 && ms < at(from) + 16 * 3_600_000; round++) {
            const next = nextDueMs({ cron, timeZone }, ms) ?? Number.NaN;
            expect([timeZone, cron, iso(lastDueMs({ cron, timeZone }, ms, next))]).toEqual([
              timeZone,
              cron,
              iso(next),
            ]);
            ms = next;
          }
        }
      }
    }
  });
});

test("what was due before the hour repeats is found late, while the clock shows an earlier time again", () => {
  // 02:30 of 2026-10-25 in Berlin comes at 00:30 UTC, and again at 01:30; at 01:10 UTC the clock shows 02:10.
  const rule = { cron: "30 2 * * *", timeZone: "Europe/Berlin" };
  const due = lastDueMs(rule, at("2026-10-25T00:20"), at("2026-10-25T01:10"));
  expect(iso(due)).toBe("2026-10-25T00:30");
  expect(lastDueMs(rule, at("2026-10-25T00:30"), at("2026-10-25T01:40"))).toBeNull();
});

describe("checkTimeZone()", () => {
  test.each(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])("takes %j", (name) => {
    expect(checkTimeZone(name)).toBeNull();
  });

  test.each(["", "Mars/Olympus", "Berlin", "+01:00", "CEST summer", "Europe/Berlin "])(
    "refuses %j",
    (name) => {
      expect(checkTimeZone(name)).toBe(
        `must be the IANA name of a time zone, such as "Europe/Berlin" or "UTC", not ${JSON.stringify(name)}`,
      );
    },
  );
});

test("minuteOf() is the start of the minute", () => {
  expect(iso(minuteOf(at("2026-11-25T10:15:59.999")))).toBe("2026-11-25T10:15");
  expect(minuteOf(at("2026-11-25T10:15"))).toBe(at("2026-11-25T10:15"));
});
