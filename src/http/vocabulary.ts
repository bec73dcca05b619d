// The words that the API and the dashboard share: names of phases, of compare modes, and of what a `parts`
// event holds.
//
// It imports nothing: the dashboard is checked against the API's schemas (view/answers.ts), where the types
// of Workers do not exist. That the names are those of the jobs is checked where a status is made.

/** `admitted` until the coordinator has reported, then the job's own. */
export const COPY_PHASES = [
  "admitted",
  "queued",
  "sizing",
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

export type CopyPhase = (typeof COPY_PHASES)[number];

export const SYNC_PHASES = [
  "admitted",
  "listing",
  "copying",
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

export type SyncPhase = (typeof SYNC_PHASES)[number];

/**
 * By what an object at the destination of a sync is known to be the source's; the rules are in
 * object/compare.ts.
 *
 * `size`: size alone. `size+mtime`: and the destination was written after the source was last changed.
 * `etag`: ETag or record. `checksum`: only what is computed of the bytes counts (checksums; single-part MD5
 * ETags), so that objects without any are copied in every run. `auto`: ETag, record, checksum, whichever
 * proves it.
 */
export const COMPARE_MODES = ["auto", "size", "size+mtime", "etag", "checksum"] as const;

export type CompareMode = (typeof COMPARE_MODES)[number];

/** A `parts` event of `GET /copies/{id}/events?parts`: what has become of the parts of a copy. */
export interface PartsMessage {
  readonly total: number;
  /** The parts named are all that were ever handed out: whatever was known before is void. */
  readonly reset: boolean;
  readonly parts: readonly PartWord[];
}

export type PartWord = readonly [
  partNumber: number,
  state: "pending" | "inFlight" | "done",
  lane: number | null,
  failedAttempts: number,
];
