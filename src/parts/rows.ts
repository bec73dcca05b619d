// The rows of a copy's part table and what they mean (table.ts keeps them).

import type { HealthBook } from "../throttle/health.ts";

export interface Leased {
  readonly partNumber: number;
  readonly attempt: number;
  readonly failedAttempts: number;
  /** The store already has this part, under this ETag; only the digest of its bytes is wanted. */
  readonly heldEtag: string | null;
}

export interface LeaseContext {
  readonly partCount: number;
  readonly lengthOf: (partNumber: number) => number;
  readonly now: number;
  /** Can a part of this length be done in time? Default: any can. */
  readonly fits?: (length: number, failedAttempts: number) => boolean;
}

export interface PartTotals {
  readonly done: number;
  readonly inFlight: number;
  /** Their lane died. ListParts must show whether the store has them. */
  readonly lost: number;
  readonly doneBytes: number;
  readonly failedAttempts: number;
}

export interface PartRow {
  readonly partNumber: number;
  readonly state: "pending" | "leased" | "lost" | "done";
  readonly attempt: number;
  readonly failedAttempts: number;
  /** How often it arrived wrong or not at all. */
  readonly resends: number;
  readonly lane: number | null;
  readonly etag: string | null;
  readonly length: number;
  readonly durationMs: number | null;
  readonly doneAtMs: number | null;
}

/** A part that was handed out and is not done. */
export interface OpenPart extends PartRow {
  readonly state: "pending" | "leased" | "lost";
  readonly leasedAtMs: number | null;
  /** It is sent twice at once; its attempts under way are flights. */
  readonly isRaced: boolean;
  /** pending: backoff until then. */
  readonly notBeforeMs: number;
  /** pending, leased: the store has the part, its digests are wanted. */
  readonly heldEtag: string | null;
  /** How many of its failed attempts were not caused by a store in trouble. */
  readonly ownFailures: number;
}

export interface ReportContext {
  readonly now: number;
  readonly random: () => number;
  readonly health: HealthBook;
  /** The upload is being completed, with the parts as they are. */
  readonly isCompleting: boolean;
}

export function partRowOf(row: Readonly<Record<string, unknown>>): PartRow {
  return {
    partNumber: Number(row["part_number"]),
    state: row["state"] as PartRow["state"],
    attempt: Number(row["attempt"]),
    failedAttempts: Number(row["failed_attempts"]),
    resends: Number(row["resends"]),
    lane: row["lane"] === null ? null : Number(row["lane"]),
    etag: row["etag"] === null ? null : String(row["etag"]),
    length: Number(row["length"]),
    durationMs: row["duration_ms"] === null ? null : Number(row["duration_ms"]),
    doneAtMs: row["done_at_ms"] === null ? null : Number(row["done_at_ms"]),
  };
}

/** The open part that a row holds; none when it is done. */
export function openPartOf(row: Readonly<Record<string, unknown>>): OpenPart[] {
  const { state, ...part } = partRowOf(row);
  if (state === "done") return [];
  return [
    {
      ...part,
      state,
      leasedAtMs: row["leased_at_ms"] === null ? null : Number(row["leased_at_ms"]),
      isRaced: Number(row["raced"]) === 1,
      notBeforeMs: Number(row["not_before_ms"]),
      heldEtag: row["held_etag"] === null ? null : String(row["held_etag"]),
      ownFailures: Number(row["own_failures"]),
    },
  ];
}

/** `totals` has one row. There is no index and no sum over the parts that are done: cache.ts keeps those. */
export const PART_TABLES = `
      CREATE TABLE IF NOT EXISTS parts (
        part_number INTEGER PRIMARY KEY,
        state TEXT NOT NULL,              -- pending | leased | lost | done
        attempt INTEGER NOT NULL,         -- the current one; rises over all uploads of this copy
        resends INTEGER NOT NULL DEFAULT 0, -- how often it arrived wrong or not at all
        failed_attempts INTEGER NOT NULL,
        own_failures INTEGER NOT NULL DEFAULT 0, -- how many of these were not caused by a store in trouble
        lane INTEGER,                     -- of the current or last attempt
        leased_at_ms INTEGER,
        raced INTEGER NOT NULL DEFAULT 0, -- 1: sent twice at once; its attempts under way are flights
        not_before_ms INTEGER NOT NULL,   -- pending: backoff until then
        length INTEGER NOT NULL,          -- bytes
        etag TEXT,                        -- done: as the store returned it
        digests TEXT,                     -- done: PartDigests of the bytes that passed
        held_etag TEXT,                   -- pending, leased: the store has it; see PartTask
        refused_etag TEXT,                -- of an attempt whose ETag was not the MD5 of its bytes
        duration_ms INTEGER,
        done_at_ms INTEGER
      );
      CREATE TABLE IF NOT EXISTS totals (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        attempts INTEGER NOT NULL,        -- of the uploads before this one
        failed_attempts INTEGER NOT NULL,
        attempt_base INTEGER NOT NULL,    -- the highest attempt of the uploads before this one
        opaque_etags INTEGER NOT NULL,    -- 1: this store's part ETags are known not to be MD5s
        raced INTEGER NOT NULL            -- parts that were sent twice at once
      );
      INSERT OR IGNORE INTO totals VALUES (1, 0, 0, 0, 0, 0);
`;

/** A part of a dead lane is shown as pending until it is known where it is. */
export function partState({ state }: Pick<PartRow, "state">): "pending" | "inFlight" | "done" {
  return STATES[state];
}

const STATES = { pending: "pending", leased: "inFlight", lost: "pending", done: "done" } as const;
