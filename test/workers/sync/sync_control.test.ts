// Pause, resume and cancel; large objects beside small ones; how much is under way at once.

import { beforeEach, expect, test } from "vitest";
import { type Status, storeSecret } from "../../mesh/mesh.ts";
import { mostAtOnce, type RequestRecord } from "../../store/journal.ts";
import { MIB, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld(
  { east: { buckets: ["source"], maxPageKeys: 400 }, west: { buckets: ["destination"] } },
  (stores) => ({
    // What is larger than a part is a copy of its own.
    bindings: { MAX_PART_MIB: "5", STORE_NARROW: storeSecret(stores.west, { maxConcurrency: 3 }) },
  }),
);

beforeEach(() => {
  for (const [store, bucket] of [
    [east, "source"],
    [west, "destination"],
  ] as const)
    for (const { key } of store.objects(bucket)) store.delete(bucket, key);
});

const request = (more: Record<string, unknown> = {}) => ({
  source: "east:source/p/",
  destination: "west:destination/p/",
  ...more,
});

function fill(count: number): void {
  for (let n = 0; n < count; n++) east.put("source", `p/${String(n).padStart(5, "0")}`, `object ${n}`);
}

const copiedKeys = () =>
  west
    .objects("destination")
    .map(({ key }) => key)
    .filter((key) => key.startsWith("p/"));
const perLane = (puts: readonly RequestRecord[]) => [...Map.groupBy(puts, ({ lane }) => lane).values()];
const putsOfObjects = () =>
  west.requests({ operation: "PutObject" }).filter(({ key }) => key?.startsWith("p/") === true);

test("never more than five transfers run in one lane, and as many as concurrency allows in all", async () => {
  fill(400);
  const gate = west.hold({ operation: "PutObject" }, "before-body");
  const id = await mesh.startSync(request({ lanes: 4 }));
  // A PUT that waits for long is given up, and sent again: only who still waits counts.
  await west.waitFor(
    () =>
      perLane(gate.waiting)
        .map(({ length }) => length)
        .join() === "5,5,5,5",
  );
  gate.release();
  const status = await mesh.syncEnded(id);
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 400 } });
  const answered = putsOfObjects().filter(({ outcome }) => outcome === "answered");
  expect(perLane(answered).map((puts) => mostAtOnce(puts))).toEqual([5, 5, 5, 5]);
});

test("a store's maxConcurrency bounds a sync", async () => {
  fill(60);
  const gate = west.hold({ operation: "PutObject" }, "before-body");
  const id = await mesh.startSync(request({ destination: "narrow:destination/p/" }));
  await west.waitFor(() => gate.waiting.length === 3);
  gate.release();
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 60 } });
  expect(west.peaks().requests).toBeLessThanOrEqual(3 + 2);
});

test("each object costs one GET and one PUT, and a page of keys one listing of each side", async () => {
  fill(600);
  const { id } = await mesh.sync(request());
  // On a busy machine one may be slow, and is asked for again: every try is told.
  const tries = (await mesh.report(id)).reduce((sum, { attempts }) => sum + Number(attempts), 0);
  expect(tries).toBeLessThan(650);
  expect(east.count("GetObject")).toBe(tries);
  expect(new Set(putsOfObjects().map(({ key }) => key)).size).toBe(600);
  expect(east.count() - east.count("GetObject")).toBe(east.count("ListObjectsV2"));
  // Where the first page is slow, as it is on a busy machine, the source is asked once for its folders.
  const pages = east.requests({ operation: "ListObjectsV2" }).filter(({ query }) => !query.has("delimiter"));
  expect(pages).toHaveLength(2);
  expect(east.count("ListObjectsV2") - pages.length).toBeLessThanOrEqual(1);
  // The rest at the destination: its own listing.
  expect(west.count() - putsOfObjects().length).toBe(west.count("ListObjectsV2"));
  expect(west.count("ListObjectsV2")).toBe(1);
});

test("a paused sync hands out nothing more, and resumed goes on where it was: each object is copied once", async () => {
  fill(300);
  const gate = west.hold({ operation: "PutObject" }, "before-body");
  const id = await mesh.startSync(request({ lanes: 1 }));
  await west.waitFor(() => gate.waiting.length === 5);
  const paused = await mesh.call<{ phase: string; resumesIn: string }>("POST", `/syncs/${id}/pause`);
  expect(paused.body.phase).toBe("paused");
  gate.release();
  // What runs may finish.
  const still = await mesh.untilSync(id, ({ inFlight }) => inFlight.batches === 0);
  expect(still.phase).toBe("paused");
  expect(still.objects.underWay).toBeGreaterThan(0);
  expect(copiedKeys()).toHaveLength(still.objects.copied);
  await mesh.call("POST", `/syncs/${id}/resume`);
  expect(await mesh.syncEnded(id)).toMatchObject({
    phase: "completed",
    objects: { copied: 300, underWay: 0 },
  });
  // One that waited for long may have been given up, and sent again.
  expect(putsOfObjects().filter(({ outcome }) => outcome === "answered")).toHaveLength(300);
});

test("a cancelled sync stops what runs, and every key that was listed has its line", async () => {
  fill(300);
  const gate = west.hold({ operation: "PutObject" }, "before-body");
  const id = await mesh.startSync(request({ lanes: 2 }));
  await west.waitFor(() => gate.waiting.length >= 10);
  await mesh.call("POST", `/syncs/${id}/cancel`);
  const status = await mesh.untilSync(id, ({ phase }) => phase === "reporting" || phase === "cancelled");
  gate.release();
  const ended = await mesh.syncEnded(id);
  expect(ended).toMatchObject({
    phase: "cancelled",
    objects: { listed: 300, copied: 0, skipped: 300, underWay: 0 },
  });
  expect(status.skippedBy).toEqual({ cancelled: 300 });
  expect(await mesh.report(id)).toHaveLength(300);
  expect(copiedKeys()).toEqual([]);
  // Once more changes nothing.
  expect((await mesh.call<{ phase: string }>("POST", `/syncs/${id}/cancel`)).body.phase).toBe("cancelled");
});

test("an object that fits no PUT becomes a copy of its own, one that does goes whole, and the sync tells how each ended", async () => {
  fill(20);
  east.putGenerated("source", "p/whole", { size: 5 * MIB, seed: "large", computeEtag: true });
  east.putGenerated("source", "p/larger", { size: 7 * MIB, seed: "larger" });
  const status = await mesh.sync({ ...request(), location: "sam" });
  expect(status, JSON.stringify(status)).toMatchObject({
    phase: "completed",
    objects: { copied: 22 },
    location: "sam",
  });
  expect(west.bytes("destination", "p/whole").equals(east.bytes("source", "p/whole"))).toBe(true);
  expect(west.requests({ key: "p/whole" }).map(({ operation }) => operation)).toEqual(["PutObject"]);
  expect(east.requests({ key: "p/whole" }).map(({ operation }) => operation)).toEqual(["GetObject"]);
  expect(west.get("destination", "p/larger")?.parts).toHaveLength(2);
  const lines = await mesh.report(status.id);
  expect(lines.find(({ key }) => key === "p/larger")).toMatchObject({ action: "copied", size: 7 * MIB });
  const { body } = await mesh.call<{ copies: { id: string; phase: string }[] }>(
    "GET",
    `/copies?sync=${status.id}`,
  );
  const { copies } = body;
  expect(copies.map(({ phase }) => phase)).toEqual(["completed"]);
  // It is the sync's, and not listed among those that people have started.
  const others = (await mesh.call<{ copies: { id: string }[] }>("GET", "/copies")).body.copies;
  expect(others.map(({ id }) => id)).not.toContain(copies[0]?.id);
  const both = await mesh.call("GET", `/copies?sync=${status.id}&orphans`);
  expect(both.body["detail"]).toMatch(/exclude each other/);
  for (const { id } of copies) expect(await mesh.status(id)).toMatchObject({ location: "sam" });
  // Its ETag is not the source's: the record in its metadata tells the second run what it is.
  const again = await mesh.sync(request());
  expect(again).toMatchObject({ phase: "completed", objects: { copied: 0, skipped: 22 } });
  const known = (await mesh.report(again.id)).find(({ key }) => key === "p/larger");
  expect(known).toMatchObject({ action: "skipped", reason: "equal", proof: "record" });
});

test("what was uploaded in parts keeps them where the request says so, and is known by its ETag afterwards", async () => {
  fill(3);
  const parts = [4, 3, 1].map((mib) => mib * MIB);
  const uploaded = { size: 8 * MIB, seed: "parts", parts, computeEtag: true };
  const { etag } = east.putGenerated("source", "p/parts", uploaded);
  const keeping = { ...request(), partSize: "source" };
  expect(await mesh.sync(keeping)).toMatchObject({ phase: "completed", objects: { copied: 4 } });
  expect(west.get("destination", "p/parts")?.etag).toBe(etag);
  expect(west.get("destination", "p/parts")?.parts.map(({ size }) => size)).toEqual(parts);
  west.journal.clear();
  expect(await mesh.sync(keeping)).toMatchObject({ phase: "completed", objects: { copied: 0, skipped: 4 } });
  expect(west.count("HeadObject")).toBe(0);
  const { body } = await mesh.call("POST", "/syncs", { body: { ...request(), partSize: "8MiB" } });
  expect(body["detail"]).toMatch(/"partSize".*source.*8MiB/);
});

test("as many large objects are copied at once as fit into the concurrency of the sync", async () => {
  // Each runs two transfers, a quarter of all; ten are all that run.
  for (let n = 0; n < 10; n++)
    east.putGenerated("source", `p/${n}`, { size: n === 0 ? 64 * MIB + 1 : 6 * MIB, seed: "l" });
  const gate = west.hold({ operation: "UploadPart" }, "before-body");
  const id = await mesh.startSync(request({ lanes: 2 }));
  await west.waitFor(() => gate.waiting.length === 10);
  expect((await mesh.syncStatus(id)).inFlight).toMatchObject({ largeRunning: 5, largeWaiting: 5 });
  gate.release();
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 10 } });
  expect(west.peaks().uploadParts).toBeLessThanOrEqual(10);
});

test("a large object that only has to be completed holds up no other", async () => {
  // More than have parts under way at once.
  for (let n = 0; n < 11; n++) east.putGenerated("source", `p/${n}`, { size: 6 * MIB, seed: "l" });
  const gate = west.hold({ operation: "CompleteMultipartUpload" }, "before-body");
  const id = await mesh.startSync(request({ lanes: 2 }));
  await west.waitFor(() => gate.waiting.length === 11);
  gate.release();
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 11 } });
});

test("a cancelled sync does not wait for a large copy that cannot find out whether its object exists", async () => {
  east.putGenerated("source", "p/large", { size: 8 * MIB, seed: "large" });
  west.fault({ operation: "CompleteMultipartUpload" }, { kind: "drop", stage: "before-work" });
  const gate = west.hold({ operation: "CompleteMultipartUpload" }, "before-body");
  const id = await mesh.startSync(request());
  await west.waitFor(() => gate.waiting.length === 1);
  west.fault({ operation: ["HeadObject", "GetObject"] }, { kind: "answer", code: "ExpiredToken" });
  await mesh.call("POST", `/syncs/${id}/cancel`);
  gate.release();
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "cancelled", objects: { failed: 1 } });
  // The copy waits for whoever may look.
  const { body } = await mesh.call<{ copies: { id: string; phase: string }[] }>("GET", `/copies?sync=${id}`);
  expect(body.copies.map(({ phase }) => phase)).toEqual(["blocked"]);
  west.clearFaults();
  await mesh.call("POST", `/copies/${body.copies[0]?.id}/resume`);
  await mesh.call("POST", `/copies/${body.copies[0]?.id}/cancel`);
  await mesh.ended(body.copies[0]?.id ?? "");
});

test("large copies pause, go on and are cancelled with their sync", async () => {
  east.putGenerated("source", "p/large", { size: 8 * MIB, seed: "large" });
  const gate = west.hold({ operation: "UploadPart" }, "before-body");
  const id = await mesh.startSync(request({ lanes: 2 }));
  await west.waitFor(() => gate.waiting.length === 2);
  const copyId = west.requests({ operation: "UploadPart" })[0]?.copy ?? "";
  const phaseOf = async () => (await mesh.call<Status>("GET", `/copies/${copyId}`)).body.phase;
  await mesh.call("POST", `/syncs/${id}/pause`);
  await mesh.until(copyId, ({ phase }) => phase === "paused");
  await mesh.call("POST", `/syncs/${id}/resume`);
  await mesh.until(copyId, ({ phase }) => phase === "uploading");
  await mesh.call("POST", `/syncs/${id}/cancel`);
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "cancelled", objects: { listed: 1, skipped: 1 } });
  gate.release();
  expect(await phaseOf()).toBe("cancelled");
  expect(copiedKeys()).toEqual([]);
  expect(west.uploads()).toEqual([]);
});

test("a large object that cannot be copied is a failure of its key", async () => {
  fill(3);
  east.putGenerated("source", "p/large", { size: 8 * MIB, seed: "large" });
  west.fault({ operation: "CreateMultipartUpload" }, { kind: "answer", code: "AccessDenied" });
  const status = await mesh.sync(request());
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    objects: { copied: 3, failed: 1 },
    failures: [{ key: "p/large", code: "destination_access_denied" }],
  });
  west.clearFaults();
  await mesh.call("POST", `/syncs/${status.id}/retry`);
  expect(await mesh.syncEnded(status.id)).toMatchObject({
    phase: "completed",
    objects: { copied: 4, failed: 0 },
  });
});

test("a form names each pattern of a list; what the filter lets through is copied", async () => {
  for (const key of ["p/a.jpg", "p/b.png", "p/c.txt"]) east.put("source", key, key);
  const answer = await mesh.call<Status>("POST", "/syncs", {
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "source=east:source/p/&destination=west:destination/p/&include=*.jpg&include=*.png",
  });
  expect(await mesh.syncEnded(answer.body.id)).toMatchObject({ phase: "completed", warnings: [] });
  expect(copiedKeys()).toEqual(["p/a.jpg", "p/b.png"]);
});

test("a sync is cancelled while a store does not answer its listing", async () => {
  fill(3);
  const gate = west.hold({ operation: "ListObjectsV2" });
  const id = await mesh.startSync(request());
  await west.waitFor(() => gate.waiting.length === 1);
  await mesh.call("POST", `/syncs/${id}/cancel`);
  // The store still has not answered.
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "cancelled", objects: { copied: 0 } });
  expect(west.requests({ operation: "ListObjectsV2", outcome: "answered" })).toEqual([]);
  gate.release();
});

test("a sync that found no key, or whose filter let none through, says so", async () => {
  fill(3);
  const mistyped = await mesh.sync(request({ source: "east:source/q/", dryRun: true }));
  expect(mistyped).toMatchObject({
    phase: "completed",
    warnings: ["The source has no key under east:source/q/: is the prefix right?"],
  });
  const filtered = await mesh.sync(request({ include: "*.jpg,*.png" }));
  expect(filtered).toMatchObject({ phase: "completed", objects: { skipped: 3, copied: 0 } });
  expect(filtered.warnings).toEqual([
    'The filter lets none of the 3 keys through: 3 not_included; "*.jpg,*.png" is one pattern: give "include" once for each, or write {a,b}',
  ]);
});

test("pause, resume, cancel and retry of a sync say when they had no effect", async () => {
  fill(2);
  const { id } = await mesh.sync(request());
  for (const verb of ["pause", "resume", "cancel"]) {
    const answer = await mesh.call<{ changed: boolean; phase: string }>("POST", `/syncs/${id}/${verb}`);
    expect([verb, answer.body.changed, answer.body.phase]).toEqual([verb, false, "completed"]);
  }
});
