// The life of one copy: what is done in each phase, what an answer changes, and what a late answer must not
// change.
import { describe, expect, test } from "vitest";
import { apply, newJob, nextStep } from "../../../src/copy/job.ts";
import { isEnded, objectOf, uploadOf, workOf } from "../../../src/copy/phase.ts";
import type { Event } from "../../../src/copy/event.ts";
import type { Job } from "../../../src/copy/phase.ts";
import type { PartCounts, Step } from "../../../src/copy/step.ts";
import { ABORTING, ENDED, JOBS, OBJECT, OUTAGE, REFUSED, WHOLE, WORKING, failure } from "../samples.ts";

const NOW = 1_000_000;
const UPLOAD = { kind: "parts", uploadId: "up-1" } as const;
const at = (done: number, inFlight = 0, total = 3, lost = 0): PartCounts => ({ total, done, inFlight, lost });
const chance = { now: NOW, random: 0.5 };
const failed = (what = OUTAGE): Event => ({ type: "stepFailed", failure: what, ...chance });
const run = (job: Job, ...events: Event[]): Job => events.reduce(apply, job);

/** One of every event. */
const EVENTS: { readonly [K in Event["type"]]: Extract<Event, { type: K }> } = {
  isNext: { type: "isNext" },
  notYet: { type: "notYet", behind: "copy-7", recheckAtMs: NOW + 30_000 },
  recheckQueue: { type: "recheckQueue" },
  sized: { type: "sized", object: OBJECT },
  sourceArchived: {
    type: "sourceArchived",
    failure: failure("source_archived"),
    wish: { restore: "Bulk", days: 3 },
    asks: 0,
  },
  restoreSending: { type: "restoreSending" },
  restoreAsked: { type: "restoreAsked", now: NOW },
  restoreSeen: { type: "restoreSeen", state: "readable", asks: 1, now: NOW },
  conflict: { type: "conflict", failure: failure("destination_exists"), skip: false },
  headerDropped: { type: "headerDropped", header: "x-amz-tagging" },
  createSending: { type: "createSending", now: NOW },
  created: { type: "created", uploadId: "up-2" },
  swept: { type: "swept" },
  sourceSame: { type: "sourceSame" },
  partsFound: { type: "partsFound" },
  partsChecked: { type: "partsChecked" },
  sentAgain: { type: "sentAgain", proof: { ...OBJECT.proof, digests: ["crc32", "md5"] } },
  streamInstead: { type: "streamInstead" },
  completeSending: { type: "completeSending" },
  completed: { type: "completed", etag: '"new-3"' },
  partsRefused: { type: "partsRefused", failure: failure("InvalidPart", 400), ...chance },
  objectFound: { type: "objectFound", etag: '"found-3"' },
  objectAbsent: { type: "objectAbsent", uploadGone: false },
  completeRefused: { type: "completeRefused", failure: failure("TooManyRequests", 429), ...chance },
  verified: { type: "verified", etag: '"new-3"', proof: "etag" },
  aborted: { type: "aborted" },
  stepFailed: { type: "stepFailed", failure: OUTAGE, ...chance },
  crashed: { type: "crashed", failure: REFUSED, ...chance },
  advanced: { type: "advanced" },
  partFailed: { type: "partFailed", failure: REFUSED },
  cancel: { type: "cancel" },
  pause: { type: "pause" },
  resume: { type: "resume" },
};

describe("nextStep()", () => {
  const forever = { do: "rest", untilMs: null };
  const cases: [name: string, job: Job, parts: PartCounts, step: Step | { do: string; untilMs: null }][] = [
    ["sizes a new copy", newJob("fail"), at(0, 0, 0), { do: "prepare", via: "auto", restarts: 0 }],
    [
      "sizes a copy that may not be served inside",
      { ...WORKING.sizing, via: "stream", restarts: 2 },
      at(0, 0, 0),
      { do: "prepare", via: "stream", restarts: 2 },
    ],
    ["creates the upload", WORKING.creating, at(0), { do: "createUpload", object: OBJECT }],
    [
      "looks for what an unanswered Create has made before it creates another",
      WORKING.creatingSent,
      at(0),
      { do: "sweep", sinceMs: 5000 },
    ],
    ["asks whose turn it is", WORKING.queued, at(0, 0, 0), { do: "checkQueue" }],
    [
      "asks for the source before anything else when the copy has rested",
      WORKING.uploadingUnchecked,
      at(3, 0, 3, 1),
      { do: "recheckSource", object: OBJECT },
    ],
    [
      "looks for the parts of a dead lane before it wakes another",
      WORKING.uploading,
      at(1, 1, 3, 1),
      { do: "findParts", uploadId: "up-1" },
    ],
    [
      "has no list to find the part of a whole object in",
      WORKING.uploadingWhole,
      at(0, 0, 1, 1),
      { do: "tendLanes" },
    ],
    ["tends the lanes while a part is missing", WORKING.uploading, at(2, 1), { do: "tendLanes" }],
    ["tends the lanes of a whole object", WORKING.uploadingWhole, at(0, 0, 1), { do: "tendLanes" }],
    [
      "checks the parts when all are in",
      WORKING.uploading,
      at(3),
      { do: "checkParts", object: OBJECT, upload: UPLOAD },
    ],
    [
      "checks a whole object",
      WORKING.uploadingWhole,
      at(1, 0, 1),
      { do: "checkParts", object: WHOLE, upload: { kind: "whole" } },
    ],
    ["completes", WORKING.completing, at(3), { do: "complete", object: OBJECT, uploadId: "up-1" }],
    [
      "looks for the object while the outcome of Complete is unknown",
      WORKING.completingSent,
      at(3),
      { do: "findObject", object: OBJECT, uploadId: "up-1" },
    ],
    [
      "looks for the object also when the copy was cancelled meanwhile",
      WORKING.completingCancelled,
      at(3),
      { do: "findObject", object: OBJECT, uploadId: "up-1" },
    ],
    ["verifies", WORKING.verifying, at(3), { do: "verify", object: OBJECT, etag: '"abc-3"' }],
    [
      "verifies also what was to be cancelled, since it is there",
      WORKING.verifyingCancelled,
      at(3),
      { do: "verify", object: OBJECT, etag: '"abc-3"' },
    ],
    [
      "aborts only after every part in flight has settled",
      ABORTING.aborting,
      at(1, 1),
      { do: "settleParts" },
    ],
    ["aborts the upload", ABORTING.aborting, at(1), { do: "abort", uploadId: "up-1" }],
    [
      "settles the PutObject before it looks for its object",
      ABORTING.abortingWhole,
      at(0, 1, 1),
      { do: "settleParts" },
    ],
    [
      "looks for the object of a PutObject, which nothing can abort",
      ABORTING.abortingWhole,
      at(0, 0, 1),
      { do: "findObject", object: WHOLE, uploadId: null },
    ],
    [
      "looks for a stray upload before a copy ends",
      ABORTING.abortingStray,
      at(0),
      { do: "sweep", sinceMs: 5000 },
    ],
    ["rests while paused", JOBS["paused"] as Job, at(3), forever],
    ["rests while blocked", JOBS["blocked"] as Job, at(3), forever],
    ["rests when completed", ENDED.completed, at(3), forever],
    ["rests when failed", ENDED.failed, at(3, 2), forever],
    ["rests when cancelled", ENDED.cancelled, at(0), forever],
  ];
  test.each(cases)("%s", (_name, job, parts, step) => {
    expect(nextStep(job, parts, NOW)).toEqual(step);
  });

  test.each(Object.entries({ ...WORKING, ...ABORTING }))(
    "rests until the backoff of %s is over, and not a millisecond longer",
    (_name, job) => {
      const waiting = { ...job, retry: { failedAttempts: 1, notBeforeMs: NOW + 1 } } as Job;
      expect(nextStep(waiting, at(0), NOW)).toEqual({ do: "rest", untilMs: NOW + 1 });
      expect(nextStep(waiting, at(0), NOW + 1).do).not.toBe("rest");
    },
  );
});

describe("apply() takes a copy from phase to phase", () => {
  test("parts: sizing, creating, uploading, completing, verifying, completed", () => {
    const phases: string[] = [];
    let job: Job = newJob("fail");
    const { sized, createSending, created, partsChecked, completeSending, completed, verified } = EVENTS;
    for (const event of [sized, createSending, created, partsChecked, completeSending, completed, verified]) {
      job = apply(job, event);
      phases.push(job.phase);
    }
    const walk = "creating creating uploading completing completing verifying completed";
    expect(phases).toEqual(walk.split(" "));
    expect(job).toEqual({
      phase: "completed",
      object: OBJECT,
      result: { kind: "copied", etag: '"new-3"', proof: "etag" },
    });
  });

  test("a queued copy waits for its turn, then begins like any other", () => {
    const queued = newJob("queue");
    expect(queued).toEqual({ ...WORKING.queued, behind: null });
    expect(apply(queued, EVENTS.isNext)).toEqual(newJob("fail"));
  });

  test("a queued copy says behind which it waits, and looks again then", () => {
    const waiting = apply(newJob("queue"), EVENTS.notYet);
    expect(waiting).toMatchObject({ phase: "queued", behind: "copy-7" });
    expect(nextStep(waiting, at(0, 0, 0), NOW)).toEqual({ do: "rest", untilMs: NOW + 30_000 });
    expect(nextStep(waiting, at(0, 0, 0), NOW + 30_000)).toEqual({ do: "checkQueue" });
  });

  test("a queued copy that is told to look does so at once, and still knows behind which it waits", () => {
    const told = run(newJob("queue"), EVENTS.notYet, EVENTS.recheckQueue);
    expect(told).toMatchObject({ phase: "queued", behind: "copy-7" });
    expect(nextStep(told, at(0, 0, 0), NOW)).toEqual({ do: "checkQueue" });
  });

  test("a source that is still the same lets the lanes go on", () => {
    const job = apply(WORKING.uploadingUnchecked, EVENTS.sourceSame);
    expect(job).toEqual(WORKING.uploading);
    expect(nextStep(job, at(1), NOW)).toEqual({ do: "tendLanes" });
  });

  test.each(["sourceSame", "partsFound"] as const)(
    "%s starts the next step with all its attempts",
    (type) => {
      const tired = { ...WORKING.uploading, retry: { failedAttempts: 5, notBeforeMs: NOW + 1 } };
      expect(apply(tired, EVENTS[type])).toEqual(WORKING.uploading);
    },
  );

  test("a source that has been found the same is not asked for again after a refused Complete", () => {
    expect(apply(WORKING.completingSent, EVENTS.partsRefused)).toMatchObject({ source: "same" });
  });

  test("a whole object skips creating and completing", () => {
    const sized = apply(newJob("fail"), { type: "sized", object: WHOLE });
    expect(sized).toEqual(WORKING.uploadingWhole);
    const checked = apply(sized, EVENTS.partsChecked);
    expect(checked).toEqual({ ...WORKING.verifying, object: WHOLE, etag: null });
  });

  test("what Create answers is kept, and the upload is no stray any more", () => {
    expect(apply(WORKING.creatingSent, EVENTS.created)).toEqual({
      ...WORKING.uploading,
      upload: { kind: "parts", uploadId: "up-2" },
    });
  });

  test("when Create was sent is kept until its upload is known or swept", () => {
    const sent = apply(WORKING.creating, EVENTS.createSending);
    expect(sent).toEqual({ ...WORKING.creating, sentAtMs: NOW });
    expect(apply(sent, EVENTS.swept)).toEqual(WORKING.creating);
    expect(nextStep(apply(sent, failed()), at(0), NOW + 60_000)).toEqual({ do: "sweep", sinceMs: NOW });
  });

  test.each([["creating"], ["uploadingWhole"]] as const)("a header that %s lost stays lost", (phase) => {
    const after = apply(WORKING[phase], EVENTS.headerDropped);
    expect(objectOf(after)?.headers).toEqual({ "content-type": "text/plain" });
    expect(apply(after, EVENTS.headerDropped)).toEqual(after);
  });

  test("sentAgain counts, and watches by the new digests", () => {
    const after = apply(WORKING.uploading, EVENTS.sentAgain);
    expect(objectOf(after)).toEqual({ ...OBJECT, proof: EVENTS.sentAgain.proof, timesRedone: 1 });
  });

  test("streamInstead aborts what there is, then sizes again for streaming", () => {
    const aborting = apply(WORKING.uploading, EVENTS.streamInstead);
    expect(nextStep(aborting, at(0), NOW)).toEqual({ do: "abort", uploadId: "up-1" });
    expect(apply(aborting, EVENTS.aborted)).toEqual({ ...WORKING.sizing, via: "stream" });
  });

  test("every job is plain JSON, so that it can rest in storage", () => {
    for (const job of Object.values(JOBS)) {
      for (const event of Object.values(EVENTS)) {
        const after = apply(job, event);
        expect(JSON.parse(JSON.stringify(after))).toEqual(after);
      }
    }
  });
});

const countless = (job: Job) =>
  JSON.stringify(job, (name, value: unknown) =>
    ["retry", "timesRedone", "looks"].includes(name) ? undefined : value,
  );

describe("apply() changes nothing by an event that no longer fits", () => {
  const verifying = ["verifying", "verifyingCancelled"];
  const steady = ["new", "sizing", ...verifying, "completed", "skipped", "failed", "cancelled"];
  const aborting = ["aborting", "abortingWhole", "abortingStray", "abortingFailed", "abortingRestart"];
  const completing = ["completing", "completingSent", "completingCancelled"];
  const uploading = ["uploading", "uploadingUnchecked", "uploadingWhole"];
  const creating = ["creating", "creatingSent"];
  const ended = ["completed", "skipped", "failed", "cancelled"];
  const sized = [...creating, ...uploading, ...completing, ...verifying, ...aborting, ...ended];
  const misfits: Partial<Record<Event["type"], readonly string[]>> = {
    isNext: ["new", "sizing", ...sized],
    notYet: ["new", "sizing", ...sized],
    recheckQueue: ["new", "sizing", ...sized],
    sized: ["queued", ...sized],
    conflict: ["completingSent", "completingCancelled", ...verifying, ...aborting, ...ended],
    headerDropped: [...steady, ...completing, ...aborting],
    createSending: [...steady, ...uploading, ...completing, ...aborting],
    created: [
      ...steady,
      ...uploading,
      ...completing,
      "aborting",
      "abortingWhole",
      "abortingFailed",
      "abortingRestart",
    ],
    sourceSame: ["queued", ...steady, ...creating, ...completing, ...aborting],
    partsFound: ["queued", ...steady, ...creating, ...completing, ...aborting],
    swept: [...steady, ...uploading, ...completing],
    partsChecked: [...steady, ...creating, ...completing, ...aborting],
    sentAgain: [...steady, ...creating, ...completing, ...aborting],
    streamInstead: [...steady, ...completing, ...aborting],
    completeSending: [...steady, ...creating, ...uploading, ...aborting],
    completed: [...steady, ...creating, ...uploading, ...aborting],
    partsRefused: [...steady, ...creating, ...uploading, ...aborting],
    completeRefused: [...steady, ...creating, ...uploading, ...aborting],
    objectFound: [...steady, ...creating, ...uploading],
    objectAbsent: [
      ...steady,
      ...creating,
      ...uploading,
      "completing",
      "aborting",
      "abortingFailed",
      "abortingRestart",
      "abortingStray",
    ],
    verified: [...ended, "new", "sizing", ...creating, ...uploading, ...completing, ...aborting],
    aborted: [...steady, ...creating, ...uploading, ...completing],
    stepFailed: ended,
    partFailed: [...steady, ...creating, ...completing, ...aborting],
    cancel: [
      ...ended,
      "completingCancelled",
      "verifyingCancelled",
      "aborting",
      "abortingWhole",
      "abortingStray",
    ],
    pause: [...ended, ...aborting.filter((name) => name !== "abortingRestart"), "paused", "blocked"],
    resume: ["queued", "sizing", ...sized],
  };
  const rows = Object.entries(misfits).flatMap(([type, names]) => names.map((name) => [type, name] as const));
  test.each(rows)("%s in %s", (type, name) => {
    const job = JOBS[name] as Job;
    expect(apply(job, EVENTS[type as Event["type"]])).toEqual(job);
  });

  test("an ended copy stays exactly as it is, whatever comes", () => {
    for (const job of Object.values(ENDED)) {
      for (const event of Object.values(EVENTS)) expect(apply(job, event)).toBe(job);
    }
  });

  test("any answer that comes twice in a row does no more than once, but for counting a failure twice", () => {
    for (const job of Object.values(JOBS)) {
      for (const event of Object.values(EVENTS)) {
        if (event.type === "resume" || event.type === "cancel") continue; // these are asked for, not answered
        const once = apply(job, event);
        expect(countless(apply(once, event)), `${event.type} in ${job.phase}`).toBe(countless(once));
      }
    }
  });
});

describe("the questions about a job", () => {
  test("isEnded() is true of completed, failed and cancelled alone", () => {
    const names = Object.keys(JOBS).filter((name) => isEnded(JOBS[name] as Job));
    expect(names).toEqual(Object.keys(ENDED));
  });

  test("workOf() is what a waiting copy goes on with", () => {
    expect(workOf(JOBS["paused"] as Job)).toBe(WORKING.uploading);
    expect(workOf(JOBS["blocked"] as Job)).toBe(WORKING.uploading);
    expect(workOf(ENDED.failed)).toBe(ENDED.failed);
  });

  test("uploadOf() finds the upload in every phase that has one", () => {
    const names = Object.keys(JOBS).filter((name) => uploadOf(JOBS[name] as Job)?.kind === "parts");
    expect(names).toEqual([
      "restoringParts",
      "uploading",
      "uploadingUnchecked",
      "completing",
      "completingSent",
      "completingCancelled",
      "aborting",
      "abortingFailed",
      "abortingRestart",
      "paused",
      "blocked",
    ]);
    expect(uploadOf(WORKING.completing)).toEqual(UPLOAD);
    expect(uploadOf(WORKING.uploadingWhole)).toEqual({ kind: "whole" });
  });

  test("objectOf() is null only before the source is sized, and for what ended before", () => {
    const names = Object.keys(JOBS).filter((name) => objectOf(JOBS[name] as Job) === null);
    expect(names).toEqual(["new", "queued", "sizing", "restoring", "skipped"]);
  });
});
