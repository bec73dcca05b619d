// When a sync deletes, and above all when it does not.

import { beforeEach, expect, test } from "vitest";
import type { SyncStatus } from "../../../src/view/answers.ts";
import { openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west, old, java },
} = await openWorld({
  east: { buckets: ["source"] },
  west: { buckets: ["destination"] },
  old: { buckets: ["destination"], without: ["deleteObjects"] },
  java: { buckets: ["source"], listingOrder: "utf16" },
});

beforeEach(() => {
  for (const [store, bucket] of [
    [east, "source"],
    [west, "destination"],
    [old, "destination"],
    [java, "source"],
  ] as const)
    for (const { key } of store.objects(bucket)) store.delete(bucket, key);
});

const request = (more: Record<string, unknown> = {}) => ({
  source: "east:source/p/",
  destination: "west:destination/p/",
  delete: true,
  ...more,
});

/** @param extra keys that only the destination has, beside `common` that both have */
function fill({ common, extra }: { common: number; extra: number }): void {
  for (let n = 0; n < common; n++) {
    east.put("source", `p/${n}`, String(n));
    west.put("destination", `p/${n}`, String(n));
  }
  for (let n = 0; n < extra; n++) west.put("destination", `p/extra-${n}`, "x");
}

const keysOf = (store = west) =>
  store
    .objects("destination")
    .map(({ key }) => key)
    .filter((key) => !key.startsWith(".bucket-brigade/"));
const deletions = (store = west) =>
  store.requests().filter(({ operation }) => operation === "DeleteObjects" || operation === "DeleteObject");

function expectNothingDeleted(status: SyncStatus, event: string): void {
  expect(status.phase).toBe("finished_with_errors");
  expect(status.timeline.map((entry) => entry.event)).toContain(`deletes_refused_${event}`);
  expect(status.deletes.deleted).toBe(0);
  expect(deletions()).toEqual([]);
}

test("what only the destination has is deleted in batches of at most 500, and has its lines", async () => {
  fill({ common: 3, extra: 1201 });
  const status = await mesh.sync(request({ maxDeletes: 1201 }));
  expect(status).toMatchObject({ phase: "completed", deletes: { extra: 1201, deleted: 1201 } });
  expect(keysOf()).toEqual(["p/0", "p/1", "p/2"]);
  expect(deletions()).toHaveLength(3);
  const lines = await mesh.report(status.id);
  expect(lines.filter(({ action }) => action === "deleted")).toHaveLength(1201);
});

test("without delete nothing is deleted", async () => {
  fill({ common: 1, extra: 1 });
  const status = await mesh.sync(request({ delete: false }));
  expect(status).toMatchObject({ phase: "completed", deletes: { extra: 1, deleted: 0 } });
  expect(keysOf()).toEqual(["p/0", "p/extra-0"]);
});

test("only keys under the exact destination prefix are deleted", async () => {
  fill({ common: 1, extra: 0 });
  for (const key of ["p", "p-", "p0/x", "P/x", "q/x", "o/x"]) west.put("destination", key, "other");
  west.put("destination", "p/extra", "x");
  const status = await mesh.sync(request({ maxDeletes: 1 }));
  expect(status).toMatchObject({ phase: "completed", deletes: { deleted: 1, destinationObjects: 2 } });
  expect(keysOf()).toEqual(["P/x", "o/x", "p", "p-", "p/0", "p0/x", "q/x"]);
});

test("a source prefix without any key deletes nothing, unless that is said to be meant", async () => {
  fill({ common: 0, extra: 3 });
  expectNothingDeleted(await mesh.sync(request({ maxDeletes: "100%" })), "source_empty");
  const status = await mesh.sync(request({ maxDeletes: "100%", allowEmptySource: true }));
  expect(status).toMatchObject({ phase: "completed", deletes: { deleted: 3 } });
  expect(keysOf()).toEqual([]);
});

test("above the share of maxDeletes, by default a tenth of the destination's keys, nothing at all is deleted", async () => {
  fill({ common: 18, extra: 3 });
  expectNothingDeleted(await mesh.sync(request()), "too_many_deletes");
  west.delete("destination", "p/extra-0");
  // Two of twenty are a tenth.
  expect(await mesh.sync(request())).toMatchObject({ phase: "completed", deletes: { deleted: 2 } });
});

test("above the number of maxDeletes nothing at all is deleted, and what had to be copied is copied", async () => {
  fill({ common: 3, extra: 5 });
  east.put("source", "p/new", "N");
  const status = await mesh.sync(request({ maxDeletes: 4 }));
  expectNothingDeleted(status, "too_many_deletes");
  expect(status.warnings.join()).toContain("5 of the destination's 8 keys");
  expect(west.bytes("destination", "p/new").toString()).toBe("N");
});

test.for(["source", "destination"] as const)(
  "a listing of the %s that fails on its second page deletes nothing and ends the run as failed",
  async (side) => {
    for (let n = 0; n < 1100; n++) {
      east.put("source", `p/${String(n).padStart(4, "0")}`, "x");
      west.put("destination", `p/${String(n).padStart(4, "0")}`, "x");
    }
    west.put("destination", "p/00000-extra", "x");
    east.put("source", "p/0000-new", "new");
    const store = side === "source" ? east : west;
    store.fault({ operation: "ListObjectsV2" }, { kind: "answer", code: "AccessDenied" }, { after: 1 });
    const status = await mesh.sync(request());
    expect(status).toMatchObject({ phase: "failed", failure: { operation: "ListObjectsV2" } });
    expect(deletions()).toEqual([]);
    // What was listed before is copied all the same, and the sums hold.
    expect(west.bytes("destination", "p/0000-new").toString()).toBe("new");
    const { listed, copied, skipped, failed } = status.objects;
    expect(listed).toBe(copied + skipped + failed);
  },
);

test("a listing that gives the same token again is an error, not an end: nothing is deleted", async () => {
  for (let n = 0; n < 1100; n++) east.put("source", `p/${n}`, "x");
  for (let n = 0; n < 1100; n++) west.put("destination", `p/${n}`, "x");
  west.put("destination", "p/extra", "x");
  east.fault({ operation: "ListObjectsV2" }, { kind: "repeat-marker" });
  const status = await mesh.sync(request());
  expect(status).toMatchObject({ phase: "failed" });
  expect(deletions()).toEqual([]);
});

test("names that UTF-16 and UTF-8 order differently are equal on both sides: nothing is copied, nothing deleted", async () => {
  for (const name of ["Ｚ", "😀a", "\uffee", "\u{10ffff}"]) {
    east.put("source", `p/${name}`, name);
    west.put("destination", `p/${name}`, name);
  }
  const status = await mesh.sync(request({ maxDeletes: "100%" }));
  expect(status).toMatchObject({
    phase: "completed",
    objects: { copied: 0, skipped: 4 },
    deletes: { extra: 0 },
  });
  expect(deletions()).toEqual([]);
});

test("a source that turns out to keep another order ends the run, however often it is asked: nothing is deleted", async () => {
  // The first page is in UTF-8 order as well; the second begins with a key that belongs before its end.
  const names = [...Array.from({ length: 999 }, (_, n) => String(n).padStart(4, "0")), "😀", "Ｚ", "Ｚa"];
  for (const name of names) {
    java.put("source", `p/${name}`, "x");
    west.put("destination", `p/${name}`, "x");
  }
  const status = await mesh.sync(request({ source: "java:source/p/", maxDeletes: "100%" }));
  expect(status).toMatchObject({ phase: "failed", failure: { operation: "ListObjectsV2" } });
  expect(status.failure?.message).toContain('set its "provider" to "storj"');
  expect(deletions()).toEqual([]);
  expect(keysOf()).toHaveLength(names.length);
});

test("a listing that fails for a moment is asked again, and the run deletes as if nothing had been", async () => {
  fill({ common: 20, extra: 1 });
  east.fault({ operation: "ListObjectsV2" }, { kind: "answer", code: "SlowDown" }, { times: 1 });
  west.fault({ operation: "ListObjectsV2" }, { kind: "drop", stage: "before-answer" }, { times: 1 });
  expect(await mesh.sync(request())).toMatchObject({ phase: "completed", deletes: { deleted: 1 } });
});

test("a key that the destination refuses to delete is a failure of that key, and retry deletes it", async () => {
  fill({ common: 30, extra: 3 });
  const refusal =
    "<DeleteResult><Deleted><Key>p/extra-0</Key></Deleted><Deleted><Key>p/extra-2</Key></Deleted><Error><Key>p/extra-1</Key><Code>AccessDenied</Code>" +
    "<Message>Access Denied</Message></Error></DeleteResult>";
  const rule = { kind: "answer", status: 200, body: refusal, contentType: "application/xml" } as const;
  west.fault({ operation: "DeleteObjects" }, rule, { times: 1 });
  const status = await mesh.sync(request());
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    deletes: { extra: 3, deleted: 2, failed: 1 },
    failures: [{ key: "p/extra-1", code: "destination_access_denied" }],
  });
  await mesh.call("POST", `/syncs/${status.id}/retry`);
  const retried = await mesh.syncEnded(status.id);
  expect(retried).toMatchObject({
    phase: "completed",
    deletes: { extra: 3, deleted: 3, failed: 0 },
    failures: [],
  });
});

test("keys that XML cannot carry are deleted, also at a store without DeleteObjects", async () => {
  for (const store of [west, old]) {
    for (const key of ["p/\u0001", "p/a&b<c>", "p/\r", "p/a b+c", "p/😀"]) store.put("destination", key, "x");
  }
  east.put("source", "p/0", "x");
  for (const [name, store] of [
    ["west", west],
    ["old", old],
  ] as const) {
    const status = await mesh.sync(request({ destination: `${name}:destination/p/`, maxDeletes: 5 }));
    expect(status, JSON.stringify(status)).toMatchObject({ phase: "completed", deletes: { deleted: 5 } });
    expect(keysOf(store)).toEqual(["p/0"]);
  }
});

test("what the filter leaves out at the destination is neither extra nor deleted", async () => {
  fill({ common: 20, extra: 0 });
  west.put("destination", "p/keep.tmp", "x");
  west.put("destination", "p/gone", "x");
  const status = await mesh.sync(request({ exclude: "*.tmp" }));
  expect(status).toMatchObject({ phase: "completed", deletes: { extra: 1, deleted: 1 } });
  expect(keysOf()).toContain("p/keep.tmp");
});

test("a dry run deletes and copies nothing, and reports what it would do", async () => {
  fill({ common: 20, extra: 1 });
  east.put("source", "p/new", "N");
  const status = await mesh.sync(request({ dryRun: true }));
  expect(status).toMatchObject({
    phase: "completed",
    objects: { listed: 21, copied: 0, skipped: 20, wouldCopy: 1, underWay: 0 },
    deletes: { extra: 1, deleted: 0, wouldDelete: 1 },
  });
  const lines = await mesh.report(status.id);
  const told = lines.filter(({ action }) => action !== "skipped").map(({ key, action }) => [key, action]);
  expect(told).toEqual([
    ["p/new", "would_copy"],
    ["p/extra-0", "would_delete"],
  ]);
  expect(keysOf()).toHaveLength(21);
  expect(deletions()).toEqual([]);
  expect(east.count("GetObject")).toBe(0);
});

test("a dry run of a sync that would refuse to delete says so, and has not failed itself", async () => {
  fill({ common: 20, extra: 5 });
  const dry = await mesh.sync(request({ dryRun: true, maxDeletes: 4 }));
  const why = '5 of the destination\'s 25 keys are not at the source, and "maxDeletes" (4) allows 4';
  expect(dry).toMatchObject({
    phase: "completed",
    deletes: { extra: 5, deleted: 0, wouldDelete: 0, refused: true },
    warnings: [`Nothing would be deleted: ${why}`],
  });
  // The run itself was to delete, and has not.
  const real = await mesh.sync(request({ maxDeletes: 4 }));
  expect(real).toMatchObject({
    phase: "finished_with_errors",
    deletes: { extra: 5, deleted: 0, refused: true },
    warnings: [`Nothing was deleted: ${why}`],
  });
  expect(await mesh.sync(request({ dryRun: true, maxDeletes: 5 }))).toMatchObject({
    phase: "completed",
    deletes: { wouldDelete: 5, refused: false },
    warnings: [],
  });
});

test("reports of syncs are neither copied nor deleted, wherever a run meets them", async () => {
  east.put("source", "0", "x");
  const report = "west:destination";
  const all = {
    source: "east:source",
    destination: "west:destination",
    delete: true,
    maxDeletes: "100%",
    report,
  };
  const first = await mesh.sync(all);
  const second = await mesh.sync(all);
  expect(second).toMatchObject({ phase: "completed", deletes: { extra: 0, deleted: 0 } });
  const reports = west.objects("destination").filter(({ key }) => key.startsWith(".bucket-brigade/"));
  expect(reports).toHaveLength(2);
  expect(await mesh.report(first.id)).toHaveLength(1);
  // A bucket that was a destination becomes a source.
  const back = await mesh.sync({ source: "west:destination", destination: "east:source/back/" });
  expect(back).toMatchObject({ phase: "completed", skippedBy: { sync_report: 2 }, objects: { copied: 1 } });
});
