import { describe, expect, test } from "vitest";
import { findStore } from "../../../src/store/stores.ts";
import { batchesOf, goesWhole, wholeLimitsAt } from "../../../src/sync/batches.ts";
import type { SyncSpec } from "../../../src/sync/spec.ts";
import { wouldCopy } from "../../../src/sync/outcome.ts";
import { quoted } from "../../../src/sync/quote.ts";
import { countEntries, NO_COUNTERS } from "../../../src/sync/report.ts";
import { MD5, work } from "../samples.ts";

const MIB = 2 ** 20;

const SECRET = { region: "us-east-1", accessKeyId: "a", secretAccessKey: "s" };

const CURRENT = {} as SyncSpec;

const west = findStore(
  { STORE_WEST: JSON.stringify({ ...SECRET, endpoint: "https://west.example.com" }) },
  "west",
);

describe("batches", () => {
  test("hold every object once, in order, few enough that every lane gets some", () => {
    const objects = Array.from({ length: 100 }, (_, n) => work({ key: String(n) }));
    for (const concurrency of [1, 10, 200]) {
      const batches = batchesOf(objects, concurrency);
      expect(batches.flat()).toEqual(objects);
      expect(batches.length).toBeGreaterThanOrEqual(Math.min(concurrency, objects.length));
    }
    expect(batchesOf([], 10)).toEqual([]);
  });

  test("are as large with many transfers as with few, once enough is waiting for all", () => {
    const objects = Array.from({ length: 1000 }, (_, n) => work({ key: String(n) }));
    const counts = [40, 200, 500].map(
      (transfers) => batchesOf(objects, transfers, { waiting: transfers * 32 }).length,
    );
    expect(counts).toEqual([32, 32, 32]);
    expect(batchesOf(objects, 500).length).toBe(500);
  });

  test("hold bounded bytes", () => {
    const objects = Array.from({ length: 10 }, (_, n) => work({ key: String(n), sizeBytes: 2.5 * 2 ** 20 }));
    expect(batchesOf(objects, 1).map(({ length }) => length)).toEqual([3, 3, 3, 1]);
  });

  test("let nothing wait behind a large object, and it behind nothing", () => {
    const sizes = [1, 1, 40, 1, 9, 1].map((mib) => mib * 2 ** 20);
    const objects = sizes.map((sizeBytes, n) => work({ key: String(n), sizeBytes }));
    expect(batchesOf(objects, 1).map(({ length }) => length)).toEqual([2, 1, 1, 1, 1]);
  });
});

test("an object goes whole unless it is large, or was uploaded in parts that are to be kept", () => {
  const inParts = work({ etag: `"${"0".repeat(32)}-3"` });
  const limits = { wholeBytes: 10 };
  expect(goesWhole(inParts, { partSize: null }, limits)).toBe(true);
  expect(goesWhole(inParts, {}, { wholeBytes: 9 })).toBe(false);
  expect(goesWhole(inParts, { partSize: "source" }, limits)).toBe(false);
  expect(goesWhole(work(), { partSize: "source" }, limits)).toBe(true);
  expect(goesWhole(work({ etag: null }), { partSize: "source" }, limits)).toBe(true);
});

test("an object that was uploaded whole goes whole for longer, since its ETag stays then", () => {
  const limits = { wholeBytes: 9, uploadedWholeBytes: 10 };
  expect(goesWhole(work({ etag: MD5 }), {}, limits)).toBe(true);
  expect(goesWhole(work({ etag: MD5, sizeBytes: 11 }), {}, limits)).toBe(false);
  for (const etag of [null, '"no-md5"', `"${"0".repeat(32)}-3"`])
    expect(goesWhole(work({ etag }), {}, limits)).toBe(false);
});

describe("an object goes whole, if the mesh and the destination take that much in one body,", () => {
  const small = { ...west, profile: { ...west.profile, maxPutBytes: 1000 } };
  test.each([
    { store: west, maxPartMib: 95, wholeBytes: 64 * MIB, uploadedWholeBytes: 95 * MIB },
    { store: west, maxPartMib: 5120, wholeBytes: 64 * MIB, uploadedWholeBytes: 256 * MIB },
    { store: west, maxPartMib: 5, wholeBytes: 5 * MIB, uploadedWholeBytes: 5 * MIB },
    { store: small, maxPartMib: 95, wholeBytes: 1000, uploadedWholeBytes: 1000 },
  ])(
    "up to $wholeBytes bytes, and $uploadedWholeBytes if uploaded so, where parts have $maxPartMib MiB at most",
    ({ store, maxPartMib, ...limits }) => {
      expect(wholeLimitsAt(CURRENT, store, maxPartMib * MIB)).toEqual(limits);
    },
  );
  test("and a version of a history no further than one that was uploaded in parts", () => {
    const histories = { ...CURRENT, versions: "all" } as SyncSpec;
    expect(wholeLimitsAt(histories, west, 95 * MIB)).toEqual({ wholeBytes: 64 * MIB });
  });
});

test("a dry run counts as whole what its sync would send whole", () => {
  const limits = { wholeBytes: 10, uploadedWholeBytes: 20 };
  const inParts = `"${"0".repeat(32)}-3"`;
  const sizes = [
    { sizeBytes: 10, etag: inParts },
    { sizeBytes: 20, etag: MD5 },
    { sizeBytes: 11, etag: inParts },
    { sizeBytes: 21, etag: MD5 },
  ];
  const entries = sizes.map((size) => wouldCopy(work(size), "absent"));
  expect(countEntries(quoted(NO_COUNTERS, limits), entries).wouldSend).toEqual({
    ...limits,
    load: { whole: 2, large: 2, parts: 5, partPages: 2, partHeads: 3, bytes: 62 },
  });
});
