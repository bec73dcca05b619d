// What Cloudflare's network answers in a store's place: such an answer says nothing about the store's objects
// or the key's rights, and is told as what it is.

import { beforeEach, expect, test } from "vitest";
import type { Interception } from "../../edge/exchange.ts";
import { PART, openWorld } from "../world.ts";

/** Answers in the stores' place. */
let instead: (url: URL, method: string) => Interception | null;

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } }, () => ({
  edge: { maxBodyBytes: PART + 1, intercept: (url, { method = "" }) => instead(url, method) },
}));

beforeEach(() => {
  instead = () => null;
  mesh.edge.forget();
});

const copyOf = (key: string) => ({ source: `east:source/${key}`, destination: `west:destination/${key}` });

const REFUSED = {
  status: 413,
  headers: { server: "cloudflare", "cf-ray": "1-TST" },
  body: "error code: 413",
};

test("a part that is larger than Cloudflare lets pass ends the copy, and says what to set", async () => {
  east.putGenerated("source", "large", { size: 2 * PART + 1 });
  const status = await mesh.copy({ ...copyOf("large"), partSize: PART + 2 });
  expect(status).toMatchObject({
    phase: "failed",
    failure: { code: "part_size_too_large", status: 413, requestId: null },
  });
  expect(status.failure?.message).toMatch(
    /Cloudflare, not the store, answered 413 part_size_too_large; .*MAX_PART_MIB lower.*\(cf-ray [0-9a-f]+-TST\)$/,
  );
  expect(west.uploads()).toEqual([]);
});

test("an object of a sync that is too large to pass is reported by the same name", async () => {
  instead = (url, method) => (method === "PUT" && url.pathname.endsWith("/big") ? REFUSED : null);
  for (const name of ["big", "small"]) east.put("source", `dir/${name}`, name);
  const status = await mesh.sync({ source: "east:source/dir/", destination: "west:destination/dir/" });
  expect(status).toMatchObject({ phase: "finished_with_errors", objects: { copied: 1, failed: 1 } });
  expect(status.failures).toMatchObject([{ key: "dir/big", code: "part_size_too_large" }]);
});

test("a store that is away when a copy begins is called unreachable, with Cloudflare's own request id", async () => {
  await east.outage();
  const status = await mesh.copy(copyOf("away"));
  expect(status).toMatchObject({
    phase: "failed",
    failure: { code: "source_unreachable", storeCode: "http_521", status: 521 },
  });
  expect(status.failure?.message).toMatch(
    /Cloudflare, not the store, answered 521 http_521 \(cf-ray [0-9a-f]+-TST\)$/,
  );
});

const isSecondRange = ({ headers }: { headers: Readonly<Record<string, string>> }) =>
  headers["range"]?.startsWith(`bytes=${PART}-`) ?? false;

test.for([
  [3, "completed"],
  [4, "failed"],
] as const)("a range that is answered %i times with the whole object: %s", async ([times, phase]) => {
  const key = `ranges ${times}`;
  east.putGenerated("source", key, { size: 2 * PART });
  east.fault({ operation: "GetObject", where: isSecondRange }, { kind: "ignore-range" }, { times });
  const status = await mesh.copy({ ...copyOf(key), partSize: PART });
  expect(status).toMatchObject({ phase, parts: { failedAttempts: times } });
  if (phase === "failed") expect(status.failure).toMatchObject({ storeCode: "range_ignored" });
});
