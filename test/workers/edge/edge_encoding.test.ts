// What is stored with a Content-Encoding is copied as it is stored, although Cloudflare's network
// decompresses it for a client that does not accept it, and compresses text for one that does; neither has a
// length then.

import { brotliCompressSync, gzipSync } from "node:zlib";
import { beforeEach, expect, test } from "vitest";
import { type TestStore, generatedBytes } from "../../store/store.ts";
import { PART, openWorld } from "../world.ts";

let packs = false;

const {
  mesh,
  stores: { east, west, google },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"] },
    google: { buckets: ["source"] },
  },
  () => ({ edge: { packing: () => packs }, storeFields: { google: { provider: "gcs" } } }),
);

beforeEach(() => {
  packs = false;
  mesh.edge.forget();
});

const TEXT = Buffer.from("<a>x</a>".repeat(500));
const RANDOM = generatedBytes("random", 0, 2 * PART);

function expectSameObject(from: TestStore, key: string): void {
  expect(west.bytes("destination", key).equals(from.bytes("source", key))).toBe(true);
  const attributes = from.get("source", key)?.attributes;
  const { contentType, headers } = attributes ?? {};
  expect(west.get("destination", key)?.attributes).toMatchObject({ contentType, headers });
}

test.for([
  ["gzip", "small", gzipSync(TEXT)],
  ["gzip", "larger than two parts", gzipSync(RANDOM, { level: 0 })],
  ["br", "small", brotliCompressSync(TEXT)],
  ["br", "larger than two parts", brotliCompressSync(RANDOM)],
  ["gzip", "empty", Buffer.alloc(0)],
  ["gzip", "by name only, and small", TEXT],
] as const)(
  "an object stored as %s (%s) arrives byte for byte, and is proved",
  async ([coding, size, bytes]) => {
    const key = `${coding}, ${size}.xml`;
    east.put("source", key, bytes, { contentType: "text/xml", headers: { "content-encoding": coding } });
    const status = await mesh.copy({
      source: `east:source/${key}`,
      destination: `west:destination/${key}`,
      partSize: PART,
    });
    expect(status).toMatchObject({ phase: "completed", size: bytes.length, parts: { failedAttempts: 0 } });
    expect(status.proof).not.toBe("length");
    expectSameObject(east, key);
    // What the HEAD has found out is kept: no byte is asked for twice.
    const reads = east.requests({ operation: "GetObject", key }).filter(({ query }) => !query.has("tagging"));
    const parts = bytes.length === 0 ? 0 : Math.ceil(bytes.length / PART);
    expect(reads).toHaveLength(parts);
  },
);

test("a sync copies what is stored as gzip as it is stored, and copies nothing the second time", async () => {
  for (const name of ["a", "b", "c"])
    east.put("source", `logs/${name}`, gzipSync(name + TEXT), { headers: { "content-encoding": "gzip" } });
  east.put("source", "logs/plain", TEXT);
  const request = { source: "east:source/logs/", destination: "west:destination/logs/" };
  for (const copied of [4, 0]) {
    const status = await mesh.sync({ ...request, compare: "checksum" });
    expect(status).toMatchObject({ phase: "completed", objects: { copied, failed: 0 } });
  }
  for (const name of ["a", "b", "c", "plain"]) expectSameObject(east, `logs/${name}`);
});

test.for(["east", "google"] as const)(
  "text is read as it is stored from %s, behind a proxy that compresses it",
  async (name) => {
    packs = true;
    const store = { east, google }[name];
    const contentType = "text/plain";
    store.put("source", `text/${name}-whole`, TEXT, { contentType });
    store.put("source", `text/${name}-parts`, RANDOM, { contentType });
    for (const key of [`text/${name}-whole`, `text/${name}-parts`]) {
      const status = await mesh.copy({
        source: `${name}:source/${key}`,
        destination: `west:destination/${key}`,
        partSize: PART,
      });
      expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 0 } });
      expectSameObject(store, key);
    }
    const status = await mesh.sync({
      source: `${name}:source/text/`,
      destination: "west:destination/synced/",
    });
    expect(status).toMatchObject({ phase: "completed", objects: { copied: 2, failed: 0 } });
    expect(west.bytes("destination", `synced/${name}-whole`).equals(TEXT)).toBe(true);
  },
);

test.for([
  ["a range of one byte", false],
  ["the listing, where ranges are ignored as well", true],
] as const)("a store whose HEAD has no length in any way is asked by %s", async ([name, ignoresRanges]) => {
  const key = `no length/${name}`;
  east.put("source", key, TEXT);
  east.fault({ operation: "HeadObject", key }, { kind: "header", name: "Content-Length", value: undefined });
  if (ignoresRanges) {
    east.fault({ operation: "GetObject", key }, { kind: "ignore-range" });
    east.fault({ operation: "GetObject", key }, { kind: "header", name: "Content-Length", value: undefined });
  }
  const status = await mesh.copy({ source: `east:source/${key}`, destination: `west:destination/${key}` });
  expect(status).toMatchObject({ phase: "completed", size: TEXT.length });
  expectSameObject(east, key);
  expect(east.requests({ operation: "ListObjectsV2" }).length).toBe(ignoresRanges ? 1 : 0);
});

test("a store that tells no size in any way ends the copy, and says so", async () => {
  const key = "no size";
  east.put("source", key, TEXT);
  east.fault({ operation: "HeadObject", key }, { kind: "header", name: "Content-Length", value: undefined });
  east.fault({ operation: "GetObject", key }, { kind: "answer", status: 400, code: "InvalidRequest" });
  east.fault({ operation: "ListObjectsV2" }, { kind: "answer", code: "AccessDenied" });
  const status = await mesh.copy({ source: `east:source/${key}`, destination: `west:destination/${key}` });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "source_without_etag" } });
});
