// What each answer of a store asks for, and how long to wait.
import { describe, expect, test } from "vitest";
import {
  backoffMs,
  keyVerdictOf,
  isOutage,
  isPlatformLimit,
  MAX_ATTEMPTS,
  MAX_OUTAGE_ATTEMPTS,
  saysNo,
  verdictOf,
} from "../../../src/s3/retry.ts";
import type { Verdict } from "../../../src/s3/verdicts.ts";
import { failure, seeded } from "../samples.ts";

describe("verdictOf()", () => {
  const answers: [status: number | null, codes: string, verdict: Verdict][] = [
    [null, "network timeout stream_broken copier_died short_body cancelled platform_limit", "retry"],
    [500, "InternalError unknown", "retry"],
    [200, "InternalError", "retry"],
    [502, "unknown", "retry"],
    [504, "unknown", "retry"],
    [503, "SlowDown ServiceUnavailable SlowDownRead SlowDownWrite no_tomes_available unknown", "throttle"],
    [503, "RequestTimeout", "retry"],
    [200, "SlowDown ServiceUnavailable", "throttle"],
    [
      429,
      "TooManyRequests RequestLimitExceeded BandwidthLimitExceeded Throttling ThrottlingException unknown",
      "throttle",
    ],
    [400, "KMS.ThrottlingException Throttling SlowDown", "throttle"],
    [
      400,
      "RequestTimeout RequestTimeoutException PriorRequestNotComplete IncompleteBody ClientDisconnect BadDigest InvalidPart",
      "retry",
    ],
    [400, "ExpiredToken TokenRefreshRequired", "blocked"],
    [403, "ExpiredToken InvalidToken ExpiredRequest", "blocked"],
    [403, "RequestTimeTooSkewed", "retry"],
    [301, "wrong_region", "retry"],
    [
      400,
      "EntityTooSmall InvalidPartOrder MalformedXML InvalidArgument InvalidRequest InvalidDigest KeyTooLongError",
      "fatal",
    ],
    [400, "MetadataTooLarge TooManyParts InvalidTag KMS.DisabledException unknown", "fatal"],
    [400, "InvalidToken SignatureDoesNotMatch InvalidAccessKeyId AccessDenied", "blocked"],
    [401, "unknown http_401", "blocked"],
    [
      403,
      "SignatureDoesNotMatch AccessDenied InvalidAccessKeyId TokenRefreshRequired AllAccessDisabled AccountProblem",
      "blocked",
    ],
    [403, "InvalidObjectState unknown http_403", "blocked"],
    [200, "AccessDenied", "blocked"],
    [404, "NoSuchUpload NoSuchKey NoSuchBucket unknown", "fatal"],
    [405, "MethodNotAllowed unknown", "fatal"],
    [501, "NotImplemented unknown", "fatal"],
    [408, "unknown", "retry"],
    [409, "OperationAborted ConditionalRequestConflict", "retry"],
    [409, "unknown", "fatal"],
    [411, "MissingContentLength", "fatal"],
    [412, "PreconditionFailed unknown", "fatal"],
    [413, "EntityTooLarge unknown", "fatal"],
    [507, "XMinioStorageFull InsufficientCapacity unknown", "blocked"],
    [403, "QuotaExceeded ObjectQuotaExceeded", "blocked"],
    [400, "XMinioAdminBucketQuotaExceeded", "blocked"],
    [503, "RequestQuotaExceeded", "throttle"],
    [416, "InvalidRange unknown", "fatal"],
    [200, "range_ignored", "retry"],
    [413, "part_size_too_large", "fatal"],
    [520, "http_520", "retry"],
    [530, "http_530", "retry"],
    [206, "wrong_range wrong_length", "retry"],
  ];
  const rows = answers.flatMap(([status, codes, verdict]) =>
    codes.split(" ").map((code) => [status, code, verdict] as const),
  );
  test.each(rows)("%s %s: %s", (status, code, verdict) => {
    expect(verdictOf(failure(code, status))).toBe(verdict);
  });

  test.each([
    ["source_changed", "fatal"],
    ["source_without_etag", "fatal"],
    ["source_archived", "blocked"],
    ["part_corrupt", "fatal"],
    ["checksum_mismatch", "fatal"],
    ["proof_impossible", "fatal"],
    ["attribute_lost", "fatal"],
    ["destination_exists", "fatal"],
    ["metadata_too_large", "fatal"],
    ["key_too_long", "fatal"],
    ["unknown_store", "fatal"],
    ["store_misconfigured", "blocked"],
    ["misconfigured", "blocked"],
    ["part_size_too_small", "fatal"],
    ["part_size_too_large", "fatal"],
    ["object_too_large", "fatal"],
    ["verification_failed", "fatal"],
    ["object_not_visible", "retry"],
    ["upload_still_there", "retry"],
    ["bad_answer", "retry"],
    ["missing_etag", "retry"],
  ])("our own %s: %s", (code, verdict) => {
    expect(verdictOf(failure(code, null, { side: "mesh" }))).toBe(verdict);
  });
});

describe("saysNo(): the store will not do this, and the copy may do without", () => {
  test.each([
    ["NotImplemented", 501],
    ["http_501", 501],
    ["MethodNotAllowed", 405],
    ["InvalidArgument", 400],
    ["NoSuchKey", 404],
    ["AccessDenied", 403],
    ["AccessDenied", 200],
    ["AllAccessDisabled", 403],
    ["http_403", 403],
    ["http_401", 401],
  ])("%s %s: yes", (code, status) => {
    expect(saysNo(failure(code, status))).toBe(true);
  });

  test.each([
    ["ExpiredToken", 400],
    ["ExpiredToken", 403],
    ["ExpiredRequest", 403],
    ["InvalidToken", 403],
    ["TokenRefreshRequired", 400],
    ["InvalidAccessKeyId", 403],
    ["SignatureDoesNotMatch", 403],
    ["SlowDown", 503],
    ["TooManyRequests", 429],
    ["InternalError", 500],
    ["RequestTimeTooSkewed", 403],
    ["RequestTimeout", 400],
    ["network", null],
    ["timeout", null],
    ["store_misconfigured", null],
    ["source_archived", null],
    ["QuotaExceeded", 403],
    ["XMinioStorageFull", 507],
  ])("%s %s: no, it would another time or with other credentials", (code, status) => {
    expect(saysNo(failure(code, status))).toBe(false);
  });
});

describe("isOutage(): it looks as if nobody were answered", () => {
  test.each([
    ["network", null],
    ["timeout", null],
    ["platform_limit", null],
    ["http_502", 502],
    ["http_504", 504],
    ["http_503", 503],
    ["http_429", 429],
    ["http_520", 520],
    ["http_521", 521],
    ["http_522", 522],
    ["http_523", 523],
    ["http_524", 524],
    ["http_525", 525],
    ["http_526", 526],
    ["http_527", 527],
    ["http_530", 530],
    ["SlowDown", 503],
    ["SlowDown", 200],
    ["ServiceUnavailable", 503],
    ["TooManyRequests", 429],
    ["ThrottlingException", 400],
  ])("%s %s: yes", (code, status) => {
    expect(isOutage(failure(code, status))).toBe(true);
  });

  test.each([
    ["copier_died", null],
    ["short_body", null],
    ["object_not_visible", 404],
    ["RequestTimeout", 400],
    ["ExpiredToken", 400],
    ["AccessDenied", 403],
    ["NoSuchBucket", 404],
    ["NoSuchUpload", 404],
    ["InvalidPart", 400],
    ["source_changed", 412],
    ["range_ignored", 200],
    ["NotImplemented", 501],
    ["XMinioStorageFull", 507],
  ])("%s %s: no", (code, status) => {
    expect(isOutage(failure(code, status))).toBe(false);
  });
});

describe("isPlatformLimit(): this event has come to its end, not the store", () => {
  // As the platform words them; none of them has a code.
  test.each([
    "Subrequest depth limit exceeded. This request recursed through Workers too many times. This can happen e.g. if " +
      "you have a Worker or Durable Object that calls other Workers or objects recursively.",
    "Too many subrequests.",
    "Too many subrequests by single Worker invocation. To configure this limit, refer to " +
      "https://developers.cloudflare.com/workers/wrangler/configuration/#limits",
    "Too many API requests by single worker invocation.",
    "Worker exceeded CPU time limit.",
    "Durable Object exceeded its CPU time limit and was reset.",
    "exceededCpu",
    "Durable Object is overloaded. Too many requests queued.",
    "Durable Object is overloaded. Too many requests for the same object within a 10 second window.",
    "Durable Object is overloaded. Requests queued for too long.",
  ])("%s", (message) => {
    expect(isPlatformLimit(new Error(message))).toBe(true);
  });

  test("an error that the platform has marked as overloaded, whatever it says", () => {
    expect(isPlatformLimit(Object.assign(new Error("busy"), { overloaded: true }))).toBe(true);
    expect(isPlatformLimit(Object.assign(new Error("busy"), { overloaded: false }))).toBe(false);
    expect(isPlatformLimit(Object.assign(new Error("busy"), { retryable: true }))).toBe(false);
  });

  test.each([
    "Network connection lost.",
    "The operation was aborted due to timeout",
    "Internal error; reference = x1",
    "Durable Object reset because its code was updated.",
    "Please reduce your request rate.",
    "",
  ])("not: %j", (message) => {
    expect(isPlatformLimit(new Error(message))).toBe(false);
  });

  test("nothing that is no error", () => {
    for (const thrown of ["Too many subrequests.", null, undefined, { message: "Too many subrequests." }]) {
      expect(isPlatformLimit(thrown)).toBe(false);
    }
  });
});

const minutes = (count: number) => failure("SlowDown", 503, { retryAfterMs: count * 60_000 });

describe("backoffMs()", () => {
  const lost = failure("network");
  const throttled = failure("SlowDown", 503);
  const longest = 1 - Number.EPSILON;

  test("doubles its ceiling with each failed attempt, up to twenty seconds", () => {
    const ceilings = [1, 2, 3, 4, 5, 6, 7, 8].map((attempts) => backoffMs(lost, attempts, longest));
    expect(ceilings).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 20_000]);
    expect(backoffMs(lost, 1000, longest)).toBe(20_000);
  });

  test("waits longer for a store that is throttling", () => {
    const ceilings = [1, 2, 3, 4, 5].map((attempts) => backoffMs(throttled, attempts, longest));
    expect(ceilings).toEqual([1600, 3200, 6400, 12_800, 20_000]);
  });

  test("takes Retry-After as a floor, with the jitter on top", () => {
    const told = failure("SlowDown", 503, { retryAfterMs: 7000 });
    expect(backoffMs(told, 1, 0)).toBe(7000);
    expect(backoffMs(told, 1, longest)).toBe(8600);
    expect(backoffMs(failure("network", null, { retryAfterMs: 60_000 }), 8, 0)).toBe(60_000);
  });

  test("a store that asks for more than 15 minutes waits for a person; none sleeps longer", () => {
    expect([verdictOf(minutes(15)), verdictOf(minutes(16))]).toEqual(["throttle", "blocked"]);
    expect(keyVerdictOf(minutes(16))).toBe("blocked");
    expect(backoffMs(minutes(1e6), 1, 0)).toBe(15 * 60_000);
  });

  test("is a whole number between nothing and its ceiling for every random number", () => {
    const random = seeded(53);
    for (let round = 0; round < 1000; round++) {
      const attempts = 1 + Math.floor(random() * MAX_ATTEMPTS);
      const waitMs = backoffMs(throttled, attempts, random());
      expect(Number.isInteger(waitMs)).toBe(true);
      expect(waitMs).toBeGreaterThanOrEqual(0);
      expect(waitMs).toBeLessThanOrEqual(Math.min(20_000, 800 * 2 ** attempts));
    }
  });
});

test("the tries that an outage gets take about seven minutes, and never less than the backoff gives", () => {
  const lost = failure("network");
  let averageMs = 0;
  for (let attempt = 1; attempt < MAX_OUTAGE_ATTEMPTS; attempt++) averageMs += backoffMs(lost, attempt, 0.5);
  expect(Math.round(averageMs / 60_000)).toBe(7);
});
