// The errors that carry a Failure: thrown by requests and steps, turned back into data by whoever decides
// about them.

import { Problem } from "../http/problem.ts";
import { type Failure, type Side, meshFailure } from "./failure.ts";

export class StepError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** What a step threw, as data; what is no store's failure is thrown on. */
export function failureOf(error: unknown, side: Side): Failure {
  if (error instanceof StepError) return error.failure;
  if (error instanceof DestinationError) return error.cause.toFailure("destination");
  if (error instanceof S3Error) return error.toFailure(side);
  // The store was taken out of the configuration, or its secret was spoilt, while the copy ran.
  if (error instanceof Problem) return meshFailure(error.code, error.message, "configuration");
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

/** Tells a failure of the destination from one of the source, which prepare() mostly talks to. */
export class DestinationError extends Error {
  override readonly cause: S3Error;

  constructor(cause: S3Error) {
    super(cause.message);
    this.cause = cause;
  }
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
    const whose = code === "platform_limit" ? "mesh" : side;
    return { side: whose, code, message, operation, status, requestId, retryAfterMs };
  }
}
