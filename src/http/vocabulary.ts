// The words that the API and the dashboard share: phases, proofs, compare modes, what a report says of a key,
// and the content of a `parts` event. The codes of errors are in codes.ts.
//
// It imports nothing, because the dashboard is type-checked against view/answers.ts without the types of
// Workers. That these phases are the jobs' own is checked where a status is built.

/**
 * What a token may do. `delete`: start what deletes at its destination. `events`: tell replications of keys
 * to look at.
 */
export const RIGHTS = ["read", "start", "steer", "delete", "schedules", "stores", "events"] as const;

/** `admitted` until the coordinator has reported, then the phase of the job. */
export const COPY_PHASES = [
  "admitted",
  "queued",
  "sizing",
  "restoring",
  "creating",
  "uploading",
  "completing",
  "verifying",
  "completed",
  "aborting",
  "failed",
  "cancelled",
  "paused",
  "blocked",
] as const;

/** Phases in which work does nothing more by itself. */
export const ENDED_PHASES = [
  "completed",
  "finished_with_errors",
  "equal",
  "different",
  "inconclusive",
  "failed",
  "cancelled",
] as const;

const ENDED: readonly string[] = ENDED_PHASES;

export const SYNC_PHASES = [
  "admitted",
  "listing",
  "copying",
  "restoring",
  "deleting",
  "stopping",
  "reporting",
  "completed",
  "finished_with_errors",
  "failed",
  "cancelled",
  "paused",
  "blocked",
] as const;

export const COMPARISON_PHASES = [
  "admitted",
  "listing",
  "comparing",
  "stopping",
  "reporting",
  "equal",
  "different",
  "inconclusive",
  "failed",
  "cancelled",
  "paused",
  "blocked",
] as const;

/** `admitted` until the replicator has reported, then the phase of its job. */
export const REPLICATION_PHASES = [
  "admitted",
  "backfilling",
  "following",
  "cutting_over",
  "cut_over",
  "paused",
  "blocked",
  "deleting",
] as const;

/** Why a cutover is not ready. `changed`: copied or deleted after its comparison began. */
export const CUTOVER_REASONS = [
  "missing",
  "different",
  "unknown",
  "unreadable",
  "changed",
  "failed",
  "held",
  "backlog",
  "comparison_failed",
] as const;

export type CutoverReason = (typeof CUTOVER_REASONS)[number];

/** Names for several phases, for the lists: what has not ended, and what a person must look at. */
export const PHASE_GROUPS: Readonly<Record<"active" | "attention", readonly string[]>> = {
  active: [...new Set([...COPY_PHASES, ...SYNC_PHASES, ...COMPARISON_PHASES])].filter(
    (phase) => !ENDED.includes(phase),
  ),
  attention: ["blocked", "failed", "finished_with_errors", "different", "inconclusive"],
};

/**
 * How a copy knows that the destination equals the source; object/proof.ts chooses.
 *
 * - `etag`: both ETags are the same MD5 of the content.
 * - `content-md5`: the destination has checked the one PutObject against the source's MD5.
 * - `checksum`: the full-object CRCs of both sides are equal.
 * - `part-md5`: each part's MD5, computed while streaming, is the ETag that the destination gave the part.
 * - `length`: the ranges were pinned by the source's ETag and every byte was counted. Nothing better is
 *   available.
 */
export const PROOFS = ["etag", "content-md5", "checksum", "part-md5", "length"] as const;

export type Proof = (typeof PROOFS)[number];

/** What proves that two existing objects are equal. */
export const EQUALITY_PROOFS = ["size", "size+mtime", "etag", "record", "checksum"] as const;

export type EqualityProof = (typeof EQUALITY_PROOFS)[number];

/**
 * What a comparison finds of a key.
 *
 * - `equal`, with its proof; `different`, with what differs.
 * - `unknown`: both are there, and nothing that can be compared decides.
 * - `missing`: only the source has it; `extra`: only the destination has it.
 * - `unreadable`: a side refuses to show it, or no request can name it.
 */
export const OUTCOMES = ["equal", "different", "unknown", "missing", "extra", "unreadable"] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** `bytes`: every byte of both was read, and their CRC64NVME are equal. */
export const COMPARISON_PROOFS = [...EQUALITY_PROOFS, "bytes"] as const;

export type ComparisonProof = (typeof COMPARISON_PROOFS)[number];

/** In what two objects differ. */
export const DIFFERENCES = ["size", "etag", "checksum", "bytes"] as const;

export type Difference = (typeof DIFFERENCES)[number];

/** Why nothing decides whether two objects are equal. */
export const DOUBTS = [
  "no_common_value",
  "parts",
  "encrypted",
  "no_length",
  "mtime",
  "archived",
  "source_changed",
  "destination_changed",
] as const;

export type Doubt = (typeof DOUBTS)[number];

/** What a sync has done with a key. */
export const KEY_ACTIONS = [
  "copied",
  "skipped",
  "failed",
  "deleted",
  "delete_failed",
  "would_copy",
  "would_delete",
] as const;

/** What a manifest may be; listing/manifest_lines.ts says what each is. */
export const MANIFEST_FORMATS = ["csv", "keys", "ndjson", "inventory"] as const;

/** The reasons by which a filter leaves a key out. */
export const FILTERED = [
  "excluded",
  "not_included",
  "too_small",
  "too_large",
  "too_old",
  "too_new",
  "storage_class",
  "outside_source",
  "not_current",
] as const;

/** How fast, and at what price, an archived object is restored. */
export const RETRIEVAL_TIERS = ["Bulk", "Standard", "Expedited"] as const;

export type RetrievalTier = (typeof RETRIEVAL_TIERS)[number];

/** Why a sync has skipped a key. */
export const SKIP_REASONS = [
  "equal",
  ...FILTERED,
  "archived",
  "version_before_failed",
  "restore_limit",
  "sync_report",
  "prefix_itself",
  "failed",
  "cancelled",
] as const;

export type SkipReason = (typeof SKIP_REASONS)[number];

/** Why a dry run would copy a key. */
export const COPY_REASONS = ["absent", "size", "mtime", "checksum", "unproved", "changed"] as const;

export type CopyReason = (typeof COPY_REASONS)[number];

/** Why a run that was to delete did not: the rule that forbids it. sync/deletes.ts has the rules. */
export const DELETE_RULES = ["listing_failed", "source_empty", "too_many_deletes", "failed_keys"] as const;

export type DeleteRule = (typeof DELETE_RULES)[number];

/** Why a key was deleted, or would be. */
export const DELETE_REASON = "not_at_source";

/**
 * How a sync decides that an object at the destination is the same as the source's. The rules are in
 * object/compare.ts.
 *
 * - `size`: the size alone.
 * - `size+mtime`: the size, and the destination was written after the source last changed.
 * - `etag`: the ETag or the mark.
 * - `checksum`: only values computed from the bytes (checksums, MD5 ETags of single-part objects). Objects
 *   without one are copied in every run.
 * - `auto`: ETag, mark or checksum, whichever proves it.
 */
export const COMPARE_MODES = ["auto", "size", "size+mtime", "etag", "checksum"] as const;

export type CompareMode = (typeof COMPARE_MODES)[number];

/** A `parts` event of `GET /copies/{id}/events?parts`: the state of a copy's parts. */
export interface PartsMessage {
  readonly total: number;
  /** True: the parts listed are all that were ever handed out, and everything known before is void. */
  readonly reset: boolean;
  readonly parts: readonly PartWord[];
}

export type PartWord = readonly [
  partNumber: number,
  state: "pending" | "inFlight" | "done",
  lane: number | null,
  failedAttempts: number,
];

/** Of a webhook to one receiver. */
export const NOTIFICATION_STATES = ["waiting", "delivered", "given_up"] as const;

/** Kind of work and its phase, or why it pauses by itself, of which the receivers of webhooks are told. */
export const WEBHOOK_TYPES: readonly string[] = [
  "copy.completed",
  "copy.failed",
  "copy.blocked",
  "copy.budget_reached",
  "sync.completed",
  "sync.finished_with_errors",
  "sync.failed",
  "sync.blocked",
  "sync.budget_reached",
  "comparison.equal",
  "comparison.different",
  "comparison.inconclusive",
  "comparison.failed",
  "comparison.blocked",
  "comparison.budget_reached",
  "replication.blocked",
  "replication.backlog_full",
  "replication.deletions_held",
  "replication.not_ready",
  "replication.cut_over",
];
