// What came of deletions: each key is an entry or is tried again.
import { expect, test } from "vitest";
import { MAX_ATTEMPTS } from "../../../src/s3/retry.ts";
import { settleDeletes } from "../../../src/sync/deletion.ts";

const TIMES = { now: 1000, random: 0.5 };
const extra = (key: string, failedAttempts = 0) => ({ key, sizeBytes: 1, failedAttempts });
const refusal = (key: string, code: string) => ({
  key,
  code,
  message: "words",
  status: null,
  retryAfterMs: null,
});

test("case 113: what the store could not delete now is tried again later; what it forbids is not", () => {
  const extras = ["a", "b", "c", "d", "e"].map((key) => extra(key));
  const refused = [
    refusal("b", "InternalError"),
    refusal("c", "SlowDown"),
    refusal("d", "AccessDenied"),
    refusal("e", "delete_unconfirmed"),
  ];
  const { entries, again, blocked } = settleDeletes(extras, { deleted: ["a"], refused }, TIMES);
  expect(entries.map(({ key, action }) => [key, action])).toEqual([
    ["a", "deleted"],
    ["d", "delete_failed"],
  ]);
  expect(again.extras).toEqual([extra("b", 1), extra("c", 1), extra("e", 1)]);
  expect(again.notBeforeMs).toBe(1000 + 800); // of the throttle
  expect(blocked).toBeNull();
});

test("case 113: the last attempt is the last", () => {
  const refused = [refusal("a", "InternalError")];
  const { entries, again } = settleDeletes([extra("a", MAX_ATTEMPTS - 1)], { deleted: [], refused }, TIMES);
  expect(entries).toMatchObject([
    { action: "delete_failed", attempts: MAX_ATTEMPTS, extra: { key: "a", sizeBytes: 1 } },
  ]);
  expect(again.extras).toEqual([]);
});

test("refused credentials wait for a person, and no attempt counts", () => {
  const refused = [refusal("a", "ExpiredToken")];
  const { entries, again, blocked } = settleDeletes([extra("a")], { deleted: [], refused }, TIMES);
  expect([entries, again.extras, blocked?.code]).toEqual([[], [extra("a")], "ExpiredToken"]);
});
