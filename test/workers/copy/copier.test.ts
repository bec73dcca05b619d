import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import type { Effect } from "../../store/store.ts";
import { PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west, decoding, raw, locked },
} = await openWorld(
  {
    east: { buckets: ["source"], canonicalQuery: "raw" },
    west: { buckets: ["destination"], chunkedBodies: "501" },
    decoding: { buckets: ["source", "destination"], canonicalQuery: "raw" },
    locked: { buckets: ["destination", "reports"], digests: "every write" },
    raw: { buckets: ["source", "destination"], canonicalPath: "raw", canonicalQuery: "raw" },
  },
  () => ({ storeFields: { raw: { provider: "garage" } } }),
  Clock.fast(),
);

const SIZE = 2 * PART + 1;

function copyOf(key: string, more: Record<string, unknown> = {}) {
  return { source: `east:source/${key}`, destination: `west:destination/${key}`, partSize: PART, ...more };
}

function expectEqualBytes(key: string): void {
  expect(west.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
}

const partTwo = {
  operation: "GetObject",
  where: ({ headers }: { headers: Readonly<Record<string, string>> }) =>
    headers["range"]?.startsWith(`bytes=${PART}-`) ?? false,
} as const;

// What a source may send instead of the bytes asked for. Each is noticed before or while the bytes pass, and
// the part is asked for again; what the store acknowledged of it never becomes part of the object.
const wrongOnce: readonly (readonly [string, Effect])[] = [
  ["a range that starts elsewhere", { kind: "content-range", start: -1 }],
  ["a range of an object of another size", { kind: "content-range", total: 1 }],
  ["no Content-Range", { kind: "header", name: "Content-Range", value: undefined }],
  ["one byte too few, with a clean end", { kind: "truncate", missingBytes: 1, how: "clean" }],
  ["one byte too few, broken off", { kind: "truncate", missingBytes: 1, how: "cut" }],
  ["half of it, with a clean end", { kind: "truncate", missingBytes: PART / 2, how: "clean" }],
  ["nothing, with a clean end", { kind: "truncate", missingBytes: PART, how: "clean" }],
  ["one byte too many", { kind: "oversize", extraBytes: 1 }],
  ["a megabyte too many", { kind: "oversize", extraBytes: 1_000_000 }],
];

test.for(wrongOnce)("a source that sends %s for a part is asked again", async ([name, effect]) => {
  east.putGenerated("source", name, { size: SIZE, seed: name });
  const rule = east.fault(partTwo, effect, { times: 1 });
  const status = await mesh.copy(copyOf(name));
  expect(rule.hits).toBe(1);
  expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 1 } });
  expectEqualBytes(name);
});

test.for(wrongOnce.slice(3))(
  "a source that sends %s for a small object does not spoil it",
  async ([name, effect]) => {
    const key = `small, ${name}`;
    east.putGenerated("source", key, { size: PART, seed: name, computeEtag: true });
    // An answer without a length is asked for once more, with another Accept-Encoding.
    const times = effect.kind === "truncate" && effect.how === "cut" ? 1 : 2;
    const rule = east.fault({ operation: "GetObject" }, effect, { times });
    const status = await mesh.copy(copyOf(key));
    expect(rule.hits).toBe(times);
    expect(status.phase).toBe("completed");
    if (effect.kind !== "oversize") expect(status.parts.failedAttempts).toBe(1);
    expectEqualBytes(key);
  },
);

test("a source that answers a range with the whole object fails the copy", async () => {
  east.putGenerated("source", "whole", { size: SIZE });
  east.fault(partTwo, { kind: "ignore-range" });
  const status = await mesh.copy(copyOf("whole"));
  expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "range_ignored", status: 200 } });
  expect(west.get("destination", "whole")).toBeUndefined();
});

test("a byte that changes on the way to the destination is noticed and the part sent again", async () => {
  east.putGenerated("source", "flipped", { size: SIZE });
  west.fault(
    { operation: "UploadPart", partNumber: 2 },
    { kind: "flip", direction: "in", at: 12_345 },
    { times: 1 },
  );
  const status = await mesh.copy(copyOf("flipped"));
  expect(status.phase).toBe("completed");
  expectEqualBytes("flipped");
});

test("a byte that changes on the way from the source is noticed where the source's ETag is an MD5", async () => {
  east.put("source", "flipped early", Buffer.alloc(100_000, "x"));
  east.fault({ operation: "GetObject" }, { kind: "flip", direction: "out", at: 12_345 }, { times: 1 });
  const status = await mesh.copy(copyOf("flipped early"));
  expect(status).toMatchObject({ phase: "completed", proof: "etag" });
  expectEqualBytes("flipped early");
});

test("a source that sends no Content-Length is sent on with one", async () => {
  east.putGenerated("source", "chunked", { size: SIZE });
  // A truncation of nothing: the store sends every byte, chunked.
  east.fault({ operation: "GetObject" }, { kind: "truncate", missingBytes: 0, how: "clean" });
  const status = await mesh.copy(copyOf("chunked"));
  expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 0 } });
  const lengths = west.requests({ operation: "UploadPart" }).map(({ headers }) => headers["content-length"]);
  expect(lengths.toSorted()).toEqual(["1", String(PART), String(PART)]);
  expectEqualBytes("chunked");
});

test("a source that ends a body of no declared length too early is named for it, not the destination", async () => {
  east.put("source", "ends early", Buffer.alloc(100_000, "x"));
  const effect = { kind: "truncate", missingBytes: 100, how: "clean" } as const;
  east.fault({ operation: "GetObject" }, effect, { times: 2 });
  const status = await mesh.copy(copyOf("ends early"));
  expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 1 } });
  const failed = status.timeline.find(({ event }) => event === "part_failed");
  expect(failed?.detail).toContain("GetObject of part 1: 99900 of 100000 bytes arrived");
  expectEqualBytes("ends early");
});

test("a HEAD that says 0 bytes of an object that has some empties no object of the destination", async () => {
  east.put("source", "not empty", "some bytes");
  east.put("source", "empty", "", { etag: "5f1d7a84db00d2fce00b31a7fc73224f-1" });
  west.put("destination", "not empty", "precious");
  east.fault(
    { operation: "HeadObject", key: "not empty" },
    { kind: "header", name: "Content-Length", value: "0" },
  );
  const status = await mesh.copy(copyOf("not empty"));
  expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "wrong_length" } });
  expect(west.bytes("destination", "not empty").toString()).toBe("precious");
  // One whose ETag does not tell is read, and is empty.
  expect(await mesh.copy(copyOf("empty"))).toMatchObject({ phase: "completed", size: 0 });
  expect(east.requests({ operation: "GetObject", key: "empty" })).toHaveLength(1);
});

test.for([
  ["small", gzipSync(Buffer.from("<a>x</a>".repeat(500)))],
  ["larger than two parts", gzipSync(Buffer.alloc(12_000_000, "x"), { level: 0 })],
] as const)("an object stored as gzip stays gzip byte for byte (%s)", async ([name, bytes]) => {
  const key = `${name}.xml.gz`;
  east.put("source", key, bytes, { contentType: "text/xml", headers: { "content-encoding": "gzip" } });
  const status = await mesh.copy(copyOf(key));
  expect(status).toMatchObject({ phase: "completed", size: bytes.length });
  expect(west.bytes("destination", key).equals(bytes)).toBe(true);
  expect(west.get("destination", key)?.attributes).toMatchObject({
    contentType: "text/xml",
    headers: { "content-encoding": "gzip" },
  });
});

test("each range is pinned to the source's ETag, each request is signed over its body and names copy and lane", async () => {
  const { etag } = east.putGenerated("source", "headers", { size: SIZE });
  const { id } = await mesh.copy(copyOf("headers"));
  const gets = east.requests({ operation: "GetObject" });
  expect(new Set(gets.map(({ headers }) => headers["range"]))).toEqual(
    new Set([`bytes=0-${PART - 1}`, `bytes=${PART}-${2 * PART - 1}`, `bytes=${2 * PART}-${SIZE - 1}`]),
  );
  expect(gets).toHaveLength(3);
  expect(gets.map(({ headers }) => headers["if-match"])).toEqual(gets.map(() => `"${etag}"`));
  for (const request of [...east.requests(), ...west.requests()]) {
    const { operation, headers, userAgent } = request;
    const moves = operation === "GetObject" || operation === "UploadPart";
    expect(userAgent).toMatch(
      moves ? /^bucket-brigade copy\/\S+ lane\/1$/ : /^bucket-brigade copy\/\S+ coordinator$/,
    );
    expect(request.copy).toBe(id);
    expect(headers["x-amz-content-sha256"]).toMatch(
      operation === "UploadPart" ? /^UNSIGNED-PAYLOAD$/ : /^[0-9a-f]{64}$/,
    );
    expect(headers["authorization"]).not.toMatch(/accept-encoding/);
    expect(headers["transfer-encoding"]).toBeUndefined();
  }
  // The store gets the network's own value, whatever the Worker accepts.
  const ours = mesh.edge.records.filter(({ userAgent }) => userAgent?.includes(id));
  expect(new Set(ours.map(({ acceptEncoding }) => acceptEncoding))).toEqual(new Set(["identity"]));
});

test("a source whose front end rewrites Accept-Encoding is read all the same", async () => {
  east.putGenerated("source", "rewritten", { size: SIZE });
  east.fault({}, { kind: "rewrite-accept-encoding" });
  expect((await mesh.copy(copyOf("rewritten"))).phase).toBe("completed");
});

test("an UploadPart that is refused before its body is read is sent again with new bytes", async () => {
  east.putGenerated("source", "early", { size: SIZE });
  west.fault(
    { operation: "UploadPart", partNumber: 1 },
    { kind: "answer", code: "SlowDown", close: true },
    { times: 2 },
  );
  west.fault(
    { operation: "UploadPart", partNumber: 2 },
    { kind: "answer", code: "InternalError" },
    { times: 1 },
  );
  expect((await mesh.copy(copyOf("early"))).phase).toBe("completed");
  expectEqualBytes("early");
});

test("an UploadPart without an ETag is sent again", async () => {
  east.putGenerated("source", "no etag", { size: SIZE });
  west.fault(
    { operation: "UploadPart", partNumber: 2 },
    { kind: "header", name: "ETag", value: undefined },
    { times: 1 },
  );
  expect(await mesh.copy(copyOf("no etag"))).toMatchObject({
    phase: "completed",
    parts: { failedAttempts: 1 },
  });
  expectEqualBytes("no etag");
});

// Keys that a careless client encodes twice, not at all, or normalises.
const AWKWARD = [
  "a+b",
  "a b",
  "é//10+2.jpg",
  "/x",
  "//x",
  "a//b",
  "a/b",
  "über/日本/😀.bin",
  "e\u0301",
  "\u00e9",
  "country_iso=ETH/a@b!'(c)*.pmtiles",
  "100%/%2F/%25",
  "?query#fragment&a=b;c",
  "..",
  ".",
  "../up",
  "a/../b",
  "a/./b",
  "a/..",
  "ends/",
  "back\\slash",
  "~tilde_-.",
  " leading and trailing ",
  "line\nbreak\ttab",
  "%2e%2e/x",
  "x".repeat(1024),
];

for (const [name, store] of Object.entries({ decoding, raw })) {
  test(`awkward keys arrive under exactly their names at a store that signs paths in its way (${name})`, async () => {
    const ids: string[] = [];
    for (const key of AWKWARD) {
      store.put("source", key, `bytes of ${key}`);
      const source = { store: name, bucket: "source", key };
      const destination = { store: name, bucket: "destination", key };
      ids.push(await mesh.startCopy({ source, destination, via: "stream" }));
    }
    for (const [index, id] of ids.entries()) {
      const key = AWKWARD[index];
      const { phase, failure } = await mesh.ended(id);
      expect({ key, phase, failure }).toEqual({ key, phase: "completed", failure: undefined });
    }
    for (const key of AWKWARD) expect(store.bytes("destination", key).toString()).toBe(`bytes of ${key}`);
    expect(store.objects("destination")).toHaveLength(AWKWARD.length);
  });
}

const intoLocked = (key: string, more: Record<string, unknown> = {}) => ({
  ...copyOf(key, more),
  destination: `locked:destination/${key}`,
});

test("case 111: every part into a bucket that demands digests has one, and the source is read twice for it", async () => {
  east.putGenerated("source", "locked parts", { size: SIZE });
  const status = await mesh.copy(intoLocked("locked parts"));
  expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 0 } });
  expect(status.warnings).toEqual([expect.stringContaining("Object Lock")]);
  const taken = locked.requests({ operation: "UploadPart", status: 200 });
  expect(taken.map(({ headers }) => headers["content-md5"])).toEqual(Array(3).fill(expect.any(String)));
  expect(locked.bytes("destination", "locked parts").equals(east.bytes("source", "locked parts"))).toBe(true);
});

test.for(["auto", "off"])(
  "case 111: a small object whose MD5 is unknown goes into such a bucket as well (verify %s)",
  async (verify) => {
    const key = `locked small ${verify}`;
    east.putGenerated("source", key, { size: 1000 });
    expect(await mesh.copy(intoLocked(key, { verify }))).toMatchObject({ phase: "completed" });
    expect(locked.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
  },
);

test("case 111: a sync into such a bucket ends well, and its report is written with a digest", async () => {
  east.put("source", "locked/known", "known");
  east.put("source", "locked/empty", "");
  east.putGenerated("source", "locked/unknown", { size: 1000 });
  east.putGenerated("source", "locked/large", { size: SIZE });
  const status = await mesh.sync({
    source: "east:source/locked/",
    destination: "locked:destination/locked/",
    report: "locked:reports/",
  });
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 4, failed: 0 } });
  expect(locked.objects("reports")).toHaveLength(1);
  for (const key of ["locked/known", "locked/empty", "locked/unknown", "locked/large"])
    expect(locked.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
});

test("case 111: a bucket to which no Content-MD5 is a digest fails the copy, and Object Lock is named", async () => {
  east.putGenerated("source", "locked out", { size: 1000 });
  const message =
    "x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
  locked.fault({ operation: "PutObject" }, { kind: "answer", code: "InvalidRequest", message });
  const status = await mesh.copy(intoLocked("locked out"));
  expect(status).toMatchObject({
    phase: "failed",
    failure: { code: "destination_error", storeCode: "InvalidRequest" },
  });
  expect(status.failure?.message).toContain("Object Lock");
});
