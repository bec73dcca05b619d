// The stable codes of the API: for a refused request (`code` of a problem), and for what a copy, a sync or
// one of its keys failed with (`failure.code`, `reason`). Nothing else can be thrown: the types of Problem
// and Failure are made from these tables. docs/api.md and docs/trouble.md explain each code, which a test
// checks.
//
// Like vocabulary.ts, it imports nothing.

/** Codes of refused requests, each with its HTTP status. */
export const PROBLEM_STATUS = {
  invalid_request: 400,
  invalid_json: 400,
  invalid_bucket: 400,
  invalid_key: 400,
  unknown_event_form: 400,
  same_object: 400,
  overlapping_prefixes: 400,
  unknown_store: 400,
  part_size_too_small: 400,
  part_size_too_large: 400,
  token_missing: 401,
  token_wrong: 401,
  token_expired: 401,
  assertion_wrong: 401,
  signature_wrong: 401,
  token_read_only: 403,
  right_missing: 403,
  out_of_scope: 403,
  foreign_origin: 403,
  store_read_only: 403,
  bucket_not_allowed: 403,
  no_such_route: 404,
  no_such_page: 404,
  copy_not_found: 404,
  sync_not_found: 404,
  comparison_not_found: 404,
  schedule_not_found: 404,
  replication_not_found: 404,
  check_not_found: 404,
  probe_not_found: 404,
  notification_not_found: 404,
  destination_busy: 409,
  destination_in_use: 409,
  nothing_to_retry: 409,
  nothing_to_repair: 409,
  repair_exists: 409,
  run_skipped: 409,
  run_refused: 409,
  probe_running: 409,
  store_capped: 409,
  too_many_schedules: 409,
  replication_exists: 409,
  replication_deleting: 409,
  two_way_refused: 409,
  not_following: 409,
  too_many_replications: 409,
  no_receiver: 409,
  idempotency_key_in_use: 409,
  work_blocked: 409,
  work_paused: 409,
  work_running: 409,
  clean_up_owed: 409,
  budget_reached: 409,
  method_not_allowed: 405,
  link_invalid: 403,
  link_expired: 410,
  schedule_exists: 412,
  schedule_changed: 412,
  body_too_large: 413,
  host_refused: 421,
  idempotency_key_reused: 422,
  not_quoted: 422,
  work_failed: 422,
  work_cancelled: 422,
  work_finished_with_errors: 422,
  work_different: 422,
  work_inconclusive: 422,
  too_many_guesses: 429,
  too_many_running: 429,
  internal_error: 500,
  api_token_unset: 503,
  store_misconfigured: 503,
  misconfigured: 503,
  access_unavailable: 503,
  store_busy: 503,
  sender_unreachable: 503,
  too_many_viewers: 503,
  state_too_new: 503,
  work_goes_on: 504,
} as const;

export type ProblemCode = keyof typeof PROBLEM_STATUS;

/** Failures that are not a store's answer and that no request is refused with. */
const MESH_FAILURES = [
  "source_changed",
  "source_archived",
  "restore_unsupported",
  "restore_refused",
  "restore_failed",
  "restore_overdue",
  "source_without_etag",
  "source_without_validator",
  "source_without_length",
  "source_without_ranges",
  "destination_exists",
  "object_too_large",
  "part_layout_unknown",
  "part_layout_refused",
  "empty_key",
  "key_too_long",
  "rename_collision",
  "rename_impossible",
  "too_many_renamed_keys",
  "bad_manifest",
  "bad_manifest_line",
  "manifest_changed",
  "not_versioned",
  "no_version_then",
  "history_differs",
  "metadata_too_large",
  "attribute_lost",
  "encryption_not_applied",
  "proof_impossible",
  "part_corrupt",
  "checksum_mismatch",
  "verification_failed",
  "stream_broken",
  "copier_died",
  "platform_limit",
  "cancelled",
  "copy_blocked",
  "too_many_failures",
  "report_gone",
  "unreadable_key",
  "key_not_addressable",
  "delete_unconfirmed",
  "destination_changed",
] as const;

/** Codes of problems that a failure can have, too: what was configured or requested has become invalid. */
const SHARED_FAILURES = [
  "invalid_bucket",
  "invalid_key",
  "same_object",
  "unknown_store",
  "part_size_too_small",
  "part_size_too_large",
  "store_read_only",
  "bucket_not_allowed",
  "store_misconfigured",
  "misconfigured",
  "budget_reached",
  "internal_error",
] as const satisfies readonly ProblemCode[];

/** The kinds of a store's answer, or of none. The code has the side in front: `source_not_found`. */
const STORE_FAILURES = [
  "not_found",
  "bucket_not_found",
  "access_denied",
  "credentials_refused",
  "unreachable",
  "throttled",
  "error",
] as const;

const SIDES = ["source", "destination"] as const;

type StoreFailure = `${(typeof SIDES)[number]}_${(typeof STORE_FAILURES)[number]}` | "destination_full";

/** The code of a failure on the mesh's side: any code that docs/trouble.md explains. */
export type FailureCode = (typeof MESH_FAILURES)[number] | StoreFailure | ProblemCode;

/** Every code that `failure.code` or `reason` can show. */
export const FAILURE_CODES: readonly FailureCode[] = [
  ...MESH_FAILURES,
  ...SHARED_FAILURES,
  ...SIDES.flatMap((side) => STORE_FAILURES.map((kind): StoreFailure => `${side}_${kind}`)),
  "destination_full",
];

/**
 * The mesh's words for a wrong answer of a store, or for none. Like S3's own codes, they are shown as
 * `storeCode`.
 */
export const ANSWER_CODES = [
  "network",
  "timeout",
  "bad_answer",
  "missing_etag",
  "range_ignored",
  "wrong_range",
  "wrong_length",
  "wrong_region",
  "redirected",
  "redirect_refused",
  "signed_otherwise",
  "head_refused",
  "digest_demanded",
  "over_limit",
  "object_not_visible",
  "upload_still_there",
  "unsorted_listing",
  "unreadable_key",
] as const;

export type AnswerCode = (typeof ANSWER_CODES)[number];

/** The code of a failure before a side is added. */
export type OwnCode = (typeof MESH_FAILURES)[number] | (typeof SHARED_FAILURES)[number] | AnswerCode;
