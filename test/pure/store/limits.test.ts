// Limits by the hours of the week: which of them holds at a moment.
import { describe, expect, test } from "vitest";
import {
  BytesPerSecond,
  type Limits,
  LimitFields,
  ceilingAt,
  isLimited,
  mostAtOnce,
} from "../../../src/store/limits.ts";

const at = (text: string) => Date.parse(text);
const bytesAt = (limits: Limits, text: string) => ceilingAt(limits, "maxBytesPerSecond", at(text));
const MB = 1e6;

test.each([
  ["20MB", 20 * MB],
  ["256KiB", 262_144],
  [0, 0],
  ["0", 0],
  [262_143, null],
  ["255KiB", null],
  [-1, null],
  ["fast", null],
  [null, null],
])("maxBytesPerSecond %j is %j", (value, bytes) => {
  const parsed = BytesPerSecond.safeParse(value);
  expect(parsed.success ? parsed.data : null).toBe(bytes);
});

describe("a window", () => {
  const day: Limits = {
    maxBytesPerSecond: 100 * MB,
    limits: [
      { days: ["mon", "tue", "wed", "thu", "fri"], from: "08:00", to: "18:00", maxBytesPerSecond: 10 * MB },
      { days: ["sun"], maxBytesPerSecond: null },
    ],
  };

  test.each([
    ["before it begins", "2026-06-01T07:59:59.999Z", 100],
    ["from its first moment", "2026-06-01T08:00:00Z", 10],
    ["to its last", "2026-06-01T17:59:59.999Z", 10],
    ["not at its end", "2026-06-01T18:00:00Z", 100],
    ["not on another day", "2026-06-06T12:00:00Z", 100],
    ["null lifts the limit", "2026-06-07T12:00:00Z", Infinity],
  ])("holds: %s", (_name, text, mb) => {
    expect(bytesAt(day, text)).toBe(mb * MB);
  });

  test("over midnight belongs to the day on which it begins", () => {
    const night: Limits = { limits: [{ days: ["fri"], from: "22:00", to: "06:00", maxBytesPerSecond: MB }] };
    expect(bytesAt(night, "2026-06-05T21:59:00Z")).toBe(Infinity);
    expect(bytesAt(night, "2026-06-05T22:00:00Z")).toBe(MB);
    expect(bytesAt(night, "2026-06-06T05:59:00Z")).toBe(MB);
    expect(bytesAt(night, "2026-06-06T06:00:00Z")).toBe(Infinity);
    expect(bytesAt(night, "2026-06-06T22:00:00Z")).toBe(Infinity);
    expect(bytesAt(night, "2026-06-05T05:00:00Z")).toBe(Infinity);
  });

  test("goes by its time zone, summer and winter, and by zones of half an hour", () => {
    const berlin: Limits = {
      limits: [{ from: "08:00", to: "18:00", timezone: "Europe/Berlin", maxBytesPerSecond: MB }],
    };
    expect(bytesAt(berlin, "2026-07-01T06:00:00Z")).toBe(MB);
    expect(bytesAt(berlin, "2026-01-05T06:30:00Z")).toBe(Infinity);
    expect(bytesAt(berlin, "2026-01-05T07:00:00Z")).toBe(MB);
    const india: Limits = {
      limits: [{ from: "00:00", to: "12:00", timezone: "Asia/Kolkata", maxBytesPerSecond: MB }],
    };
    expect(bytesAt(india, "2026-01-05T06:29:59Z")).toBe(MB);
    expect(bytesAt(india, "2026-01-05T06:30:00Z")).toBe(Infinity);
  });

  test("of several, the first that holds counts, and what it leaves out is as otherwise", () => {
    const limits: Limits = {
      maxBytesPerSecond: 5 * MB,
      maxConcurrency: 20,
      limits: [
        { from: "10:00", to: "12:00", maxConcurrency: 2 },
        { from: "08:00", to: "20:00", maxBytesPerSecond: 0, maxConcurrency: null },
      ],
    };
    expect(bytesAt(limits, "2026-06-01T11:00:00Z")).toBe(5 * MB);
    expect(ceilingAt(limits, "maxConcurrency", at("2026-06-01T11:00:00Z"))).toBe(2);
    expect(bytesAt(limits, "2026-06-01T13:00:00Z")).toBe(0);
    expect(ceilingAt(limits, "maxConcurrency", at("2026-06-01T13:00:00Z"))).toBe(Infinity);
    expect(mostAtOnce(limits, {})).toEqual([Infinity, Infinity]);
    expect(mostAtOnce({ maxConcurrency: 4, limits: [{ maxConcurrency: 8 }, {}] })).toEqual([8]);
    expect([isLimited(limits, "maxBytesPerSecond"), isLimited(limits, "maxRequestsPerSecond")]).toEqual([
      true,
      false,
    ]);
  });
});

test.each([
  [[{ from: "8:00" }], "hour"],
  [[{ from: "24:00" }], "hour"],
  [[{ to: "24:01" }], "hour"],
  [[{ timezone: "Mars/Olympus" }], "time zone"],
  [[{ days: [] }], ""],
  [[{ days: ["monday"] }], ""],
  [[{ maxRequestsPerSecond: -1 }], ""],
  [[{ requestsPerSecond: 3 }], "requestsPerSecond"],
  [[{ maxConcurrency: 0 }], ""],
  [Array.from({ length: 51 }, () => ({})), ""],
])("limits %j of a job are refused", (limits, word) => {
  const parsed = LimitFields.limits.safeParse(limits);
  expect(parsed.success).toBe(false);
  expect(parsed.error?.message).toContain(word);
});
