// What the part table of a copy tells and is told (part_table.ts keeps it). Types alone.

import type { HealthBook } from "./store_health.ts";

export interface Leased {
  readonly partNumber: number;
  readonly attempt: number;
  readonly failedAttempts: number;
  /** The store has this part already, under this ETag; only the digest of its bytes is wanted. */
  readonly heldEtag: string | null;
}

export interface PartTotals {
  readonly done: number;
  readonly inFlight: number;
  /** Their lane died; whether the store has them is to be looked up. */
  readonly lost: number;
  readonly doneBytes: number;
  readonly attempts: number;
  readonly failedAttempts: number;
}

export interface PartRow {
  readonly partNumber: number;
  readonly state: "pending" | "leased" | "lost" | "done";
  readonly attempt: number;
  readonly failedAttempts: number;
  readonly lane: number | null;
  readonly etag: string | null;
  readonly length: number;
  readonly durationMs: number | null;
  readonly doneAtMs: number | null;
}

export interface ReportContext {
  readonly now: number;
  readonly random: () => number;
  readonly health: HealthBook;
}
