// Histories of keys, and states of a prefix in the past. What counts is what the destination's history is in
// the end, and what its journal shows of the order.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, inject, test } from "vitest";
import { MEMORY, Mesh } from "../../mesh/mesh.ts";
import { type RequestRecord, type Stage, type TestStore, startStore } from "../../store/store.ts";
import { MIB, openWorld } from "../world.ts";

const PAGE = 60;
const PAGE_FILE = join(import.meta.dirname, "../../../src/docs/versions.md");
const BUCKETS = { source: "east:source/logs/", destination: "west:history/old/" };
const ALL = { ...BUCKETS, versions: "all" };

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { maxPageKeys: PAGE }, west: { maxPageKeys: PAGE } }, () => ({
  bindings: { MAX_PART_MIB: "5" }, // what is larger is a copy of its own
}));
east.createBucket("source", { versioning: true });
east.createBucket("plain");
west.createBucket("history", { versioning: true });
west.createBucket("plain");

beforeEach(() => {
  for (const { key } of keysOf(east, "source")) east.delete("source", key);
  for (const { key } of keysOf(west, "history")) west.delete("history", key);
  for (const { key } of west.objects("plain")) west.delete("plain", key);
});

function keysOf(store: TestStore, bucket: string): { key: string }[] {
  return store
    .bucket(bucket)
    .keys()
    .map((key) => ({ key }));
}

/** Each text is a version, null a deletion. */
function write(key: string, ...versions: (string | null)[]): void {
  for (const version of versions) {
    if (version === null) east.mark("source", key);
    else east.put("source", key, version);
  }
}

/** Sizes of a key's versions, oldest first; null: a delete marker. */
function historyOf(store: TestStore, bucket: string, key: string): (string | null)[] {
  return store
    .bucket(bucket)
    .versions(key)
    .map((version) => (version.kind === "object" ? store.bytes(bucket, key, version).toString() : null));
}

const sizes = (store: TestStore, bucket: string, key: string) =>
  store
    .bucket(bucket)
    .versions(key)
    .map((version) => (version.kind === "object" ? version.size : null));

const isWrite = ({ method, operation }: RequestRecord) =>
  !["GET", "HEAD"].includes(method) && operation !== "ListObjectVersions";

/** Of two stretches, and cut by a page: deletions cost one request each. */
const LONG = ["first", ...Array.from({ length: 100 }, () => null), "middle"];

test("every key gets its history in order, and a second run adds nothing", async () => {
  write("logs/a", "1", "22", null, "1", "1");
  write("logs/b", "only");
  write("logs/c", "x", null, null);
  write("logs/gone", null);
  write("logs/long", ...LONG);
  const first = await mesh.sync(ALL);
  const listed = 5 + 1 + 3 + 1 + LONG.length;
  expect(first, JSON.stringify(first)).toMatchObject({
    phase: "completed",
    objects: { listed, copied: listed, failed: 0, underWay: 0 },
  });
  for (const key of ["a", "b", "c", "gone", "long"])
    expect(historyOf(west, "history", `old/${key}`), key).toEqual(historyOf(east, "source", `logs/${key}`));
  const writes = west.requests().filter(isWrite);
  expect(writes).toHaveLength(listed);
  expect(writes.filter(({ query }) => query.has("versionId"))).toEqual([]);
  for (const [key, sent] of Map.groupBy(writes, (request) => request.key)) {
    const overlaps = sent.filter(
      ({ startedAt }, n) => n > 0 && startedAt < (sent[n - 1]?.endedAt ?? Infinity),
    );
    expect(overlaps, key).toEqual([]);
  }
  const lines = await mesh.report(first.id);
  expect(lines).toHaveLength(listed);
  const sources = east
    .bucket("source")
    .versions("logs/a")
    .map(({ versionId }) => versionId);
  const told = lines.filter(({ key }) => key === "logs/a");
  const { text } = await mesh.call("GET", `/syncs/${first.id}/report`);
  const own = text.split("\n").filter((line) => line.includes('"key":"logs/a"'));
  const shown = sources.reduce((all, id, n) => all.replace(id, `v${n + 1}`), own.join("\n"));
  expect(readFileSync(PAGE_FILE, "utf8")).toContain(shown);
  expect(told.map(({ versionId }) => versionId)).toEqual(sources);
  expect(told[2]).toMatchObject({ action: "copied", deleteMarker: true, size: 0 });

  west.journal.clear();
  const second = await mesh.sync(ALL);
  expect(second).toMatchObject({ phase: "completed", skippedBy: { equal: listed }, objects: { copied: 0 } });
  expect(west.requests().filter(isWrite)).toEqual([]);
});

test("a later run brings over what has come since, and large versions in their place", async () => {
  write("logs/a", "1", null);
  write("logs/long", ...LONG);
  expect(await mesh.sync(ALL)).toMatchObject({ phase: "completed", objects: { copied: 2 + LONG.length } });
  write("logs/a", null, "2");
  east.putGenerated("source", "logs/a", { size: 6 * MIB, seed: "large" });
  write("logs/a", "3", null);
  write("logs/long", null, "last");
  const second = await mesh.sync(ALL);
  expect(second, JSON.stringify(second)).toMatchObject({
    phase: "completed",
    objects: { copied: 7, skipped: 2 + LONG.length },
  });
  expect(sizes(west, "history", "old/a")).toEqual([1, null, null, 1, 6 * MIB, 1, null]);
  expect(sizes(west, "history", "old/long")).toEqual(sizes(east, "source", "logs/long"));
  expect(await mesh.sync(ALL)).toMatchObject({ objects: { copied: 0, skipped: 9 + LONG.length } });
});

test("a history that is no beginning of the source's is reported and left alone; others go on", async () => {
  write("logs/added", "1");
  write("logs/cut", "1", "2");
  write("logs/deleted", "1");
  write("logs/good", "1");
  write("logs/lost", "1", "2");
  await mesh.sync(ALL);
  west.put("history", "old/foreign", "not ours");
  write("logs/foreign", "1");
  west.put("history", "old/added", "not ours");
  write("logs/added", "2");
  const [oldest] = west.bucket("history").versions("old/cut");
  west.bucket("history").remove("old/cut", oldest?.versionId ?? "");
  write("logs/cut", "3");
  west.mark("history", "old/deleted");
  write("logs/deleted", "2");
  write("logs/good", "2");
  const [, newest] = east.bucket("source").versions("logs/lost");
  east.bucket("source").remove("logs/lost", newest?.versionId ?? "");
  west.journal.clear();
  const status = await mesh.sync(ALL);
  expect(status, JSON.stringify(status)).toMatchObject({ phase: "finished_with_errors" });
  expect(status.failures.map(({ key, code }) => `${key} ${code}`).toSorted()).toEqual(
    ["added", "cut", "deleted", "foreign", "lost"].map((key) => `logs/${key} history_differs`),
  );
  expect(
    west
      .requests()
      .filter(isWrite)
      .map(({ key }) => key),
  ).toEqual(["old/good"]);
  expect(status.skippedBy["version_before_failed"]).toBeGreaterThan(0);
  const retry = await mesh.call("POST", `/syncs/${status.id}/retry`);
  expect(retry).toMatchObject({ status: 409, body: { code: "nothing_to_retry" } });
});

test("a version that cannot be brought over ends its key there: nothing is written after the hole", async () => {
  write("logs/a", "1", "2", "3");
  const [, second] = east.bucket("source").versions("logs/a");
  const denied = { kind: "answer", code: "AccessDenied" } as const;
  const where = ({ query }: RequestRecord) => query.get("versionId") === second?.versionId;
  east.fault({ operation: "GetObject", where }, denied);
  const status = await mesh.sync(ALL);
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    objects: { listed: 3, copied: 1, failed: 1, skipped: 1 },
    skippedBy: { version_before_failed: 1 },
  });
  expect(historyOf(west, "history", "old/a")).toEqual(["1"]);
});

test("cancelled in the middle, every version has its line, and the next run goes on", async () => {
  write("logs/a", "1", "2", "3");
  write("logs/long", ...LONG);
  const held = west.hold({ operation: "PutObject", key: "old/a" }, "before-work", { after: 1 });
  const id = await mesh.startSync(ALL);
  await west.waitFor(() => held.waiting.length > 0);
  await mesh.call("POST", `/syncs/${id}/cancel`);
  const status = await mesh.syncEnded(id);
  held.release();
  expect(status).toMatchObject({ phase: "cancelled", objects: { listed: 3 + LONG.length, underWay: 0 } });
  const lines = await mesh.report(id);
  expect(new Set(lines.map(({ key, versionId }) => `${key} ${versionId}`)).size).toBe(3 + LONG.length);
  await west.waitFor(() => west.openRequests().length === 0);
  expect(await mesh.sync(ALL)).toMatchObject({ phase: "completed", objects: { failed: 0 } });
  expect(historyOf(west, "history", "old/a")).toEqual(["1", "2", "3"]);
  expect(historyOf(west, "history", "old/long")).toEqual(LONG);
});

test("a budget ends a history between two versions, and a higher one goes on there", async () => {
  write("logs/a", "1", "2", null, "3", "4", "5");
  const id = await mesh.startSync({ ...ALL, maxRequests: 14 });
  const paused = await mesh.untilSync(id, ({ phase }) => phase === "paused");
  expect(paused.spent.source.requests.get).toBeLessThan(5);
  await mesh.call("POST", `/syncs/${id}/resume`, { body: { maxRequests: 1000 } });
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 6 } });
  expect(historyOf(west, "history", "old/a")).toEqual(["1", "2", null, "3", "4", "5"]);
});

test("a dry run writes nothing, says what is missing, and foretells the requests", async () => {
  write("logs/a", "1", "2");
  await mesh.sync(ALL);
  write("logs/a", null, "3");
  west.journal.clear();
  const dry = await mesh.sync({ ...ALL, dryRun: true });
  expect(dry).toMatchObject({ phase: "completed", objects: { wouldCopy: 2, skipped: 2 } });
  expect(west.requests().filter(isWrite)).toEqual([]);
  const { requests } = dry.quote?.destination ?? {};
  const run = await mesh.sync(ALL);
  const spent = run.spent.destination.requests;
  expect(requests).toMatchObject({ put: 1, delete: 1 });
  expect(spent).toMatchObject({ put: 1, delete: 1 });
  write("logs/long", ...LONG);
  const long = await mesh.sync({ ...ALL, dryRun: true });
  expect(long).toMatchObject({ phase: "completed", objects: { wouldCopy: LONG.length, skipped: 4 } });
});

const DAY_MS = 86_400_000;
const THEN = Date.UTC(2026, 9, 1);
const at = (days: number) => THEN + days * DAY_MS;

function fillDays(): void {
  east.put("source", "logs/kept", "old", { lastModified: at(0) });
  east.put("source", "logs/kept", "new", { lastModified: at(5) });
  east.put("source", "logs/back", "1", { lastModified: at(0) });
  east.mark("source", "logs/back", at(2));
  east.put("source", "logs/back", "2", { lastModified: at(5) });
  east.put("source", "logs/late", "x", { lastModified: at(5) });
  for (let n = 0; n < 150; n++) east.put("source", "logs/many", `${n}`, { lastModified: at(n / 50) });
}

test("asOf copies the state of that time: neither what came later nor what was deleted then", async () => {
  fillDays();
  const asOf = new Date(at(2)).toISOString();
  const request = { source: "east:source/logs/", destination: "west:plain/old/", asOf };
  const status = await mesh.sync(request);
  expect(status, JSON.stringify(status)).toMatchObject({
    phase: "completed",
    objects: { listed: 2, copied: 2 },
  });
  const held = west.objects("plain").map(({ key }) => `${key} ${west.bytes("plain", key)}`);
  expect(held).toEqual(["old/kept old", "old/many 100"]);
  expect(await mesh.sync(request)).toMatchObject({ skippedBy: { equal: 2 } });
  const lines = await mesh.report(status.id);
  const [old] = east.bucket("source").versions("logs/kept");
  expect(lines.find(({ key }) => key === "logs/kept")?.versionId).toBe(old?.versionId);
  // The comparison of that state finds what has changed since, and its repair brings that very version back.
  west.put("plain", "old/kept", "changed");
  west.delete("plain", "old/many");
  const id = await mesh.startComparison(request);
  const compared = await mesh.comparisonEnded(id);
  expect(compared).toMatchObject({ phase: "different", keys: { missing: 1, extra: 0 } });
  const { body } = await mesh.call<{ id: string }>("POST", `/comparisons/${id}/repair`);
  expect(await mesh.syncEnded(body.id)).toMatchObject({ phase: "completed", objects: { copied: 2 } });
  expect(west.bytes("plain", "old/kept").toString()).toBe("old");
  expect(west.bytes("plain", "old/many").toString()).toBe("100");
});

test.each([
  [
    { ...ALL, destination: "west:plain/" },
    'The destination bucket "plain" at store "west" keeps no versions',
  ],
  [{ ...ALL, source: "east:plain/" }, 'The source bucket "plain" at store "east" keeps no versions'],
  [
    { ...BUCKETS, source: "east:plain/", asOf: "2026-01-01T00:00:00Z" },
    "keeps no versions: enable versioning",
  ],
])("a side that keeps no versions ends the run before anything is written: %j", async (request, message) => {
  east.put("plain", "logs/x", "x");
  const status = await mesh.sync(request);
  expect(status.failure).toMatchObject({ code: "not_versioned", message: expect.stringContaining(message) });
  expect(west.requests().filter(isWrite)).toEqual([]);
});

test("a manifest's third column is the version that is copied, compared and repaired", async () => {
  fillDays();
  const [old] = east.bucket("source").versions("logs/kept");
  east.put("plain", "list.csv", `source,logs/kept,${old?.versionId}\nsource,logs/late\n`);
  const request = {
    source: "east:source/logs/",
    destination: "west:plain/m/",
    manifest: "east:plain/list.csv",
  };
  const id = await mesh.startComparison(request);
  expect(await mesh.comparisonEnded(id)).toMatchObject({ phase: "different", keys: { missing: 2 } });
  const { body } = await mesh.call<{ id: string }>("POST", `/comparisons/${id}/repair`);
  expect(await mesh.syncEnded(body.id)).toMatchObject({ phase: "completed", objects: { copied: 2 } });
  expect(west.bytes("plain", "m/kept").toString()).toBe("old");
  expect(west.bytes("plain", "m/late").toString()).toBe("x");
  expect(await mesh.sync(request)).toMatchObject({ skippedBy: { equal: 2 } });
  expect((await mesh.compare(request)).phase).toBe("equal");
});

test("a single copy of a time copies the version of then, and its quote is of that one", async () => {
  fillDays();
  east.put("source", "logs/kept", "larger now", { lastModified: at(9) });
  const copy = {
    source: "east:source/logs/kept",
    destination: "west:plain/then",
    asOf: new Date(at(6)).toISOString(),
  };
  const [, middle] = east.bucket("source").versions("logs/kept");
  const quote = await mesh.call("POST", "/quotes", { body: copy });
  expect(quote.body).toMatchObject({ storedBytes: 3 });
  const status = await mesh.copy(copy);
  expect(status, JSON.stringify(status.failure)).toMatchObject({
    phase: "completed",
    size: 3,
    source: { key: "logs/kept", versionId: middle?.versionId },
    options: { asOf: copy.asOf },
  });
  expect(west.bytes("plain", "then").toString()).toBe("new");
  const before = { ...copy, asOf: "2020-01-01T00:00:00Z" };
  expect(await mesh.copy(before)).toMatchObject({ phase: "failed", failure: { code: "no_version_then" } });
  const gone = { ...copy, source: "east:source/logs/back", asOf: new Date(at(3)).toISOString() };
  expect((await mesh.copy(gone)).failure?.message).toContain("it had been deleted");
  const future = await mesh.call("POST", "/copies", { body: { ...copy, asOf: "2999-01-01T00:00:00Z" } });
  expect([future.status, future.body["detail"]]).toEqual([400, expect.stringContaining("still to come")]);
  const both = { ...copy, source: { store: "east", bucket: "source", key: "logs/kept", versionId: "v" } };
  expect((await mesh.call("POST", "/copies", { body: both })).status).toBe(400);
});

test("versioning that is suspended in the middle ends the run: nothing that is there is replaced", async () => {
  west.createBucket("suspended", { versioning: true });
  write("logs/a", "1", "2");
  const request = { ...ALL, destination: "west:suspended/" };
  const held = west.hold({ operation: "ListObjectVersions" }, "before-work");
  const id = await mesh.startSync(request);
  await west.waitFor(() => held.waiting.length > 0);
  west.bucket("suspended").versioning = "Suspended";
  held.release();
  const status = await mesh.syncEnded(id);
  expect(status).toMatchObject({
    phase: "failed",
    failure: { code: "not_versioned" },
    objects: { copied: 0 },
  });
  expect(west.requests().filter(isWrite)).toEqual([]);
});

interface Death {
  readonly operation: "PutObject" | "DeleteObject";
  readonly stage: Stage;
  readonly after: number;
}

const DEATHS: readonly Death[] = [
  { operation: "PutObject", stage: "before-answer", after: 8 },
  { operation: "DeleteObject", stage: "before-answer", after: 60 },
];

test.concurrent.for(DEATHS)(
  "killed at a $operation, $stage, the run goes on: no version is there twice, none is out of order",
  { timeout: 120_000 },
  async ({ operation, stage, after }, { expect: check, onTestFinished }) => {
    const directory = mkdtempSync(join(MEMORY, "bucket-brigade-state-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    await using from = await startStore({ maxPageKeys: PAGE });
    await using to = await startStore({});
    from.createBucket("source", { versioning: true });
    to.createBucket("history", { versioning: true });
    const keys = ["logs/a", "logs/b", "logs/c"];
    const versions = {
      "logs/a": ["1", "2", null, "3", "4"],
      "logs/b": [null, "1", "1", null, "1"],
      "logs/c": LONG,
    };
    for (const [key, texts] of Object.entries(versions)) {
      for (const text of texts) {
        if (text === null) from.mark("source", key);
        else from.put("source", key, text);
      }
    }
    const all = Object.values(versions).flat().length;
    const start = async () => {
      const started = await Mesh.start({
        bundlePath: inject("bundlePath"),
        stores: { east: from, west: to },
        directory,
      });
      onTestFinished(async () => await started.stop());
      return started;
    };
    const gate = to.hold({ operation }, stage, { after });
    const killed = await start();
    const id = await killed.startSync(ALL);
    await to.waitFor(() => gate.waiting.length > 0);
    killed.kill();
    await killed.stop();
    gate.release();
    for (const each of [from, to]) await each.waitFor(() => each.openRequests().length === 0);
    const again = await start();
    const status = await again.syncEnded(id);
    check(status.phase, JSON.stringify(status)).toBe("completed");
    check(status.objects).toMatchObject({ listed: all, failed: 0, underWay: 0 });
    for (const key of keys)
      check(historyOf(to, "history", key.replace("logs/", "old/"))).toEqual(historyOf(from, "source", key));
    const lines = await again.report(id);
    check(new Set(lines.map((line) => `${line.key} ${line.versionId}`)).size).toBe(all);
    check(lines).toHaveLength(all);
    check([...from.failures, ...to.failures]).toEqual([]);
  },
);
