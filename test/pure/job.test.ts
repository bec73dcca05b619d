// The life of one copy: what is done in each phase, what an answer changes, and what a late answer must not change.
import { describe, expect, test } from "vitest";
import { MAX_ATTEMPTS } from "../../src/failure.ts";
import { apply, isEnded, newJob, nextStep, objectOf, uploadOf, workOf } from "../../src/job.ts";
import type { Event, Job, PartCounts, Step } from "../../src/phase.ts";
import {
  ABORTING,
  ENDED,
  EXPIRED,
  JOBS,
  OBJECT,
  OUTAGE,
  REFUSED,
  WHOLE,
  WORKING,
  failure,
  prepared,
} from "./samples.ts";

const NOW = 1_000_000;
const UPLOAD = { kind: "parts", uploadId: "up-1" } as const;
const at = (done: number, inFlight = 0, total = 3): PartCounts => ({ total, done, inFlight });
const chance = { now: NOW, random: 0.5 };
const failed = (what = OUTAGE): Event => ({ type: "stepFailed", failure: what, ...chance });
const run = (job: Job, ...events: Event[]): Job => events.reduce(apply, job);

/** One of every event. */
const EVENTS: { readonly [K in Event["type"]]: Extract<Event, { type: K }> } = {
  sized: { type: "sized", object: OBJECT },
  conflict: { type: "conflict", failure: failure("destination_exists"), skip: false },
  headerDropped: { type: "headerDropped", header: "x-amz-tagging" },
  createSending: { type: "createSending", now: NOW },
  created: { type: "created", uploadId: "up-2" },
  swept: { type: "swept" },
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
  partFailed: { type: "partFailed", failure: REFUSED },
  cancel: { type: "cancel" },
  pause: { type: "pause" },
  resume: { type: "resume" },
};

describe("nextStep()", () => {
  const forever = { do: "rest", untilMs: null };
  const cases: [name: string, job: Job, parts: PartCounts, step: Step | { do: string; untilMs: null }][] = [
    ["sizes a new copy", newJob(), at(0, 0, 0), { do: "prepare", via: "auto", restarts: 0 }],
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
    let job: Job = newJob();
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

  test("a whole object skips creating and completing", () => {
    const sized = apply(newJob(), { type: "sized", object: WHOLE });
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
    name === "retry" || name === "timesRedone" ? undefined : value,
  );

describe("apply() changes nothing by an event that no longer fits", () => {
  const steady = ["new", "sizing", "verifying", "completed", "skipped", "failed", "cancelled"];
  const aborting = ["aborting", "abortingWhole", "abortingStray", "abortingFailed"];
  const completing = ["completing", "completingSent", "completingCancelled"];
  const uploading = ["uploading", "uploadingWhole"];
  const creating = ["creating", "creatingSent"];
  const ended = ["completed", "skipped", "failed", "cancelled"];
  const misfits: Partial<Record<Event["type"], readonly string[]>> = {
    sized: [...creating, ...uploading, ...completing, ...aborting, ...ended, "verifying"],
    conflict: ["completingSent", "completingCancelled", "verifying", ...aborting, ...ended],
    headerDropped: [...steady, ...completing, ...aborting],
    createSending: [...steady, ...uploading, ...completing, ...aborting],
    created: [...steady, ...uploading, ...completing, "aborting", "abortingWhole", "abortingFailed"],
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
      "abortingStray",
    ],
    verified: [...ended, "new", "sizing", ...creating, ...uploading, ...completing, ...aborting],
    aborted: [...steady, ...creating, ...uploading, ...completing],
    stepFailed: ended,
    partFailed: [...steady, ...creating, ...completing, ...aborting],
    cancel: [...ended, "verifying", ...aborting],
    pause: [...ended, ...aborting, "paused", "blocked"],
    resume: [...ended, ...aborting, ...creating, ...uploading, ...completing, "sizing", "verifying"],
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

describe("apply(stepFailed)", () => {
  test.each(["sizing", "creating", "uploading", "completing", "verifying"] as const)(
    "in %s tries again after a pause, and fails after the last attempt",
    (phase) => {
      let job: Job = WORKING[phase];
      for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt++) {
        job = apply(job, failed());
        expect(job).toMatchObject({ phase, retry: { failedAttempts: attempt } });
        expect(nextStep(job, at(3), NOW)).toMatchObject({ do: "rest" });
      }
      const last = apply(job, failed());
      const begun = phase !== "sizing" && phase !== "verifying";
      expect(last).toMatchObject(
        begun
          ? { phase: "aborting", ending: { phase: "failed", failure: OUTAGE } }
          : { phase: "failed", failure: OUTAGE },
      );
    },
  );

  test.each(["sizing", "creating", "uploading", "completing", "verifying"] as const)(
    "in %s ends at once by what no retry can cure",
    (phase) => {
      const job = apply(WORKING[phase], failed(REFUSED));
      expect(job.phase).toBe(phase === "sizing" || phase === "verifying" ? "failed" : "aborting");
    },
  );

  test.each(["sizing", "creating", "uploading", "completing", "verifying"] as const)(
    "in %s blocks by expired credentials and goes on there when resumed",
    (phase) => {
      const job = apply(WORKING[phase], failed(EXPIRED));
      expect(job).toEqual({ phase: "blocked", resume: WORKING[phase], failure: EXPIRED });
      expect(apply(job, EVENTS.resume)).toEqual(WORKING[phase]);
    },
  );

  test("a new phase starts with all its attempts", () => {
    const tired = { ...WORKING.creating, retry: { failedAttempts: 7, notBeforeMs: 5 } };
    expect(apply(tired, EVENTS.created)).toMatchObject({ phase: "uploading", retry: { failedAttempts: 0 } });
  });

  test("the backoff is a floor of Retry-After and a ceiling of the jitter", () => {
    const throttled = failure("SlowDown", 503, { retryAfterMs: 7000 });
    const job = apply(WORKING.creating, { type: "stepFailed", failure: throttled, now: NOW, random: 0 });
    expect(job).toMatchObject({ retry: { failedAttempts: 1, notBeforeMs: NOW + 7000 } });
  });
});

describe("apply() begins again", () => {
  const lost = failure("NoSuchUpload", 404);
  const changed = failure("source_changed", 412);

  test("when the store has lost the upload", () => {
    const job = run(WORKING.uploading, failed(lost), EVENTS.aborted);
    expect(job).toEqual({ ...WORKING.sizing, restarts: 1 });
  });

  test("a lost upload that a part has met begins again as well", () => {
    const job = apply(WORKING.uploading, { type: "partFailed", failure: lost });
    expect(job).toMatchObject({ phase: "aborting", ending: { phase: "restart", via: "auto", restarts: 1 } });
  });

  test("by option when the source has changed, else the copy fails", () => {
    const event: Event = { type: "partFailed", failure: changed };
    expect(apply(WORKING.uploading, event)).toMatchObject({ ending: { phase: "failed", failure: changed } });
    const object = prepared({ ifSourceChanges: "restart" });
    expect(apply({ ...WORKING.uploading, object }, event)).toMatchObject({ ending: { phase: "restart" } });
  });

  test("at most three times", () => {
    const endings = [0, 1, 2, 3].map((restarts) => {
      const job = apply({ ...WORKING.uploading, object: prepared({ restarts }) }, failed(lost));
      return job.phase === "aborting" ? job.ending : null;
    });
    expect(endings).toEqual([
      { phase: "restart", via: "auto", restarts: 1 },
      { phase: "restart", via: "auto", restarts: 2 },
      { phase: "restart", via: "auto", restarts: 3 },
      { phase: "failed", failure: lost },
    ]);
  });

  test("streaming instead does not count as a new beginning", () => {
    const job = apply({ ...WORKING.uploading, object: prepared({ restarts: 2 }) }, EVENTS.streamInstead);
    expect(job).toMatchObject({ ending: { phase: "restart", via: "stream", restarts: 2 } });
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
      "uploading",
      "completing",
      "completingSent",
      "completingCancelled",
      "aborting",
      "abortingFailed",
      "paused",
      "blocked",
    ]);
    expect(uploadOf(WORKING.completing)).toEqual(UPLOAD);
    expect(uploadOf(WORKING.uploadingWhole)).toEqual({ kind: "whole" });
  });

  test("objectOf() is null only before the source is sized, and for what ended before", () => {
    const names = Object.keys(JOBS).filter((name) => objectOf(JOBS[name] as Job) === null);
    expect(names).toEqual(["new", "sizing", "skipped"]);
  });
});
