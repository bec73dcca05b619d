// The phases by their names, as the API shows them and takes them in lists. Pure.
//
// It imports nothing: the dashboard is checked against the API's schemas (answers.ts), where the types of Workers do not
// exist. That the names are those of the jobs is checked where a status is made.

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
