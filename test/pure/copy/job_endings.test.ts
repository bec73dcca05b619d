// How a copy ends or waits: cancel, pause, conflicts, a Complete of unknown outcome, and the abort rules.
import { describe, expect, test } from "vitest";
import { MAX_ATTEMPTS } from "../../../src/s3/retry.ts";
import { apply, newJob, nextStep } from "../../../src/copy/job.ts";
import type { Event } from "../../../src/copy/event.ts";
import type { Job } from "../../../src/copy/phase.ts";
import type { PartCounts } from "../../../src/copy/step.ts";
import {
  ABORTING,
  DENIED,
  ENDED,
  ERROR,
  EXPIRED,
  FRESH,
  JOBS,
  OBJECT,
  OUTAGE,
  REFUSED,
  WHOLE,
  WORKING,
  failure,
  prepared,
} from "../samples.ts";

const NOW = 1_000_000;
const CANCEL: Event = { type: "cancel" };
const PAUSE: Event = { type: "pause" };
const RESUME: Event = { type: "resume" };
const ABORTED: Event = { type: "aborted" };
const SENDING: Event = { type: "completeSending" };
const settled: PartCounts = { total: 3, done: 3, inFlight: 0, lost: 0 };
const chance = { now: NOW, random: 0.5 };
const run = (job: Job, ...events: Event[]): Job => events.reduce(apply, job);
const stepFailed = (what = OUTAGE): Event => ({ type: "stepFailed", failure: what, ...chance });
const unanswered = (code = "network", status: number | null = null) =>
  stepFailed(failure(code, status, { operation: "CompleteMultipartUpload" }));
const absent = (uploadGone = false): Event => ({ type: "objectAbsent", uploadGone });
const step = (job: Job, counts = settled) => nextStep(job, counts, NOW + 3_600_000).do;

describe("cancel", () => {
  test("ends at once what has not begun", () => {
    expect(apply(newJob("fail"), CANCEL)).toEqual({ phase: "cancelled", object: null });
    expect(run(newJob("fail"), PAUSE, CANCEL)).toEqual({ phase: "cancelled", object: null });
  });

  test("before Create was sent leaves nothing to abort, only to look for", () => {
    const job = apply(WORKING.creating, CANCEL);
    expect(step(job)).toBe("findObject");
    expect(apply(job, absent())).toEqual({ phase: "cancelled", object: OBJECT });
  });

  test("while Create is under way aborts the upload that it makes", () => {
    const job = run(WORKING.creatingSent, CANCEL, { type: "created", uploadId: "late" });
    expect(nextStep(job, settled, NOW)).toEqual({ do: "abort", uploadId: "late" });
    expect(apply(job, ABORTED)).toEqual({ phase: "cancelled", object: OBJECT });
  });

  test("while Create is not answered looks for its upload first", () => {
    const job = apply(WORKING.creatingSent, CANCEL);
    expect(nextStep(job, settled, NOW)).toEqual({ do: "sweep", sinceMs: 5000 });
    expect(step(apply(job, { type: "swept" }))).toBe("findObject");
  });

  test.each(["uploading", "completing"] as const)("while %s settles the parts, then aborts", (phase) => {
    const job = apply(WORKING[phase], CANCEL);
    expect(step(job, { total: 3, done: 2, inFlight: 1, lost: 0 })).toBe("settleParts");
    expect(step(job)).toBe("abort");
    expect(apply(job, ABORTED)).toEqual({ phase: "cancelled", object: OBJECT });
  });

  test("of a PutObject finds out whether its object is there", () => {
    const job = apply(WORKING.uploadingWhole, CANCEL);
    expect(step(job)).toBe("findObject");
    expect(apply(job, absent())).toEqual({ phase: "cancelled", object: WHOLE });
    expect(apply(job, { type: "objectFound", etag: '"e"' })).toMatchObject({
      phase: "verifying",
      etag: '"e"',
    });
  });

  test("while Complete is under way waits for its outcome: found, the copy is completed", () => {
    const job = apply(WORKING.completingSent, CANCEL);
    expect(step(job)).toBe("findObject");
    expect(apply(job, { type: "completed", etag: null })).toMatchObject({ phase: "verifying" });
    expect(apply(job, { type: "objectFound", etag: '"e"' })).toMatchObject({ phase: "verifying" });
  });

  test("while Complete is under way waits for its outcome: not there, the copy is cancelled", () => {
    const job = run(WORKING.completingSent, CANCEL, absent());
    expect(job).toMatchObject({ phase: "aborting", ending: { phase: "cancelled" } });
  });

  test.each([
    ["TooManyRequests", 429],
    ["ConditionalRequestConflict", 409],
    ["AccessDenied", 403],
    ["ExpiredToken", 400],
  ])("while Complete is under way, which %s refuses: not sent again", (code, status) => {
    const refusal: Event = { type: "completeRefused", failure: failure(code, status), ...chance };
    expect(run(WORKING.completingSent, CANCEL, refusal)).toMatchObject({
      phase: "aborting",
      ending: { phase: "cancelled" },
    });
  });

  test("while Complete is refused for its parts sends no part again", () => {
    const refusal: Event = { type: "partsRefused", failure: failure("InvalidPart", 400), ...chance };
    expect(run(WORKING.completingSent, CANCEL, refusal)).toMatchObject({
      phase: "aborting",
      ending: { phase: "cancelled" },
    });
  });

  test("while verifying lets the copy complete: the object is there", () => {
    const verified: Event = { type: "verified", etag: '"abc-3"', proof: "part-md5" };
    expect(apply(WORKING.verifying, CANCEL)).toEqual(WORKING.verifyingCancelled);
    expect(run(WORKING.verifying, PAUSE, CANCEL)).toEqual(WORKING.verifyingCancelled);
    expect(run(WORKING.verifying, CANCEL, verified)).toEqual(ENDED.completed);
  });

  test.each([
    ["expired credentials", [stepFailed(EXPIRED)]],
    ["a missing permission", [stepFailed(DENIED)]],
    ["an outage of a second", Array<Event>(3).fill(stepFailed(OUTAGE))],
  ])(
    "while verifying ends the copy when %s would keep a person waiting, and says what is there",
    (_, events) => {
      const job = run(WORKING.verifyingCancelled, ...events);
      expect(job).toMatchObject({
        phase: "failed",
        object: OBJECT,
        failure: {
          message: expect.stringMatching(/^The object is at the destination, complete but not verified: /),
        },
      });
    },
  );

  test("of a copy blocked in verifying ends it once the store still says no", () => {
    const blocked = apply(WORKING.verifying, stepFailed(EXPIRED));
    expect(blocked.phase).toBe("blocked");
    const cancelled = apply(blocked, CANCEL);
    expect(step(cancelled)).toBe("verify");
    expect(apply(cancelled, stepFailed(EXPIRED)).phase).toBe("failed");
  });

  test("that came while Complete was under way is remembered in verifying", () => {
    const found: Event = { type: "objectFound", etag: '"e"' };
    for (const event of [found, { type: "completed", etag: '"e"' } as const]) {
      expect(run(WORKING.completingSent, CANCEL, event)).toMatchObject({
        phase: "verifying",
        wish: "cancel",
      });
    }
  });

  test("of a PutObject whose object turned out to be there waits for no more than its verification", () => {
    const found: Event = { type: "objectFound", etag: '"e"' };
    const job = run(WORKING.uploadingWhole, CANCEL, found);
    expect(job).toMatchObject({ phase: "verifying", wish: "cancel" });
    // Also where it was cancelled after it had failed: no person is asked any more.
    const failed = apply(ABORTING.abortingFailed, CANCEL);
    expect(run(failed, found, stepFailed(DENIED))).toMatchObject({ phase: "failed" });
    expect(run(ABORTING.abortingFailed, found)).toMatchObject({ phase: "verifying", wish: "finish" });
  });

  test("while Complete is under way is asked for only once, and starts with all its attempts", () => {
    const tired = { ...WORKING.completingSent, retry: { failedAttempts: 7, notBeforeMs: NOW + 1e6 } };
    const once = apply(tired, CANCEL);
    expect(once).toEqual(WORKING.completingCancelled);
    expect(apply(once, CANCEL)).toBe(once);
  });

  test("of a queued copy ends it: it has begun nothing", () => {
    expect(apply(WORKING.queued, CANCEL)).toEqual({ phase: "cancelled", object: null });
  });

  test("of a copy about to begin again ends it instead", () => {
    const restarting = apply(WORKING.uploading, stepFailed(failure("NoSuchUpload", 404)));
    expect(run(restarting, CANCEL, ABORTED)).toEqual({ phase: "cancelled", object: OBJECT });
  });

  test("of a failing copy leaves its failure", () => {
    const failed = apply(ABORTING.abortingFailed, CANCEL);
    expect(failed).toMatchObject(ABORTING.abortingFailed);
    expect(apply(failed, CANCEL)).toBe(failed);
  });

  test.each(["paused", "blocked"] as const)("of a %s copy ends it", (name) => {
    const job = apply(JOBS[name] as Job, CANCEL);
    expect(job).toMatchObject({ phase: "aborting", ending: { phase: "cancelled" } });
  });

  test("of a paused or blocked Complete of unknown outcome looks for the object", () => {
    for (const waiting of [
      { phase: "paused", resume: WORKING.completingSent } as const,
      { phase: "blocked", resume: WORKING.completingSent, failure: OUTAGE } as const,
    ]) {
      expect(step(apply(waiting, CANCEL))).toBe("findObject");
    }
  });
});

describe("pause and resume", () => {
  test.each(Object.entries(WORKING))("%s goes on where it was", (_name, job) => {
    const paused = apply(job, PAUSE);
    expect(paused).toEqual({ phase: "paused", resume: job });
    expect(step(paused)).toBe("rest");
    expect(apply(paused, RESUME)).toEqual(job.phase === "uploading" ? { ...job, source: "unchecked" } : job);
  });

  test("resume forgets the backoff and the failed attempts", () => {
    const tired = { ...WORKING.uploading, retry: { failedAttempts: 7, notBeforeMs: NOW + 1e6 } };
    expect(run(tired, PAUSE, RESUME)).toEqual(WORKING.uploadingUnchecked);
  });

  test("a turn that comes while the copy is paused is not lost", () => {
    const job = run(WORKING.queued, PAUSE, { type: "isNext" });
    expect(job).toEqual({ phase: "paused", resume: newJob("fail") });
    expect(step(apply(job, RESUME))).toBe("prepare");
  });

  test("an answer that was under way still counts", () => {
    const paused = apply(WORKING.creatingSent, PAUSE);
    expect(apply(paused, { type: "created", uploadId: "up-1" })).toEqual(JOBS["paused"]);
    const completing = apply(WORKING.completingSent, PAUSE);
    expect(apply(completing, { type: "completed", etag: '"e"' })).toMatchObject({
      phase: "paused",
      resume: { phase: "verifying", etag: '"e"' },
    });
  });

  test("a part that fails for good ends the paused copy", () => {
    const job = apply(JOBS["paused"] as Job, { type: "partFailed", failure: REFUSED });
    expect(job).toMatchObject({ phase: "aborting", ending: { phase: "failed", failure: REFUSED } });
  });

  test("a part without credentials turns paused into blocked", () => {
    const job = apply(JOBS["paused"] as Job, { type: "partFailed", failure: EXPIRED });
    expect(job).toEqual({ phase: "blocked", resume: WORKING.uploading, failure: EXPIRED });
  });

  test("a second part without credentials leaves the copy blocked with the same work", () => {
    const job = apply(JOBS["blocked"] as Job, { type: "partFailed", failure: EXPIRED });
    expect(job).toEqual(JOBS["blocked"]);
  });

  test("a retryable failure of the last step leaves the copy paused", () => {
    const job = run(WORKING.creating, PAUSE, stepFailed());
    expect(job).toMatchObject({
      phase: "paused",
      resume: { phase: "creating", retry: { failedAttempts: 1 } },
    });
  });
});

describe("conflict: the destination has an object of that name", () => {
  const exists = failure("destination_exists");
  const conflict = (skip: boolean): Event => ({ type: "conflict", failure: exists, skip });

  test("found before anything is created ends the copy at once", () => {
    expect(apply(newJob("fail"), conflict(true))).toEqual(ENDED.skipped);
    expect(apply(newJob("fail"), conflict(false))).toEqual({
      phase: "failed",
      failure: exists,
      object: null,
    });
  });

  test("found before Complete aborts the upload first", () => {
    const skipped = apply(WORKING.completing, conflict(true));
    expect(step(skipped)).toBe("abort");
    expect(apply(skipped, ABORTED)).toEqual({
      phase: "completed",
      object: OBJECT,
      result: { kind: "skipped" },
    });
    const failed = run(WORKING.completing, conflict(false), ABORTED);
    expect(failed).toEqual({ phase: "failed", failure: exists, object: OBJECT });
  });

  test("found by PutObject looks first whether it is our own object", () => {
    const job = apply(WORKING.uploadingWhole, conflict(false));
    expect(step(job)).toBe("findObject");
    expect(apply(job, { type: "objectFound", etag: '"e"' })).toMatchObject({ phase: "verifying" });
  });

  test.each([
    ["skip", { phase: "skipped" }],
    ["fail", { phase: "failed" }],
  ] as const)("found by a conditional Complete with ifExists %s", (ifExists, ending) => {
    const sent = { ...WORKING.completingSent, object: prepared({ ifExists }) };
    const job = run(sent, unanswered("PreconditionFailed", 412));
    expect(step(job)).toBe("findObject");
    expect(apply(job, absent())).toMatchObject({ phase: "aborting", ending });
  });
});

describe("a Complete of unknown outcome", () => {
  test("is never aborted and never sent again before the object was looked for", () => {
    let job: Job = apply(WORKING.completing, SENDING);
    for (let attempt = 1; attempt < 2 * MAX_ATTEMPTS; attempt++) {
      expect(step(job)).toBe("findObject");
      job = apply(job, attempt === 1 ? unanswered() : stepFailed());
    }
    expect(step(job)).toBe("findObject");
  });

  test("is no less unknown by what would be fatal elsewhere", () => {
    const job = run(WORKING.completingSent, stepFailed(REFUSED), stepFailed(ERROR));
    expect(job).toMatchObject({ phase: "completing", call: { sent: true } });
  });

  test.each([EXPIRED, DENIED])("that may not be looked for ($code) asks a person at once", (what) => {
    const job = apply(WORKING.completingSent, stepFailed(what));
    expect(job).toMatchObject({ phase: "blocked", resume: { call: { sent: true } }, failure: what });
    expect(apply(job, RESUME)).toEqual(WORKING.completingSent);
  });

  test("that may not be looked for is not aborted by cancel: a person is asked again", () => {
    const blocked = run(WORKING.completingSent, CANCEL, stepFailed(DENIED));
    expect(blocked).toMatchObject({ phase: "blocked", resume: { wish: "cancel", call: { sent: true } } });
    expect(step(apply(blocked, CANCEL))).toBe("findObject");
    expect(run(blocked, CANCEL, stepFailed(DENIED)).phase).toBe("blocked");
  });

  test("that cannot be looked for asks a person in the end, who can let it look on", () => {
    let job: Job = WORKING.completingSent;
    for (let attempt = 1; attempt < 2 * MAX_ATTEMPTS; attempt++) job = apply(job, stepFailed(ERROR));
    expect(job.phase).toBe("completing");
    job = apply(job, stepFailed(ERROR));
    expect(job).toMatchObject({ phase: "blocked", failure: ERROR });
    expect(apply(job, RESUME)).toEqual(WORKING.completingSent);
  });

  test("found, goes on to verify what was found", () => {
    expect(apply(WORKING.completingSent, { type: "objectFound", etag: '"e"' })).toEqual({
      phase: "verifying",
      object: OBJECT,
      etag: '"e"',
      wish: "finish",
      retry: FRESH,
    });
  });

  test("absent with the upload still there is sent again, without forgetting the attempts", () => {
    const job = run(WORKING.completingSent, unanswered("SlowDown", 503), absent());
    expect(job).toMatchObject({ phase: "completing", call: { sent: false }, retry: { failedAttempts: 1 } });
    expect(step(job)).toBe("complete");
  });

  test("absent with the upload gone fails by what Complete answered", () => {
    const job = run(WORKING.completingSent, unanswered("InternalError", 500), absent(true));
    expect(job).toMatchObject({ phase: "aborting", ending: { failure: { code: "InternalError" } } });
  });

  test("absent with the upload gone and no answer at all says so", () => {
    const job = apply(WORKING.completingSent, absent(true));
    expect(job).toMatchObject({
      ending: {
        phase: "failed",
        failure: { side: "destination", code: "network", operation: "CompleteMultipartUpload" },
      },
    });
  });

  test("absent, after Complete itself said NoSuchUpload, fails", () => {
    const job = run(WORKING.completingSent, unanswered("NoSuchUpload", 404), absent());
    expect(job).toMatchObject({ phase: "aborting", ending: { failure: { code: "NoSuchUpload" } } });
  });

  test("is sent at most as often as any other step", () => {
    let job: Job = WORKING.completing;
    let sent = 0;
    while (job.phase === "completing" && sent < 100) {
      sent += 1;
      job = run(job, SENDING, unanswered("InternalError", 500), absent());
    }
    expect(sent).toBe(MAX_ATTEMPTS);
    // It is known to be absent, so that a person may have it asked for once more.
    expect(job).toMatchObject({ phase: "blocked", resume: { phase: "completing", call: { sent: false } } });
  });

  test("a failure to look for it does not replace what Complete answered", () => {
    const job = run(WORKING.completingSent, unanswered("InternalError", 500), stepFailed(), absent(true));
    expect(job).toMatchObject({ ending: { failure: { code: "InternalError" } } });
  });
});

const refused = (code: string, status: number): Event => ({
  type: "completeRefused",
  failure: failure(code, status, { operation: "CompleteMultipartUpload" }),
  ...chance,
});

describe("a Complete that is refused", () => {
  test("for a while is sent again after a pause, without looking for an object", () => {
    const job = apply(WORKING.completingSent, refused("OperationAborted", 409));
    expect(nextStep(job, settled, NOW)).toMatchObject({ do: "rest" });
    expect(step(job)).toBe("complete");
  });

  test("for good ends the copy", () => {
    const job = apply(WORKING.completingSent, refused("MalformedXML", 400));
    expect(job).toMatchObject({ phase: "aborting", ending: { phase: "failed" } });
  });

  test("for expired credentials blocks, and is sent again after them", () => {
    const job = apply(WORKING.completingSent, refused("ExpiredToken", 400));
    expect(job).toMatchObject({ phase: "blocked" });
    expect(step(apply(job, RESUME))).toBe("complete");
  });

  test("for its parts goes back to uploading after a pause, and fails when that goes on", () => {
    let job: Job = WORKING.completingSent;
    let rounds = 0;
    while (job.phase === "completing") {
      rounds += 1;
      job = apply(job, { type: "partsRefused", failure: failure("InvalidPart", 400), ...chance });
      if (job.phase === "uploading") {
        expect(nextStep(job, settled, NOW).do).toBe("rest");
        job = run(job, { type: "partsChecked" }, SENDING);
      }
    }
    expect(rounds).toBe(MAX_ATTEMPTS);
    expect(job).toMatchObject({ phase: "aborting", ending: { failure: { code: "InvalidPart" } } });
  });
});

describe("aborting", () => {
  test("is not ended by the news that there is no object: the upload still is", () => {
    expect(apply(ABORTING.aborting, absent())).toEqual(ABORTING.aborting);
    expect(apply(ABORTING.abortingStray, absent())).toEqual(ABORTING.abortingStray);
  });

  test.each([
    [{ phase: "cancelled" }, "cancelled"],
    [{ phase: "failed", failure: REFUSED }, "failed"],
    [{ phase: "skipped" }, "completed"],
    [{ phase: "restart", via: "stream", restarts: 1, start: "now" }, "sizing"],
  ] as const)("comes to its ending %o", (ending, phase) => {
    expect(apply({ ...ABORTING.aborting, ending }, ABORTED).phase).toBe(phase);
  });
});

describe("credentials", () => {
  test("expired at a part block the copy, which goes on with the parts that it has", () => {
    const job = apply(WORKING.uploading, { type: "partFailed", failure: EXPIRED });
    expect(job).toEqual({ phase: "blocked", resume: WORKING.uploading, failure: EXPIRED });
    expect(apply(job, RESUME)).toEqual(WORKING.uploadingUnchecked);
  });

  test("an archived source blocks the copy until it is restored", () => {
    const archived = failure("source_archived", null, { side: "mesh" });
    const job = apply(newJob("fail"), stepFailed(archived));
    expect(job).toMatchObject({ phase: "blocked", resume: { phase: "sizing" } });
  });
});
