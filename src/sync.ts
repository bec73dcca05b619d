// Sync: a Durable Object, one per run over a prefix. It lists both sides, decides key by key, hands batches
// of small objects to lanes, has coordinators copy large ones, deletes where it may, and writes the report.
// It is the status endpoint of its run. No byte of an object passes through it.
//
// What it needs: the STORE_<NAME> secrets; the classes Lane, ObjectCopier, Coordinator and Registry.
//
// How a sync runs. create() stores the request and sets the alarm. Each alarm takes steps until there is
// nothing to do but wait: sync/job.ts decides the step, sync/steps.ts carries it out. The next page is listed
// only when the window of decided work has room, so the state stays small however many keys there are. While
// batches are under way the lanes call claim(): they report what is finished and get new batches in the same
// call.
//
// Invariants:
// - The next alarm is set before anything else is done.
// - Every step may run twice. Steps run in the alarm only, one at a time.
// - Each listed key is counted and reported once (sync/record.ts).
// - Memory holds only what can be lost: pages that are not decided yet (they are listed again), waiting
//   requests (they retry), and what was learned about the stores' pace and the shares (it is learned again).

import { DurableObject } from "cloudflare:workers";
import type { Env } from "./env.ts";
import { jsonResponse, Problem } from "./http/problem.ts";
import { readOptionalBody, readWait } from "./http/request.ts";
import { registryOf } from "./mesh.ts";
import { budgetOf } from "./store/budget.ts";
import { locationFor, placedAt } from "./store/location.ts";
import { BatchGate, ownOf } from "./sync/gate.ts";
import { type RunSpec, isComparison, isOfHistories, kindOf } from "./sync/comparison_spec.ts";
import { digestOf } from "./sync/digest.ts";
import { BatchHandout } from "./sync/handout.ts";
import { isHandingOut, nextStep } from "./sync/job.ts";
import { type SyncJob, isSyncEnded } from "./sync/phase.ts";
import { LargeCopies } from "./sync/large.ts";
import { SyncRecord } from "./sync/record.ts";
import { KnownSides } from "./sync/sides.ts";
import { quoteOf } from "./sync/quote.ts";
import { type EqualPage, type RepairBasis, Repairs } from "./sync/repair.ts";
import { RateTable } from "./sync/rate_table.ts";
import type { ReportedPage, ReportPlace } from "./sync/repair_walk.ts";
import { runNews, runReading, runStatus } from "./sync/shown.ts";
import { type StatusInput, FAILURES_SHOWN } from "./sync/status.ts";
import { SyncSteps } from "./sync/steps.ts";
import type { SyncRow } from "./sync/own_row.ts";
import { accountOf, stopAtBudget } from "./sync/terms.ts";
import { LaneScale, laneBounds } from "./throttle/lanes.ts";
import { Governor } from "./throttle/governor.ts";
import type { Amounts, ShareRequest } from "./throttle/share_table.ts";
import { ASK_EVERY_MS, FORGOTTEN_MS, StoreShares } from "./throttle/shares.ts";
import { type Stage, Audience, isWatch, Waiting, watch } from "./view/audience.ts";
import { type Pace, UNKNOWN_PACE } from "./view/pace.ts";
import { PUSH_MS } from "./view/news.ts";
import { describeSpent } from "./view/spent.ts";
import { pricesAt } from "./store/stores.ts";
import { Reports } from "./view/reports.ts";
import { wakeAt, wakeIfLost } from "./work/alarm.ts";
import type { BatchClaim, BatchGrant } from "./work/batch_task.ts";

/** How often a sync checks its lanes while they work. */
const WATCH_MS = 10_000;

const SETTLE_MS = 500;

/** One alarm works for this long, then the next one goes on: an alarm has a limit of time and of CPU. */
const ALARM_LIMIT_MS = 60_000;

/** How often large copies are polled: soon at first, then less often, and often while others wait. */
const POLL_MS = { first: 500, growth: 1.5, busy: 2_000, most: 10_000 };

export class Sync extends DurableObject<Env> {
  readonly #record = new SyncRecord(this.ctx.storage);
  readonly #shares = new StoreShares(async (requests) => await this.#askShares(requests), {
    columns: () => this.#scale.transfers,
    quietUntilMs: this.#record.find() === null ? 0 : Date.now() + FORGOTTEN_MS,
    own: () => ownOf(this.#record.load()),
  });
  readonly #gate = new BatchGate(new Governor("requests", Date.now()), this.#shares);
  readonly #sides = new KnownSides(this.env);
  readonly #account = accountOf(this.#record, this.#sides);
  readonly #steps = new SyncSteps(
    this.#record,
    this.env,
    () => this.#scale.transfers,
    (store) => this.#shares.turnsAt(store),
    (failure) =>
      this.#handout.note(this.#gate.refused(failure, this.#record.batches.totals().leased, Date.now())),
    async (task) => await this.#lane(task.syncId, `listing/${task.event}`).listPage(task),
    (comparison) => async (at) => await this.ctx.exports.Sync.getByName(comparison).repairPage(at),
    this.#account,
  );
  readonly #scale = new LaneScale(() => laneBounds(this.#record.load().spec));
  readonly #large = new LargeCopies(
    this.#record,
    this.ctx.exports,
    this.env,
    () => this.#scale.transfers,
    this.#account,
  );
  readonly #handout = new BatchHandout({
    record: this.#record,
    shares: this.#shares,
    gate: this.#gate,
    sides: this.#sides,
    scale: this.#scale,
    large: this.#large,
    account: this.#account,
    wake: async (id, lane) => await this.#lane(id, lane).wake({ syncId: id, lane }),
  });
  readonly #repairs = new Repairs(this.ctx.storage.sql, this.#record);
  readonly #rates = new RateTable(this.ctx.storage.sql);
  readonly #waiting = new Waiting();
  readonly #reports = new Reports(this.ctx.storage);
  readonly #audience = new Audience(this.#stage());
  // In memory only: counters that are pushed twice are not counted twice.
  #pushedMs = 0;
  #advancing = false;
  #pollMs = POLL_MS.first;
  #pollAtMs = 0;

  /** Stores a new sync and starts it; a repeated call changes nothing. */
  async create(id: string, spec: RunSpec, createdAtMs: number): Promise<void> {
    if (this.#record.find() !== null) return;
    await wakeAt(this.ctx.storage, Date.now());
    this.#record.create(id, spec, createdAtMs);
  }

  /**
   * Removes everything of a sync that has ended, its report included, but for parts that are objects at a
   * store. @returns whether nothing is left
   */
  async forget(): Promise<boolean> {
    const sync = this.#record.find();
    if (sync !== null && !isSyncEnded(sync.job)) return false;
    await this.ctx.storage.deleteAlarm();
    this.#record.forget();
    await this.ctx.storage.deleteAll();
    return true;
  }

  /** Called by the registry from time to time: without an alarm, a sync would stand still for good. */
  async keepAwake(): Promise<void> {
    const sync = this.#record.find();
    if (sync === null || isAtRest(sync.job) || sync.job.phase === "paused") return;
    if (await wakeIfLost(this.ctx.storage)) this.#record.alarmLost();
  }

  // --- The repair of a comparison ---------------------------------------------------------------

  /** Null: this is no comparison. */
  async repairBasis(): Promise<RepairBasis | null> {
    return this.#repairs.basis();
  }

  /** Called by the front once a repair has an id. */
  async keepRepair(...[repair]: Parameters<Repairs["keep"]>): Promise<void> {
    if (this.#record.find() !== null) this.#record.transaction(() => this.#repairs.keep(repair));
  }

  /** Called by the replication that has started this sync. */
  async equalPage(at: ReportPlace): Promise<EqualPage | null> {
    return await this.#repairs.equalPage(at);
  }

  /** Called by that repair. */
  async repairPage(at: ReportPlace): Promise<ReportedPage | null> {
    return await this.#repairs.page(at);
  }

  // --- The status endpoint ----------------------------------------------------------------------

  /** `GET /syncs/{id}` and what lies under it. The front has checked the token. */
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, plural, id = "", action = ""] = url.pathname.split("/");
    try {
      const found = this.#record.find();
      const isThere = found !== null && kindOf(found.spec) === (plural === "syncs" ? "sync" : "comparison");
      if (!isThere) throw new Problem(404, "sync_not_found", `There is no sync "${id}"`);
      if (isWatch(action)) return watch(this.#audience, action, request);
      let changed: boolean;
      switch (action) {
        case "report":
          return new Response(this.#steps.readReport(), {
            headers: { "content-type": "application/x-ndjson", "cache-control": "no-store" },
          });
        case "rates":
          return jsonResponse({ samples: this.#rates.samples() });
        case "digest":
          return jsonResponse(await digestOf(this.#record.load(), this.#record.tree.load(), this.env));
        case "pause":
        case "resume":
        case "cancel":
          changed = await this.#steer(action, request);
          break;
        case "retry":
          changed = this.#retry();
          break;
        default:
          await this.#waitForEnd(readWait(url.searchParams));
          return jsonResponse(runStatus(this.#shown()));
      }
      await wakeAt(this.ctx.storage, Date.now());
      this.#audience.changed();
      return jsonResponse({ ...runStatus(this.#shown()), changed });
    } catch (error) {
      if (error instanceof Problem) return error.toResponse();
      throw error;
    }
  }

  async #steer(action: "pause" | "resume" | "cancel", request: Request): Promise<boolean> {
    const body = await readOptionalBody(request);
    let isRaised = false;
    if (action === "resume") {
      isRaised = this.#raise(body);
      this.#record.batches.markOld();
      [this.#pollAtMs, this.#pollMs] = [0, POLL_MS.first];
    }
    const changed = this.#record.applyEvent({ type: action }, action);
    if (changed && action === "cancel") this.#steps.cancel();
    return changed || isRaised;
  }

  /** @returns whether the budget is another now @throws {Problem} 400, 409 */
  #raise(body: unknown): boolean {
    const { job, spec } = this.#record.load();
    if (isSyncEnded(job)) return false;
    const budget = this.#account.raised(body, job.phase === "paused" && job.by === "budget");
    const isOther = JSON.stringify(budget) !== JSON.stringify(budgetOf(spec));
    if (isOther) this.#record.changeBudget(budget);
    return isOther;
  }

  #shown(): StatusInput {
    const batches = this.#record.batches.totals();
    const large = this.#record.large.counts();
    const now = Date.now();
    const row = this.#record.load();
    const most = this.#large.smallTransfers();
    const sides = this.#sides.of(row.spec);
    const spent = this.#record.spent.all();
    return {
      ...row,
      window: { batches: batches.leased, largeRunning: large.running, largeWaiting: large.waiting },
      failures: this.#record.someFailures(FAILURES_SHOWN),
      spent: describeSpent(spent, pricesAt(sides)),
      budget: this.#account.describe(),
      quote: quoteOf(row.spec, row.counters, spent, sides, {
        pace: this.ctx.storage.kv.get<Pace>("pace") ?? UNKNOWN_PACE,
        now,
      }),
      restoring: this.#record.restores.counts(),
      warnings: this.#record.warnings(),
      deletesRefused: this.#record.deletesRefused(),
      parts: this.#record.report.parts(),
      keptBytes: this.#record.report.keptBytes(),
      timeline: this.#record.timeline.entries(),
      pace: this.#gate.pace(most, batches.leased, this.#sides.of(row.spec), { row, now }),
      location: this.#location(row),
      recentRate: this.#rates.recent(now, row.counters.copied),
      repair: isComparison(row.spec) ? (this.#repairs.find()?.syncId ?? null) : null,
      now,
    };
  }

  #stage(): Stage {
    const record = this.#record;
    return {
      read: () => runReading(this.#shown()),
      state: () => restOf(record.load().job),
      entries: (after) => record.timeline.after(after),
      parts: null,
    };
  }

  /** Retries the keys that have failed. @returns whether that is not going on already */
  #retry(): boolean {
    const { job, spec } = this.#record.load();
    const { phase } = job;
    if (phase === "finished_with_errors" && !isOfHistories(spec)) {
      return this.#record.transaction(() => {
        this.#record.newRound();
        return this.#record.applyEvent({ type: "retry" }, "retry");
      });
    }
    if (isSyncEnded(job)) {
      const why = isOfHistories(spec)
        ? `The sync is ${phase}, and one of whole histories cannot retry single versions. `
        : `The sync is ${phase}: only one that is finished_with_errors can retry its failed keys. `;
      const instead = "Start a new sync instead: it skips what is already copied";
      throw new Problem(409, "nothing_to_retry", why + instead);
    }
    return false;
  }

  async #waitForEnd(waitSeconds: number): Promise<void> {
    const { job } = this.#record.load();
    const isOver = isAtRest(job) || job.phase === "paused";
    if (waitSeconds > 0 && !isOver) await this.#waiting.wait(waitSeconds);
  }

  // --- The lanes' side --------------------------------------------------------------------------

  /** Takes a lane's reports and gives it new batches, in one transaction. */
  async claim(claim: BatchClaim): Promise<BatchGrant> {
    const now = Date.now();
    if (this.#record.find() === null) return { kind: "stop" };
    const { grant, isDue } = this.#handout.claim(claim, now);
    this.#rates.note(now, () => this.#record.load().counters.copied);
    // A running alarm sees it without this.
    if (isDue && !this.#advancing) await wakeAt(this.ctx.storage, now);
    this.#audience.changed();
    return grant;
  }

  // --- The alarm --------------------------------------------------------------------------------

  override async alarm(): Promise<void> {
    // The next alarm first, and no rethrow below: mesh.ts says why.
    await wakeAt(this.ctx.storage, Date.now() + WATCH_MS);
    if (this.#record.find() === null) return this.ctx.storage.deleteAlarm();
    this.#advancing = true;
    try {
      const nextAlarmMs = await this.#advance(Date.now() + ALARM_LIMIT_MS);
      this.#record.applyEvent({ type: "advanced" });
      if (nextAlarmMs === null) await this.ctx.storage.deleteAlarm();
      else await wakeAt(this.ctx.storage, nextAlarmMs);
    } catch (error) {
      this.#record.crashed(error);
    } finally {
      this.#advancing = false;
    }
  }

  /** Takes steps until there is nothing to do but wait. @returns until when, or null for never */
  async #advance(untilMs: number): Promise<number | null> {
    this.#record.markStarted(Date.now());
    for (;;) {
      const reported = await this.#reportPhase();
      await this.#handout.tendShares();
      await this.#handout.tendLanes();
      if (await this.#tendLarge()) await this.#handout.tendLanes();
      this.#handout.settleLost();
      const hasAffordable = () => this.#handout.hasAffordable || this.#large.hasAffordable;
      if (stopAtBudget(this.#record, this.#account, hasAffordable)) continue;
      // Nothing is awaited between this check and setting the alarm: no claim arrives unnoticed.
      const row = this.#record.load();
      if (isAtRest(row.job) || row.job.phase === "paused") this.#waiting.wake();
      this.#audience.changed();
      const now = Date.now();
      this.#rates.note(now, () => row.counters.copied, isSyncEnded(row.job));
      const step = nextStep(row.job, this.#record.counts(), now);
      const tellMs = reported ? null : this.#reports.nextTryMs(now);
      if (step.do === "rest") return this.#restUntil(row, [step.untilMs, tellMs], now);
      if (now > untilMs) return now;
      if (step.do === "settle") {
        await this.#settleAll();
        if (this.#record.counts().running > 0) return Date.now() + SETTLE_MS;
      } else {
        await this.#steps.take(step);
      }
    }
  }

  #restUntil({ job }: SyncRow, untilMs: readonly (number | null)[], now: number): number | null {
    const { underWay, running } = this.#record.counts();
    const watches = running > 0 || (underWay > 0 && isHandingOut(job));
    const watchMs = this.#shares.isNeeded ? ASK_EVERY_MS : WATCH_MS;
    const polls = this.#record.large.counts().running > 0 && isHandingOut(job);
    const wakes = [...untilMs, watches ? now + watchMs : null, polls ? this.#pollAtMs : null];
    if (watches) wakes.push(this.#scale.dueMs);
    const known = wakes.filter((atMs) => atMs !== null);
    return known.length === 0 ? null : Math.min(...known);
  }

  async #askShares(requests: readonly ShareRequest[]): Promise<Amounts[]> {
    return await registryOf(this.ctx.exports).share(this.#record.load().id, requests);
  }

  /** @returns whether one has ended, which the rest of its history may have waited for */
  async #tendLarge(): Promise<boolean> {
    const { waiting, running } = this.#record.large.counts();
    if (waiting + running === 0) return false;
    await this.#large.follow();
    let news = false;
    if (running > 0 && Date.now() >= this.#pollAtMs) {
      this.#pollMs = Math.min(waiting > 0 ? POLL_MS.busy : POLL_MS.most, this.#pollMs * POLL_MS.growth);
      news = await this.#large.poll();
    }
    await this.#large.start();
    if (news || this.#record.large.counts().running > running) this.#pollMs = POLL_MS.first;
    if (news || Date.now() >= this.#pollAtMs) this.#pollAtMs = Date.now() + this.#pollMs;
    return news;
  }

  /** Stops everything that runs. The lanes' reports say what happened to it. */
  async #settleAll(): Promise<void> {
    const { id } = this.#record.load();
    await Promise.all(this.#record.lanes.live().map(async (lane) => await this.#lane(id, lane).stop()));
    await this.#large.cancel();
    await this.#large.poll();
  }

  /** Tells the registry about a new phase. @returns whether it knows the current one */
  async #reportPhase(): Promise<boolean> {
    const { id, job, reported, endedAtMs } = this.#record.load();
    const pushes = isHandingOut(job) && Date.now() - this.#pushedMs >= PUSH_MS;
    if (reported === job.phase && !pushes) return true;
    this.#pushedMs = Date.now();
    try {
      const { kind, ...told } = runNews(this.#shown(), this.#record.lanes.live().length);
      const news = { phase: job.phase, endedAtMs, orphans: 0, ...told };
      this.ctx.storage.kv.put("pace", await registryOf(this.ctx.exports).takeNews(kind, id, news));
    } catch (error) {
      // The sync does not wait for the registry; the next step or alarm tells it again.
      this.#reports.failed({ syncId: id }, error, Date.now());
      return false;
    }
    this.#reports.taken();
    this.#record.markReported(job.phase);
    return this.#record.load().job.phase === job.phase;
  }

  #lane(id: string, lane: number | string) {
    return this.ctx.exports.Lane.getByName(`${id}/${lane}`, placedAt(this.#location(this.#record.load())));
  }

  #location({ spec }: SyncRow): ReturnType<typeof locationFor> {
    return locationFor(spec, this.#sides.of(spec).destination);
  }
}

/**
 * Will this sync do nothing more by itself? A client that waits is answered when the sync has ended or waits
 * for a person.
 */
function isAtRest(job: SyncJob): boolean {
  return isSyncEnded(job) || job.phase === "blocked";
}

function restOf(job: SyncJob): ReturnType<Stage["state"]> {
  if (isSyncEnded(job)) return "ended";
  if (job.phase === "blocked") return "stuck";
  return job.phase === "paused" || job.phase === "restoring" ? "waiting" : "working";
}
