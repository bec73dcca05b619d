// One line for a terminal, of a copy and of a sync, and what is said at the end.
import { describe, expect, test } from "vitest";
import type { CopyStatus, SyncStatus } from "../../../src/view/answers.ts";
import {
  copyLine,
  copyResult,
  formatBytes,
  formatSeconds,
  syncLine,
  syncResult,
} from "../../../src/view/progress.ts";
import { COPY_STATUS, SYNC_STATUS } from "../statuses.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const COPY: CopyStatus = {
  ...COPY_STATUS,
  bytes: { done: 48 * MIB, total: 128 * MIB },
  parts: { total: 17, done: 6, inFlight: 6, failedAttempts: 0 },
  rate: { bytesPerSecond: 6.8 * MIB, etaSeconds: 12 },
  startedAt: "2026-11-25T12:00:00.000Z",
  warnings: [],
};

const FAILURE = { operation: "HeadObject", status: 404, requestId: null };

describe("copyLine()", () => {
  test.each<[string, Partial<CopyStatus>, string]>([
    [
      "a copy under way",
      {},
      "[######----------]  37%  48/128 MiB  6/17 parts  6 running  6.8 MiB/s  ETA 12 s",
    ],
    [
      "a copy before its source is sized",
      {
        phase: "sizing",
        bytes: { done: 0, total: null },
        parts: { total: null, done: 0, inFlight: 0, failedAttempts: 0 },
        rate: { bytesPerSecond: null, etaSeconds: null },
      },
      "[----------------]   ?%  0 B  0/? parts  sizing",
    ],
    [
      "a copy that waits behind another",
      {
        phase: "queued",
        queuedBehind: "id-0",
        bytes: { done: 0, total: null },
        parts: { total: null, done: 0, inFlight: 0, failedAttempts: 0 },
        rate: { bytesPerSecond: null, etaSeconds: null },
      },
      "[----------------]   ?%  0 B  0/? parts  queued  behind id-0",
    ],
    [
      "an empty object that is done",
      {
        phase: "completed",
        bytes: { done: 0, total: 0 },
        parts: { total: 1, done: 1, inFlight: 0, failedAttempts: 0 },
        rate: { bytesPerSecond: null, etaSeconds: null },
      },
      "[################] 100%  0/0 B  1/1 parts  completed",
    ],
    [
      "a large copy",
      {
        bytes: { done: 4.7 * GIB, total: 120 * GIB },
        parts: { total: 1920, done: 75, inFlight: 40, failedAttempts: 0 },
        rate: { bytesPerSecond: 812 * MIB, etaSeconds: 145 },
      },
      "[----------------]   3%  4.7/120 GiB  75/1920 parts  40 running  812 MiB/s",
    ],
  ])("of %s", (_what, changes, line) => {
    expect(copyLine({ ...COPY, ...changes })).toBe(line);
  });

  test("is never wider than it may be, and never empty", () => {
    for (let width = 20; width < 200; width++) {
      const line = copyLine(COPY, width);
      expect(line.length).toBeLessThanOrEqual(width);
      expect(line).toMatch(/^\[/);
    }
  });
});

describe("copyResult()", () => {
  const ended = { endedAt: "2026-11-25T12:00:18.000Z" };
  test.each<[string, Partial<CopyStatus>, string[]]>([
    [
      "a completed copy names its proof",
      { ...ended, phase: "completed", bytes: { done: 128 * MIB, total: 128 * MIB }, proof: "etag" },
      ["completed: 128 MiB in 18.0 s, 7.1 MiB/s, proof etag"],
    ],
    [
      "a skipped copy does not claim to have copied",
      { ...ended, phase: "completed", skipped: true },
      ["skipped: the destination already has an object with this key"],
    ],
    [
      "a failed copy says why, in the store's words",
      {
        ...ended,
        phase: "failed",
        failure: { code: "source_not_found", message: "HEAD answered 404", ...FAILURE },
      },
      ["failed: source_not_found: HEAD answered 404"],
    ],
    [
      "a blocked copy says what to do",
      { phase: "blocked", failure: { code: "source_archived", message: "It is archived", ...FAILURE } },
      [
        "blocked: source_archived: It is archived",
        "next: put that right, then POST /copies/id-1/resume; or POST /copies/id-1/cancel",
      ],
    ],
    [
      "warnings follow",
      { phase: "cancelled", warnings: ["tags were left out"] },
      ["cancelled", "warning: tags were left out"],
    ],
  ])("%s", (_what, changes, lines) => {
    expect(copyResult({ ...COPY, ...changes })).toEqual(lines);
  });
});

describe("syncLine() and syncResult()", () => {
  test("of a sync under way counts what is decided", () => {
    expect(syncLine(SYNC_STATUS)).toBe(
      "[#########-------]  61%  610/1000 objects  1.2 GiB copied  10 failed  copying",
    );
    expect(syncLine(SYNC_STATUS, 100)).toContain("40.1 objects/s");
  });

  test("of a dry run say what would be done, and do not speak of copying", () => {
    const dry: SyncStatus = {
      ...SYNC_STATUS,
      dryRun: true,
      phase: "completed",
      objects: { listed: 10, copied: 0, skipped: 3, failed: 0, wouldCopy: 7, underWay: 0 },
      bytes: { ...SYNC_STATUS.bytes, listed: 100, copied: 0 },
      deletes: { ...SYNC_STATUS.deletes, extra: 2, wouldDelete: 2 },
    };
    expect(syncLine(dry)).toBe("[################] 100%  10/10 objects  7 to copy  completed");
    expect(syncResult(dry)).toEqual(["completed: would copy 7, would delete 2, skipped 3, failed 0"]);
  });

  test("of a sync with failures say where they stand and how they are taken up", () => {
    expect(
      syncResult({ ...SYNC_STATUS, phase: "finished_with_errors", endedAt: "2026-11-25T12:02:05.000Z" }),
    ).toEqual([
      "finished_with_errors: copied 500 (1.2 GiB), deleted 0, skipped 100, failed 10 in 2 min 5 s",
      "next: GET /syncs/id-2/report says why, POST /syncs/id-2/retry retries what failed",
    ]);
  });
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [99.95 * MIB, "100 MiB"],
  [1.2 * GIB, "1.2 GiB"],
  [5 * 2 ** 40, "5 TiB"],
  [2000 * 2 ** 50, "2000 PiB"],
])("formatBytes(%d) is %s", (sizeBytes, text) => expect(formatBytes(sizeBytes)).toBe(text));

test.each([
  [0.4, "1 s"],
  [59, "59 s"],
  [60, "1 min"],
  [200, "3 min 20 s"],
  [7500, "2 h 5 min"],
  [3 * 86_400 + 4 * 3600, "3 d 4 h"],
])("formatSeconds(%d) is %s", (seconds, text) => expect(formatSeconds(seconds)).toBe(text));
