// What a copy does next, and the counts that decide it; job.ts chooses.

import type { Prepared, Upload } from "./phase.ts";

export interface PartCounts {
  readonly total: number;
  readonly done: number;
  readonly inFlight: number;
  /** The lane that had them died. ListParts must show whether they are at the store. */
  readonly lost: number;
}

/**
 * What the coordinator does next. `tendLanes` and `rest` end the alarm; the others are followed by another
 * step.
 */
export type Step =
  | { readonly do: "checkQueue" }
  | { readonly do: "prepare"; readonly via: "auto" | "stream"; readonly restarts: number }
  /** The source's store is asked to restore it, or whether it has. */
  | { readonly do: "askRestore" }
  | { readonly do: "lookRestored" }
  | { readonly do: "createUpload"; readonly object: Prepared }
  | { readonly do: "recheckSource"; readonly object: Prepared }
  | { readonly do: "tendLanes" }
  | { readonly do: "findParts"; readonly uploadId: string }
  | { readonly do: "checkParts"; readonly object: Prepared; readonly upload: Upload }
  | { readonly do: "complete"; readonly object: Prepared; readonly uploadId: string }
  | { readonly do: "findObject"; readonly object: Prepared; readonly uploadId: string | null }
  | { readonly do: "verify"; readonly object: Prepared; readonly etag: string | null }
  | { readonly do: "settleParts" }
  | { readonly do: "sweep"; readonly sinceMs: number }
  | { readonly do: "abort"; readonly uploadId: string }
  | { readonly do: "rest"; readonly untilMs: number | null };
