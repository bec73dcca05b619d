// What an answer that is no success means: its code, and the store's words for people. It reads the clock, by
// which a Retry-After counts that is a date.

import { S3Error } from "./errors.ts";
import { isPlatformLimit } from "./retry.ts";
import { hasDotSegment } from "./sign.ts";
import { toldId } from "./told.ts";
import { parseRetryAfter, wholeNumber } from "./value.ts";
import type { parseError } from "./xml.ts";
import type { Store } from "../store/stores.ts";

interface Addressed {
  readonly bucket: string;
  readonly key: string | null;
}

export type ErrorDocument = ReturnType<typeof parseError>;

/** What a refusal has revealed. */
export type Learned = "clock" | "region" | "host" | "signing";

/** The error for an answer that is no success. @param learned what it has revealed */
export function refusalOf(
  store: Store,
  operation: string,
  address: Addressed,
  { status, headers }: Pick<Response, "status" | "headers">,
  document: ErrorDocument,
  learned: Learned | null,
): S3Error {
  const redirected = (status === 301 || status === 307) && document === null;
  const requestId = headers.get("x-amz-request-id") ?? document?.requestId ?? null;
  const isByCloudflare =
    requestId === null && headers.get("server") === "cloudflare" && store.web === undefined;
  const byStatus = redirected ? "PermanentRedirect" : codeOfStatus(status);
  const told = document?.code ?? byStatus;
  const hint = hintOf(store, status, told) + (isMisreadKey(address, told) ? MISREAD_KEY : "");
  const ray = headers.get("cf-ray");
  const retryAfterMs = retryAfterOf(headers);
  return new S3Error(operation, address, {
    code: learned === null ? meaningOf(address, told, document) : (LEARNED[learned] ?? told),
    detail:
      `${isByCloudflare ? "Cloudflare, not the store," : "the store"} answered ${status} ${told}` +
      (document?.message ? `: ${document.message}` : "") +
      (document?.reason ? ` (${document.reason})` : "") +
      hint +
      (retryAfterMs === null || retryAfterMs < LONG_WAIT_MS
        ? ""
        : `; it asks to wait ${Math.ceil(retryAfterMs / 1000)} s`) +
      (requestId === null && ray !== null ? ` (cf-ray ${toldId(ray)})` : ""),
    status,
    requestId,
    retryAfterMs,
  });
}

/**
 * Retryable even if the body cannot be sent again here: the next attempt, with a new body, uses what was
 * learned.
 */
const LEARNED: Readonly<Record<Learned, string | null>> = {
  clock: null, // S3's code has that verdict
  region: "wrong_region",
  host: "redirected",
  signing: "signed_otherwise",
};

function meaningOf(address: Addressed, told: string, document: ErrorDocument): string {
  if (isMisreadKey(address, told)) return "key_not_addressable";
  return namesLimit(document) ? "over_limit" : told;
}

/**
 * A verifier, or what stands before it, that resolves dot segments refuses the signature of such a key, or
 * the path. That says nothing of the credentials.
 */
function isMisreadKey({ key }: Addressed, told: string): boolean {
  const isRefused = told === "SignatureDoesNotMatch" || told === "InvalidURI";
  return isRefused && key !== null && hasDotSegment(key);
}

const MISREAD_KEY =
  '; the key has "." or ".." as a segment, which this store, or a proxy before it, resolves as a path';

/**
 * Swift answers InternalError to what is too long or too many for it, which no retry changes, and says why.
 */
function namesLimit(document: ErrorDocument): boolean {
  const LIMIT = /too (?:long|many|large|big)|(?:longer|more|larger|greater) than|name length|exceeds/i;
  return document?.code === "InternalError" && document.reason !== null && LIMIT.test(document.reason);
}

/** A wait that people should know of. */
const LONG_WAIT_MS = 60_000;

function retryAfterOf(headers: Headers): number | null {
  const amzMs = wholeNumber(headers.get("x-amz-retry-after")); // milliseconds
  return amzMs ?? parseRetryAfter(headers.get("retry-after"), Date.now());
}

function hintOf(store: Store, status: number, code: string): string {
  if (code === "SecondLevelDomainForbidden" || code === "PathStyleDomainForbidden") {
    return `; set "style": "virtual" for store "${store.name}"`;
  }
  if (store.web === undefined && (status === 301 || status === 307))
    return `; set the bucket's region for store "${store.name}"`;
  if (code === "part_size_too_large") {
    return "; no body of this size passes here: set MAX_PART_MIB lower, POST /probe finds what passes";
  }
  return "";
}

// What a status alone means, for answers without an error document (every HEAD, proxies, load balancers).
function codeOfStatus(status: number): string {
  if (status === 412) return "PreconditionFailed";
  if (status === 416) return "InvalidRange";
  // A store that finds a body too large says EntityTooLarge; without a document it is somebody's in between.
  if (status === 413) return "part_size_too_large";
  return `http_${status}`;
}

/** The error for an answer that did not come, or broke off. */
export function unanswered(operation: string, address: Addressed, cause: unknown): S3Error {
  const timedOut = cause instanceof Error && cause.name === "TimeoutError";
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new S3Error(
    operation,
    address,
    {
      code: isPlatformLimit(cause) ? "platform_limit" : timedOut ? "timeout" : "network",
      detail: `no answer from the store (${detail})`,
    },
    cause,
  );
}
