// A failure as the API shows it: a stable code for programs, and the store's own words for people. Pure.

import type { CopyStatus } from "./answers.ts";
import type { FailureCode } from "../http/codes.ts";
import type { Failure } from "../s3/failure.ts";
import { isFull, isUnreachable, verdictOf } from "../s3/retry.ts";
import { sentence, toldId } from "../s3/told.ts";

/** The stable code of a failure: the mesh's own codes as they are, S3's by side and kind. */
export function publicCode(failure: Failure): FailureCode {
  if (failure.side === "mesh") return failure.code;
  const { side, code, status } = failure;
  switch (code) {
    case "source_changed":
    case "source_archived":
    case "source_without_validator":
    case "source_without_length":
    case "key_not_addressable":
    case "stream_broken":
    case "destination_exists":
    case "part_size_too_large":
      return code;
    case "PreconditionFailed": // the source must have its ETag, the destination must have nothing
      return side === "source" ? "source_changed" : "destination_exists";
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
    case "InvalidStorageClass": // where a loss is allowed, the copy goes on without it
    case "InvalidTag":
    case "InvalidRedirectLocation":
      if (side === "destination") return "attribute_lost";
  }
  if (side === "destination" && isFull(failure)) return "destination_full";
  if (isUnreachable(failure)) return `${side}_unreachable`;
  if (status === 404) return `${side}_not_found`;
  if (status === 403) return `${side}_access_denied`;
  return verdictOf(failure) === "throttle" ? `${side}_throttled` : `${side}_error`;
}

/** A failure as a status shows it: the stable code, and the store's own words. */
export function describeFailure(failure: Failure): NonNullable<CopyStatus["failure"]> {
  const { message, operation, status, requestId, code, side } = failure;
  return {
    code: publicCode(failure),
    message: sentence(message),
    operation,
    status,
    requestId: toldId(requestId),
    ...(side === "mesh" ? {} : { storeCode: code }),
  };
}
