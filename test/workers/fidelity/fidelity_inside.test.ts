// Copies whose source and destination are one service under one credential: it copies by itself, and no byte
// passes us.

import { expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import type { Effect } from "../../store/store.ts";
import { events, expectSameBytes, memoryDirectory } from "./fidelity.ts";
import { MIB, PART, openWorld } from "../world.ts";

const directory = memoryDirectory();
const small = { maxPutBytes: PART, maxPartBytes: 6 * MIB };
const guest = { accessKeyId: "guest", secretAccessKey: "guest's secret" };
const {
  mesh,
  stores: { both, cramped, shared, tagless, deaf },
} = await openWorld(
  {
    both: { buckets: ["source", "destination"] },
    cramped: { buckets: ["source", "destination"] },
    tagless: { buckets: ["source", "destination"], without: ["tagging"] },
    deaf: { buckets: ["source", "destination"], conditionalCopies: "ignored", conditionalWrites: "ignored" },
    shared: {
      buckets: ["source", "destination"],
      credentials: [{ accessKeyId: "owner", secretAccessKey: "owner's secret" }, guest],
    },
  },
  (stores) => ({
    directory,
    storeFields: {
      both: { profile: { conditionalPut: true, conditionalComplete: true } },
      cramped: { profile: small },
      tagless: { profile: { tags: false } },
    },
    bindings: {
      STORE_GUEST: storeSecret(stores.shared, guest),
      STORE_ALIAS: storeSecret(stores.both, { endpoint: `${stores.both.endpoint}/` }),
    },
  }),
);

const OUTAGE = { kind: "answer", code: "ServiceUnavailable", status: 503 } as const;

const request = (key: string, store = "both", to = store) => ({
  source: { store, bucket: "source", key },
  destination: { store: to, bucket: "destination", key },
});

const bytesMoved = ["GetObject", "PutObject", "UploadPart"] as const;
const movedBytes = (store = both) => bytesMoved.filter((operation) => store.count(operation) > 0);

const FULL = {
  contentType: "text/csv",
  headers: { "cache-control": "max-age=60", "content-language": "de" },
  metadata: { owner: "ada" },
  tags: [{ key: "team", value: "a b" }],
  storageClass: "STANDARD_IA",
} as const;

test.for(["plain", "a+b c/é//../%2F?#'()*", "/x", "..", "=@!"])(
  "one CopyObject copies %j whole, attributes and all",
  async (key) => {
    const { etag } = both.put("source", key, `bytes of ${key}`, FULL);
    const status = await mesh.copy(request(key));
    expect(status).toMatchObject({
      phase: "completed",
      via: "server",
      proof: "etag",
      etag: `"${etag}"`,
      warnings: [],
    });
    expect(movedBytes()).toEqual([]);
    expect(both.count("CopyObject")).toBe(1);
    expect(both.bytes("destination", key).toString()).toBe(`bytes of ${key}`);
    const { metadata, ...attributes } = FULL;
    expect(both.get("destination", key)?.attributes).toMatchObject({ ...attributes, metadata });
  },
);

test("a store without tags copies by itself as well, and is not asked to replace any", async () => {
  tagless.put("source", "tagless", "without tags");
  expect(await mesh.copy(request("tagless", "tagless"))).toMatchObject({ phase: "completed", via: "server" });
  expect(movedBytes(tagless)).toEqual([]);
  expect(tagless.bytes("destination", "tagless").toString()).toBe("without tags");
});

test.for([
  ["whole", 1000, "CopyObject"],
  ["in parts", 2 * PART + 1, "UploadPartCopy"],
] as const)(
  "a source that is replaced while a service that heeds no condition copies it %s fails the copy, and leaves nothing",
  async ([name, size, operation]) => {
    const attributes = { size, computeEtag: true, ...(size > PART ? { parts: PART } : {}) };
    deaf.putGenerated("source", name, attributes);
    const action = () => void deaf.putGenerated("source", name, { ...attributes, seed: "newer" });
    deaf.fault({ operation }, { kind: "run", stage: "before-body", action }, { times: 1 });
    const status = await mesh.copy(request(name, "deaf"));
    expect(status).toMatchObject({ phase: "failed", via: "server", failure: { code: "source_changed" } });
    expect(deaf.get("destination", name)).toBeUndefined();
  },
);

test.for([
  ["whole", 1000, "CopyObject", 1],
  ["in parts", 2 * PART + 1, "UploadPartCopy", 3],
] as const)(
  "what such a service has copied %s is not copied again because the look at the source fails afterwards",
  async ([name, size, operation, requests]) => {
    const key = `looked at ${name}`;
    deaf.putGenerated("source", key, { size, computeEtag: true, ...(size > PART ? { parts: PART } : {}) });
    // Its source has been sized by then.
    const look = () => deaf.fault({ operation: "HeadObject", key, bucket: "source" }, OUTAGE, { times: 1 });
    deaf.fault({ operation }, { kind: "run", stage: "before-answer", action: look }, { times: 1 });
    const status = await mesh.copy({ ...request(key, "deaf"), ifExists: "fail" });
    expect(status).toMatchObject({ phase: "completed", via: "server", parts: { failedAttempts: 1 } });
    expect(deaf.count(operation)).toBe(requests);
  },
);

test("the same service under another spelling is the same service", async () => {
  both.put("source", "alias", "alias");
  expect(await mesh.copy(request("alias", "both", "alias"))).toMatchObject({
    phase: "completed",
    via: "server",
  });
});

test("attributes that the request names replace the source's, tags too", async () => {
  both.put("source", "replace", "r", FULL);
  const copy = {
    ...request("replace"),
    metadata: "replace",
    attributes: { contentType: "text/plain", meta: { note: "new" } },
    tags: "none",
    storageClass: "STANDARD",
    markCopy: false,
  };
  expect(await mesh.copy(copy)).toMatchObject({ phase: "completed", via: "server" });
  expect(both.get("destination", "replace")?.attributes).toMatchObject({
    contentType: "text/plain",
    headers: {},
    metadata: { note: "new" },
    tags: [],
    storageClass: "STANDARD",
  });
});

test("a multipart object is copied part by part, so that its ETag stays", async () => {
  const { etag } = both.putGenerated("source", "parts", {
    size: 2 * PART + 1,
    parts: PART,
    computeEtag: true,
    ...FULL,
  });
  const status = await mesh.copy(request("parts"));
  expect(status).toMatchObject({ phase: "completed", via: "server", proof: "etag", etag: `"${etag}"` });
  expect(movedBytes()).toEqual([]);
  expect(both.count("UploadPartCopy")).toBe(3);
  expect(both.get("destination", "parts")?.attributes).toMatchObject({
    contentType: "text/csv",
    tags: FULL.tags,
  });
  expectSameBytes(both, both, "parts");
});

test("an object too large for one CopyObject is copied in the largest parts that there may be", async () => {
  cramped.putGenerated("source", "cramped", { size: 12 * MIB + 1 });
  const status = await mesh.copy(request("cramped", "cramped"));
  expect(status).toMatchObject({ phase: "completed", via: "server", partSize: 6 * MIB, parts: { total: 3 } });
  expect(movedBytes(cramped)).toEqual([]);
  expectSameBytes(cramped, cramped, "cramped");
});

test("a version is copied as that version", async () => {
  both.createBucket("versions", { versioning: true });
  const { versionId } = both.put("versions", "v", "first");
  both.put("versions", "v", "second");
  const source = { store: "both", bucket: "versions", key: "v", versionId };
  expect(await mesh.copy({ ...request("v"), source })).toMatchObject({ phase: "completed", via: "server" });
  expect(both.bytes("destination", "v").toString()).toBe("first");
});

const own = { store: "both", bucket: "versions", key: "" };

test.for([
  ["one CopyObject", "server", 3],
  ["parts", "server", 2 * PART + 1],
  ["one PutObject", "stream", 3],
  ["parts", "stream", 2 * PART + 1],
] as const)("case 110: an older version goes back onto its own key in %s by %s", async ([how, via, size]) => {
  both.createBucket("versions", { versioning: true });
  const key = `${how} ${via}`;
  const old = both.putGenerated("versions", key, { size, seed: "old", computeEtag: true });
  const bytes = both.bytes("versions", key);
  both.putGenerated("versions", key, { size, seed: "new", computeEtag: true });
  const status = await mesh.copy({
    source: { ...own, key, versionId: old.versionId },
    destination: { ...own, key },
    ...(via === "stream" ? { via } : {}),
    ...(size > PART ? { partSize: PART } : {}),
  });
  expect(status).toMatchObject({ phase: "completed", via });
  expect(both.bytes("versions", key).equals(bytes)).toBe(true);
  expect(both.count("DeleteObject")).toBe(0);
});

test("case 110: an object is copied over itself to change its metadata, and stays", async () => {
  both.put("source", "self", "the same bytes", FULL);
  const to = { store: "alias", bucket: "source", key: "self" };
  const status = await mesh.copy({
    source: { ...to, store: "both" },
    destination: to,
    attributes: { cacheControl: "no-cache" },
  });
  expect(status).toMatchObject({ phase: "completed", proof: "etag" });
  expect(both.bytes("source", "self").toString()).toBe("the same bytes");
  expect(both.get("source", "self")?.attributes.headers).toMatchObject({ "cache-control": "no-cache" });
  expect(both.count("DeleteObject")).toBe(0);
});

test.for(["fail", "skip"])(
  "a 412 to CopyObject is no conflict while the destination does not say so (ifExists %s)",
  async (ifExists) => {
    const key = `unclear ${ifExists}`;
    both.put("source", key, "ours");
    const action = () =>
      void both.fault(
        { operation: ["HeadObject", "GetObject"], bucket: "destination" },
        { kind: "answer", code: "InternalError" },
        { times: 1 },
      );
    both.fault({ operation: "CopyObject" }, { kind: "run", stage: "before-body", action }, { times: 1 });
    both.fault({ operation: "CopyObject" }, { kind: "answer", code: "PreconditionFailed" }, { times: 1 });
    const status = await mesh.copy({ ...request(key), ifExists });
    expect(status).toMatchObject({ phase: "completed", via: "server" });
    expect(status).not.toHaveProperty("skipped");
    expectSameBytes(both, both, key);
  },
);

test("two credentials, or via stream, move the bytes through us", async () => {
  shared.put("source", "two", "two");
  const status = await mesh.copy(request("two", "shared", "guest"));
  expect(status).toMatchObject({ phase: "completed", via: "stream" });
  both.put("source", "two", "two");
  expect(await mesh.copy({ ...request("two"), via: "stream" })).toMatchObject({
    via: "stream",
    proof: "etag",
  });
  expect(shared.count("CopyObject") + both.count("CopyObject")).toBe(0);
});

const SIZES = [
  ["CopyObject", 1000, undefined],
  ["UploadPartCopy", 2 * PART + 1, PART],
] as const;

const refusals: readonly (readonly [string, Effect])[] = [
  ["501", { kind: "answer", code: "NotImplemented" }],
  ["403", { kind: "answer", code: "AccessDenied" }],
  ["400", { kind: "answer", code: "InvalidRequest" }],
  ["405", { kind: "answer", code: "MethodNotAllowed" }],
  ["200 and an <Error>", { kind: "answer", status: 200, body: "<Error><Code>AccessDenied</Code></Error>" }],
];

for (const [operation, size, parts] of SIZES) {
  test.for(refusals)(`${operation} refused with %s falls back to streaming`, async ([name, effect]) => {
    const key = `${operation} ${name}`;
    both.putGenerated("source", key, { size, computeEtag: true, ...(parts === undefined ? {} : { parts }) });
    both.fault({ operation }, effect);
    const status = await mesh.copy(request(key));
    expect(status).toMatchObject({
      phase: "completed",
      via: "stream",
      proof: "etag",
      parts: { done: status.parts.total },
    });
    expect(events(status)).toContain("stream_instead");
    expectSameBytes(both, both, key);
  });

  test(`a 412 to ${operation} of which no HEAD can tell the reason is tried again`, async () => {
    const key = `${operation} unclear`;
    both.putGenerated("source", key, { size, computeEtag: true, ...(parts === undefined ? {} : { parts }) });
    // From the refusal on, the source answers no HEAD; then both are well again.
    const action = () =>
      void both.fault(
        { operation: ["HeadObject", "GetObject"], bucket: "source" },
        { kind: "answer", code: "InternalError" },
        { times: 1 },
      );
    both.fault({ operation }, { kind: "run", stage: "before-body", action }, { times: 1 });
    both.fault({ operation }, { kind: "answer", code: "PreconditionFailed" }, { times: 1 });
    // One part at a time: no other part's look at the source is the one that fails.
    const status = await mesh.copy({ ...request(key), lanes: 1, concurrency: 1 });
    expect(status).toMatchObject({ phase: "completed", via: "server" });
    expectSameBytes(both, both, key);
  });

  test.for(["InternalError", "SlowDown"])(
    `${operation} that answers 200 and then %s is tried again`,
    async (code) => {
      const key = `${operation} inside ${code}`;
      both.putGenerated("source", key, {
        size,
        computeEtag: true,
        ...(parts === undefined ? {} : { parts }),
      });
      const body = `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>again</Message></Error>`;
      const rule = both.fault({ operation }, { kind: "answer", status: 200, body }, { times: 1 });
      const status = await mesh.copy(request(key));
      expect(status).toMatchObject({ phase: "completed", via: "server", parts: { failedAttempts: 1 } });
      expect(rule.hits).toBe(1);
      expectSameBytes(both, both, key);
    },
  );

  test.for(["overwrite", "fail", "skip"])(
    `a source replaced before ${operation} fails the copy (ifExists %s)`,
    async (ifExists) => {
      const key = `${operation} changed ${ifExists}`;
      const attributes = { size, computeEtag: true, ...(parts === undefined ? {} : { parts }) };
      both.putGenerated("source", key, attributes);
      const action = () => void both.putGenerated("source", key, { ...attributes, seed: "new" });
      both.fault({ operation }, { kind: "run", stage: "before-body", action }, { times: 1 });
      const status = await mesh.copy({ ...request(key), ifExists });
      expect(status).toMatchObject({ phase: "failed", failure: { code: "source_changed" } });
      expect(both.get("destination", key)).toBeUndefined();
    },
  );
}

test.for([
  ["fail", { phase: "failed", failure: { code: "destination_exists" } }],
  ["skip", { phase: "completed", skipped: true }],
] as const)("an object that appears before CopyObject is not touched (%s)", async ([ifExists, ending]) => {
  const key = `appears ${ifExists}`;
  both.put("source", key, "ours");
  const action = () => void both.put("destination", key, "somebody else's");
  both.fault({ operation: "CopyObject" }, { kind: "run", stage: "before-body", action }, { times: 1 });
  expect(await mesh.copy({ ...request(key), ifExists })).toMatchObject(ending);
  expect(both.bytes("destination", key).toString()).toBe("somebody else's");
});
