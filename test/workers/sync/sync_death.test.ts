// The whole runtime dies by SIGKILL in the middle of a sync, with its state on disk, and starts again. All
// die at once, each in a world of its own, since what wakes a sync whose runtime has died takes seconds.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { inject, test } from "vitest";
import { MEMORY, Mesh } from "../../mesh/mesh.ts";
import { type FaultMatch, type RequestRecord, type Stage, startStore } from "../../store/store.ts";
import { MIB } from "../world.ts";

const OBJECTS = 300;
/** Two requests of DeleteObjects. */
const EXTRA = 600;
/** The source is listed in two pages. */
const PAGE_KEYS = 200;

const keyOf = (n: number) => `p/${String(n).padStart(5, "0")}`;

interface Death {
  readonly name: string;
  readonly store: "east" | "west";
  readonly at: FaultMatch;
  readonly stage: Stage;
  /** Requests of that kind that pass before. */
  readonly after: number;
  /** Requests of that kind that wait when the runtime is killed. */
  readonly waiting: number;
}

const OBJECT = /^p\/\d{5}$/;
const DEATHS: readonly Death[] = [
  {
    name: "while the second page is listed",
    store: "east",
    at: { operation: "ListObjectsV2" },
    stage: "before-answer",
    after: 1,
    waiting: 1,
  },
  {
    name: "while objects are sent",
    store: "west",
    at: { operation: "PutObject", key: OBJECT },
    stage: "before-work",
    after: 100,
    waiting: 20,
  },
  {
    name: "when objects are stored and nobody has heard of it",
    store: "west",
    at: { operation: "PutObject", key: OBJECT },
    stage: "before-answer",
    after: 100,
    waiting: 20,
  },
  {
    name: "while a large object is copied",
    store: "west",
    at: { operation: "UploadPart" },
    stage: "before-work",
    after: 1,
    waiting: 1,
  },
  {
    name: "when keys are deleted and nobody has heard of it",
    store: "west",
    at: { operation: "DeleteObjects" },
    stage: "before-answer",
    after: 1,
    waiting: 1,
  },
  {
    name: "when a part of the report is stored and nobody has heard of it",
    store: "west",
    at: { operation: "PutObject", key: /ndjson$/ },
    stage: "before-answer",
    after: 0,
    waiting: 1,
  },
];

test.concurrent.for(DEATHS)(
  "killed $name, the sync goes on: no key is lost, none is counted twice, none is sent again that is there",
  { timeout: 180_000 },
  async ({ store, at, stage, after, waiting }, { expect, onTestFinished }) => {
    const directory = mkdtempSync(join(MEMORY, "bucket-brigade-state-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    await using east = await startStore({ buckets: ["source"], maxPageKeys: PAGE_KEYS });
    await using west = await startStore({ buckets: ["destination"] });
    // A third is there already, and some keys are only there.
    for (let n = 0; n < OBJECTS; n++) east.put("source", keyOf(n), `object ${n}`);
    for (let n = 0; n < OBJECTS; n += 3) west.put("destination", keyOf(n), `object ${n}`);
    for (let n = 0; n < EXTRA; n++) west.put("destination", `p/extra-${n}`, "x");
    east.putGenerated("source", "p/0-large", { size: 11 * MIB, seed: "large" });
    const start = async () => {
      const mesh = await Mesh.start({
        bundlePath: inject("bundlePath"),
        stores: { east, west },
        directory,
        bindings: { MAX_PART_MIB: "5" }, // what is larger is a copy of its own
      });
      onTestFinished(async () => await mesh.stop());
      return mesh;
    };

    const side = store === "east" ? east : west;
    const gate = side.hold(at, stage, { after });
    const killed = await start();
    const id = await killed.startSync({
      source: "east:source/p/",
      destination: "west:destination/p/",
      delete: true,
      maxDeletes: EXTRA,
      lanes: 4,
      report: "west:destination",
    });
    await side.waitFor(() => gate.waiting.length >= waiting);
    killed.kill();
    await killed.stop();
    // What the dead have sent lands now or never, and not beside what is sent again.
    gate.release();
    for (const each of [east, west]) await each.waitFor(() => each.openRequests().length === 0);
    const startedAgainAt = performance.now();
    const mesh = await start();
    const status = await mesh.syncEnded(id);
    expect(status.phase, JSON.stringify(status)).toBe("completed");
    const already = Math.ceil(OBJECTS / 3);
    expect(status.objects).toEqual({
      listed: OBJECTS + 1,
      copied: OBJECTS + 1 - already,
      skipped: already,
      failed: 0,
      wouldCopy: 0,
      underWay: 0,
    });
    expect(status.deletes).toMatchObject({ extra: EXTRA, deleted: EXTRA, failed: 0 });
    const keys = west.objects("destination").map(({ key }) => key);
    expect(keys.filter((key) => key.startsWith("p/"))).toEqual(east.objects("source").map(({ key }) => key));
    // Every key has one line, also those whose line was under way.
    const lines = await mesh.report(id);
    expect(lines).toHaveLength(OBJECTS + 1 + EXTRA);
    expect(new Set(lines.map(({ key }) => key)).size).toBe(OBJECTS + 1 + EXTRA);
    // What the store had taken before is not sent again. What one life sends twice is another matter: a busy
    // machine is slow to answer.
    const puts = west.requests({ operation: "PutObject" }).filter(({ key }) => OBJECT.test(key ?? ""));
    const isBefore = ({ startedAt }: RequestRecord) => startedAt < startedAgainAt;
    const there = new Set(
      puts.filter((put) => isBefore(put) && put.workedAt !== undefined).map(({ key }) => key),
    );
    // The new life looks before it sends: what comes before its look is still of the dead, on a busy machine.
    const looks = west.requests({ operation: "HeadObject" });
    const isOfTheDead = (put: RequestRecord) =>
      isBefore(put) || looks.some(({ key, startedAt }) => key === put.key && startedAt > put.startedAt);
    const again = puts.filter((put) => there.has(put.key) && !isOfTheDead(put));
    expect(again.map(({ key }) => key)).toEqual([]);
    expect([...east.failures, ...west.failures]).toEqual([]);
  },
);

/** Every tenth names an object. */
const lineOf = (n: number) => `source,${n % 10 === 0 ? keyOf(n / 10) : `q/${n}`}\n`;

/** Requests under other names than the listing's, by what they ask for beside the two places. */
const NAMED: readonly (Omit<Death, "stage"> & {
  readonly asks: Record<string, unknown>;
  readonly to: RegExp;
})[] = [
  {
    name: "in the first reading of names that rules change",
    asks: { rename: [{ match: "^(\\d\\d)(\\d{3})$", to: "$2/$1" }], delete: true, maxDeletes: "100%" },
    to: /^p\/\d{3}\/\d\d$/,
    store: "east",
    at: { operation: "ListObjectsV2" },
    after: 1,
    waiting: 1,
  },
  {
    name: "while objects with other names are sent",
    asks: { rename: [{ match: "^(\\d\\d)(\\d{3})$", to: "$2/$1" }], delete: true, maxDeletes: "100%" },
    to: /^p\/\d{3}\/\d\d$/,
    store: "west",
    at: { operation: "PutObject" },
    after: 100,
    waiting: 20,
  },
  {
    name: "while what a packed list names is sent",
    asks: { manifest: "east:lists/list.csv.gz" },
    to: OBJECT,
    store: "west",
    at: { operation: "PutObject" },
    after: 100,
    waiting: 20,
  },
];

// One after the other: so many runtimes at once as above are enough.
test.for(NAMED)(
  "killed $name, the sync goes on: every key is there once, and has one line",
  { timeout: 180_000 },
  async ({ asks, to, store, at, after, waiting }, { expect, onTestFinished }) => {
    const directory = mkdtempSync(join(MEMORY, "bucket-brigade-state-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    await using east = await startStore({ buckets: ["source", "lists"], maxPageKeys: PAGE_KEYS });
    await using west = await startStore({ buckets: ["destination"] });
    for (let n = 0; n < OBJECTS; n++) east.put("source", keyOf(n), `object ${n}`);
    west.put("destination", "p/of nobody", "x");
    // The named ones are in the midst of many others, and so on several pages.
    const list = Array.from({ length: OBJECTS * 10 }, (_, n) => lineOf(n)).join("");
    east.put("lists", "list.csv.gz", gzipSync(list));
    const start = async () => {
      const mesh = await Mesh.start({ bundlePath: inject("bundlePath"), stores: { east, west }, directory });
      onTestFinished(async () => await mesh.stop());
      return mesh;
    };
    const side = store === "east" ? east : west;
    const gate = side.hold(at, "before-answer", { after });
    const killed = await start();
    const id = await killed.startSync({
      source: "east:source/p/",
      destination: "west:destination/p/",
      lanes: 4,
      ...asks,
    });
    await side.waitFor(() => gate.waiting.length >= waiting);
    killed.kill();
    await killed.stop();
    gate.release();
    for (const each of [east, west]) await each.waitFor(() => each.openRequests().length === 0);
    const mesh = await start();
    const status = await mesh.syncEnded(id);
    expect(status, JSON.stringify(status)).toMatchObject({
      phase: "completed",
      objects: { copied: OBJECTS, failed: 0, underWay: 0 },
    });
    const keys = west.objects("destination").map(({ key }) => key);
    expect(keys).toContain("p/of nobody");
    expect(keys.filter((key) => to.test(key))).toHaveLength(OBJECTS);
    const lines = await mesh.report(id);
    expect(lines).toHaveLength(OBJECTS);
    expect(new Set(lines.map(({ key }) => key)).size).toBe(OBJECTS);
  },
);

test.concurrent.for([
  {
    name: "while the second page is listed",
    store: "east",
    at: { operation: "ListObjectsV2" },
    after: 1,
    waiting: 1,
  },
  {
    name: "while both sides are asked",
    store: "west",
    at: { operation: "HeadObject" },
    after: 40,
    waiting: 5,
  },
  { name: "while bytes are read", store: "east", at: { operation: "GetObject" }, after: 40, waiting: 5 },
] as const)(
  "killed $name, a comparison goes on: each key is found once, as it is",
  { timeout: 180_000 },
  async ({ store, at, after, waiting }, { expect, onTestFinished }) => {
    const directory = mkdtempSync(join(MEMORY, "bucket-brigade-state-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    await using east = await startStore({ buckets: ["source"], maxPageKeys: PAGE_KEYS });
    await using west = await startStore({ buckets: ["destination"] });
    // Of a third only the bytes tell, and some of it differs; a third is missing; a third is listed equal.
    const expected = new Map<string, string>();
    for (let n = 0; n < OBJECTS; n++) {
      const isOpen = n % 3 === 0;
      const other = isOpen && n % 10 === 0 ? `OBJECT ${n}` : `object ${n}`;
      east.put("source", keyOf(n), `object ${n}`, isOpen ? { etag: `one-${n}` } : {});
      if (n % 3 !== 1) west.put("destination", keyOf(n), other, isOpen ? { etag: `two-${n}` } : {});
      expected.set(keyOf(n), n % 3 === 1 ? "missing" : other === `object ${n}` ? "equal" : "different");
    }
    for (let n = 0; n < 50; n++) {
      west.put("destination", `p/extra-${n}`, "x");
      expected.set(`p/extra-${n}`, "extra");
    }
    const start = async () => {
      const mesh = await Mesh.start({ bundlePath: inject("bundlePath"), stores: { east, west }, directory });
      onTestFinished(async () => await mesh.stop());
      return mesh;
    };
    const side = store === "east" ? east : west;
    const gate = side.hold(at, "before-work", { after });
    const killed = await start();
    const request = { source: "east:source/p/", destination: "west:destination/p/", deep: true, lanes: 4 };
    const id = await killed.startComparison(request);
    await side.waitFor(() => gate.waiting.length >= waiting);
    killed.kill();
    await killed.stop();
    gate.release();
    for (const each of [east, west]) await each.waitFor(() => each.openRequests().length === 0);
    const mesh = await start();
    const status = await mesh.comparisonEnded(id);
    expect(status.phase, JSON.stringify(status)).toBe("different");
    const found = await mesh.findings(id);
    expect(found).toHaveLength(expected.size);
    expect(new Map(found.map(({ key, outcome }) => [key, outcome]))).toEqual(expected);
    expect(status.keys).toMatchObject({
      listed: expected.size,
      missing: OBJECTS / 3,
      extra: 50,
      underWay: 0,
    });
    const digest = await mesh.call<{ lines: number }>("GET", `/comparisons/${id}/digest`);
    expect(digest.body.lines).toBe(expected.size);
    expect([...east.failures, ...west.failures]).toEqual([]);
  },
);
