// What to do about a failure: try again, slow down, wait for a person, or give up; and how long to wait.
// Pure.
//
// S3's error code decides first (verdicts.ts), the HTTP status second. Backoff is AWS's "full jitter"
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

import type { Failure } from "./failure.ts";
import { type Verdict, VERDICT_BY_CODE } from "./verdicts.ts";

/** Every new phase starts with it. */
export const FRESH: Retry = { failedAttempts: 0, notBeforeMs: 0 };

/** What a store may ask to wait. Whoever is asked for more is to be asked first. */
const MAX_RETRY_AFTER_MS = 15 * 60_000;

/** The verdict on a failure. A code in the table decides; otherwise the class of the status does. */
export function verdictOf(failure: Failure): Verdict {
  if ((failure.retryAfterMs ?? 0) > MAX_RETRY_AFTER_MS) return "blocked";
  const byCode = VERDICT_BY_CODE.get(failure.code);
  if (byCode !== undefined) return byCode;
  if (isFull(failure)) return "blocked";
  const { status } = failure;
  if (status === null) return "retry";
  if (status === 429 || status === 503) return "throttle";
  if (status === 408 || (status >= 500 && status !== 501)) return "retry";
  if (status === 401 || status === 403) return "blocked";
  return "fatal";
}

/**
 * Whether the store says that it will never do this: not supported, or not permitted. The copy then goes on
 * without what it can spare (tags, lists of parts, an attribute). Bad credentials are different: with better
 * ones the store would do it.
 */
export function saysNo(failure: Failure): boolean {
  const verdict = verdictOf(failure);
  if (verdict === "blocked")
    return !CREDENTIALS.has(failure.code) && !isFull(failure) && isForbidden(failure);
  return verdict === "fatal";
}

/**
 * Whether the store has no space left: a disk, or the quota of a user or a bucket. Stores report that with
 * 403, 400 or 507, and it has nothing to do with permissions. A person makes room, and the work continues.
 * The codes are those of Ceph and Versity (`QuotaExceeded`), NooBaa (`ObjectQuotaExceeded`), MinIO
 * (`XMinioAdminBucketQuotaExceeded`, `XMinioStorageFull`) and FSx (`InsufficientCapacity`).
 */
export function isFull({ code, status }: Failure): boolean {
  if (status === 429 || status === 503) return false; // a quota of requests
  return status === 507 || /(QuotaExceeded|StorageFull|InsufficientCapacity)$/.test(code);
}

/** The verdict on one key of many: what is forbidden is forbidden for that key, and the others continue. */
export function keyVerdictOf(failure: Failure): Verdict {
  return saysNo(failure) ? "fatal" : verdictOf(failure);
}

const CREDENTIALS: ReadonlySet<string> = new Set([
  "ExpiredToken",
  "ExpiredRequest",
  "InvalidToken",
  "TokenRefreshRequired",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
]);

function isForbidden({ status, code }: Failure): boolean {
  // only the code says so in a 200 with an <Error>
  return status === 401 || status === 403 || code === "AccessDenied";
}

/**
 * Whether the store, or the way to it, seems to be down for everyone, rather than this one request to have
 * failed. Such a failure is waited out, because it says nothing about the part that met it.
 */
export function isOutage(failure: Failure): boolean {
  if (verdictOf(failure) === "throttle") return true;
  return OUTAGES.has(failure.code) || isUnreachable(failure);
}

/**
 * Whether the store has not answered: nobody has, or Cloudflare in its place
 * (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/).
 */
export function isUnreachable({ code }: { readonly code: string }): boolean {
  return code === "network" || code === "timeout" || /^http_(?:52[0-7]|530)$/.test(code);
}

const OUTAGES: ReadonlySet<string> = new Set([
  "stream_broken", // a store that goes down does this to every part in flight
  "platform_limit",
  "http_502",
  "http_504",
]);

/**
 * Down or failing: what the store refuses now it may accept later. A store that fails this request and
 * answers others is not.
 */
export function isStoreTrouble(failure: Failure): boolean {
  if (isOutage(failure)) return true;
  return isServerFault(failure) && failure.answersOthers !== true;
}

/** The store has answered, and takes the fault on itself. */
export function isServerFault(failure: Failure): boolean {
  const ownFault = failure.code === "InternalError" || (failure.status !== null && failure.status >= 500);
  return ownFault && verdictOf(failure) === "retry";
}

// What the platform reports when an event has used up its limits or an object is overloaded. None of it has a
// code. https://developers.cloudflare.com/workers/observability/errors/ and
// https://developers.cloudflare.com/durable-objects/best-practices/error-handling/ (2026-11)
const PLATFORM_LIMIT =
  /subrequest depth limit exceeded|too many subrequests|too many (?:api )?requests by single worker|exceeded (?:its )?cpu|exceededcpu|is overloaded/i;

/** Whether this event, not the store, has reached its limit. A new event must then do the work. */
export function isPlatformLimit(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ("overloaded" in error && error.overloaded === true) || PLATFORM_LIMIT.test(error.message);
}

/** Attempts at one step or one part before the copy fails. */
export const MAX_ATTEMPTS = 8;

/**
 * Attempts at a step while its store is down and there is work to lose; then the copy waits for a person.
 * About seven minutes.
 */
export const MAX_OUTAGE_ATTEMPTS = 48;

const BACKOFF_BASE_MS = { retry: 100, throttle: 800 } as const;

const BACKOFF_CAP_MS = 20_000;

/**
 * How long to wait before the next attempt.
 *
 * @param failedAttempts attempts that have failed so far, from 1
 * @param random a number in [0, 1)
 */
export function backoffMs(failure: Failure, failedAttempts: number, random: number): number {
  const baseMs = verdictOf(failure) === "throttle" ? BACKOFF_BASE_MS.throttle : BACKOFF_BASE_MS.retry;
  const jitterMs = random * Math.min(BACKOFF_CAP_MS, baseMs * 2 ** failedAttempts);
  // Retry-After is a minimum, up to a bound. The jitter on top spreads out clients that were told the same
  // time.
  return Math.ceil(Math.min(failure.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS) + jitterMs);
}

/** Failed attempts at the current step. Every new phase starts afresh. */
export interface Retry {
  readonly failedAttempts: number;
  readonly notBeforeMs: number;
  /** Alarms in a row that have ended in an error that nobody foresaw. Absent: none. */
  readonly crashes?: number;
}

/** With so many crashes in a row a job does not go on by itself: the next one would end alike. */
const MAX_CRASHES = 5;

/** One more crash. @returns null if it is one too many */
export function afterCrash({ crashes = 0, ...retry }: Retry): Retry | null {
  return crashes + 1 < MAX_CRASHES ? { ...retry, crashes: crashes + 1 } : null;
}

/** An alarm of a job has ended well. @returns the same job if none had crashed before */
export function withoutCrashes<Job extends object>(job: Job): Job {
  const { retry } = job as { readonly retry?: Retry };
  if (retry?.crashes === undefined) return job;
  const { crashes: _counted, ...rest } = retry;
  return { ...job, retry: rest };
}
