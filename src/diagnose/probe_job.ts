// The probe as a state, from its beginning to its end, whatever it has measured by then. Pure. What its lanes
// are to measure is decided in probe_tasks.ts.
//
// Invariant: no probe ends before it has tried to take away what it may have put, and what could not be taken
// away is in its answer.

import type { Counted, KeyRead, Sent } from "./probe_task.ts";

/** One that the edge's cache takes for its own, and one that it does not know. */
export const KEYS = ["x.zip", "x"] as const;

/** Sizes by both ways at 1 MB/s take no longer. */
export const PROBE_LIMIT_MS = 40 * 60_000;

const ATTEMPTS = 8;

export interface ProbeSpec {
  readonly store: string;
  readonly bucket: string;
  /** In rising order. */
  readonly sizesMib: readonly number[];
  readonly lanes: number;
  /** The mesh answers at a loopback address. */
  readonly isLocal: boolean;
  /** As they are configured: what is measured is held against them. */
  readonly maxPartMib: number;
  readonly configuredLanes: number;
}

export interface Measured {
  readonly byCopier: readonly Sent[];
  readonly byLane: readonly Sent[];
  readonly keys: readonly KeyRead[];
  /** By lane; null: not counted yet. */
  readonly lanes: readonly (Counted | null)[];
}

export type Ending =
  | { readonly outcome: "completed" }
  | { readonly outcome: "cancelled" }
  | { readonly outcome: "failed"; readonly message: string };

type ProbeState =
  /** `isTried`: an upload may exist that nobody has the ID of. */
  | { readonly phase: "creating"; readonly isTried: boolean; readonly failedAttempts: number }
  | { readonly phase: "measuring"; readonly uploadId: string }
  | {
      readonly phase: "cleaning";
      readonly uploadId: string | null;
      readonly ending: Ending;
      readonly failedAttempts: number;
    }
  | {
      readonly phase: "ended";
      readonly ending: Ending;
      readonly endedAtMs: number;
      /** What could not be taken away, and why. */
      readonly leftovers: readonly string[];
    };

/** A task that a lane has, as far as is known. */
export interface Given {
  readonly lane: number;
  readonly name: string;
  readonly attempt: number;
  readonly seenMs: number;
}

export interface ProbeJob {
  readonly id: string;
  readonly spec: ProbeSpec;
  readonly startedAtMs: number;
  readonly state: ProbeState;
  readonly measured: Measured;
  readonly given: readonly Given[];
  /** How often a task was lost, by its name. */
  readonly lost: Readonly<Record<string, number>>;
  readonly holdUntilMs: number | null;
}

export function beginProbe(id: string, spec: ProbeSpec, now: number): ProbeJob {
  return {
    id,
    spec,
    startedAtMs: now,
    state: { phase: "creating", isTried: false, failedAttempts: 0 },
    measured: { byCopier: [], byLane: [], keys: [], lanes: Array.from({ length: spec.lanes }, () => null) },
    given: [],
    lost: {},
    holdUntilMs: null,
  };
}

/** Everything that the probe puts into a bucket begins so. */
export function prefixOf({ id }: ProbeJob): string {
  return `.bucket-brigade/probe/${id}/`;
}

export function uploadKeyOf(job: ProbeJob): string {
  return `${prefixOf(job)}parts`;
}

/** Of the objects that may have been put. */
export function objectKeysOf(job: ProbeJob): string[] {
  return KEYS.map((name) => prefixOf(job) + name);
}

/** The upload exists. One that was cancelled meanwhile has it to abort. */
export function created(job: ProbeJob, uploadId: string): ProbeJob {
  const { state } = job;
  if (state.phase === "creating") return { ...job, state: { phase: "measuring", uploadId } };
  return state.phase === "cleaning" ? { ...job, state: { ...state, uploadId } } : job;
}

/** The probe comes to its end; what it has put is still to be taken away. */
export function ending(job: ProbeJob, end: Ending): ProbeJob {
  const { state } = job;
  if (state.phase !== "creating" && state.phase !== "measuring") return job;
  const uploadId = state.phase === "measuring" ? state.uploadId : null;
  return { ...job, state: { phase: "cleaning", uploadId, ending: end, failedAttempts: 0 } };
}

/** @param mayPass trying again may help @returns the job, with one failed attempt more or at its end */
export function createFailed(job: ProbeJob, message: string, mayPass: boolean): ProbeJob {
  const { state } = job;
  if (state.phase !== "creating") return job;
  const failedAttempts = state.failedAttempts + 1;
  if (!mayPass || failedAttempts === ATTEMPTS) return ending(job, { outcome: "failed", message });
  return { ...job, state: { ...state, failedAttempts } };
}

/** @param leftovers what could not be taken away now; none: it is over */
export function cleaned(job: ProbeJob, leftovers: readonly string[], now: number): ProbeJob {
  const { state } = job;
  if (state.phase !== "cleaning") return job;
  const failedAttempts = state.failedAttempts + 1;
  if (leftovers.length > 0 && failedAttempts < ATTEMPTS)
    return { ...job, state: { ...state, failedAttempts } };
  return { ...job, state: { phase: "ended", ending: state.ending, endedAtMs: now, leftovers } };
}

/** Before the next try of creating or cleaning. */
export function retryInMs(failedAttempts: number): number {
  return Math.min(30_000, 500 * 2 ** failedAttempts);
}
