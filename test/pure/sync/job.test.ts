// A sync as data: what is done next in each phase, what an answer changes, and that nothing is deleted but
// after two whole listings.
import { describe, expect, test } from "vitest";
import { type Failure, meshFailure } from "../../../src/s3/failure.ts";
import { MAX_ATTEMPTS } from "../../../src/s3/retry.ts";
import type { SyncEvent } from "../../../src/sync/event.ts";
import { apply, isHandingOut, newSyncJob, nextStep, REPORT_PART_BYTES } from "../../../src/sync/job.ts";
import type { SyncCounts, SyncStep } from "../../../src/sync/step.ts";
import { type SyncJob, isSyncEnded } from "../../../src/sync/phase.ts";
import { type Cursor, FIRST_CURSOR } from "../../../src/listing/walk.ts";
import { DENIED, EXPIRED, FRESH, OUTAGE, seeded } from "../samples.ts";

const NOTHING: SyncCounts = {
  hasRoom: true,
  underWay: 0,
  restoring: 0,
  restoreDueMs: null,
  running: 0,
  deletions: 0,
  reportBytes: 0,
  errors: 0,
};
const counts = (changes: Partial<SyncCounts> = {}): SyncCounts => ({ ...NOTHING, ...changes });
const CURSOR: Cursor = {
  kind: "merge",
  ranges: [{ afterName: "m", untilName: null, sourceAfter: "m" }],
};
const LISTING = newSyncJob(FIRST_CURSOR);
const COPYING: SyncJob = { phase: "copying", failure: null, requeue: null, retry: FRESH };
const RESTORING: SyncJob = { phase: "restoring", failure: null, retry: FRESH };
const DELETING: SyncJob = { phase: "deleting", what: "extras", retry: FRESH };
const REPORTING: SyncJob = { phase: "reporting", ending: { phase: "completed" }, retry: FRESH };
const PAUSED: SyncJob = { phase: "paused", resume: LISTING as never };
const failed = (step: SyncStep["do"], failure: Failure): SyncEvent => ({
  type: "stepFailed",
  step,
  failure,
  now: 1000,
  random: 0.5,
});

describe("what is done next", () => {
  test.each<[string, SyncJob, Partial<SyncCounts>, SyncStep]>([
    ["a page is listed when the window has room", LISTING, {}, { do: "list", cursor: FIRST_CURSOR }],
    ["a full window is waited for", LISTING, { hasRoom: false, underWay: 9 }, { do: "rest", untilMs: null }],
    [
      "enough of a report is stored before more is listed",
      LISTING,
      { reportBytes: REPORT_PART_BYTES },
      { do: "report" },
    ],
    ["a little of a report waits", LISTING, { reportBytes: 10 }, { do: "list", cursor: FIRST_CURSOR }],
    ["what is under way is waited for", COPYING, { underWay: 1 }, { do: "rest", untilMs: null }],
    ["keys are asked for when it is time", LISTING, { restoring: 2, restoreDueMs: 0 }, { do: "restore" }],
    [
      "keys that wait for a restore hold no listing up",
      LISTING,
      { underWay: 2, restoring: 2, restoreDueMs: 1e9 },
      { do: "list", cursor: FIRST_CURSOR },
    ],
    [
      "nothing but restores is under way",
      COPYING,
      { underWay: 2, restoring: 2, restoreDueMs: 1e9 },
      { do: "awaitRestores", only: true },
    ],
    [
      "restores are waited for",
      RESTORING,
      { underWay: 2, restoring: 2, restoreDueMs: 1e9 },
      { do: "rest", untilMs: 1e9 },
    ],
    [
      "what can be read is copied",
      RESTORING,
      { underWay: 2, restoring: 1, restoreDueMs: 1e9 },
      { do: "awaitRestores", only: false },
    ],
    ["the last restore is done", RESTORING, {}, { do: "awaitRestores", only: false }],
    ["all is done: may extra keys go?", COPYING, { deletions: 3 }, { do: "judgeDeletes" }],
    ["failed keys are taken up again", { ...COPYING, requeue: "all" }, {}, { do: "requeue", which: "all" }],
    [
      "failed keys wait for room",
      { ...COPYING, requeue: "all" },
      { hasRoom: false },
      { do: "rest", untilMs: null },
    ],
    ["planned deletions are done", DELETING, { deletions: 1 }, { do: "delete" }],
    [
      "what runs is stopped before an early end",
      { phase: "stopping", ending: { phase: "cancelled" } },
      { running: 1 },
      { do: "settle" },
    ],
    [
      "what nobody has begun is given up",
      { phase: "stopping", ending: { phase: "cancelled" } },
      { underWay: 4 },
      { do: "abandon" },
    ],
    ["the rest of the report is stored", REPORTING, { reportBytes: 1 }, { do: "report" }],
    ["a stored report is the end", REPORTING, {}, { do: "end" }],
    ["a paused sync rests", PAUSED, { underWay: 3 }, { do: "rest", untilMs: null }],
    ["an ended sync rests", { phase: "completed" }, {}, { do: "rest", untilMs: null }],
  ])("%s", (_what, job, known, step) => {
    expect(nextStep(job, counts(known), 0)).toEqual(step);
  });

  test("a step that failed waits for its time", () => {
    const job = apply(LISTING, failed("list", OUTAGE));
    if (job.phase !== "listing") throw new Error(job.phase);
    expect(job.retry).toMatchObject({ failedAttempts: 1 });
    expect(nextStep(job, counts(), 1000)).toEqual({ do: "rest", untilMs: job.retry.notBeforeMs });
    expect(nextStep(job, counts(), job.retry.notBeforeMs)).toMatchObject({ do: "list" });
  });

  test("batches are handed out while keys are listed and copied, and at no other time", () => {
    expect([LISTING, COPYING].map(isHandingOut)).toEqual([true, true]);
    expect([DELETING, REPORTING, PAUSED].map(isHandingOut)).toEqual([false, false, false]);
  });
});

describe("deleting is reached", () => {
  test("from two whole listings, when all that was listed is done and the rules allow it", () => {
    let job: SyncJob = apply(LISTING, { type: "listed", cursor: CURSOR });
    job = apply(job, { type: "listed", cursor: null });
    expect(job).toEqual(COPYING);
    expect(apply(job, { type: "deletesJudged", delete: "extras" }).phase).toBe("deleting");
    expect(apply(job, { type: "deletesJudged", delete: "nothing" }).phase).toBe("reporting");
  });

  test("case 107: for what is in the way first; then the failed copies are tried again, and it is judged again", () => {
    const job = apply(COPYING, { type: "deletesJudged", delete: "room" });
    expect(job).toEqual({ ...DELETING, what: "room" });
    expect(apply(job, { type: "deleted" })).toEqual({ ...COPYING, requeue: "copies" });
  });

  test("never from a listing that broke off, whatever was judged: the run has failed, and what was listed is copied", () => {
    let job: SyncJob = LISTING;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) job = apply(job, failed("list", OUTAGE));
    expect(job).toEqual({ ...COPYING, failure: OUTAGE });
    job = apply(job, { type: "deletesJudged", delete: "extras" });
    expect(job).toMatchObject({ phase: "reporting", ending: { phase: "failed", failure: OUTAGE } });
  });

  test("never in a world of random events that has not seen both listings end", () => {
    const random = seeded(23);
    const events: readonly (() => SyncEvent)[] = [
      () => ({ type: "listed", cursor: random() < 0.3 ? null : CURSOR }),
      () => ({
        type: "deletesJudged",
        delete: random() < 0.3 ? "nothing" : random() < 0.3 ? "room" : "extras",
      }),
      () => ({ type: "requeued" }),
      () => ({ type: "deleted" }),
      () => ({ type: "stopped" }),
      () => ({ type: "reported" }),
      () => ({ type: "ended", errors: random() < 0.5 ? 1 : 0 }),
      () => ({ type: "stepDone" }),
      () =>
        failed(
          random() < 0.7 ? "list" : "delete",
          [OUTAGE, DENIED, EXPIRED][Math.floor(random() * 3)] ?? OUTAGE,
        ),
      () => ({ type: "runFailed", failure: random() < 0.5 ? DENIED : EXPIRED }),
      () => ({ type: "pause" }),
      () => ({ type: "resume" }),
      () => ({ type: "cancel" }),
      () => ({ type: "retry" }),
    ];
    let deleted = 0;
    for (let world = 0; world < 3000; world++) {
      let job: SyncJob = LISTING;
      let listedToTheEnd = false;
      for (let step = 0; step < 30; step++) {
        const event = (events[Math.floor(random() * events.length)] ?? events[0])?.();
        if (event === undefined) throw new Error("no event");
        const before = job;
        job = apply(job, event);
        if (event.type === "listed" && event.cursor === null && job !== before) listedToTheEnd = true;
        const inside = job.phase === "paused" || job.phase === "blocked" ? job.resume : job;
        if (inside.phase === "deleting") {
          deleted += 1;
          expect(listedToTheEnd).toBe(true);
        }
        // An end is an end: only a retry leaves it, and only from errors of single keys.
        if (isSyncEnded(before) && job !== before) {
          expect([before.phase, event.type]).toEqual(["finished_with_errors", "retry"]);
        }
      }
    }
    expect(deleted).toBeGreaterThan(100);
  });
});

describe("an answer", () => {
  test("that comes late changes nothing", () => {
    const late: readonly [SyncJob, SyncEvent][] = [
      [COPYING, { type: "listed", cursor: CURSOR }],
      [LISTING, { type: "deletesJudged", delete: "extras" }],
      [REPORTING, { type: "deleted" }],
      [DELETING, { type: "requeued" }],
      [COPYING, { type: "ended", errors: 0 }],
      [{ phase: "completed" }, { type: "cancel" }],
      [{ phase: "completed" }, { type: "pause" }],
      [
        { phase: "stopping", ending: { phase: "cancelled" } },
        { type: "listed", cursor: null },
      ],
    ];
    for (const [job, event] of late) expect(apply(job, event)).toBe(job);
  });

  test("that was under way when the sync was paused still counts", () => {
    const paused = apply(LISTING, { type: "pause" });
    const job = apply(paused, { type: "listed", cursor: CURSOR });
    expect(job).toMatchObject({ phase: "paused", resume: { phase: "listing", cursor: CURSOR } });
    expect(apply(job, { type: "resume" })).toMatchObject({ phase: "listing", cursor: CURSOR });
  });

  test("that succeeds after failures begins to count anew", () => {
    const job = apply(apply(DELETING, failed("delete", OUTAGE)), { type: "stepDone" });
    expect(job).toEqual(DELETING);
  });
});

describe("a failure", () => {
  test("that a person can cure blocks the run, and it goes on where it was", () => {
    const listing = newSyncJob(CURSOR);
    for (const event of [failed("list", EXPIRED), { type: "runFailed", failure: EXPIRED } as const]) {
      const job = apply(listing, event);
      expect(job).toMatchObject({ phase: "blocked", failure: EXPIRED });
      expect(apply(job, { type: "resume" })).toEqual(listing);
    }
  });

  test("of the run ends it as failed, after what runs was stopped", () => {
    const failure = meshFailure("too_many_failures", "too many", "sync");
    expect(apply(COPYING, { type: "runFailed", failure })).toEqual({
      phase: "stopping",
      ending: { phase: "failed", failure },
    });
  });

  test("of the report's store ends the run as failed, but keeps the reason of an earlier failure", () => {
    expect(apply(REPORTING, failed("report", DENIED))).toMatchObject({ phase: "failed", failure: DENIED });
    const ending = { phase: "failed", failure: EXPIRED } as const;
    expect(apply({ ...REPORTING, ending }, failed("report", DENIED))).toEqual(ending);
  });
});

test.each([
  [{ phase: "completed" } as const, 0, "completed"],
  [{ phase: "completed" } as const, 1, "finished_with_errors"],
  [{ phase: "cancelled" } as const, 3, "cancelled"],
  [{ phase: "failed", failure: DENIED } as const, 3, "failed"],
])("with an end of %j and %j errors a sync is %s", (ending, errors, phase) => {
  expect(apply({ ...REPORTING, ending }, { type: "ended", errors }).phase).toBe(phase);
});

describe("the end of the budget", () => {
  const reached = meshFailure("budget_reached", "none is left", "budget");

  test.each([LISTING, COPYING, DELETING])("pauses $phase at once, which goes on where it was", (job) => {
    const paused = apply(job, failed("list", reached));
    expect(paused).toEqual({ phase: "paused", resume: job, by: "budget" });
    expect(apply(paused, { type: "resume" })).toEqual(job);
  });

  test("is no attempt, and is waited for while something is under way that may spend less", () => {
    const waiting = apply(LISTING, failed("list", { ...reached, retryAfterMs: 1000 }));
    expect(waiting).toEqual({ ...LISTING, retry: { ...FRESH, notBeforeMs: expect.any(Number) } });
    expect(waiting).not.toEqual(LISTING);
  });

  test("holds up no report", () => {
    expect(apply(REPORTING, failed("report", reached))).toMatchObject({ phase: "reporting" });
  });
});

describe("an error that nobody foresaw", () => {
  const BROKEN = meshFailure("internal_error", "The sync cannot go on: no such table", "sync");
  const crash: SyncEvent = { type: "crashed", failure: BROKEN };
  const crashes = (job: SyncJob, count: number): SyncJob =>
    Array.from({ length: count }, () => crash).reduce(apply, job);

  test.each([LISTING, COPYING, DELETING])("blocks a run at the fifth in a row: $phase", (job) => {
    expect(crashes(job, 4).phase).toBe(job.phase);
    const blocked = crashes(job, 5);
    expect(blocked).toEqual({ phase: "blocked", resume: job, failure: BROKEN });
    expect(apply(blocked, { type: "cancel" })).toMatchObject({ phase: "stopping" });
    expect(apply(crashes(job, 3), { type: "advanced" })).toEqual(job);
  });

  test("ends a run that is about to end, with its reason", () => {
    expect(crashes(REPORTING, 5)).toEqual({ phase: "failed", failure: BROKEN });
    const stopping: SyncJob = { phase: "stopping", ending: { phase: "cancelled" } };
    expect(crashes(stopping, 10)).toEqual({ phase: "failed", failure: BROKEN });
  });
});

test("retry takes up the failed keys of a run that has any, and of no other", () => {
  expect(apply({ phase: "finished_with_errors" }, { type: "retry" })).toEqual({ ...COPYING, requeue: "all" });
  expect(apply(COPYING, { type: "retry" })).toBe(COPYING);
});
