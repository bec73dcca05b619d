// Sources that lie in an archive: their store is asked once, waited for without a request that is not needed,
// and read then.

import { expect, test } from "vitest";
import { abortObject, makeAbortable } from "../../mesh/abortable.ts";
import { Clock, sentAtMs } from "../../mesh/clock.ts";
import { digestOfToken, storeSecret } from "../../mesh/mesh.ts";
import { generatedBytes } from "../../store/store.ts";
import { PART, openWorld } from "../world.ts";

const HOUR_MS = 3_600_000;
const DEEP_MS = 40 * HOUR_MS;
const SIZE = 2 * PART + 1;
const BUCKETS = { buckets: ["source", "destination"] };

const CI_TOKEN = "token-of-ci-0123456789abcdef0123456789";
const CI_DIGEST = digestOfToken(CI_TOKEN);
const clock = Clock.leaping();
const {
  mesh,
  stores: { deep, east, stuck, plain, west },
} = await openWorld(
  {
    deep: { ...BUCKETS, restoreMs: DEEP_MS },
    east: { ...BUCKETS, restoreMs: 2 * HOUR_MS },
    stuck: BUCKETS,
    plain: { ...BUCKETS, without: ["restore"] },
    west: BUCKETS,
  },
  (stores) => ({
    // Has the prices of AWS, for restores too, and the bytes are free.
    storeFields: { west: { prices: { put: 0 } } },
    bindings: {
      STORE_PRICED: storeSecret(stores.east, { provider: "aws", prices: { egressPerGb: 0 } }),
      MAX_PART_MIB: "5",
      API_TOKENS: JSON.stringify([
        {
          name: "ci",
          sha256: CI_DIGEST,
          may: ["start", "schedules"],
          source: ["east"],
          destination: ["west"],
        },
      ]),
    },
  }),
  clock,
  makeAbortable,
);

const BULK = { restore: "Bulk", days: 3 };
type Source = "deep" | "east" | "stuck" | "plain";
const stores = { deep, east, stuck, plain };

function request(store: Source, key: string, ifArchived: unknown = BULK) {
  return {
    source: `${store}:source/${key}`,
    destination: `west:destination/${key}`,
    ifArchived,
    concurrency: 1,
  };
}

function put(store: Source, key: string, storageClass = "GLACIER", archiveTier?: "ARCHIVE_ACCESS") {
  const tier = archiveTier === undefined ? {} : { archiveTier };
  stores[store].putGenerated("source", key, {
    size: SIZE,
    seed: key,
    parts: PART,
    computeEtag: true,
    storageClass,
    ...tier,
  });
}

const operations = (store: Source) => stores[store].requests().map(({ operation }) => operation);
const arrived = (key: string) => west.bytes("destination", key).equals(generatedBytes(key, 0, SIZE));

test("a copy has its source restored, looks now and then for 40 hours, and copies", async () => {
  put("deep", "cold");
  const status = await mesh.copy(request("deep", "cold"));
  expect(status).toMatchObject({
    phase: "completed",
    restored: { storageClass: "GLACIER", tier: "Bulk", asks: 1 },
  });
  const { askedAt, readableAt, until } = status.restored ?? {};
  const waitedMs = Date.parse(readableAt ?? "") - Date.parse(askedAt ?? "");
  expect(waitedMs).toBeGreaterThanOrEqual(DEEP_MS);
  expect(waitedMs).toBeLessThan(DEEP_MS + 2 * HOUR_MS);
  expect(until).toMatch(/T00:00:00.000Z$/);
  expect(arrived("cold")).toBe(true);
  const asked = operations("deep");
  const begins = asked.indexOf("RestoreObject");
  const reads = asked.indexOf("GetObjectTagging");
  expect(asked.slice(0, begins)).toEqual(["HeadObject", "HeadObject"]);
  expect(new Set(asked.slice(begins + 1, reads))).toEqual(new Set(["HeadObject"]));
  expect(asked.filter((operation) => operation === "RestoreObject")).toHaveLength(1);
  expect(reads).toBeLessThan(70);
  // Nothing is begun at the destination for hours.
  expect(status.timeline.map(({ event }) => event)).toEqual(
    expect.arrayContaining(["phase_restoring", "restore_asked", "restored", "upload_created"]),
  );
});

test("an object of INTELLIGENT_TIERING is asked for without days, and stays readable", async () => {
  put("east", "tiered", "INTELLIGENT_TIERING", "ARCHIVE_ACCESS");
  const status = await mesh.copy(request("east", "tiered", "Standard"));
  expect(status).toMatchObject({
    phase: "completed",
    restored: { storageClass: "INTELLIGENT_TIERING", tier: "Standard", until: null },
  });
  expect(east.count("RestoreObject")).toBe(1);
});

test("a restore that does not end within 72 hours waits for a person, and resuming looks again", async () => {
  put("stuck", "overdue");
  const id = await mesh.startCopy(request("stuck", "overdue"));
  const blocked = await mesh.ended(id);
  expect(blocked).toMatchObject({
    phase: "blocked",
    failure: { code: "restore_overdue" },
    resumesIn: "restoring",
  });
  expect(west.count()).toBe(0);
  stuck.finishRestore("source", "overdue");
  await mesh.call("POST", `/copies/${id}/resume`);
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
  expect(stuck.count("RestoreObject")).toBe(1);
});

test("a restore that somebody else has begun is waited for, and not asked for", async () => {
  put("east", "begun");
  east.beginRestore("source", "begun");
  const status = await mesh.copy(request("east", "begun"));
  expect(status).toMatchObject({ phase: "completed", restored: { asks: 0, askedAt: null } });
  expect(east.count("RestoreObject")).toBe(0);
});

test("a restored copy that is gone in the middle is asked for again, and no part is sent twice", async () => {
  put("east", "short");
  east.finishRestore("source", "short");
  const gate = east.hold({ operation: "GetObject" }, "before-body", { after: 1 });
  const id = await mesh.startCopy(request("east", "short"));
  await east.waitFor(() => gate.waiting.length > 0);
  east.archiveAgain("source", "short");
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed", restored: { asks: 1 } });
  expect(east.count("RestoreObject")).toBe(1);
  expect(west.counts()).toMatchObject({ CreateMultipartUpload: 1, UploadPart: 3 });
  expect(arrived("short")).toBe(true);
});

test("a paused copy does not look; cancelled while it waits, it ends at once", async () => {
  put("stuck", "held");
  // The look after the restore was asked for.
  const gate = stuck.hold({ operation: "HeadObject" }, "before-body", { after: 2 });
  const id = await mesh.startCopy(request("stuck", "held"));
  await stuck.waitFor(() => gate.waiting.length > 0);
  expect((await mesh.call<{ phase: string }>("POST", `/copies/${id}/pause`)).body.phase).toBe("paused");
  gate.release();
  await stuck.waitFor(() => stuck.openRequests().length === 0);
  stuck.finishRestore("source", "held");
  expect(await mesh.status(id)).toMatchObject({ phase: "paused", resumesIn: "restoring" });
  await mesh.call("POST", `/copies/${id}/resume`);
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });

  put("stuck", "cancelled");
  const look = stuck.hold({ operation: "HeadObject", key: "cancelled" }, "before-body", { after: 2 });
  const other = await mesh.startCopy(request("stuck", "cancelled"));
  await stuck.waitFor(() => look.waiting.length > 0);
  expect((await mesh.cancel(other)).phase).toBe("cancelled");
  look.release();
  expect(west.count("CreateMultipartUpload")).toBe(1);
});

test("a coordinator that dies while it asks looks before it asks again", async () => {
  put("east", "died");
  const gate = east.hold({ operation: "RestoreObject" }, "before-answer");
  const id = await mesh.startCopy(request("east", "died"));
  await east.waitFor(() => gate.waiting.length > 0);
  await abortObject(mesh, "Coordinator", id);
  gate.release();
  // Its alarm would come by itself, in ten seconds.
  await mesh.call("POST", `/copies/${id}/resume`);
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed", restored: { asks: 0 } });
  expect(east.count("RestoreObject")).toBe(1);
});

test.for([
  ["a store that has no RestoreObject", "plain", "GLACIER", BULK, "failed", "restore_unsupported"],
  ["a tier that the class does not have", "stuck", "DEEP_ARCHIVE", "Expedited", "failed", "restore_refused"],
  ["fail", "stuck", "GLACIER", "fail", "failed", "source_archived"],
] as const)(
  "%s ends the copy, and is asked at most once",
  async ([what, store, storageClass, wish, phase, code]) => {
    put(store, what, storageClass);
    expect(await mesh.copy(request(store, what, wish))).toMatchObject({ phase, failure: { code } });
    expect(stores[store].count("RestoreObject")).toBe(wish === "fail" ? 0 : 1);
  },
);

test("a missing right waits for the person who gives it", async () => {
  put("east", "denied");
  const rule = east.fault({ operation: "RestoreObject" }, { kind: "answer", code: "AccessDenied" });
  const id = await mesh.startCopy(request("east", "denied"));
  expect(await mesh.ended(id)).toMatchObject({ phase: "blocked", failure: { code: "source_access_denied" } });
  rule.remove();
  await mesh.call("POST", `/copies/${id}/resume`);
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
});

test("skip leaves an archived object, and ifExists goes before a restore", async () => {
  put("stuck", "left");
  expect(await mesh.copy(request("stuck", "left", "skip"))).toMatchObject({
    phase: "completed",
    skipped: true,
    skippedBy: "archived",
  });
  put("stuck", "there");
  west.put("destination", "there", "already");
  const status = await mesh.copy({ ...request("stuck", "there"), ifExists: "skip" });
  expect(status).toMatchObject({ phase: "completed", skipped: true });
  expect(status).not.toHaveProperty("skippedBy");
  expect(stuck.count("RestoreObject")).toBe(0);
});

const quote = async (wish: object) => {
  const { ifArchived: _wish, concurrency: _width, ...places } = request("stuck", "quoted");
  return await mesh.call("POST", "/quotes", { body: { ...places, ...wish } });
};

test("a quote has the restore, and without a tier says why the copy would not begin", async () => {
  put("stuck", "quoted");
  expect((await quote({ ifArchived: BULK })).body).toMatchObject({
    source: { requests: { put: 1 }, bytes: SIZE },
    restore: { objects: 1, bytes: SIZE, usd: null },
  });
  expect(await quote({})).toMatchObject({
    status: 422,
    body: { code: "not_quoted", failure: { code: "source_archived" } },
  });
  expect(stuck.count()).toBe(stuck.count("HeadObject"));
});

test.each([
  ["a copy", "POST", "/copies", request("east", "mine")],
  ["a sync", "POST", "/syncs", syncOf("east", "mine/")],
  ["a schedule", "PUT", "/schedules/mine", { cron: "0 3 * * *", sync: syncOf("east", "mine/") }],
])(
  "%s that restores needs the source among the places that it may write",
  async (_what, method, path, body) => {
    const headers = { authorization: `Bearer ${CI_TOKEN}` };
    const answer = await mesh.call(method, path, { body, headers });
    expect(answer).toMatchObject({ status: 403, body: { code: "out_of_scope" } });
    expect(east.count()).toBe(0);
  },
);

// --- Syncs ----------------------------------------------------------------------------------------

const LARGE = 6 * PART;

function syncOf(store: Source, prefix: string, changes: Record<string, unknown> = {}) {
  return {
    source: `${store}:source/${prefix}`,
    destination: `west:destination/${prefix}`,
    ifArchived: BULK,
    ...changes,
  };
}

function putSmall(store: Source, key: string, storageClass?: string, archiveTier?: "ARCHIVE_ACCESS") {
  stores[store].put("source", key, key, {
    ...(storageClass === undefined ? {} : { storageClass }),
    ...(archiveTier === undefined ? {} : { archiveTier }),
  });
}

async function reportOf(id: string): Promise<Record<string, unknown>[]> {
  const { text } = await mesh.call("GET", `/syncs/${id}/report`);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("a sync copies what it can, has the rest restored, and then copies that: small, large and tiered ones", async () => {
  putSmall("east", "mix/plain");
  putSmall("east", "mix/equal", "GLACIER");
  west.put("destination", "mix/equal", "mix/equal");
  putSmall("east", "mix/small", "GLACIER");
  putSmall("east", "mix/tiered", "INTELLIGENT_TIERING", "ARCHIVE_ACCESS");
  east.putGenerated("source", "mix/large", { size: LARGE, seed: "large", storageClass: "DEEP_ARCHIVE" });
  const status = await mesh.sync(syncOf("east", "mix/"));
  expect(status).toMatchObject({
    phase: "completed",
    objects: { listed: 5, copied: 4, skipped: 1, failed: 0 },
    skippedBy: { equal: 1 },
    restores: { asked: 3, readable: 3, waiting: 0, most: 1000, nextLookAt: null },
  });
  expect(
    east
      .requests({ operation: "RestoreObject" })
      .map(({ key }) => key?.slice(4))
      .toSorted(),
  ).toEqual(["large", "small", "tiered"]);
  const lines = new Map((await reportOf(status.id)).map((line) => [line["key"], line]));
  expect(lines.get("mix/small")).toMatchObject({
    action: "copied",
    restored: { tier: "Bulk", until: expect.stringMatching(/T00:00:00/) as string },
  });
  expect(lines.get("mix/tiered")).toMatchObject({ restored: { tier: "Bulk", until: null } });
  expect(lines.get("mix/large")).toMatchObject({ action: "copied", restored: { tier: "Bulk" } });
  expect(lines.get("mix/plain")).not.toHaveProperty("restored");
  expect(west.bytes("destination", "mix/large").equals(generatedBytes("large", 0, LARGE))).toBe(true);
  // What needs no restore waits for none.
  const begunMs = Date.parse(status.createdAt);
  const written = (key: string) => Math.min(...west.requests({ operation: "PutObject", key }).map(sentAtMs));
  expect(written("mix/plain") - begunMs).toBeLessThan(HOUR_MS);
  expect(written("mix/small") - begunMs).toBeGreaterThanOrEqual(2 * HOUR_MS);
  expect(status.timeline.map(({ event }) => event)).toContain("phase_restoring");
});

test("maxRestores bounds it: the keys beyond are skipped and told, and a dry run shows what would be restored", async () => {
  for (const key of ["a", "b", "c"]) putSmall("east", `many/${key}`, "GLACIER");
  const dry = await mesh.sync(syncOf("east", "many/", { dryRun: true }));
  expect(dry).toMatchObject({
    phase: "completed",
    objects: { wouldCopy: 3 },
    quote: { source: { requests: { put: 3 } }, restore: { objects: 3, bytes: 18, usd: null } },
  });
  expect(await reportOf(dry.id)).toMatchObject([
    { action: "would_copy", archived: "GLACIER" },
    { action: "would_copy", archived: "GLACIER" },
    { action: "would_copy", archived: "GLACIER" },
  ]);
  expect(east.count("RestoreObject")).toBe(0);
  const status = await mesh.sync(syncOf("east", "many/", { maxRestores: 2 }));
  expect(status).toMatchObject({
    phase: "completed",
    objects: { copied: 2, skipped: 1 },
    skippedBy: { restore_limit: 1 },
    restores: { asked: 2, readable: 2, most: 2 },
    warnings: [expect.stringContaining("maxRestores allows (2)")],
  });
  expect(east.count("RestoreObject")).toBe(2);
});

test("a store without RestoreObject fails the archived keys alone, and fail fails them without asking", async () => {
  putSmall("plain", "none/a");
  putSmall("plain", "none/b", "GLACIER");
  const status = await mesh.sync(syncOf("plain", "none/"));
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    objects: { copied: 1, failed: 1 },
    failures: [{ key: "none/b", code: "restore_unsupported" }],
  });
  expect(plain.count("RestoreObject")).toBe(1);
  const failing = await mesh.sync(syncOf("plain", "none/", { ifArchived: "fail" }));
  expect(failing).toMatchObject({ failures: [{ key: "none/b", code: "source_archived" }] });
  expect(plain.count("RestoreObject")).toBe(1);
});

test("a sync that dies while it asks looks before it asks again; cancelled, each key that waits has its line", async () => {
  putSmall("east", "dies/a", "GLACIER");
  const gate = east.hold({ operation: "RestoreObject" }, "before-answer");
  const id = await mesh.startSync(syncOf("east", "dies/"));
  await east.waitFor(() => gate.waiting.length > 0);
  await abortObject(mesh, "Sync", id);
  gate.release();
  await mesh.call("POST", `/syncs/${id}/resume`);
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(east.count("RestoreObject")).toBe(1);

  putSmall("stuck", "ends/a", "GLACIER");
  const look = stuck.hold({ operation: "HeadObject", key: "ends/a" }, "before-body", { after: 1 });
  const other = await mesh.startSync(syncOf("stuck", "ends/"));
  await stuck.waitFor(() => look.waiting.length > 0);
  expect(await mesh.syncStatus(other)).toMatchObject({ phase: "restoring", restores: { waiting: 1 } });
  await mesh.call("POST", `/syncs/${other}/cancel`);
  expect(await mesh.syncEnded(other)).toMatchObject({ phase: "cancelled", skippedBy: { cancelled: 1 } });
  look.release();
});

test("a budget in dollars holds what restores cost: no more keys are asked for than it covers", async () => {
  // 10 dollars for 1,000 requests of this tier, and next to nothing for some bytes.
  for (const key of ["a", "b", "c"]) putSmall("east", `priced/${key}`, "GLACIER");
  const body = { ...syncOf("east", "priced/"), source: "priced:source/priced/", ifArchived: "Expedited" };
  const id = await mesh.startSync({ ...body, maxUsd: 0.025 });
  const paused = await mesh.untilSync(id, ({ phase }) => phase === "paused" || phase === "completed");
  expect(paused).toMatchObject({ phase: "paused", reason: "budget_reached" });
  const asked = () => east.count("RestoreObject");
  expect(asked()).toBe(2);
  expect(paused.spent.source.retrievalUsd).toBeCloseTo(0.02, 6);
  expect(paused.spent.usd).toBeLessThanOrEqual(0.025);
  await mesh.call("POST", `/syncs/${id}/resume`, { body: { maxUsd: 1 } });
  const ended = await mesh.syncEnded(id);
  expect(ended).toMatchObject({ phase: "completed", objects: { copied: 3 }, restores: { asked: 3 } });
  expect(asked()).toBe(3);
  expect(ended.spent.usd).toBeGreaterThan(0.03);

  put("east", "priced-copy");
  const copy = { ...request("east", "priced-copy", "Expedited"), source: "priced:source/priced-copy" };
  const one = await mesh.startCopy({ ...copy, maxUsd: 0.005 });
  expect(await mesh.until(one, ({ phase }) => phase === "paused")).toMatchObject({
    reason: "budget_reached",
  });
  expect(asked()).toBe(3);
  // One that is refused has cost its request, and no retrieval.
  east.fault({ operation: "RestoreObject" }, { kind: "answer", code: "SlowDown" }, { times: 1 });
  await mesh.call("POST", `/copies/${one}/resume`, { body: { maxUsd: 0.015 } });
  const copied = await mesh.ended(one);
  expect([copied.phase, asked()]).toEqual(["completed", 5]);
  expect(copied.spent.usd).toBeLessThanOrEqual(0.015);

  // Where nobody knows the price, it is refused.
  const unknown = await mesh.call("POST", "/syncs", { body: syncOf("east", "priced/", { maxUsd: 5 }) });
  expect(unknown).toMatchObject({ status: 400, body: { code: "invalid_request" } });
});
