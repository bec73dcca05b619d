// The status of a copy as people and programs see it, in every phase.
import { describe, expect, test } from "vitest";
import type { Job } from "../../../src/copy/phase.ts";
import type { PartRow } from "../../../src/parts/rows.ts";
import { type StatusInput, copyStatus, partsPage } from "../../../src/copy/status.ts";
import type { CopyStatus } from "../../../src/view/answers.ts";
import { describeFailure } from "../../../src/view/failure.ts";
import { START, STATUS_INPUT } from "../copy_record.ts";
import { ABORTING, DENIED, JOBS, OUTAGE, PARTS_PLAN, WHOLE_PLAN, WORKING, failure } from "../samples.ts";

const MIB = 2 ** 20;

function status(job: Job, changes: Partial<StatusInput> = {}): CopyStatus {
  return copyStatus({ ...STATUS_INPUT, job, ...changes });
}

describe("copyStatus()", () => {
  test("of a running copy, whole", () => {
    expect(status(WORKING.uploading)).toEqual({
      id: "id-1",
      phase: "uploading",
      source: "east:source/a",
      destination: "west:target/b",
      size: 13 * MIB,
      partSize: 5 * MIB,
      parts: { total: 3, done: 2, inFlight: 1, failedAttempts: 1 },
      bytes: { done: 10 * MIB, total: 13 * MIB },
      rate: { bytesPerSecond: 2 * MIB, etaSeconds: 2 },
      lanes: 8,
      concurrency: 40,
      location: "weur",
      pace: {
        streams: 12,
        throttledBy: ["destination"],
        bytesPerSecond: 10e6,
        heldBy: ["source.maxBytesPerSecond"],
      },
      attempts: 4,
      spent: STATUS_INPUT.spent,
      via: "stream",
      warnings: ["a warning"],
      options: {
        partSize: null,
        verify: "auto",
        ifExists: "overwrite",
        ifBusy: "fail",
        ifSourceChanges: "fail",
        metadata: "preserve",
        attributes: {},
        storageClass: null,
        tags: "preserve",
        ifLossy: "warn",
        markCopy: true,
        via: "auto",
        location: null,
      },
      startedBy: null,
      createdAt: "2026-11-25T11:59:59.000Z",
      startedAt: "2026-11-25T12:00:00.000Z",
      endedAt: null,
      timeline: [],
    });
  });

  test("before the source is sized knows no size", () => {
    expect(status(WORKING.sizing)).toMatchObject({
      size: null,
      partSize: null,
      via: null,
      parts: { total: null },
      bytes: { total: null },
    });
  });

  test("of a whole object has one part and no part size", () => {
    expect(status(WORKING.uploadingWhole)).toMatchObject({ size: 1000, partSize: null, parts: { total: 1 } });
  });

  test.each(["paused", "blocked"])("of a %s copy says what it goes on with", (name) => {
    expect(status(JOBS[name] as Job)).toMatchObject({ phase: name, resumesIn: "uploading", size: 13 * MIB });
  });

  test("says why a copy is blocked, has failed or is about to", () => {
    const shown = { code: "destination_error", storeCode: "MalformedXML", status: 400 };
    expect(status(JOBS["failed"] as Job)["failure"]).toMatchObject(shown);
    expect(status(ABORTING.abortingFailed)["failure"]).toMatchObject(shown);
    expect(status(JOBS["blocked"] as Job)["failure"]).toMatchObject({
      code: "destination_credentials_refused",
    });
    for (const name of ["uploading", "paused", "completed", "cancelled", "aborting"]) {
      expect(status(JOBS[name] as Job), name).not.toHaveProperty("failure");
    }
  });

  test("of a queued copy says behind which it waits, as soon as that is known", () => {
    expect(status(WORKING.queued)).toMatchObject({ phase: "queued", queuedBehind: "copy-0", size: null });
    expect(status({ phase: "paused", resume: WORKING.queued })).toMatchObject({
      resumesIn: "queued",
      queuedBehind: "copy-0",
    });
    expect(status({ ...WORKING.queued, behind: null })).not.toHaveProperty("queuedBehind");
    expect(status(WORKING.sizing)).not.toHaveProperty("queuedBehind");
  });

  test("shows what may be left at the destination, why, and when it is tried again", () => {
    const owed = { sinceMs: START, failedAttempts: 3, nextTryMs: START + 60_000, failure: OUTAGE };
    const shown = {
      since: "2026-11-25T12:00:00.000Z",
      failedAttempts: 3,
      nextTryAt: "2026-11-25T12:01:00.000Z",
      failure: { code: "destination_unreachable", storeCode: "network" },
    };
    const debts = [
      { ...owed, id: 1, debt: { kind: "upload", uploadId: "up-1" } },
      { ...owed, id: 2, debt: { kind: "stray", sentAtMs: START } },
      { ...owed, id: 3, debt: { kind: "object", copyId: "copy-1" }, nextTryMs: null },
    ] as const;
    expect(status(JOBS["failed"] as Job, { debts })["orphans"]).toMatchObject([
      { kind: "upload", uploadId: "up-1", ...shown },
      { kind: "possible_upload", ...shown },
      { kind: "possible_object", ...shown, nextTryAt: null },
    ]);
  });

  test("of a copy that owes nothing shows no orphans", () => {
    expect(status(JOBS["failed"] as Job)).not.toHaveProperty("orphans");
  });

  test("says by what a finished copy is proved, or that it was skipped", () => {
    expect(status(JOBS["completed"] as Job)).toMatchObject({ proof: "part-md5", etag: '"abc-3"' });
    const skipped = status(JOBS["skipped"] as Job);
    expect(skipped).toMatchObject({ phase: "completed", skipped: true });
    expect(skipped).not.toHaveProperty("proof");
  });

  test.each([
    ["a copy that has not started", WORKING.uploading, { startedAtMs: null }, null, null],
    [
      "a copy without a finished part",
      WORKING.uploading,
      { totals: { done: 0, inFlight: 1, lost: 0, doneBytes: 0, failedAttempts: 0 }, attempts: 1 },
      null,
      null,
    ],
    ["a copy that stands still", WORKING.uploading, { bytesPerSecond: 0 }, 0, null],
    ["a copy of which no part is done", WORKING.uploading, { bytesPerSecond: null }, null, null],
    ["a copy that uploads", WORKING.uploading, { bytesPerSecond: MIB }, MIB, 3],
    ["a copy that is paused", JOBS["paused"] as Job, {}, null, null],
    ["a copy that is blocked", JOBS["blocked"] as Job, {}, null, null],
    ["a copy that completes", WORKING.completing, {}, null, null],
    ["a copy that verifies", WORKING.verifying, {}, null, null],
    [
      "a completed copy: its average",
      JOBS["completed"] as Job,
      { endedAtMs: START + 20_000, now: START + 1e6, bytesPerSecond: null },
      MIB / 2,
      0,
    ],
  ] as const)("rate of %s", (_what, job, changes, bytesPerSecond, etaSeconds) => {
    expect(status(job, changes)["rate"]).toEqual({ bytesPerSecond, etaSeconds });
  });
});

const row = (partNumber: number, changes: Partial<PartRow> = {}): PartRow => ({
  partNumber,
  state: "done",
  attempt: 2,
  failedAttempts: 1,
  resends: 0,
  lane: 4,
  etag: '"e"',
  length: 5 * MIB,
  durationMs: 700,
  doneAtMs: START,
  ...changes,
});

describe("partsPage()", () => {
  test("shows a part that was never handed out as pending", () => {
    const rows = [row(1), row(2, { state: "leased", etag: null, doneAtMs: null, durationMs: null })];
    expect(partsPage(PARTS_PLAN, rows, 0, 10)).toEqual({
      parts: [
        {
          partNumber: 1,
          offset: 0,
          length: 5 * MIB,
          state: "done",
          attempt: 2,
          failedAttempts: 1,
          lane: 4,
          etag: '"e"',
          durationMs: 700,
          doneAt: "2026-11-25T12:00:00.000Z",
        },
        {
          partNumber: 2,
          offset: 5 * MIB,
          length: 5 * MIB,
          state: "inFlight",
          attempt: 2,
          failedAttempts: 1,
          lane: 4,
          etag: null,
          durationMs: null,
          doneAt: null,
        },
        {
          partNumber: 3,
          offset: 10 * MIB,
          length: 3 * MIB,
          state: "pending",
          attempt: 0,
          failedAttempts: 0,
          lane: null,
          etag: null,
          durationMs: null,
          doneAt: null,
        },
      ],
      next: null,
    });
  });

  test("shows a part of a dead lane as pending until it is known where it is", () => {
    const shown = partsPage(PARTS_PLAN, [row(1, { state: "lost" })], 0, 1)["parts"];
    expect(shown).toMatchObject([{ partNumber: 1, state: "pending" }]);
  });

  test("whoever follows next sees each part once, and comes to an end", () => {
    const seen: unknown[] = [];
    let cursor: string | null = "0";
    for (let page = 0; cursor !== null && page < 10; page++) {
      const shown = partsPage(PARTS_PLAN, [], Number(cursor), 2);
      seen.push(...(shown["parts"] as { partNumber: number }[]).map(({ partNumber }) => partNumber));
      cursor = shown["next"] as string | null;
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(cursor).toBeNull();
  });

  test("is empty without a plan, and past the end", () => {
    expect(partsPage(null, [], 0, 10)).toEqual({ parts: [], next: null });
    expect(partsPage(WHOLE_PLAN, [], 1, 10)).toEqual({ parts: [], next: null });
    expect(partsPage(PARTS_PLAN, [], 99, 10)).toEqual({ parts: [], next: null });
  });
});

test("describeFailure() shows our stable code, and the store's own beside it", () => {
  expect(describeFailure({ ...DENIED, requestId: "r-1" })).toEqual({
    code: "destination_access_denied",
    message: "the store answered AccessDenied",
    operation: "UploadPart",
    status: 403,
    requestId: "r-1",
    storeCode: "AccessDenied",
  });
  expect(describeFailure(failure("object_too_large", null, { side: "mesh" }))).not.toHaveProperty(
    "storeCode",
  );
});
