// S3 over aws4fetch: one function per operation, one error class, raw `fetch`.
//
// What it needs: a Store (endpoint and credentials) and a User-Agent. It knows nothing of copies.
//
// The call shape is always sign(), then fetch(): aws4fetch's own fetch() would drop `encodeResponseBody`, follow
// redirects with the signature of another host, and replay a body that can be read only once. `retries: 0` for the
// same reason: whoever calls decides about another try, with a new body. A request is signed when it is sent.
//
// Invariants: every body is read, handed on or cancelled, error bodies too, since an unread one holds one of the
// event's connections; a 200 whose document is not the operation's own is an error; no secret is in an S3Error.

import { AwsClient } from "aws4fetch";
import { type Failure, type Side, parseRetryAfter } from "./failure.ts";
import { rangeHeader, s3Url } from "./s3_url.ts";
import type { Store } from "./stores.ts";
import {
  type ListedPart,
  completeDocument,
  parseComplete,
  parseError,
  parseInitiate,
  parseListParts,
} from "./xml.ts";

/** One store as one caller sees it. */
export interface S3 {
  readonly store: Store;
  readonly client: AwsClient;
  /** Lets a store's log tell copies and lanes apart: `bucket-brigade copy/<id> lane/<n>`. */
  readonly userAgent: string;
}

export interface ObjectAddress {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
}

// Signing keys are good for a day; aws4fetch computes four HMACs for each when it finds none here.
const signingKeys = new Map<string, ArrayBuffer>();

export function connect(store: Store, userAgent: string): S3 {
  const { accessKeyId, secretAccessKey, sessionToken, region } = store;
  const client = new AwsClient({
    accessKeyId,
    secretAccessKey,
    region,
    // Both explicit: aws4fetch guesses from the host name, and wrong for every store but AWS, R2 and B2.
    service: "s3",
    retries: 0,
    cache: signingKeys,
    ...(sessionToken === undefined ? {} : { sessionToken }),
  });
  return { store, client, userAgent };
}

/** Any failure of an operation: the store refused it, its answer was no answer, or none came. */
export class S3Error extends Error {
  override readonly name = "S3Error";
  readonly operation: string;
  readonly code: string;
  readonly status: number | null;
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;

  constructor(
    operation: string,
    address: { bucket: string; key?: string | null },
    answer: {
      code: string;
      detail: string;
      status?: number;
      requestId?: string | null;
      retryAfterMs?: number | null;
    },
    cause?: unknown,
  ) {
    const object = address.key === undefined || address.key === null ? "" : `/${address.key}`;
    super(`${operation} of ${JSON.stringify(address.bucket + object)}: ${answer.detail}`, { cause });
    this.operation = operation;
    this.code = answer.code;
    this.status = answer.status ?? null;
    this.requestId = answer.requestId ?? null;
    this.retryAfterMs = answer.retryAfterMs ?? null;
  }

  toFailure(side: Side): Failure {
    const { code, message, operation, status, requestId, retryAfterMs } = this;
    return { side, code, message, operation, status, requestId, retryAfterMs };
  }
}

/**
 * Size, ETag and attributes of an object.
 *
 * A HEAD has no body, so a refusal has no code: it is asked for by a GET of one byte, whose error document says
 * whether the key, the bucket, the permission or the region is at fault.
 *
 * @throws {S3Error}
 */
export async function headObject(s3: S3, address: ObjectAddress): Promise<Headers> {
  const query = versionQuery(address);
  const response = await send(s3, "HeadObject", address, { method: "HEAD", query });
  if (response.ok) return response.headers;
  const probe = await send(s3, "HeadObject", address, {
    method: "GET",
    query,
    headers: { range: rangeHeader(0, 1) },
  });
  if (!probe.ok) throw await refusal("HeadObject", address, probe);
  await probe.body?.cancel();
  throw await refusal("HeadObject", address, response);
}

/**
 * A GET of `range`, or of the whole object when that is null. The answer may be any success: the caller checks
 * status, Content-Range and ETag, and reads or cancels the body.
 *
 * @param ifMatch the source's ETag, so that a changed object answers 412 instead of other bytes
 * @throws {S3Error}
 */
export async function getObject(
  s3: S3,
  address: ObjectAddress,
  {
    range,
    ifMatch,
    signal,
  }: { range: { offset: number; length: number } | null; ifMatch: string; signal: AbortSignal },
): Promise<Response> {
  const headers: Record<string, string> = { "if-match": ifMatch };
  if (range !== null) headers["range"] = rangeHeader(range.offset, range.length);
  const request = { method: "GET", query: versionQuery(address), headers, signal };
  return await accepted("GetObject", address, await send(s3, "GetObject", address, request));
}

/** @param headers attributes of the new object @returns the ETag as the store gave it @throws {S3Error} */
export async function putObject(
  s3: S3,
  address: ObjectAddress,
  request: { body: ReadableStream | Uint8Array; headers: Record<string, string>; signal: AbortSignal },
): Promise<string> {
  const sent = await send(s3, "PutObject", address, { method: "PUT", ...request });
  return await takeEtag("PutObject", address, sent);
}

/** @param headers every attribute of the object to be: Complete cannot add any @throws {S3Error} */
export async function createMultipartUpload(
  s3: S3,
  address: ObjectAddress,
  headers: Record<string, string>,
): Promise<{ uploadId: string }> {
  const operation = "CreateMultipartUpload";
  const text = await accepted(
    operation,
    address,
    await send(s3, operation, address, { method: "POST", query: { uploads: "" }, headers }),
  ).then((response) => readText(operation, address, response));
  return parseInitiate(text) ?? badAnswer(operation, address, text);
}

/** @returns the part's ETag as the store gave it @throws {S3Error} */
export async function uploadPart(
  s3: S3,
  address: ObjectAddress,
  request: { uploadId: string; partNumber: number; body: ReadableStream | Uint8Array; signal: AbortSignal },
): Promise<string> {
  const { uploadId, partNumber, body, signal } = request;
  const query = { partNumber, uploadId };
  const sent = await send(s3, "UploadPart", address, { method: "PUT", query, body, signal });
  return await takeEtag("UploadPart", address, sent);
}

/**
 * All parts that the store holds of an upload, in ascending order.
 *
 * @throws {S3Error} also when a page repeats, which would otherwise never end
 */
export async function listParts(s3: S3, address: ObjectAddress, uploadId: string): Promise<ListedPart[]> {
  const operation = "ListParts";
  const parts: ListedPart[] = [];
  for (let marker = 0; ;) {
    const query: Record<string, string | number> = { uploadId, "max-parts": 1000 };
    if (marker > 0) query["part-number-marker"] = marker;
    const response = await accepted(
      operation,
      address,
      await send(s3, operation, address, { method: "GET", query }),
    );
    const text = await readText(operation, address, response);
    const page = parseListParts(text) ?? badAnswer(operation, address, text);
    parts.push(...page.parts);
    if (!page.isTruncated) return parts.toSorted((a, b) => a.partNumber - b.partNumber);
    const next = Number(page.nextMarker ?? Number.NaN);
    if (!(next > marker)) {
      throw new S3Error(operation, address, {
        code: "bad_answer",
        detail: `the list is truncated after part ${marker} but its next marker is ${page.nextMarker}`,
      });
    }
    marker = next;
  }
}

/**
 * Makes the object of its parts. S3 answers 200 before the work is done and may put an error into the body; the
 * body may take minutes, so there is no timeout of ours here.
 *
 * @param parts in ascending order of part numbers
 * @returns the object's ETag where the store tells it
 * @throws {S3Error}
 */
export async function completeMultipartUpload(
  s3: S3,
  address: ObjectAddress,
  uploadId: string,
  parts: Iterable<{ partNumber: number; etag: string }>,
): Promise<{ etag: string | null }> {
  const operation = "CompleteMultipartUpload";
  const body = new TextEncoder().encode(completeDocument(parts));
  const response = await accepted(
    operation,
    address,
    await send(s3, operation, address, { method: "POST", query: { uploadId }, body }),
  );
  const text = await readText(operation, address, response);
  const error = parseError(text);
  if (error !== null) {
    const { code, requestId } = error;
    throw new S3Error(operation, address, {
      code,
      requestId: requestId ?? response.headers.get("x-amz-request-id"),
      detail: `the store answered 200, then ${code}: ${error.message}`,
    });
  }
  return parseComplete(text) ?? badAnswer(operation, address, text);
}

/** Ends an upload and frees its parts. An upload that is gone already is a success. @throws {S3Error} */
export async function abortMultipartUpload(s3: S3, address: ObjectAddress, uploadId: string): Promise<void> {
  const operation = "AbortMultipartUpload";
  const response = await send(s3, operation, address, { method: "DELETE", query: { uploadId } });
  if (response.ok) {
    await response.body?.cancel();
    return;
  }
  const error = await refusal(operation, address, response);
  if (error.code !== "NoSuchUpload") throw error;
}

interface Outgoing {
  readonly method: string;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: ReadableStream | Uint8Array;
  readonly signal?: AbortSignal;
}

async function send(s3: S3, operation: string, address: ObjectAddress, request: Outgoing): Promise<Response> {
  const { store, client, userAgent } = s3;
  const { method, query = {}, body, signal } = request;
  const url = s3Url(
    { endpoint: store.endpoint, style: store.style, bucket: address.bucket },
    address.key,
    query,
  );
  const headers: Record<string, string> = {
    ...request.headers,
    "user-agent": userAgent,
    // A stream cannot be hashed before it is sent; what is held in memory can, and some stores insist on it.
    "x-amz-content-sha256": body instanceof ReadableStream ? "UNSIGNED-PAYLOAD" : await sha256Hex(body),
  };
  if (store.requesterPays === true) headers["x-amz-request-payer"] = "requester";
  try {
    const signed = await client.sign(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    // Bytes as stored: workerd would otherwise undo gzip and leave headers that no longer fit. Added after signing:
    // Google's front end rewrites Accept-Encoding, which breaks a signature that covers it.
    signed.headers.set("accept-encoding", "identity");
    return await fetch(signed, {
      redirect: "manual",
      encodeResponseBody: "manual",
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw unanswered(operation, address, signal.reason);
    throw unanswered(operation, address, error);
  }
}

async function accepted(operation: string, address: ObjectAddress, response: Response): Promise<Response> {
  if (response.ok) return response;
  throw await refusal(operation, address, response);
}

async function takeEtag(operation: string, address: ObjectAddress, sent: Response): Promise<string> {
  const response = await accepted(operation, address, sent);
  await response.body?.cancel();
  const etag = response.headers.get("etag");
  if (etag !== null && etag !== "") return etag;
  throw new S3Error(operation, address, {
    code: "missing_etag",
    detail: `the store answered ${response.status} without an ETag`,
    status: response.status,
    requestId: response.headers.get("x-amz-request-id"),
  });
}

// Error documents are small; a proxy's page of a megabyte is not worth holding.
const MAX_ERROR_BYTES = 64 * 1024;

async function refusal(operation: string, address: ObjectAddress, response: Response): Promise<S3Error> {
  const { status, headers } = response;
  const error = parseError(await readAtMost(response.body, MAX_ERROR_BYTES));
  const code = error?.code ?? codeOfStatus(status);
  return new S3Error(operation, address, {
    code,
    detail: `the store answered ${status} ${code}` + (error?.message ? `: ${error.message}` : ""),
    status,
    requestId: headers.get("x-amz-request-id") ?? error?.requestId ?? null,
    retryAfterMs: parseRetryAfter(headers.get("retry-after"), Date.now()),
  });
}

// What a status alone can mean, for answers without an error document (every HEAD, proxies, load balancers).
function codeOfStatus(status: number): string {
  if (status === 412) return "PreconditionFailed";
  if (status === 416) return "InvalidRange";
  return `http_${status}`;
}

function unanswered(operation: string, address: ObjectAddress, cause: unknown): S3Error {
  const timedOut = cause instanceof Error && cause.name === "TimeoutError";
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new S3Error(
    operation,
    address,
    { code: timedOut ? "timeout" : "network", detail: `no answer from the store (${detail})` },
    cause,
  );
}

function badAnswer(operation: string, address: ObjectAddress, text: string): never {
  throw new S3Error(operation, address, {
    code: "bad_answer",
    detail: `the store answered 200 with what is no answer: ${JSON.stringify(text.trim().slice(0, 200))}`,
  });
}

async function readText(operation: string, address: ObjectAddress, response: Response): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    throw unanswered(operation, address, error);
  }
}

async function readAtMost(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = "";
  try {
    for (let readBytes = 0; readBytes < maxBytes;) {
      const { done, value } = await reader.read();
      if (done) break;
      readBytes += value.length;
      text += decoder.decode(value, { stream: true });
    }
    await reader.cancel();
  } catch (error) {
    // The status is known and decides; a body that breaks off only takes away the store's own words.
    text += ` (the body broke off: ${error instanceof Error ? error.message : String(error)})`;
  }
  return text;
}

function versionQuery(address: ObjectAddress): Record<string, string> {
  return address.versionId === undefined ? {} : { versionId: address.versionId };
}

const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

async function sha256Hex(body: Uint8Array | undefined): Promise<string> {
  if (body === undefined || body.length === 0) return EMPTY_SHA256;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
