// What an overview is made of, from the registry's tables: a bounded number of rows of each kind, and only
// what the caller sees. front/overview_routes.ts makes the answer of them.

import { type Caller, sees } from "../access/rights.ts";
import { PHASE_GROUPS } from "../http/vocabulary.ts";
import type { KeptCheck } from "../store/facts.ts";
import { type WorkKind, WORK_KINDS } from "../schedule/kinds.ts";
import type { AllWork, ListedPage } from "./all_work.ts";
import type { CheckTable } from "./check_table.ts";
import type { Outbox } from "./outbox.ts";
import type { ListFilter } from "./work_rows.ts";

export type WorkRow = ListedPage["rows"][number] & { readonly kind: WorkKind };

interface Some {
  readonly rows: readonly WorkRow[];
  /** There are more than were looked at. */
  readonly more: boolean;
}

export interface OverviewRows {
  /** What is blocked, and what has failed within a day. */
  readonly bad: Some;
  /** What moves; of many, `count` of which the newest are here. */
  readonly running: Some & { readonly count: number };
  readonly waiting: { readonly count: number; readonly more: boolean };
  readonly orphans: number;
  readonly checks: readonly KeptCheck[];
  readonly webhooks: { readonly waiting: number; readonly givenUp: number } | null;
}

/** Of each kind: a list that is longer helps nobody at night. */
const MOST = 500;

/** Running work that is shown. */
const MOST_RUNNING = 20;

const MOST_WEBHOOKS = 100;

/** What has failed is news for a day. */
const RECENT_MS = 24 * 3600_000;

const WAITING = ["admitted", "queued", "paused"];

const RUNNING = PHASE_GROUPS.active.filter((phase) => ![...WAITING, "blocked"].includes(phase));

const FAILED = PHASE_GROUPS.attention.filter((phase) => phase !== "blocked");

export function overviewRows(
  { work, outbox, checks }: { readonly work: AllWork; readonly outbox: Outbox; readonly checks: CheckTable },
  caller: Caller,
  now: number,
): OverviewRows {
  const some = (phases: readonly string[], of: ListFilter["of"] = "no-sync"): Some => {
    const pages = WORK_KINDS.map((kind) => {
      // Only copies are part of a sync.
      const filter = { phases, caller, ...(kind === "copy" ? { of } : {}) };
      const { rows, next } = work.list(kind, filter, null, MOST);
      return { rows: rows.map((row) => ({ kind, ...row })), more: next !== null };
    });
    return { rows: pages.flatMap(({ rows }) => rows), more: pages.some(({ more }) => more) };
  };
  const running = some(RUNNING);
  const waiting = some(WAITING);
  // A large object of a sync waits for a person, too.
  const blocked = some(["blocked"], "anybody");
  const failed = some(FAILED);
  const isRecent = ({ endedAt }: WorkRow) => endedAt !== null && Date.parse(endedAt) >= now - RECENT_MS;
  return {
    bad: {
      rows: [...blocked.rows, ...failed.rows.filter(isRecent)],
      more: blocked.more || (failed.more && failed.rows.every(isRecent)),
    },
    running: { rows: running.rows.slice(0, MOST_RUNNING), count: running.rows.length, more: running.more },
    waiting: { count: waiting.rows.length, more: waiting.more },
    orphans: work.list("copy", { phases: [], of: "orphans", caller }, null, MOST).rows.length,
    checks: checks.list(),
    webhooks: sees(caller, "mesh") ? webhooksOf(outbox) : null,
  };
}

function webhooksOf(outbox: Outbox): { waiting: number; givenUp: number } {
  const of = (state: string) => outbox.list({ state, receiver: null }, null, MOST_WEBHOOKS).notifications;
  return {
    waiting: of("waiting").filter(({ attempts }) => attempts > 0).length,
    givenUp: of("given_up").length,
  };
}
