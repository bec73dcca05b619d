// POST /probe: what it measures is what the store sees, and nothing of it stays, whoever goes away meanwhile.
// Here it runs on one machine, and says so.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, test } from "vitest";
import { Mesh, storeSecret } from "../../mesh/mesh.ts";
import { startStore } from "../../store/store.ts";
import { MIB, openWorld } from "../world.ts";

const {
  mesh,
  stores: { west },
} = await openWorld({ west: { buckets: ["destination"] } }, ({ west: store }) => ({
  bindings: {
    STORE_LOCKED: storeSecret(store, { readOnly: true }),
    STORE_NARROW: storeSecret(store, { maxConcurrency: 25 }),
    STORE_TIGHT: storeSecret(store, { maxConcurrency: 11 }),
  },
}));

interface Sent {
  readonly ok: boolean;
  readonly sizeMib: number;
  readonly message?: string;
}

interface Probed {
  readonly id: string;
  readonly phase: string;
  readonly failure: string | null;
  readonly leftovers: readonly string[];
  readonly byCopier: readonly Sent[];
  readonly byLane: readonly Sent[];
  readonly keys: readonly {
    readonly name: string;
    readonly isUnchanged: boolean;
    readonly isCurrent: boolean;
  }[];
  readonly lanes: readonly {
    readonly streams: number;
    readonly asked: number;
    readonly isolate: string;
    readonly copierIsolates: readonly string[];
    readonly refusal: string | null;
  }[];
  readonly isLocal: boolean;
  readonly isolates: number | null;
  readonly findings: readonly {
    readonly question: string;
    readonly holds: string;
    readonly change: string;
  }[];
  readonly advice: Readonly<Record<string, number | null>>;
  readonly notes: readonly string[];
  readonly code?: string;
}

const start = async (body: Record<string, unknown>, headers: Record<string, string> = {}) =>
  await mesh.call<Probed>("POST", "/probe", { body, headers });
const ended = async () => (await mesh.call<Probed>("GET", "/probe?wait=60")).body;
const request = { store: "west", bucket: "destination", sizesMib: [2, 1], lanes: 2 };
const answersOf = (probed: Probed) =>
  Object.fromEntries(probed.findings.map(({ question, holds }) => [question, holds]));

test("before the first one there is none", async () => {
  expect((await mesh.call("GET", "/probe")).body["code"]).toBe("probe_not_found");
  expect((await mesh.call("POST", "/probe/cancel")).body["code"]).toBe("probe_not_found");
});

test("bodies pass in rising sizes by both ways, and as many are in flight as the store sees", async () => {
  const { status, body, headers } = await start(request);
  expect([status, headers.get("location"), body.phase]).toEqual([202, "/probe", "creating"]);
  // Another one would measure this one.
  expect((await start(request)).body.code).toBe("probe_running");
  const probed = await ended();
  expect(probed).toMatchObject({
    id: body.id,
    phase: "completed",
    failure: null,
    leftovers: [],
    isLocal: true,
  });
  for (const sent of [probed.byCopier, probed.byLane])
    expect(sent.map(({ ok, sizeMib }) => [ok, sizeMib])).toEqual([
      [true, 1],
      [true, 2],
    ]);
  // This workerd has no limit of connections, so all that were asked for are in flight.
  // The stand-in for the network lets six of each lane through.
  expect(probed.lanes.map(({ streams, asked, refusal }) => [streams, asked, refusal])).toEqual([
    [12, 12, null],
    [12, 12, null],
  ]);
  const waited = [1, 2].map((lane) => mesh.edge.waited.get(`bucket-brigade probe/${body.id} lane/${lane}`));
  expect(waited).toEqual([6, 6]);
  expect([...west.peakUploadPartsPerLane().values()]).toEqual([6, 6]);
  // One workerd is one isolate, for lanes and for what they call.
  expect(probed.isolates).toBe(1);
  for (const { isolate, copierIsolates } of probed.lanes) expect(copierIsolates).toEqual([isolate]);
  expect(probed.advice).toEqual({ MAX_PART_MIB: 5, streamsPerLane: 5, LANES: 8, lanesWithDigests: 40 });
  expect(Object.values(answersOf(probed))).toEqual([
    "unknown", // no size reached MAX_PART_MIB
    "yes",
    "yes",
    "yes",
    "unknown", // nobody to ask for the machine
    "yes",
    "yes",
  ]);
  expect(probed.notes.join()).toMatch(/none of these numbers says anything about Cloudflare/);
  expect(west.objects("destination")).toEqual([]);
  // A store's log tells the lanes apart.
  const senders = west
    .requests({ operation: "UploadPart" })
    .map(({ headers: sent }) => /probe\/(\S+) (lane\/\d+)$/.exec(sent["user-agent"] ?? "")?.slice(1));
  expect([...new Set(senders.map((sender) => sender?.join(" ")))].toSorted()).toEqual([
    `${body.id} lane/1`,
    `${body.id} lane/2`,
  ]);
});

test("a size that does not pass ends the row, is broken when a part may have it, and the advice stays below it", async () => {
  west.fault(
    { operation: "UploadPart", where: ({ headers }) => Number(headers["content-length"]) > 8 * MIB },
    { kind: "answer", code: "EntityTooLarge", close: true },
  );
  await start({ ...request, sizesMib: [8, 9, 10], lanes: 1 });
  const probed = await ended();
  expect(probed.byCopier.map(({ ok, sizeMib }) => [ok, sizeMib])).toEqual([
    [true, 8],
    [false, 9],
  ]);
  expect(probed.advice["MAX_PART_MIB"]).toBe(7);
  expect(probed.findings[0]).toMatchObject({
    holds: "no",
    change: 'set MAX_PART_MIB = "7" in wrangler.toml and deploy: larger parts fail',
  });
});

test("a cache before the store is found by the key whose extension it caches; curl gets a table", async () => {
  west.fault({ operation: "GetObject", key: /\.zip$/ }, { kind: "ignore-range" });
  const asText = { headers: { accept: "text/plain" } };
  const { text } = await start({ ...request, sizesMib: [1], lanes: 1 }, asText.headers);
  expect(text).toMatch(/^Probe through west:destination: creating\n/);
  const probed = await ended();
  expect(probed.keys.map(({ name, isUnchanged }) => [name, isUnchanged])).toEqual([
    ["x.zip", false],
    ["x", true],
  ]);
  expect(probed.findings.find(({ question }) => question.includes(".zip"))).toMatchObject({
    holds: "no",
    change: expect.stringContaining("a cache is in between") as string,
  });
  expect(west.objects("destination")).toEqual([]);
  const { text: table } = await mesh.call("GET", "/probe", asText);
  expect(table).toMatch(/^Probe through west:destination: completed\n/);
  expect(table).toMatch(/\nA body sent by a part copy:\n +1 MiB {2}passed in/);
  expect(table).toMatch(
    /\nBROKEN {2}Is a key that ends in ".zip" read unchanged\?\n +found: +no: a range was answered/,
  );
  expect(table).toMatch(/Safe: MAX_PART_MIB = 5, 5 streams a lane, LANES = 8 for 40 streams/);
});

test("a probe that is cancelled in mid-body leaves no upload, though the store refuses at first to abort it", async () => {
  const gate = west.hold({ operation: "UploadPart" });
  west.fault({ operation: "AbortMultipartUpload" }, { kind: "answer", code: "InternalError" }, { times: 2 });
  await start({ ...request, sizesMib: [64] });
  await west.waitFor(() => gate.waiting.length === 1);
  await mesh.call("POST", "/probe/cancel");
  const probed = await ended();
  gate.release();
  expect(probed).toMatchObject({ phase: "cancelled", byCopier: [], leftovers: [] });
  expect(west.uploads()).toEqual([]);
  expect(west.requests({ operation: "AbortMultipartUpload" }).length).toBeGreaterThan(2);
});

test("a store's cap on transfers bounds the lanes, and one too narrow for a single lane is refused", async () => {
  const { body } = await start({ ...request, store: "narrow", lanes: 4 });
  expect(body.findings.map(({ question }) => question)).toContain(
    "How many bodies does each of 2 lanes have in flight at once?",
  );
  await mesh.call("POST", "/probe/cancel");
  await ended();
  expect((await start({ ...request, store: "tight" })).body.code).toBe("store_capped");
});

test("a store that may not be written to, or refuses, is not probed", async () => {
  expect((await start({ ...request, store: "locked" })).body.code).toBe("store_read_only");
  expect((await start({ store: "west" })).body.code).toBe("invalid_request");
  await start({ ...request, bucket: "missing" });
  const probed = await ended();
  expect(probed.phase).toBe("failed");
  expect(probed.failure).toMatch(/NoSuchBucket/);
});

test("a mesh that dies with an upload begun and nobody waiting ends the probe when it lives again", async () => {
  const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-probe-"));
  const store = await startStore({ buckets: ["destination"] });
  const options = { bundlePath: inject("bundlePath"), stores: { west: store }, directory };
  let mortal = await Mesh.start(options);
  try {
    // The upload exists and the answer never came: nobody has its ID.
    const lost = store.hold({ operation: "CreateMultipartUpload" }, "before-answer");
    await mortal.call("POST", "/probe", { body: { ...request, sizesMib: [1] } });
    await store.waitFor(() => lost.waiting.length === 1);
    await mortal.stop();
    lost.release();
    await store.waitFor(() => store.openRequests().length === 0);
    expect(store.uploads().length).toBe(1);
    // And once more with a body under way.
    const body = store.hold({ operation: "UploadPart" });
    mortal = await Mesh.start(options);
    await store.waitFor(() => body.waiting.length === 1);
    await mortal.stop();
    body.release();
    await store.waitFor(() => store.openRequests().length === 0);
    mortal = await Mesh.start(options);
    const { body: probed } = await mortal.call<Probed>("GET", "/probe?wait=120");
    expect(probed).toMatchObject({ phase: "completed", failure: null, leftovers: [] });
    expect(probed.byCopier.map(({ ok }) => ok)).toEqual([true]);
    expect(store.uploads()).toEqual([]);
    expect(store.objects("destination")).toEqual([]);
  } finally {
    await mortal.stop();
    await store.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}, 180_000);
