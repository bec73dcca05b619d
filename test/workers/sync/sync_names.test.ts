// Names that rules change, and keys that a manifest names: what a sync then copies, refuses and deletes.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, expect, test } from "vitest";
import { MIB, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({
  east: { buckets: ["source", "other", "lists"], maxPageKeys: 3 },
  west: { buckets: ["destination"], maxPageKeys: 3 },
});

beforeEach(() => {
  for (const { key } of east.objects("source")) east.delete("source", key);
  for (const { key } of east.objects("other")) east.delete("other", key);
  for (const { key } of east.objects("lists")) east.delete("lists", key);
  for (const { key } of west.objects("destination")) west.delete("destination", key);
});

const pageOf = (name: string) => readFileSync(join(import.meta.dirname, "../../../src/docs", name), "utf8");

const RULES = [{ match: "^(\\d{4})-(\\d\\d)/(.*)$", to: "$1/$2/${3:lower}" }];

const renamed = (more: Record<string, unknown> = {}) => ({
  source: "east:source/logs/",
  destination: "west:destination/old/",
  rename: RULES,
  ...more,
});

const keys = () => west.objects("destination").map(({ key }) => key);
const writes = () => west.requests().filter(({ method }) => !["GET", "HEAD"].includes(method));

function fill(...names: string[]): void {
  for (const name of names) east.put("source", `logs/${name}`, name);
}

test("every key gets its name by the rules, and a second run finds all of them equal", async () => {
  fill("2024-05/B.TXT", "2024-05/a.txt", "2024-06/c", "2025-01/d", "readme");
  const first = await mesh.sync(renamed());
  expect(first).toMatchObject({ phase: "completed", objects: { listed: 5, copied: 5 } });
  expect(keys()).toEqual([
    "old/2024/05/a.txt",
    "old/2024/05/b.txt",
    "old/2024/06/c",
    "old/2025/01/d",
    "old/readme",
  ]);
  expect(west.bytes("destination", "old/2024/05/b.txt").toString()).toBe("2024-05/B.TXT");
  const lines = await mesh.report(first.id);
  expect(lines.find(({ key }) => key === "logs/2024-05/B.TXT")).toMatchObject({
    action: "copied",
    to: "old/2024/05/b.txt",
  });
  const second = await mesh.sync(renamed());
  expect(second).toMatchObject({
    phase: "completed",
    objects: { copied: 0, skipped: 5 },
    skippedBy: { equal: 5 },
  });
});

test("the page's transcript: a dry run shows the old and the new name of each key, and writes nothing", async () => {
  fill("2024-05/B.TXT", "2024-05/a.txt", "readme");
  west.put("destination", "old/2024/05/a.txt", "2024-05/a.txt");
  west.journal.clear();
  const status = await mesh.sync(renamed({ dryRun: true }));
  expect(status).toMatchObject({ phase: "completed", objects: { wouldCopy: 2, skipped: 1 } });
  expect(writes()).toEqual([]);
  const { text } = await mesh.call("GET", `/syncs/${status.id}/report`);
  expect(pageOf("rename.md")).toContain(text.split("\n").toSorted().join("\n").trim());
});

test("two keys that would become one end the run before anything is written, and both are named", async () => {
  fill("2024-05/a", "2024-05/b", "2024-06/c", "2024-05/B", "x", "y");
  const status = await mesh.sync(renamed());
  expect(status).toMatchObject({
    phase: "failed",
    failure: {
      code: "rename_collision",
      message: expect.stringMatching(
        /"logs\/2024-05\/b" and "logs\/2024-05\/B" would both become "old\/2024\/05\/b"/,
      ),
    },
  });
  expect(writes()).toEqual([]);
});

test("keys that a filter leaves out collide with nobody", async () => {
  fill("2024-05/b", "2024-05/B");
  const status = await mesh.sync(renamed({ exclude: "**/B" }));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 1, skipped: 1 } });
});

test("a key that comes between the two readings and would become another fails alone", async () => {
  fill("2024-05/b", "2024-05/c", "2024-05/d", "2024-05/e");
  const held = east.hold({ operation: "ListObjectsV2" }, "before-work", { after: 2 });
  const id = await mesh.startSync(renamed());
  await east.waitFor(() => held.waiting.length > 0);
  fill("2024-05/C");
  held.release();
  const status = await mesh.syncEnded(id);
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    objects: { listed: 5, copied: 4, failed: 1 },
    failures: [{ code: "rename_collision" }],
  });
  const [own] = status.failures;
  expect([own?.key, keys().length]).toEqual([expect.stringMatching(/^logs\/2024-05\/c$/i), 4]);
});

test.each([
  ["no key is left", "", "empty_key", "west:destination"],
  ["it is too long", "x".repeat(1021), "key_too_long", "west:destination/old/"],
  ["it has a part that a URL resolves", "../x", "invalid_key", "west:destination/old/"],
])("a name that no object can have fails alone: %s", async (_why, to, code, destination) => {
  fill("bad", "good");
  const status = await mesh.sync(renamed({ rename: [{ match: "^bad$", to }], destination }));
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    objects: { copied: 1, failed: 1 },
    failures: [{ key: "logs/bad", code }],
  });
});

test("the time of each object is a part of its name", async () => {
  fill("a");
  const [object] = east.objects("source");
  const at = new Date(object?.lastModified ?? Number.NaN).toISOString();
  const status = await mesh.sync(renamed({ rename: [{ match: "^", to: "{yyyy}/{mm}/{dd}/{HH}{MM}/" }] }));
  expect(status.phase).toBe("completed");
  expect(keys()).toEqual([
    `old/${at.slice(0, 10).replaceAll("-", "/")}/${at.slice(11, 16).replace(":", "")}/a`,
  ]);
});

test("delete: what a source object becomes is not extra, and of the rest only copies go", async () => {
  fill("2024-05/a", "2024-05/b", "2024-05/too-large", "2024-06/c");
  expect(await mesh.sync(renamed())).toMatchObject({ phase: "completed", objects: { copied: 4 } });
  east.delete("source", "logs/2024-06/c");
  // Nobody knows whose these are, and one has come from elsewhere with its mark.
  west.put("destination", "old/2023/01/x", "x");
  west.put("destination", "older", "x");
  const rules = { delete: true, maxDeletes: "100%", maxSize: 10 };
  const dry = await mesh.sync(renamed({ ...rules, dryRun: true }));
  expect(dry).toMatchObject({ phase: "completed", deletes: { extra: 2, wouldDelete: 1 } });
  const status = await mesh.sync(renamed(rules));
  expect(status).toMatchObject({
    phase: "completed",
    objects: { skipped: 3 },
    deletes: { destinationObjects: 5, extra: 2, deleted: 1 },
    warnings: [expect.stringMatching(/no mark shows to be copies/)],
  });
  expect(keys()).toEqual([
    "old/2023/01/x",
    "old/2024/05/a",
    "old/2024/05/b",
    "old/2024/05/too-large",
    "older",
  ]);
});

test("inside one service too every copy has the mark that lets it be deleted", async () => {
  fill("2024-05/a", "2024-05/b");
  const inside = renamed({ destination: "east:other/old/" });
  expect(await mesh.sync(inside)).toMatchObject({ phase: "completed", objects: { copied: 2 } });
  east.delete("source", "logs/2024-05/b");
  const status = await mesh.sync({ ...inside, delete: true, maxDeletes: 1 });
  expect(status).toMatchObject({ phase: "completed", deletes: { extra: 1, deleted: 1 } });
  expect(east.objects("other").map(({ key }) => key)).toEqual(["old/2024/05/a"]);
});

const listed = (more: Record<string, unknown> = {}) => ({
  source: "east:source/logs/",
  destination: "west:destination/old/",
  ...more,
});

test("the page's transcript: what a manifest names is copied, what is missing fails, and nothing is listed", async () => {
  fill("a", "b c", "d", "unnamed");
  west.put("destination", "old/a", "a");
  const lines = ["source,logs/a", '"source","logs/b+c"', "source,logs/gone", "source,other/x", "source"];
  east.put("source", "lists/list.csv", lines.join("\n"));
  const status = await mesh.sync(listed({ manifest: "east:source/lists/list.csv", reportFiltered: true }));
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    objects: { listed: 5, copied: 1, skipped: 2, failed: 2, underWay: 0 },
    bytes: { listed: 4, copied: 3, skipped: 1, failed: 0 },
    skippedBy: { equal: 1, outside_source: 1 },
  });
  expect(keys()).toEqual(["old/a", "old/b c"]);
  expect(
    [...east.requests(), ...west.requests()].filter(({ operation }) => operation === "ListObjectsV2"),
  ).toEqual([]);
  const { text } = await mesh.call("GET", `/syncs/${status.id}/report`);
  const told = text.split("\n").toSorted().join("\n").trim();
  expect(pageOf("manifest.md")).toContain(told);
});

test("keys in the request, a large one among them; a second run finds them equal", async () => {
  fill("a", "b");
  east.putGenerated("source", "logs/large", { size: 70 * MIB, seed: "large" });
  const named = listed({ keys: ["logs/large", "logs/a"] });
  const first = await mesh.sync(named);
  expect(first).toMatchObject({
    phase: "completed",
    objects: { listed: 2, copied: 2 },
    bytes: { listed: 70 * MIB + 1, copied: 70 * MIB + 1 },
    options: { keys: 2 },
  });
  expect(keys()).toEqual(["old/a", "old/large"]);
  const second = await mesh.sync(named);
  expect(second).toMatchObject({
    phase: "completed",
    objects: { skipped: 2 },
    bytes: { skipped: 70 * MIB + 1 },
  });
});

test("an inventory of packed files, and rules for the names of its keys", async () => {
  const names = Array.from({ length: 300 }, (_, n) => `${n}.TXT`);
  fill(...names);
  const rows = names.map((name) => `"source","logs/${name}","","true","false"`);
  const bytes = gzipSync(`${rows.join("\n")}\n"source","logs/x.TXT","","false","false"\n`);
  east.put("lists", "inv/source/daily/data/a.csv.gz", bytes);
  const file = {
    key: "inv/source/daily/data/a.csv.gz",
    size: bytes.length,
    MD5checksum: createHash("md5").update(bytes).digest("hex"),
  };
  const json = {
    sourceBucket: "source",
    fileFormat: "CSV",
    fileSchema: "Bucket, Key, VersionId, IsLatest, IsDeleteMarker",
    files: [file],
  };
  const at = "inv/source/daily/2026-11-29T01-00Z/manifest.json";
  east.put("lists", at, JSON.stringify(json));
  const inventory = listed({ manifest: `east:lists/${at}` });
  const status = await mesh.sync({ ...inventory, rename: [{ match: ".+", to: "${0:lower}" }] });
  expect(status).toMatchObject({
    phase: "completed",
    objects: { copied: 300, skipped: 1 },
    skippedBy: { not_current: 1 },
  });
  expect(keys()).toContain("old/299.txt");
  const clash = await mesh.sync({
    ...inventory,
    rename: [{ match: "\\d+", to: "" }],
    destination: "west:destination/new/",
  });
  expect(clash).toMatchObject({ phase: "failed", failure: { code: "rename_collision" } });
  east.put("lists", at, JSON.stringify({ ...json, files: [{ ...file, MD5checksum: "0".repeat(32) }] }));
  const spoiled = await mesh.sync({ ...inventory, dryRun: true });
  expect(spoiled).toMatchObject({ phase: "failed", failure: { code: "checksum_mismatch" } });
  east.put("lists", at, JSON.stringify({ ...json, fileFormat: "Parquet" }));
  const parquet = await mesh.sync(inventory);
  expect(parquet).toMatchObject({
    phase: "failed",
    failure: {
      code: "bad_manifest",
      message: expect.stringMatching(/files are Parquet, which is not read: choose CSV/),
    },
  });
});

test("the failed keys of a report are a manifest", async () => {
  fill("a", "b", "c");
  east.fault(
    { operation: "GetObject", key: "logs/b" },
    { kind: "answer", status: 403, code: "AccessDenied" },
  );
  const first = await mesh.sync(listed({ report: "east:lists" }));
  expect(first).toMatchObject({ phase: "finished_with_errors", objects: { copied: 2, failed: 1 } });
  east.clearFaults();
  const [report] = east.objects("lists").map(({ key }) => key);
  const second = await mesh.sync(listed({ manifest: `east:lists/${report}`, manifestActions: "failed" }));
  expect(second).toMatchObject({ phase: "completed", objects: { listed: 1, copied: 1 } });
  expect(keys()).toEqual(["old/a", "old/b", "old/c"]);
});

test("a manifest that changes while the run reads it ends the run", async () => {
  fill("a");
  const text = Array.from({ length: 60_000 }, (_, n) => `other/${n}`).join("\n");
  east.put("lists", "keys.txt", `${text}\n${"x".repeat(3 * MIB)}`);
  const held = east.hold({ operation: "GetObject", bucket: "lists" }, "before-work", { after: 2 });
  const id = await mesh.startSync(listed({ manifest: "east:lists/keys.txt", dryRun: true }));
  await east.waitFor(() => held.waiting.length > 0);
  east.put("lists", "keys.txt", "logs/a");
  held.release();
  const status = await mesh.syncEnded(id);
  expect(status).toMatchObject({ phase: "failed", failure: { code: "manifest_changed" } });
});

const outcomes = async ({ id }: { id: string }) =>
  (await mesh.findings(id)).map(({ key, to, outcome, reason }) => [key, to, outcome, reason]);

test("a comparison knows the rules: what an object becomes is no extra key", async () => {
  fill("2024-05/A", "2024-05/b", "2024-05/too large");
  expect(await mesh.sync(renamed())).toMatchObject({ phase: "completed", objects: { copied: 3 } });
  west.put("destination", "old/2024/05/more", "x");
  west.delete("destination", "old/2024/05/b");
  const status = await mesh.compare(renamed({ maxSize: 10 }));
  expect(status).toMatchObject({
    phase: "different",
    keys: { listed: 4, equal: 1, missing: 1, extra: 1, skipped: 1 },
  });
  expect(await outcomes(status)).toEqual([
    ["logs/2024-05/A", "old/2024/05/a", "equal", undefined],
    ["logs/2024-05/b", "old/2024/05/b", "missing", undefined],
    ["old/2024/05/more", undefined, "extra", undefined],
  ]);
  const refused = await mesh.call("POST", `/comparisons/${status.id}/repair`, { body: { delete: true } });
  expect([refused.status, refused.body["code"]]).toEqual([400, "invalid_request"]);
  const repair = await mesh.call<{ id: string }>("POST", `/comparisons/${status.id}/repair`);
  expect(await mesh.syncEnded(repair.body.id)).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(keys()).toContain("old/2024/05/b");
  expect(keys()).not.toContain("old/2024-05/b");
  fill("2024-05/B");
  const clash = await mesh.compare(renamed());
  expect(clash).toMatchObject({ phase: "failed", failure: { code: "rename_collision" } });
});

test("a comparison over a list looks at its keys alone", async () => {
  fill("a", "b", "c", "unnamed");
  for (const name of ["a", "b"]) west.put("destination", `old/${name}`, name);
  west.put("destination", "old/b", "other");
  west.put("destination", "old/extra", "x");
  const lines = ["logs/a", "logs/b", "logs/c", "logs/gone", "other/x"];
  east.put("lists", "keys.txt", lines.join("\n"));
  const status = await mesh.compare(listed({ manifest: "east:lists/keys.txt" }));
  expect(status).toMatchObject({
    phase: "different",
    keys: { listed: 5, equal: 1, different: 1, missing: 1, extra: 0, unreadable: 1, skipped: 1, underWay: 0 },
    bytes: { listed: 3, equal: 1, different: 1, missing: 1 },
  });
  expect(await outcomes(status)).toContainEqual(["logs/gone", undefined, "unreadable", "source_not_found"]);
  const named = await mesh.compare(listed({ keys: "logs/a" }));
  expect(named).toMatchObject({ phase: "equal", keys: { listed: 1, equal: 1 }, options: { keys: 1 } });
  const bad = await mesh.call("POST", "/comparisons", { body: listed({ keys: ["logs/a"], minSize: 1 }) });
  expect([bad.status, bad.body["detail"]]).toEqual([
    400,
    expect.stringMatching(/"minSize" cannot be used with "keys"/),
  ]);
});
