// HeadObject and GetObject: an object's size, attributes and bytes, as they are stored.
//
// What it needs: a Store and a User-Agent (request.ts signs and sends).
//
// There may be an intermediary; with Cloudflare's own network there always is one. If an object is stored
// with a Content-Encoding, it decompresses it for a client that does not accept that coding. If it is not, it
// may compress it for a client that accepts one. In both cases the answer has no Content-Length, to HEAD as
// well as to GET. So a request whose answer has no length is repeated with another Accept-Encoding, and the
// answer that has a length has the bytes as stored (rclone#8137 and #8531, of R2;
// https://developers.cloudflare.com/cache/reference/, etag-headers and range-requests, 2026-11).
//
// Invariant: the Content-Length of a HEAD's answer is that of the stored object, or there is none.

import { bareEtag } from "./digest.ts";
import { S3Error } from "./errors.ts";
import { listObjectsV2 } from "./list.ts";
import { ask, CALL_LIMIT_MS, collect, type ObjectAddress, type S3, send, timeoutError } from "./request.ts";
import { customerKeyHeaders } from "./encryption.ts";
import { versionQuery } from "./s3.ts";
import { parseContentRange, rangeHeader } from "./url.ts";
import { etagOf, sizeOf } from "./value.ts";
import type { Store } from "../store/stores.ts";

/**
 * Google decompresses stored gzip unless gzip is accepted
 * (https://cloud.google.com/storage/docs/transcoding).
 */
function usualEncoding({ provider }: Store): string {
  return provider === "gcs" ? "gzip" : "identity";
}

/**
 * What to try if the usual one brings no length. Null: nothing, since a web server that may compress does so
 * itself, and then has other bytes.
 */
function otherEncoding(store: Store): string | null {
  if (store.web !== undefined) return null;
  return usualEncoding(store) === "identity" ? "gzip, br" : "identity";
}

// Stores that refused `x-amz-checksum-mode` although their profile allows it. Losing this costs one more
// HEAD.
const withoutChecksumMode = new Set<string>();

// Stores that answered 412 to an object's own ETag (SeaweedFS did: seaweedfs#7274). Losing this costs one
// more HEAD.
const withoutIfMatch = new Set<string>();

// Stores that do not know HEAD (405, 501) and answer GET. Losing this costs one more HEAD.
const withoutHead = new Set<string>();

interface Head {
  readonly status: number;
  readonly headers: Headers;
}

/** `acceptEncoding`: what a GET must send to get the bytes of this size. Null: nothing special. */
export interface SizedHead extends Head {
  readonly acceptEncoding: string | null;
}

/**
 * Size, ETag and attributes of an object or, with `partNumber`, of one part of it (which only a 206
 * confirms). There is no Content-Length if nothing reveals the size.
 *
 * A HEAD has no body, so a refusal has no code. A GET of one byte asks for the reason: its error document
 * says whether the key, the bucket, the permission or the region is at fault.
 *
 * @throws {S3Error}
 */
export async function headObject(
  s3: S3,
  address: ObjectAddress,
  { partNumber }: { partNumber?: number } = {},
): Promise<SizedHead> {
  const query: Query = { ...versionQuery(address), ...(partNumber === undefined ? {} : { partNumber }) };
  const first = await headOrReason(s3, address, query);
  if (partNumber !== undefined || hasLength(first.headers)) return { ...first, acceptEncoding: null };
  const acceptEncoding = otherEncoding(s3.store);
  if (acceptEncoding !== null) {
    const second = await headOrReason(s3, address, query, acceptEncoding);
    if (hasLength(second.headers)) return { ...second, acceptEncoding };
  }
  const found = (await sizeByRange(s3, address)) ?? (await sizeByListing(s3, address, first.headers));
  return { ...(found === null ? first : sizedBy(first, found)), acceptEncoding: null };
}

type Query = Record<string, string | number>;

function hasLength(headers: Headers): boolean {
  return sizeOf(headers) !== null;
}

async function headOrReason(
  s3: S3,
  address: ObjectAddress,
  query: Query,
  acceptEncoding = usualEncoding(s3.store),
): Promise<Head> {
  if (s3.store.web !== undefined) return await shownByServer(s3, address);
  const operation = "HeadObject";
  const headers: Record<string, string> = await customerKeyHeaders(s3.store.encryption);
  const asksChecksum = s3.store.profile.checksumMode && !withoutChecksumMode.has(s3.store.endpoint);
  if (asksChecksum) headers["x-amz-checksum-mode"] = "ENABLED";
  const head = async (): Promise<Head> => {
    const request = { method: "HEAD", query, headers, acceptEncoding };
    const { status, headers: told } = await ask(s3, operation, address, request);
    return { status, headers: told };
  };
  if (withoutHead.has(s3.store.endpoint)) {
    const shown = await shownByGet(s3, address, query);
    if (shown !== null) return shown;
  }
  try {
    return await head();
  } catch (error) {
    if (!(error instanceof S3Error) || error.status === null) throw error;
    if (asksChecksum && (error.status === 400 || error.status === 501)) {
      // Perhaps the store refuses only the header; if so, it is not sent again.
      delete headers["x-amz-checksum-mode"];
      const answer = await head().catch(() => null);
      if (answer !== null) {
        withoutChecksumMode.add(s3.store.endpoint);
        return answer;
      }
    }
    // A store that fails or throttles gets no further request to ask for its reason.
    if ((error.status >= 500 && error.status !== 501) || error.status === 429) throw error;
    await reasonByGet(s3, address, { query, headers: { ...headers, range: rangeHeader(0, 1) } });
    try {
      return await head(); // the GET has revealed the region or the clock
    } catch (again) {
      if (!(again instanceof S3Error) || again.status === null) throw again;
      return await shownOrRefused(s3, address, query, again);
    }
  }
}

/**
 * A HEAD is refused of an object that GET may read. HEAD and GET need the same permission, so something in
 * front of the store, or the store itself, does not know the method: GET shows the same headers.
 *
 * @throws {S3Error} `head_refused` if GET does not show size and ETag either
 */
async function shownOrRefused(
  s3: S3,
  address: ObjectAddress,
  query: Query,
  { operation, status, code, requestId }: S3Error,
): Promise<Head> {
  const isUnknown = status === 405 || status === 501;
  const shown = isUnknown || status === 403 ? await shownByGet(s3, address, query) : null;
  if (shown !== null) {
    if (isUnknown) withoutHead.add(s3.store.endpoint);
    return shown;
  }
  throw new S3Error(operation, address, {
    code: status === 404 ? code : "head_refused",
    detail: `the store answered ${status} to HEAD but accepts GET`,
    ...(status === null ? {} : { status }),
    requestId,
  });
}

/**
 * What a HEAD would show, by a GET of one byte, or of all of an empty object. Null: it does not show size and
 * ETag.
 *
 * @throws {S3Error}
 */
async function shownByGet(s3: S3, address: ObjectAddress, query: Query): Promise<Head | null> {
  if (query["partNumber"] !== undefined) return null;
  const range = { offset: 0, length: 1 };
  const { status, headers } = await getUnread(s3, address, range).catch(async (error: unknown) => {
    if (error instanceof S3Error && error.status === 416) return await getUnread(s3, address, null);
    throw error;
  });
  if (etagOf(headers) === null) return null;
  const told = parseContentRange(headers.get("content-range"));
  if (status === 206 && told !== null)
    return sizedBy({ status: 200, headers }, { sizeBytes: told.totalBytes, headers });
  if (status === 200 && hasLength(headers)) return { status, headers };
  const listed = await sizeByListing(s3, address, headers);
  return listed === null ? null : sizedBy({ status: 200, headers }, listed);
}

/**
 * A web server is never asked by HEAD: many refuse it or answer it otherwise, a signed URL is for GET alone,
 * and what is compressed on its way has another ETag there than in the ranges that a copy reads.
 */
async function shownByServer(s3: S3, address: ObjectAddress): Promise<Head> {
  const shown = await shownByGet(s3, address, {});
  if (shown !== null) return shown;
  const detail = "the server does not tell how many bytes the file has, so none of it is copied";
  throw new S3Error("GetObject", address, { code: "source_without_length", detail, status: 200 });
}

/** The head of an answer to GET, whose body nobody reads. @throws {S3Error} */
async function getUnread(
  s3: S3,
  address: ObjectAddress,
  range: { offset: number; length: number } | null,
): Promise<Head> {
  const unread = new AbortController();
  const timer = setTimeout(() => unread.abort(timeoutError(CALL_LIMIT_MS)), CALL_LIMIT_MS);
  try {
    const signal = s3.stop === undefined ? unread.signal : AbortSignal.any([unread.signal, s3.stop]);
    const { status, headers } = await getObject(s3, address, { range, ifMatch: null, signal });
    return { status, headers };
  } finally {
    clearTimeout(timer);
    unread.abort();
  }
}

/**
 * Asks for one byte, to get the reason that a HEAD cannot give. @throws {S3Error} with the store's own code
 */
async function reasonByGet(
  s3: S3,
  address: ObjectAddress,
  request: { query: Query; headers: Record<string, string> },
): Promise<void> {
  // A store that ignores the range sends the whole object, of which nothing is read.
  const unread = new AbortController();
  const timer = setTimeout(() => unread.abort(timeoutError(CALL_LIMIT_MS)), CALL_LIMIT_MS);
  try {
    await send(s3, "HeadObject", address, { method: "GET", ...request, signal: unread.signal });
  } catch (error) {
    // An empty object has no first byte. It exists and may be read, which was the question.
    if (!(error instanceof S3Error) || error.status !== 416) throw error;
  } finally {
    clearTimeout(timer);
    unread.abort();
  }
}

/** An object's size from another source than HEAD. The headers are those of the object. */
interface FoundSize {
  readonly sizeBytes: number;
  readonly headers: Headers;
}

/** A range is never decompressed on its way, and its answer has the total size. @throws {S3Error} */
async function sizeByRange(s3: S3, address: ObjectAddress): Promise<FoundSize | null> {
  try {
    const { status, headers } = await getUnread(s3, address, { offset: 0, length: 1 });
    const told = parseContentRange(headers.get("content-range"));
    return status === 206 && told !== null ? { sizeBytes: told.totalBytes, headers } : null;
  } catch (error) {
    return notFoundOut(error);
  }
}

/**
 * Does a web server honour ranges? What S3 guarantees, only an answer shows here.
 *
 * @throws {S3Error}
 */
export async function servesRanges(s3: S3, address: ObjectAddress): Promise<boolean> {
  const { status, headers } = await getUnread(s3, address, { offset: 0, length: 1 });
  return status === 206 && parseContentRange(headers.get("content-range")) !== null;
}

/** Counts only for the object that HEAD has shown, by its ETag. @throws {S3Error} */
async function sizeByListing(s3: S3, address: ObjectAddress, head: Headers): Promise<FoundSize | null> {
  const etag = bareEtag(etagOf(head) ?? "");
  if (etag === "" || address.versionId !== undefined || s3.store.web !== undefined) return null;
  try {
    const { objects } = await listObjectsV2(s3, address.bucket, { prefix: address.key, maxKeys: 1 });
    const listed = objects.find(({ key }) => key === address.key);
    if (listed?.etag == null || bareEtag(listed.etag) !== etag) return null;
    return { sizeBytes: listed.sizeBytes, headers: new Headers({ etag: listed.etag }) };
  } catch (error) {
    return notFoundOut(error);
  }
}

/** A refusal leaves the size unknown. @throws {S3Error} of a store in trouble, which may report it later */
function notFoundOut(error: unknown): null {
  if (error instanceof S3Error && error.status !== null && error.status < 500 && error.status !== 429)
    return null;
  throw error;
}

/** The HEAD's answer with the size and what was found with it: a strong ETag, a Content-Encoding. */
function sizedBy({ status, headers: first }: Head, { sizeBytes, headers: found }: FoundSize): Head {
  const headers = new Headers(first);
  for (const [name, value] of found) headers.set(name, value);
  headers.delete("content-range");
  headers.set("content-length", String(sizeBytes));
  return { status, headers };
}

/** Whether an object has this key. @throws {S3Error} if the store does not say */
export async function objectExists(s3: S3, address: ObjectAddress): Promise<boolean> {
  try {
    await headOrReason(s3, address, versionQuery(address));
    return true;
  } catch (error) {
    if (error instanceof S3Error && error.status === 404) return false;
    throw error;
  }
}

/**
 * A GET of `range`, or of the whole object if that is null. The answer may be any success: the caller checks
 * status, Content-Range and ETag, and reads or cancels the body.
 *
 * @param ifMatch the source's ETag, so that a changed object answers 412 instead of other bytes; null: no
 * condition
 * @param acceptEncoding as headObject() returned it; undefined: if the whole object comes without a length,
 * another one is tried and its answer is taken if it has a length
 * @throws {S3Error}
 */
export async function getObject(
  s3: S3,
  address: ObjectAddress,
  request: {
    range: { offset: number; length: number } | null;
    ifMatch: string | null;
    acceptEncoding?: string | null;
    signal: AbortSignal;
  },
): Promise<Response> {
  const { range, ifMatch, acceptEncoding, signal } = request;
  const headers: Record<string, string> = await customerKeyHeaders(s3.store.encryption);
  if (ifMatch !== null) headers["if-match"] = ifMatch;
  if (range !== null) headers["range"] = rangeHeader(range.offset, range.length);
  const query = versionQuery(address);
  const get = (encoding: string) =>
    send(s3, "GetObject", address, { method: "GET", query, headers, signal, acceptEncoding: encoding });
  const response = await get(acceptEncoding ?? usualEncoding(s3.store));
  const encoding = otherEncoding(s3.store);
  const isPlain = range !== null || acceptEncoding != null || encoding === null;
  if (isPlain || hasLength(response.headers)) return response;
  // Unread bodies wait at the stores, so nothing is lost by trying the other request first.
  const other = await get(encoding).catch(() => null);
  const [chosen, left] = other !== null && hasLength(other.headers) ? [other, response] : [response, other];
  await left?.body?.cancel();
  return chosen;
}

/**
 * Whether the object is no longer the one with this ETag, in words; null if it still is.
 *
 * @throws {S3Error} if the store does not say: then nothing is known of it
 */
export async function changeSince(s3: S3, address: ObjectAddress, etag: string): Promise<string | null> {
  const now = await etagNow(s3, address);
  return now !== null && bareEtag(now) === bareEtag(etag)
    ? null
    : `its ETag was ${etag} when the copy began and is ${now ?? "gone"} now`;
}

/** The object's ETag; null if there is no object. @throws {S3Error} if the store does not say */
async function etagNow(s3: S3, address: ObjectAddress): Promise<string | null> {
  try {
    const { status, headers } = await headOrReason(s3, address, versionQuery(address));
    const etag = etagOf(headers);
    if (etag !== null) return etag;
    const detail = "the store answered without an ETag";
    throw new S3Error("HeadObject", address, { code: "missing_etag", detail, status });
  } catch (error) {
    if (error instanceof S3Error && error.status === 404) return null;
    throw error;
  }
}

/**
 * getObject() pinned to an ETag. A store that answers 412 although the object has that ETag cannot do the
 * condition, and is asked without it. So the caller compares the ETag of the answer.
 *
 * @throws {S3Error}
 */
export async function getPinned(
  s3: S3,
  address: ObjectAddress,
  request: Parameters<typeof getObject>[2] & { readonly ifMatch: string },
): Promise<Response> {
  const { endpoint } = s3.store;
  if (!withoutIfMatch.has(endpoint)) {
    try {
      return await getObject(s3, address, request);
    } catch (error) {
      if (!(error instanceof S3Error) || error.status !== 412) throw error;
      if ((await changeSince(s3, address, request.ifMatch)) !== null) throw error;
      withoutIfMatch.add(endpoint);
    }
  }
  return await getObject(s3, address, { ...request, ifMatch: null });
}

/** The body of a small range or object, in memory. @throws {S3Error} if it breaks off or is too large */
export async function bytesOf(address: ObjectAddress, response: Response): Promise<Uint8Array> {
  return new Uint8Array(await collect("GetObject", address, response));
}
