// Times in the keys that a schedule writes: the due time, where the schedule lives; unknown signs are
// refused.
import { describe, expect, test } from "vitest";
import { checkTemplate, fillTemplate } from "../../../src/schedule/template.ts";

const at = Date.UTC(2026, 2, 5, 23, 7, 59);

describe("fillTemplate()", () => {
  test.each([
    ["backup/{yyyy}-{mm}-{dd}/", "UTC", "backup/2026-03-05/"],
    ["{HH}{MM}", "UTC", "2307"],
    ["{yyyy}{mm}{dd}T{HH}{MM}", "Europe/Berlin", "20260306T0007"],
    ["{dd}.{HH}", "America/New_York", "05.18"],
    ["{HH}:{MM}", "Asia/Kolkata", "04:37"],
    ["no time at all", "UTC", "no time at all"],
    ["", "UTC", ""],
    ["{{yyyy}}", "UTC", "{yyyy}"],
    ["{{{yyyy}}}", "UTC", "{2026}"],
    ["a}}b{{c", "UTC", "a}b{c"],
    ["%7B\n😀{mm}", "UTC", "%7B\n😀03"],
  ])("%j in %s is %j", (template, timeZone, expected) => {
    expect(checkTemplate(template)).toBeNull();
    expect(fillTemplate(template, at, timeZone)).toBe(expected);
  });

  test("midnight is hour 00 of the new day", () => {
    expect(fillTemplate("{dd} {HH}", Date.UTC(2026, 2, 6), "UTC")).toBe("06 00");
  });

  test("a year before 1000 has four digits", () => {
    expect(fillTemplate("{yyyy}", new Date("0033-04-03T12:00:00Z").getTime(), "UTC")).toBe("0033");
  });
});

describe("checkTemplate() refuses", () => {
  test.each([
    [
      "{year}",
      /^has "\{year\}" at character 1 of "\{year\}"; known are \{yyyy\}, \{mm\}, \{dd\}, \{HH\}, \{MM\}, and/,
    ],
    ["a/{DD}", /^has "\{DD\}" at character 3/],
    ["a/{}", /^has "\{\}" at character 3/],
    ["{constructor}", /^has "\{constructor\}" at character 1/],
    ["a{", /^has a single "\{" at character 2/],
    ["{yyyy", /^has a single "\{" at character 1/],
    ["a}b", /^has a single "\}" at character 2/],
    ["{yyyy}}", /^has a single "\}" at character 7/],
  ])("%j, with the place", (template, problem) => {
    expect(checkTemplate(template)).toMatch(problem);
    expect(() => fillTemplate(template, at, "UTC")).toThrow(RangeError);
  });
});
