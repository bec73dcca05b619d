// The state of a probe, from start to end, with what it has measured so far. Pure. probe_tasks.ts decides
// what the lanes measure.
//
// Invariant: no probe ends before it has tried to delete everything that it may have put. What could not be
// deleted is in its answer.

import type { Counted, KeyRead, Sent } from "./probe_task.ts";

/** One key that the edge caches by default, and one that it does not. */
export const KEYS = ["x.zip", "x"] as const;

/** All sizes in both ways take no longer than this at 1 MB/s. */
export const PROBE_LIMIT_MS = 40 * 60_000;

const ATTEMPTS = 8;

export interface ProbeSpec {
  readonly store: string;
  readonly bucket: string;
  /** Ascending. */
  readonly sizesMib: readonly number[];
  readonly lanes: number;
  /** The mesh answers at a loopback address. */
  readonly isLocal: boolean;
  /** The configured values, which the measurements are compared with. */
  readonly maxPartMib: number;
  readonly configuredLanes: number;
}

export interface Measured {
  readonly byCopier: readonly Sent[];
  readonly byLane: readonly Sent[];
  readonly keys: readonly KeyRead[];
  /** By lane. Null: not counted yet. */
  readonly lanes: readonly (Counted | null)[];
}

export type Ending =
  | { readonly outcome: "completed" }
  | { readonly outcome: "cancelled" }
  | { readonly outcome: "failed"; readonly message: string };

type ProbeState =
  /** `isTried`: an upload may exist whose ID nobody has. */
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
      /** What could not be deleted, and why. */
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
  /** How often each task was lost, by its name. */
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

/** Every key that a probe writes begins with this. */
export function prefixOf({ id }: ProbeJob): string {
  return `.bucket-brigade/probe/${id}/`;
}

export function uploadKeyOf(job: ProbeJob): string {
  return `${prefixOf(job)}parts`;
}

/** The keys of the objects that may have been put. */
export function objectKeysOf(job: ProbeJob): string[] {
  return KEYS.map((name) => prefixOf(job) + name);
}

/** The upload exists. A probe that was cancelled meanwhile must abort it. */
export function created(job: ProbeJob, uploadId: string): ProbeJob {
  const { state } = job;
  if (state.phase === "creating") return { ...job, state: { phase: "measuring", uploadId } };
  return state.phase === "cleaning" ? { ...job, state: { ...state, uploadId } } : job;
}

/** The probe is about to end, and what it has put is still to be deleted. */
export function ending(job: ProbeJob, end: Ending): ProbeJob {
  const { state } = job;
  if (state.phase !== "creating" && state.phase !== "measuring") return job;
  const uploadId = state.phase === "measuring" ? state.uploadId : null;
  return { ...job, state: { phase: "cleaning", uploadId, ending: end, failedAttempts: 0 } };
}

/** @param mayPass trying again may help @returns the job, with one more failed attempt or about to end */
export function createFailed(job: ProbeJob, message: string, mayPass: boolean): ProbeJob {
  const { state } = job;
  if (state.phase !== "creating") return job;
  const failedAttempts = state.failedAttempts + 1;
  if (!mayPass || failedAttempts === ATTEMPTS) return ending(job, { outcome: "failed", message });
  return { ...job, state: { ...state, failedAttempts } };
}

/** @param leftovers what could not be deleted now; if there is nothing, the probe is over */
export function cleaned(job: ProbeJob, leftovers: readonly string[], now: number): ProbeJob {
  const { state } = job;
  if (state.phase !== "cleaning") return job;
  const failedAttempts = state.failedAttempts + 1;
  if (leftovers.length > 0 && failedAttempts < ATTEMPTS)
    return { ...job, state: { ...state, failedAttempts } };
  return { ...job, state: { phase: "ended", ending: state.ending, endedAtMs: now, leftovers } };
}

/** The wait before the next attempt to create or clean up. */
export function retryInMs(failedAttempts: number): number {
  return Math.min(30_000, 500 * 2 ** failedAttempts);
}
