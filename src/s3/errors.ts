// The errors that carry a Failure. Requests and steps throw them; the caller that decides about them turns
// them back into data.

import type { FailureCode } from "../http/codes.ts";
import { toJson } from "../http/json.ts";
import { Problem } from "../http/problem.ts";
import { type Failure, type StoreSide, meshFailure } from "./failure.ts";
import { isPlatformLimit } from "./retry.ts";
import { named, sentence, toldId } from "./told.ts";
import { UnaddressableKeyError } from "./url.ts";

/** A failure that is already classified where it was found. */
export class FailureError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** A failure that is no store's refusal: an answer is wrong, or the request cannot be met. */
export function meshError(code: FailureCode, message: string, operation: string): FailureError {
  return new FailureError(meshFailure(code, message, operation));
}

/** For the catch() of a request in a step that talks to both stores: marks which side refused. */
export function failedAt(side: StoreSide): (error: unknown) => never {
  return (error) => {
    throw error instanceof S3Error ? new FailureError(error.toFailure(side)) : error;
  };
}

/**
 * What was thrown, as data. An error that is not a failure is thrown on.
 *
 * @param side of the store that refused, if the error does not say
 */
export function failureOf(error: unknown, side: StoreSide): Failure {
  if (error instanceof FailureError) return error.failure;
  if (error instanceof S3Error) return error.toFailure(side);
  // The store's secret was removed or damaged while the work ran.
  if (error instanceof Problem) return meshFailure(error.code, error.message, "configuration");
  if (error instanceof UnaddressableKeyError) return meshFailure("invalid_key", error.message, "plan");
  throw error;
}

/**
 * What was thrown by the work at one key of many, as data. What nobody foresaw is a failure of that key; what
 * ended the event is not, and is thrown on.
 */
export function failureOfOne(error: unknown, side: StoreSide): Failure {
  try {
    return failureOf(error, side);
  } catch (unforeseen) {
    if (isPlatformLimit(unforeseen)) throw unforeseen;
    const detail = unforeseen instanceof Error ? unforeseen.message : String(unforeseen);
    return meshFailure("internal_error", `This key cannot be copied: ${detail}`, "copy");
  }
}

/**
 * The store refused instead of doing the work. A 412 may be our own first success, and NoSuchUpload the end
 * of our upload.
 */
export function isRefusal({ status, code }: Failure): boolean {
  return (
    status !== null &&
    status >= 400 &&
    status < 500 &&
    status !== 408 &&
    status !== 412 &&
    code !== "NoSuchUpload"
  );
}

/** Any failure of an operation: the store refused it, its answer was not valid, or none came. */
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
    const place = toJson(named(address.bucket + object));
    super(sentence(`${operation} of ${place}: ${answer.detail}`), { cause });
    this.operation = operation;
    this.code = answer.code;
    this.status = answer.status ?? null;
    this.requestId = toldId(answer.requestId ?? null);
    this.retryAfterMs = answer.retryAfterMs ?? null;
  }

  toFailure(side: StoreSide): Failure {
    const { code, message, operation, status, requestId, retryAfterMs } = this;
    const described = { message, operation, status, requestId, retryAfterMs };
    if (code === "platform_limit") return { side: "mesh", code, ...described };
    // An archived source can be read once a person has restored it.
    const isArchived = side === "source" && code === "InvalidObjectState";
    return { side, code: isArchived ? "source_archived" : code, ...described };
  }
}
