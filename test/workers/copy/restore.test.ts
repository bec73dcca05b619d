// Sources that lie in an archive: their store is asked once, waited for without a request that is not needed,
// and read then.

import { expect, test } from "vitest";
import { abortObject, makeAbortable } from "../../mesh/abortable.ts";
import { Clock } from "../../mesh/clock.ts";
import { generatedBytes } from "../../store/store.ts";
import { PART, openWorld } from "../world.ts";

const HOUR_MS = 3_600_000;
const DEEP_MS = 40 * HOUR_MS;
const SIZE = 2 * PART + 1;
const BUCKETS = { buckets: ["source", "destination"] };

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
  () => ({}),
  Clock.leaping(),
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
