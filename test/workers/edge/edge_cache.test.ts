// Cloudflare's cache stands in the way of a Worker's reads, wherever the store is: none of ours may meet it.

import { beforeEach, expect, test } from "vitest";
import type { TestStore } from "../../store/store.ts";
import { PART, openWorld } from "../world.ts";

let isCached = (_host: string) => false;

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } }, () => ({
  edge: { caching: (host) => isCached(host) },
  storeFields: { west: { profile: { conditionalPut: true } } },
}));

beforeEach(() => {
  isCached = () => false;
  mesh.edge.forget();
});

const at = ({ port }: TestStore) => `127.0.0.1:${port}`;

test.for([
  ["a.jpg", 1000],
  ["backup.tar.gz", 2 * PART + 1],
] as const)(
  "%s, which Cloudflare would cache, is sized, read and verified at the store",
  async ([key, size]) => {
    east.putGenerated("source", key, { size, computeEtag: true });
    const status = await mesh.copy({ source: `east:source/${key}`, destination: `west:destination/${key}` });
    expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 0 } });
    expect(west.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
    expect(mesh.edge.records.filter(({ cache }) => cache === "eligible")).toEqual([]);
    const reads = [...east.requests(), ...west.requests()].filter(({ method }) => /GET|HEAD/.test(method));
    expect(reads.map(({ headers }) => headers["pragma"])).toEqual(reads.map(() => "no-cache"));
  },
);

test("an object for everybody is copied as it is, not as it was when it was copied before", async () => {
  const headers = { "cache-control": "public, max-age=3600" };
  for (const text of ["the old one", "a newer one"]) {
    east.put("source", "page.pdf", text, { headers });
    const status = await mesh.copy({
      source: "east:source/page.pdf",
      destination: "west:destination/page.pdf",
    });
    expect(status).toMatchObject({ phase: "completed" });
    expect(west.bytes("destination", "page.pdf").toString()).toBe(text);
  }
});

test("a sync reads past the cache, and checks what it has copied past it", async () => {
  for (const key of ["p/a.zip", "p/b.png", "p/c"]) east.put("source", key, key);
  const request = { source: "east:source/p/", destination: "west:destination/p/" };
  for (const copied of [3, 0])
    expect(await mesh.sync(request)).toMatchObject({ phase: "completed", objects: { copied, failed: 0 } });
  expect(mesh.edge.records.filter(({ cache }) => cache === "eligible")).toEqual([]);
});

test("a condition that a cache takes out of a read breaks no signature; those of writes are signed", async () => {
  isCached = (host) => host === at(east);
  east.put("source", "q/a.zip", "zipped");
  const status = await mesh.sync({ source: "east:source/q/", destination: "west:destination/q/" });
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 1, failed: 0 } });
  east.put("source", "first", "first");
  await mesh.copy({ source: "east:source/first", destination: "west:destination/first", ifExists: "skip" });
  const [put] = west.requests({ operation: "PutObject" }).filter(({ key }) => key === "first");
  expect(put?.headers["if-none-match"]).toBe("*");
  expect(put?.headers["authorization"]).toMatch(/SignedHeaders=[^,]*if-none-match/);
});
