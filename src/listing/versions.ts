// The versions of the keys under a prefix, a page at a time, from a cursor that survives any death. Keys come
// in ascending order, the versions of a key newest first, delete markers among them.
//
// What it needs: a store that lists in UTF-8 byte order. Memory holds one page, however many versions a key
// has.
//
// Invariant: `next: null` comes only after the last version. A page out of order, one that does not move on,
// or one that is of another bucket or prefix is an error: a history in a wrong order is no history.

import { compareKeys } from "./key_order.ts";
import { expectedOrder } from "./listing.ts";
import { meshError, S3Error } from "../s3/errors.ts";
import type { S3 } from "../s3/request.ts";
import { getBucketVersioning, listObjectVersions } from "../s3/versions.ts";
import type { ListedVersion, VersionMarker, VersionPage } from "../s3/versions_xml.ts";

/** How far the versions are listed. Plain data. */
export interface VersionCursor {
  readonly kind: "versions";
  readonly after: VersionMarker;
  /** The key that was listed last, whose older versions may follow. */
  readonly lastKey: string | null;
}

interface VersionsRead {
  readonly versions: readonly ListedVersion[];
  readonly unreadable: readonly string[];
  readonly next: VersionCursor | null;
}

const PAGE_VERSIONS = 1000;

/** @throws {S3Error} after which the same cursor may be tried again */
export async function listVersions(
  s3: S3,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  cursor: VersionCursor | null,
  maxKeys = PAGE_VERSIONS,
): Promise<VersionsRead> {
  if (expectedOrder(s3.store, bucket) !== "utf8")
    throw refusal(bucket, "unsorted_listing", "the store does not list keys in the order of their bytes");
  const after = cursor?.after ?? null;
  const page = await listObjectVersions(s3, bucket, { prefix, after, maxKeys });
  const fault = faultOf(page, { bucket, prefix }, cursor);
  if (fault !== null) throw refusal(bucket, fault.code, fault.detail);
  const lastKey = page.versions.at(-1)?.key ?? cursor?.lastKey ?? null;
  const next = page.next === null ? null : ({ kind: "versions", after: page.next, lastKey } as const);
  return { versions: page.versions, unreadable: page.unreadable, next };
}

/** Why a page is not what follows the cursor; null: it is. */
export function faultOf(
  { bucket: named, versions, next }: VersionPage,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  cursor: VersionCursor | null,
): { readonly code: "bad_answer" | "unsorted_listing"; readonly detail: string } | null {
  if (named !== null && named !== "" && named !== bucket && !/-(s3alias|op-s3|ol-s3)$/.test(bucket))
    return bad(`asked for the bucket ${show(bucket)}, the store listed ${show(named)}`);
  let lastKey = cursor?.lastKey ?? null;
  const seen = new Set<string>();
  for (const { key, versionId, isLatest, lastModifiedMs } of versions) {
    if (!key.startsWith(prefix)) return bad(`${show(key)} is not under the prefix ${show(prefix)}`);
    if (lastModifiedMs === null) return bad(`the version ${show(versionId)} of ${show(key)} has no time`);
    const order = lastKey === null ? 1 : compareKeys(key, lastKey);
    if (order < 0) return unsorted(`it lists ${show(key)} after ${show(lastKey ?? "")}`);
    if (order === 0 && isLatest) return unsorted(`the latest version of ${show(key)} is not its first`);
    if (order > 0) seen.clear();
    if (seen.has(versionId)) return bad(`it lists the version ${show(versionId)} of ${show(key)} twice`);
    seen.add(versionId);
    lastKey = key;
  }
  if (next === null) return null;
  const before = cursor?.after ?? { key: "", versionId: null };
  const isAhead = compareKeys(next.key, before.key) > 0;
  const isWithin = next.key === before.key && next.versionId !== null && next.versionId !== before.versionId;
  return isAhead || isWithin ? null : bad(`it is truncated and does not move on from ${show(before.key)}`);
}

function bad(detail: string): { code: "bad_answer"; detail: string } {
  return { code: "bad_answer", detail };
}

function unsorted(detail: string): { code: "unsorted_listing"; detail: string } {
  return { code: "unsorted_listing", detail };
}

function show(text: string): string {
  return JSON.stringify(text);
}

function refusal(bucket: string, code: "bad_answer" | "unsorted_listing", detail: string): S3Error {
  const why = `the list of versions cannot be believed: ${detail}`;
  return new S3Error("ListObjectVersions", { bucket, key: null }, { code, detail: why });
}

/**
 * @param needs `some`: versions of before count as well; `all`: whatever is written is a version of its own
 * @throws {FailureError} if the bucket keeps none @throws {S3Error}
 */
export async function expectVersions(
  s3: S3,
  bucket: string,
  needs: "some" | "all",
  side: "source" | "destination",
): Promise<void> {
  const status = await getBucketVersioning(s3, bucket).catch((error: unknown) => {
    const isUnknown =
      error instanceof S3Error &&
      (error.status === 501 || ["NotImplemented", "MethodNotAllowed"].includes(error.code));
    if (!isUnknown) throw error;
    return "unknown" as const;
  });
  if (status === "enabled" || (status === "suspended" && needs === "some")) return;
  const told = {
    unknown: "does not know versions",
    off: "keeps no versions",
    suspended: "has suspended versioning, so a new object would replace another",
  }[status];
  const instead = status === "unknown" ? "choose another store" : "enable versioning of the bucket first";
  const message = `The ${side} bucket "${bucket}" at store "${s3.store.name}" ${told}: ${instead}`;
  throw meshError("not_versioned", message, "GetBucketVersioning");
}

/**
 * The versions of one key, newest first. Memory holds a page of them.
 *
 * @param olderThan only those before this version; null: all
 * @param firstPage how many are asked for at first, where few are expected
 */
export async function* versionsOfKey(
  s3: S3,
  { bucket, key }: { readonly bucket: string; readonly key: string },
  olderThan: string | null,
  firstPage = PAGE_VERSIONS,
): AsyncGenerator<ListedVersion, undefined> {
  let cursor: VersionCursor | null =
    olderThan === null ? null : { kind: "versions", after: { key, versionId: olderThan }, lastKey: key };
  let maxKeys = Math.min(firstPage, PAGE_VERSIONS);
  do {
    // The key itself is the first of those that begin with it.
    const { versions, next }: VersionsRead = await listVersions(s3, { bucket, prefix: key }, cursor, maxKeys);
    for (const version of versions) {
      if (version.key !== key) return;
      yield version;
    }
    maxKeys = PAGE_VERSIONS;
    cursor = next;
  } while (cursor !== null);
}

/**
 * Which version of an object was the current one at a time.
 *
 * @param asOf as isoTime() writes it
 * @throws {FailureError} `no_version_then`, or the bucket keeps no versions @throws {S3Error}
 */
export async function versionAt(
  s3: S3,
  address: { readonly bucket: string; readonly key: string },
  asOf: string,
): Promise<string> {
  await expectVersions(s3, address.bucket, "some", "source");
  const atMs = Date.parse(asOf);
  for await (const version of versionsOfKey(s3, address, null)) {
    if ((version.lastModifiedMs ?? Infinity) > atMs) continue;
    if (!version.isDeleteMarker) return version.versionId;
    const message = `At ${asOf} the object did not exist: it had been deleted`;
    throw meshError("no_version_then", message, "ListObjectVersions");
  }
  const message = `At ${asOf} the object did not exist: no version of it is as old`;
  throw meshError("no_version_then", message, "ListObjectVersions");
}
