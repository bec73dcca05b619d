// What a job tells the registry: its phase, its counters for the metrics, and the news for a receiver of
// webhooks.
//
// It sends nothing: registry/outbox.ts keeps the news until a receiver has it.

/** What a copy has counted since it began. */
interface CopyCounters {
  readonly kind: "copy";
  readonly bytes: number;
  readonly parts: number;
  readonly partAttempts: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly partsInFlight: number;
  readonly lanes: number;
}

/** What a sync has counted since it began. */
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

/** How often counters are pushed while there is no other news. */
export const PUSH_MS = 30_000;

/** What the receiver of webhooks gets: a copy or a sync has ended, or waits for a person. */
export interface News {
  readonly type: string;
  readonly at: string;
  /** The status, without its timeline. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** The news of a phase, or null: most phases are none. @param status of the copy or sync */
export function newsFor(
  kind: "copy" | "sync",
  phase: string,
  status: Readonly<Record<string, unknown>>,
): News | null {
  if (!TOLD.has(phase)) return null;
  const { timeline: _, ...data } = status;
  return { type: `${kind}.${phase}`, at: new Date().toISOString(), data };
}

const TOLD: ReadonlySet<string> = new Set(["completed", "failed", "blocked", "finished_with_errors"]);

/** What a coordinator says of its copy. */
export interface JobNews {
  readonly phase: string;
  readonly endedAtMs: number | null;
  /** What it may have left at the destination and could not yet take back. */
  readonly orphans: number;
  readonly counters: WorkCounters;
  /** What a receiver of webhooks is told of this phase. */
  readonly news: News | null;
}
