// The manifest.json of S3 Inventory: which files the list consists of, and what their columns are
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html, 2026-11). Pure.
//
// It names files, and whoever may write it could name any. So files count only below the folder that holds
// the inventory: `…/config-ID/` of `…/config-ID/2026-11-29T01-00Z/manifest.json`.

import { z } from "zod";
import type { InventoryColumns } from "./manifest_lines.ts";

export interface InventoryFile {
  readonly key: string;
  readonly sizeBytes: number;
  /** In hex. */
  readonly md5: string;
}

type Inventory =
  | { readonly ok: true; readonly files: readonly InventoryFile[]; readonly columns: InventoryColumns }
  | { readonly ok: false; readonly message: string };

const MAX_FILES = 100_000;

const ManifestJson = z.looseObject({
  sourceBucket: z.string(),
  fileFormat: z.string(),
  fileSchema: z.string(),
  files: z
    .array(
      z.looseObject({
        key: z.string().min(1),
        size: z.int().min(0),
        MD5checksum: z.string().regex(/^[0-9a-f]{32}$/i),
      }),
    )
    .max(MAX_FILES),
});

/** The folder that an inventory's files lie in. */
export function inventoryFolder(manifestKey: string): string {
  return manifestKey
    .split("/")
    .slice(0, -2)
    .map((name) => `${name}/`)
    .join("");
}

/** @param text of the object @param key where it lies @param sourceBucket that the lines are to be about */
export function readInventory(text: string, key: string, sourceBucket: string): Inventory {
  const parsed = ManifestJson.safeParse(jsonOf(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
    return refuse(`it is no manifest.json of S3 Inventory${where}: ${issue?.message ?? "not JSON"}`);
  }
  const { data } = parsed;
  if (data.fileFormat.toUpperCase() !== "CSV")
    return refuse(
      `its files are ${data.fileFormat}, which is not read: choose CSV as the output format of the inventory, ` +
        "or name a CSV of bucket,key that was made from it",
    );
  if (data.sourceBucket !== sourceBucket)
    return refuse(`it lists the bucket "${data.sourceBucket}", and "source" is in "${sourceBucket}"`);
  const folder = inventoryFolder(key);
  const stray = data.files.find((file) => !file.key.startsWith(folder));
  if (stray !== undefined)
    return refuse(`its file ${JSON.stringify(stray.key)} is not below ${JSON.stringify(folder)}`);
  const names = data.fileSchema.split(",").map((name) => name.trim().toLowerCase());
  const columnOf = (name: string) => (names.includes(name) ? names.indexOf(name) : null);
  const [bucketAt, keyAt] = [columnOf("bucket"), columnOf("key")];
  if (bucketAt === null || keyAt === null) return refuse("its fileSchema has no Bucket or no Key");
  return {
    ok: true,
    files: data.files.map(({ key: name, size, MD5checksum }) => ({
      key: name,
      sizeBytes: size,
      md5: MD5checksum.toLowerCase(),
    })),
    columns: {
      bucket: bucketAt,
      key: keyAt,
      versionId: columnOf("versionid"),
      isLatest: columnOf("islatest"),
      isDeleteMarker: columnOf("isdeletemarker"),
    },
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refuse(message: string): Extract<Inventory, { ok: false }> {
  return { ok: false, message };
}
