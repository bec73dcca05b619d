// Syncs into a store that unpacks archives: what arrives, at how many requests, and what becomes of objects
// that an archive does not bring.

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import { openWorld } from "../world.ts";

const buckets = ["bucket"];
const {
  mesh,
  stores: { source, unpacking, plain, partial, stored, refusing },
} = await openWorld(
  {
    source: { buckets },
    unpacking: { buckets, archives: "unpacked" },
    plain: { buckets, archives: "unpacked plainly" },
    partial: { buckets, archives: "unpacked" },
    stored: { buckets },
    refusing: { buckets, archives: "unpacked" },
  },
  (stores) => ({
    bindings: Object.fromEntries(
      (["plain", "partial", "stored", "refusing"] as const).map((name) => [
        `STORE_${name.toUpperCase()}`,
        storeSecret(stores[name], { profile: { unpacksTar: true } }),
      ]),
    ),
  }),
);

const NAMES = Array.from({ length: 12 }, (_, index) => `k${String(index).padStart(2, "0")}`);

const fill = (prefix: string) => {
  for (const name of NAMES) source.put("bucket", prefix + name, `bytes of ${name}`);
};

const request = (to: string, prefix: string, more: Record<string, unknown> = {}) => ({
  source: `source:bucket/${prefix}`,
  destination: `${to}:bucket/${prefix}`,
  lanes: 1,
  concurrency: 1,
  ...more,
});

const archived = (store: typeof source) =>
  store.requests({ operation: "PutObject" }).filter(({ key }) => key?.endsWith(".tar")).length;
const keysUnder = (store: typeof source, prefix: string) =>
  store.objects("bucket").flatMap(({ key }) => (key.startsWith(prefix) ? [key] : []));

test("a check finds out that a store unpacks, and a sync then sends small objects as an archive: bytes, attributes, mark", async () => {
  fill("all/");
  const attributes = {
    contentType: "text/csv",
    headers: { "cache-control": "max-age=60" },
    metadata: { a: "b" },
  };
  source.put("bucket", "all/k00", "A", attributes);
  source.put("bucket", `all/${"é".repeat(60)} +`, "long");
  source.put("bucket", "all/empty", "");
  const { body } = await mesh.call<{ profile: object }>("POST", "/stores/unpacking/check", {
    body: { bucket: "bucket" },
  });
  expect(body.profile).toMatchObject({ unpacksTar: true });
  expect(keysUnder(unpacking, "")).toEqual([]);
  unpacking.journal.clear();
  const status = await mesh.sync(request("unpacking", "all/"));
  expect(status).toMatchObject({ phase: "completed", objects: { listed: 14, copied: 14 } });
  expect([archived(unpacking), unpacking.count("PutObject")]).toEqual([1, 1]);
  expect([source.count("GetObject"), unpacking.count("HeadObject")]).toEqual([14, 2]);
  for (const { key } of source.objects("bucket"))
    expect(unpacking.bytes("bucket", key)).toEqual(source.bytes("bucket", key));
  expect(keysUnder(unpacking, "")).toEqual(keysUnder(source, "all/"));
  const landed = unpacking.get("bucket", "all/k00")?.attributes;
  expect(landed).toMatchObject({ ...attributes, metadata: { a: "b" } });
  expect(landed?.metadata["bucket-brigade-copy"]).toMatch(new RegExp(`^${status.id}@.*/[0-9a-f]{32}$`));
  const lines = await mesh.report(status.id);
  expect(new Set(lines.map(({ action, proof }) => `${action} ${proof}`))).toEqual(new Set(["copied etag"]));
  expect(await mesh.sync(request("unpacking", "all/"))).toMatchObject({
    objects: { copied: 0, skipped: 14 },
  });
});

test("what an archive does not bring is copied by itself, and no other object is", async () => {
  fill("part/");
  partial.fault({ operation: "PutObject", key: /\.tar$/ }, { kind: "omit-entries", key: /k0[37]$/ });
  const status = await mesh.sync(request("partial", "part/"));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 12 } });
  const singly = partial.requests({ operation: "PutObject" }).map(({ key }) => key);
  expect(singly.filter((key) => !key?.endsWith(".tar"))).toEqual(["part/k03", "part/k07"]);
  expect(partial.bytes("bucket", "part/k03").toString()).toBe("bytes of k03");
});

test("an archive that is stored as it is, is removed, and its objects go by themselves; no second one is sent", async () => {
  fill("kept/");
  const status = await mesh.sync(request("stored", "kept/"));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 12 } });
  expect(keysUnder(stored, "")).toEqual(NAMES.map((name) => `kept/${name}`));
  fill("again/");
  await mesh.sync(request("stored", "again/"));
  expect(archived(stored)).toBe(1);
});

test("objects that lose their attributes in an archive are copied again, each with its own", async () => {
  fill("lossy/");
  source.put("bucket", "lossy/k05", "five", { metadata: { owner: "ada" } });
  const status = await mesh.sync(request("plain", "lossy/"));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 12 } });
  expect(plain.get("bucket", "lossy/k05")?.attributes.metadata).toMatchObject({ owner: "ada" });
  expect(plain.count("PutObject")).toBe(13);
});

test("a refused archive costs one request, and its answer, if lost, loses nothing", async () => {
  fill("lost/");
  refusing.fault({ operation: "PutObject", key: /\.tar$/ }, { kind: "drop", stage: "before-answer" });
  expect(await mesh.sync(request("refusing", "lost/"))).toMatchObject({ phase: "completed" });
  expect([archived(refusing), refusing.count("PutObject")]).toEqual([1, 1]);
  refusing.clearFaults();
  refusing.journal.clear();
  fill("refused/");
  refusing.fault({ operation: "PutObject", key: /\.tar$/ }, { kind: "answer", code: "AccessDenied" });
  expect(await mesh.sync(request("refusing", "refused/"))).toMatchObject({
    phase: "completed",
    objects: { copied: 12 },
  });
  expect(keysUnder(refusing, "refused/")).toEqual(NAMES.map((name) => `refused/${name}`));
});

test("what an archive cannot carry goes by itself beside it: tags, other bytes than were listed, awkward keys", async () => {
  fill("mixed/");
  const tags = [{ key: "team", value: "a" }];
  source.put("bucket", "mixed/k01", "tagged", { tags });
  source.put("bucket", "mixed//awkward", "awkward");
  const lie = createHash("md5").update("something else").digest("hex");
  source.put("bucket", "mixed/k02", "other bytes", { etag: lie });
  const status = await mesh.sync(request("unpacking", "mixed/", { verify: "auto" }));
  expect(unpacking.get("bucket", "mixed/k01")?.attributes.tags).toEqual(tags);
  expect(unpacking.bytes("bucket", "mixed//awkward").toString()).toBe("awkward");
  const singly = unpacking
    .requests({ operation: "PutObject" })
    .flatMap(({ key = "" }) => (key.endsWith(".tar") ? [] : [key]));
  expect(new Set(singly)).toEqual(new Set(["mixed/k01", "mixed//awkward", "mixed/k02"]));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 13 } });
});

test("a source that throttles while an archive is gathered is left alone, and all arrive in the end", async () => {
  fill("slow/");
  source.fault(
    { operation: "GetObject", key: "slow/k04" },
    { kind: "answer", code: "SlowDown" },
    { times: 1 },
  );
  const status = await mesh.sync(request("unpacking", "slow/"));
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 12 } });
  const asked = source.requests({ operation: "GetObject" }).map(({ key }) => key);
  expect(asked.indexOf("slow/k05")).toBeGreaterThan(asked.indexOf("slow/k04"));
  expect(keysUnder(unpacking, "slow/")).toEqual(NAMES.map((name) => `slow/${name}`));
});
