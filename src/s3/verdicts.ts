// What each code of a failure means: the one table of verdicts. Pure.
//
// Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (2026-11) and the providers'
// own codes, named beside the rows.

import type { OwnCode } from "../http/codes.ts";

/**
 * - `retry`: try the same step again.
 * - `throttle`: the same, and the store wants fewer requests.
 * - `blocked`: a person must act (replace credentials, restore an archived source, correct the
 *   configuration). The work done so far stays valid.
 * - `fatal`: trying again cannot help.
 */
export type Verdict = "retry" | "throttle" | "blocked" | "fatal";

/** The verdicts on the mesh's own codes; the compiler checks that each has one. */
const OWN_VERDICTS: Readonly<Record<OwnCode, Verdict>> = {
  network: "retry", // no answer, or one that broke off
  stream_broken: "retry", // source or destination dropped a part in mid-stream
  copier_died: "retry",
  timeout: "retry",
  cancelled: "retry", // the lane was told to stop: the part itself is fine
  missing_etag: "retry",
  range_ignored: "retry", // seen once it may be the doing of a cache in between
  wrong_range: "retry",
  wrong_length: "retry",
  wrong_region: "retry", // the region has been taken from the answer
  redirected: "retry", // to a host of the same service, which is asked next
  redirect_refused: "fatal", // to a host that the secret does not name
  signed_otherwise: "retry", // the store has shown how it reads what is signed
  bad_answer: "retry",
  head_refused: "retry", // a HEAD without a reason, of an object that a GET may read
  digest_demanded: "retry", // the next attempt has one
  over_limit: "fatal", // named as the reason of an InternalError
  object_not_visible: "retry", // a HEAD right after Complete, at a store that is not yet consistent
  upload_still_there: "retry", // parts landed after an abort
  unsorted_listing: "fatal", // what a merge has concluded by then is void, and asking again would hide it
  unreadable_key: "fatal",
  key_not_addressable: "fatal",
  platform_limit: "retry", // the event has used up what the platform gives one: a fresh event goes on
  source_changed: "fatal",
  source_without_etag: "fatal",
  source_without_validator: "fatal",
  source_without_length: "fatal",
  source_without_ranges: "fatal",
  source_archived: "blocked", // a person must restore it; then the copy continues
  restore_unsupported: "fatal",
  restore_refused: "fatal",
  restore_failed: "fatal", // asked for twice, and archived again
  restore_overdue: "blocked", // a person finds out why; resuming looks again
  part_corrupt: "fatal", // after three attempts the ETag is still not the MD5 of the bytes sent
  checksum_mismatch: "fatal",
  verification_failed: "fatal",
  proof_impossible: "fatal",
  attribute_lost: "fatal",
  encryption_not_applied: "fatal",
  destination_exists: "fatal",
  metadata_too_large: "fatal",
  key_too_long: "fatal",
  empty_key: "fatal",
  rename_collision: "fatal",
  rename_impossible: "fatal",
  too_many_renamed_keys: "fatal",
  bad_manifest: "fatal",
  bad_manifest_line: "fatal",
  manifest_changed: "fatal",
  not_versioned: "fatal",
  no_version_then: "fatal",
  history_differs: "fatal",
  object_too_large: "fatal",
  part_layout_unknown: "fatal",
  part_layout_refused: "fatal",
  delete_unconfirmed: "retry",
  destination_changed: "fatal",
  too_many_failures: "fatal",
  report_gone: "fatal",
  copy_blocked: "blocked", // a large object of a sync
  invalid_key: "fatal",
  invalid_bucket: "fatal",
  same_object: "fatal",
  unknown_store: "fatal",
  part_size_too_small: "fatal",
  part_size_too_large: "fatal",
  store_read_only: "blocked",
  bucket_not_allowed: "blocked",
  store_misconfigured: "blocked",
  misconfigured: "blocked",
  budget_reached: "retry", // the work stops before it is looked at as a failure
  internal_error: "fatal",
};

/** S3's codes whose status is misleading or says nothing. */
export const S3_VERDICTS: Readonly<Record<string, Verdict>> = {
  // Throttling, whatever its status.
  SlowDown: "throttle",
  SlowDownRead: "throttle", // MinIO
  SlowDownWrite: "throttle", // MinIO
  ServiceUnavailable: "throttle",
  TooManyRequests: "throttle",
  RequestLimitExceeded: "throttle",
  BandwidthLimitExceeded: "throttle",
  Throttling: "throttle",
  ThrottlingException: "throttle",
  "KMS.ThrottlingException": "throttle",
  // Transient, although the status is 4xx.
  InternalError: "retry",
  RequestTimeout: "retry",
  RequestTimeoutException: "retry",
  PriorRequestNotComplete: "retry",
  IncompleteBody: "retry",
  ClientDisconnect: "retry", // R2 10054
  BadDigest: "retry",
  InvalidPart: "retry", // at Complete, from a store that does not list its parts: it may be mistaken
  OperationAborted: "retry",
  ConditionalRequestConflict: "retry",
  GlacierExpeditedRetrievalNotAvailable: "retry", // 503: no capacity, and no wish for fewer requests
  RequestTimeTooSkewed: "retry", // the answer has given the clock
  // Credentials and permissions: a person corrects them without touching the copy.
  ExpiredToken: "blocked",
  ExpiredRequest: "blocked", // R2
  InvalidToken: "blocked",
  TokenRefreshRequired: "blocked",
  InvalidAccessKeyId: "blocked",
  SignatureDoesNotMatch: "blocked",
  AccessDenied: "blocked",
  AllAccessDisabled: "blocked",
  AccountProblem: "blocked",
  InvalidObjectState: "blocked", // archived, found by a server-side copy
  // No retry helps, although the status suggests one.
  NotImplemented: "fatal",
};

/** The verdict on every code that has one, ours and S3's. */
export const VERDICT_BY_CODE: ReadonlyMap<string, Verdict> = new Map(
  Object.entries({ ...OWN_VERDICTS, ...S3_VERDICTS }),
);
