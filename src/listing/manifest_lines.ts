// What a line of a manifest names. Pure.
//
//   csv       bucket,key or bucket,key,version, the key URL-encoded, as S3 Batch Operations takes it
//   keys      one key in a line, as it is
//   ndjson    one text in a line, or one object with "key", among them the lines of a sync's report
//   inventory a file of S3 Inventory as CSV, with the columns that its manifest.json names
//
// URL-encoded is what S3 writes: a plus sign is a space
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html, 2026-11).

import { KEY_ACTIONS, MANIFEST_FORMATS } from "../http/vocabulary.ts";
import { decodeForm } from "../s3/xml.ts";

export type ManifestFormat = (typeof MANIFEST_FORMATS)[number];

export type KeyAction = (typeof KEY_ACTIONS)[number];

export interface NamedKey {
  /** Null: the line names none. */
  readonly bucket: string | null;
  readonly key: string;
  /** Null: the current one. */
  readonly versionId: string | null;
}

type Line =
  | ({ readonly kind: "key" } & NamedKey)
  /** An inventory's line of an older version or a delete marker. */
  | { readonly kind: "not_current"; readonly key: string }
  /** An empty line, or one of a report whose action is not asked for. */
  | { readonly kind: "nothing" }
  | { readonly kind: "bad"; readonly why: string };

export type ReadLine = (line: string) => Line;

/** Where the columns of an inventory stand that are of use, from 0. */
export interface InventoryColumns {
  readonly bucket: number;
  readonly key: number;
  readonly versionId: number | null;
  readonly isLatest: number | null;
  readonly isDeleteMarker: number | null;
}

interface Reading {
  /** Of a report: the lines that count. Null: all that name a key of the source. */
  readonly actions: readonly KeyAction[] | null;
  /** Of an inventory. */
  readonly columns: InventoryColumns | null;
}

/** Lines of a report about a key of the destination. */
const OF_DESTINATION: readonly string[] = ["deleted", "delete_failed", "would_delete", "extra"];

/** @throws {RangeError} for an inventory without its columns */
export function readerOf(format: ManifestFormat, { actions, columns }: Reading): ReadLine {
  const read = { csv: readCsv, keys: readKey, ndjson: readJson(actions), inventory: readInventory(columns) };
  return (line) => (line.trim() === "" ? { kind: "nothing" } : read[format](line));
}

/** By the ending of its key; `.gz` behind that ending counts for nothing. */
export function formatOf(key: string): ManifestFormat {
  if (/(^|\/)manifest\.json$/i.test(key)) return "inventory";
  const name = key.replace(/\.gz$/i, "").toLowerCase();
  if (name.endsWith(".csv")) return "csv";
  return /\.(ndjson|jsonl)$/.test(name) ? "ndjson" : "keys";
}

function readKey(key: string): Line {
  return { kind: "key", bucket: null, key, versionId: null };
}

function readCsv(line: string): Line {
  const fields = fieldsOf(line);
  if (fields === null) return bad("a quotation mark is not closed, or something follows it");
  if (fields.length < 2 || fields.length > 3)
    return bad(`it has ${fields.length} fields; expected are bucket,key or bucket,key,version`);
  const [bucket = "", encoded = "", versionId = ""] = fields;
  return keyOf(bucket, encoded, versionId);
}

function readInventory(columns: InventoryColumns | null): ReadLine {
  if (columns === null) return () => bad("the columns are not known");
  const least = Math.max(...Object.values(columns).filter((at) => at !== null)) + 1;
  return (line) => {
    const fields = fieldsOf(line);
    if (fields === null) return bad("a quotation mark is not closed, or something follows it");
    if (fields.length < least) return bad(`it has ${fields.length} fields; the columns need ${least}`);
    const at = (index: number | null) => (index === null ? "" : (fields[index] ?? ""));
    const named = keyOf(at(columns.bucket), at(columns.key), "");
    const isOld = /^false$/i.test(at(columns.isLatest)) || /^true$/i.test(at(columns.isDeleteMarker));
    return isOld && named.kind === "key" ? { kind: "not_current", key: named.key } : named;
  };
}

function readJson(actions: readonly KeyAction[] | null): ReadLine {
  return (line) => {
    const value = parsed(line);
    if (typeof value === "string") return value === "" ? bad("its key is empty") : readKey(value);
    if (typeof value !== "object" || value === null || !("key" in value))
      return bad('it is neither a text nor an object with "key" as JSON');
    const { key, action, outcome, bucket, versionId, deleteMarker } = value as Readonly<
      Record<string, unknown>
    >;
    if (typeof key !== "string" || key === "") return bad('"key" is no text, or empty');
    const counts =
      actions === null
        ? !OF_DESTINATION.includes(String(action ?? outcome))
        : actions.some((wanted) => wanted === action);
    if (!counts) return { kind: "nothing" };
    if (deleteMarker === true) return { kind: "not_current", key };
    return { kind: "key", bucket: textOrNull(bucket), key, versionId: textOrNull(versionId) };
  };
}

function keyOf(bucket: string, encoded: string, versionId: string): Line {
  const key = decodeForm(encoded);
  if (key === null || /%(?![0-9a-f]{2})/i.test(encoded))
    return bad(
      `the key ${JSON.stringify(encoded)} is not URL-encoded UTF-8: a % that is meant is written %25`,
    );
  if (key === "") return bad("its key is empty");
  return { kind: "key", bucket, key, versionId: versionId === "" ? null : versionId };
}

/** The fields of a line of CSV (RFC 4180). Null: it is none. */
function fieldsOf(line: string): string[] | null {
  if (!line.includes('"')) return line.split(",");
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (;;) {
    const match = field.exec(line);
    if (match === null) return null;
    const [, quoted, bare = "", end] = match;
    fields.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'));
    if (end === "") return fields;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function bad(why: string): Extract<Line, { kind: "bad" }> {
  return { kind: "bad", why };
}
