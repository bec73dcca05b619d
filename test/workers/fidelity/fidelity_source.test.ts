// A source is distrusted: what it sends is counted, measured against what was asked for, and pinned to one
// version.

import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { Effect, RequestRecord, TestStore } from "../../store/store.ts";
import { generatedBytes } from "../../store/store.ts";
import { events, expectSameBytes, memoryDirectory, partsTaken } from "./fidelity.ts";
import { PART, openWorld } from "../world.ts";

const directory = memoryDirectory();
const {
  mesh,
  stores: { east, careless, west, lossless, headless },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    careless: { buckets: ["source"], conditionalReads: "ignored" },
    headless: { buckets: ["source"] },
    west: { buckets: ["destination"], equalParts: true },
    lossless: {
      buckets: ["destination"],
      etags: "opaque",
      forgets: ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"],
    },
  },
  () => ({ directory, storeFields: { lossless: { profile: { md5Etag: false, md5MultipartEtag: false } } } }),
);

const request = (key: string, from = "east", to = "west") => ({
  source: `${from}:source/${key}`,
  destination: `${to}:destination/${key}`,
  partSize: PART,
});

/** Picks the GET of the part that begins at `offset`. */
function startsAt(offset: number) {
  return {
    operation: "GetObject",
    where: ({ headers }: RequestRecord) => headers["range"]?.startsWith(`bytes=${offset}-`) ?? false,
  } as const;
}

/** Without digests the runtime alone moves the bytes; with them, our own code does. */
const WAYS = [
  ["streamed as they are", "off"],
  ["digested on the way", "auto"],
] as const;

const once: readonly (readonly [string, Effect])[] = [
  ["ends one byte early, cleanly", { kind: "truncate", missingBytes: 1, how: "clean" }],
  ["ends before its first byte, cleanly", { kind: "truncate", missingBytes: PART, how: "clean" }],
  ["breaks off one byte early", { kind: "truncate", missingBytes: 1, how: "cut" }],
  ["has a Content-Range that starts elsewhere", { kind: "content-range", start: -PART }],
  ["has a Content-Range one byte off", { kind: "content-range", start: 1 }],
  ["has a Content-Range of a larger total", { kind: "content-range", total: 1 }],
  ["has no Content-Range", { kind: "header", name: "Content-Range", value: undefined }],
  [
    "has a Content-Range without a total",
    { kind: "header", name: "Content-Range", value: `bytes ${PART}-${2 * PART - 1}/*` },
  ],
];

for (const [way, verify] of WAYS) {
  // What the headers say is judged before a byte has passed, the same in both ways.
  test.for(verify === "off" ? once : once.slice(0, 3))(
    `a range that %s is asked for again (${way})`,
    async ([name, effect]) => {
      east.putGenerated("source", name, { size: 2 * PART + 1, seed: name });
      const rule = east.fault(startsAt(PART), effect, { times: 1 });
      const status = await mesh.copy({ ...request(name), verify });
      expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 1 } });
      expect(rule.hits).toBe(1);
      expect(partsTaken(west)).toEqual([1, 2, 3]);
      expectSameBytes(east, west, name);
    },
  );

  test(`a whole object that ends early is asked for again (${way})`, async () => {
    const bytes = generatedBytes("short", 0, 300_000);
    east.put("source", "short", bytes);
    // Without a length the answer is asked for once more in the same attempt, with another encoding.
    east.fault({ operation: "GetObject" }, { kind: "truncate", missingBytes: 1, how: "clean" }, { times: 2 });
    const status = await mesh.copy({ ...request("short"), verify });
    expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 1 } });
    expectSameBytes(east, west, "short");
  });

  test(`a range that is longer than asked for never makes the object longer (${way})`, async () => {
    east.putGenerated("source", "long", { size: 2 * PART + 1 });
    east.fault(startsAt(PART), { kind: "oversize", extraBytes: 1 }, { times: 1 });
    expect(await mesh.copy({ ...request("long"), verify })).toMatchObject({ phase: "completed" });
    expectSameBytes(east, west, "long");
  });

  test(`gzip is copied as the bytes that are stored (${way})`, async () => {
    const small = Buffer.from(gzipSync(Buffer.from("<a/>".repeat(1000))));
    const sizes: [string, Buffer][] = [
      ["small.xml", Buffer.concat([small, Buffer.alloc(357 - small.length)])],
      ["large.xml", gzipSync(generatedBytes("gzip", 0, 2 * PART + 4321), { level: 0 })],
    ];
    for (const [key, bytes] of sizes) {
      const headers = { "content-encoding": "gzip" };
      east.put("source", key, bytes, { contentType: "text/xml", headers });
      const status = await mesh.copy({ ...request(key), verify });
      expect(status).toMatchObject({ phase: "completed", size: bytes.length, parts: { failedAttempts: 0 } });
      expect(west.bytes("destination", key).equals(bytes)).toBe(true);
      expect(west.get("destination", key)?.attributes).toMatchObject({ contentType: "text/xml", headers });
    }
    const encoded = mesh.edge.records.filter(({ method, url }) => method === "GET" && url.endsWith(".xml"));
    expect(new Set(encoded.map(({ acceptEncoding }) => acceptEncoding))).toEqual(new Set(["gzip, br"]));
  });
}

test.for([
  ["part 2", PART, "a length"],
  ["part 3", 2 * PART, "a length"],
  ["part 2", PART, "no length"],
] as const)(
  "a store that answers %s (at %i) with the whole object and %s is not fit for ranges",
  async ([, offset, how]) => {
    east.putGenerated("source", "ignored", { size: 2 * PART + 1 });
    west.delete("destination", "ignored");
    east.fault(startsAt(offset), { kind: "ignore-range" });
    if (how === "no length")
      east.fault(startsAt(offset), { kind: "truncate", missingBytes: 0, how: "clean" });
    const status = await mesh.copy(request("ignored"));
    expect(status).toMatchObject({
      phase: "failed",
      failure: { code: "source_error", storeCode: "range_ignored" },
    });
    expect(west.count("CompleteMultipartUpload")).toBe(0);
    expect(west.count("AbortMultipartUpload")).toBe(1);
  },
);

/** Before the third GET something happens to the source. */
function beforeThirdGet(store: TestStore, action: () => void): void {
  store.fault(
    { operation: "GetObject" },
    { kind: "run", stage: "before-body", action },
    { after: 2, times: 1 },
  );
}

test.for([
  ["refuses the condition", "east"],
  ["ignores the condition", "careless"],
] as const)("an object replaced after part 2 of 5 fails the copy where the source %s", async ([, from]) => {
  const store = from === "east" ? east : careless;
  store.putGenerated("source", "replaced", { size: 5 * PART, seed: "old" });
  west.delete("destination", "replaced");
  beforeThirdGet(store, () => store.putGenerated("source", "replaced", { size: 5 * PART, seed: "new" }));
  const status = await mesh.copy({ ...request("replaced", from), concurrency: 1 });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "source_changed" }, parts: { done: 2 } });
  expect(west.get("destination", "replaced")).toBeUndefined();
  expect(west.count("CompleteMultipartUpload")).toBe(0);
});

test("an object replaced mid-copy is copied anew if the request says so, and nothing is mixed", async () => {
  east.putGenerated("source", "anew", { size: 5 * PART, seed: "old" });
  beforeThirdGet(east, () => east.putGenerated("source", "anew", { size: 4 * PART + 1, seed: "new" }));
  const status = await mesh.copy({ ...request("anew"), concurrency: 1, ifSourceChanges: "restart" });
  expect(status).toMatchObject({ phase: "completed", size: 4 * PART + 1, parts: { total: 5, done: 5 } });
  expectSameBytes(east, west, "anew");
  expect(west.count("AbortMultipartUpload")).toBe(1);
});

test("a small object replaced between HEAD and GET fails the copy", async () => {
  for (const store of [east, careless]) {
    store.put("source", "small", "old bytes");
    const action = () => void store.put("source", "small", "new bytes");
    store.fault({ operation: "GetObject" }, { kind: "run", stage: "before-body", action }, { times: 1 });
    const status = await mesh.copy(request("small", store === east ? "east" : "careless"));
    expect(status).toMatchObject({ phase: "failed", failure: { code: "source_changed" } });
  }
  expect(west.get("destination", "small")).toBeUndefined();
});

test("an object deleted mid-copy fails the copy", async () => {
  east.putGenerated("source", "deleted", { size: 5 * PART });
  beforeThirdGet(east, () => east.delete("source", "deleted"));
  const status = await mesh.copy({ ...request("deleted"), concurrency: 1 });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "source_not_found" } });
  expect(west.get("destination", "deleted")).toBeUndefined();
});

test("a version that was asked for stays the one that is copied", async () => {
  east.createBucket("versions", { versioning: true });
  const { versionId } = east.putGenerated("versions", "v", {
    size: 3 * PART,
    seed: "first",
    tags: [{ key: "version", value: "first" }],
  });
  east.putGenerated("versions", "v", { size: 7, seed: "second" });
  beforeThirdGet(east, () => east.putGenerated("versions", "v", { size: 3 * PART, seed: "third" }));
  const source = { store: "east", bucket: "versions", key: "v", versionId };
  const status = await mesh.copy({ ...request("v"), source, concurrency: 1 });
  expect(status).toMatchObject({ phase: "completed", size: 3 * PART });
  expect(west.bytes("destination", "v").equals(generatedBytes("first", 0, 3 * PART))).toBe(true);
  expect(west.get("destination", "v")?.attributes.tags).toEqual([{ key: "version", value: "first" }]);
  expect(new Set(east.requests().map(({ query }) => query.get("versionId")))).toEqual(new Set([versionId]));
});

test("a version that is deleted or never was fails the copy", async () => {
  const source = { store: "east", bucket: "versions", key: "v", versionId: "v0000" };
  const status = await mesh.copy({ ...request("v"), source });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "source_not_found" } });
});

test.for(["GLACIER", "DEEP_ARCHIVE"])(
  "an object in %s waits until it is restored, and is copied then",
  async (storageClass) => {
    const key = `frozen ${storageClass}`;
    east.putGenerated("source", key, { size: PART + 1, storageClass });
    const id = await mesh.startCopy({ ...request(key), storageClass: "STANDARD" });
    const blocked = await mesh.until(id, ({ phase }) => phase === "blocked");
    expect(blocked.failure).toMatchObject({
      code: "source_archived",
      message: `The source is archived (${storageClass}): restore it, then resume this copy`,
    });
    expect(west.count()).toBe(0);
    east.finishRestore("source", key);
    await mesh.call("POST", `/copies/${id}/resume`);
    expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
    expectSameBytes(east, west, key);
  },
);

test("an object that says only at GET that it is archived keeps its copy waiting, not failing", async () => {
  east.putGenerated("source", "late frozen", { size: 2 * PART });
  const rule = east.fault({ operation: "GetObject" }, { kind: "answer", code: "InvalidObjectState" });
  const id = await mesh.startCopy(request("late frozen"));
  const blocked = await mesh.until(id, ({ phase }) => phase === "blocked");
  expect(blocked.failure).toMatchObject({ code: "source_archived" });
  rule.remove();
  await mesh.call("POST", `/copies/${id}/resume`);
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
});

test("an object of which every byte passes through at a store of opaque ETags is still counted", async () => {
  east.putGenerated("source", "counted", { size: 2 * PART });
  east.fault(startsAt(PART), { kind: "truncate", missingBytes: 1, how: "clean" }, { times: 1 });
  const status = await mesh.copy(request("counted", "east", "lossless"));
  expect(status).toMatchObject({ phase: "completed", proof: "length", parts: { failedAttempts: 1 } });
  expect(events(status)).toContain("part_failed");
  expectSameBytes(east, lossless, "counted");
});

/** Refuses the condition on an object's own ETag, as SeaweedFS did. */
const REFUSES_ITS_ETAG = {
  operation: "GetObject",
  where: ({ headers }: RequestRecord) => headers["if-match"] !== undefined,
} as const;

test.for([
  ["one PUT", 5],
  ["parts", 2 * PART + 1],
] as const)(
  "case 115: a 412 to the object's own ETag does not say that it has changed (%s)",
  async ([key, size]) => {
    careless.putGenerated("source", key, { size });
    careless.fault(REFUSES_ITS_ETAG, { kind: "answer", code: "PreconditionFailed" });
    const status = await mesh.copy(request(key, "careless"));
    expect(status).toMatchObject({ phase: "completed" });
    expectSameBytes(careless, west, key);
  },
);

test("case 115: an object that does change while conditions are refused fails the copy, part by part", async () => {
  careless.putGenerated("source", "changes", { size: 3 * PART, seed: "old" });
  careless.fault(REFUSES_ITS_ETAG, { kind: "answer", code: "PreconditionFailed" });
  careless.fault(
    startsAt(PART),
    {
      kind: "run",
      stage: "before-body",
      action: () => careless.putGenerated("source", "changes", { size: 3 * PART, seed: "new" }),
    },
    { times: 1 },
  );
  const status = await mesh.copy({ ...request("changes", "careless"), concurrency: 1 });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "source_changed" } });
  expect(west.get("destination", "changes")).toBeUndefined();
});

const HEAD_SIZES = [
  ["nothing", 0],
  ["one byte", 1],
  ["parts", 2 * PART + 1],
] as const;

test.for(["MethodNotAllowed", "NotImplemented", "AccessDenied"])(
  "a HEAD that is refused with %s where GET works costs a GET of one byte, on both sides",
  async (code) => {
    for (const store of [headless, west]) store.fault({ operation: "HeadObject" }, { kind: "answer", code });
    for (const [name, size] of HEAD_SIZES) {
      const key = `${code} ${name}`;
      const attributes = { contentType: "text/csv", metadata: { own: "1" } };
      headless.putGenerated("source", key, { size, computeEtag: true, ...attributes });
      const status = await mesh.copy(request(key, "headless"));
      expect(status).toMatchObject({ phase: "completed", size, parts: { failedAttempts: 0 } });
      expectSameBytes(headless, west, key);
      const kept = west.get("destination", key)?.attributes;
      expect(kept).toMatchObject({ contentType: "text/csv", metadata: { own: "1" } });
    }
  },
);

const LOCK = {
  "x-amz-object-lock-mode": "COMPLIANCE",
  "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z",
  "x-amz-object-lock-legal-hold": "ON",
};

const isLocked = ({ headers }: RequestRecord) => headers["x-amz-object-lock-mode"] !== undefined;

test("a lock is kept where both sides have locks, by a copy of any size and by a sync; one that is over is none", async () => {
  east.createBucket("locked", { objectLock: true });
  west.createBucket("locked", { objectLock: true });
  const over = { ...LOCK, "x-amz-object-lock-retain-until-date": "2020-01-01T00:00:00Z" };
  east.put("locked", "p/small", "small", { headers: LOCK });
  // Its ETag is no MD5: the digest that a lock demands is found out by a first reading.
  east.put("locked", "p/parts", "in parts", { headers: LOCK, parts: [8] });
  east.put("locked", "p/over", "over", { headers: { ...over, "x-amz-object-lock-legal-hold": "OFF" } });
  east.put("locked", "p/plain", "plain");
  east.putGenerated("locked", "large", { size: 2 * PART + 1, headers: LOCK });
  for (const key of ["p/small", "p/parts", "large"]) {
    const copy = { source: `east:locked/${key}`, destination: `west:locked/copy/${key}`, partSize: PART };
    const status = await mesh.copy(copy);
    expect([key, status.phase, status.failure]).toEqual([key, "completed", undefined]);
    expect(west.get("locked", `copy/${key}`)?.attributes.headers).toEqual(LOCK);
  }
  const sync = await mesh.sync({ source: "east:locked/p/", destination: "west:locked/sync/" });
  expect(sync, JSON.stringify(sync)).toMatchObject({ phase: "completed", objects: { copied: 4 } });
  const held = ["small", "parts", "over", "plain"].map((key) => west.get("locked", `sync/${key}`));
  expect(held.map((object) => object?.attributes.headers)).toEqual([LOCK, LOCK, {}, {}]);
  const lines = await mesh.report(sync.id);
  expect(lines.flatMap(({ warnings = [] }) => warnings).filter((text) => text.includes("lock"))).toEqual([]);
  expect(west.requests({ operation: "GetObjectLockConfiguration" }).length).toBeLessThanOrEqual(2);
});

test("a lock that the destination refuses is a loss: a warning, or the end", async () => {
  east.put("source", "held", "held", { headers: LOCK });
  west.createBucket("refusing", { objectLock: true });
  west.fault({ operation: "PutObject", where: isLocked }, { kind: "answer", code: "AccessDenied" });
  const copy = { source: "east:source/held", destination: "west:refusing/held" };
  const failed = await mesh.copy({ ...copy, ifLossy: "fail" });
  expect(failed.phase).not.toBe("completed");
  await mesh.cancel(failed.id);
  const warned = await mesh.copy(copy);
  expect(warned).toMatchObject({ phase: "completed", warnings: [expect.stringContaining("object lock")] });
  expect(west.get("refusing", "held")?.attributes.headers).toEqual({});
});

test("a store that takes a lock and sets none is told, by a copy and by a sync, or fails them", async () => {
  east.put("source", "forgotten/held", "held", { headers: LOCK });
  lossless.createBucket("forgetting", { objectLock: true });
  const loss = expect.stringContaining(
    "accepted the object lock but does not show its x-amz-object-lock-mode",
  );
  const copy = { source: "east:source/forgotten/held", destination: "lossless:forgetting/copy" };
  expect(await mesh.copy(copy)).toMatchObject({ phase: "completed", warnings: [loss] });
  expect((await mesh.copy({ ...copy, ifLossy: "fail" })).failure?.code).toBe("attribute_lost");
  const sync = { source: "east:source/forgotten/", destination: "lossless:forgetting/sync/" };
  const { id } = await mesh.sync(sync);
  expect(await mesh.report(id)).toMatchObject([{ action: "copied", warnings: [loss] }]);
});
