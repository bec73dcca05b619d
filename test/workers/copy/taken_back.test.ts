// What a copy has made at the destination and must take back, or must know for its own, where the store makes
// it hard.

import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import type { RequestRecord } from "../../store/store.ts";
import { PART, openWorld } from "../world.ts";

const { mesh, stores } = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"] },
    opaque: { buckets: ["destination"], etags: "opaque" },
    silent: { buckets: ["destination"], etags: "opaque", completeEtag: "empty" },
    plain: { buckets: ["destination"], conditionalWrites: "501" },
    deaf: { buckets: ["destination"], conditionalWrites: "ignored" },
  },
  () => ({ storeFields: { opaque: { profile: { conditionalPut: true } } } }),
  Clock.fast(),
);
const { east, west, opaque, silent, plain, deaf } = stores;

const request = (key: string, store: string, more: Record<string, unknown> = {}) => ({
  source: `east:source/${key}`,
  destination: `${store}:destination/${key}`,
  partSize: PART,
  via: "stream",
  ...more,
});

test("an unmarked small object whose PutObject was answered into the void is known by the source's MD5", async () => {
  east.putGenerated("source", "unmarked", { size: 1000, computeEtag: true });
  west.fault({ operation: "PutObject" }, { kind: "drop", stage: "before-answer" }, { times: 1 });
  const status = await mesh.copy(request("unmarked", "west", { markCopy: false, ifExists: "fail" }));
  expect(status).toMatchObject({ phase: "completed", proof: "etag", parts: { done: 1 } });
  expect(west.bytes("destination", "unmarked").equals(east.bytes("source", "unmarked"))).toBe(true);
});

test("an unmarked object of which Complete told no ETag is known by Complete's own word", async () => {
  east.putGenerated("source", "unsaid", { size: 2 * PART + 1 });
  const status = await mesh.copy(request("unsaid", "silent", { markCopy: false }));
  expect(status).toMatchObject({ phase: "completed", proof: "length" });
  expect(silent.bytes("destination", "unsaid").equals(east.bytes("source", "unsaid"))).toBe(true);
});

test("a small object that is sent again is taken back first, where nothing may be overwritten", async () => {
  // Its ETag looks like an MD5 and is not the source's: nobody knows yet that this store's never are.
  east.putGenerated("source", "again", { size: 1000, computeEtag: true });
  const status = await mesh.copy(request("again", "opaque", { markCopy: false, ifExists: "fail" }));
  expect(status.phase, JSON.stringify(status.failure)).toBe("completed");
  const writes = opaque
    .requests({ key: "again" })
    .filter(({ method }) => method !== "HEAD" && method !== "GET");
  expect(writes.map(({ operation }) => operation)).toEqual([
    "PutObject",
    "DeleteObject",
    "PutObject",
    "DeleteObject",
    "PutObject",
  ]);
  expect(opaque.bytes("destination", "again").equals(east.bytes("source", "again"))).toBe(true);
});

test("strict, a copy that nothing will prove fails before its object appears", async () => {
  // Uploaded in parts of its own size: its ETag says nothing of ours, and opaque ETags say nothing of
  // anything.
  east.putGenerated("source", "unproved", { size: 2 * PART + 1 });
  opaque.put("destination", "unproved", "what was there before");
  const status = await mesh.copy(request("unproved", "opaque", { verify: "strict" }));
  expect(status).toMatchObject({ phase: "failed", failure: { code: "proof_impossible" } });
  expect(opaque.count("CompleteMultipartUpload")).toBe(0);
  expect(opaque.bytes("destination", "unproved").toString()).toBe("what was there before");
});

test("strict, a small object that nothing proves is deleted, also by a store that knows no condition", async () => {
  east.putGenerated("source", "small", { size: 1000 });
  plain.fault({ operation: "PutObject" }, { kind: "header", name: "ETag", value: '"0123-not-an-md5"' });
  const status = await mesh.copy(request("small", "plain", { verify: "strict" }));
  expect(status.phase).toBe("failed");
  expect(plain.get("destination", "small")).toBeUndefined();
});

test("a spoilt object that somebody has replaced is not deleted, also by a store that heeds no condition", async () => {
  east.putGenerated("source", "replaced", { size: 1000, parts: 500, computeEtag: true });
  const replace = () => void deaf.put("destination", "replaced", "another's");
  deaf.fault({ operation: "PutObject" }, { kind: "flip", direction: "in", at: 10 }, { times: 1 });
  const atOnce = { kind: "run", stage: "before-answer", action: replace } as const;
  deaf.fault({ operation: "PutObject" }, atOnce, { times: 1 });
  const status = await mesh.copy(request("replaced", "deaf"));
  expect(status).toMatchObject({ phase: "completed", proof: "part-md5" });
  expect(deaf.count("PutObject")).toBe(2);
  expect(deaf.count("DeleteObject")).toBe(0);
});

test("a stray upload that may not be aborted now is owed, and gone once it may be", async () => {
  east.putGenerated("source", "stray", { size: PART + 1 });
  west.fault({ operation: "CreateMultipartUpload" }, { kind: "drop", stage: "before-answer" }, { times: 1 });
  const denied = west.fault({ operation: "AbortMultipartUpload" }, { kind: "answer", code: "AccessDenied" });
  const status = await mesh.copy(request("stray", "west"));
  expect(status).toMatchObject({ phase: "completed", orphans: [{ kind: "upload" }] });
  const listed = await mesh.call<{ copies: { id: string }[] }>("GET", "/copies?orphans");
  expect(listed.body.copies.map(({ id }) => id)).toEqual([status.id]);
  denied.remove();
  await mesh.call("POST", `/copies/${status.id}/resume`);
  await mesh.until(status.id, (seen) => !Object.hasOwn(seen, "orphans"));
  expect(west.uploads()).toEqual([]);
});

test("bytes that a store calls spoilt once are sent again, whatever else has failed before", async () => {
  east.putGenerated("source", "digest", { size: 1000, computeEtag: true });
  west.fault({ operation: "PutObject" }, { kind: "answer", code: "InternalError" }, { times: 2 });
  west.fault({ operation: "PutObject" }, { kind: "answer", code: "BadDigest" }, { after: 2, times: 1 });
  expect(await mesh.copy(request("digest", "west"))).toMatchObject({ phase: "completed" });
});

test("a part that lands after the abort was confirmed is found, and its upload aborted once more", async () => {
  east.putGenerated("source", "late", { size: 3 * PART });
  west.fault({ operation: "UploadPart", partNumber: 2 }, { kind: "answer", code: "EntityTooLarge" });
  const status = await mesh.copy(request("late", "west"));
  expect(status.phase).toBe("failed");
  // Nothing is owed: it is only looked at once more.
  expect(status).not.toHaveProperty("orphans");
  expect(west.uploads()).toEqual([]);
  west.landLate("destination", "late");
  await mesh.call("POST", `/copies/${status.id}/resume`);
  await west.waitFor(() => west.count("AbortMultipartUpload") === 2 && west.openRequests().length === 0);
  await mesh.until(status.id, ({ timeline }) => timeline.some(({ event }) => event === "orphan_gone"));
  expect(west.uploads()).toEqual([]);
});

test("an upload that may have got a part after its abort is aborted once more where the store lists no parts", async () => {
  east.putGenerated("source", "late unseen", { size: 3 * PART });
  west.fault({ operation: "ListParts" }, { kind: "answer", code: "NotImplemented" });
  west.fault({ operation: "UploadPart", partNumber: 2 }, { kind: "answer", code: "EntityTooLarge" });
  const status = await mesh.copy(request("late unseen", "west"));
  expect(status.phase).toBe("failed");
  const aborts = west.count("AbortMultipartUpload");
  west.landLate("destination", "late unseen");
  await mesh.call("POST", `/copies/${status.id}/resume`);
  await west.waitFor(() => west.count("AbortMultipartUpload") > aborts && west.openRequests().length === 0);
  expect(west.uploads()).toEqual([]);
});

const where = ({ headers }: RequestRecord) => headers["if-match"] !== undefined;

test("an object that must go is deleted, also where the store answers 412 to its own ETag", async () => {
  east.putGenerated("source", "false 412", { size: 1000 });
  plain.fault({ operation: "PutObject" }, { kind: "header", name: "ETag", value: '"0123-not-an-md5"' });
  plain.fault({ operation: "HeadObject" }, { kind: "header", name: "ETag", value: '"0123-not-an-md5"' });
  const refusal = plain.fault(
    { operation: "DeleteObject", where },
    { kind: "answer", code: "PreconditionFailed" },
  );
  const status = await mesh.copy(request("false 412", "plain", { verify: "strict" }));
  expect(status.phase).toBe("failed");
  expect(refusal.hits).toBeGreaterThan(0);
  expect(status.timeline.map(({ event }) => event)).toContain("unproved_object_deleted");
  expect(plain.get("destination", "false 412")).toBeUndefined();
});
