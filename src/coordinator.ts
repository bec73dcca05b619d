// Coordinator: a Durable Object, one per copy of one object. It holds the upload ID and the part ETag table,
// decides what is done next, and is the status endpoint. No byte of the object passes through it.
//
// What it needs: the STORE_<NAME> secrets; the classes Lane and Registry.
//
// How a copy runs. create() stores the request and sets the alarm. Each alarm takes steps until there is
// nothing to do but wait: copy/job.ts decides the step, it is carried out, copy/job.ts says what the answer
// changes, and one transaction saves it. While parts are under way the lanes call claim(): they report what
// is finished and get new parts in the same call (copy/dispatch.ts). The steps that talk to stores are in
// copy/steps.ts; copy/record.ts keeps what they change.
//
// Invariants:
// - The next alarm is set before anything else is done.
// - What a call depends on (the upload ID, "Complete was sent") is on disk before the call.
// - Every step may run twice. Steps run in the alarm only, one at a time.
// - Memory holds only what can be lost: waiting requests (they retry), and what was learned about the stores'
//   pace and the shares (it is learned again).

import { DurableObject } from "cloudflare:workers";
import { Dispatch, ownOf, TAIL_MS } from "./copy/dispatch.ts";
import { nextStep } from "./copy/job.ts";
import { type Job, isAtBudget, isEnded, objectOf } from "./copy/phase.ts";
import { unitCount } from "./copy/plan.ts";
import { type Copy, CopyRecord, newsOf } from "./copy/record.ts";
import { copyStatus, partsPage } from "./copy/status.ts";
import type { PartCounts } from "./copy/step.ts";
import { Steps } from "./copy/steps.ts";
import { accountOf } from "./copy/terms.ts";
import { type Env, PARTS_PER_LANE } from "./env.ts";
import { jsonResponse, Problem } from "./http/problem.ts";
import { readCount, readOptionalBody, readWait } from "./http/request.ts";
import { registryOf } from "./mesh.ts";
import { PartWatch } from "./parts/changes.ts";
import { rateHistory } from "./parts/history.ts";
import { budgetOf } from "./store/budget.ts";
import { locationFor, placedAt } from "./store/location.ts";
import { type Store, pricesAt, readStores } from "./store/stores.ts";
import { LaneScale, laneBounds } from "./throttle/lanes.ts";
import type { Amounts, ShareRequest } from "./throttle/share_table.ts";
import { ASK_EVERY_MS, StoreShares } from "./throttle/shares.ts";
import { BOOK_AHEAD_MS } from "./throttle/timetable.ts";
import type { CopyStatus } from "./view/answers.ts";
import { type Stage, Audience, isWatch, readingOf, Waiting, watch } from "./view/audience.ts";
import { type WorkCounters, tidingsOf, PUSH_MS } from "./view/news.ts";
import { copyLine, copyResult } from "./view/progress.ts";
import { describeSpent } from "./view/spent.ts";
import { Reports } from "./view/reports.ts";
import { wakeAt, wakeIfLost } from "./work/alarm.ts";
import { SpentCount } from "./work/spent.ts";
import type { PartClaim, PartGrant } from "./work/part_task.ts";

/** How often the coordinator checks its lanes while they work. */
const WATCH_MS = 10_000;

const SETTLE_MS = 1_000;

/**
 * One alarm begins steps for this long, then the next one goes on. The platform ends an alarm after 15
 * minutes, and the longest step, a Complete, may take 12.
 */
const ALARM_LIMIT_MS = 60_000;

/**
 * The registry tells a queued copy when it is next. The copy also asks at this interval, in case that call
 * was lost.
 */
const QUEUE_RECHECK_MS = 30_000;

export class Coordinator extends DurableObject<Env> {
  readonly #record = new CopyRecord(this.ctx.storage);
  readonly #shares = new StoreShares(async (requests) => await this.#askShares(requests), {
    columns: () => 1,
    quietUntilMs: Date.now() + BOOK_AHEAD_MS,
    own: () => ownOf(this.#record.load()),
  });
  readonly #account = accountOf(this.#record, (copy) => this.#storesOf(copy));
  readonly #scale = new LaneScale(() => laneBounds(this.#record.load().spec));
  readonly #dispatch = new Dispatch(
    this.#record,
    this.#shares,
    (copy) => this.#storesOf(copy),
    Date.now(),
    () => this.#scale.transfers,
  );
  readonly #steps = new Steps(this.#record, this.env, {
    turnsAt: (store) => this.#shares.turnsAt(store),
    onRefusal: (failure) => this.#dispatch.refused(failure, Date.now()),
    sent: new SpentCount(this.#account.charge),
  });
  readonly #waiting = new Waiting();
  readonly #reports = new Reports(this.ctx.storage);
  // Parsed once: another configuration is another deployment, which starts with empty memory.
  readonly #stores = new Map<string, Store | null>();
  readonly #audience = new Audience(this.#stage());
  // In memory only: counters that are pushed twice are not counted twice.
  #pushedMs = 0;

  /** Stores a new copy and starts it; a repeated call changes nothing. */
  async create(id: string, spec: Copy["spec"], createdAtMs: number): Promise<void> {
    if (this.#record.find() !== null) return;
    await wakeAt(this.ctx.storage, Date.now());
    this.#record.create(id, spec, createdAtMs);
  }

  /** What was asked for, and how far it is; null: there is no such copy. */
  async describe(): Promise<{ spec: Copy["spec"]; phase: Job["phase"] } | null> {
    const copy = this.#record.find();
    return copy === null ? null : { spec: copy.spec, phase: copy.job.phase };
  }

  /** Removes everything of a copy that has ended and owes nothing. @returns whether nothing is left */
  async forget(): Promise<boolean> {
    const copy = this.#record.find();
    if (copy !== null && (!isEnded(copy.job) || this.#record.debts.all().length > 0)) return false;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    return true;
  }

  // --- The status endpoint ----------------------------------------------------------------------

  /**
   * `GET /copies/{id}`, `GET …/parts|rates|events|progress`, `POST …/pause|resume|cancel`. The front has
   * checked the token.
   */
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, , id = "", action = ""] = url.pathname.split("/");
    try {
      if (this.#record.find() === null) throw new Problem(404, "copy_not_found", `There is no copy "${id}"`);
      if (isWatch(action)) return watch(this.#audience, action, request);
      if (action === "parts") return this.#answerParts(url.searchParams);
      if (action === "rates") return jsonResponse({ samples: rateHistory(this.ctx.storage.sql) });
      if (action === "pause" || action === "resume" || action === "cancel") {
        const was = this.#record.load().job;
        const body = await readOptionalBody(request);
        const isRaised = action === "resume" && this.#raise(body);
        const { job } = this.#record.applyEvent({ type: action }, action);
        if (action === "cancel" && job.phase !== was.phase) this.#steps.cancel();
        const owes = action === "resume" && this.#record.debts.count() > 0;
        if (action === "resume") this.#record.debts.tryNow(Date.now());
        await wakeAt(this.ctx.storage, Date.now());
        this.#audience.changed();
        return jsonResponse({
          ...this.#status(),
          changed: owes || isRaised || JSON.stringify(job) !== JSON.stringify(was),
        });
      }
      await this.#waitForEnd(readWait(url.searchParams));
      return jsonResponse(this.#status());
    } catch (error) {
      if (error instanceof Problem) return error.toResponse();
      throw error;
    }
  }

  /** @returns whether the budget is another now @throws {Problem} 400, 409 */
  #raise(body: unknown): boolean {
    const { job } = this.#record.load();
    if (isEnded(job)) return false;
    const budget = this.#account.raised(body, isAtBudget(job));
    const isOther = JSON.stringify(budget) !== JSON.stringify(budgetOf(this.#record.load().spec));
    if (isOther) this.#record.changeBudget(budget);
    return isOther;
  }

  #status(): CopyStatus {
    const now = Date.now();
    const copy = this.#record.load();
    return copyStatus({
      ...copy,
      totals: this.#record.parts.totals(),
      attempts: this.#record.parts.attempts(),
      spent: describeSpent(this.#record.spent.all(), pricesAt(this.#storesOf(copy))),
      budget: this.#account.describe(),
      bytesPerSecond: copy.job.phase === "uploading" ? this.#record.parts.bytesPerSecond(now) : null,
      restored: this.#record.restored.find(),
      warnings: this.#record.warnings(),
      debts: this.#record.debts.all(),
      timeline: this.#record.timeline.entries(),
      pace: this.#dispatch.pace(copy, now),
      location: this.#location(copy),
      now,
    });
  }

  #stage(): Stage {
    const record = this.#record;
    return {
      read: () => readingOf(this.#status(), copyLine, copyResult),
      state: () => restOf(record.load().job),
      entries: (after) => record.timeline.after(after),
      parts: new PartWatch(record.parts, () => record.counts(record.load().job).total),
    };
  }

  #answerParts(query: URLSearchParams): Response {
    const after = readCount(query, "cursor", { fallback: 0, min: 0, max: 10_000 });
    const limit = readCount(query, "limit", { fallback: 1000, min: 1, max: 1000 });
    const plan = objectOf(this.#record.load().job)?.plan ?? null;
    return jsonResponse(partsPage(plan, this.#record.parts.page(after, limit), after, limit));
  }

  /** Called by the registry: the copy ahead of this one at the same destination has ended. */
  async recheckQueue(): Promise<void> {
    if (this.#record.find() === null) return;
    this.#record.applyEvent({ type: "recheckQueue" });
    await wakeAt(this.ctx.storage, Date.now());
  }

  /** Called by the registry from time to time: without an alarm, a copy would stand still for good. */
  async keepAwake(): Promise<void> {
    const copy = this.#record.find();
    if (copy === null || isAtRest(copy.job) || copy.job.phase === "paused") return;
    if (await wakeIfLost(this.ctx.storage)) this.#record.alarmLost();
  }

  /**
   * A copy counts as ended only when the registry knows it too: a client that waits for the end may copy to
   * the same object next.
   */
  async #waitForEnd(waitSeconds: number): Promise<void> {
    const copy = this.#record.load();
    const isTold = isAtRest(copy.job) && copy.reported === this.#news(copy);
    const isOver = isTold || copy.job.phase === "paused";
    if (waitSeconds > 0 && !isOver) await this.#waiting.wait(waitSeconds);
  }

  // --- The lanes' side --------------------------------------------------------------------------

  /** Takes a lane's reports and gives it new parts, in one transaction. */
  async claim(claim: PartClaim): Promise<PartGrant> {
    const now = Date.now();
    if (this.#record.find() === null) return { kind: "stop" };
    const { grant, alarmInMs } = this.#dispatch.claim(claim, { now, random: Math.random });
    // Without a share, nothing can be granted at a capped store; the alarm asks for one.
    const unshared = this.#shares.isNeeded && !this.#shares.holdsAny(now);
    // The last part is done, the last one in flight has settled, parts are lost, or the phase has changed:
    // that must not wait for the watch.
    const isNow = unshared || this.#seeLanes(now);
    if (alarmInMs !== null || isNow) await wakeAt(this.ctx.storage, now + (isNow ? 0 : (alarmInMs ?? 0)));
    this.#audience.changed();
    return grant;
  }

  // --- The alarm --------------------------------------------------------------------------------

  override async alarm(): Promise<void> {
    // The next alarm first, and no rethrow below: mesh.ts says why.
    await wakeAt(this.ctx.storage, Date.now() + WATCH_MS);
    if (this.#record.find() === null) return this.ctx.storage.deleteAlarm();
    try {
      const nextAlarmMs = await this.#advance(Date.now() + ALARM_LIMIT_MS);
      this.#record.applyEvent({ type: "advanced" });
      if (nextAlarmMs === null) await this.ctx.storage.deleteAlarm();
      else await wakeAt(this.ctx.storage, nextAlarmMs);
    } catch (error) {
      this.#record.crashed(error);
    }
  }

  /** Takes steps until there is nothing to do but wait. @returns until when, or null for never */
  async #advance(untilMs: number): Promise<number | null> {
    this.#record.markStarted(Date.now());
    for (;;) {
      const dueMs = this.#record.debts.nextTryMs();
      if (dueMs !== null && dueMs <= Date.now()) await this.#steps.payDebts();
      const reported = await this.#report();
      await this.#tendShares();
      const { job } = this.#record.load();
      if (isAtRest(job) || job.phase === "paused") this.#waiting.wake();
      this.#audience.changed();
      const step = nextStep(job, this.#record.counts(job), Date.now());
      switch (step.do) {
        case "rest":
          return earliest(
            step.untilMs,
            this.#record.debts.nextTryMs(),
            reported ? null : this.#reports.nextTryMs(Date.now()),
          );
        case "checkQueue":
          await this.#checkQueue();
          break;
        case "tendLanes":
          await this.#tendLanes(job);
          break;
        case "settleParts":
          await this.#settleParts();
          break;
        default:
          await this.#steps.take(step);
      }
      // Nothing is awaited between this check and setting the alarm, so no report can arrive unnoticed in
      // between.
      const after = this.#record.load().job;
      const next = nextStep(after, this.#record.counts(after), Date.now()).do;
      if (step.do === "tendLanes" && next === "tendLanes") return Date.now() + this.#watchMs();
      if (step.do === "settleParts" && next === "settleParts") return Date.now() + SETTLE_MS;
      if (Date.now() > untilMs) return Date.now();
    }
  }

  #watchMs(): number {
    const { parts } = this.#record;
    if (parts.flights.beaten().length > 0) return SETTLE_MS;
    const plan = objectOf(this.#record.load().job)?.plan;
    // One of the last parts may be slow, and is then sent a second time.
    if (plan !== undefined && parts.waiting(unitCount(plan)).count === 0) return TAIL_MS;
    const growsInMs = Math.max(0, (this.#scale.dueMs ?? Infinity) - Date.now());
    return Math.min(growsInMs, this.#shares.isNeeded ? ASK_EVERY_MS : WATCH_MS);
  }

  /** Asks for this copy's share of the stores' caps, and gives it back when nothing is left to do. */
  async #tendShares(): Promise<void> {
    if (!this.#shares.isNeeded) return;
    const { job } = this.#record.load();
    const { total, done, inFlight }: PartCounts = this.#record.counts(job);
    const rests = isEnded(job) || ["paused", "blocked", "queued", "restoring"].includes(job.phase);
    if (rests && inFlight === 0) return await this.#shares.release();
    this.#shares.setDemand(rests ? 0 : Math.max(1, Math.min(this.#scale.transfers, total - done)), inFlight);
    await this.#shares.refresh();
  }

  async #askShares(requests: readonly ShareRequest[]): Promise<Amounts[]> {
    return await registryOf(this.ctx.exports).share(this.#record.load().id, requests);
  }

  #storesOf({ spec }: Copy): { source: Store | null; destination: Store | null } {
    return {
      source: this.#storeNamed(spec.source.store),
      destination: this.#storeNamed(spec.destination.store),
    };
  }

  #storeNamed(name: string): Store | null {
    let store = this.#stores.get(name);
    if (store === undefined) {
      const entry = readStores(this.env).get(name);
      store = entry?.ok === true ? entry.store : null;
      this.#stores.set(name, store);
    }
    return store;
  }

  /** @returns whether there may be more lanes now */
  #seeLanes(now: number): boolean {
    const plan = objectOf(this.#record.load().job)?.plan;
    if (plan === undefined) return false;
    const { parts } = this.#record;
    const use = { running: parts.totals().inFlight, waiting: parts.waiting(unitCount(plan)).count };
    const isThrottled = this.#dispatch.governor.busySides(now).length > 0;
    return this.#scale.see({ ...use, isThrottled }, now);
  }

  /** Wakes lanes that are wanted and asleep, and frees the parts of lanes that have died. */
  async #tendLanes(job: Job): Promise<void> {
    const object = objectOf(job);
    if (object === null) return;
    const copy = this.#record.load();
    const { id } = copy;
    const { parts, lanes, timeline } = this.#record;
    const now = Date.now();
    this.#seeLanes(now);
    const wake = this.#record.transaction(() => {
      for (const lane of this.#record.releaseSilent(now)) timeline.add(now, "lane_lost", `lane ${lane}`);
      this.#dispatch.freeWhole(copy, now);
      parts.flights.forgetDead(now);
      const awake = new Set(lanes.live());
      this.#shares.bytes.keep([...awake]);
      const most = this.#scale.lanes - awake.size;
      const wanted = Math.min(most, Math.ceil(parts.waiting(unitCount(object.plan)).count / PARTS_PER_LANE));
      const asleep: number[] = [];
      // All parts are handed out and one is slow: a lane must be awake to send it a second time.
      const slow =
        parts.waiting(unitCount(object.plan)).count === 0 &&
        this.#dispatch.slowParts(copy, 0, now).length > 0;
      for (let lane = 1; asleep.length < Math.max(wanted, slow ? 1 : 0); lane++)
        if (!awake.has(lane)) asleep.push(lane);
      for (const lane of asleep) lanes.expect(lane, now);
      return asleep;
    });
    const beaten = parts.flights.beaten();
    await Promise.allSettled(
      beaten.map(({ lane, partNumber, attempt }) => this.#lane(id, lane).drop(partNumber, attempt)),
    );
    const woken = await Promise.allSettled(
      wake.map((lane) => this.#lane(id, lane).wake({ copyId: id, lane })),
    );
    for (const [index, result] of woken.entries()) {
      const lane = wake[index];
      if (result.status === "fulfilled" || lane === undefined) continue;
      lanes.forget(lane); // the next watch wakes it again
      timeline.add(Date.now(), "lane_asleep", `lane ${lane}: ${String(result.reason)}`);
    }
  }

  /** Nothing is aborted while a part is in flight: the part would be stored afterwards and stay. */
  async #settleParts(): Promise<void> {
    const { id } = this.#record.load();
    this.#record.releaseSilent(Date.now());
    await Promise.all(this.#record.lanes.live().map((lane) => this.#lane(id, lane).stop()));
  }

  /** Is this copy next to write its destination? Copies to one object run one after the other. */
  async #checkQueue(): Promise<void> {
    const { id, job } = this.#record.load();
    const behind = await registryOf(this.ctx.exports).whoIsAhead(id);
    if (behind === null) {
      this.#record.applyEvent({ type: "isNext" });
      return;
    }
    const isNews = job.phase === "queued" && job.behind !== behind;
    const recheckAtMs = Date.now() + QUEUE_RECHECK_MS;
    this.#record.applyEvent({ type: "notYet", behind, recheckAtMs }, isNews ? "queued_behind" : null, behind);
  }

  #news({ job }: Copy): string {
    return newsOf(job.phase, this.#record.debts.count());
  }

  /** Tells the registry about a new phase and about debts. @returns whether it knows the current state */
  async #report(): Promise<boolean> {
    const copy = this.#record.load();
    const { id, job, reported, endedAtMs } = copy;
    const news = this.#news(copy);
    const pushes = job.phase === "uploading" && Date.now() - this.#pushedMs >= PUSH_MS;
    if (reported === news && !pushes) return true;
    this.#pushedMs = Date.now();
    try {
      await registryOf(this.ctx.exports).takeNews("copy", id, {
        phase: job.phase,
        endedAtMs,
        orphans: this.#record.debts.count(),
        counters: this.#counters(),
        ...tidingsOf("copy", this.#status()),
      });
    } catch (error) {
      // The copy does not wait for the registry; the next step or alarm tells it again.
      this.#reports.failed({ copyId: id }, error, Date.now());
      return false;
    }
    this.#reports.taken();
    this.#record.markReported(news);
    return this.#news(this.#record.load()) === news;
  }

  #counters(): WorkCounters {
    const { parts, tally, lanes } = this.#record;
    const { doneBytes, done, inFlight } = parts.totals();
    return {
      kind: "copy",
      bytes: doneBytes,
      parts: done,
      partAttempts: parts.attempts(),
      failures: tally.all(),
      partsInFlight: inFlight,
      lanes: lanes.live().length,
    };
  }

  #lane(id: string, lane: number) {
    return this.ctx.exports.Lane.getByName(`${id}/${lane}`, placedAt(this.#location(this.#record.load())));
  }

  #location(copy: Copy): ReturnType<typeof locationFor> {
    return locationFor(copy.spec, this.#storesOf(copy).destination);
  }
}

/**
 * Will this copy do nothing more by itself? A client that waits is answered when the copy has ended or waits
 * for a person.
 */
function isAtRest(job: Job): boolean {
  return isEnded(job) || job.phase === "blocked";
}

function restOf(job: Job): ReturnType<Stage["state"]> {
  if (isEnded(job)) return "ended";
  if (job.phase === "blocked") return "stuck";
  return ["paused", "queued", "restoring"].includes(job.phase) ? "waiting" : "working";
}

/** The earliest of some times; null stands for never. */
function earliest(...timesMs: readonly (number | null)[]): number | null {
  const known = timesMs.filter((ms) => ms !== null);
  return known.length === 0 ? null : Math.min(...known);
}
