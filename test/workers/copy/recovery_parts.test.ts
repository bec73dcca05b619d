// What is sent again, and what is not, after the whole runtime has died by SIGKILL in the middle of an
// upload: the store's own list of parts decides, where it has one and as far as it can be believed.
//
// All scenes die one death, since what wakes a dead lane takes seconds. The mesh comes back with a smaller
// MAX_PART_MIB.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { Mesh, type Status } from "../../mesh/mesh.ts";
import {
  type Effect,
  type FaultSchedule,
  type Gate,
  type RequestRecord,
  type Stage,
  type TestStore,
  startStore,
} from "../../store/store.ts";
import { acknowledgeUnread, holdUnread } from "../fidelity/unread_parts.ts";
import { MIB, PART } from "../world.ts";

/** The most that one page of ListParts has. */
const PAGE_PARTS = 250;

const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-state-"));
const east = await startStore({ minPartBytes: PART, buckets: ["source"] });
const west = await startStore({ minPartBytes: PART, buckets: ["destination"] });
const opaque = await startStore({
  buckets: ["destination"],
  etags: "opaque",
  minPartBytes: 1,
  maxPageParts: PAGE_PARTS,
});
const bare = await startStore({
  minPartBytes: PART,
  buckets: ["destination"],
  etags: "opaque",
  without: ["listParts"],
});
const stores = { east, west, opaque, bare };
const options = { bundlePath: inject("bundlePath"), stores, directory };
let mesh = await Mesh.start(options);

/** A part that does not fit the limit after the restart. */
const LARGE_PART = 6 * MIB;

interface Scene {
  readonly to: keyof typeof stores;
  readonly verify: "auto" | "off";
  /** Where part 2 stands at the store when the mesh dies: not taken yet, or taken and not acknowledged. */
  readonly stage: Stage;
  /** What ListParts does afterwards. */
  readonly lie?: readonly [Effect, FaultSchedule];
  /** Which parts of the store and of the source are asked for after the death. */
  readonly sentAgain: readonly number[];
  readonly readAgain: readonly number[];
}

const TAKEN = { stage: "before-answer", verify: "off", sentAgain: [], readAgain: [] } as const;

const scenes: Readonly<Record<string, Scene>> = {
  "a part that the store has not taken is sent again, and it alone": {
    ...TAKEN,
    to: "opaque",
    stage: "before-body",
    sentAgain: [2],
    readAgain: [2],
  },
  "a part that the store has taken is not sent again though its answer was never heard": {
    ...TAKEN,
    to: "opaque",
  },
  "a part that the store has taken is read again for its digest, and not sent": {
    ...TAKEN,
    to: "west",
    verify: "auto",
    readAgain: [2],
  },
  "where a store cannot list its parts, the one without an answer is sent again": {
    ...TAKEN,
    to: "bare",
    sentAgain: [2],
    readAgain: [2],
  },
  "a part that the list leaves out is sent again": {
    ...TAKEN,
    to: "opaque",
    lie: [{ kind: "omit-part", partNumber: 2 }, { times: 1 }],
    sentAgain: [2],
    readAgain: [2],
  },
  "a list whose marker does not move is asked for again, and nothing is sent for it": {
    ...TAKEN,
    to: "opaque",
    lie: [{ kind: "repeat-marker" }, { times: 2 }],
  },
};

const ids = new Map<string, string>();
const idOf = (key: string) => ids.get(key) ?? "";
/** What the stores were asked for before the death. */
const before = new Set<RequestRecord>();

async function startCopy(key: string, to: string, more: Record<string, unknown>): Promise<void> {
  const source = `east:source/${key}`;
  ids.set(key, await mesh.startCopy({ source, destination: `${to}:destination/${key}`, ...more }));
}

async function play(key: string, { to, verify, stage, lie }: Scene): Promise<Gate> {
  const store = stores[to];
  east.putGenerated("source", key, { size: LARGE_PART + 1, seed: key });
  const gate = store.hold({ operation: "UploadPart", key, partNumber: 2 }, stage);
  // Its connection dies with the mesh. One byte would have passed the network before that.
  if (stage === "before-body")
    store.fault({ operation: "UploadPart", key, partNumber: 2 }, { kind: "drop", stage }, { times: 1 });
  if (lie !== undefined) store.fault({ operation: "ListParts", key }, ...lie);
  await startCopy(key, to, { partSize: LARGE_PART, lanes: 1, verify });
  await store.waitFor(() => gate.waiting.length === 1);
  await mesh.until(idOf(key), ({ parts }) => parts.done === 1);
  return gate;
}

// Part 2 stands at the store with its body read when the mesh dies. It lands after the attempt that follows
// it, under another ETag: before the parts are listed for the last time, or not until Complete.
const LATE = ["ListParts", "CompleteMultipartUpload"] as const;
const lateKey = (operation: string) => `landed late, at ${operation}`;

async function playLate(operation: (typeof LATE)[number]): Promise<void> {
  const key = lateKey(operation);
  east.putGenerated("source", key, { size: PART + 1, seed: key });
  const late = opaque.hold({ operation: "UploadPart", key, partNumber: 2 }, "before-work", { times: 1 });
  await startCopy(key, "opaque", { partSize: PART, lanes: 1 });
  await opaque.waitFor(() => late.waiting.length === 1);
  await mesh.until(idOf(key), ({ parts }) => parts.done === 1);
  const land = async () => {
    late.release();
    await opaque.waitFor(() => late.waiting.length === 0 && landed(key).length === 2);
  };
  // The first list after the death looks for the lost part, the second one checks them all.
  const after = operation === "ListParts" ? 1 : 0;
  const effect = { kind: "run", stage: "before-body", action: land } as const;
  opaque.fault({ operation, key }, effect, { after, times: 1 });
}

const landed = (key: string) =>
  opaque
    .requests({ operation: "UploadPart", key, partNumber: 2 })
    .filter(({ workedAt }) => workedAt !== undefined);

/**
 * Many parts, more of them done at the death than one page of ListParts has; as many as there are streams are
 * in doubt.
 */
const LONG = { key: "long", parts: 300, killedAt: 260, lanes: 8 };
const LONG_SIZE = (LONG.parts - 1) * PART + 1;
const LONG_STREAMS = LONG.lanes * 5;
const inDoubt = new Set<number>();

async function playLong(): Promise<Gate> {
  const { key, killedAt, lanes } = LONG;
  east.putGenerated("source", key, { size: LONG_SIZE });
  const gate = opaque.hold({ operation: "UploadPart", key }, "before-body", { after: killedAt });
  acknowledgeUnread(opaque, key, LONG_SIZE);
  await startCopy(key, "opaque", { partSize: PART, lanes, verify: "off" });
  await opaque.waitFor(() => gate.waiting.length === LONG_STREAMS);
  await mesh.until(idOf(key), (status) => status.parts.done === killedAt);
  // The store has taken them, and their answers are lost.
  for (const { uploadId, partNumber = 0 } of gate.waiting) {
    inDoubt.add(partNumber);
    holdUnread(opaque, uploadId, { partNumber, size: LONG_SIZE, etag: "e".repeat(32) });
  }
  return gate;
}

beforeAll(async () => {
  const gates = await Promise.all([
    playLong(),
    ...Object.entries(scenes).map(([key, scene]) => play(key, scene)),
  ]);
  for (const operation of LATE) await playLate(operation);
  mesh.kill();
  await mesh.stop();
  for (const store of Object.values(stores)) for (const request of store.requests()) before.add(request);
  for (const gate of gates) gate.release();
  mesh = await Mesh.start({ ...options, bindings: { MAX_PART_MIB: "5" } });
}, 120_000);

afterAll(async () => {
  await mesh.stop();
  for (const store of Object.values(stores)) {
    await store.waitFor(() => store.openRequests().length === 0);
    expect(store.failures).toEqual([]);
    expect(store.uploads()).toEqual([]);
    await store.stop();
  }
  rmSync(directory, { recursive: true, force: true });
});

/** The numbers of the parts that were asked for since the death, in ascending order. */
function askedSince(store: TestStore, operation: "GetObject" | "UploadPart", key: string): number[] {
  return store
    .requests({ operation, key })
    .filter((request) => !before.has(request))
    .map(({ partNumber, headers }) => partNumber ?? partOfRange(headers["range"]))
    .toSorted((a, b) => a - b);
}

function partOfRange(range: string | undefined): number {
  return range === `bytes=0-${LARGE_PART - 1}` ? 1 : 2;
}

async function expectCompleted(key: string): Promise<Status> {
  const status = await mesh.ended(idOf(key));
  expect({ phase: status.phase, failure: status.failure }).toEqual({
    phase: "completed",
    failure: undefined,
  });
  return status;
}

const expectEqualBytes = (store: TestStore, key: string) =>
  expect(store.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);

for (const [name, { to, sentAgain, readAgain }] of Object.entries(scenes)) {
  test(`killed: ${name}`, async () => {
    await expectCompleted(name);
    expect(askedSince(stores[to], "UploadPart", name)).toEqual(sentAgain);
    expect(askedSince(east, "GetObject", name)).toEqual(readAgain);
    expectEqualBytes(stores[to], name);
  });
}

test("killed: the digest that was read again proves the copy as well as one that was not", async () => {
  const status = await expectCompleted(
    "a part that the store has taken is read again for its digest, and not sent",
  );
  expect(status.proof).toBe("part-md5");
});

test("killed: an upload keeps its part size though a smaller one is allowed now", async () => {
  for (const [key, { to }] of Object.entries(scenes)) {
    expect(await expectCompleted(key)).toMatchObject({ partSize: LARGE_PART, parts: { total: 2, done: 2 } });
    const sizes = stores[to].get("destination", key)?.parts.map(({ size }) => size);
    expect(sizes).toEqual([LARGE_PART, 1]);
  }
});

test.for(LATE)(
  "killed: an older attempt that lands last, under another ETag, is what %s finds and the object is made of",
  async (operation) => {
    const key = lateKey(operation);
    const status = await expectCompleted(key);
    expect(landed(key)).toHaveLength(2);
    const refused = status.timeline.some(({ event }) => event === "parts_refused");
    expect(refused).toBe(operation === "CompleteMultipartUpload");
    expectEqualBytes(opaque, key);
  },
);

test(
  "killed at part 260 of 300: none of those is sent again, and what was in doubt is found on the list's second page",
  { timeout: 120_000 },
  async () => {
    await expectCompleted(LONG.key);
    const reached = opaque
      .requests({ operation: "UploadPart", key: LONG.key })
      .filter((request) => before.has(request))
      .map(({ partNumber = 0 }) => partNumber);
    const done = new Set(reached.filter((partNumber) => !inDoubt.has(partNumber)));
    expect(done.size).toBe(LONG.killedAt);
    const asked = askedSince(opaque, "UploadPart", LONG.key);
    expect(asked.filter((partNumber) => done.has(partNumber ?? 0))).toEqual([]);
    expect(new Set(asked).size).toBe(asked.length);
    // One that was given up for its slowness before the death is sent again: not all of them need be found.
    const found = [...inDoubt].filter((partNumber) => !asked.includes(partNumber));
    expect(found.some((partNumber) => partNumber > PAGE_PARTS)).toBe(true);
    const lists = opaque.requests({ operation: "ListParts", key: LONG.key });
    expect(lists.map(({ query }) => query.get("part-number-marker"))).toContain(String(PAGE_PARTS));
    expect(opaque.get("destination", LONG.key)?.parts).toHaveLength(LONG.parts);
  },
);
