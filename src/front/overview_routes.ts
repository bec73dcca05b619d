// The routes that the dashboard begins with: what needs a person, who is asking, when an expression is due.
// The front mounts them behind its token check. They hold no state.

import { Hono } from "hono";
import { type Caller, formatScope, reaches, sees } from "../access/rights.ts";
import { type App, registryAt } from "./call.ts";
import { isoTime } from "../http/fields.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { PHASE_GROUPS } from "../http/vocabulary.ts";
import { type OverviewRows, type WorkRow } from "../registry/overview.ts";
import { checkCron, checkTimeZone, nextDueMs } from "../schedule/cron.ts";
import type { ScheduleView } from "../schedule/schedules.ts";
import { holdsFor } from "../store/facts.ts";
import { readStores } from "../store/stores.ts";
import type { Overview } from "../view/list_answers.ts";
import { VERSION } from "../http/version.ts";
import { placesOfSchedule } from "./schedule_routes.ts";

export const overviewRoutes = new Hono<App>();

/** Runs to come that are shown. */
const MOST_RUNS = 10;

/** Reasons that are shown. */
const MOST_REASONS = 50;

const TIMES = 3;

type Needs = Overview["needsYou"];

type Work = Needs["work"][number];

overviewRoutes.get("/overview", async (call) => {
  const caller = call.get("caller");
  const rows = (await registryAt(call).overview(caller)) as OverviewRows & {
    schedules: ScheduleView[];
    replications: Needs["replications"];
  };
  const schedules = rows.schedules.filter((one) => sees(caller, placesOfSchedule(one)));
  const stores = storesOf(rows, caller, call.env);
  const replications = rows.replications.map(({ name, source, destination }) => ({
    name,
    source,
    destination,
  }));
  return jsonResponse(overviewOf(rows, { schedules, stores, replications }));
});

overviewRoutes.get("/me", (call) => {
  const { name, grants } = call.get("caller");
  const shown = grants.map(({ may, source, destination }) => ({
    may,
    source: source?.map(formatScope) ?? null,
    destination: destination?.map(formatScope) ?? null,
  }));
  return jsonResponse({ name, grants: shown });
});

overviewRoutes.get("/cron", (call) => {
  const query = new URL(call.req.url).searchParams;
  const [cron, timeZone] = [query.get("expression") ?? "", query.get("timezone") ?? "UTC"];
  const faults = { expression: checkCron(cron), timezone: checkTimeZone(timeZone) };
  for (const [name, fault] of Object.entries(faults))
    if (fault !== null) throw new Problem(400, "invalid_request", `"${name}" ${fault}`);
  const next: string[] = [];
  let dueMs = nextDueMs({ cron, timeZone }, Date.now());
  for (; dueMs !== null && next.length < TIMES; dueMs = nextDueMs({ cron, timeZone }, dueMs))
    next.push(isoTime(dueMs));
  return jsonResponse({ next });
});

function overviewOf(
  rows: OverviewRows,
  {
    schedules,
    stores,
    replications,
  }: Pick<Needs, "stores" | "replications"> & { readonly schedules: readonly ScheduleView[] },
) {
  const { bad, running, waiting, webhooks, orphans } = rows;
  const sick = schedules.flatMap(troubleOf);
  // A run that has failed is work that has failed: it counts once.
  const notStarted = sick.filter(({ outcome }) => outcome !== "started").length;
  const failing = webhooks === null ? 0 : webhooks.waiting + webhooks.givenUp;
  const work = reasonsOf(bad.rows);
  return {
    at: isoTime(Date.now()),
    version: VERSION,
    needsYou: {
      count: bad.rows.length + stores.length + replications.length + notStarted + failing,
      more: bad.more || work.length > MOST_REASONS,
      work: work.slice(0, MOST_REASONS),
      stores,
      schedules: sick.slice(0, MOST_REASONS),
      replications,
      webhooks,
      orphans,
    },
    running: { count: running.count, more: running.more, work: running.rows },
    waiting,
    nextRuns: nextOf(schedules),
  };
}

/** One for each reason and store; what is blocked first, then what there is most of. */
function reasonsOf(rows: readonly WorkRow[]): Work[] {
  const groups = new Map<string, Work>();
  for (const row of rows) {
    const { kind, id, source, destination, failure } = row;
    const phase = row.phase as Work["phase"];
    const code = (failure?.code ?? null) as Work["code"];
    const store = storeOf(row);
    const key = JSON.stringify([kind, phase, code, store]);
    // They come newest first.
    const newest = { id, source, destination };
    const first = { kind, phase, code, store, count: 0, newest, message: failure?.message ?? null };
    const group = groups.get(key) ?? first;
    groups.set(key, { ...group, count: group.count + 1 });
  }
  const weight = ({ phase, count }: Work) => (phase === "blocked" ? 1_000_000 : 0) + count;
  return [...groups.values()].toSorted((one, other) => weight(other) - weight(one));
}

/** Whose answer it was: the code says the side. */
function storeOf({ failure, source, destination }: WorkRow): string | null {
  const [side] = failure?.code.split("_") ?? [];
  const place = side === "source" ? source : side === "destination" ? destination : "";
  return typeof place === "string" ? (/^(\w+):/.exec(place)?.[1] ?? null) : place.store;
}

function troubleOf({ name, lastRun }: ScheduleView): Needs["schedules"] {
  if (lastRun === null) return [];
  const { dueAt, outcome, phase, copyId, syncId, comparisonId, detail } = lastRun;
  const isWell = outcome === "started" ? !PHASE_GROUPS.attention.includes(phase ?? "") : outcome === "queued";
  return isWell ? [] : [{ name, dueAt, outcome, phase, copyId, syncId, comparisonId, detail }];
}

function nextOf(schedules: readonly ScheduleView[]): Overview["nextRuns"] {
  const due = schedules.flatMap(({ name, nextRunAt: at }) => (at === null ? [] : [{ name, at }]));
  return due.toSorted((one, other) => (one.at < other.at ? -1 : 1)).slice(0, MOST_RUNS);
}

/** What is misconfigured, and what failed its last check, of the stores that the caller may read. */
function storesOf({ checks }: OverviewRows, caller: Caller, env: App["Bindings"]): Needs["stores"] {
  const mine = [...readStores(env)].filter(([name]) => reaches(caller, "read", name, null));
  return mine.flatMap(([name, entry]): Needs["stores"] => {
    if (!entry.ok) return [{ name, bucket: null, as: null, problem: entry.error, checkedAt: null }];
    return checks
      .filter((check) => check.store === name && !check.ok && holdsFor(check, entry.store))
      .filter(({ bucket }) => reaches(caller, "read", name, bucket))
      .map(({ bucket, as, checkedAtMs }) => ({
        name,
        bucket,
        as,
        problem: `its last check says that it does not work as a ${as}`,
        checkedAt: isoTime(checkedAtMs),
      }));
  });
}
