// The operations of versions: ListObjectVersions (one page), GetBucketVersioning, and the DeleteObject that
// writes a delete marker.
//
// What it needs: a Store and a User-Agent (request.ts signs and sends). listing/versions.ts checks pages and
// joins them.
//
// Invariant: deleteToMarker() names no version, so at a bucket that keeps versions it removes nothing.

import { S3Error } from "./errors.ts";
import { type ObjectAddress, type S3, ask } from "./request.ts";
import { badAnswer } from "./s3.ts";
import {
  type VersionMarker,
  type VersionPage,
  type Versioning,
  parseVersioning,
  parseVersions,
} from "./versions_xml.ts";

interface VersionRequest {
  readonly prefix: string;
  /** Null: from the first key. */
  readonly after: VersionMarker | null;
  readonly maxKeys: number;
}

/** @throws {S3Error} */
export async function listObjectVersions(
  s3: S3,
  bucket: string,
  { prefix, after, maxKeys }: VersionRequest,
): Promise<VersionPage> {
  const operation = "ListObjectVersions";
  const address = { bucket, key: null };
  const query: Record<string, string | number> = {
    versions: "",
    prefix,
    "max-keys": maxKeys,
    "encoding-type": "url",
  };
  if (after !== null) query["key-marker"] = after.key;
  if (after !== null && after.versionId !== null) query["version-id-marker"] = after.versionId;
  const { status, text } = await ask(s3, operation, address, { method: "GET", query });
  const parsed = parseVersions(text);
  if (parsed.kind === "page") return parsed.page;
  if (parsed.kind === "no_listing") return badAnswer(operation, address, text);
  const [code, detail] =
    parsed.kind === "unclear"
      ? (["bad_answer", `the list of versions cannot be believed: ${parsed.detail}`] as const)
      : ([
          "unreadable_key",
          `the list has the key ${JSON.stringify(parsed.shown)}, which XML cannot carry, and the store does not encode names`,
        ] as const);
  throw new S3Error(operation, address, { code, detail, status });
}

/** @throws {S3Error} also of a store that does not know versions */
export async function getBucketVersioning(s3: S3, bucket: string): Promise<Versioning> {
  const operation = "GetBucketVersioning";
  const address = { bucket, key: null };
  const { text } = await ask(s3, operation, address, { method: "GET", query: { versioning: "" } });
  return parseVersioning(text) ?? badAnswer(operation, address, text);
}

/** Deletes by a marker: every version stays. @throws {S3Error} also if the answer names no marker */
export async function deleteToMarker(s3: S3, { bucket, key }: ObjectAddress): Promise<void> {
  const operation = "DeleteObject";
  const { status, headers } = await ask(s3, operation, { bucket, key }, { method: "DELETE" });
  if (headers.get("x-amz-delete-marker")?.trim().toLowerCase() === "true") return;
  const detail = "the store has answered the delete with success, and names no delete marker";
  throw new S3Error(operation, { bucket, key }, { code: "bad_answer", detail, status });
}
