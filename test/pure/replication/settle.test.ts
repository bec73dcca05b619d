// What comes of a key that was looked at, and how much may be deleted in an hour.

import { expect, test } from "vitest";
import { endOf, mostDeletesAnHour, reasonsOf } from "../../../src/replication/settle.ts";
import { meshFailure } from "../../../src/s3/failure.ts";
import type { ObjectOutcome, ObjectWork } from "../../../src/work/batch_task.ts";

const WORK: ObjectWork = { key: "k", to: "k", sizeBytes: 0, etag: null, failedAttempts: 0, first: "look" };
const TIMES = { now: 1_000, random: 0.5 };
const answer = (status: number, code: string, side: "source" | "destination" = "source"): ObjectOutcome => ({
  kind: "failed",
  failure: { ...meshFailure("internal_error", "no", "HeadObject"), side, code, status } as never,
});

test.each<[what: string, outcome: ObjectOutcome, kind: string]>([
  ["the source has no such key", answer(404, "NoSuchKey"), "gone"],
  ["the source's HEAD has no code", answer(404, "NotFound"), "gone"],
  ["the source's bucket is gone, which says nothing of the key", answer(404, "NoSuchBucket"), "blocked"],
  ["the destination has no such bucket", answer(404, "NoSuchBucket", "destination"), "blocked"],
  ["the source refuses", answer(403, "AccessDenied"), "failed"],
  ["the source is overloaded", answer(503, "SlowDown"), "again"],
  ["nobody has begun", { kind: "left" }, "again"],
  ["the source has it again", { kind: "removal", end: "back" }, "again"],
  ["it is not known to be a copy", { kind: "removal", end: "foreign" }, "kept"],
  ["its copy is deleted", { kind: "removal", end: "removed" }, "removed"],
  ["it fits no one PUT", { kind: "differs" }, "large"],
])("%s", (_what, outcome, kind) => {
  expect(endOf(WORK, outcome, TIMES).kind).toBe(kind);
});

test("a deletion that the source answers with 404 is no second deletion", () => {
  expect(endOf({ ...WORK, first: "remove" }, answer(404, "NoSuchKey"), TIMES).kind).toBe("failed");
});

test("a share of the destination's keys allows some deletions in any case, a number is exact", () => {
  expect(mostDeletesAnHour({ kind: "share", share: 0.1 }, 50_000)).toBe(5_000);
  expect(mostDeletesAnHour({ kind: "share", share: 0.1 }, null)).toBe(100);
  expect(mostDeletesAnHour({ kind: "count", count: 0 }, 50_000)).toBe(0);
});

test("a cutover is ready only if nothing at all speaks against it", () => {
  const NONE = { missing: 0, different: 0, unknown: 0, unreadable: 0 };
  const QUIET = { failed: 0, held: 0, changed: 0 };
  expect(reasonsOf(QUIET, NONE)).toEqual({});
  expect(reasonsOf(QUIET, null)).toEqual({ comparison_failed: 1 });
  for (const name of Object.keys(NONE))
    expect(reasonsOf(QUIET, { ...NONE, [name]: 1 })).toEqual({ [name]: 1 });
  for (const name of Object.keys(QUIET))
    expect(reasonsOf({ ...QUIET, [name]: 2 }, NONE)).toEqual({ [name]: 2 });
});
