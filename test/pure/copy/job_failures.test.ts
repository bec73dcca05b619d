// What a failed step or part does to a copy: it is tried again, an outage is waited out, a person is asked,
// the copy begins again, or it ends.
import { describe, expect, test } from "vitest";
import { type Failure, meshFailure } from "../../../src/s3/failure.ts";
import { MAX_ATTEMPTS, MAX_OUTAGE_ATTEMPTS } from "../../../src/s3/retry.ts";
import { apply, nextStep } from "../../../src/copy/job.ts";
import type { Event } from "../../../src/copy/event.ts";
import type { Job } from "../../../src/copy/phase.ts";
import type { PartCounts } from "../../../src/copy/step.ts";
import {
  ABORTING,
  DENIED,
  ERROR,
  EXPIRED,
  FRESH,
  OBJECT,
  OUTAGE,
  REFUSED,
  WORKING,
  failure,
  prepared,
} from "../samples.ts";

const NOW = 1_000_000;
const RESUME: Event = { type: "resume" };
const SENDING: Event = { type: "completeSending" };
const settled: PartCounts = { total: 3, done: 3, inFlight: 0, lost: 0 };
const chance = { now: NOW, random: 0.5 };
const stepFailed = (what: Failure = ERROR): Event => ({ type: "stepFailed", failure: what, ...chance });
const partFailed = (what: Failure): Event => ({ type: "partFailed", failure: what });
const run = (job: Job, ...events: Event[]): Job => events.reduce(apply, job);
const times = (count: number, event: Event): Event[] => Array<Event>(count).fill(event);
const step = (job: Job) => nextStep(job, settled, NOW + 3_600_000).do;

const BEGUN = ["sizing", "creating", "uploading", "completing", "verifying"] as const;
/** With work that an ending would throw away. */
const WITH_WORK = ["uploading", "completing", "verifying"] as const;
const OUTAGES = [
  OUTAGE,
  failure("timeout"),
  failure("SlowDown", 503),
  failure("TooManyRequests", 429),
  failure("http_502", 502),
  failure("http_504", 504),
];

describe("the end of the budget", () => {
  const reached = meshFailure("budget_reached", "none is left", "budget");

  test.each(Object.entries(WORKING))("pauses what is %s, which is no attempt of it", (_name, job) => {
    const paused = apply(job, stepFailed(reached));
    expect(paused).toEqual({ phase: "paused", resume: job, by: "budget" });
    expect(apply(paused, { type: "pause" })).toEqual(paused);
  });

  test("is waited for while something is under way that may spend less than it could", () => {
    const waiting = apply(WORKING.uploading, stepFailed({ ...reached, retryAfterMs: 1000 }));
    expect(waiting).toEqual({
      ...WORKING.uploading,
      retry: { ...WORKING.uploading.retry, notBeforeMs: NOW + 1000 },
    });
  });
});

describe("apply(stepFailed)", () => {
  test.each(BEGUN)("in %s tries again after a pause, and ends after the last attempt", (phase) => {
    let job: Job = WORKING[phase];
    for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt++) {
      job = apply(job, stepFailed());
      expect(job).toMatchObject({ phase, retry: { failedAttempts: attempt } });
      expect(nextStep(job, settled, NOW)).toMatchObject({ do: "rest" });
    }
    const last = apply(job, stepFailed());
    // A store that is unwell is no reason to throw work away.
    if (phase === "sizing") expect(last).toMatchObject({ phase: "failed", failure: ERROR });
    else if (phase === "creating")
      expect(last).toMatchObject({ phase: "aborting", ending: { failure: ERROR } });
    else expect(last).toMatchObject({ phase: "blocked", failure: ERROR, resume: { phase } });
  });

  test.each(BEGUN)("in %s ends at once by what no retry can cure", (phase) => {
    const job = apply(WORKING[phase], stepFailed(REFUSED));
    expect(job.phase).toBe(phase === "sizing" || phase === "verifying" ? "failed" : "aborting");
  });

  test.each(BEGUN)("in %s does not wait for what no person can cure, however often it came", (phase) => {
    const job = run(WORKING[phase], ...times(3, stepFailed(OUTAGE)), stepFailed(REFUSED));
    expect(["failed", "aborting"]).toContain(job.phase);
  });

  const persons = [
    EXPIRED,
    DENIED,
    failure("InvalidAccessKeyId", 403),
    failure("SignatureDoesNotMatch", 403),
    failure("http_401", 401),
    failure("http_403", 403),
    meshFailure("store_misconfigured", "no such secret", "configuration"),
  ];
  const blocking = BEGUN.flatMap((phase) => persons.map((what) => [phase, what.code, what] as const));
  test.each(blocking)("in %s blocks at once by %s and goes on there when resumed", (phase, _code, what) => {
    const job = apply(WORKING[phase], stepFailed(what));
    expect(job).toEqual({ phase: "blocked", resume: WORKING[phase], failure: what });
    const resumed = phase === "uploading" ? WORKING.uploadingUnchecked : WORKING[phase];
    expect(apply(job, RESUME)).toEqual(resumed);
  });

  test("a new phase starts with all its attempts", () => {
    const tired = { ...WORKING.creating, retry: { failedAttempts: 7, notBeforeMs: 5 } };
    expect(apply(tired, { type: "created", uploadId: "up-2" })).toMatchObject({
      phase: "uploading",
      retry: { failedAttempts: 0 },
    });
  });

  test("the backoff is a floor of Retry-After and a ceiling of the jitter", () => {
    const throttled = failure("SlowDown", 503, { retryAfterMs: 7000 });
    const job = apply(WORKING.creating, { type: "stepFailed", failure: throttled, now: NOW, random: 0 });
    expect(job).toMatchObject({ retry: { failedAttempts: 1, notBeforeMs: NOW + 7000 } });
  });
});

describe("an error that nobody foresaw", () => {
  const BROKEN = failure("internal_error");
  const crash: Event = { type: "crashed", failure: BROKEN, now: 1000, random: 0.5 };
  const crashes = (job: Job, count: number): Job => run(job, ...times(count, crash));

  test.each(Object.entries(WORKING))("is tried again, and the fifth in a row blocks: %s", (name, job) => {
    expect(crashes(job, 4).phase).toBe(job.phase);
    const end = crashes(job, 5);
    if (name === "verifyingCancelled") return expect(end).toMatchObject({ phase: "failed" });
    expect(end).toMatchObject({ phase: "blocked", resume: { phase: job.phase }, failure: BROKEN });
    // Whoever does not wait for the mend can cancel.
    expect(apply(end, { type: "cancel" }).phase).not.toBe("blocked");
  });

  test("in an abort ends it, and what is left is owed", () => {
    for (const job of Object.values(ABORTING)) expect(crashes(job, 5).phase).not.toBe("aborting");
  });

  test("counts from none after an alarm that has ended well", () => {
    const calm = apply(crashes(WORKING.uploading, 4), { type: "advanced" });
    expect(calm).toEqual(WORKING.uploading);
    expect(apply(calm, { type: "advanced" })).toBe(calm);
  });
});

describe("an outage", () => {
  const rows = WITH_WORK.flatMap((phase) => OUTAGES.map((what) => [what.code, phase, what] as const));
  test.each(rows)(
    "of kind %s holds a copy in %s for all its patience, then a person is asked",
    (_, phase, what) => {
      let job: Job = WORKING[phase];
      for (let attempt = 1; attempt < MAX_OUTAGE_ATTEMPTS; attempt++) {
        job = apply(job, stepFailed(what));
        expect(job).toMatchObject({ phase, retry: { failedAttempts: attempt } });
      }
      const last = apply(job, stepFailed(what));
      expect(last).toMatchObject({ phase: "blocked", resume: { phase }, failure: what });
      expect(step(apply(last, RESUME))).toBe(
        { uploading: "recheckSource", completing: "complete", verifying: "verify" }[phase],
      );
    },
  );

  test.each(["sizing", "creating"] as const)("ends a copy in %s soon: there is no work to lose", (phase) => {
    const waiting = run(WORKING[phase], ...times(MAX_ATTEMPTS - 1, stepFailed(OUTAGE)));
    expect(waiting.phase).toBe(phase);
    const job = apply(waiting, stepFailed(OUTAGE));
    expect(job).toMatchObject(
      phase === "sizing" ? { phase: "failed" } : { phase: "aborting", ending: { phase: "failed" } },
    );
  });

  test("does not lend its patience to another failure", () => {
    const held = run(WORKING.uploading, ...times(MAX_ATTEMPTS, stepFailed(OUTAGE)));
    expect(held.phase).toBe("uploading");
    const own = failure("bad_answer", 200);
    expect(apply(held, stepFailed(own))).toMatchObject({ phase: "aborting", ending: { failure: own } });
  });

  test("of less than the patience costs no work, and the copy goes on by itself", () => {
    const held = run(WORKING.uploading, ...times(MAX_OUTAGE_ATTEMPTS - 1, stepFailed(OUTAGE)));
    expect(apply(held, { type: "partsChecked" })).toMatchObject({ phase: "completing", retry: FRESH });
  });

  test("while the outcome of Complete is unknown is waited out by looking alone", () => {
    let job: Job = WORKING.completingSent;
    for (let attempt = 1; attempt < MAX_OUTAGE_ATTEMPTS; attempt++) {
      job = apply(job, stepFailed(OUTAGE));
      expect(job).toMatchObject({ phase: "completing", call: { sent: true } });
      expect(step(job)).toBe("findObject");
    }
    expect(apply(job, stepFailed(OUTAGE))).toMatchObject({
      phase: "blocked",
      resume: { phase: "completing", call: { sent: true } },
    });
  });

  test("that lets Complete fail and shows that there is no object is waited out as well", () => {
    let job: Job = WORKING.completing;
    let sent = 0;
    while (job.phase === "completing" && sent < 1000) {
      sent += 1;
      const unanswered = failure("SlowDown", 503, { operation: "CompleteMultipartUpload" });
      job = run(job, SENDING, stepFailed(unanswered), { type: "objectAbsent", uploadGone: false });
    }
    expect(sent).toBe(MAX_OUTAGE_ATTEMPTS);
  });
});

describe("a part that has failed for good", () => {
  test.each([...OUTAGES, meshFailure("platform_limit", "Too many subrequests", "copyPart")])(
    "by an outage ($code) leaves the copy to a person, with all its parts",
    (what) => {
      const job = apply(WORKING.uploading, partFailed(what));
      expect(job).toEqual({ phase: "blocked", resume: WORKING.uploading, failure: what });
      expect(apply(job, RESUME)).toEqual(WORKING.uploadingUnchecked);
    },
  );

  test.each([EXPIRED, DENIED, failure("http_403", 403)])(
    "by $code leaves the copy to a person, with all its parts",
    (what) => {
      const job = apply(WORKING.uploading, partFailed(what));
      expect(job).toEqual({ phase: "blocked", resume: WORKING.uploading, failure: what });
    },
  );

  test.each([REFUSED, ERROR, failure("short_body"), failure("part_corrupt")])(
    "by $code ends the copy",
    (what) => {
      expect(apply(WORKING.uploading, partFailed(what))).toMatchObject({
        phase: "aborting",
        ending: { phase: "failed", failure: what },
      });
    },
  );

  test("ends a blocked copy that its credentials would not have saved", () => {
    const blocked = apply(WORKING.uploading, partFailed(EXPIRED));
    expect(apply(blocked, partFailed(REFUSED))).toMatchObject({
      phase: "aborting",
      ending: { phase: "failed", failure: REFUSED },
    });
  });
});

describe("a copy that has rested", () => {
  const changed = failure("source_changed", null, { side: "source" });

  test("hands out no part before its source is known to be the same", () => {
    for (const lost of [0, 1]) {
      const counts = { total: 3, done: 1, inFlight: 1, lost };
      expect(nextStep(WORKING.uploadingUnchecked, counts, NOW).do).toBe("recheckSource");
    }
  });

  test("and whose source has changed fails, with its upload aborted", () => {
    const job = apply(WORKING.uploadingUnchecked, stepFailed(changed));
    expect(job).toMatchObject({ phase: "aborting", ending: { phase: "failed", failure: changed } });
    expect(nextStep(job, settled, NOW)).toEqual({ do: "abort", uploadId: "up-1" });
  });

  test("and whose source has changed begins again by option", () => {
    const object = prepared({ ifSourceChanges: "restart" });
    const job = run({ ...WORKING.uploadingUnchecked, object }, stepFailed(changed), { type: "aborted" });
    expect(job).toEqual({ ...WORKING.sizing, restarts: 1 });
  });

  test("still asks after the source has not answered, and after another rest", () => {
    const waiting = apply(WORKING.uploadingUnchecked, stepFailed(OUTAGE));
    expect(step(waiting)).toBe("recheckSource");
    expect(step(run(waiting, { type: "pause" }, RESUME))).toBe("recheckSource");
  });
});

describe("apply() begins again", () => {
  const lost = failure("NoSuchUpload", 404);
  const changed = failure("source_changed", 412);
  const ABORTED: Event = { type: "aborted" };

  test("when the store has lost the upload", () => {
    const job = run(WORKING.uploading, stepFailed(lost), ABORTED);
    expect(job).toEqual({ ...WORKING.sizing, restarts: 1 });
  });

  test("a lost upload that a part has met begins again as well", () => {
    const job = apply(WORKING.uploading, partFailed(lost));
    expect(job).toMatchObject({
      phase: "aborting",
      ending: { phase: "restart", via: "auto", restarts: 1, start: "now" },
    });
  });

  test("by option when the source has changed, else the copy fails", () => {
    const event = partFailed(changed);
    expect(apply(WORKING.uploading, event)).toMatchObject({ ending: { phase: "failed", failure: changed } });
    const object = prepared({ ifSourceChanges: "restart" });
    expect(apply({ ...WORKING.uploading, object }, event)).toMatchObject({ ending: { phase: "restart" } });
  });

  test("at most three times", () => {
    const endings = [0, 1, 2, 3].map((restarts) => {
      const job = apply({ ...WORKING.uploading, object: prepared({ restarts }) }, stepFailed(lost));
      return job.phase === "aborting" ? job.ending : null;
    });
    expect(endings).toEqual([
      { phase: "restart", via: "auto", restarts: 1, start: "now" },
      { phase: "restart", via: "auto", restarts: 2, start: "now" },
      { phase: "restart", via: "auto", restarts: 3, start: "now" },
      { phase: "failed", failure: lost },
    ]);
  });

  test("streaming instead does not count as a new beginning", () => {
    const job = apply({ ...WORKING.uploading, object: prepared({ restarts: 2 }) }, { type: "streamInstead" });
    expect(job).toMatchObject({ ending: { phase: "restart", via: "stream", restarts: 2, start: "now" } });
  });

  test("also when the old upload cannot be aborted now", () => {
    const job = run(ABORTING.abortingRestart, ...times(5, stepFailed(OUTAGE)));
    expect(job).toEqual({ ...WORKING.sizing, restarts: 1 });
  });
});

const abortFailed = (what: Failure, random = 0.5): Event => ({
  type: "stepFailed",
  failure: what,
  now: NOW,
  random,
});

describe("aborting", () => {
  test.each([OUTAGE, EXPIRED, DENIED, REFUSED, ERROR, failure("upload_still_there")])(
    "is given up after five tries, whatever $code is, and the copy ends: the rest is owed",
    (what) => {
      let job: Job = ABORTING.aborting;
      for (let attempt = 1; attempt < 5; attempt++) {
        job = apply(job, abortFailed(what));
        expect(job).toMatchObject({ phase: "aborting", retry: { failedAttempts: attempt } });
        expect(step(job)).toBe("abort");
      }
      expect(apply(job, abortFailed(what))).toEqual({ phase: "cancelled", object: OBJECT });
    },
  );

  test("pauses for at most one, two, four and eight seconds, never for less than half of that", () => {
    for (const [random, pausesMs] of [
      [0, [500, 1000, 2000, 4000]],
      [1 - Number.EPSILON, [1000, 2000, 4000, 8000]],
    ] as const) {
      let job: Job = ABORTING.aborting;
      const seen: number[] = [];
      for (let attempt = 1; attempt < 5; attempt++) {
        job = apply(job, abortFailed(OUTAGE, random));
        if (job.phase === "aborting") seen.push(job.retry.notBeforeMs - NOW);
      }
      expect(seen).toEqual(pausesMs);
    }
  });

  test("is not kept waiting by a store's Retry-After: what it owes outlives the copy", () => {
    const job = apply(ABORTING.aborting, abortFailed(failure("SlowDown", 503, { retryAfterMs: 600_000 })));
    expect(step(job)).toBe("abort");
  });

  test.each([
    [{ phase: "cancelled" }, "cancelled"],
    [{ phase: "failed", failure: REFUSED }, "failed"],
    [{ phase: "skipped" }, "completed"],
    [{ phase: "restart", via: "stream", restarts: 1, start: "now" }, "sizing"],
  ] as const)("that is given up comes to its ending %o all the same", (ending, phase) => {
    const job = run({ ...ABORTING.aborting, ending }, ...times(5, abortFailed(OUTAGE)));
    expect(job.phase).toBe(phase);
  });
});
