// The words that the API and the dashboard share: phases, compare modes, and the content of a `parts` event.
//
// It imports nothing, because the dashboard is type-checked against view/answers.ts without the types of
// Workers. That these phases are the jobs' own is checked where a status is built.

/** `admitted` until the coordinator has reported, then the phase of the job. */
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
