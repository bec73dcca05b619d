// What an object has besides its bytes: all of it arrives, or its loss is named once.

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import type { PutAttributes, TestStore } from "../../store/store.ts";
import { expectSameBytes, memoryDirectory } from "./fidelity.ts";
import { PART, openWorld } from "../world.ts";

const customerKey = Buffer.alloc(32, 7).toString("base64");
const keyMd5 = createHash("md5").update(Buffer.alloc(32, 7)).digest("base64");
const directory = memoryDirectory();

const {
  mesh,
  stores: { east, west, plain, poor, ours, kms, sse, lean, clear, forgetful },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"] },
    plain: { buckets: ["destination"], without: ["storageClasses", "tagging", "acl"] },
    poor: { buckets: ["destination"] },
    ours: { buckets: ["source", "destination"] },
    kms: { buckets: ["destination"] },
    sse: { buckets: ["destination"] },
    lean: { buckets: ["destination"], metadataLimitBytes: 100 },
    clear: { buckets: ["destination"], forgets: ["x-amz-server-side-encryption"] },
    forgetful: { buckets: ["destination"], forgets: ["x-amz-storage-class", "x-amz-tagging"] },
  },
  (stores) => ({
    directory,
    bindings: {
      STORE_CLEAR_AES: storeSecret(stores.clear, { encryption: { kind: "AES256" } }),
      STORE_CLEAR_KMS: storeSecret(stores.clear, { encryption: { kind: "aws:kms" } }),
    },
    storeFields: {
      clear: { encryption: { kind: "customer", key: customerKey } },
      poor: { profile: { tags: false, storageClasses: ["STANDARD"], websiteRedirect: false } },
      ours: { encryption: { kind: "customer", key: customerKey } },
      kms: { encryption: { kind: "aws:kms", keyId: "key/1" } },
      sse: { encryption: { kind: "AES256" } },
      lean: { profile: { maxMetadataBytes: 100 } },
    },
  }),
);

const request = (key: string, to = "west", from = "east") => ({
  source: `${from}:source/${key}`,
  destination: `${to}:destination/${key}`,
  partSize: PART,
});

/** Both ways of writing an object: one PutObject, and a multipart upload. */
const SIZES = [
  ["one PutObject", 1000],
  ["one PutObject of nothing", 0],
  ["a multipart upload", 2 * PART + 1],
] as const;

const MARK = "bucket-brigade-copy";

function metadataOf(store: TestStore, key: string): Record<string, string> {
  const { [MARK]: _mark, ...metadata } = { ...store.get("destination", key)?.attributes.metadata };
  return metadata;
}

const FULL: PutAttributes = {
  contentType: "text/csv; charset=utf-8",
  headers: {
    "content-encoding": "br",
    "content-disposition": `attachment; filename="a b.csv"; filename*=UTF-8''%C3%A4.csv`,
    "content-language": "de-CH, en",
    "cache-control": "max-age=60,  no-transform",
    expires: "Wed, 21 Oct 2026 07:28:00 GMT",
    "x-amz-website-redirect-location": "/elsewhere?a=b+c",
  },
  metadata: {
    "two-words": "a, b; c=d",
    owner: "=?UTF-8?Q?gr=C3=BC=C3=9Fe?=",
    spaces: "a   b",
    empty: "",
    UPPER: "Xy",
  },
  tags: [
    { key: "team", value: "a b+c/=@:._-" },
    { key: "größe", value: "日本" },
    { key: "empty", value: "" },
  ],
  storageClass: "STANDARD_IA",
};

test.for(SIZES)("every attribute arrives with %s", async ([key, size]) => {
  east.putGenerated("source", key, { size, computeEtag: true, ...FULL });
  const status = await mesh.copy(request(key));
  expect(status).toMatchObject({ phase: "completed", warnings: [] });
  const copied = west.get("destination", key)?.attributes;
  expect(copied).toMatchObject({
    contentType: FULL.contentType,
    tags: FULL.tags,
    storageClass: "STANDARD_IA",
  });
  expect(copied?.headers).toEqual(FULL.headers);
  const { UPPER, ...metadata } = { ...FULL.metadata };
  expect(metadataOf(west, key)).toEqual({ ...metadata, upper: UPPER });
  expectSameBytes(east, west, key);
});

/** A text as the bytes of a header, one character for each. */
const utf8 = (text: string) => Buffer.from(text).toString("latin1");

test("metadata and headers in raw UTF-8 keep their text", async () => {
  const disposition = utf8('attachment; filename="grüße.txt"');
  east.put("source", "utf8", "u", { headers: { "content-disposition": disposition } });
  east.fault(
    { operation: "HeadObject" },
    { kind: "header", name: "x-amz-meta-raw", value: utf8("grüße 日本") },
  );
  expect(await mesh.copy(request("utf8"))).toMatchObject({ phase: "completed", warnings: [] });
  const word = `=?UTF-8?B?${Buffer.from("grüße 日本").toString("base64")}?=`;
  expect(metadataOf(west, "utf8")).toEqual({ raw: word });
  expect(west.get("destination", "utf8")?.attributes.headers["content-disposition"]).toBe(disposition);
});

test.for(["0", "-1", "never", "Thu, 01 Jan 1970 00:00:00 GMT", "2026-10-21T07:28:00Z"])(
  "Expires %j is a text like any other",
  async (expires) => {
    east.put("source", "expires", "e", { headers: { expires } });
    expect(await mesh.copy(request("expires"))).toMatchObject({ phase: "completed" });
    expect(west.get("destination", "expires")?.attributes.headers).toEqual({ expires });
  },
);

test.for([
  ["aws-chunked", undefined],
  ["aws-chunked,gzip", "gzip"],
  ["gzip, aws-chunked", "gzip"],
  ["gzip, br", "gzip, br"],
] as const)("the coding %j of a source is sent as %j", async ([coding, sent]) => {
  east.put("source", "coding", "c", { headers: { "content-encoding": coding } });
  expect(await mesh.copy(request("coding"))).toMatchObject({ phase: "completed" });
  expect(west.requests({ operation: "PutObject" })[0]?.headers["content-encoding"]).toBe(sent);
});

test("a source without a content type gets the one that S3 itself would give", async () => {
  east.put("source", "untyped", "u");
  east.fault(
    { operation: ["HeadObject", "GetObject"] },
    { kind: "header", name: "Content-Type", value: undefined },
  );
  expect(await mesh.copy(request("untyped"))).toMatchObject({ phase: "completed" });
  const sent = west.requests({ operation: "PutObject" }).map(({ headers }) => headers["content-type"]);
  expect(sent).toEqual(["binary/octet-stream"]);
});

test.for(["AccessDenied", "NotImplemented"])(
  "tags that the source refuses to show (%s) are one warning",
  async (code) => {
    for (const [key, size] of SIZES) {
      east.putGenerated("source", key, { size, computeEtag: true, tags: [{ key: "a", value: "1" }] });
      const rule = east.fault({ operation: "GetObjectTagging" }, { kind: "answer", code });
      const status = await mesh.copy(request(key));
      expect(status.phase).toBe("completed");
      expect(status.warnings).toEqual([
        expect.stringContaining(`tags could not be read and are not copied (${code})`),
      ]);
      expect(west.get("destination", key)?.attributes.tags).toEqual([]);
      const required = await mesh.copy({ ...request(key), tags: "require" });
      // A permission can be given; a store that has no tags will never have them.
      const phase = code === "AccessDenied" ? "blocked" : "failed";
      expect(required).toMatchObject({ phase, failure: { storeCode: code } });
      await mesh.cancel(required.id);
      const strict = await mesh.copy({ ...request(key), ifLossy: "fail" });
      expect(strict).toMatchObject({ phase: "failed", failure: { code: "attribute_lost" } });
      rule.remove();
    }
    expect(west.count("CreateMultipartUpload")).toBe(1);
    expect(west.count("PutObject")).toBe(2);
  },
);

test("tags can be named by the request, or left alone without asking for them", async () => {
  east.put("source", "tags", "t", { tags: [{ key: "a", value: "1" }] });
  const named = { "a b": "c&d=e", größe: "+" };
  expect(await mesh.copy({ ...request("tags"), tags: named })).toMatchObject({ phase: "completed" });
  const pairs = Object.entries(named).map(([key, value]) => ({ key, value }));
  expect(west.get("destination", "tags")?.attributes.tags).toEqual(pairs);
  expect(await mesh.copy({ ...request("tags"), tags: "none" })).toMatchObject({ phase: "completed" });
  expect(west.get("destination", "tags")?.attributes.tags).toEqual([]);
  expect(east.count("GetObjectTagging")).toBe(0);
});

test.for(SIZES)("what the destination refuses is left out, once and by name (%s)", async ([key, size]) => {
  east.putGenerated("source", key, { size, computeEtag: true, ...FULL });
  const status = await mesh.copy(request(key, "plain"));
  expect(status.phase).toBe("completed");
  expect(status.warnings).toEqual([
    'The destination does not accept the storage class "STANDARD_IA" (InvalidStorageClass)',
    expect.stringMatching(/^The destination does not accept tags ".*" \(NotImplemented\)$/),
  ]);
  const copied = plain.get("destination", key)?.attributes;
  expect(copied).toMatchObject({ contentType: FULL.contentType, tags: [], storageClass: "STANDARD" });
  expect(copied?.headers).toEqual(FULL.headers);
  const operation = size > PART ? "CreateMultipartUpload" : "PutObject";
  expect(plain.requests({ operation }).map(({ headers }) => Object.keys(headers).filter(isOptional))).toEqual(
    [
      ["x-amz-storage-class", "x-amz-tagging", "x-amz-website-redirect-location"],
      ["x-amz-tagging", "x-amz-website-redirect-location"],
      ["x-amz-website-redirect-location"],
    ],
  );
  expectSameBytes(east, plain, key);
});

const isOptional = (name: string) => /^x-amz-(storage|tagging|website)/.test(name);

test.for(SIZES)(
  "with ifLossy fail a refused attribute fails the copy and leaves nothing (%s)",
  async ([key, size]) => {
    east.putGenerated("source", key, { size, computeEtag: true, storageClass: "STANDARD_IA" });
    plain.delete("destination", key);
    const status = await mesh.copy({ ...request(key, "plain"), ifLossy: "fail" });
    const failure = { code: "attribute_lost", storeCode: "InvalidStorageClass" };
    expect(status).toMatchObject({ phase: "failed", failure });
    expect(plain.get("destination", key)).toBeUndefined();
    expect(plain.count("UploadPart")).toBe(0);
  },
);

test("what the destination is known not to have is not even sent, and named", async () => {
  for (const [key, size] of SIZES) {
    east.putGenerated("source", key, { size, computeEtag: true, ...FULL });
    const status = await mesh.copy(request(key, "poor"));
    expect(status.phase).toBe("completed");
    expect(status.warnings).toHaveLength(3);
    for (const word of ["website redirects", "storage class", "tags"])
      expect(status.warnings.join()).toContain(word);
  }
  expect(
    poor
      .requests()
      .flatMap(({ headers }) => Object.keys(headers))
      .filter(isOptional),
  ).toEqual([]);
  poor.journal.clear();
  const status = await mesh.copy({ ...request(SIZES[0][0], "poor"), ifLossy: "fail" });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "attribute_lost" } });
  expect(poor.count()).toBe(0);
});

test("other refusals of the destination are not taken for a refused attribute", async () => {
  east.put("source", "denied", "d", { storageClass: "STANDARD_IA" });
  west.fault({ operation: "PutObject" }, { kind: "answer", code: "AccessDenied" });
  const status = await mesh.copy(request("denied"));
  expect(status).toMatchObject({
    phase: "blocked",
    failure: { code: "destination_access_denied" },
    warnings: [],
  });
  expect(west.count("PutObject")).toBe(1);
  await mesh.cancel(status.id);
});

test("a storage class named by the request wins over the source's", async () => {
  east.put("source", "class", "c", { storageClass: "STANDARD_IA" });
  const copy = { ...request("class"), storageClass: "GLACIER_IR" };
  expect(await mesh.copy(copy)).toMatchObject({ phase: "completed" });
  expect(west.get("destination", "class")?.attributes.storageClass).toBe("GLACIER_IR");
});

test("attributes named by the request win over the source's, or stand alone", async () => {
  east.put("source", "changes", "c", FULL);
  const attributes = {
    contentType: "text/plain",
    contentDisposition: 'inline; filename="ü"',
    websiteRedirect: "/there",
    meta: { Owner: "nobody", note: "ü" },
  };
  expect(await mesh.copy({ ...request("changes"), attributes })).toMatchObject({ phase: "completed" });
  const inline = Buffer.from(attributes.contentDisposition).toString("latin1");
  const word = `=?UTF-8?B?${Buffer.from("ü").toString("base64")}?=`;
  expect(west.get("destination", "changes")?.attributes).toMatchObject({
    contentType: "text/plain",
    headers: {
      ...FULL.headers,
      "content-disposition": inline,
      "x-amz-website-redirect-location": "/there",
    },
  });
  expect(metadataOf(west, "changes")).toMatchObject({ owner: "nobody", note: word, spaces: "a   b" });
  const alone = { ...request("changes"), metadata: "replace", attributes };
  expect(await mesh.copy(alone)).toMatchObject({ phase: "completed" });
  const replaced = west.get("destination", "changes")?.attributes;
  expect(replaced?.headers).toEqual({
    "content-disposition": inline,
    "x-amz-website-redirect-location": "/there",
  });
  expect(metadataOf(west, "changes")).toEqual({ owner: "nobody", note: word });
});

test.for([
  ["sse", { kind: "AES256" }],
  ["kms", { kind: "kms", algorithm: "aws:kms", keyId: "key/1" }],
] as const)("objects at a store set to encrypt are encrypted there: %s", async ([to, encryption]) => {
  for (const [key, size] of SIZES) {
    east.putGenerated("source", key, { size, computeEtag: true });
    const status = await mesh.copy(request(key, to));
    expect(status).toMatchObject({ phase: "completed", warnings: [] });
    // Under a key the ETag is no MD5, but the store still compares what it is sent with the source's.
    if (size < PART) expect(status.proof).toBe(to === "sse" ? "etag" : "content-md5");
    const store = to === "sse" ? sse : kms;
    expect(store.get("destination", key)?.attributes.encryption).toEqual(encryption);
    expectSameBytes(east, store, key);
  }
});

test("a customer's key opens the source and locks the destination, on every request that needs it", async () => {
  const encryption = { kind: "customer", keyMd5 } as const;
  for (const [key, size] of SIZES) {
    ours.putGenerated("source", key, { size, computeEtag: true, seed: key, encryption, parts: PART });
    expect(await mesh.copy(request(key, "west", "ours"))).toMatchObject({ phase: "completed" });
    expectSameBytes(ours, west, key);
    expect(west.get("destination", key)?.attributes.encryption).toEqual({ kind: "none" });
    east.putGenerated("source", key, { size, computeEtag: true, seed: key });
    expect(await mesh.copy(request(key, "ours"))).toMatchObject({ phase: "completed" });
    expectSameBytes(east, ours, key);
    expect(ours.get("destination", key)?.attributes.encryption).toEqual(encryption);
    expect(await mesh.copy({ ...request(key, "ours", "ours"), partSize: undefined })).toMatchObject({
      phase: "completed",
    });
    expectSameBytes(ours, ours, key);
  }
  expect(JSON.stringify(await mesh.call("GET", "/copies"))).not.toContain(customerKey);
});

test.for(["clear", "clear_aes", "clear_kms"])(
  "an encryption that the store %s ignores fails the copy, and nothing lies there in the clear",
  async (to) => {
    for (const [key, size] of SIZES) {
      east.putGenerated("source", key, { size, computeEtag: true });
      const status = await mesh.copy(request(key, to));
      expect(status).toMatchObject({ phase: "failed", failure: { code: "encryption_not_applied" } });
      expect(clear.objects("destination")).toEqual([]);
    }
    // An upload that is not encrypted takes no byte.
    expect(clear.count("UploadPart")).toBe(0);
  },
);

test("a sync into a store that ignores the encryption ends, and nothing lies there in the clear", async () => {
  for (let n = 0; n < 3; n++) east.put("source", `in the clear/${n}`, `secret ${n}`);
  const status = await mesh.sync({
    source: "east:source/in the clear/",
    destination: "clear:destination/",
  });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "encryption_not_applied" } });
  expect(clear.objects("destination")).toEqual([]);
});

test("what was under way when such a sync ends does not lie there in the clear either", async () => {
  for (const name of ["first", "second"]) east.put("source", `under way/${name}`, `secret ${name}`);
  const first = clear.hold({ operation: "PutObject", key: "first" }, "before-work");
  const second = clear.hold({ operation: "PutObject", key: "second" }, "before-answer");
  const id = await mesh.startSync({ source: "east:source/under way/", destination: "clear:destination/" });
  await clear.waitFor(() => first.waiting.length === 1 && second.waiting.length === 1);
  first.release();
  expect(await mesh.syncEnded(id)).toMatchObject({ failure: { code: "encryption_not_applied" } });
  second.release();
  expect(clear.objects("destination")).toEqual([]);
});

test("an encryption that only HEAD confirms is applied", async () => {
  east.put("source", "shown/later", "x");
  const silent = { kind: "header", name: "x-amz-server-side-encryption", value: undefined } as const;
  sse.fault({ operation: "PutObject" }, silent);
  const sync = { source: "east:source/shown/", destination: "sse:destination/shown/" };
  expect(await mesh.sync(sync)).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(await mesh.copy(request("shown/later", "sse"))).toMatchObject({ phase: "completed" });
});

const KEPT_BADLY = { storageClass: "STANDARD_IA", tags: [{ key: "team", value: "blue" }] } as const;

test.for(SIZES)(
  "a class and tags that a store takes and forgets are told, or fail the copy (%s)",
  async ([key, size]) => {
    east.putGenerated("source", key, { size, computeEtag: true, ...KEPT_BADLY });
    const status = await mesh.copy(request(key, "forgetful"));
    expect(status.phase).toBe("completed");
    expect(status.warnings).toEqual([
      expect.stringContaining('"STANDARD_IA"'),
      "The destination accepted the tags but does not show them",
    ]);
    forgetful.delete("destination", key);
    const strict = await mesh.copy({ ...request(key, "forgetful"), ifLossy: "fail" });
    expect(strict).toMatchObject({ phase: "failed", failure: { code: "attribute_lost" } });
    expect(forgetful.get("destination", key)).toBeUndefined();
  },
);

test("a class and tags that a store takes and forgets are told of every key of a sync, and not asked for of each", async () => {
  for (let n = 0; n < 60; n++) east.put("source", `forgotten/${n}`, `${n}`, KEPT_BADLY);
  const sync = { source: "east:source/forgotten/", destination: "forgetful:destination/forgotten/" };
  const status = await mesh.sync(sync);
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 60 } });
  for (const line of await mesh.report(status.id)) expect(line.warnings).toHaveLength(2);
  expect(forgetful.count("GetObjectTagging")).toBeLessThan(60);
  for (let n = 0; n < 60; n++) east.put("source", `forgotten/${n}`, `other ${n}`, KEPT_BADLY);
  expect(await mesh.sync({ ...sync, ifLossy: "fail" })).toMatchObject({
    phase: "finished_with_errors",
    objects: { failed: 60 },
  });
  expect(forgetful.objects("destination").filter(({ key }) => key.startsWith("forgotten/"))).toEqual([]);
});

test.for(SIZES)(
  "markCopy false leaves no mark, and the copy is known all the same (%s)",
  async ([key, size]) => {
    for (const to of ["west", "kms"] as const) {
      east.putGenerated("source", key, {
        size,
        computeEtag: true,
        metadata: { [MARK]: "of an older copy", own: "1" },
      });
      expect(await mesh.copy({ ...request(key, to), markCopy: false })).toMatchObject({ phase: "completed" });
      const store = to === "west" ? west : kms;
      expect(store.get("destination", key)?.attributes.metadata).toEqual({ own: "1" });
    }
    west.fault(
      { operation: "CompleteMultipartUpload" },
      { kind: "drop", stage: "before-answer" },
      { times: 1 },
    );
    expect(await mesh.copy({ ...request(key), markCopy: false })).toMatchObject({ phase: "completed" });
  },
);

test.for(SIZES)(
  "an unmarked copy is known where the ETag of an object is not made of its parts' (%s)",
  async ([key, size]) => {
    east.putGenerated("source", key, { size, computeEtag: true });
    const value = '"CIafkoDR6vMCEAE="';
    west.fault({ operation: ["PutObject", "HeadObject"] }, { kind: "header", name: "ETag", value });
    const answer = `<CompleteMultipartUploadResult><ETag>${value}</ETag></CompleteMultipartUploadResult>`;
    const effect = { kind: "answer", status: 200, body: answer, stage: "before-answer" } as const;
    west.fault({ operation: "CompleteMultipartUpload" }, effect);
    const status = await mesh.copy({ ...request(key), markCopy: false });
    expect(status).toMatchObject({ phase: "completed", etag: value });
  },
);

test("metadata that is too large is refused with both sizes, and nothing is created", async () => {
  east.put("source", "large", "l", { metadata: { a: "x".repeat(100) } });
  const status = await mesh.copy(request("large", "lean"));
  expect(status).toMatchObject({
    phase: "failed",
    failure: {
      code: "metadata_too_large",
      message: "The metadata has 101 bytes; the destination allows 100",
    },
  });
  expect(lean.count()).toBe(0);
});

test("metadata that is just not too large takes the place of our mark", async () => {
  east.put("source", "fits", "f", { metadata: { a: "x".repeat(99) } });
  const status = await mesh.copy(request("fits", "lean"));
  expect(status).toMatchObject({
    phase: "completed",
    warnings: [expect.stringContaining("carries no copy ID")],
  });
  expect(lean.get("destination", "fits")?.attributes.metadata).toEqual({ a: "x".repeat(99) });
});

test("what the source cannot or does not show is named", async () => {
  const headers = {
    "x-amz-object-lock-mode": "GOVERNANCE",
    "x-amz-object-lock-retain-until-date": "2030-01-01T00:00:00Z",
  };
  east.put("source", "hidden", "h", { headers });
  east.fault({ operation: "HeadObject" }, { kind: "header", name: "x-amz-missing-meta", value: "2" });
  const status = await mesh.copy(request("hidden"));
  expect(status.phase).toBe("completed");
  expect(status.warnings).toEqual([
    expect.stringContaining("2 metadata entries of the source"),
    "The source's object lock is not copied",
  ]);
  expect(west.get("destination", "hidden")?.attributes.headers).toEqual({});
});
