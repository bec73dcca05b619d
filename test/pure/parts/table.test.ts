// The part table over a real SQLite: leases and their attempts, lanes that die, parts that are looked up
// instead of sent again, and when a part is given up.
import { beforeEach, describe, expect, test } from "vitest";
import type { Failure } from "../../../src/s3/failure.ts";
import { MAX_ATTEMPTS } from "../../../src/s3/retry.ts";
import { PartTable } from "../../../src/parts/table.ts";
import { ALL_HEALTHY, HealthBook, OUTAGE_PATIENCE_MS } from "../../../src/throttle/health.ts";
import type { PartReport } from "../../../src/work/part_task.ts";
import { DENIED, ERROR, OUTAGE, failure } from "../samples.ts";
import { memorySql } from "../sqlite.ts";

const NOW = 1_000_000;
const LENGTH = 5;
const MD5 = "9a0364b9e99bb480dd25e1f0284c8555";

let sql: SqlStorage;
let parts: PartTable;
let health: HealthBook;

beforeEach(() => {
  sql = memorySql();
  parts = new PartTable(sql);
  parts.createTables();
  health = new HealthBook(ALL_HEALTHY);
});

const lease = (lane: number, wanted: number, now = NOW) =>
  parts.lease(lane, wanted, { partCount: 3, lengthOf: () => LENGTH, now });

const claim = (
  lane: number,
  finished: readonly PartReport[],
  running: readonly (readonly [partNumber: number, attempt: number])[] = [],
  now = NOW,
) =>
  parts.takeReports(
    {
      lane,
      finished,
      running: running.map(([partNumber, attempt]) => ({ partNumber, attempt })),
      wanted: 0,
    },
    { now, random: () => 0, health, isCompleting: false },
  );

const done = (partNumber: number, attempt = 1, etag = `"e${partNumber}"`): PartReport => ({
  partNumber,
  attempt,
  result: { ok: true, etag, encryptedWithKey: false, digests: { md5: MD5 }, durationMs: 1 },
});
const failed = (partNumber: number, attempt: number, what: Failure): PartReport => ({
  partNumber,
  attempt,
  result: { ok: false, failure: what },
});
const listed = (partNumber: number, sizeBytes = LENGTH, etag = `"held${partNumber}"`) => ({
  partNumber,
  sizeBytes,
  etag,
});
const numbers = (leased: readonly { partNumber: number }[]) => leased.map(({ partNumber }) => partNumber);
const states = () => parts.page(0, 10).map(({ state }) => state);

describe("a lease", () => {
  test("gives new parts in order, each to one lane", () => {
    expect(numbers(lease(1, 2))).toEqual([1, 2]);
    expect(numbers(lease(2, 2))).toEqual([3]);
    expect(lease(3, 2)).toEqual([]);
    expect(parts.totals()).toMatchObject({ inFlight: 3, lost: 0 });
    expect(parts.attempts()).toBe(3);
  });

  test("gives a part that has failed before a new one, under its next attempt, and not before its backoff", () => {
    lease(1, 1);
    claim(1, [failed(1, 1, failure("SlowDown", 503, { retryAfterMs: 7000 }))]);
    expect(lease(1, 1, NOW + 6999)).toEqual([
      { partNumber: 2, attempt: 1, failedAttempts: 0, heldEtag: null },
    ]);
    expect(lease(1, 1, NOW + 7000)).toEqual([
      { partNumber: 1, attempt: 2, failedAttempts: 1, heldEtag: null },
    ]);
  });
});

describe("a report", () => {
  test("of the current attempt counts once, however often it comes", () => {
    lease(1, 1);
    claim(1, [done(1)]);
    claim(1, [done(1)]);
    expect(parts.totals()).toMatchObject({ done: 1, doneBytes: LENGTH, inFlight: 0 });
  });

  test("of a superseded attempt changes nothing", () => {
    lease(1, 1);
    claim(1, [failed(1, 1, ERROR)]);
    lease(1, 1, NOW + 60_000);
    claim(1, [done(1, 1)], [[1, 2]]);
    expect(states()).toEqual(["leased"]);
  });

  test("of a part whose lane was given up meanwhile changes nothing: the store is asked", () => {
    lease(1, 1);
    claim(1, [], [[1, 1]]);
    parts.loseLane(1);
    claim(1, [done(1)], []);
    expect(states()).toEqual(["lost"]);
  });

  test.each(["cancelled", "platform_limit"])("of kind %s is no attempt: the part is free at once", (code) => {
    lease(1, 1);
    expect(claim(1, [failed(1, 1, failure(code, null, { side: "mesh" }))])).toBeNull();
    expect(parts.totals()).toMatchObject({ failedAttempts: 0 });
    expect(lease(1, 1)).toMatchObject([{ partNumber: 1, attempt: 2 }]);
  });
});

describe("what is known in memory of the open parts", () => {
  test("is what the table holds: a coordinator that wakes again knows the same", () => {
    lease(1, 3);
    claim(1, [done(1), failed(2, 1, ERROR)], [[3, 1]]);
    parts.loseLane(1);
    expect(new PartTable(sql).open()).toEqual(parts.open());
    expect(new PartTable(sql).totals()).toEqual(parts.totals());
    expect(new PartTable(sql).attempts()).toBe(parts.attempts());
    expect(new PartTable(sql).slowestMsPerMib()).toBe(parts.slowestMsPerMib());
    expect(parts.open().map(({ partNumber, state }) => [partNumber, state])).toEqual([
      [2, "pending"],
      [3, "lost"],
    ]);
  });

  test("is read again after a transaction that was rolled back", () => {
    lease(1, 1);
    sql.exec("BEGIN");
    lease(1, 1);
    claim(1, [done(1)], [[2, 1]]);
    sql.exec("ROLLBACK");
    parts.forgetCache();
    expect(states()).toEqual(["leased"]);
    expect(parts.totals()).toMatchObject({ done: 0, inFlight: 1 });
    expect(numbers(lease(1, 1))).toEqual([2]);
  });
});

test("a part costs two rows written: one when it is handed out, one when it is done", () => {
  let rows = 0;
  const counting: SqlStorage = {
    databaseSize: 0,
    exec: (query, ...values) => {
      const result = sql.exec(query, ...values);
      rows += result.rowsWritten;
      return result;
    },
  };
  parts = new PartTable(counting);
  lease(1, 3);
  claim(1, [done(1), done(2)], [[3, 1]]);
  claim(1, [done(3)]);
  expect(rows).toBe(3 * 2);
  expect(
    sql.exec("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'parts'").toArray(),
  ).toEqual([]);
});

describe("the parts of a dead lane", () => {
  test("are lost when the lane neither runs nor reports them", () => {
    lease(1, 2);
    lease(2, 1);
    claim(1, [done(1)], []);
    expect(states()).toEqual(["done", "lost", "leased"]);
    expect(parts.totals()).toMatchObject({ done: 1, lost: 1, inFlight: 1 });
  });

  test("are lost when the lane is given up", () => {
    lease(1, 2);
    lease(2, 1);
    parts.loseLane(1);
    expect(states()).toEqual(["lost", "lost", "leased"]);
  });

  test("are handed to nobody before the store was asked for them", () => {
    lease(1, 3);
    claim(1, []);
    expect(lease(2, 3)).toEqual([]);
    expect(parts.waiting(3).count).toBe(0);
  });

  test("are done without being sent again when the store has them", () => {
    lease(1, 2);
    claim(1, []);
    expect(parts.settleLost([listed(1), listed(2)], false, NOW)).toBe(2);
    expect([...parts.completed()]).toEqual([
      { partNumber: 1, etag: '"held1"' },
      { partNumber: 2, etag: '"held2"' },
    ]);
    expect(parts.totals()).toMatchObject({ done: 2, doneBytes: 2 * LENGTH, lost: 0 });
    expect(numbers(lease(2, 3))).toEqual([3]);
  });

  test("are only read, not sent, when the store has them and their digests are wanted", () => {
    lease(1, 1);
    claim(1, []);
    parts.settleLost([listed(1)], true, NOW);
    expect(lease(2, 1)).toEqual([{ partNumber: 1, attempt: 2, failedAttempts: 0, heldEtag: '"held1"' }]);
  });

  test("are still only read after reading them has failed", () => {
    lease(1, 1);
    claim(1, []);
    parts.settleLost([listed(1)], true, NOW);
    lease(2, 1);
    claim(2, [failed(1, 2, ERROR)]);
    expect(lease(2, 1, NOW + 60_000)).toMatchObject([
      { partNumber: 1, attempt: 3, failedAttempts: 1, heldEtag: '"held1"' },
    ]);
  });

  test("need no second copy when the report of a failure says that the store has them", () => {
    lease(1, 1);
    claim(1, [{ partNumber: 1, attempt: 1, result: { ok: false, failure: ERROR, heldEtag: '"held1"' } }]);
    expect(lease(1, 1, NOW + 60_000)).toMatchObject([{ partNumber: 1, attempt: 2, heldEtag: '"held1"' }]);
  });

  test("are sent again when the store has not got them, or got less than all of their bytes", () => {
    lease(1, 2);
    claim(1, []);
    expect(parts.settleLost([listed(2, LENGTH - 1)], false, NOW)).toBe(0);
    expect(lease(2, 2)).toEqual([
      { partNumber: 1, attempt: 2, failedAttempts: 0, heldEtag: null },
      { partNumber: 2, attempt: 2, failedAttempts: 0, heldEtag: null },
    ]);
  });

  test("are sent again when the store turned out to have lost what it had shown", () => {
    lease(1, 1);
    claim(1, []);
    parts.settleLost([listed(1)], true, NOW);
    lease(2, 1);
    claim(2, [done(1, 2, '"held1"')]);
    expect(parts.reconcile([])).toBe(1);
    expect(lease(2, 1)).toEqual([{ partNumber: 1, attempt: 3, failedAttempts: 0, heldEtag: null }]);
  });
});

/** Fails part 1 until it is final. @returns after how many attempts, and by what */
function failUntilFinal(
  what: Failure,
  stepMs: number,
  most = 2000,
): [attempts: number, what: Failure | null] {
  for (let attempt = 1; attempt <= most; attempt++) {
    const now = NOW + attempt * stepMs;
    lease(1, 1, now);
    const final = claim(1, [failed(1, attempt, what)], [], now);
    if (final !== null) return [attempt, final];
  }
  return [most, null];
}

describe("a part is given up", () => {
  test("after eight attempts when the failure is its own", () => {
    const own = failure("short_body");
    expect(failUntilFinal(own, 60_000)).toEqual([MAX_ATTEMPTS, own]);
  });

  test("after four attempts when its range is answered with the whole object", () => {
    const ignored = failure("range_ignored", 200);
    expect(failUntilFinal(ignored, 60_000)).toEqual([4, ignored]);
  });

  test("after three attempts when its bytes differ from their stated digest", () => {
    const bad = failure("BadDigest", 400);
    expect(failUntilFinal(bad, 60_000)).toEqual([3, bad]);
  });

  test.each([failure("InvalidArgument", 400), DENIED])("at once by $code", (what) => {
    expect(failUntilFinal(what, 60_000)).toEqual([1, what]);
  });

  test("not while its store answers nobody, until the patience is over", () => {
    const stepMs = 30_000;
    const [attempts, what] = failUntilFinal(OUTAGE, stepMs);
    expect(what).toBe(OUTAGE);
    expect((attempts - 1) * stepMs).toBe(OUTAGE_PATIENCE_MS);
  });

  test("by a limit of the platform only when no event has got anywhere for as long", () => {
    const limit = failure("platform_limit", null, { side: "mesh" });
    const stepMs = 30_000;
    const [attempts, what] = failUntilFinal(limit, stepMs);
    expect(what).toBe(limit);
    expect((attempts - 1) * stepMs).toBe(OUTAGE_PATIENCE_MS);
  });

  test("never for what happened before a person mended it", () => {
    for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt++) {
      lease(1, 1, NOW + attempt * 60_000);
      expect(claim(1, [failed(1, attempt, ERROR)], [], NOW + attempt * 60_000)).toBeNull();
    }
    parts.forgive();
    expect(lease(1, 1, NOW)).toMatchObject([{ partNumber: 1, attempt: MAX_ATTEMPTS }]);
    expect(claim(1, [failed(1, MAX_ATTEMPTS, ERROR)])).toBeNull();
  });
});

describe("a part that was under way when a person mended something", () => {
  test("does not ask that person again by what it met before", () => {
    lease(1, 1);
    parts.forgive();
    expect(claim(1, [failed(1, 1, DENIED)])).toBeNull();
    expect(states()).toEqual(["pending"]);
    expect(parts.page(0, 1)).toMatchObject([{ failedAttempts: 0 }]);
    expect(parts.totals()).toMatchObject({ failedAttempts: 1 });
    expect(failAt(DENIED, 2, NOW + 60_000)).toBe(DENIED);
  });

  test("nor when it was sent twice", () => {
    lease(1, 1);
    parts.flights.race(1, 2, NOW);
    parts.forgive();
    expect(claim(1, [failed(1, 1, DENIED)])).toBeNull();
    expect(claim(2, [failed(1, 2, DENIED)])).toBeNull();
    expect(states()).toEqual(["pending"]);
  });

  test("fails the copy by what nobody can mend", () => {
    const fatal = failure("source_changed");
    lease(1, 1);
    parts.forgive();
    expect(claim(1, [failed(1, 1, fatal)])).toBe(fatal);
  });
});

function failAt(what: Failure, attempt: number, at: number): Failure | null {
  lease(1, 1, at);
  return claim(1, [failed(1, attempt, what)], [], at);
}

test("what a store in trouble refused does not count when the part fails for a reason of its own", () => {
  const own = failure("short_body");
  for (let attempt = 1; attempt <= 2 * MAX_ATTEMPTS; attempt++)
    expect(failAt(OUTAGE, attempt, NOW + attempt * 30_000)).toBeNull();
  const later = NOW + 3 * MAX_ATTEMPTS * 30_000;
  expect(failAt(own, 2 * MAX_ATTEMPTS + 1, later)).toBeNull();
});
