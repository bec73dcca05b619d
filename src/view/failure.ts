// A failure as the API shows it: a stable code for programs, and the store's own words for people. Pure.

import type { Failure } from "../s3/failure.ts";
import { verdictOf } from "../s3/retry.ts";

/** The stable code of a failure: the mesh's own codes as they are, S3's by side and kind. */
export function publicCode(failure: Failure): string {
  const { side, code, status } = failure;
  if (side === "mesh" || code.startsWith("source_")) return code;
  switch (code) {
    case "destination_exists":
    case "PreconditionFailed": // the only condition sent there is that nothing exists
      return `${side}_exists`;
    case "NoSuchBucket":
      return `${side}_bucket_not_found`;
    case "NoSuchKey":
      return `${side}_not_found`;
    case "AccessDenied":
    case "AllAccessDisabled":
      return `${side}_access_denied`;
    case "InvalidAccessKeyId":
    case "SignatureDoesNotMatch":
    case "ExpiredToken":
    case "InvalidToken":
      return `${side}_credentials_refused`;
    case "network":
    case "timeout":
      return `${side}_unreachable`;
  }
  if (status === 404) return `${side}_not_found`;
  if (status === 403) return `${side}_access_denied`;
  return verdictOf(failure) === "throttle" ? `${side}_throttled` : `${side}_error`;
}

/** A failure as a status shows it: the stable code, and the store's own words. */
export function describeFailure(failure: Failure): Record<string, unknown> {
  const { message, operation, status, requestId, code, side } = failure;
  return {
    code: publicCode(failure),
    message,
    operation,
    status,
    requestId,
    ...(side === "mesh" ? {} : { storeCode: code }),
  };
}
