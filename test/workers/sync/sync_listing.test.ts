// What a listing says is a hint: the object's own answer decides. A listing that cannot be believed never
// ends a run as completed.

import { beforeEach, expect, test } from "vitest";
import { openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west, paged },
} = await openWorld({
  east: { buckets: ["source"] },
  west: { buckets: ["destination"] },
  paged: { buckets: ["source", "destination"] },
});

beforeEach(() => {
  for (const { key } of east.objects("source")) east.delete("source", key);
  for (const { key } of west.objects("destination")) west.delete("destination", key);
});

const REQUEST = { source: "east:source/p/", destination: "west:destination/p/" };

const keys = () =>
  west
    .objects("destination")
    .map(({ key }) => key)
    .filter((key) => !key.startsWith(".bucket-brigade/"));

const ETAG = "0123456789abcdef-opaque";

/** A gateway that lists more bytes than it serves, under ETags of its own. */
function listWrongSizes(objects: Readonly<Record<string, string>>): void {
  let contents = "";
  for (const [key, text] of Object.entries(objects)) {
    east.put("source", key, text);
    contents += `<Contents><Key>${key}</Key><Size>${text.length + 28}</Size><ETag>"${ETAG}"</ETag></Contents>`;
    east.fault(
      { operation: ["HeadObject", "GetObject"], key },
      { kind: "header", name: "ETag", value: `"${ETAG}"` },
    );
  }
  const body = `<ListBucketResult><KeyCount>${Object.keys(objects).length}</KeyCount><IsTruncated>false</IsTruncated>${contents}</ListBucketResult>`;
  east.fault(
    { operation: "ListObjectsV2" },
    { kind: "answer", status: 200, body, contentType: "application/xml" },
  );
  east.fault({ operation: ["HeadObject", "GetObject"] }, { kind: "ignore-conditions" });
}

test("case 114: the size that GET announces is believed, and a second run copies nothing", async () => {
  listWrongSizes({ "p/a": "one", "p/b": "three", "p/c": "seventeen" });
  const first = await mesh.sync(REQUEST);
  expect(first).toMatchObject({ phase: "completed", objects: { copied: 3 }, bytes: { copied: 17 } });
  expect(west.bytes("destination", "p/c").toString()).toBe("seventeen");
  expect(east.count("GetObject")).toBe(3);
  const second = await mesh.sync(REQUEST);
  expect(second).toMatchObject({ phase: "completed", objects: { copied: 0, skipped: 3 } });
  expect(east.count("GetObject")).toBe(3);
});

test("case 114: a body that is shorter than its own Content-Length stays an error", async () => {
  east.put("source", "p/a", "some bytes");
  east.fault({ operation: "GetObject" }, { kind: "truncate", missingBytes: 1, how: "cut" });
  const status = await mesh.sync(REQUEST);
  expect(status).toMatchObject({ phase: "finished_with_errors", objects: { failed: 1 } });
  expect(keys()).toEqual([]);
});

test("the marker of the folder that is copied is left out at a bucket's root, and told", async () => {
  east.put("source", "p/", "");
  east.put("source", "p/a", "A");
  west.put("destination", "gone", "x");
  const status = await mesh.sync({
    source: "east:source/p/",
    destination: "west:destination",
    delete: true,
    maxDeletes: 1,
  });
  expect(status).toMatchObject({
    phase: "completed",
    objects: { copied: 1, skipped: 1 },
    skippedBy: { prefix_itself: 1 },
    deletes: { deleted: 1 },
  });
  expect(keys()).toEqual(["a"]);
});

const twoKeys =
  "<Contents><Key>p/a</Key><Size>1</Size></Contents><Contents><Key>p/b</Key><Size>1</Size></Contents>";

test.each([
  [
    "a group that was not asked for",
    `<IsTruncated>false</IsTruncated>${twoKeys}<CommonPrefixes><Prefix>p/c/</Prefix></CommonPrefixes>`,
  ],
])("a listing with %s is no listing: nothing is deleted, and the run has failed", async (_what, inside) => {
  for (const key of ["p/a", "p/b"]) east.put("source", key, "x");
  west.put("destination", "p/c/1", "kept");
  east.fault(
    { operation: "ListObjectsV2" },
    { kind: "answer", status: 200, body: `<ListBucketResult>${inside}</ListBucketResult>` },
  );
  const status = await mesh.sync({ ...REQUEST, delete: true, maxDeletes: "100%" });
  expect(status).toMatchObject({ phase: "failed", failure: { operation: "ListObjectsV2" } });
  expect(keys()).toContain("p/c/1");
});

test("one key that is no UTF-8 fails alone: the others are copied, nothing is deleted, and a retry does not guess", async () => {
  for (const key of ["p/a", "p/b", "p/caf%E9"]) east.put("source", key, key);
  west.put("destination", "p/extra", "kept");
  const names = ["p/a", "p/b", "p/caf%E9"];
  const contents = names.map((key) => `<Contents><Key>${key}</Key><Size>${key.length}</Size></Contents>`);
  const body = `<ListBucketResult><EncodingType>url</EncodingType><KeyCount>3</KeyCount><IsTruncated>false</IsTruncated>${contents.join("")}</ListBucketResult>`;
  east.fault({ operation: "ListObjectsV2" }, { kind: "answer", status: 200, body });
  const status = await mesh.sync({ ...REQUEST, delete: true, maxDeletes: "100%" });
  const expected = {
    phase: "finished_with_errors",
    objects: { listed: 3, copied: 2, failed: 1 },
    deletes: { deleted: 0, refusedBy: "failed_keys" },
    failures: [{ key: "p/caf%E9", code: "unreadable_key" }],
  };
  expect(status).toMatchObject(expected);
  await mesh.call("POST", `/syncs/${status.id}/retry`);
  expect(await mesh.syncEnded(status.id)).toMatchObject(expected);
  expect(keys()).toEqual(["p/a", "p/b", "p/extra"]);
});

test("slow pages of a large prefix are asked for by several events, each within its connections", async () => {
  for (const bucket of ["source", "destination"]) {
    for (let n = 0; n < 20_000; n++) paged.put(bucket, `p/${Math.floor(n / 250)}/${n}`, "bytes");
  }
  // Long beside what a busy machine needs to ask: then the pages are waited for at once.
  paged.fault({ operation: "ListObjectsV2" }, { kind: "delay", milliseconds: 300 });
  const request = { source: "paged:source/p/", destination: "paged:destination/p/" };
  expect(await mesh.sync(request)).toMatchObject({
    phase: "completed",
    objects: { listed: 20_000, skipped: 20_000 },
  });
  const pages = paged.requests({ operation: "ListObjectsV2" });
  const events = new Set(pages.map(({ userAgent }) => userAgent?.split(" ").at(-1)));
  expect(events).toContain("listing/1");
  expect(events).toContain("listing/2");
});
