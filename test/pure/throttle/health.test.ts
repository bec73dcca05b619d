// The budget of retries of a store: who is asked at full width, who is probed, and whose time has run out.
import { describe, expect, test } from "vitest";
import { type Failure, meshFailure } from "../../../src/s3/failure.ts";
import { MAX_ATTEMPTS } from "../../../src/s3/retry.ts";
import {
  type Health,
  afterFailure,
  afterSuccess,
  ALL_HEALTHY,
  FULL_TOKENS,
  HealthBook,
  HEALTHY,
  isDown,
  isHopeless,
  isUsedUp,
  OUTAGE_PATIENCE_MS,
} from "../../../src/throttle/health.ts";
import { DENIED, ERROR, OUTAGE, failure, seeded } from "../samples.ts";

const NOW = 1_000_000;
const TIMEOUT = failure("timeout");
const failed = (health: Health, what: Failure = OUTAGE, now = NOW, random = 0.5) =>
  afterFailure(health, what, now, random);

/** How many failures in a row a store may have before it is held. */
function failuresUntilDown(what: Failure): number {
  let health = HEALTHY;
  for (let count = 1; count <= 1000; count++) {
    health = failed(health, what);
    if (isDown(health)) return count;
  }
  return Infinity;
}

describe("the budget of a store", () => {
  test("is five hundred tokens: a hundred failures in a row use it up, or fifty timeouts", () => {
    expect(FULL_TOKENS).toBe(500);
    expect(failuresUntilDown(OUTAGE)).toBe(100);
    expect(failuresUntilDown(ERROR)).toBe(100);
    expect(failuresUntilDown(TIMEOUT)).toBe(50);
  });

  test("never falls below nothing nor rises above what it was", () => {
    let health = HEALTHY;
    for (let count = 0; count < 1000; count++) health = failed(health, TIMEOUT);
    expect(health.tokens).toBe(0);
    for (let count = 0; count < 1000; count++) health = afterSuccess(health, 3);
    expect(health).toEqual(HEALTHY);
  });

  test("gets back what the retry had cost, and one token for a success at the first attempt", () => {
    const spent = { ...HEALTHY, tokens: 100 };
    expect(afterSuccess(spent, 1).tokens).toBe(105);
    expect(afterSuccess(spent, 7).tokens).toBe(105);
    expect(afterSuccess(spent, 0).tokens).toBe(101);
  });

  test("is full enough again for every lane after the first part that got through on a retry", () => {
    const down = { ...HEALTHY, tokens: 0 };
    expect(isDown(down)).toBe(true);
    expect(isDown(afterSuccess(down, 1))).toBe(false);
  });

  test("remembers since when nothing has succeeded, until something does", () => {
    let health = failed(HEALTHY, OUTAGE, NOW);
    health = failed(health, OUTAGE, NOW + 5000);
    expect(health).toMatchObject({ failingSinceMs: NOW, failures: 2 });
    expect(afterSuccess(health, 1)).toMatchObject({ failingSinceMs: null, failures: 0 });
  });

  test("of a store that fails every third request is never used up", () => {
    let health = HEALTHY;
    for (let count = 1; count <= 30_000; count++) {
      health = count % 3 === 0 ? failed(health) : afterSuccess(health, count % 3 === 1 ? 1 : 0);
      expect(isDown(health)).toBe(false);
    }
  });

  test("of a store that fails a third of all requests by chance is never used up", () => {
    const random = seeded(7);
    let health = HEALTHY;
    let retries = 0;
    for (let count = 0; count < 30_000; count++) {
      if (random() < 1 / 3) {
        health = failed(health);
        retries += 1;
      } else {
        health = afterSuccess(health, retries > 0 ? 1 : 0);
        retries = Math.max(0, retries - 1);
      }
      expect(isDown(health)).toBe(false);
    }
  });
});

/** A copy whose destination has failed so many times in a row. */
const dead = (failures: number) => {
  const book = new HealthBook(ALL_HEALTHY);
  for (let count = 0; count < failures; count++) book.failed(OUTAGE, NOW, 0.5);
  return book;
};

describe("a store that is down", () => {
  test("is asked at full width until its budget is used up", () => {
    expect(dead(99).pace()).toEqual({ kind: "full" });
    expect(dead(100).pace()).toMatchObject({ kind: "trial" });
  });

  test("is asked by one trial at a time, at the pace of its backoff, at most every twenty seconds", () => {
    const book = dead(100);
    let now = NOW;
    for (let trial = 0; trial < 20; trial++) {
      const pace = book.pace();
      if (pace.kind !== "trial") throw new Error("a dead store was asked at full width");
      expect(pace.trialAtMs).toBeGreaterThan(now);
      expect(pace.trialAtMs - now).toBeLessThanOrEqual(20_000);
      now = pace.trialAtMs;
      book.failed(OUTAGE, now, 1 - Number.EPSILON);
      expect(book.pace()).toEqual({ kind: "trial", trialAtMs: now + 20_000 });
    }
  });

  test("is left alone for as long as it has asked for", () => {
    const book = dead(100);
    book.failed(failure("SlowDown", 503, { retryAfterMs: 300_000 }), NOW, 0);
    expect(book.pace()).toEqual({ kind: "trial", trialAtMs: NOW + 300_000 });
  });

  test("is asked at full width again as soon as one trial got through", () => {
    const book = dead(200);
    book.succeeded(1);
    expect(book.pace()).toEqual({ kind: "full" });
    expect(book.healths.destination).toMatchObject({ failingSinceMs: null, failures: 0 });
  });

  test("holds the copy though the other store is well", () => {
    const book = dead(100);
    expect(book.healths.source).toEqual(HEALTHY);
    expect(book.pace()).toMatchObject({ kind: "trial" });
  });

  test("and another one that is down too wait for the later of the two", () => {
    const book = dead(100);
    const source = { ...OUTAGE, side: "source" as const, retryAfterMs: 60_000 };
    for (let count = 0; count < 100; count++) book.failed(source, NOW, 0);
    expect(book.pace()).toEqual({ kind: "trial", trialAtMs: NOW + 60_000 });
  });

  test("that is the mesh itself is held like a store", () => {
    const book = new HealthBook(ALL_HEALTHY);
    for (let count = 0; count < 100; count++) {
      book.failed(meshFailure("platform_limit", "Too many subrequests.", "copyPart"), NOW, 0.5);
    }
    expect(book.pace()).toMatchObject({ kind: "trial" });
    expect(book.healths.destination).toEqual(HEALTHY);
  });

  test("rests in storage as plain JSON", () => {
    const { healths } = dead(100);
    expect(new HealthBook(JSON.parse(JSON.stringify(healths)) as typeof healths).pace()).toEqual(
      dead(100).pace(),
    );
  });
});

describe("a part that has failed as often as it may", () => {
  const tries = { attempts: MAX_ATTEMPTS, allowed: MAX_ATTEMPTS };
  const failing = { ...HEALTHY, failingSinceMs: NOW, failures: 40 };

  test("is given up when its failure is its own", () => {
    expect(isUsedUp(ERROR, tries, HEALTHY, NOW)).toBe(true);
    expect(isUsedUp(DENIED, tries, failing, NOW)).toBe(true);
  });

  test("is not given up while its store answers nobody", () => {
    expect(isUsedUp(OUTAGE, tries, failing, NOW)).toBe(false);
    expect(isUsedUp(OUTAGE, { ...tries, attempts: 1000 }, failing, NOW + OUTAGE_PATIENCE_MS - 1)).toBe(false);
  });

  test("is given up when its store has answered nobody for a quarter of an hour", () => {
    expect(OUTAGE_PATIENCE_MS).toBe(15 * 60_000);
    expect(isUsedUp(OUTAGE, tries, failing, NOW + OUTAGE_PATIENCE_MS)).toBe(true);
  });

  test("and not before, whatever the store does", () => {
    for (const health of [HEALTHY, failing]) {
      for (const what of [OUTAGE, ERROR]) {
        expect(isUsedUp(what, { ...tries, attempts: MAX_ATTEMPTS - 1 }, health, NOW)).toBe(false);
      }
    }
  });
});

describe("the patience of a copy", () => {
  test("runs from the first failure since the last success, for each side by itself", () => {
    const book = new HealthBook(ALL_HEALTHY);
    book.failed(OUTAGE, NOW, 0.5);
    book.failed(OUTAGE, NOW + OUTAGE_PATIENCE_MS - 1, 0.5);
    expect(book.isHopeless("destination", NOW + OUTAGE_PATIENCE_MS - 1)).toBe(false);
    expect(book.isHopeless("destination", NOW + OUTAGE_PATIENCE_MS)).toBe(true);
    expect(book.isHopeless("source", NOW + OUTAGE_PATIENCE_MS)).toBe(false);
  });

  test("starts anew with every success", () => {
    const book = new HealthBook(ALL_HEALTHY);
    book.failed(OUTAGE, NOW, 0.5);
    book.succeeded(0);
    book.failed(OUTAGE, NOW + OUTAGE_PATIENCE_MS, 0.5);
    expect(book.isHopeless("destination", NOW + OUTAGE_PATIENCE_MS + 1)).toBe(false);
  });

  test("of a store that never failed is without end", () => {
    expect(isHopeless(HEALTHY, Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  test("decides for the part that the failure came from", () => {
    const book = new HealthBook(ALL_HEALTHY);
    book.failed(OUTAGE, NOW, 0.5);
    const tries = { attempts: MAX_ATTEMPTS, allowed: MAX_ATTEMPTS };
    expect(book.isUsedUp(OUTAGE, tries, NOW + 1000)).toBe(false);
    expect(book.isUsedUp(OUTAGE, tries, NOW + OUTAGE_PATIENCE_MS)).toBe(true);
    expect(book.isUsedUp(failure("short_body"), tries, NOW + 1000)).toBe(true);
  });
});
