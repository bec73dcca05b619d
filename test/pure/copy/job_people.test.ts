// What cancel, pause and resume do to a copy in each of its phases, and what the copy does next: one table.
import { describe, expect, test } from "vitest";
import { apply, nextStep } from "../../../src/copy/job.ts";
import { isEnded, workOf } from "../../../src/copy/phase.ts";
import type { Event } from "../../../src/copy/event.ts";
import type { Job, Working } from "../../../src/copy/phase.ts";
import type { PartCounts, Step } from "../../../src/copy/step.ts";
import { ENDED, ERROR, EXPIRED, JOBS, OUTAGE, WORKING } from "../samples.ts";

const NOW = 1_000_000;
const LATER = NOW + 3_600_000;
/** All parts are in, none is under way. */
const settled: PartCounts = { total: 3, done: 3, inFlight: 0, lost: 0 };
const flying: PartCounts = { total: 3, done: 1, inFlight: 2, lost: 0 };
const stepOf = (job: Job, counts = settled): Step["do"] => nextStep(job, counts, LATER).do;
const run = (job: Job, ...events: Event[]): Job => events.reduce(apply, job);
const CANCEL: Event = { type: "cancel" };
const PAUSE: Event = { type: "pause" };
const RESUME: Event = { type: "resume" };

const blocked = (resume: Working): Job => ({
  phase: "blocked",
  resume,
  failure: EXPIRED,
});
const paused = (resume: Working): Job => ({ phase: "paused", resume });

type Row = readonly [name: string, job: Job, phase: Job["phase"], step: Step["do"]];

const afterCancel: readonly Row[] = [
  ["a queued copy", WORKING.queued, "cancelled", "rest"],
  ["a new copy", JOBS["new"] as Job, "cancelled", "rest"],
  ["a copy that sizes", WORKING.sizing, "cancelled", "rest"],
  ["a copy before its Create", WORKING.creating, "aborting", "findObject"],
  ["a copy after its Create was sent", WORKING.creatingSent, "aborting", "sweep"],
  ["a copy that uploads", WORKING.uploading, "aborting", "abort"],
  ["a copy whose source is unchecked", WORKING.uploadingUnchecked, "aborting", "abort"],
  ["a PutObject", WORKING.uploadingWhole, "aborting", "findObject"],
  ["a copy before its Complete", WORKING.completing, "aborting", "abort"],
  ["a copy after its Complete was sent", WORKING.completingSent, "completing", "findObject"],
  ["a copy that was cancelled in its Complete", WORKING.completingCancelled, "completing", "findObject"],
  ["a copy that verifies", WORKING.verifying, "verifying", "verify"],
  ["a copy that was cancelled while it verified", WORKING.verifyingCancelled, "verifying", "verify"],
  ["a copy that aborts", JOBS["aborting"] as Job, "aborting", "abort"],
  ["a PutObject that ends", JOBS["abortingWhole"] as Job, "aborting", "findObject"],
  ["a copy that looks for a stray upload", JOBS["abortingStray"] as Job, "aborting", "sweep"],
  ["a copy that fails", JOBS["abortingFailed"] as Job, "aborting", "abort"],
  ["a copy that is about to begin again", JOBS["abortingRestart"] as Job, "aborting", "abort"],
  ["a completed copy", ENDED.completed, "completed", "rest"],
  ["a skipped copy", ENDED.skipped, "completed", "rest"],
  ["a failed copy", ENDED.failed, "failed", "rest"],
  ["a cancelled copy", ENDED.cancelled, "cancelled", "rest"],
];

describe("cancel", () => {
  test.each(afterCancel)("of %s", (_name, job, phase, step) => {
    const cancelled = apply(job, CANCEL);
    expect([cancelled.phase, stepOf(cancelled)]).toEqual([phase, step]);
  });

  const waiting = afterCancel.flatMap(([name, job, phase, step]) => {
    if (job.phase === "paused" || job.phase === "blocked" || job.phase === "aborting" || isEnded(job))
      return [];
    return [
      ["paused", name, paused(job), phase, step] as const,
      ["blocked", name, blocked(job), phase, step] as const,
    ];
  });
  test.each(waiting)("of a %s copy does what it does to %s", (_how, _name, job, phase, step) => {
    const cancelled = apply(job, CANCEL);
    expect([cancelled.phase, stepOf(cancelled)]).toEqual([phase, step]);
  });

  test.each(Object.entries(JOBS))("of a copy in %s that comes twice does no more than once", (_name, job) => {
    const once = apply(job, CANCEL);
    expect(apply(once, CANCEL)).toBe(once);
  });

  test.each(Object.entries(JOBS))("of a copy in %s is not undone by pause and resume", (_name, job) => {
    const cancelled = apply(job, CANCEL);
    const back = run(cancelled, PAUSE, RESUME);
    expect(back).toEqual(cancelled);
  });

  test.each(Object.entries(JOBS))(
    "of a copy in %s aborts nothing while a part is under way",
    (_name, job) => {
      const step = stepOf(apply(job, CANCEL), flying);
      expect(step).not.toBe("abort");
      expect(step).not.toBe("sweep");
    },
  );

  test.each(Object.entries(WORKING))("of a copy in %s leaves nothing that starts new work", (_name, job) => {
    const step = stepOf(apply(job, CANCEL));
    expect(["rest", "findObject", "sweep", "abort", "verify"]).toContain(step);
  });

  test.each(Object.entries(JOBS))(
    "of a copy in %s ends it, whatever the store fails with from then on",
    (_name, job) => {
      let cancelled = apply(job, CANCEL);
      for (let attempt = 0; attempt < 100 && !isEnded(cancelled); attempt++) {
        cancelled = apply(cancelled, { type: "stepFailed", failure: OUTAGE, now: NOW, random: 0.5 });
        if (cancelled.phase === "blocked") break;
      }
      // But for a Complete whose outcome nobody can find out: the object may be there.
      const unknown = workOf(job).phase === "completing" && JSON.stringify(job).includes('"sent":true');
      expect(isEnded(cancelled) ? "ended" : cancelled.phase).toBe(unknown ? "blocked" : "ended");
    },
  );
});

describe("pause", () => {
  test.each(Object.entries(WORKING))("of a copy in %s stops it, with its work kept", (_name, job) => {
    const stopped = apply(job, PAUSE);
    expect(stopped).toEqual({ phase: "paused", resume: job });
    expect(stepOf(stopped)).toBe("rest");
    expect(stepOf(stopped, flying)).toBe("rest");
    expect(nextStep(stopped, settled, Number.MAX_SAFE_INTEGER)).toEqual({ do: "rest", untilMs: null });
    expect(apply(stopped, PAUSE)).toBe(stopped);
  });

  const deaf = ["paused", "blocked", "aborting", "abortingWhole", "abortingStray", "abortingFailed"];
  test.each([...deaf, ...Object.keys(ENDED)])("of a copy in %s changes nothing", (name) => {
    const job = JOBS[name] as Job;
    expect(apply(job, PAUSE)).toBe(job);
  });
});

test("a copy that is paused before it begins again begins when it is resumed", () => {
  const restarting = JOBS["abortingRestart"] as Job;
  const stopped = run(restarting, PAUSE, { type: "aborted" });
  expect(stopped).toMatchObject({ phase: "paused", resume: { phase: "sizing" } });
  expect(apply(stopped, RESUME).phase).toBe("sizing");
  expect(run(restarting, PAUSE, RESUME, { type: "aborted" }).phase).toBe("sizing");
});

describe("resume", () => {
  const afterResume: readonly (readonly [string, keyof typeof WORKING, Step["do"]])[] = [
    ["asks again whose turn it is", "queued", "checkQueue"],
    ["sizes the source", "sizing", "prepare"],
    ["creates the upload", "creating", "createUpload"],
    ["looks for what an unanswered Create has made", "creatingSent", "sweep"],
    ["asks for the source before any part", "uploading", "recheckSource"],
    ["asks for the source before any part", "uploadingUnchecked", "recheckSource"],
    ["asks for the source before it sends the object", "uploadingWhole", "recheckSource"],
    ["completes", "completing", "complete"],
    ["looks for the object", "completingSent", "findObject"],
    ["looks for the object, still to be cancelled", "completingCancelled", "findObject"],
    ["verifies", "verifying", "verify"],
    ["verifies, still to be cancelled", "verifyingCancelled", "verify"],
  ];
  const rows = afterResume.flatMap(([what, name, step]) => [
    [`a paused copy in ${name} ${what}`, name, paused(WORKING[name]), step] as const,
    [`a blocked copy in ${name} ${what}`, name, blocked(WORKING[name]), step] as const,
  ]);
  test.each(rows)("%s", (_title, name, job, step) => {
    const resumed = apply(job, RESUME);
    expect(resumed).toMatchObject({
      phase: WORKING[name].phase,
      retry: { failedAttempts: 0, notBeforeMs: 0 },
    });
    expect(stepOf(resumed)).toBe(step);
    expect(apply(resumed, RESUME)).toBe(resumed);
  });

  test("forgets how often the step had failed, and when it was to be tried again", () => {
    const tired = { ...WORKING.creating, retry: { failedAttempts: 7, notBeforeMs: LATER } };
    for (const job of [paused(tired as typeof WORKING.creating), blocked(tired as typeof WORKING.creating)]) {
      expect(apply(job, RESUME)).toEqual(WORKING.creating);
    }
  });

  const running = Object.keys(JOBS).filter((name) => name !== "paused" && name !== "blocked");
  test.each(running)("of a copy in %s, which does not wait for it, changes nothing", (name) => {
    const job = JOBS[name] as Job;
    expect(apply(job, RESUME)).toBe(job);
  });

  test("of a blocked copy that fails again blocks it again, as often as it is asked for", () => {
    let job: Job = blocked(WORKING.uploading);
    for (let round = 0; round < 20; round++) {
      job = run(job, RESUME, { type: "sourceSame" }, { type: "partFailed", failure: EXPIRED });
      expect(job).toEqual(blocked(WORKING.uploading));
    }
  });

  test("of a copy that a person had paused gives its step all attempts again", () => {
    let job: Job = WORKING.creating;
    for (let round = 0; round < 20; round++) {
      job = run(job, { type: "stepFailed", failure: ERROR, now: NOW, random: 0.5 }, PAUSE, RESUME);
    }
    expect(job).toEqual(WORKING.creating);
  });
});
