// What a batch of small objects is booked for at stores whose requests are capped, and what it may send.
import { expect, test } from "vitest";
import { BatchGate, requestsOf } from "../../../src/sync/gate.ts";
import { Governor } from "../../../src/throttle/governor.ts";
import type { ObjectWork } from "../../../src/work/batch_task.ts";
import { Sender } from "../../../src/throttle/sender.ts";
import { StoreShares } from "../../../src/throttle/shares.ts";
import { findStore } from "../../../src/store/stores.ts";
import { failure } from "../samples.ts";

const KEY = { region: "auto", accessKeyId: "id", secretAccessKey: "secret", profile: { tagCount: true } };
const secret = (fields: Record<string, unknown>) => JSON.stringify({ ...KEY, ...fields });
const NOW = 1_000_000;
const work: ObjectWork = { key: "a", to: "a", sizeBytes: 1, etag: null, failedAttempts: 0, first: "copy" };
const ENV = {
  STORE_EAST: secret({ endpoint: "https://east.example.com" }),
  STORE_WEST: secret({ endpoint: "https://west.example.com" }),
  STORE_TACIT: secret({ endpoint: "https://tacit.example.com", profile: {} }),
  STORE_CAPPED: secret({ endpoint: "https://capped.example.com", maxRequestsPerSecond: 10 }),
  STORE_HEEDFUL: secret({ endpoint: "https://s3.us-east-1.amazonaws.com", region: "us-east-1" }),
};
const store = (name: string) => findStore(ENV, name);
const BETWEEN = { source: store("east"), destination: store("west") };
const INSIDE = { source: store("east"), destination: store("east") };
const TACIT = { source: store("tacit"), destination: store("west") };
const HEEDFUL = { source: store("heedful"), destination: store("heedful") };
/** What lists as an object that was uploaded whole, in a class of which all is known. */
const KEPT = { etag: '"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"', storageClass: null };
const OPTIONS = {
  metadata: "preserve",
  attributes: {},
  storageClass: null,
  tags: "preserve",
  ifLossy: "warn",
  compare: "auto",
} as const;
const ask = (
  first: ObjectWork["first"],
  sides: Parameters<typeof requestsOf>[1],
  options: Partial<Parameters<typeof requestsOf>[0]["options"]> = {},
  listed: Partial<ObjectWork> = {},
) => {
  const looked = { ...work, first, ...listed };
  return requestsOf(
    {
      objects: [looked, looked],
      options: { ...OPTIONS, compare: "size", ...options },
    },
    sides,
  );
};

test.each([
  ["a GET and a PUT for an object that is copied", ask("copy", BETWEEN), 2, 2],
  ["the tags too where the source does not tell their number", ask("copy", TACIT), 4, 2],
  ["the tags too where they are required", ask("copy", BETWEEN, { tags: "require" }), 4, 4],
  ["a look at the storage class that was asked for", ask("copy", BETWEEN, { storageClass: "GLACIER" }), 2, 4],
  ["no look at what is only told", ask("tell", BETWEEN, { storageClass: "GLACIER" }), 0, 2],
  ["a HEAD of the destination where it is looked first", ask("look", BETWEEN), 2, 4],
  ["a HEAD of the source where checksums are compared", ask("look", BETWEEN, { compare: "checksum" }), 4, 4],
  ["no more than the HEADs where it is only told", ask("tell", BETWEEN, { compare: "auto" }), 2, 2],
  ["as auto compares, where an attempt may have copied it", ask("find", BETWEEN), 4, 4],
  ["a HEAD before and after a copy that heeds no condition", ask("copy", INSIDE), 4, 2],
  ["a HEAD before a copy that heeds it", ask("copy", HEEDFUL), 2, 2],
  ["nothing before a copy that keeps all attributes", ask("copy", HEEDFUL, {}, KEPT), 0, 2],
  ["a HEAD before one that changes them", ask("copy", HEEDFUL, { attributes: { expires: "0" } }, KEPT), 2, 2],
])("a batch is booked for %s", (_, booked, source, destination) => {
  expect(booked).toEqual({ source, destination });
});

const batchOf = (count: number) => ({
  objects: Array.from({ length: count }, () => work),
  options: OPTIONS,
});

const wholeCap = async () => [{ concurrency: Infinity, perSecond: 10 }];

/** A gate before stores that the registry leaves to it whole. */
async function gate(sides: Parameters<BatchGate["paceOf"]>[1]): Promise<BatchGate> {
  const shares = new StoreShares(wholeCap, { columns: () => 1, quietUntilMs: 0, clock: () => NOW });
  const opened = new BatchGate(new Governor("requests", NOW), shares);
  expect(opened.isOpen(sides, NOW)).toBe(false);
  await shares.refresh();
  return opened;
}

test("a batch between a capped store and another is held back at that one alone, for as many requests as are booked", async () => {
  const sides = { source: store("east"), destination: store("capped") };
  const pace = (await gate(sides)).paceOf(batchOf(3), sides, { width: 1, now: NOW, random: 0 });
  expect(pace).toMatchObject({ kind: "each", source: null, destination: { gapMs: 100, requests: 3 } });
});

test("a batch inside one capped store is one sender to it, of all that either side takes", async () => {
  const sides = { source: store("capped"), destination: store("capped") };
  const pace = (await gate(sides)).paceOf(batchOf(3), sides, { width: 1, now: NOW, random: 0 });
  expect(pace).toMatchObject({ kind: "one", both: { gapMs: 100, requests: 9 } });
});

test("a booking has an end, for which a batch comes again", async () => {
  const sides = { source: store("east"), destination: store("capped") };
  const pace = (await gate(sides)).paceOf(batchOf(1000), sides, { width: 1, now: NOW, random: 0 });
  expect(pace).toMatchObject({ destination: { requests: 100 } });
});

test("a sender begins nothing more when what is booked is sent, but always something", async () => {
  const sender = new Sender({ startAtMs: 0, gapMs: 0, requests: 2 });
  expect(sender.isSpent).toBe(false);
  await sender.turn?.();
  expect(sender.isSpent).toBe(false);
  await sender.turn?.();
  expect(sender.isSpent).toBe(true);
  const unforeseen = new Sender({ startAtMs: 0, gapMs: 0, requests: 0 });
  expect(unforeseen.isSpent).toBe(false);
  await unforeseen.turn?.();
  expect(unforeseen.isSpent).toBe(true);
  expect(new Sender(null)).toMatchObject({ turn: undefined, isSpent: false });
});

const CAPPED = { source: store("east"), destination: store("capped") };

test("a store that begins to ask for fewer requests is news once, whether a list or a batch has heard it", async () => {
  const throttled = failure("SlowDown", 503, { side: "source" });
  const outcomes = Array.from({ length: 2 }, () => ({ kind: "failed" as const, failure: throttled }));
  const report = { batch: 1, attempt: 1, outcomes, durationMs: 1000 };
  const news = [
    { event: "throttled_by_source", detail: expect.stringContaining("requests per second now") as string },
  ];
  const batches = await gate(CAPPED);
  expect(batches.reported(report, 3, NOW)).toEqual(news);
  expect(batches.refused(throttled, 3, NOW)).toEqual([]);
  const lists = await gate(CAPPED);
  expect(lists.refused(throttled, 3, NOW)).toEqual(news);
  expect(lists.reported(report, 3, NOW)).toEqual([]);
  expect(lists.reported({ ...report, outcomes: null }, 3, NOW)).toEqual([]);
});

const copied = (sizeBytes: number) =>
  Array.from(
    { length: 10 },
    () => ({ kind: "copied", etag: "e", proof: "etag", sizeBytes, warnings: [] }) as const,
  );

test("of a store that throttles, a batch of large objects takes less than one of small objects", async () => {
  const failed = { kind: "failed", failure: failure("SlowDown", 503, { side: "source" }) } as const;
  const widths = [1000, 64 * 2 ** 20].map((sizeBytes) => {
    const shares = new StoreShares(async () => await Promise.resolve([]), {
      columns: () => 1,
      quietUntilMs: 0,
      clock: () => NOW,
    });
    const batches = new BatchGate(new Governor("requests", NOW), shares);
    const report = { batch: 1, attempt: 1, durationMs: 1000 };
    for (let second = 0; second < 5; second++)
      batches.reported({ ...report, outcomes: copied(sizeBytes) }, 40, NOW + second * 1000);
    batches.reported({ ...report, outcomes: [failed] }, 40, NOW + 5000);
    return batches.width(200, 0, BETWEEN, NOW + 6000);
  });
  expect(widths[1]).toBeGreaterThan(widths[0] ?? Infinity);
});
