// What a step of a copy threw, as data, and whether it leaves a doubt.

import { type Failure, type Side, meshFailure } from "./failure.ts";
import { DestinationError } from "./prepare.ts";
import { Problem } from "./problem.ts";
import { S3Error } from "./s3.ts";

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

/** A refusal that came instead of the work, not after it. 412 may be our own first success, and 404 its upload's end. */
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
