// Syncs whose two sides are one service under one credential: it copies each small object by itself. And what
// nobody signs: a public bucket of that service.

import { expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import type { Effect } from "../../store/store.ts";
import { PART, openWorld } from "../world.ts";

/** The secret of a store without a key. */
function unsigned(secret: string): string {
  const { accessKeyId: _id, secretAccessKey: _key, ...rest } = JSON.parse(secret) as Record<string, unknown>;
  return JSON.stringify({ ...rest, anonymous: true });
}

const guest = { accessKeyId: "guest", secretAccessKey: "guest's secret" };
const {
  mesh,
  stores: { both, keeping },
} = await openWorld(
  {
    keeping: { buckets: ["source", "destination"] },
    both: {
      buckets: ["source", "destination", "public"],
      publicBuckets: ["public"],
      credentials: [{ accessKeyId: "owner", secretAccessKey: "owner's secret" }, guest],
    },
  },
  (stores) => ({
    bindings: {
      STORE_GUEST: storeSecret(stores.both, guest),
      STORE_OPEN: unsigned(storeSecret(stores.both)),
      STORE_OPAQUE: storeSecret(stores.both, { profile: { md5Etag: false } }),
    },
  }),
);

const request = (prefix: string, { to = "both", from = to, ...more }: Record<string, unknown> = {}) => ({
  source: `${String(from)}:source/${prefix}`,
  destination: `${String(to)}:destination/${prefix}`,
  ...more,
});

test("no byte passes the mesh, the attributes come along, and a second run copies nothing", async () => {
  const attributes = {
    contentType: "text/csv",
    headers: { "cache-control": "max-age=60" },
    tags: [{ key: "team", value: "a b" }],
    storageClass: "STANDARD_IA",
  };
  const key = "plain/a+b c/é%2F";
  const { etag } = both.put("source", key, "A", { ...attributes, metadata: { owner: "ada" } });
  both.put("source", "plain/empty", "");
  const first = await mesh.sync(request("plain/"));
  expect(first).toMatchObject({ phase: "completed", objects: { copied: 2 } });
  expect([both.count("CopyObject"), both.count("GetObject")]).toEqual([2, 0]);
  expect(both.bytes("destination", key).toString()).toBe("A");
  expect(both.get("destination", key)?.attributes).toMatchObject({
    ...attributes,
    metadata: { owner: "ada" },
  });
  const lines = await mesh.report(first.id);
  expect(lines.find((line) => line.key === key)).toMatchObject({ proof: "etag", etag: `"${etag}"`, size: 1 });
  expect(await mesh.sync(request("plain/"))).toMatchObject({ objects: { copied: 0, skipped: 2 } });
});

test("two credentials move the bytes through the mesh", async () => {
  both.put("source", "two/a", "A");
  expect(await mesh.sync(request("two/", { to: "guest", from: "both" }))).toMatchObject({
    phase: "completed",
    objects: { copied: 1 },
  });
  expect(both.count("CopyObject")).toBe(0);
});

test("strict at a store of opaque ETags takes the way on which the bytes can be proved, or none", async () => {
  both.put("source", "strict/a", "A");
  const status = await mesh.sync(request("strict/", { to: "opaque", verify: "strict" }));
  expect(status).toMatchObject({ phase: "finished_with_errors", failures: [{ code: "proof_impossible" }] });
  expect(both.count("CopyObject")).toBe(0);
  expect(both.get("destination", "strict/a")).toBeUndefined();
});

const refusals: readonly (readonly [string, Effect])[] = [
  ["501", { kind: "answer", code: "NotImplemented" }],
  ["403", { kind: "answer", code: "AccessDenied" }],
  ["400", { kind: "answer", code: "InvalidRequest" }],
  ["200 and an <Error>", { kind: "answer", status: 200, body: "<Error><Code>AccessDenied</Code></Error>" }],
];

test.for(refusals)("a CopyObject refused with %s: the bytes go through the mesh", async ([name, effect]) => {
  const prefix = `refused ${name}/`;
  both.put("source", `${prefix}a`, "A");
  both.fault({ operation: "CopyObject" }, effect);
  expect(await mesh.sync(request(prefix))).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(both.bytes("destination", `${prefix}a`).toString()).toBe("A");
});

test("a CopyObject that answers 200 and then SlowDown is tried again", async () => {
  both.put("source", "slow/a", "A");
  const body = `<?xml version="1.0"?>\n<Error><Code>SlowDown</Code><Message>again</Message></Error>`;
  const rule = both.fault({ operation: "CopyObject" }, { kind: "answer", status: 200, body }, { times: 1 });
  expect(await mesh.sync(request("slow/"))).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect([rule.hits, both.count("CopyObject"), both.count("GetObject")]).toEqual([1, 2, 0]);
});

test("an object replaced before its CopyObject is copied as it is then", async () => {
  both.put("source", "changed/a", "old");
  const action = () => void both.put("source", "changed/a", "newer");
  both.fault({ operation: "CopyObject" }, { kind: "run", stage: "before-body", action }, { times: 1 });
  const status = await mesh.sync(request("changed/"));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(both.bytes("destination", "changed/a").toString()).toBe("newer");
  expect((await mesh.report(status.id))[0]).toMatchObject({ action: "copied", size: 5 });
});

test("an attribute that the service refuses is left out and told", async () => {
  both.put("source", "attribute/a", "A", { storageClass: "GLACIER_IR" });
  both.fault({ operation: "CopyObject" }, { kind: "answer", code: "InvalidStorageClass" }, { times: 1 });
  const status = await mesh.sync(request("attribute/"));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(both.count("GetObject")).toBe(0);
  const [line] = await mesh.report(status.id);
  expect(line?.warnings?.join()).toMatch(/storage class/);
});

test("where a check has seen that copies keep attributes, one request copies an object", async () => {
  for (const bucket of ["source", "destination"])
    await mesh.call("POST", "/stores/keeping/check", { body: { bucket } });
  const attributes = {
    contentType: "text/csv",
    headers: { "cache-control": "max-age=60" },
    metadata: { owner: "ada", "bucket-brigade-copy": "of a copy before" },
    tags: [{ key: "team", value: "a b" }],
  };
  const classes = ["STANDARD", "STANDARD_IA", "STANDARD_IA"];
  for (const [index, storageClass] of classes.entries())
    keeping.put("source", `kept/${index}`, `bytes ${index}`, { ...attributes, storageClass });
  keeping.journal.clear();
  const ask = (prefix: string, more = {}) => mesh.sync(request(prefix, { to: "keeping", ...more }));
  const first = await ask("kept/");
  expect(first).toMatchObject({ phase: "completed", objects: { copied: 3 } });
  const lines = await mesh.report(first.id);
  const tries = lines.reduce((sum, { attempts }) => sum + Number(attempts), 0);
  expect([keeping.count("CopyObject"), keeping.count("GetObject")]).toEqual([tries, 0]);
  expect(keeping.count("GetObjectTagging")).toBe(0);
  // The class is looked at until one of its kind has shown it.
  expect([1, 2]).toContain(keeping.count("HeadObject"));
  for (const [index, storageClass] of classes.entries())
    expect(keeping.get("destination", `kept/${index}`)?.attributes).toMatchObject({
      ...attributes,
      storageClass,
    });
  expect(lines.map(({ proof }) => proof)).toEqual(["etag", "etag", "etag"]);
  expect(await ask("kept/")).toMatchObject({ objects: { copied: 0, skipped: 3 } });
  await ask("kept/", {
    destination: "keeping:destination/changed/",
    attributes: { cacheControl: "no-store" },
  });
  expect(keeping.count("HeadObject")).toBeGreaterThanOrEqual(4);
  expect(keeping.get("destination", "changed/0")?.attributes.headers).toEqual({
    "cache-control": "no-store",
  });
});

test.for([
  ["is another one by the time of its copy", "newer", 412],
  ["gets another ETag by its copy", "older", 200],
] as const)("an object that %s is looked at, copied and marked", async ([name, bytes, status]) => {
  keeping.put("source", `${name}/a`, "older");
  const other = '<CopyObjectResult><ETag>"11111111111111111111111111111111"</ETag></CopyObjectResult>';
  const effect: Effect =
    status === 200
      ? { kind: "answer", status, body: other }
      : { kind: "run", stage: "before-body", action: () => void keeping.put("source", `${name}/a`, "newer") };
  keeping.fault({ operation: "CopyObject" }, effect, { times: 1 });
  keeping.journal.clear();
  expect(await mesh.sync(request(`${name}/`, { to: "keeping" }))).toMatchObject({ objects: { copied: 1 } });
  expect([keeping.count("CopyObject"), keeping.count("HeadObject")]).toEqual([2, 1]);
  expect(keeping.bytes("destination", `${name}/a`).toString()).toBe(bytes);
  expect(keeping.get("destination", `${name}/a`)?.attributes.metadata).toHaveProperty("bucket-brigade-copy");
});

test("a public bucket is listed and read without a signature, by copies in parts as well", async () => {
  both.put("public", "data/a", "A");
  both.put("public", "data/b c", "B");
  both.putGenerated("public", "large", { size: 2 * PART + 1, seed: "large" });
  both.journal.clear();
  const status = await mesh.sync({ source: "open:public/data/", destination: "both:destination/open/" });
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 2 } });
  const copy = await mesh.copy({
    source: "open:public/large",
    destination: "both:destination/large",
    partSize: PART,
  });
  expect(copy).toMatchObject({ phase: "completed", parts: { total: 3 } });
  expect(both.bytes("destination", "large").equals(both.bytes("public", "large"))).toBe(true);
  const reads = both.requests().filter(({ bucket }) => bucket === "public");
  expect(reads.filter(({ headers }) => "authorization" in headers)).toEqual([]);
  expect(both.count("CopyObject")).toBe(0);
  const check = await mesh.call("POST", "/stores/open/check", { body: { bucket: "public" } });
  expect(check.body).toMatchObject({ ok: true, as: "source" });
});

test("without a signature nothing is written, and what is not public is refused", async () => {
  both.put("source", "private/a", "A");
  const answer = await mesh.call("POST", "/copies", {
    body: { source: "both:source/private/a", destination: "open:public/a" },
  });
  expect([answer.status, answer.body["code"]]).toEqual([403, "store_read_only"]);
  const status = await mesh.sync({
    source: "open:source/private/",
    destination: "both:destination/private/",
  });
  expect(status).toMatchObject({ failure: { code: "source_access_denied" } });
  if (status.phase === "blocked") await mesh.call("POST", `/syncs/${status.id}/cancel`);
});
