// What a copy claims about itself, and that it claims no more than it knows.

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { startChecksum } from "../../store/checksums.ts";
import type { TestStore } from "../../store/store.ts";
import { events, expectSameBytes, memoryDirectory, partsTaken } from "./fidelity.ts";
import { MIB, PART, openWorld } from "../world.ts";

const directory = memoryDirectory();
const withCrc = { profile: { checksums: ["crc64nvme"], checksumMode: true } };
const withCrcOnly = { profile: { ...withCrc.profile, md5Etag: false, md5MultipartEtag: false } };

const {
  mesh,
  stores: { east, blind, west, loud, crceast, crcwest, crcopaque, opaque, unknown, even },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    blind: { buckets: ["source"], headPartNumber: "ignored" },
    west: { buckets: ["destination"] },
    loud: {
      buckets: ["source", "destination"],
      etagCase: "upper",
      etagQuotes: "unquoted",
      completeEtag: "empty",
    },
    crceast: { buckets: ["source"], automaticChecksum: "CRC64NVME" },
    crcwest: { buckets: ["destination"], automaticChecksum: "CRC64NVME" },
    crcopaque: { buckets: ["destination"], automaticChecksum: "CRC64NVME", etags: "opaque" },
    opaque: { buckets: ["destination"], etags: "opaque" },
    even: { buckets: ["destination"], equalParts: true },
    unknown: { buckets: ["destination"], etags: "opaque" },
  },
  () => ({
    directory,
    storeFields: {
      even: { provider: "r2", style: "path" },
      crceast: withCrc,
      crcwest: withCrc,
      crcopaque: withCrcOnly,
      opaque: { profile: { md5Etag: false, md5MultipartEtag: false } },
    },
  }),
);

const request = (key: string, from: string, to: string) => ({
  source: `${from}:source/${key}`,
  destination: `${to}:destination/${key}`,
});

/** An object uploaded in parts, as its ETag tells. */
function putParts(store: TestStore, key: string, parts: number | number[], size: number): string {
  return store.putGenerated("source", key, { size, seed: key, parts, computeEtag: true }).etag;
}

test.for([
  ["east", PART, 2 * PART + 1],
  ["east", 8 * MIB, 16 * MIB],
  ["east", 64 * MIB, 7],
  ["blind", PART, 2 * PART + 1],
  ["blind", 8 * MIB, 16 * MIB + 1],
] as const)(
  "a multipart source at %s with parts of %i bytes keeps its boundaries and its ETag",
  async ([from, partBytes, size]) => {
    const store = from === "east" ? east : blind;
    const key = `kept ${partBytes}`;
    const etag = putParts(store, key, partBytes, size);
    const status = await mesh.copy(request(key, from, "west"));
    expect(status).toMatchObject({ phase: "completed", proof: "etag", etag: `"${etag}"`, warnings: [] });
    const sizes = [west.get("destination", key), store.get("source", key)].map((object) =>
      object?.parts.map((part) => part.size),
    );
    expect(sizes[0]).toEqual(sizes[1]);
    expectSameBytes(store, west, key);
  },
);

test("a wrong guess of the part size is no mismatch, and nothing is sent twice for it", async () => {
  putParts(blind, "guess", 6 * MIB, 18 * MIB);
  const status = await mesh.copy(request("guess", "blind", "west"));
  expect(status).toMatchObject({ phase: "completed", proof: "part-md5" });
  expect(partsTaken(west)).toEqual([1, 2, 3]);
  expectSameBytes(blind, west, "guess");
});

test.for([
  ["the last part is too long", [6 * MIB, PART, PART], 1],
  ["the first part is too long for the count", [9 * MIB, PART, PART], 1],
  ["only the middle differs", [6 * MIB, PART, 7 * MIB, 6 * MIB], 1],
  // Told only by the ETag that comes out: everything is sent twice.
  ["only parts that are not asked for differ", [6, 5, 6, 7, 6, 6].map((mib) => mib * MIB), 12],
] as const)(
  "a source whose parts are unequal is not claimed to have the same ETag: %s",
  async ([key, parts, attempts]) => {
    const size = parts.reduce((sum, part) => sum + part, 0);
    putParts(east, key, [...parts], size);
    const status = await mesh.copy(request(key, "east", "west"));
    expect(status).toMatchObject({ phase: "completed", proof: "part-md5", attempts });
    expectSameBytes(east, west, key);
  },
);

const UNEQUAL = [6, 5, 6, 7, 6, 3].map((mib) => mib * MIB);
const UNEQUAL_BYTES = UNEQUAL.reduce((sum, part) => sum + part, 0);

test.for([
  ["east", "west", "by HEAD", 6],
  ["blind", "west", "by GetObjectAttributes", 0],
  ["loud", "loud", "inside the service", 6],
] as const)(
  "the unequal parts of a source at %s are kept at %s, and with them its ETag (%s)",
  async ([from, to, , heads]) => {
    const [source, destination] = [{ east, blind, loud }[from], { west, loud }[to]];
    const key = `as source ${from}`;
    const etag = putParts(source, key, UNEQUAL, UNEQUAL_BYTES);
    // As AWS lists the parts of an object that was uploaded with checksums.
    const body =
      `<GetObjectAttributesResponse><ETag>${etag}</ETag><ObjectParts><PartsCount>6</PartsCount>` +
      UNEQUAL.map((size, n) => `<Part><PartNumber>${n + 1}</PartNumber><Size>${size}</Size></Part>`).join(
        "",
      ) +
      `</ObjectParts><ObjectSize>${UNEQUAL_BYTES}</ObjectSize></GetObjectAttributesResponse>`;
    blind.fault({ operation: "GetObjectAttributes" }, { kind: "answer", status: 200, body });
    const status = await mesh.copy({ ...request(key, from, to), partSize: "source" });
    expect(status).toMatchObject({ phase: "completed", proof: "etag", attempts: 6, partSize: 7 * MIB });
    expect(destination.get("destination", key)?.etag).toBe(etag);
    expect(destination.get("destination", key)?.parts.map(({ size }) => size)).toEqual(UNEQUAL);
    expectSameBytes(source, destination, key);
    const asked = source.requests({ operation: "HeadObject", bucket: "source" });
    expect(asked.filter(({ partNumber }) => partNumber !== undefined)).toHaveLength(heads);
  },
);

test.for([
  ["one request", undefined],
  ["one part", UNEQUAL_BYTES],
  ["equal parts", 5 * MIB],
] as const)("a source that was uploaded in %s is copied so", async ([name, parts]) => {
  const key = `as source, ${name}`;
  const attributes = { size: UNEQUAL_BYTES, seed: key, computeEtag: true };
  const { etag } = east.putGenerated("source", key, { ...attributes, ...(parts ? { parts } : {}) });
  const status = await mesh.copy({ ...request(key, "east", "west"), partSize: "source" });
  expect(status).toMatchObject({ phase: "completed", proof: "etag", etag: `"${etag}"` });
});

test.for([
  ["part_layout_refused", "east", "even", UNEQUAL, "parts of one size alone"],
  ["part_layout_refused", "east", "west", [2 * PART, PART - 1, PART], `part 2 has ${PART - 1} bytes`],
  ["part_layout_refused", "east", "west", [96 * MIB, 1], "100663296 bytes"],
  ["part_layout_unknown", "blind", "west", UNEQUAL, "shows no part"],
] as const)(
  "%s: the parts of a source at %s that cannot be kept at %s",
  async ([code, from, to, parts, words]) => {
    const key = `not as source ${parts.join()} ${to}`;
    const size = [...parts].reduce((sum, part) => sum + part, 0);
    const source = from === "east" ? east : blind;
    source.putGenerated("source", key, {
      size,
      seed: key,
      parts: [...parts],
      etag: `${"0".repeat(32)}-${parts.length}`,
    });
    const status = await mesh.copy({ ...request(key, from, to), partSize: "source" });
    expect(status).toMatchObject({ phase: "failed", failure: { code } });
    expect(status.failure?.message).toContain(words);
    expect(west.count("CreateMultipartUpload") + even.count("CreateMultipartUpload")).toBe(0);
  },
);

test("a small object is checked by the destination against the source's MD5", async () => {
  const { etag } = east.put("source", "small", "small");
  const status = await mesh.copy(request("small", "east", "west"));
  expect(status).toMatchObject({ phase: "completed", proof: "etag" });
  const md5 = Buffer.from(etag, "hex").toString("base64");
  expect(west.requests({ operation: "PutObject" }).map(({ headers }) => headers["content-md5"])).toEqual([
    md5,
  ]);
});

test("a random ETag under KMS is no mismatch: the MD5 that the destination checked is the proof", async () => {
  east.put("source", "kms", "kms");
  const random = '"0123456789abcdef0123456789abcdef"';
  const written = { operation: ["PutObject", "HeadObject"] } as const;
  west.fault(written, { kind: "header", name: "ETag", value: random });
  west.fault(written, { kind: "header", name: "x-amz-server-side-encryption", value: "aws:kms" });
  const status = await mesh.copy(request("kms", "east", "west"));
  expect(status).toMatchObject({ phase: "completed", proof: "content-md5", etag: random });
});

test("a source under KMS has an ETag that is no MD5, and it is not used as one", async () => {
  const encryption = { kind: "kms", algorithm: "aws:kms", keyId: "key" } as const;
  east.put("source", "kms source", "secret", { encryption });
  const status = await mesh.copy(request("kms source", "east", "west"));
  expect(status).toMatchObject({ phase: "completed", proof: "part-md5", attempts: 1 });
  expect(west.requests({ operation: "PutObject" })[0]?.headers).not.toHaveProperty("content-md5");
});

test("two stores that keep a checksum of the whole object need no other proof", async () => {
  east.putGenerated("source", "crc", { size: 2 * PART + 1 });
  const first = { source: "east:source/crc", destination: "crceast:source/crc", partSize: PART };
  expect(await mesh.copy(first)).toMatchObject({ phase: "completed", proof: "part-md5" });
  const status = await mesh.copy({ ...request("crc", "crceast", "crcwest"), partSize: 6 * MIB });
  expect(status).toMatchObject({ phase: "completed", proof: "checksum" });
  expect(status.timeline.find(({ event }) => event === "sized")?.detail).not.toContain("watched");
  expectSameBytes(crceast, crcwest, "crc");
});

test("the parts' checksums are combined for a destination that tells no MD5", async () => {
  east.putGenerated("source", "combined", { size: 3 * PART + 7 });
  const status = await mesh.copy({ ...request("combined", "east", "crcopaque"), partSize: PART });
  expect(status).toMatchObject({ phase: "completed", proof: "checksum" });
  expectSameBytes(east, crcopaque, "combined");
});

test("a byte that the store received wrong is caught by its checksum of the whole object", async () => {
  east.putGenerated("source", "combined wrong", { size: 2 * PART });
  crcopaque.fault({ operation: "UploadPart", partNumber: 2 }, { kind: "flip", direction: "in", at: 9 });
  const status = await mesh.copy({ ...request("combined wrong", "east", "crcopaque"), partSize: PART });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "checksum_mismatch" } });
});

/** What Google tells of an object on HEAD. */
function googleHash(bytes: Buffer): string {
  const crc = startChecksum("CRC32C");
  crc.update(bytes);
  return `crc32c=${crc.digest().toString("base64")},md5=${createHash("md5").update(bytes).digest("base64")}`;
}

test.for([
  ["once", 1, { phase: "completed", proof: "part-md5" }],
  ["always", Number.POSITIVE_INFINITY, { phase: "failed", failure: { code: "checksum_mismatch" } }],
] as const)(
  "a byte that changes %s on the way from the source is caught by the source's CRC32C",
  async ([key, times, expected]) => {
    east.putGenerated("source", key, { size: 2 * PART + 1 });
    const hash = googleHash(east.bytes("source", key));
    east.fault({ operation: "HeadObject" }, { kind: "header", name: "x-goog-hash", value: hash });
    const match = { operation: "GetObject", where: startsAt(PART) } as const;
    east.fault(match, { kind: "flip", direction: "out", at: 100 }, { times });
    const status = await mesh.copy({ ...request(key, "east", "west"), partSize: PART });
    expect(status).toMatchObject(expected);
    expect(events(status)).toContain("sent_again");
    if (status.phase === "completed") expectSameBytes(east, west, key);
    else expect(west.get("destination", key)).toBeUndefined();
  },
);

/** Picks the GET of the part that begins at `offset`. */
function startsAt(offset: number) {
  return ({ headers }: { headers: Readonly<Record<string, string>> }) =>
    headers["range"]?.startsWith(`bytes=${offset}-`) ?? false;
}

test("a byte that changes on the way from a multipart source is caught by its ETag and sent again", async () => {
  const etag = putParts(east, "flip kept", PART, 2 * PART + 1);
  const match = { operation: "GetObject", where: startsAt(PART) } as const;
  const rule = east.fault(match, { kind: "flip", direction: "out", at: 0 }, { times: 1 });
  const status = await mesh.copy(request("flip kept", "east", "west"));
  expect(status).toMatchObject({ phase: "completed", proof: "etag", etag: `"${etag}"` });
  expect(rule.hits).toBe(1);
  expect(events(status)).toContain("sent_again");
  expectSameBytes(east, west, "flip kept");
});

test("a byte that changes on the way of a small object is refused by the destination and sent again", async () => {
  for (const [store, direction] of [
    [east, "out"],
    [west, "in"],
  ] as const) {
    const key = `flip ${direction}`;
    east.put("source", key, key);
    const operation = direction === "out" ? "GetObject" : "PutObject";
    store.fault({ operation }, { kind: "flip", direction, at: 1 }, { times: 1 });
    const status = await mesh.copy(request(key, "east", "west"));
    expect(status).toMatchObject({ phase: "completed", proof: "etag", parts: { failedAttempts: 1 } });
    expectSameBytes(east, west, key);
  }
});

test("a part that the store received wrong is sent again, and it alone", async () => {
  east.putGenerated("source", "flip in", { size: 3 * PART });
  west.fault(
    { operation: "UploadPart", partNumber: 2 },
    { kind: "flip", direction: "in", at: 77 },
    { times: 1 },
  );
  const status = await mesh.copy({ ...request("flip in", "east", "west"), partSize: PART });
  expect(status).toMatchObject({ phase: "completed", proof: "part-md5" });
  expect(events(status)).toContain("parts_corrupt");
  expect(partsTaken(west)).toEqual([1, 2, 2, 3]);
  expectSameBytes(east, west, "flip in");
});

test("a part that the store receives wrong for ever fails the copy before the object appears", async () => {
  east.putGenerated("source", "flip ever", { size: 3 * PART });
  west.fault({ operation: "UploadPart", partNumber: 2 }, { kind: "flip", direction: "in", at: 77 });
  const status = await mesh.copy({ ...request("flip ever", "east", "west"), partSize: PART });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "part_corrupt" } });
  expect(west.count("CompleteMultipartUpload")).toBe(0);
  expect(west.get("destination", "flip ever")).toBeUndefined();
});

test("a part of a kept boundary that the store received wrong is caught as well", async () => {
  putParts(east, "flip in kept", PART, 2 * PART + 1);
  west.fault(
    { operation: "UploadPart", partNumber: 3 },
    { kind: "flip", direction: "in", at: 0 },
    { times: 1 },
  );
  const status = await mesh.copy(request("flip in kept", "east", "west"));
  expect(status).toMatchObject({ phase: "completed", proof: "etag" });
  expectSameBytes(east, west, "flip in kept");
});

test.for([
  ["whole", 1000],
  ["parts", 2 * PART],
] as const)("an object that is another one after it was written fails the copy (%s)", async ([key, size]) => {
  east.putGenerated("source", `rest ${key}`, { size, computeEtag: true });
  const action = () => {
    const object = west.get("destination", `rest ${key}`);
    if (object === undefined) throw new Error("nothing was written");
    const bytes = west.bytes("destination", `rest ${key}`);
    bytes[500] = ~(bytes[500] ?? 0) & 255;
    west.put("destination", `rest ${key}`, bytes, { metadata: object.attributes.metadata });
  };
  west.fault({ operation: "HeadObject" }, { kind: "run", stage: "before-body", action }, { times: 1 });
  const status = await mesh.copy({ ...request(`rest ${key}`, "east", "west"), partSize: PART });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "verification_failed" } });
});

test("an ETag of 32 hex digits that is no MD5 does not fail the copy, and proves nothing", async () => {
  east.put("source", "no md5", "bytes", { etag: "0123456789abcdef0123456789abcdef" });
  const status = await mesh.copy(request("no md5", "east", "west"));
  expect(status).toMatchObject({ phase: "completed", proof: "part-md5" });
  expectSameBytes(east, west, "no md5");
});

test("a multipart ETag that follows no rule does not fail the copy, and proves nothing", async () => {
  const etag = "0123456789abcdef0123456789abcdef-3";
  east.putGenerated("source", "no rule", { size: 2 * PART + 1, parts: PART, etag });
  const status = await mesh.copy(request("no rule", "east", "west"));
  expect(status).toMatchObject({ phase: "completed", proof: "part-md5" });
  expectSameBytes(east, west, "no rule");
});

test.for([
  ["opaque", 2 * PART + 1, 3],
  ["unknown", 2 * PART + 1, 3],
] as const)(
  "ETags that are no MD5s at %s are no mismatch, and the claim is the length",
  async ([to, size, parts]) => {
    const key = `to ${to}`;
    east.putGenerated("source", key, { size });
    const status = await mesh.copy({ ...request(key, "east", to), partSize: PART });
    expect(status).toMatchObject({ phase: "completed", proof: "length", attempts: parts });
    expectSameBytes(east, to === "opaque" ? opaque : unknown, key);
  },
);

test("a kept boundary at a store whose ETags turn out to be no MD5s ends as length, not as a mismatch", async () => {
  putParts(east, "kept unknown", PART, 2 * PART + 1);
  const status = await mesh.copy(request("kept unknown", "east", "unknown"));
  expect(status).toMatchObject({ phase: "completed", proof: "length" });
  expectSameBytes(east, unknown, "kept unknown");
});

test("strict refuses what the two stores cannot prove, before anything is created", async () => {
  east.putGenerated("source", "strict", { size: 2 * PART });
  const status = await mesh.copy({
    ...request("strict", "east", "opaque"),
    partSize: PART,
    verify: "strict",
  });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "proof_impossible" } });
  expect(opaque.count()).toBe(0);
});

test("strict ends as failed where the destination turns out to prove nothing", async () => {
  east.putGenerated("source", "strict later", { size: 2 * PART });
  const copy = { ...request("strict later", "east", "unknown"), partSize: PART, verify: "strict" };
  expect(await mesh.copy(copy)).toMatchObject({ phase: "failed", failure: { code: "proof_impossible" } });
});

test("strict is content with any proof beyond the length", async () => {
  putParts(east, "strict good", PART, PART + 1);
  for (const [partSize, proof] of [
    [undefined, "etag"],
    [6 * MIB, "part-md5"],
  ] as const) {
    const copy = { ...request("strict good", "east", "west"), partSize, verify: "strict" };
    expect(await mesh.copy(copy)).toMatchObject({ phase: "completed", proof });
  }
});

const operations = (store: TestStore) =>
  store
    .requests()
    .map(({ operation }) => operation)
    .toSorted();

test("off claims the length and asks for nothing that the copy itself does not need", async () => {
  putParts(east, "off", PART, 2 * PART + 1);
  const copy = { ...request("off", "east", "west"), verify: "off", tags: "none", partSize: PART };
  expect(await mesh.copy(copy)).toMatchObject({ phase: "completed", proof: "length" });
  expect(operations(east)).toEqual(["GetObject", "GetObject", "GetObject", "HeadObject"]);
  expect(operations(west)).toEqual([
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "HeadObject",
    "ListParts",
    "UploadPart",
    "UploadPart",
    "UploadPart",
  ]);
  east.put("source", "off small", "small");
  expect(await mesh.copy({ ...request("off small", "east", "west"), verify: "off" })).toMatchObject({
    proof: "length",
  });
  expect(west.requests({ operation: "PutObject" })[0]?.headers).not.toHaveProperty("content-md5");
});

test("ETags in upper case, without quotes and empty at Complete prove as much as any", async () => {
  putParts(east, "spelt", PART, 2 * PART + 1);
  expect(await mesh.copy(request("spelt", "east", "loud"))).toMatchObject({
    phase: "completed",
    proof: "etag",
  });
  const etag = putParts(loud, "spelt", PART, 2 * PART + 1);
  expect(await mesh.copy(request("spelt", "loud", "west"))).toMatchObject({
    phase: "completed",
    proof: "etag",
  });
  const asked = loud.requests({ operation: "GetObject" }).map(({ headers }) => headers["if-match"]);
  expect(asked).toEqual([etag, etag, etag].map((text) => text.toUpperCase()));
  loud.put("source", "spelt small", "s");
  expect(await mesh.copy(request("spelt small", "loud", "west"))).toMatchObject({ proof: "etag" });
});
