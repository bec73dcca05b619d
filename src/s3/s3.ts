// The S3 operations that the mesh uses, one function each, by their API names. HeadObject and GetObject are
// in read.ts.
//
// What it needs: a Store and a User-Agent (request.ts signs and sends). It knows nothing of copies.
//
// Invariant: a 200 whose document is not the operation's own is an error. CompleteMultipartUpload, CopyObject
// and UploadPartCopy send their 200 before the work is done and may put an `<Error>` into the body.

import { createHash } from "node:crypto";
import { learnDemand } from "./demands.ts";
import { base64OfHex } from "./digest.ts";
import { confirmsEncryption, customerKeyHeaders, isEncryptedWithKey } from "./encryption.ts";
import { S3Error } from "./errors.ts";
import {
  type Answer,
  type ObjectAddress,
  type RequestAddress,
  type S3,
  ask,
  heard,
  readText,
  send,
} from "./request.ts";
import { pause } from "./stop.ts";
import { told } from "./told.ts";
import { encodeRfc3986, rangeHeader } from "./url.ts";
import { type ListedPart, type ListedUpload, parseListParts, parseListUploads } from "./upload_xml.ts";
import { etagOf, wholeNumber } from "./value.ts";
import {
  completeDocument,
  parseComplete,
  parseCopyResult,
  parseError,
  parseInitiate,
  parseTagging,
} from "./xml.ts";
import type { Encryption } from "../store/stores.ts";

/** An object's tags in the store's order. @throws {S3Error} */
export async function getObjectTagging(
  s3: S3,
  address: ObjectAddress,
): Promise<[key: string, value: string][]> {
  const operation = "GetObjectTagging";
  const query = { tagging: "", ...versionQuery(address) };
  const { text } = await ask(s3, operation, address, { method: "GET", query });
  return parseTagging(text) ?? badAnswer(operation, address, text);
}

/** What a store says of bytes that it has stored. */
export interface Stored {
  /** As the store sent it. */
  readonly etag: string;
  readonly encryptedWithKey: boolean;
  /** Whether the answer confirms the encryption that the store is configured to use. */
  readonly isEncrypted: boolean;
}

/** @param headers attributes and conditions @throws {S3Error} */
export async function putObject(
  s3: S3,
  address: ObjectAddress,
  request: {
    body: ReadableStream | Uint8Array;
    headers: Readonly<Record<string, string>>;
    signal: AbortSignal;
  },
): Promise<Stored> {
  const headers = {
    ...digestOfBytes(request.body),
    ...request.headers,
    ...(await customerKeyHeaders(s3.store.encryption)),
  };
  return await write(s3, "PutObject", address, { ...request, headers });
}

/** @param headers all attributes of the future object: Complete cannot add any @throws {S3Error} */
export async function createMultipartUpload(
  s3: S3,
  address: ObjectAddress,
  headers: Readonly<Record<string, string>>,
): Promise<{ uploadId: string; isEncrypted: boolean }> {
  const operation = "CreateMultipartUpload";
  const all = { ...headers, ...(await customerKeyHeaders(s3.store.encryption)) };
  const request = { method: "POST", query: { uploads: "" }, headers: all };
  const answer = await ask(s3, operation, address, request);
  const { uploadId } = parseInitiate(answer.text) ?? badAnswer(operation, address, answer.text);
  return { uploadId, isEncrypted: await confirmsEncryption(s3.store.encryption, answer.headers) };
}

/** @param request.md5 of the body, in hex, for a bucket that demands a digest @throws {S3Error} */
export async function uploadPart(
  s3: S3,
  address: ObjectAddress,
  request: {
    uploadId: string;
    partNumber: number;
    body: ReadableStream | Uint8Array;
    md5?: string | null;
    signal: AbortSignal;
  },
): Promise<Stored> {
  const { uploadId, partNumber, body, md5 = null, signal } = request;
  const headers = {
    ...digestOfBytes(body),
    ...(md5 === null ? {} : { "content-md5": base64OfHex(md5) }),
    ...(await customerKeyHeaders(s3.store.encryption)),
  };
  return await write(s3, "UploadPart", address, { query: { partNumber, uploadId }, headers, body, signal });
}

/** @throws {S3Error} `digest_demanded` if the bucket takes no write without a digest */
async function write(
  s3: S3,
  operation: "PutObject" | "UploadPart",
  address: ObjectAddress,
  request: {
    query?: Readonly<Record<string, string | number>>;
    headers: Readonly<Record<string, string>>;
    body: ReadableStream | Uint8Array;
    signal: AbortSignal;
  },
): Promise<Stored> {
  const response = await send(s3, operation, address, { method: "PUT", ...request }).catch(
    (error: unknown) => {
      throw learnDemand(s3, address, request.headers, error);
    },
  );
  return await takeEtag(s3, operation, address, response);
}

/** A digest of bytes in memory costs next to nothing, and some buckets demand one. */
function digestOfBytes(body: ReadableStream | Uint8Array): Record<string, string> {
  if (body instanceof ReadableStream) return {};
  return { "content-md5": base64OfHex(createHash("md5").update(body).digest("hex")) };
}

/** The source of a server-side copy, pinned to its ETag. No byte passes through the mesh. */
interface CopySource {
  readonly address: ObjectAddress;
  readonly etag: string;
  readonly encryption: Encryption | undefined;
}

/**
 * @param headers `REPLACE`: all attributes of the new object. `COPY`: it gets the source's, and its class
 * @throws {S3Error}
 */
export async function copyObject(
  s3: S3,
  address: ObjectAddress,
  request: {
    source: CopySource;
    headers: Readonly<Record<string, string>>;
    directive: "COPY" | "REPLACE";
    signal: AbortSignal;
  },
): Promise<Stored> {
  const headers = {
    ...request.headers,
    ...(await copySourceHeaders(request.source)),
    ...(await customerKeyHeaders(s3.store.encryption)),
    "x-amz-metadata-directive": request.directive,
    // A store without tags (R2) refuses the whole copy if this header is sent.
    ...(s3.store.profile.tags ? { "x-amz-tagging-directive": request.directive } : {}),
  };
  const { signal } = request;
  return await takeCopyEtag(
    s3,
    "CopyObject",
    address,
    await send(s3, "CopyObject", address, { method: "PUT", headers, signal }),
  );
}

/** @throws {S3Error} */
export async function uploadPartCopy(
  s3: S3,
  address: ObjectAddress,
  request: {
    source: CopySource;
    uploadId: string;
    partNumber: number;
    range: { offset: number; length: number };
    signal: AbortSignal;
  },
): Promise<Stored> {
  const { source, uploadId, partNumber, range, signal } = request;
  const headers = {
    ...(await copySourceHeaders(source)),
    ...(await customerKeyHeaders(s3.store.encryption)),
    "x-amz-copy-source-range": rangeHeader(range.offset, range.length),
  };
  const query = { partNumber, uploadId };
  return await takeCopyEtag(
    s3,
    "UploadPartCopy",
    address,
    await send(s3, "UploadPartCopy", address, { method: "PUT", query, headers, signal }),
  );
}

/** What a store shows of an upload's parts. */
export interface ShownParts {
  /** In ascending order. */
  readonly parts: readonly ListedPart[];
  /** Not if its pages repeat: then it may have others, of which nothing is known. */
  readonly isWhole: boolean;
}

/**
 * The parts that the store has of an upload. Some stores repeat a page or ignore the marker, so the list ends
 * with the first page that brings nothing new.
 *
 * @throws {S3Error}
 */
export async function listParts(s3: S3, address: ObjectAddress, uploadId: string): Promise<ShownParts> {
  const operation = "ListParts";
  const found = new Map<number, ListedPart>();
  const headers = await customerKeyHeaders(s3.store.encryption);
  for (let marker = 0; ;) {
    const query: Record<string, string | number> = { uploadId, "max-parts": 1000 };
    if (marker > 0) query["part-number-marker"] = marker;
    const { text } = await ask(s3, operation, address, { method: "GET", query, headers });
    const page = parseListParts(text) ?? badAnswer(operation, address, text);
    const before = found.size;
    for (const part of page.parts) found.set(part.partNumber, part);
    const next = wholeNumber(page.nextMarker) ?? 0;
    const goesOn = page.isTruncated && found.size > before && next > marker;
    if (!goesOn) {
      const parts = [...found.values()].toSorted((a, b) => a.partNumber - b.partNumber);
      return { parts, isWhole: !page.isTruncated };
    }
    marker = next;
  }
}

/** What no XML can have: Swift answers 500 to each list that would have to name it. */
// oxlint-disable-next-line no-control-regex -- the control characters are what it is about
const UNSPEAKABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;

/**
 * The unfinished uploads of one key.
 *
 * @throws {S3Error} also if a page repeats
 */
export async function listUploadsOfKey(s3: S3, address: ObjectAddress): Promise<ListedUpload[]> {
  // Some stores list uploads only for an exact key as prefix, so this is the one prefix that works
  // everywhere.
  try {
    return await uploadsUnder(s3, address, address.key);
  } catch (error) {
    const cut = UNSPEAKABLE.exec(address.key)?.index ?? 0;
    if (!(error instanceof S3Error) || error.status === null || cut === 0) throw error;
    const found = await uploadsUnder(s3, address, address.key.slice(0, cut));
    // None may mean that this store lists nothing under a part of a key.
    if (found.length === 0) throw error;
    return found;
  }
}

async function uploadsUnder(s3: S3, address: ObjectAddress, prefix: string): Promise<ListedUpload[]> {
  const operation = "ListMultipartUploads";
  const bucket = { bucket: address.bucket, key: null };
  const uploads: ListedUpload[] = [];
  let markers: Record<string, string> = {};
  const seen = new Set<string>();
  for (let pages = 1; pages <= MAX_UPLOAD_PAGES; pages++) {
    if (pages > 3) await pause(s3, UPLOAD_PAGE_WAIT_MS);
    const query = { uploads: "", prefix, "encoding-type": "url", ...markers };
    const { text } = await ask(s3, operation, bucket, { method: "GET", query });
    const page = parseListUploads(text) ?? badAnswer(operation, bucket, text);
    uploads.push(...page.uploads.filter(({ key }) => key === address.key));
    if (!page.isTruncated) return uploads;
    const next = {
      "key-marker": page.nextKeyMarker ?? "",
      "upload-id-marker": page.nextUploadIdMarker ?? "",
    };
    const place = JSON.stringify(next);
    if (next["upload-id-marker"] === "" || seen.has(place)) {
      throw new S3Error(operation, bucket, {
        code: "bad_answer",
        detail: "the list is truncated but its markers do not move",
      });
    }
    seen.add(place);
    markers = next;
  }
  const detail = `the list of one key's uploads does not end within ${MAX_UPLOAD_PAGES} pages`;
  throw new S3Error(operation, bucket, { code: "bad_answer", detail });
}

/** Of a thousand uploads each. */
const MAX_UPLOAD_PAGES = 100;

const UPLOAD_PAGE_WAIT_MS = 200;

const COMPLETE_LIMIT_MS = 12 * 60_000;

/**
 * Assembles the object from its parts. S3 may take minutes to answer, within the 15 that an alarm has.
 *
 * @param parts in ascending order of part numbers
 * @param onlyIfAbsent answer 412 if the key exists
 * @returns the object's ETag if the store reports it
 * @throws {S3Error}
 */
export async function completeMultipartUpload(
  s3: S3,
  address: ObjectAddress,
  uploadId: string,
  { parts, onlyIfAbsent }: { parts: Iterable<{ partNumber: number; etag: string }>; onlyIfAbsent: boolean },
): Promise<{ etag: string | null }> {
  const operation = "CompleteMultipartUpload";
  const body = new TextEncoder().encode(completeDocument(parts));
  const headers: Record<string, string> = await customerKeyHeaders(s3.store.encryption);
  if (onlyIfAbsent) headers["if-none-match"] = "*";
  const answer = await ask(s3, operation, address, {
    method: "POST",
    query: { uploadId },
    headers,
    body,
    limitMs: COMPLETE_LIMIT_MS,
  });
  return parseComplete(answer.text) ?? refusedInside(s3, operation, address, answer);
}

/** What stores answer to the abort of an upload that no longer exists; Swift says NoSuchKey. */
const GONE: ReadonlySet<string> = new Set(["NoSuchUpload", "NoSuchKey", "NoSuchBucket"]);

/** Ends an upload and frees its parts. An upload that no longer exists is a success. @throws {S3Error} */
export async function abortMultipartUpload(s3: S3, address: ObjectAddress, uploadId: string): Promise<void> {
  try {
    await ask(s3, "AbortMultipartUpload", address, { method: "DELETE", query: { uploadId } });
  } catch (error) {
    if (!(error instanceof S3Error) || !GONE.has(error.code)) throw error;
  }
}

/**
 * Deletes an object; of an address with a version, that version.
 *
 * @param ifMatch delete only the object with this ETag, on stores that know the condition
 * @returns whether the answer is S3's own to a deletion: anything else that succeeds may be somebody's page
 * @throws {S3Error}
 */
export async function deleteObject(
  s3: S3,
  address: ObjectAddress,
  { ifMatch }: { ifMatch: string | null },
): Promise<boolean> {
  const headers: Record<string, string> = ifMatch === null ? {} : { "if-match": ifMatch };
  const query = versionQuery(address);
  const { status } = await ask(s3, "DeleteObject", address, { method: "DELETE", query, headers });
  return status === 204;
}

async function copySourceHeaders({ address, etag, encryption }: CopySource): Promise<Record<string, string>> {
  // No URL parser touches a header, so dot segments need no care here.
  const path = `/${address.bucket}/${address.key.split("/").map(encodeRfc3986).join("/")}`;
  const version = address.versionId === undefined ? "" : `?versionId=${encodeRfc3986(address.versionId)}`;
  return {
    "x-amz-copy-source": path + version,
    "x-amz-copy-source-if-match": etag,
    ...(await customerKeyHeaders(encryption, "x-amz-copy-source-server-side-encryption-customer")),
  };
}

async function takeEtag(
  s3: S3,
  operation: string,
  address: ObjectAddress,
  response: Response,
): Promise<Stored> {
  await response.body?.cancel();
  const etag = etagOf(response.headers);
  if (etag !== null) return await storedAs(s3, etag, response.headers);
  throw new S3Error(operation, address, {
    code: "missing_etag",
    detail: `the store answered ${response.status} without an ETag`,
    status: response.status,
    requestId: response.headers.get("x-amz-request-id"),
  });
}

async function takeCopyEtag(
  s3: S3,
  operation: string,
  address: ObjectAddress,
  response: Response,
): Promise<Stored> {
  const { status, headers } = response;
  const text = await readText(operation, address, response);
  const result = parseCopyResult(text);
  if (result === null) return refusedInside(s3, operation, address, { status, headers, text });
  return await storedAs(s3, result.etag, headers);
}

async function storedAs({ store }: S3, etag: string, headers: Headers): Promise<Stored> {
  const isEncrypted = await confirmsEncryption(store.encryption, headers);
  return { etag, encryptedWithKey: isEncryptedWithKey(headers), isEncrypted };
}

function refusedInside(
  s3: S3,
  operation: string,
  address: ObjectAddress,
  { status, headers, text }: Answer,
): never {
  const error = parseError(text);
  if (error === null) return badAnswer(operation, address, text);
  const refusal = new S3Error(operation, address, {
    code: error.code,
    status,
    requestId: error.requestId ?? headers.get("x-amz-request-id"),
    detail: `the store answered 200, then ${error.code}: ${error.message}`,
  });
  throw heard(s3, refusal);
}

/** A 200 whose body is not an answer to the operation. @throws {S3Error} always */
export function badAnswer(operation: string, address: RequestAddress, text: string): never {
  throw new S3Error(operation, address, {
    code: "bad_answer",
    detail: `the store answered 200 with an unrecognised body: "${told(text.trim(), 200)}"`,
  });
}

export function versionQuery(address: ObjectAddress): Record<string, string> {
  return address.versionId === undefined ? {} : { versionId: address.versionId };
}
