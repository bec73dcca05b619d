// The phases by their names, as the API shows them and takes them in lists. Pure.

import type { Job } from "./phase.ts";
import type { SyncJob } from "./sync_job.ts";

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
] as const satisfies readonly (Job["phase"] | "admitted")[];

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
] as const satisfies readonly (SyncJob["phase"] | "admitted")[];
