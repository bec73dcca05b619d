// What is known of a run when it is over, as plain data: from the stores' own books and journals, from the
// mesh's answers to its users, from the plan. The judge needs nothing else.

import type { Status } from "../mesh/mesh.ts";
import type { FaultKind } from "./faults.ts";
import type { CopyPlan, RunPlan, StoreName } from "./plan.ts";

export interface Evidence {
  readonly plan: RunPlan;
  readonly copies: readonly CopyEvidence[];
  /** Unfinished uploads that the destination holds. */
  readonly uploadsLeft: readonly { readonly id: string; readonly key: string }[];
  /** Requests that nobody has ended: a body that is neither read nor cancelled. */
  readonly openRequests: readonly string[];
  /** Errors inside the stores. */
  readonly storeFailures: readonly string[];
  /** The mesh's own list of copies. */
  readonly listed: readonly { readonly id: string; readonly phase: string }[];
  /** When the mesh or one of its objects was killed. */
  readonly deaths: readonly number[];
  /** What could not be found out, e.g. because the mesh did not answer. */
  readonly troubles: readonly string[];
}

export interface CopyEvidence {
  readonly plan: CopyPlan;
  /** The ids that POST answered with, one for each time it was sent. */
  readonly ids: readonly string[];
  readonly status: FinalStatus;
  readonly requests: readonly SeenRequest[];
  /** The source's bytes from the beginning on, each from its time. */
  readonly sources: readonly Version[];
  /** Objects under the destination's key that others wrote; what was there before has time 0. */
  readonly foreign: readonly Version[];
  /** What an independent reader finds under the destination's key. */
  readonly found: FoundObject | null;
  /** Parts that the mesh has said to be done, when it was first seen to say so. */
  readonly seenDone: readonly {
    readonly partNumber: number;
    readonly attempt: number;
    readonly at: number;
  }[];
  /** Cancels that were answered: when sent. */
  readonly cancels: readonly { readonly answeredAt: number; readonly phase: string }[];
}

/** A status and what the chaos suite reads of it beside. */
export interface FinalStatus extends Status {
  readonly skipped?: boolean;
  readonly endedAt?: string | null;
  readonly failure?: { readonly code: string; readonly message: string; readonly storeCode?: string };
  readonly orphans?: readonly unknown[];
  readonly timeline: readonly { readonly at: string; readonly event: string; readonly detail?: string }[];
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
  /** Of a list of uploads: its prefix. */
  readonly key: string;
  readonly operation: string;
  readonly uploadId: string | null;
  readonly partNumber: number | null;
  /** The copy and the lane that sent it; no lane: the coordinator. */
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
  readonly hasContentMd5: boolean;
  /** Faults that were meant for it. */
  readonly faults: readonly FaultKind[];
}
