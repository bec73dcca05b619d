// What a job reports to the registry: its phase, its counters for the metrics, and the event for a webhook.
//
// It sends nothing: registry/outbox.ts keeps the event until the receiver has it.

import { type Outcome, WEBHOOK_TYPES } from "../http/vocabulary.ts";
import type { CopyStatus, SyncStatus } from "./answers.ts";
import type { Replication } from "./replication_answers.ts";
import type { ComparisonStatus } from "./comparison_answers.ts";

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

/** The counters of a comparison since it started. */
interface ComparisonCounters {
  readonly kind: "comparison";
  /** Keys by outcome. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly batchesInFlight: number;
  readonly lanes: number;
}

/** The counters of a replication since it was made, and how far it lags behind now. */
export interface ReplicationCounters {
  readonly kind: "replication";
  readonly bytes: number;
  /** Keys by outcome. */
  readonly outcomes: Readonly<Record<"copied" | "equal" | "deleted" | "kept" | "lost", number>>;
  readonly pending: number;
  readonly oldestSeconds: number;
  /** Null: nothing was copied. */
  readonly p50Seconds: number | null;
  readonly p99Seconds: number | null;
}

export type WorkCounters = CopyCounters | SyncCounters | ComparisonCounters | ReplicationCounters;

/** What a replicator reports. */
export interface ReplicationNews {
  readonly phase: string;
  readonly counters: ReplicationCounters;
  readonly webhook: Webhook | null;
  readonly alerts: readonly { readonly seq: number; readonly webhook: Webhook }[];
}

/** What has happened to a replication that a person should know of, although its phase stays. */
export interface Alert {
  /** Rises with each. */
  readonly seq: number;
  readonly type: "backlog_full" | "deletions_held" | "not_ready";
  readonly atMs: number;
}

/** How often counters are pushed if there is nothing else to report. */
export const PUSH_MS = 30_000;

/** The event that a webhook sends: work has ended, or waits for a person. */
export interface Webhook {
  readonly type: string;
  readonly at: string;
  /** The status, without its timeline. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** The event of the phase that a status shows, or null, as for most phases. */
export function webhookFor(
  kind: "copy" | "sync" | "comparison" | "replication",
  status: CopyStatus | SyncStatus | ComparisonStatus | Replication,
): Webhook | null {
  const { reason = status.phase } = "reason" in status ? status : {};
  const type = `${kind}.${reason}`;
  if (!WEBHOOK_TYPES.includes(type)) return null;
  return { type, at: new Date().toISOString(), data: dataOf(status) };
}

/** The event of an alert. Its data is the status at the time of the report. */
export function webhookOf({ type, atMs }: Alert, status: Replication): Webhook {
  return { type: `replication.${type}`, at: new Date(atMs).toISOString(), data: dataOf(status) };
}

function dataOf(status: CopyStatus | SyncStatus | ComparisonStatus | Replication): Webhook["data"] {
  const { timeline: _, ...data } = status;
  return data;
}

/** What a list shows of work beside its phase: as its status had it when it last reported. */
export interface Glance {
  readonly bytes: Readonly<Record<string, number | null>>;
  /** Of a sync. */
  readonly objects?: Readonly<Record<string, number>>;
  /** Of a comparison. */
  readonly keys?: Readonly<Record<string, number>>;
  readonly rate: Readonly<Record<string, number | null>>;
  readonly failure: { readonly code: string; readonly message: string } | null;
}

/** A row has one line for it. */
const MAX_MESSAGE = 300;

/** What a status has for the registry: for its lists, and for the receivers of webhooks. */
export interface Tidings {
  readonly glance: Glance;
  readonly webhook: Webhook | null;
}

export function tidingsOf(
  kind: "copy" | "sync" | "comparison",
  status: CopyStatus | SyncStatus | ComparisonStatus,
): Tidings {
  return { glance: glanceOf(status), webhook: webhookFor(kind, status) };
}

function glanceOf(status: CopyStatus | SyncStatus | ComparisonStatus): Glance {
  const { rate, failure: full } = status;
  const failure =
    full === undefined ? null : { code: full.code, message: full.message.slice(0, MAX_MESSAGE) };
  if ("keys" in status) return { bytes: { listed: status.bytes.listed }, keys: status.keys, rate, failure };
  if (!("objects" in status)) return { bytes: status.bytes, rate, failure };
  const { listed, underWay, failed } = status.objects;
  const { listed: listedBytes, copied } = status.bytes;
  return { bytes: { listed: listedBytes, copied }, objects: { listed, underWay, failed }, rate, failure };
}

/** What a coordinator reports about its copy. */
export interface JobNews {
  readonly phase: string;
  readonly endedAtMs: number | null;
  /** How many uploads and objects it may have left at the destination and could not remove yet. */
  readonly orphans: number;
  readonly counters: WorkCounters;
  readonly glance: Glance;
  /** The event for a webhook, if this phase has one. */
  readonly webhook: Webhook | null;
}
