// What is kept of checks, over SQLite: what a copy or sync is given of it when it begins.
import { beforeEach, expect, test } from "vitest";
import { CheckTable } from "../../../src/registry/check_table.ts";
import type { Facts } from "../../../src/store/profiles.ts";
import type { KeptCheck } from "../../../src/store/facts.ts";
import type { SyncSpec } from "../../../src/sync/spec.ts";
import { SPEC } from "../copy_record.ts";
import { memorySql } from "../sqlite.ts";

const check = (store: string, bucket: string, facts: Facts, changes: Partial<KeptCheck> = {}): KeptCheck => ({
  store,
  bucket,
  as: "destination",
  configuration: { endpoint: `https://${store}.example.com`, provider: "other", encryption: null },
  facts,
  ok: true,
  checkedAtMs: 1000,
  ...changes,
});
const factsIn = (spec: Pick<SyncSpec, "known">) =>
  spec.known?.map(({ store, bucket, facts }) => [`${store}:${bucket}`, facts]);

let table: CheckTable;
beforeEach(() => {
  table = new CheckTable(memorySql());
  table.createTables();
});

test("a check is found again as it was kept, one for each bucket and role", () => {
  const kept = [
    check("east", "other", {}, { ok: false }),
    check("east", "source", { tags: false }),
    check("east", "source", { checksumMode: true }, { as: "source" }),
    check("west", "target", { checksums: ["crc32c"] }),
  ];
  for (const one of kept.toReversed()) table.keep(one);
  expect(table.list()).toEqual(kept);
});

test("a later check of the same bucket and role replaces what it saw again", () => {
  table.keep(check("east", "source", { tags: false, md5Etag: false }));
  table.keep(check("east", "source", { tags: true }, { ok: false, checkedAtMs: 2000 }));
  expect(table.list()).toEqual([
    check("east", "source", { tags: true, md5Etag: false }, { ok: false, checkedAtMs: 2000 }),
  ]);
});

test("a copy is given what was seen of its two buckets, the earlier check first, and nothing of others", () => {
  table.keep(check("west", "target", { tags: false }, { checkedAtMs: 3000 }));
  table.keep(check("west", "target", { checksumMode: true }, { as: "source", checkedAtMs: 2000 }));
  table.keep(check("west", "other", { md5Etag: false }));
  table.keep(check("east", "source", { signedPath: "raw" }));
  table.keep(check("east", "target", { md5Etag: false }));
  const { known, ...spec } = table.inform(SPEC);
  expect(spec).toEqual(SPEC);
  expect(factsIn({ known: known ?? [] })).toEqual([
    ["east:source", { signedPath: "raw" }],
    ["west:target", { checksumMode: true }],
    ["west:target", { tags: false }],
  ]);
});

test("a sync is given what was seen of the bucket of its report as well, each bucket once", () => {
  const prefix = "";
  const sync = {
    source: { store: "east", bucket: "source", prefix },
    destination: { store: "west", bucket: "target", prefix },
  } as SyncSpec;
  table.keep(check("west", "target", { tags: false }));
  table.keep(check("west", "reports", { signedPath: "raw" }));
  expect(factsIn(table.inform({ ...sync, report: { ...sync.destination, prefix: "r/" } }))).toEqual([
    ["west:target", { tags: false }],
  ]);
  expect(factsIn(table.inform({ ...sync, report: { store: "west", bucket: "reports", prefix } }))).toEqual([
    ["west:target", { tags: false }],
    ["west:reports", { signedPath: "raw" }],
  ]);
});

test("what is given is told even if it is nothing, and is not given twice: a sync's copies go by what the sync has", () => {
  expect(table.inform(SPEC).known).toEqual([]);
  table.keep(check("west", "target", { tags: false }));
  expect(table.inform({ ...SPEC, known: [] }).known).toEqual([]);
});

test("a check that has seen no fact is kept, and gives nothing", () => {
  table.keep(check("west", "target", {}, { ok: false }));
  expect(table.list()).toHaveLength(1);
  expect(table.inform(SPEC).known).toEqual([]);
});

test("one bucket or a whole store is forgotten, and it is told whether there was anything", () => {
  for (const bucket of ["a", "b", "c"]) table.keep(check("west", bucket, {}));
  table.keep(check("east", "a", {}));
  expect(table.forget("west", "b")).toBe(true);
  expect(table.forget("west", "b")).toBe(false);
  expect(table.list().map(({ store, bucket }) => store + bucket)).toEqual(["easta", "westa", "westc"]);
  expect(table.forget("west", null)).toBe(true);
  expect(table.forget("west", null)).toBe(false);
  expect(table.list().map(({ store, bucket }) => store + bucket)).toEqual(["easta"]);
});
