import { expect, test } from "vitest";
import { placesOfSync } from "../../../src/access/places.ts";
import { inventoryFolder, readInventory } from "../../../src/listing/inventory.ts";

const KEY = "inv/photos/daily/2026-11-29T01-00Z/manifest.json";
const file = (key: string) => ({ key, size: 10, MD5checksum: "0123456789ABCDEF0123456789abcdef" });
const manifest = (more: Record<string, unknown> = {}) => ({
  sourceBucket: "photos",
  destinationBucket: "arn:aws:s3:::lists",
  version: "2016-11-30",
  fileFormat: "CSV",
  fileSchema: "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size",
  files: [file("inv/photos/daily/data/a.csv.gz")],
  ...more,
});
const read = (more: Record<string, unknown> = {}) =>
  readInventory(JSON.stringify(manifest(more)), KEY, "photos");

test("its files and columns", () => {
  expect(read()).toEqual({
    ok: true,
    files: [
      { key: "inv/photos/daily/data/a.csv.gz", sizeBytes: 10, md5: "0123456789abcdef0123456789abcdef" },
    ],
    columns: { bucket: 0, key: 1, versionId: 2, isLatest: 3, isDeleteMarker: 4 },
  });
});

test.each([
  [{ fileFormat: "Parquet" }, /files are Parquet, which is not read: choose CSV/],
  [{ fileFormat: "ORC" }, /files are ORC, which is not read/],
  [{ sourceBucket: "other" }, /lists the bucket "other", and "source" is in "photos"/],
  [{ files: [file("secret/x.csv")] }, /"secret\/x.csv" is not below "inv\/photos\/daily\/"/],
  [{ fileSchema: "Bucket, Size" }, /no Bucket or no Key/],
  [{ files: [{ key: "x", size: 1 }] }, /no manifest.json of S3 Inventory at files.0.MD5checksum/],
])("%j is refused", (more, message) => {
  expect(read(more)).toMatchObject({ ok: false, message: expect.stringMatching(message) });
});

test("what is no JSON is refused", () => {
  expect(readInventory("{", KEY, "photos")).toMatchObject({ ok: false });
});

test.each([KEY, "a/manifest.json", "manifest.json"])(
  "%s may name files of the very folder that its reader must have a right to",
  (key) => {
    const place = { store: "east", bucket: "lists", prefix: "" };
    const object = { store: "east", bucket: "lists", key };
    const touched = placesOfSync({ source: place, destination: place, manifest: object });
    expect(touched).toMatchObject({ source: [{}, { bucket: "lists", name: inventoryFolder(key) }] });
  },
);
