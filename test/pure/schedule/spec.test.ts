// Requests for schedules at the door, and what they start at a given time.
import { describe, expect, test } from "vitest";
import { Problem } from "../../../src/http/problem.ts";
import { parseSchedule, requestOf, resolveWork } from "../../../src/schedule/spec.ts";

const STORE = JSON.stringify({
  endpoint: "https://s3.example.com",
  region: "us-east-1",
  accessKeyId: "A",
  secretAccessKey: "B",
});
const ENV = { STORE_EAST: STORE, STORE_WEST: STORE.replace("s3.", "s4.") };
const COPY = { source: "east:data/k", destination: "west:data/k" };
const SYNC = { source: "east:data/p/", destination: "west:data/p/{yyyy}-{mm}-{dd}/" };

function problemOf(act: () => unknown): [number, string, string] | null {
  try {
    act();
    return null;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return [error.status, error.code, error.message];
  }
}

describe("parseSchedule()", () => {
  test("trims the expression and fills in time zone, overlap and enabled", () => {
    expect(parseSchedule({ cron: " */5 * * * * ", copy: COPY })).toEqual({
      cron: "*/5 * * * *",
      timeZone: "UTC",
      overlap: "skip",
      enabled: true,
      work: {
        kind: "copy",
        copy: expect.objectContaining({ source: { store: "east", bucket: "data", key: "k" } }),
      },
    });
  });

  test("takes a sync, a time zone, a queue and a rest", () => {
    const body = {
      cron: "0 3 * * *",
      timezone: "Europe/Berlin",
      sync: SYNC,
      overlap: "queue",
      enabled: false,
    };
    expect(parseSchedule(body)).toMatchObject({
      timeZone: "Europe/Berlin",
      overlap: "queue",
      enabled: false,
      work: { kind: "sync", sync: { source: { store: "east", bucket: "data", prefix: "p/" } } },
    });
  });

  const hint = 'five fields "minute hour day month weekday", such as "*/15 * * * *"';
  test.each([
    [{ cron: "x", copy: COPY }, `"cron" must have ${hint}, not "x"`],
    [{ cron: 5, copy: COPY }, '"cron" must be text, not 5'],
    [
      { cron: "1,".repeat(128) + "1 * * * *", copy: COPY },
      `"cron" must have at most 256 characters, not "${"1,".repeat(49)}1…`,
    ],
    [
      { cron: "* * * * *", timezone: "E".repeat(65), copy: COPY },
      `"timezone" must have at most 64 characters, not "${"E".repeat(65)}"`,
    ],
    [{ cron: "0 0 30 2 *", copy: COPY }, '"cron" never comes due: "0 0 30 2 *"'],
    [{ timezone: "Mars", copy: COPY }, /^"timezone" must be the IANA name of a time zone, .*, not "Mars"$/],
    [{ overlap: "both", copy: COPY }, '"overlap" must be one of skip, queue, not "both"'],
    [{}, 'The body must have either "copy", "sync" or "comparison"'],
    [{ copy: COPY, sync: SYNC }, 'The body must have either "copy", "sync" or "comparison"'],
    [{ copy: { ...COPY, lanes: 0 } }, '"copy.lanes" must be a whole number from 1 to 250, not 0'],
    [{ copy: COPY, every: "day" }, 'Unknown field "every"'],
    [
      { copy: { ...COPY, destination: "west:data/{day}" } },
      /^"copy.destination" has "\{day\}" at character 1 of "\{day\}"; known are/,
    ],
    [
      { sync: { ...SYNC, destination: "west:data/{yyyy" } },
      /^"sync.destination" has a single "\{" at character 1/,
    ],
  ])("refuses %j", (change, message) => {
    const problem = problemOf(() => parseSchedule({ cron: "* * * * *", ...change }));
    expect(problem?.slice(0, 2)).toEqual([400, "invalid_request"]);
    if (typeof message === "string") expect(problem?.[2]).toBe(message);
    else expect(problem?.[2]).toMatch(message);
  });
});

describe("requestOf()", () => {
  test.each([
    { copy: { ...COPY, partSize: "8MiB", lanes: "3", tags: { a: "b" } } },
    { copy: { ...COPY, partSize: "source" } },
    { copy: { ...COPY, source: { store: "east", bucket: "data", key: "k", versionId: "v" } } },
    { copy: { ...COPY, destination: "west:data/" }, overlap: "queue", enabled: "false" },
    { copy: { ...COPY, destination: { store: "west", bucket: "data", key: "exact/" } } },
    { sync: SYNC, timezone: "Europe/Berlin" },
    {
      sync: {
        ...SYNC,
        include: ["**/*.jpg", "*.png"],
        delete: true,
        maxDeletes: "12.5%",
        minSize: "1MiB",
        maxAgeSeconds: 86_400,
        storageClasses: "GLACIER",
        report: "west:data/logs",
      },
    },
    { sync: { ...SYNC, maxDeletes: 7 } },
  ])("is what makes the same schedule: %j", (work) => {
    const schedule = parseSchedule({ cron: "0 3 * * *", ...work });
    const request: unknown = JSON.parse(JSON.stringify(requestOf(schedule)));
    expect(parseSchedule(request)).toEqual(schedule);
  });
});

describe("resolveWork()", () => {
  const dueMs = Date.UTC(2026, 10, 25, 23, 30);

  test("fills the due time into the destination, in the schedule's time zone, and leaves the source alone", () => {
    const copy = { source: "east:data/{yyyy}", destination: "west:data/{yyyy}{mm}{dd}-{HH}{MM}" };
    const { work } = parseSchedule({ cron: "* * * * *", copy });
    expect(resolveWork(work, dueMs, "Europe/Berlin", ENV)).toMatchObject({
      kind: "copy",
      spec: {
        source: { key: "{yyyy}" },
        destination: { store: "west", bucket: "data", key: "20261126-0030" },
      },
    });
    const { work: sync } = parseSchedule({ cron: "* * * * *", sync: SYNC });
    expect(resolveWork(sync, dueMs, "UTC", ENV)).toMatchObject({
      kind: "sync",
      spec: { source: { prefix: "p/" }, destination: { prefix: "p/2026-11-25/" } },
    });
  });

  test("refuses what could not work", () => {
    const { work } = parseSchedule({ cron: "* * * * *", copy: { ...COPY, destination: "north:data/k" } });
    expect(problemOf(() => resolveWork(work, dueMs, "UTC", ENV))?.[1]).toBe("unknown_store");
    const own = { source: "east:data/p/", destination: "east:data/p/{yyyy}/" };
    const { work: sync } = parseSchedule({ cron: "* * * * *", sync: own });
    expect(problemOf(() => resolveWork(sync, dueMs, "UTC", ENV))?.[1]).toBe("overlapping_prefixes");
  });
});

test("limits of a schedule are those of its work, in its time zone unless they name another", () => {
  const limits = [
    { from: "08:00", to: "18:00", maxBytesPerSecond: "10MB" },
    { days: ["sun"], timezone: "UTC", maxConcurrency: 2 },
  ];
  const schedule = parseSchedule({ cron: "0 3 * * *", timezone: "Europe/Berlin", copy: COPY, limits });
  const kept = [
    { from: "08:00", to: "18:00", timezone: "Europe/Berlin", maxBytesPerSecond: 10_000_000 },
    { days: ["sun"], timezone: "UTC", maxConcurrency: 2 },
  ];
  expect(schedule.work).toMatchObject({ kind: "copy", copy: { limits: kept } });
  expect(parseSchedule(requestOf(schedule))).toEqual(schedule);
});
