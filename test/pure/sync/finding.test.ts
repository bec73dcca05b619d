// The sums of a comparison, how it ends, and the lines of its report.
import { describe, expect, test } from "vitest";
import type { Outcome } from "../../../src/http/vocabulary.ts";
import { meshFailure } from "../../../src/s3/failure.ts";
import {
  type Finding,
  type Verdict,
  NOTHING_FOUND,
  countFindings,
  endOf,
  findingLine,
  outcomesOf,
  proofsOf,
  sumOfAll,
} from "../../../src/sync/finding.ts";

const VERDICTS: Readonly<Record<Outcome, Verdict>> = {
  equal: { outcome: "equal", proof: "etag" },
  different: { outcome: "different", reason: "size" },
  unknown: { outcome: "unknown", reason: "parts" },
  missing: { outcome: "missing" },
  extra: { outcome: "extra" },
  unreadable: {
    outcome: "unreadable",
    failure: meshFailure("unreadable_key", "No request can name it", "ListObjectsV2"),
    attempts: 1,
  },
};

const finding = (outcome: Outcome, changes: Partial<Finding> = {}): Finding => ({
  action: "compared",
  key: outcome,
  verdict: VERDICTS[outcome],
  sizeBytes: 10,
  etag: null,
  destination: null,
  ...changes,
});

describe("a comparison ends as", () => {
  test.each<[end: string, outcomes: Outcome[]]>([
    ["equal", ["equal", "equal"]],
    ["different", ["equal", "different"]],
    ["different", ["equal", "missing"]],
    ["different", ["equal", "extra"]],
    ["different", ["unknown", "unreadable", "extra"]],
    ["inconclusive", ["equal", "unknown"]],
    ["inconclusive", ["equal", "unreadable"]],
    ["inconclusive", []],
  ])("%s of %j", (end, outcomes) => {
    const found = countFindings(
      NOTHING_FOUND,
      outcomes.map((outcome) => finding(outcome)),
    );
    expect(endOf(found)).toBe(end);
    expect(sumOfAll(found)).toBe(outcomes.length);
  });
});

test("each finding is counted once, in keys and bytes, with its proof or its reason", () => {
  const all = (Object.keys(VERDICTS) as Outcome[]).map((outcome) => finding(outcome));
  const found = countFindings(countFindings(NOTHING_FOUND, all), [finding("equal")]);
  expect(outcomesOf(found, "objects")).toEqual({
    equal: 2,
    different: 1,
    unknown: 1,
    missing: 1,
    extra: 1,
    unreadable: 1,
  });
  expect(outcomesOf(found, "bytes")).toMatchObject({ equal: 20, extra: 10 });
  expect(proofsOf(found)).toEqual({ etag: { keys: 2, bytes: 20 } });
  expect(found.reasons).toEqual({ size: 1, parts: 1 });
});

test("a line says what is known of either side", () => {
  const destination = { sizeBytes: 11, etag: '"b"' };
  expect(findingLine(finding("different", { etag: '"a"', destination }))).toEqual({
    key: "different",
    outcome: "different",
    reason: "size",
    size: 10,
    etag: '"a"',
    destinationSize: 11,
    destinationEtag: '"b"',
  });
  expect(findingLine(finding("unreadable"))).toMatchObject({ reason: "unreadable_key", attempts: 1 });
  expect(findingLine(finding("extra", { modifiedMs: 0 }))).toMatchObject({
    modifiedAt: "1970-01-01T00:00:00.000Z",
  });
});
