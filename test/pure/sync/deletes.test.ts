// May the keys that only the destination has be deleted? Every rule, and that each alone forbids it.
import { describe, expect, test } from "vitest";
import {
  type DeleteRules,
  DEFAULT_MAX_DELETES,
  describeMaxDeletes,
  inTheWayOf,
  judgeDeletes,
  keepAtMost,
  parseMaxDeletes,
} from "../../../src/sync/deletes.ts";
import { type Counters, NO_COUNTERS } from "../../../src/sync/report.ts";
import { DENIED } from "../samples.ts";

const RULES: DeleteRules = {
  delete: true,
  allowEmptySource: false,
  maxDeletes: { kind: "share", share: 0.1 },
  dryRun: false,
};

const counted = (listed: number, destination: number, extra: number): Counters => ({
  ...NO_COUNTERS,
  listed: { objects: listed, bytes: listed },
  skipped: { objects: listed, bytes: listed },
  destination: { objects: destination, bytes: destination },
  extra: { objects: extra, bytes: extra },
});

describe("extra keys are deleted", () => {
  test("when both listings came to their end and there are few of them", () => {
    expect(judgeDeletes(RULES, counted(90, 100, 10), null)).toEqual({ do: "delete" });
  });

  test("from a source that is empty only if that is said to be meant", () => {
    const rules: DeleteRules = { ...RULES, allowEmptySource: true, maxDeletes: { kind: "share", share: 1 } };
    expect(judgeDeletes(rules, counted(0, 100, 100), null)).toEqual({ do: "delete" });
  });
});

describe("nothing is deleted", () => {
  test("when it was not asked for, or there is nothing to delete", () => {
    expect(judgeDeletes({ ...RULES, delete: false }, counted(90, 100, 10), null)).toEqual({ do: "nothing" });
    expect(judgeDeletes(RULES, counted(100, 100, 0), null)).toEqual({ do: "nothing" });
    // Not even a reason to warn.
    expect(judgeDeletes(RULES, counted(0, 0, 0), DENIED)).toEqual({ do: "nothing" });
  });

  test("when a listing did not finish, whatever else is allowed", () => {
    const rules: DeleteRules = { ...RULES, allowEmptySource: true, maxDeletes: { kind: "share", share: 1 } };
    expect(judgeDeletes(rules, counted(90, 100, 10), DENIED)).toMatchObject({
      do: "refuse",
      code: "listing_failed",
    });
  });

  test("when the source has no key, whatever share is allowed", () => {
    const rules: DeleteRules = { ...RULES, maxDeletes: { kind: "share", share: 1 } };
    const verdict = judgeDeletes(rules, counted(0, 100, 100), null);
    expect(verdict).toMatchObject({ do: "refuse", code: "source_empty" });
    expect(verdict).toMatchObject({ message: expect.stringContaining('"allowEmptySource": true') });
  });

  test("when one more than the share of the destination's keys would go, rounded down", () => {
    expect(judgeDeletes(RULES, counted(89, 100, 11), null)).toMatchObject({
      code: "too_many_deletes",
      message:
        'Nothing was deleted: 11 of the destination\'s 100 keys are not at the source, and "maxDeletes" (10%) allows 10',
    });
    expect(judgeDeletes(RULES, counted(8, 9, 1), null)).toMatchObject({ code: "too_many_deletes" });
    expect(judgeDeletes(RULES, counted(9, 10, 1), null)).toEqual({ do: "delete" });
    // 0.29 * 100 is 28.999… in binary.
    const rules: DeleteRules = { ...RULES, maxDeletes: { kind: "share", share: 0.29 } };
    expect(judgeDeletes(rules, counted(71, 100, 29), null)).toEqual({ do: "delete" });
  });

  test("nor would it be, as a dry run says", () => {
    expect(judgeDeletes({ ...RULES, dryRun: true }, counted(89, 100, 11), null)).toMatchObject({
      do: "refuse",
      message: expect.stringMatching(/^Nothing would be deleted: 11 of the destination's 100 keys/),
    });
  });

  test("when one more than the number would go", () => {
    const rules: DeleteRules = { ...RULES, maxDeletes: { kind: "count", count: 5 } };
    expect(judgeDeletes(rules, counted(1, 6, 5), null)).toEqual({ do: "delete" });
    expect(judgeDeletes(rules, counted(1000, 2000, 6), null)).toMatchObject({ code: "too_many_deletes" });
    expect(
      judgeDeletes({ ...rules, maxDeletes: { kind: "count", count: 0 } }, counted(9, 9, 1), null),
    ).toMatchObject({
      code: "too_many_deletes",
    });
  });

  test("case 107: when a key could not be copied, unless it is said to be meant", () => {
    const failed = {
      ...counted(90, 100, 10),
      failed: { objects: 1, bytes: 1 },
      skipped: { objects: 89, bytes: 89 },
    };
    expect(judgeDeletes(RULES, failed, null)).toMatchObject({ do: "refuse", code: "failed_keys" });
    expect(judgeDeletes({ ...RULES, deleteDespiteFailures: true }, failed, null)).toEqual({ do: "delete" });
    const cancelled = { ...counted(90, 100, 10), skippedBy: { cancelled: 1 } };
    expect(judgeDeletes(RULES, cancelled, null)).toMatchObject({ code: "failed_keys" });
    const lost = { ...counted(90, 100, 10), skipped: { objects: 89, bytes: 89 } };
    expect(judgeDeletes(RULES, lost, null)).toMatchObject({ code: "failed_keys" });
  });
});

describe("maxDeletes", () => {
  test.each([
    [250, { kind: "count", count: 250 }],
    ["250", { kind: "count", count: 250 }],
    [0, { kind: "count", count: 0 }],
    ["10%", { kind: "share", share: 0.1 }],
    [" 2.5 % ", { kind: "share", share: 0.025 }],
    ["100%", { kind: "share", share: 1 }],
    ["0%", { kind: "share", share: 0 }],
  ])("%j is understood", (value, expected) => {
    expect(parseMaxDeletes(value)).toEqual(expected);
  });

  test.each(["", "%", "101%", "-1", "1.5", "ten", "1e3", "10 percent", Number.NaN, -1, 2 ** 60])(
    "%j is no number of keys and no share",
    (value) => {
      expect(parseMaxDeletes(value)).toBeNull();
    },
  );

  test("is a tenth unless said otherwise, and is told as it was said", () => {
    expect(describeMaxDeletes(DEFAULT_MAX_DELETES)).toBe("10%");
    for (const text of ["250", "2.5%", "0.1%", "100%"]) {
      expect(describeMaxDeletes(parseMaxDeletes(text) ?? DEFAULT_MAX_DELETES)).toBe(text);
    }
  });

  test("as a number tells while listing how many are worth keeping; a share is known at the end", () => {
    expect(keepAtMost({ kind: "count", count: 7 })).toBe(7);
    expect(keepAtMost({ kind: "share", share: 0.5 })).toBeNull();
  });
});

describe("what is in the way of a key", () => {
  test("is a file where it needs a folder, and what lies in a folder of its name", () => {
    const isBlocking = inTheWayOf(["a/b/c", "f"]);
    const keys = ["a", "a/", "a/b", "a/b/c", "a/b/c/d", "a/bc", "f", "f/g/h", "fg", "b", ""];
    expect(keys.filter(isBlocking)).toEqual(["a", "a/", "a/b", "a/b/c/d", "f/g/h"]);
  });
});
