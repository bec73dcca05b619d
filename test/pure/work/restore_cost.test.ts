// What a restore adds to a quote.
import { describe, expect, test } from "vitest";
import { pricesOf } from "../../../src/store/prices.ts";
import { restoreDollars } from "../../../src/store/restore_prices.ts";
import { looksWithin } from "../../../src/work/looks.ts";
import { sentForRestores } from "../../../src/work/restore_cost.ts";

const AWS = { provider: "aws", prices: pricesOf("aws", undefined) } as const;
/** The calculation of https://repost.aws/knowledge-center/s3-manage-data-retrieval, in powers of 1,000. */
const MANY = { objects: 15_000_000, bytes: 102_400e9 };

describe("restoreDollars()", () => {
  test.each([
    ["GLACIER", "Standard", 750 + 1024],
    ["GLACIER", "Expedited", 150_000 + 3072],
    ["GLACIER", "Bulk", 0],
    ["DEEP_ARCHIVE", "Standard", 1500 + 2048],
    ["DEEP_ARCHIVE", "Bulk", 375 + 256],
    ["INTELLIGENT_TIERING", "Standard", 0],
    ["DEEP_ARCHIVE", "Expedited", null],
    ["COLDARCHIVE", "Bulk", null],
  ] as const)("%s, %s: %s, and the copies for their days", (storageClass, restore, dollars) => {
    // A tenth of a month of what is there twice; what is moved back is not.
    const copies = storageClass === "INTELLIGENT_TIERING" ? 0 : 0.1 * 102_400 * 0.023;
    const expected = dollars === null ? null : dollars + copies;
    const told = restoreDollars({ [storageClass]: MANY }, { restore, days: 3 }, AWS);
    if (expected === null) expect(told).toBeNull();
    else expect(told).toBeCloseTo(expected, 6);
  });

  test("nothing is known of other providers", () => {
    const other = { provider: "scaleway", prices: null } as const;
    expect(restoreDollars({ GLACIER: MANY }, { restore: "Bulk", days: 1 }, other)).toBeNull();
  });
});

const hours = (count: number) => looksWithin(count * 3_600_000);

test("each object is asked for once and looked at while it takes", () => {
  const byClass = { GLACIER: { objects: 2, bytes: 1 }, DEEP_ARCHIVE: { objects: 1, bytes: 1 } };
  const { source } = sentForRestores(byClass, { restore: "Bulk", days: 3 });
  expect(source).toMatchObject({ put: 3, head: 2 * (1 + hours(12)) + 1 + hours(48) });
});
