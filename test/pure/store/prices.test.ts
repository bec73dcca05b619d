// What stores ask for requests and bytes, by the lists and by a store's own prices.

import { expect, test } from "vitest";
import { dollarsOf, pricesOf } from "../../../src/store/prices.ts";
import { NOTHING_SENT } from "../../../src/store/sent.ts";

const priced = (...of: Parameters<typeof pricesOf>) => {
  const prices = pricesOf(...of);
  if (prices === null) throw new Error("No price is known");
  return prices;
};

test.each([
  ["aws", { put: 1e6 }, 5],
  ["aws", { list: 1e6, get: 1e6, head: 1e6, delete: 1e6 }, 5.8],
  ["aws", { bytes: 5e12 }, 450],
  ["r2", { put: 1e6, get: 1e6, bytes: 5e12 }, 4.86],
  ["gcs", { list: 1000, get: 50_000, put: 9000, bytes: 1e9 }, 0.19],
  ["b2", { put: 1e9, list: 1e6, get: 1e6 }, 4.4],
  ["wasabi", { put: 1e9, get: 1e9, bytes: 1e15 }, 0],
] as const)("%s asks for %j %d dollars", (provider, sent, dollars) => {
  expect(dollarsOf({ ...NOTHING_SENT, ...sent }, priced(provider, undefined))).toBeCloseTo(dollars, 9);
});

test("a store's own prices replace those of the list, one by one; without both nothing is known", () => {
  const own = priced("aws", { egressPerGb: 0.05 });
  expect(dollarsOf({ ...NOTHING_SENT, bytes: 1e12, put: 1000 }, own)).toBeCloseTo(50.005, 9);
  expect(dollarsOf({ ...NOTHING_SENT, put: 1000, get: 1000 }, priced("ceph", { put: 1 }))).toBe(1);
  expect(pricesOf("other", undefined)).toBeNull();
});
