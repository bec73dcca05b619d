// What a job reports to the registry: its phase, its counters for the metrics, and the event for a webhook.
//
// It sends nothing: registry/outbox.ts keeps the event until the receiver has it.

import { WEBHOOK_TYPES } from "../http/vocabulary.ts";
import type { CopyStatus, SyncStatus } from "./answers.ts";

/** The counters of a copy since it started. */
interface CopyCounters {
  readonly kind: "copy";
  readonly bytes: number;
  readonly parts: number;
  readonly partAttempts: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly partsInFlight: number;
  readonly lanes: number;
}

/** The counters of a sync since it started. */
interface SyncCounters {
  readonly kind: "sync";
  readonly bytes: number;
  readonly listed: number;
  readonly copied: number;
  readonly skipped: number;
  readonly failed: number;
  readonly deleted: number;
  readonly batchesInFlight: number;
  readonly lanes: number;
}

export type WorkCounters = CopyCounters | SyncCounters;

/** How often counters are pushed if there is nothing else to report. */
export const PUSH_MS = 30_000;

/** The event that a webhook sends: a copy or a sync has ended, or waits for a person. */
export interface Webhook {
  readonly type: string;
  readonly at: string;
  /** The status, without its timeline. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** The event of the phase that a status shows, or null, as for most phases. */
export function webhookFor(kind: "copy" | "sync", status: CopyStatus | SyncStatus): Webhook | null {
  const type = `${kind}.${status.phase}`;
  if (!WEBHOOK_TYPES.includes(type)) return null;
  const { timeline: _, ...data } = status;
  return { type, at: new Date().toISOString(), data };
}

/** What a coordinator reports about its copy. */
export interface JobNews {
  readonly phase: string;
  readonly endedAtMs: number | null;
  /** How many uploads and objects it may have left at the destination and could not remove yet. */
  readonly orphans: number;
  readonly counters: WorkCounters;
  /** The event for a webhook, if this phase has one. */
  readonly webhook: Webhook | null;
}
