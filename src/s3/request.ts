// One signed request to an S3 store: sign, send, and turn every refusal into an S3Error. The operations are
// in s3.ts. A store of kind https is asked unsigned (web_request.ts).
//
// Always sign, then fetch. aws4fetch's own fetch() would drop `encodeResponseBody`, follow redirects with the
// signature of another host, and replay a body that can be read only once. A request is signed when it is
// sent.
//
// What a store's refusals reveal is remembered while this isolate lives and used from the next signature on:
// the store's clock (RequestTimeTooSkewed), a bucket's region (301, 307, AuthorizationHeaderMalformed),
// another host of the same service (307, redirect.ts), and how the store reads what is signed (sign.ts).
// Losing it costs one more refusal. No redirect is followed as such: the request is signed anew, for a host
// of the store's own, so no Authorization header ever goes to a host that the operator did not name.
//
// Invariants: every body is read, passed on or cancelled, even of errors, since an unread one occupies one of
// the event's connections. No S3Error contains a secret.

import { readAtMost, takeAtMost } from "./body.ts";
import { bytesToHex } from "./digest.ts";
import { S3Error } from "./errors.ts";
import { type BucketHost, hostWithinService } from "./redirect.ts";
import { type ErrorDocument, type Learned, refusalOf, unanswered } from "./refusal.ts";
import { type Signing, otherSignings, rememberSigning, sign, signingOf } from "./sign.ts";
import { s3Url } from "./url.ts";
import { timeOf, wholeNumber } from "./value.ts";
import { webUrl } from "./web.ts";
import { askServer } from "./web_request.ts";
import { parseError } from "./xml.ts";
import type { SentCount } from "../store/sent.ts";
import { type Store, styleOf } from "../store/stores.ts";

/** One store as one caller uses it. */
export interface S3 {
  readonly store: Store;
  /** Lets a store's log distinguish copies and lanes: `bucket-brigade copy/<id> lane/<n>`. */
  readonly userAgent: string;
  /** Waits until the next request may be sent. Undefined if the store has no cap on requests per second. */
  readonly turn?: (() => Promise<void>) | undefined;
  /** Called for every refusal and every missing answer, including those that the caller tolerates. */
  readonly refused?: ((error: S3Error) => void) | undefined;
  /** Counts what is sent, and may refuse it; undefined: nobody asks. */
  readonly sent?: Pick<SentCount, "request" | "bytes" | "retrieval"> | undefined;
  /** Ends every call without object bytes; undefined: their time limit alone does. */
  readonly stop?: AbortSignal | undefined;
}

export interface ObjectAddress {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
}

/** A request about a bucket has no key. */
export type RequestAddress = ObjectAddress | { readonly bucket: string; readonly key: null };

interface S3Request {
  readonly method: string;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: `identity`. read.ts decides what brings an object's bytes as they are stored. */
  readonly acceptEncoding?: string | undefined;
  /** A stream can be sent once. Bytes can be sent again after a correction of region or clock. */
  readonly body?: ReadableStream | Uint8Array;
}

export function connect(
  store: Store,
  userAgent: string,
  turn?: S3["turn"],
  refused?: (error: S3Error) => void,
): S3 {
  return { store, userAgent, turn, refused };
}

/** Notifies the listener. @returns the error, to be thrown */
export function heard({ refused }: S3, error: S3Error): S3Error {
  refused?.(error);
  return error;
}

/** A call without object bytes that takes longer than this will not be answered. */
export const CALL_LIMIT_MS = 60_000;

/** The largest answer without object bytes. A list of 1,000 parts or uploads has some hundred kilobytes. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const clockOffsetsMs = new Map<string, number>();

/** A clock that is further off is no clock, and the time that it says may have no form that can be signed. */
const MAX_CLOCK_OFFSET_MS = 24 * 60 * 60_000;

const regions = new Map<string, string>();
const hosts = new Map<string, BucketHost>();

/** An answer that was read completely. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** An answer that is no success, and the text with which it begins. */
class Refused implements Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;

  constructor({ status, headers }: Response, text: string) {
    this.status = status;
    this.headers = headers;
    this.text = text;
  }
}

/**
 * Sends one request without object bytes and reads its successful answer, within `limitMs`.
 *
 * @throws {S3Error} for every other answer, and if none came or it breaks off
 */
export async function ask(
  s3: S3,
  operation: string,
  address: RequestAddress,
  request: S3Request & { readonly limitMs?: number },
): Promise<Answer> {
  const once = async () => await askOnce(s3, operation, address, request);
  return await untilLearned(s3, operation, address, request, once);
}

/**
 * Sends one request that moves object bytes and returns its successful answer, whose body the caller reads or
 * cancels. `signal` ends both.
 *
 * @throws {S3Error} for every other answer, and if none came
 */
export async function send(
  s3: S3,
  operation: string,
  address: RequestAddress,
  request: S3Request & { readonly signal: AbortSignal },
): Promise<Response> {
  const once = async () => await sendOnce(s3, operation, address, request);
  return await untilLearned(s3, operation, address, request, once);
}

/** Sends it again once if the refusal has revealed how. */
async function untilLearned<Success extends Response | Answer>(
  s3: S3,
  operation: string,
  address: RequestAddress,
  request: S3Request,
  once: () => Promise<Success | Refused>,
): Promise<Success> {
  for (let corrected = false; ; corrected = true) {
    const answer = await once();
    if (!(answer instanceof Refused)) return answer;
    const document = parseError(answer.text);
    const learned =
      learn(s3.store, address.bucket, answer, document) ??
      (corrected ? null : await learnSigning(s3, operation, address, request, document));
    const again = learned !== null && !corrected && !(request.body instanceof ReadableStream);
    if (!again) throw heard(s3, refusalOf(s3.store, operation, address, answer, document, learned));
  }
}

const DECODER = new TextDecoder();

/**
 * The text of an answer to send(). response.text() would copy a page of a listing several times.
 *
 * @throws {S3Error} if it breaks off or is too large
 */
export async function readText(
  operation: string,
  address: RequestAddress,
  response: Response,
): Promise<string> {
  return DECODER.decode(await collect(operation, address, response));
}

/** Every request passes here, even corrected ones, so each is counted. */
async function takeTurn(s3: S3, operation: string, method: string): Promise<void> {
  await s3.turn?.();
  s3.sent?.request(operation, method);
}

async function sendOnce(
  s3: S3,
  operation: string,
  address: RequestAddress,
  request: S3Request & { readonly signal: AbortSignal },
): Promise<Response | Refused> {
  await takeTurn(s3, operation, request.method);
  const { signal } = request;
  const how = { signal, signing: signingOf(s3.store) };
  const response = await sendSigned(s3, operation, address, request, how);
  if (!response.ok) return await refusedBy(response);
  return operation === "GetObject" ? await counted(s3, response) : response;
}

async function askOnce(
  s3: S3,
  operation: string,
  address: RequestAddress,
  request: S3Request & { readonly limitMs?: number },
  signing = signingOf(s3.store),
): Promise<Answer | Refused> {
  // Its time limit starts when it is its turn.
  await takeTurn(s3, operation, request.method);
  const { limitMs = CALL_LIMIT_MS } = request;
  // Not AbortSignal.timeout(): its timer would outlive the answer and keep a Durable Object in memory.
  const overdue = new AbortController();
  const timer = setTimeout(() => overdue.abort(timeoutError(limitMs)), limitMs);
  const onStop = () => overdue.abort(s3.stop?.reason);
  s3.stop?.addEventListener("abort", onStop, { once: true });
  if (s3.stop?.aborted === true) onStop();
  try {
    const response = await sendSigned(s3, operation, address, request, { signal: overdue.signal, signing });
    return response.ok ? await read(s3, operation, address, response) : await refusedBy(response);
  } finally {
    clearTimeout(timer);
    s3.stop?.removeEventListener("abort", onStop);
  }
}

/** An answer that must not be read is not. */
async function counted({ sent }: S3, response: Response): Promise<Response> {
  try {
    sent?.bytes(wholeNumber(response.headers.get("content-length")) ?? 0);
    return response;
  } catch (error) {
    await response.body?.cancel();
    throw error;
  }
}

export function timeoutError(limitMs: number): DOMException {
  return new DOMException(`nothing within ${limitMs / 1000} s`, "TimeoutError");
}

async function refusedBy(response: Response): Promise<Refused> {
  return new Refused(response, await readAtMost(response.body, MAX_ERROR_BYTES));
}

/** @throws {S3Error} if it breaks off or is too large */
async function read(s3: S3, operation: string, address: RequestAddress, response: Response): Promise<Answer> {
  const { status, headers } = response;
  // The Content-Length of an answer to a HEAD is that of the object.
  if (response.body === null) return { status, headers, text: "" };
  try {
    return { status, headers, text: await readText(operation, address, response) };
  } catch (error) {
    throw error instanceof S3Error && error.code !== "bad_answer" ? heard(s3, error) : error;
  }
}

/** The body of an answer, in memory. @throws {S3Error} if it breaks off or is too large */
export async function collect(
  operation: string,
  address: RequestAddress,
  response: Response,
): Promise<ArrayBuffer> {
  const taken = await takeAtMost(response, MAX_ANSWER_BYTES).catch((error: unknown) => {
    throw unanswered(operation, address, error);
  });
  if (taken !== null) return taken;
  const detail = `the answer has more than ${MAX_ANSWER_BYTES} bytes`;
  throw new S3Error(operation, address, { code: "bad_answer", detail, status: response.status });
}

async function sendSigned(
  s3: S3,
  operation: string,
  address: RequestAddress,
  { method, query = {}, headers = {}, body, acceptEncoding = "identity" }: S3Request,
  { signal, signing }: { signal: AbortSignal; signing: Signing },
): Promise<Response> {
  const { store, userAgent } = s3;
  if (store.web !== undefined)
    return await sendPlain(s3, operation, address, { method, query, headers }, signal);
  const region = regionOf(store, address.bucket);
  const host = hosts.get(bucketKey(store, address.bucket)) ?? {
    endpoint: endpointOf(store, region),
    style: styleOf(store, address.bucket),
  };
  const url = s3Url({ ...host, bucket: address.bucket }, address.key, query);
  const isRead = method === "GET" || method === "HEAD";
  const [signed, unsigned] = isRead ? withoutConditions(headers) : [headers, {}];
  const toSign = {
    method,
    url,
    headers: {
      ...signed,
      "user-agent": userAgent,
      // A stream cannot be hashed before it is sent. A body in memory can, and some stores insist on it.
      "x-amz-content-sha256": body instanceof ReadableStream ? "UNSIGNED-PAYLOAD" : await sha256Hex(body),
      ...(store.requesterPays === true ? { "x-amz-request-payer": "requester" } : {}),
      ...(store.sessionToken === undefined ? {} : { "x-amz-security-token": store.sessionToken }),
    },
    region,
    datetime: amzDate(Date.now() + (clockOffsetsMs.get(store.endpoint) ?? 0)),
  };
  try {
    const outgoing = await sign(store, toSign, signing);
    // The bytes as stored: workerd would otherwise undo gzip and leave headers that no longer match. Added
    // after signing, because Google's front end rewrites Accept-Encoding, which breaks a signature that
    // covers it.
    outgoing.set("accept-encoding", acceptEncoding);
    for (const [name, value] of Object.entries(unsigned)) outgoing.set(name, value);
    return await fetch(url, {
      method,
      headers: outgoing,
      ...(isRead ? PAST_THE_CACHE : {}),
      redirect: "manual",
      encodeResponseBody: "manual",
      signal,
      ...(body === undefined ? {} : { body }),
    });
  } catch (error) {
    hosts.delete(bucketKey(store, address.bucket));
    throw heard(s3, unanswered(operation, address, signal.aborted ? signal.reason : error));
  }
}

/** To a web server, which nothing is signed for. It knows objects, and no other operation is sent to it. */
async function sendPlain(
  s3: S3,
  operation: string,
  { bucket, key }: RequestAddress,
  { method, query = {}, headers = {} }: S3Request,
  signal: AbortSignal,
): Promise<Response> {
  const { endpoint, web } = s3.store;
  const parameters = Object.keys(query);
  if (web === undefined || key === null || method !== "GET" || parameters.length > 0) {
    const what = parameters.length === 0 ? operation : `${operation} with ${parameters.join(" and ")}`;
    const detail = `a store of kind https serves files and has no ${what}`;
    throw new S3Error(operation, { bucket, key }, { code: "NotImplemented", detail, status: 501 });
  }
  const address = { bucket, key };
  const url = webUrl(endpoint, web.query, key);
  const turn = async () => {
    await s3.turn?.();
    s3.sent?.request(operation, method);
  };
  const asked = { operation, address, url, headers, userAgent: s3.userAgent, signal, turn };
  return await askServer(endpoint, web, asked).catch((error: unknown) => {
    if (error instanceof S3Error) throw heard(s3, error);
    throw heard(s3, unanswered(operation, address, signal.aborted ? signal.reason : error));
  });
}

/**
 * A Worker's reads pass through Cloudflare's cache, wherever the store is. For a key that ends in .zip, .jpg
 * or another extension that it caches, the cache would turn HEAD into GET, which breaks the signature, remove
 * Range and If-Match, and answer with an earlier state of the object
 * (https://developers.cloudflare.com/workers/reference/how-the-cache-works/ and
 * https://developers.cloudflare.com/cache/concepts/default-cache-behavior/, 2026-11).
 */
const PAST_THE_CACHE = { cache: "no-store" } as const;

/**
 * Separates the conditions of a read from what is signed. If an intermediary removes one, the ETag of the
 * answer should reveal that, not a refused signature that seems to blame the key. A write's conditions stay
 * signed: a write that lost its condition would overwrite.
 */
function withoutConditions(headers: Readonly<Record<string, string>>) {
  const [others, conditions]: [Record<string, string>, Record<string, string>] = [{}, {}];
  for (const [name, value] of Object.entries(headers))
    (name.startsWith("if-") ? conditions : others)[name] = value;
  return [others, conditions] as const;
}

/** Learns from a refusal. @returns null if it reveals nothing new */
function learn(
  store: Store,
  bucket: string,
  response: Refused,
  document: ErrorDocument,
): Exclude<Learned, "signing"> | null {
  if (document?.code === "RequestTimeTooSkewed") {
    const serverMs = timeOf(response.headers.get("date"));
    const offsetMs = serverMs === null ? Infinity : serverMs - Date.now();
    if (Math.abs(offsetMs) > MAX_CLOCK_OFFSET_MS) return null;
    clockOffsetsMs.set(store.endpoint, offsetMs);
    return "clock";
  }
  const redirected = response.status === 301 || response.status === 307;
  if (!redirected && document?.code !== "AuthorizationHeaderMalformed") return null;
  const region = response.headers.get("x-amz-bucket-region") ?? document?.region ?? null;
  const key = bucketKey(store, bucket);
  if (region !== null && region !== regionOf(store, bucket) && /^[a-z0-9-]+$/.test(region)) {
    regions.set(key, region);
    return "region";
  }
  if (response.status !== 307) return null;
  const host = hostWithinService(store.endpoint, bucket, response.headers.get("location"));
  if (host === null || host.endpoint === hosts.get(key)?.endpoint) return null;
  hosts.set(key, host);
  return "host";
}

/**
 * A signature is refused of a request that stores read in several ways. Which of them this one accepts, a
 * HEAD tells.
 */
async function learnSigning(
  s3: S3,
  operation: string,
  address: RequestAddress,
  { headers = {} }: S3Request,
  document: ErrorDocument,
): Promise<"signing" | null> {
  if (document?.code !== "SignatureDoesNotMatch" || address.key === null || s3.store.web !== undefined)
    return null;
  const metadata = Object.entries(headers).filter(([name]) => name.startsWith("x-amz-meta-"));
  const look = { method: "HEAD", headers: Object.fromEntries(metadata) };
  for (const signing of otherSignings(s3.store, address.key, look.headers)) {
    const answer = await askOnce(s3, operation, address, look, signing).catch(() => null);
    if (answer === null || (answer instanceof Refused && answer.status !== 404)) continue;
    rememberSigning(s3.store, signing);
    return "signing";
  }
  return null;
}

/** The region to sign for: as configured, or as the store has corrected it. */
export function regionOf(store: Store, bucket: string): string {
  return regions.get(bucketKey(store, bucket)) ?? store.region;
}

function bucketKey(store: Store, bucket: string): string {
  return `${store.endpoint}/${bucket}`;
}

/** AWS has a host per region; elsewhere the region is only a word in the signature. */
function endpointOf(store: Store, region: string): string {
  if (region === store.region) return store.endpoint;
  return store.endpoint.replace(
    /^https:\/\/s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com(\.cn)?$/,
    (_, china: string | undefined) => `https://s3.${region}.amazonaws.com${china ?? ""}`,
  );
}

// Error documents are small; a proxy's page of a megabyte is not worth keeping.
const MAX_ERROR_BYTES = 64 * 1024;

/** `20261125T010203Z`, the form that SigV4 requires. */
// A thousand requests of one second have one date, and it takes a fortieth of a small request's CPU.
let lastDate = { second: NaN, text: "" };

/** `20261125T010203Z` */
function amzDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastDate.second)
    lastDate = { second, text: new Date(ms).toISOString().replace(/[:-]|\.\d{3}/g, "") };
  return lastDate.text;
}

const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

async function sha256Hex(body: Uint8Array | undefined): Promise<string> {
  if (body === undefined || body.length === 0) return EMPTY_SHA256;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return bytesToHex(digest);
}
