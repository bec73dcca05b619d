// What a broken-off abort leaves owed, and when it is tried again.
import { describe, expect, test } from "vitest";
import { type OwedDebt, Debts, debtsOf, nextTryMs } from "../../../src/copy/debts.ts";
import type { Aborting } from "../../../src/copy/phase.ts";
import { ABORTING, DENIED, OUTAGE, WHOLE_PLAN, prepared } from "../samples.ts";
import { memorySql } from "../sqlite.ts";

const NOW = 1_000_000;
const DAY_MS = 24 * 3600_000;
const longest = 1 - Number.EPSILON;

describe("debtsOf()", () => {
  test("an upload is owed by its ID", () => {
    expect(debtsOf(ABORTING.aborting)).toEqual([{ kind: "upload", uploadId: "up-1" }]);
  });

  test("an upload that an unanswered Create may have made is owed by the time of that Create", () => {
    expect(debtsOf(ABORTING.abortingStray)).toEqual([{ kind: "stray", sentAtMs: 5000 }]);
  });

  test("the object that an unanswered PutObject may have made is owed by its copy ID", () => {
    expect(debtsOf(ABORTING.abortingWhole)).toEqual([{ kind: "object", copyId: "copy-1" }]);
  });

  test("an object without a copy ID is not owed: nobody could tell it from another's", () => {
    const object = prepared({ plan: WHOLE_PLAN, copyId: null });
    expect(debtsOf({ ...ABORTING.abortingWhole, object })).toEqual([]);
  });

  test("both are owed when a second Create was not answered either", () => {
    const both: Aborting = { ...ABORTING.aborting, strayAtMs: 5000 };
    expect(debtsOf(both)).toEqual([
      { kind: "stray", sentAtMs: 5000 },
      { kind: "upload", uploadId: "up-1" },
    ]);
  });

  test("a copy that had begun nothing owes nothing", () => {
    expect(debtsOf({ ...ABORTING.abortingStray, strayAtMs: null })).toEqual([]);
    expect(debtsOf({ ...ABORTING.abortingStray, object: null, strayAtMs: null })).toEqual([]);
  });
});

const waitMs = (failedAttempts: number, random: number) =>
  (nextTryMs(NOW, failedAttempts, NOW, random) ?? NaN) - NOW;

describe("nextTryMs()", () => {
  test("waits for a quarter of a minute at first, twice as long each time, for an hour at most", () => {
    const waits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((tries) => waitMs(tries, longest) / 1000);
    expect(waits).toEqual([15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    expect(waitMs(1000, longest)).toBe(3600_000);
    expect(waitMs(5000, longest)).toBe(3600_000);
  });

  test("never waits for less than half of that", () => {
    expect([0, 1, 2, 8, 1000].map((tries) => waitMs(tries, 0))).toEqual([
      7500, 15_000, 30_000, 1800_000, 1800_000,
    ]);
  });

  test("goes on for a week, then gives up", () => {
    expect(nextTryMs(NOW, 300, NOW + 7 * DAY_MS, 0)).toBe(NOW + 7 * DAY_MS + 1800_000);
    expect(nextTryMs(NOW, 300, NOW + 7 * DAY_MS + 1, 0)).toBeNull();
  });

  test("tries at least every hour for all of that week", () => {
    let tries = 0;
    let next: number | null = NOW;
    for (let now = NOW; next !== null && tries < 10_000; now = next ?? now) {
      tries += 1;
      next = nextTryMs(NOW, tries, now, longest);
      expect((next ?? now) - now).toBeLessThanOrEqual(3600_000);
    }
    expect(tries).toBeGreaterThan(7 * 24);
    expect(tries).toBeLessThan(8 * 24);
  });
});

const ledger = () => {
  const debts = new Debts(memorySql());
  debts.createTables();
  return debts;
};
const first = (debts: Debts): OwedDebt => {
  const [owed] = debts.all();
  if (owed === undefined) throw new Error("The ledger is empty");
  return owed;
};

describe("the ledger", () => {
  test("is empty at first, and asks for no alarm", () => {
    const debts = ledger();
    expect(debts.all()).toEqual([]);
    expect(debts.count()).toBe(0);
    expect(debts.nextTryMs()).toBeNull();
  });

  test("keeps each debt with its reason until it is paid", () => {
    const debts = ledger();
    debts.add({ kind: "upload", uploadId: "up-1" }, OUTAGE, NOW, 0);
    debts.add({ kind: "stray", sentAtMs: 5000 }, DENIED, NOW + 1, 0);
    expect(debts.all()).toMatchObject([
      { debt: { kind: "upload", uploadId: "up-1" }, sinceMs: NOW, failedAttempts: 0, failure: OUTAGE },
      { debt: { kind: "stray", sentAtMs: 5000 }, sinceMs: NOW + 1, failure: DENIED },
    ]);
    expect(debts.nextTryMs()).toBe(NOW + 7500);
    debts.paid(first(debts));
    expect(debts.all()).toMatchObject([{ debt: { kind: "stray" } }]);
    expect(debts.count()).toBe(1);
  });

  test("counts the tries of a debt, waits longer each time, and shows the last reason", () => {
    const debts = ledger();
    debts.add({ kind: "upload", uploadId: "up-1" }, OUTAGE, NOW, 0);
    debts.stillOwed(first(debts), OUTAGE, NOW + 10_000, 0);
    debts.stillOwed(first(debts), DENIED, NOW + 60_000, 0);
    expect(first(debts)).toMatchObject({
      sinceMs: NOW,
      failedAttempts: 2,
      nextTryMs: NOW + 60_000 + 30_000,
      failure: DENIED,
    });
  });

  test("keeps in sight what it has given up after a week, and tries it again when a person says so", () => {
    const debts = ledger();
    debts.add({ kind: "upload", uploadId: "up-1" }, OUTAGE, NOW, 0);
    const later = NOW + 8 * DAY_MS;
    debts.stillOwed(first(debts), OUTAGE, later, 0);
    expect(first(debts).nextTryMs).toBeNull();
    expect(debts.nextTryMs()).toBeNull();
    expect(debts.count()).toBe(1);
    debts.tryNow(later);
    expect(debts.nextTryMs()).toBe(later);
  });
});

test("an aborted upload is looked at once more when no part can be under way any more, and is not owed till then", () => {
  const debts = new Debts(memorySql());
  debts.createTables();
  debts.recheckLater("up-1", NOW);
  expect([debts.all(), debts.count()]).toEqual([[], 0]);
  const dueMs = debts.nextTryMs() ?? 0;
  // An event of the platform has 15 minutes.
  expect(dueMs - NOW).toBeGreaterThan(15 * 60_000);
  expect(debts.due(dueMs - 1)).toEqual([]);
  const [recheck] = debts.due(dueMs);
  expect(recheck?.debt).toEqual({ kind: "recheck", uploadId: "up-1" });
  debts.nowOwed(recheck as OwedDebt, "up-1");
  expect(debts.all().map(({ debt }) => debt)).toEqual([{ kind: "upload", uploadId: "up-1" }]);
  debts.paid(recheck as OwedDebt);
  expect(debts.nextTryMs()).toBeNull();
});
