// The whole runtime dies by SIGKILL in the middle of a run, with its state on disk, and starts again: at one
// moment after the other, so that each run has all its deaths. The runs stand side by side, since what wakes
// one whose runtime has died takes seconds.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type ExpectStatic, type TestContext, inject, test } from "vitest";
import { MEMORY, Mesh } from "../../mesh/mesh.ts";
import {
  type FaultMatch,
  type RequestRecord,
  type Stage,
  type TestStore,
  startStore,
} from "../../store/store.ts";
import { MIB } from "../world.ts";

const OBJECTS = 150;
/** Two requests of DeleteObjects. */
const EXTRA = 600;
/** The source is listed in two pages. */
const PAGE_KEYS = 100;

const keyOf = (n: number) => `p/${String(n).padStart(5, "0")}`;

const OBJECT = /^p\/\d{5}$/;

interface Death {
  readonly store: "east" | "west";
  readonly at: FaultMatch;
  readonly stage: Stage;
  /** Requests of that kind that this life has answered before. */
  readonly after: number;
  /** Requests of that kind that wait when the runtime is killed. */
  readonly waiting: number;
  /** What the destination holds meanwhile, so that it is left for later lives. */
  readonly held?: readonly FaultMatch[];
}

const PUT_OBJECT = { operation: "PutObject", key: OBJECT } as const;

interface Lives {
  /** A life that is not killed. */
  readonly last: Mesh;
  /** When each life but the first began, by performance.now(). */
  readonly startedAt: readonly number[];
}

/** Begins in the first life, is killed at each of `deaths` in turn, and lives again. */
async function liveThrough(
  stores: { readonly east: TestStore; readonly west: TestStore },
  deaths: readonly Death[],
  begin: (mesh: Mesh) => Promise<void>,
  { onTestFinished }: Pick<TestContext, "onTestFinished">,
  bindings: Readonly<Record<string, string>> = {},
): Promise<Lives> {
  const directory = mkdtempSync(join(MEMORY, "bucket-brigade-state-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const start = async () => {
    const mesh = await Mesh.start({ bundlePath: inject("bundlePath"), stores, directory, bindings });
    onTestFinished(async () => await mesh.stop());
    return mesh;
  };
  const startedAt: number[] = [];
  for (const [index, { store, at, stage, after, waiting, held = [] }] of deaths.entries()) {
    const side = stores[store];
    const gate = side.hold(at, stage, { after });
    const others = held.map((match) => stores.west.hold(match, "before-work"));
    const mesh = await start();
    if (index === 0) await begin(mesh);
    await side.waitFor(() => gate.waiting.length >= waiting);
    mesh.kill();
    await mesh.stop();
    // What the dead have sent lands now or never, and not beside what is sent again.
    for (const each of [gate, ...others]) each.release();
    for (const each of [stores.east, stores.west]) await each.waitFor(() => each.openRequests().length === 0);
    startedAt.push(performance.now());
  }
  return { last: await start(), startedAt };
}

/**
 * What a store had taken is not sent again by a later life. What one life sends twice is another matter: a
 * busy machine is slow to answer.
 */
function expectNothingSentAgain(west: TestStore, startedAt: readonly number[], expect: ExpectStatic): void {
  const puts = west.requests({ operation: "PutObject" }).filter(({ key }) => OBJECT.test(key ?? ""));
  const looks = west.requests({ operation: "HeadObject" });
  const lifeOf = (put: RequestRecord) => startedAt.filter((at) => at <= put.startedAt).length;
  // A new life looks before it sends: what comes before its look is still of the dead, on a busy machine.
  const isOfTheDead = (put: RequestRecord) =>
    looks.some(({ key, startedAt: at }) => key === put.key && at > put.startedAt);
  const again = puts.filter(
    (put) =>
      !isOfTheDead(put) &&
      puts.some((one) => one.key === put.key && one.workedAt !== undefined && lifeOf(one) < lifeOf(put)),
  );
  expect(again.map(({ key }) => key)).toEqual([]);
}

test.concurrent(
  "killed while the second page is listed, while a large object is copied, while objects are sent, when they " +
    "are stored, when keys are deleted and when a part of the report is stored and nobody has heard of it, a " +
    "sync goes on: no key is lost, none is counted twice, none is sent again that is there",
  { timeout: 400_000 },
  async ({ expect, onTestFinished }) => {
    await using east = await startStore({ buckets: ["source"], maxPageKeys: PAGE_KEYS });
    await using west = await startStore({ buckets: ["destination"] });
    // A third is there already, and some keys are only there.
    for (let n = 0; n < OBJECTS; n++) east.put("source", keyOf(n), `object ${n}`);
    for (let n = 0; n < OBJECTS; n += 3) west.put("destination", keyOf(n), `object ${n}`);
    for (let n = 0; n < EXTRA; n++) west.put("destination", `p/extra-${n}`, "x");
    east.putGenerated("source", "p/0-large", { size: 11 * MIB, seed: "large" });
    const UPLOAD_PART = { operation: "UploadPart" } as const;
    const answer = { store: "west", stage: "before-answer" } as const;
    const deaths: readonly Death[] = [
      {
        store: "east",
        at: { operation: "ListObjectsV2" },
        stage: "before-answer",
        after: 1,
        waiting: 1,
        held: [PUT_OBJECT, UPLOAD_PART],
      },
      { store: "west", at: UPLOAD_PART, stage: "before-work", after: 1, waiting: 1, held: [PUT_OBJECT] },
      { store: "west", at: PUT_OBJECT, stage: "before-work", after: 20, waiting: 20 },
      { ...answer, at: PUT_OBJECT, after: 10, waiting: 20 },
      { ...answer, at: { operation: "DeleteObjects" }, after: 1, waiting: 1 },
      { ...answer, at: { operation: "PutObject", key: /ndjson$/ }, after: 0, waiting: 1 },
    ];
    let id = "";
    const begin = async (mesh: Mesh) => {
      id = await mesh.startSync({
        source: "east:source/p/",
        destination: "west:destination/p/",
        delete: true,
        maxDeletes: EXTRA,
        lanes: 4,
        report: "west:destination",
      });
    };
    // What is larger than a part is a copy of its own.
    const bindings = { MAX_PART_MIB: "5" };
    const lives = await liveThrough({ east, west }, deaths, begin, { onTestFinished }, bindings);
    const status = await lives.last.syncEnded(id);
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
    const lines = await lives.last.report(id);
    expect(lines).toHaveLength(OBJECTS + 1 + EXTRA);
    expect(new Set(lines.map(({ key }) => key)).size).toBe(OBJECTS + 1 + EXTRA);
    expectNothingSentAgain(west, lives.startedAt, expect);
    expect([...east.failures, ...west.failures]).toEqual([]);
  },
);

/** Every tenth names an object. */
const lineOf = (n: number) => `source,${n % 10 === 0 ? keyOf(n / 10) : `q/${n}`}\n`;

const AS_OBJECTS_ARE_SENT: Death = {
  store: "west",
  at: { operation: "PutObject" },
  stage: "before-answer",
  after: 60,
  waiting: 20,
};

/** Requests under other names than the listing's, by what they ask for beside the two places. */
const NAMED: readonly {
  readonly name: string;
  readonly asks: Record<string, unknown>;
  readonly to: RegExp;
  readonly deaths: readonly Death[];
}[] = [
  {
    name: "in the first reading of names that rules change, and while they are sent",
    asks: { rename: [{ match: "^(\\d\\d)(\\d{3})$", to: "$2/$1" }], delete: true, maxDeletes: "100%" },
    to: /^p\/\d{3}\/\d\d$/,
    deaths: [
      { store: "east", at: { operation: "ListObjectsV2" }, stage: "before-answer", after: 1, waiting: 1 },
      AS_OBJECTS_ARE_SENT,
    ],
  },
  {
    name: "while what a packed list names is sent",
    asks: { manifest: "east:lists/list.csv.gz" },
    to: OBJECT,
    deaths: [AS_OBJECTS_ARE_SENT],
  },
];

test.concurrent.for(NAMED)(
  "killed $name, the sync goes on: every key is there once, and has one line",
  { timeout: 240_000 },
  async ({ asks, to, deaths }, { expect, onTestFinished }) => {
    await using east = await startStore({ buckets: ["source", "lists"], maxPageKeys: PAGE_KEYS });
    await using west = await startStore({ buckets: ["destination"] });
    for (let n = 0; n < OBJECTS; n++) east.put("source", keyOf(n), `object ${n}`);
    west.put("destination", "p/of nobody", "x");
    // The named ones are in the midst of many others, and so on several pages.
    const list = Array.from({ length: OBJECTS * 10 }, (_, n) => lineOf(n)).join("");
    east.put("lists", "list.csv.gz", gzipSync(list));
    let id = "";
    const begin = async (mesh: Mesh) => {
      const places = { source: "east:source/p/", destination: "west:destination/p/" };
      id = await mesh.startSync({ ...places, lanes: 4, ...asks });
    };
    const { last } = await liveThrough({ east, west }, deaths, begin, { onTestFinished });
    const status = await last.syncEnded(id);
    expect(status, JSON.stringify(status)).toMatchObject({
      phase: "completed",
      objects: { copied: OBJECTS, failed: 0, underWay: 0 },
    });
    const keys = west.objects("destination").map(({ key }) => key);
    expect(keys).toContain("p/of nobody");
    expect(keys.filter((key) => to.test(key))).toHaveLength(OBJECTS);
    const lines = await last.report(id);
    expect(lines).toHaveLength(OBJECTS);
    expect(new Set(lines.map(({ key }) => key)).size).toBe(OBJECTS);
  },
);

test.concurrent(
  "killed while the second page is listed, while both sides are asked and while bytes are read, a comparison " +
    "goes on: each key is found once, as it is",
  { timeout: 240_000 },
  async ({ expect, onTestFinished }) => {
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
    const deaths: readonly Death[] = [
      { store: "east", at: { operation: "ListObjectsV2" }, stage: "before-work", after: 1, waiting: 1 },
      { store: "west", at: { operation: "HeadObject" }, stage: "before-work", after: 15, waiting: 5 },
      { store: "east", at: { operation: "GetObject" }, stage: "before-work", after: 10, waiting: 5 },
    ];
    let id = "";
    const begin = async (mesh: Mesh) => {
      const places = { source: "east:source/p/", destination: "west:destination/p/" };
      id = await mesh.startComparison({ ...places, deep: true, lanes: 4 });
    };
    const { last } = await liveThrough({ east, west }, deaths, begin, { onTestFinished });
    const status = await last.comparisonEnded(id);
    expect(status.phase, JSON.stringify(status)).toBe("different");
    const found = await last.findings(id);
    expect(found).toHaveLength(expected.size);
    expect(new Map(found.map(({ key, outcome }) => [key, outcome]))).toEqual(expected);
    expect(status.keys).toMatchObject({
      listed: expected.size,
      missing: OBJECTS / 3,
      extra: 50,
      underWay: 0,
    });
    const digest = await last.call<{ lines: number }>("GET", `/comparisons/${id}/digest`);
    expect(digest.body.lines).toBe(expected.size);
    expect([...east.failures, ...west.failures]).toEqual([]);
  },
);
