// What work may still send under a budget: whatever is reserved, spent, reported late or lost, both together
// never pass it.

import { expect, test } from "vitest";
import { Problem } from "../../../src/http/problem.ts";
import { FailureError } from "../../../src/s3/errors.ts";
import type { Budget } from "../../../src/store/budget.ts";
import { pricesOf } from "../../../src/store/prices.ts";
import { Account } from "../../../src/work/account.ts";
import type { Provider } from "../../../src/store/profiles.ts";
import { Purse } from "../../../src/work/purse.ts";
import {
  NOTHING_SPENT,
  SpentCount,
  SpentTable,
  addSpent,
  attemptOf,
  timesSpent,
} from "../../../src/work/spent.ts";
import { memorySql } from "../sqlite.ts";

const PRICES = { source: pricesOf("aws", undefined), destination: pricesOf("r2", undefined) };

function open(budget: Budget, isEnding = false) {
  const table = new SpentTable(memorySql());
  const terms = { budget, prices: PRICES, keptBack: NOTHING_SPENT, restoring: null, isEnding };
  return { table, account: new Account(table, () => terms) };
}

const bodyOf = (run: () => unknown): [number, string] | null => {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof Problem) return [error.status, error.message];
    throw error;
  }
};

test("without a budget nothing is limited, reserved or counted here", () => {
  const { table, account } = open({});
  expect(account.affordable([attemptOf(1e15)])).toBe(1);
  expect(account.reserve("1/1", attemptOf(1e15))).toBeUndefined();
  expect(account.settle("1/1", attemptOf(1))).toBe(false);
  expect([table.reserved().size, table.all()]).toEqual([0, NOTHING_SPENT]);
  expect(account.describe()).toBeNull();
});

test("as many are handed out as the budget covers to the last byte and request", () => {
  const costs = Array.from({ length: 10 }, () => attemptOf(100));
  expect(open({ maxBytes: 1000 }).account.affordable(costs)).toBe(10);
  expect(open({ maxBytes: 999 }).account.affordable(costs)).toBe(9);
  expect(open({ maxRequests: 7 }).account.affordable(costs)).toBe(3);
  // A GET of AWS and a PUT of R2, and 100 bytes out.
  const each = 0.0004 / 1000 + 0.0045 / 1000 + (100 / 1e9) * 0.09;
  expect(open({ maxUsd: each * 4 }).account.affordable(costs)).toBe(4);
  expect(open({ maxUsd: each * 3.99 }).account.affordable(costs)).toBe(3);
});

test("a report settles its reservation once; what is lost counts whole, and its report is not counted again", () => {
  const { table, account } = open({ maxBytes: 1000 });
  account.reserve("1/1", attemptOf(400));
  account.reserve("2/1", attemptOf(400));
  expect(account.affordable([attemptOf(400)])).toBe(0);
  account.settle("1/1", attemptOf(100));
  account.settle("1/1", attemptOf(100));
  expect(account.affordable([attemptOf(400)])).toBe(1);
  account.settleLost((name) => name === "1/1");
  account.settle("2/1", attemptOf(10));
  expect(table.all().source.bytes).toBe(500);
  expect(account.affordable([attemptOf(501)])).toBe(0);
  expect(account.describe()).toMatchObject({ spent: { bytes: 500 }, reserved: { bytes: 0 } });
});

test("a call sends no more than its purse has; what must be sent is sent and counted", () => {
  const purse = new Purse({ usd: Infinity, bytes: 150, requests: 2 }, PRICES);
  const sent = new SpentCount(purse.charge);
  sent.source.request("GetObject", "GET");
  sent.source.bytes(100);
  expect(() => sent.source.bytes(51)).toThrow(FailureError);
  sent.destination.request("PutObject", "PUT");
  expect(() => sent.destination.request("HeadObject", "HEAD")).toThrow(FailureError);
  sent.destination.owed().request("HeadObject", "HEAD");
  expect(purse.isShort).toBe(true);
  expect(sent.take()).toEqual(
    addSpent(attemptOf(100), { ...NOTHING_SPENT, destination: { ...NOTHING_SPENT.destination, head: 1 } }),
  );
});

test("the owner's own requests are refused beyond the budget, but for what it owes at its end", () => {
  const { table, account } = open({ maxRequests: 2 });
  const sent = new SpentCount(account.charge);
  sent.source.request("ListObjectsV2", "GET");
  account.reserve("1/1", timesSpent(attemptOf(0), 0.5));
  // What others have reserved may come back: it is asked again.
  expect(() => sent.source.request("ListObjectsV2", "GET")).toThrow(
    expect.objectContaining({ failure: expect.objectContaining({ retryAfterMs: 1000 }) }),
  );
  account.settle("1/1", NOTHING_SPENT);
  sent.source.request("ListObjectsV2", "GET");
  expect(() => sent.source.request("ListObjectsV2", "GET")).toThrow(
    expect.objectContaining({ failure: expect.objectContaining({ retryAfterMs: null }) }),
  );
  expect(table.all().source.list).toBe(2);
  expect(sent.take()).toEqual(NOTHING_SPENT);
  const ending = open({ maxRequests: 1 }, true);
  const owed = new SpentCount(ending.account.charge);
  for (let n = 0; n < 3; n++) owed.destination.request("AbortMultipartUpload", "DELETE");
  expect(ending.table.all().destination.delete).toBe(3);
});

test("a reservation that was too small is followed by larger ones, until the budget has no such one", () => {
  const { account } = open({ maxBytes: 10 * 2 ** 20 });
  let tries = 0;
  while (account.affordable([attemptOf(0)]) > 0) {
    tries += 1;
    account.wasShort();
  }
  expect(tries).toBe(4);
});

test("a large object that has stopped holds what it has spent, and gets more as far as there is more", () => {
  const { account } = open({ maxBytes: 1000 });
  account.reserve("copy/1", attemptOf(600));
  account.idle("copy/1", attemptOf(500));
  expect(account.hasReserved).toBe(false);
  expect(account.affordable([attemptOf(500)])).toBe(1);
  expect(account.revive("copy/1", attemptOf(1001))).toBeNull();
  expect(account.revive("copy/1", attemptOf(1000))).toMatchObject({ bytes: 1000, requests: Infinity });
  expect(account.hasReserved).toBe(true);
  account.settle("copy/1", attemptOf(700));
  expect(account.describe()).toMatchObject({ spent: { bytes: 700 }, reserved: { bytes: 0 } });
});

test("a higher budget is taken, one that is used up already is refused with what is", () => {
  const { account } = open({ maxBytes: 1000, maxRequests: 50 });
  account.settle("none", NOTHING_SPENT);
  account.reserve("1/1", attemptOf(600));
  account.settle("1/1", undefined);
  account.reserve("2/1", attemptOf(100));
  expect(account.raised({ maxBytes: "2KB" }, true)).toEqual({ maxBytes: 2000, maxRequests: 50 });
  expect(account.raised({}, false)).toEqual({ maxBytes: 1000, maxRequests: 50 });
  expect(bodyOf(() => account.raised({ maxBytes: 700 }, true))).toEqual([
    409,
    expect.stringContaining('"maxBytes" must be above 700'),
  ]);
  expect(bodyOf(() => account.raised({}, true))).toEqual([409, expect.stringContaining("600 are spent")]);
  expect(bodyOf(() => account.raised({ maxBites: 1 }, true))?.[0]).toBe(400);
  const none = open({}).account;
  expect(bodyOf(() => none.raised({ maxBytes: 5 }, false))?.[1]).toContain("without a budget");
});

test("a retrieval is held to the dollars, also where its answer is lost; what a store refuses costs nothing", () => {
  const { account, table } = open({ maxUsd: 1.5 });
  const spent = new SpentCount(account.charge);
  spent.source.retrieval(1);
  expect(() => spent.source.retrieval(1)).toThrow("The budget is reached");
  spent.source.retrieval(-1);
  expect(table.all()).toEqual(NOTHING_SPENT);
  spent.source.retrieval(1.25);
  expect(account.describe()?.spent).toMatchObject({ usd: 1.25, requests: 0 });
  expect(timesSpent(table.all(), 2).source.retrievalUsd).toBe(2.5);
  expect(addSpent(table.all(), table.all()).source.retrievalUsd).toBe(2.5);
});

test("dollars cannot be limited later, either, where nobody knows what a restore costs", () => {
  const table = new SpentTable(memorySql());
  const terms = { budget: { maxRequests: 9 }, prices: PRICES, keptBack: NOTHING_SPENT, isEnding: false };
  const restoringAt = (provider: Provider) =>
    new Account(table, () => ({ ...terms, restoring: { provider } }));
  expect(restoringAt("aws").raised({ maxUsd: 5 }, true)).toEqual({ maxRequests: 9, maxUsd: 5 });
  expect(bodyOf(() => restoringAt("scaleway").raised({ maxUsd: 5 }, true))).toEqual([
    400,
    expect.stringContaining('"maxUsd" cannot bound what a restore costs: its prices are known of aws'),
  ]);
});
