// Keys that fail, stores that fail, and what is tried again.

import { beforeEach, expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import { openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west, opaque, tagless },
} = await openWorld(
  {
    east: { buckets: ["source", "unasked"] },
    west: { buckets: ["destination"] },
    opaque: { buckets: ["destination"], etags: "opaque" },
    tagless: { buckets: ["source"], without: ["tagging"] },
  },
  (stores) => ({
    bindings: {
      STORE_UNKNOWN: storeSecret(stores.opaque, { profile: { md5Etag: false } }),
      STORE_TACIT: storeSecret(stores.east, { profile: { tagCount: false } }),
      STORE_COUNTING: storeSecret(stores.east, { provider: "aws" }),
      STORE_TAGLESS: storeSecret(stores.tagless, { profile: { tagCount: false } }),
    },
  }),
);

beforeEach(() => {
  for (const [store, bucket] of [
    [east, "source"],
    [west, "destination"],
    [opaque, "destination"],
    [tagless, "source"],
  ] as const)
    for (const { key } of store.objects(bucket)) store.delete(bucket, key);
});

const request = (more: Record<string, unknown> = {}) => ({
  source: "east:source/p/",
  destination: "west:destination/p/",
  ...more,
});

function fill(count: number): void {
  for (let n = 0; n < count; n++) east.put("source", `p/${n}`, `object ${n}`);
}

const putsOf = (key: string) => west.requests({ operation: "PutObject", key }).length;

test("a key that fails does not stop the run, and retry copies only what has failed", async () => {
  fill(50);
  west.fault({ operation: "PutObject", key: "p/7" }, { kind: "answer", code: "AccessDenied" });
  east.fault({ operation: "GetObject", key: "p/8" }, { kind: "answer", code: "AccessDenied" });
  const status = await mesh.sync(request());
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    objects: { listed: 50, copied: 48, failed: 2, underWay: 0 },
  });
  expect(status.failures.map(({ key, code }) => [key, code]).toSorted()).toEqual([
    ["p/7", "destination_access_denied"],
    ["p/8", "source_access_denied"],
  ]);
  west.clearFaults();
  east.clearFaults();
  west.journal.clear();
  await mesh.call("POST", `/syncs/${status.id}/retry`);
  const retried = await mesh.syncEnded(status.id);
  expect(retried).toMatchObject({
    phase: "completed",
    objects: { listed: 50, copied: 50, failed: 0 },
    failures: [],
  });
  const sent = west.requests({ operation: "PutObject" }).map(({ key }) => key);
  expect(sent.filter((key) => key?.startsWith("p/")).toSorted()).toEqual(["p/7", "p/8"]);
  // The last line of a key is the one that counts.
  const lines = await mesh.report(status.id);
  expect(lines.filter(({ key }) => key === "p/7").map(({ action }) => action)).toEqual(["failed", "copied"]);
  const again = await mesh.call<{ code: string }>("POST", `/syncs/${status.id}/retry`);
  expect([again.status, again.body.code]).toEqual([409, "nothing_to_retry"]);
});

test("case 109: a full destination stops the run at its first answers; with room it goes on", async () => {
  fill(200);
  west.fault(
    { operation: "PutObject", where: () => west.objects("destination").length >= 20 },
    { kind: "answer", code: "QuotaExceeded", status: 403, message: "no room" },
  );
  const id = await mesh.startSync(request());
  // What is under way still answers after the resume, and does not block it again.
  const blocked = await mesh.untilSync(id, ({ phase }) => phase === "blocked");
  expect(blocked).toMatchObject({
    phase: "blocked",
    failure: { code: "destination_full", storeCode: "QuotaExceeded" },
  });
  expect(east.count("GetObject")).toBeLessThan(100);
  west.clearFaults();
  await mesh.call("POST", `/syncs/${id}/resume`);
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 200, failed: 0 } });
});

test("a key that fails again in the retry is a failure again, once", async () => {
  fill(3);
  west.fault({ operation: "PutObject", key: "p/1" }, { kind: "answer", code: "AccessDenied" });
  const { id } = await mesh.sync(request());
  await mesh.call("POST", `/syncs/${id}/retry`);
  expect(await mesh.syncEnded(id)).toMatchObject({
    phase: "finished_with_errors",
    objects: { listed: 3, copied: 2, failed: 1 },
    failures: [{ key: "p/1" }],
  });
});

test("an object that goes between listing and copying is a failure of its key", async () => {
  fill(5);
  const action = () => east.delete("source", "p/3");
  east.fault({ operation: "GetObject", key: "p/3" }, { kind: "run", stage: "before-body", action });
  const status = await mesh.sync(request());
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    failures: [{ key: "p/3", code: "source_not_found" }],
  });
});

test("an object that changes between listing and copying is copied as it is now, and the next run finds it equal", async () => {
  fill(5);
  const action = () => east.put("source", "p/3", "another content, and longer");
  east.fault(
    { operation: "GetObject", key: "p/3" },
    { kind: "run", stage: "before-body", action },
    { times: 1 },
  );
  expect(await mesh.sync(request())).toMatchObject({ phase: "completed", objects: { copied: 5 } });
  expect(west.bytes("destination", "p/3").toString()).toBe("another content, and longer");
  expect(await mesh.sync(request())).toMatchObject({ objects: { copied: 0, skipped: 5 } });
});

test("a small object whose first PutObject is not answered is sent again soon, and both tries are counted; with a budget it is waited for", async () => {
  east.put("source", "paid/slow", "bytes");
  const paid = west.hold({ operation: "PutObject", key: "paid/slow" }, "before-work", { times: 1 });
  const limited = { source: "east:source/paid/", destination: "west:destination/paid/", maxRequests: 100 };
  const id = await mesh.startSync(limited);
  await west.waitFor(() => paid.waiting.length === 1);

  east.put("source", "p/slow", "bytes");
  const gate = west.hold({ operation: "PutObject", key: "p/slow" }, "before-work", { times: 1 });
  const status = await mesh.sync(request());
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(await mesh.report(status.id)).toMatchObject([{ action: "copied", attempts: 2, proof: "etag" }]);
  expect(putsOf("p/slow")).toBe(2);
  // The sync has not waited for the first one, which nobody answers.
  const answered = { operation: "PutObject", key: "p/slow", outcome: "answered" } as const;
  expect(west.requests(answered)).toHaveLength(1);
  gate.release();

  // The one with a budget has waited longer than the one that was sent again.
  expect(putsOf("paid/slow")).toBe(1);
  paid.release();
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(await mesh.report(id)).toMatchObject([{ action: "copied", attempts: 1, proof: "etag" }]);
});

test("a store that asks for fewer requests gets them, and every object in the end", async () => {
  fill(100);
  west.fault({ operation: "PutObject" }, { kind: "answer", code: "SlowDown" }, { times: 15 });
  const status = await mesh.sync(request());
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 100, failed: 0 } });
  const attempts = (await mesh.report(status.id)).map((line) => line.attempts ?? 0);
  expect(Math.max(...attempts)).toBeGreaterThan(1);
});

test("a byte that is flipped on the way in is refused by Content-MD5, and the object is sent again", async () => {
  fill(3);
  west.fault({ operation: "PutObject", key: "p/1" }, { kind: "flip", direction: "in", at: 3 }, { times: 1 });
  const status = await mesh.sync(request());
  expect(status).toMatchObject({ phase: "completed" });
  expect(west.bytes("destination", "p/1").toString()).toBe("object 1");
  expect(putsOf("p/1")).toBe(2);
});

test("a source whose ETag looks like an MD5 and is none is copied, and the proof is that of our own digest", async () => {
  east.put("source", "p/fake", "content", { etag: "0123456789abcdef0123456789abcdef" });
  const status = await mesh.sync(request());
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(await mesh.report(status.id)).toMatchObject([
    { key: "p/fake", action: "copied", proof: "part-md5" },
  ]);
});

test("a destination whose ETags turn out to be no MD5s is not called corrupt, and the second run copies nothing", async () => {
  east.put("source", "p/x", "content", { etag: "not-an-md5" });
  fill(3);
  const to = request({ destination: "opaque:destination/p/" });
  const status = await mesh.sync(to);
  expect(status, JSON.stringify(status)).toMatchObject({ phase: "completed", objects: { copied: 4 } });
  const proofs = (await mesh.report(status.id)).map(({ key, proof }) => [key, proof]).toSorted();
  expect(proofs).toEqual([
    ["p/0", "content-md5"],
    ["p/1", "content-md5"],
    ["p/2", "content-md5"],
    ["p/x", "part-md5"],
  ]);
  const again = await mesh.sync(to);
  expect(again).toMatchObject({ phase: "completed", objects: { copied: 0, skipped: 4 } });
  expect((await mesh.report(again.id)).map(({ proof }) => proof)).toEqual(Array(4).fill("record"));
  // And one that has changed is copied.
  east.put("source", "p/1", "object !");
  expect(await mesh.sync(to)).toMatchObject({ objects: { copied: 1, skipped: 3 } });
});

test("strict fails the keys that only their length proves", async () => {
  east.put("source", "p/x", "content", { etag: "not-an-md5" });
  fill(1);
  const status = await mesh.sync(request({ destination: "unknown:destination/p/", verify: "strict" }));
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    objects: { copied: 1 },
    failures: [{ key: "p/x", code: "proof_impossible" }],
  });
});

test("credentials that expire block the run, and resumed it goes on with what it has", async () => {
  fill(100);
  west.fault(
    { operation: "PutObject" },
    { kind: "answer", code: "ExpiredToken", status: 403 },
    { after: 40 },
  );
  const id = await mesh.startSync(request({ lanes: 1 }));
  // What was under way when it was blocked still answers, and would block it again.
  const blocked = await mesh.untilSync(
    id,
    ({ phase, inFlight }) => phase === "blocked" && inFlight.batches === 0,
  );
  expect(blocked.failure?.code).toBe("destination_credentials_refused");
  west.clearFaults();
  await mesh.call("POST", `/syncs/${id}/resume`);
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 100, failed: 0 } });
  const accepted = west
    .requests({ operation: "PutObject", status: 200 })
    .filter(({ key }) => key?.startsWith("p/"));
  expect(accepted).toHaveLength(100);
});

test.for([
  ["source", "east:nowhere/p/", "west:destination/p/"],
  ["destination", "east:source/p/", "west:nowhere/p/"],
])("a %s bucket that does not exist fails the run, with its name", async ([side, source, destination]) => {
  fill(2);
  const status = await mesh.sync(request({ source, destination, report: "west:destination/reports" }));
  expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "NoSuchBucket" } });
  expect(status.failure?.message).toContain("nowhere");
  expect(side).toBeTypeOf("string");
});

test("a destination key of more than 1,024 bytes fails that key while it is planned", async () => {
  east.put("source", `p/${"k".repeat(1000)}`, "long");
  fill(1);
  const status = await mesh.sync(request({ destination: `west:destination/${"d".repeat(25)}/` }));
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    objects: { listed: 2, copied: 1, failed: 1 },
    failures: [{ key: `p/${"k".repeat(1000)}`, code: "key_too_long" }],
  });
});

test("what the destination cannot hold is a warning in the object's line, or fails it if the request says so", async () => {
  east.put("source", "p/x", "content", { storageClass: "STANDARD_IA" });
  west.fault(
    { operation: "PutObject", key: "p/x" },
    { kind: "answer", code: "InvalidStorageClass" },
    { times: 2 },
  );
  const strict = await mesh.sync(request({ ifLossy: "fail" }));
  expect(strict).toMatchObject({ phase: "finished_with_errors", objects: { failed: 1 } });
  const status = await mesh.sync(request());
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  const [line] = await mesh.report(status.id);
  expect(line?.warnings?.join()).toContain("STANDARD_IA");
});

test("tags are copied, and cost a request only for the objects that have any", async () => {
  fill(10);
  east.put("source", "p/tagged", "T", { tags: [{ key: "team", value: "blue & green" }] });
  expect(await mesh.sync(request())).toMatchObject({ phase: "completed", objects: { copied: 11 } });
  expect(west.get("destination", "p/tagged")?.attributes.tags).toEqual([
    { key: "team", value: "blue & green" },
  ]);
  expect(east.count("GetObjectTagging")).toBe(1);
});

test("where a source does not tell how many tags an object has, each is asked, and no tag is lost", async () => {
  fill(3);
  east.put("source", "p/tagged", "T", { tags: [{ key: "team", value: "a" }] });
  const untold = { kind: "header", name: "x-amz-tagging-count", value: undefined } as const;
  east.fault({ operation: "GetObject" }, untold);
  const status = await mesh.sync(request({ source: "tacit:source/p/" }));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 4 }, warnings: [] });
  expect(west.get("destination", "p/tagged")?.attributes.tags).toEqual([{ key: "team", value: "a" }]);
  expect(east.count("GetObjectTagging")).toBe(4);
});

test("AWS counts tags for those who may read them: one object is asked, then a missing number is believed", async () => {
  for (let n = 0; n < 10; n++) east.put("unasked", `p/${n}`, `object ${n}`);
  expect(await mesh.sync(request({ source: "counting:unasked/p/", lanes: 1, concurrency: 1 }))).toMatchObject(
    {
      phase: "completed",
      objects: { copied: 10 },
    },
  );
  expect(east.count("GetObjectTagging")).toBe(1);
});

test("tags that may not be read are told of each object that may have some", async () => {
  fill(2);
  east.fault({ operation: "GetObjectTagging" }, { kind: "answer", code: "AccessDenied" });
  const status = await mesh.sync(request({ source: "tacit:source/p/" }));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 2 } });
  const lines = await mesh.report(status.id);
  for (const { warnings } of lines) expect(warnings?.join()).toMatch(/tags could not be read.*AccessDenied/);
  expect(lines).toHaveLength(2);
});

test("a store that has no tags is asked once, and nothing is said of it", async () => {
  for (const name of ["a", "b", "c"]) tagless.put("source", `p/${name}`, name);
  const status = await mesh.sync(request({ source: "tagless:source/p/", lanes: 1, concurrency: 1 }));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 3 }, warnings: [] });
  expect((await mesh.report(status.id)).flatMap(({ warnings = [] }) => warnings)).toEqual([]);
  expect(tagless.count("GetObjectTagging")).toBe(1);
});

test.for([
  ["refuses", "AccessDenied", 1],
  ["demands a digest for", "InvalidRequest", 1],
  ["has no room for", "QuotaExceeded", 1],
  ["fails to take", "InternalError", 3],
] as const)("a report that its place %s is kept with the run, which ends well", async ([, code, tries]) => {
  fill(3);
  west.fault({ operation: "PutObject", key: /ndjson$/ }, { kind: "answer", code });
  const status = await mesh.sync(request({ report: "west:destination/logs/" }));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 3 }, report: { parts: 1 } });
  expect(status.warnings.join()).toMatch(
    /^Parts of the report could not be written to west:destination\/logs\//,
  );
  const sent = west.requests({ operation: "PutObject" }).filter(({ key }) => key?.endsWith(".ndjson"));
  expect(sent).toHaveLength(tries);
  expect(await mesh.report(status.id)).toHaveLength(3);
});

test.for([{}, { dryRun: true }])("a sync writes nothing of its own at either store: %j", async (more) => {
  fill(3);
  const status = await mesh.sync(request(more));
  expect(status).toMatchObject({ phase: "completed", report: { storedAt: null, parts: 1 } });
  expect(status.report.keptBytes).toBeGreaterThan(0);
  expect(await mesh.report(status.id)).toHaveLength(3);
  expect(await mesh.report(status.id)).toHaveLength(3);
  const written = west.requests().filter(({ method, key }) => method !== "GET" && !/^p\/\d$/.test(key ?? ""));
  expect([written, east.requests().filter(({ method }) => method !== "GET" && method !== "HEAD")]).toEqual([
    [],
    [],
  ]);
  if (more.dryRun === true) expect(west.objects("destination")).toEqual([]);
});

test("a dry run with a place for its report is refused, because it writes nothing", async () => {
  const answer = await mesh.call<{ code: string; detail: string }>("POST", "/syncs", {
    body: request({ dryRun: true, report: "west:destination/logs/" }),
  });
  expect([answer.status, answer.body.code]).toEqual([400, "invalid_request"]);
  expect(answer.body.detail).toContain("writes nothing anywhere");
});
