// What a replication has started, as the registry knows it. Pure.

import type { WorkKind } from "../schedule/kinds.ts";

/** Work that has not ended. */
export interface RunningWork {
  readonly kind: WorkKind;
  readonly id: string;
}

/** A run as it was requested. */
export interface RequestedRun {
  readonly kind: WorkKind;
  /** Null: it is not known whether it has begun. */
  readonly id: string | null;
  readonly name: string;
}

/** The name under which a run is requested: with spaces, which no client's Idempotency-Key has. */
export function runNameOf(id: string, seq: number): string {
  return `replication ${id} ${seq}`;
}
