// The errors that carry a Failure: thrown by requests and steps, turned back into data by whoever decides
// about them.

import { Problem } from "../http/problem.ts";
import { type Failure, type Side, meshFailure } from "./failure.ts";
import { UnaddressableKeyError } from "./url.ts";

/** A failure that whoever found it has judged already. */
export class FailureError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** A failure that is neither store's refusal: an answer does not fit, or the request cannot be met. */
export function meshError(code: string, message: string, operation: string): FailureError {
  return new FailureError(meshFailure(code, message, operation));
}

/** For the catch() of a request in a step that talks to both stores: tells whose refusal it was. */
export function failedAt(side: Side): (error: unknown) => never {
  return (error) => {
    throw error instanceof S3Error ? new FailureError(error.toFailure(side)) : error;
  };
}

/**
 * What was thrown, as data; what is no failure is thrown on.
 *
 * @param side of the store that a refusal came from, where nothing else tells
 */
export function failureOf(error: unknown, side: Side): Failure {
  if (error instanceof FailureError) return error.failure;
  if (error instanceof S3Error) return error.toFailure(side);
  // A store was taken out of the configuration, or its secret was spoilt, while the work ran.
  if (error instanceof Problem) return meshFailure(error.code, error.message, "configuration");
  if (error instanceof UnaddressableKeyError) return meshFailure("invalid_key", error.message, "plan");
  throw error;
}

/**
 * A refusal that came instead of the work, not after it. 412 may be our own first success, and 404 its
 * upload's end.
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
    const { message, operation, status, requestId, retryAfterMs } = this;
    const whose = this.code === "platform_limit" ? "mesh" : side;
    // A source that says so can be read once a person has restored it.
    const isArchived = side === "source" && this.code === "InvalidObjectState";
    const code = isArchived ? "source_archived" : this.code;
    return { side: whose, code, message, operation, status, requestId, retryAfterMs };
  }
}
