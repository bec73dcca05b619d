// Names that rules change: what a sync then copies, refuses and deletes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({
  east: { buckets: ["source", "other"], maxPageKeys: 3 },
  west: { buckets: ["destination"], maxPageKeys: 3 },
});

beforeEach(() => {
  for (const { key } of east.objects("source")) east.delete("source", key);
  for (const { key } of east.objects("other")) east.delete("other", key);
  for (const { key } of west.objects("destination")) west.delete("destination", key);
});

const RULES = [{ match: "^(\\d{4})-(\\d\\d)/(.*)$", to: "$1/$2/${3:lower}" }];

const request = (more: Record<string, unknown> = {}) => ({
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
  const first = await mesh.sync(request());
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
  const second = await mesh.sync(request());
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
  const status = await mesh.sync(request({ dryRun: true }));
  expect(status).toMatchObject({ phase: "completed", objects: { wouldCopy: 2, skipped: 1 } });
  expect(writes()).toEqual([]);
  const { text } = await mesh.call("GET", `/syncs/${status.id}/report`);
  const page = readFileSync(join(import.meta.dirname, "../../../src/docs/rename.md"), "utf8");
  expect(page).toContain(text.split("\n").toSorted().join("\n").trim());
});

test("two keys that would become one end the run before anything is written, and both are named", async () => {
  fill("2024-05/a", "2024-05/b", "2024-06/c", "2024-05/B", "x", "y");
  const status = await mesh.sync(request());
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
  const status = await mesh.sync(request({ exclude: "**/B" }));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 1, skipped: 1 } });
});

test("a key that comes between the two readings and would become another fails alone", async () => {
  fill("2024-05/b", "2024-05/c", "2024-05/d", "2024-05/e");
  const held = east.hold({ operation: "ListObjectsV2" }, "before-work", { after: 2 });
  const id = await mesh.startSync(request());
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
  const status = await mesh.sync(request({ rename: [{ match: "^bad$", to }], destination }));
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
  const status = await mesh.sync(request({ rename: [{ match: "^", to: "{yyyy}/{mm}/{dd}/{HH}{MM}/" }] }));
  expect(status.phase).toBe("completed");
  expect(keys()).toEqual([
    `old/${at.slice(0, 10).replaceAll("-", "/")}/${at.slice(11, 16).replace(":", "")}/a`,
  ]);
});

test("delete: what a source object becomes is not extra, and of the rest only copies go", async () => {
  fill("2024-05/a", "2024-05/b", "2024-05/too-large", "2024-06/c");
  expect(await mesh.sync(request())).toMatchObject({ phase: "completed", objects: { copied: 4 } });
  east.delete("source", "logs/2024-06/c");
  // Nobody knows whose these are, and one has come from elsewhere with its mark.
  west.put("destination", "old/2023/01/x", "x");
  west.put("destination", "older", "x");
  const rules = { delete: true, maxDeletes: "100%", maxSize: 10 };
  const dry = await mesh.sync(request({ ...rules, dryRun: true }));
  expect(dry).toMatchObject({ phase: "completed", deletes: { extra: 2, wouldDelete: 1 } });
  const status = await mesh.sync(request(rules));
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
  const inside = request({ destination: "east:other/old/" });
  expect(await mesh.sync(inside)).toMatchObject({ phase: "completed", objects: { copied: 2 } });
  east.delete("source", "logs/2024-05/b");
  const status = await mesh.sync({ ...inside, delete: true, maxDeletes: 1 });
  expect(status).toMatchObject({ phase: "completed", deletes: { extra: 1, deleted: 1 } });
  expect(east.objects("other").map(({ key }) => key)).toEqual(["old/2024/05/a"]);
});
