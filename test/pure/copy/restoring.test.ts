// A copy whose source is archived: what it asks for, how long it waits, and what goes on then.
import { describe, expect, test } from "vitest";
import type { Event } from "../../../src/copy/event.ts";
import { apply, nextStep } from "../../../src/copy/job.ts";
import { type Job, isEnded, workOf } from "../../../src/copy/phase.ts";
import { MAX_LOOKS, lookAfterMs } from "../../../src/work/looks.ts";
import { OBJECT, OUTAGE, WORKING, failure } from "../samples.ts";

const NOW = 1_000_000;
const WISH = { restore: "Bulk", days: 3 } as const;
const PARTS = { total: 3, done: 1, inFlight: 0, lost: 0 };
const HOUR_MS = 3_600_000;
const ARCHIVED = failure("source_archived", 403, { side: "source" });

const archived = (wish: "fail" | "skip" | typeof WISH = WISH, asks = 0): Event => ({
  type: "sourceArchived",
  failure: ARCHIVED,
  wish,
  asks,
});
const seen = (state: "readable" | "ongoing" | "archived", asks = 1, now = NOW): Event => ({
  type: "restoreSeen",
  state,
  asks,
  now,
});
const failed = (what = OUTAGE, now = NOW): Event => ({ type: "stepFailed", failure: what, now, random: 0.5 });
const run = (job: Job, ...events: Event[]): Job => events.reduce(apply, job);
const stepOf = (job: Job, now = NOW) => nextStep(job, PARTS, now);
const ASKED: readonly Event[] = [
  archived(),
  seen("archived", 0),
  { type: "restoreSending" },
  { type: "restoreAsked", now: NOW },
];
const asked = () => run(WORKING.sizing, ...ASKED);

describe("a restore is asked for once", () => {
  test("after a look, and what was sent is known before it is sent", () => {
    let job = run(WORKING.sizing, archived());
    expect(stepOf(job)).toEqual({ do: "lookRestored" });
    job = run(job, seen("archived", 0));
    expect(stepOf(job)).toEqual({ do: "askRestore" });
    job = run(job, { type: "restoreSending" });
    // Whoever finds it so has died while it asked: it looks before it asks again.
    expect(stepOf(job)).toEqual({ do: "lookRestored" });
    job = run(job, { type: "restoreAsked", now: NOW });
    expect(stepOf(job)).toEqual({ do: "rest", untilMs: NOW + lookAfterMs(0) });
  });

  test("and not at all if somebody else has asked", () => {
    const job = run(WORKING.sizing, archived(), seen("ongoing", 0));
    expect(stepOf(job)).toEqual({ do: "rest", untilMs: NOW + lookAfterMs(0) });
  });

  test("and once more if the object is archived again, then no more", () => {
    const again = run(asked(), seen("archived", 1));
    expect(stepOf(again)).toEqual({ do: "askRestore" });
    const ended = run(
      again,
      { type: "restoreSending" },
      { type: "restoreAsked", now: NOW },
      seen("archived", 2),
    );
    expect(ended).toMatchObject({ phase: "failed", failure: { code: "restore_failed" } });
    expect(run(WORKING.uploading, archived(WISH, 2))).toMatchObject({
      phase: "aborting",
      ending: { phase: "failed", failure: { code: "restore_failed" } },
    });
  });

  test("a request that fails is repeated, a few times", () => {
    let job: Job = run(WORKING.sizing, archived(), seen("archived", 0));
    let sent = 0;
    for (; !isEnded(job) && job.phase !== "blocked" && sent < 100; sent++)
      job = run(job, { type: "restoreSending" }, failed(failure("InternalError", 500)), seen("archived", 0));
    expect(job).toMatchObject({ phase: "blocked", failure: { code: "InternalError" } });
    expect(sent).toBe(8);
  });
});

describe("the waiting", () => {
  test("looks ever more rarely, for 72 hours, then asks a person; resuming looks again", () => {
    let job = asked();
    let now = NOW;
    const waitsMs: number[] = [];
    while (job.phase === "restoring") {
      const step = stepOf(job, now);
      if (step.do !== "rest" || step.untilMs === null) throw new Error(step.do);
      waitsMs.push(step.untilMs - now);
      now = step.untilMs;
      expect(stepOf(job, now)).toEqual({ do: "lookRestored" });
      job = run(job, seen("ongoing", 1, now));
    }
    expect(waitsMs).toEqual(waitsMs.toSorted((one, other) => one - other));
    expect(waitsMs.length).toBe(MAX_LOOKS);
    expect(MAX_LOOKS).toBeLessThan(100);
    expect(now - NOW).toBeGreaterThanOrEqual(72 * HOUR_MS);
    expect(now - NOW).toBeLessThan(74 * HOUR_MS);
    expect(job).toMatchObject({ phase: "blocked", failure: { code: "restore_overdue" } });
    const resumed = run(job, { type: "resume" });
    expect(stepOf(resumed, now)).toEqual({ do: "lookRestored" });
    expect(run(resumed, seen("ongoing", 1, now)).phase).toBe("restoring");
  });

  test("outlives a store that is down when it is looked at", () => {
    const job = run(asked(), failed(OUTAGE, NOW + lookAfterMs(0)));
    expect(stepOf(job, NOW + lookAfterMs(0))).toEqual({
      do: "rest",
      untilMs: NOW + lookAfterMs(0) + lookAfterMs(1),
    });
  });

  test.each([
    ["ExpiredToken", 400, "blocked"],
    ["AccessDenied", 403, "blocked"],
    ["NoSuchKey", 404, "failed"],
    ["restore_unsupported", null, "failed"],
    ["restore_refused", null, "failed"],
  ])("ends with %s as %s", (code, status, phase) => {
    const side = code.includes("_") ? { side: "mesh" as const } : { side: "source" as const };
    expect(run(asked(), failed(failure(code, status, side))).phase).toBe(phase);
  });
});

describe("what goes on then", () => {
  test("a copy that had not begun is sized", () => {
    expect(run(asked(), seen("readable"))).toEqual(WORKING.sizing);
  });

  test("an upload goes on with the parts it has, once its source is known to be the same", () => {
    const job = run(WORKING.uploading, archived(), seen("ongoing", 1), seen("readable"));
    expect(job).toEqual(WORKING.uploadingUnchecked);
    expect(stepOf(job)).toEqual({ do: "recheckSource", object: OBJECT });
  });

  test("fail and skip end it, and abort an upload first", () => {
    expect(run(WORKING.sizing, archived("fail"))).toMatchObject({ phase: "failed", failure: ARCHIVED });
    expect(run(WORKING.sizing, archived("skip"))).toMatchObject({
      phase: "completed",
      result: { kind: "skipped", reason: "archived" },
    });
    expect(run(WORKING.uploading, archived("skip"))).toMatchObject({
      phase: "aborting",
      ending: { phase: "skipped", reason: "archived" },
    });
  });
});

describe("people", () => {
  test("pause holds it, and a restore that is done meanwhile is found on resuming", () => {
    const paused = run(asked(), { type: "pause" });
    expect(paused.phase).toBe("paused");
    expect(stepOf(paused)).toEqual({ do: "rest", untilMs: null });
    const resumed = run(paused, { type: "resume" });
    expect(stepOf(resumed)).toEqual({ do: "lookRestored" });
  });

  test("an answer that comes while it is paused counts", () => {
    const sending = run(WORKING.sizing, archived(), seen("archived", 0), { type: "restoreSending" });
    const paused = run(sending, { type: "pause" }, { type: "restoreAsked", now: NOW });
    expect(paused).toMatchObject({ phase: "paused", resume: { phase: "restoring", call: "asked" } });
  });

  test("cancel ends it at once, and aborts the upload that it has", () => {
    expect(run(asked(), { type: "cancel" }).phase).toBe("cancelled");
    const parts = run(WORKING.uploading, archived());
    expect(workOf(parts)).toEqual(WORKING.uploading);
    expect(run(parts, { type: "cancel" })).toMatchObject({
      phase: "aborting",
      upload: { kind: "parts", uploadId: "up-1" },
      ending: { phase: "cancelled" },
    });
  });
});
