// Everything known of a run when it is over, as plain data: from the stores' contents and journals, from the
// mesh's answers to its users, and from the plan. The judge needs nothing else.

import type { Status } from "../mesh/mesh.ts";
import type { FaultKind } from "./faults.ts";
import type { StoreName } from "./faults.ts";
import type { CopyPlan, RunPlan } from "./plan.ts";

export interface Evidence {
  readonly plan: RunPlan;
  readonly copies: readonly CopyEvidence[];
  /** Unfinished uploads at the destination. */
  readonly uploadsLeft: readonly { readonly id: string; readonly key: string }[];
  /** Requests that have not ended: a body that is neither read nor cancelled. */
  readonly openRequests: readonly string[];
  /** Errors inside the stores. */
  readonly storeFailures: readonly string[];
  /** The mesh's own list of copies. */
  readonly listed: readonly { readonly id: string; readonly phase: string }[];
  /** When the mesh or one of its objects was killed. */
  readonly deaths: readonly number[];
  /** What could not be found out, for example because the mesh did not answer. */
  readonly troubles: readonly string[];
}

export interface CopyEvidence {
  readonly plan: CopyPlan;
  /** The ids in the answers to POST, one for each time it was sent. */
  readonly ids: readonly string[];
  readonly status: Status;
  readonly requests: readonly SeenRequest[];
  /** The source's bytes over time, each version with the time from which it was there. */
  readonly sources: readonly Version[];
  /** Objects that others wrote under the destination's key. One that was there before has time 0. */
  readonly foreign: readonly Version[];
  /** What an independent reader finds under the destination's key. */
  readonly found: FoundObject | null;
  /** Parts that the mesh has reported as done, and when it was first seen to do so. */
  readonly seenDone: readonly {
    readonly partNumber: number;
    readonly attempt: number;
    readonly at: number;
  }[];
  /** Cancels that were answered, and when they were sent. */
  readonly cancels: readonly { readonly answeredAt: number; readonly phase: string }[];
}

export interface Version {
  readonly at: number;
  /** SHA-256 of the bytes, in hex. */
  readonly digest: string;
  /** As the store keeps it: lower case, without quotes. */
  readonly etag: string;
  readonly sizeBytes: number;
}

export interface FoundObject {
  readonly digest: string;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A request as a store has seen it; times in milliseconds of one clock. */
export interface SeenRequest {
  readonly store: StoreName;
  readonly bucket: string;
  /** For a list of uploads: its prefix. */
  readonly key: string;
  readonly operation: string;
  readonly uploadId: string | null;
  readonly partNumber: number | null;
  /** The copy and the lane that sent it. Without a lane: the coordinator. */
  readonly copy: string | null;
  readonly lane: string | null;
  readonly status: number | null;
  readonly errorCode: string | null;
  readonly outcome: "open" | "answered" | "aborted";
  readonly startedAt: number;
  readonly workedAt: number | null;
  readonly endedAt: number | null;
  readonly bytesReceived: number;
  /** The ETag that its source must have. */
  readonly ifMatch: string | null;
  /** Of a GET, as sent. */
  readonly range: string | null;
  readonly hasContentMd5: boolean;
  /** Faults that were meant to hit it. */
  readonly faults: readonly FaultKind[];
}
