// Registry: the one Durable Object that knows which copies and syncs exist, which schedules start them, how
// the capped stores are shared, what checks of the stores have seen, and who did what.
//
// What it needs: the classes Coordinator and Sync, and the STORE_<NAME> secrets to validate a scheduled copy
// when it is due.
//
// Protocol. admit() gives a copy its id and a row, then the caller creates the coordinator. If the caller
// dies in between, the alarm here does it: a row stays `admitted` until its coordinator has reported a phase,
// and creating a coordinator twice changes nothing. So a copy that has an id will run.
//
// Invariants: ids rise with time. One Idempotency-Key is one copy. One due time of a schedule is one run,
// however often the Cron event comes, because the run and its copy are written in one transaction under
// (schedule, due time).
//
// The only state of a copy that it holds is the phase last reported. The coordinator is the authority.

import { DurableObject } from "cloudflare:workers";
import { type Env, retentionMs } from "./env.ts";
import { log } from "./log.ts";
import { ownKey } from "./mesh.ts";
import type { Caller } from "./access/rights.ts";
import type { Admission } from "./registry/admission.ts";
import { type Forgotten, type ListedPage, type PlacesPage, AllWork } from "./registry/all_work.ts";
import {
  type AuditedCall,
  type AuditFilter,
  type AuditPage,
  type Refusal,
  AuditTable,
} from "./registry/audit.ts";
import { CheckTable } from "./registry/check_table.ts";
import { type Idempotency, keyOf, KeyTable, runKeyOf } from "./registry/key_table.ts";
import { deliverReplication } from "./registry/deliver_replication.ts";
import { keepAwake } from "./registry/keep_awake.ts";
import { LinkSalt } from "./registry/link_salt.ts";
import { Metrics } from "./registry/metrics.ts";
import { Outbox } from "./registry/outbox.ts";
import { readReceivers } from "./registry/receivers.ts";
import {
  type PutReplication,
  type Replication,
  ReplicationRows,
  listedAs,
} from "./registry/replication_rows.ts";
import { type StorePair, PaceTable } from "./registry/pace_table.ts";
import { type OverviewRows, overviewRows } from "./registry/overview.ts";
import type { ListFilter, WorkPlaces } from "./registry/work_rows.ts";
import { minuteOf } from "./schedule/cron.ts";
import { type RunView, type ScheduleView, MAX_SCHEDULES, Schedules } from "./schedule/schedules.ts";
import { createWork } from "./schedule/create.ts";
import type { Started, Work, WorkKind } from "./schedule/kinds.ts";
import type { RequestedRun, RunningWork } from "./replication/started.ts";
import { type ReplicationSpec, placesOf, reversed, reverseName } from "./replication/spec.ts";
import type { Schedule, ScheduleRequest } from "./schedule/spec.ts";
import type { KeptCheck } from "./store/facts.ts";
import { type Amounts, type ShareRequest, capsAt, ShareTable } from "./throttle/share_table.ts";
import type { JobNews, ReplicationNews } from "./view/news.ts";
import { type Pace, UNKNOWN_PACE } from "./view/pace.ts";
import { isLost, wakeAt } from "./work/alarm.ts";
import { openState, stampState } from "./work/state.ts";

/** The time that the caller of admit() has to create the coordinator itself. */
const DELIVERY_GRACE_MS = 5_000;

export class Registry extends DurableObject<Env> {
  readonly #sql = openState(this.ctx.storage.sql);
  readonly #metrics = new Metrics(this.#sql);
  readonly #outbox = new Outbox(this.#sql, () => readReceivers(this.env));
  readonly #paces = new PaceTable(this.#sql);
  readonly #shares = new ShareTable(this.#sql);
  readonly #checks = new CheckTable(this.#sql);
  readonly #replications = new ReplicationRows(this.#sql);
  readonly #work = new AllWork(this.#sql, this.env, this.#checks, this.#replications);
  readonly #keys = new KeyTable(this.#sql);
  readonly #audit = new AuditTable(this.#sql);
  readonly #links = new LinkSalt(this.ctx.storage, this.#keys);
  readonly #schedules = new Schedules(
    this.#sql,
    {
      runningOf: (schedule) => this.#work.runningOf(schedule),
      start: (work, schedule, now) => this.#work.beginScheduled(work, schedule, now),
    },
    this.env,
  );

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    stampState(this.#sql);
    this.#work.createTables();
    this.#paces.createTables();
    this.#replications.createTables();
    this.#schedules.createTables();
    this.#metrics.createTables();
    this.#outbox.createTables();
    this.#shares.createTables();
    this.#checks.createTables();
    this.#keys.createTables();
    this.#audit.createTables();
  }

  /**
   * Gives work its id, or finds what an earlier request with the same Idempotency-Key started.
   *
   * @param idempotency its digest is of the request body: one key with two bodies is a mistake of the client
   * @param sync whose large object it copies
   */
  async admit(work: Work, idempotency: Idempotency | null, sync: string | null = null): Promise<Admission> {
    const now = Date.now();
    const key = keyOf(work.kind, idempotency);
    await this.#deliverLater(now);
    return this.ctx.storage.transactionSync((): Admission => {
      const before = this.#keys.find(key, now);
      if (before !== null) return before;
      const begun = this.#work.begin(work, { schedule: null, sync }, now);
      if (begun.kind === "new") this.#keys.remember(key, begun.work.id, now);
      return begun;
    });
  }

  /** The copy that writes the same object and goes before this one, or null if this one is next. */
  async whoIsAhead(id: string): Promise<string | null> {
    return this.#work.of("copy").aheadOf(id);
  }

  /** What work touches, or null if there is none of that id. */
  async findWork(kind: WorkKind, id: string): Promise<WorkPlaces | null> {
    return this.#work.places(kind, id);
  }

  /** Newest first, and only what the caller sees. @param before the id to continue after, or null */
  async list(kind: WorkKind, filter: ListFilter, before: string | null, limit: number): Promise<ListedPage> {
    return this.#work.list(kind, filter, before, limit);
  }

  /** As list(), for who steers many: what each touches. */
  async listPlaces(...asked: Parameters<AllWork["listPlaces"]>): Promise<PlacesPage> {
    return this.#work.listPlaces(...asked);
  }

  /** Removes work that has ended and owes nothing, here and in its own object. */
  async forgetWork(kind: WorkKind, id: string): Promise<Forgotten> {
    const inTransaction = (run: () => void) => this.ctx.storage.transactionSync(run);
    return await this.#work.forget(this.ctx.exports, kind, id, inTransaction);
  }

  /**
   * Called by the object of some work when its phase changes, and from time to time while it works. At its
   * end, the run of the same schedule that waited for it starts.
   *
   * @returns how fast work between the same stores has been
   */
  async takeNews(kind: WorkKind, id: string, news: JobNews): Promise<Pace> {
    const { phase, endedAtMs, counters, webhook } = news;
    const now = Date.now();
    const rows = this.#work.of(kind);
    const pair = rows.stores(id);
    const due = this.ctx.storage.transactionSync(() => {
      const row = rows.find(id);
      rows.takeNews(id, news);
      this.#metrics.take(id, counters);
      // News whose answer was lost comes again. It must not count as a second end or be announced twice.
      const isNews = row?.phase !== phase;
      if (isNews && endedAtMs !== null && pair !== null) this.#paces.note(pair, news.glance.rate, now);
      if (isNews && endedAtMs !== null) this.#metrics.add(`${rows.table}_ended_total`, { phase }, 1);
      // A copy of a sync has a share of its budget, and waits for no person.
      const isShare = typeof row?.sync === "string" && webhook?.type === "copy.budget_reached";
      const tells = isNews && webhook !== null && !isShare && this.#outbox.add(webhook, now);
      const schedule = endedAtMs === null ? null : (row?.schedule ?? null);
      const started = schedule === null ? null : this.#schedules.startQueued(schedule, now);
      return tells || started !== null;
    });
    // The reporter does not wait for a start or a webhook receiver: the alarm does both.
    if (due) await wakeAt(this.ctx.storage, now);
    if (kind === "copy" && endedAtMs !== null) await this.#callNext(id);
    return pair === null ? UNKNOWN_PACE : this.#paces.between(pair, now);
  }

  /** How fast work between two stores has been. */
  async paceBetween(pair: StorePair): Promise<Pace> {
    return this.#paces.between(pair, Date.now());
  }

  /** Tells the next copy of the same object at once, so that it need not wait for its own next check. */
  async #callNext(endedId: string): Promise<void> {
    const copies = this.#work.of("copy");
    const row = copies.find(endedId);
    const next = row === null ? null : copies.firstAt(row.target);
    if (next === null) return;
    try {
      await this.ctx.exports.Coordinator.getByName(next).recheckQueue();
    } catch (error) {
      log("error", "turn_not_told", { copyId: next, detail: String(error) });
    }
  }

  /** The metrics in Prometheus text format. */
  async metrics(): Promise<string> {
    return this.#metrics.render(this.#outbox.waiting(), Date.now());
  }

  /** A call under an Idempotency-Key that begins no work (front/once.ts). */
  async beginCall(idempotency: Idempotency): Promise<ReturnType<KeyTable["beginCall"]>> {
    return this.ctx.storage.transactionSync(() => this.#keys.beginCall(idempotency, Date.now()));
  }

  async endCall(...[key, answer]: Parameters<KeyTable["endCall"]>): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#keys.endCall(key, answer));
  }

  // --- Links ------------------------------------------------------------------------------------

  async linkSalt(): Promise<string | null> {
    return this.#links.get();
  }

  async makeLink(idempotency: Idempotency | null, expiresS: number): Promise<ReturnType<LinkSalt["use"]>> {
    return this.ctx.storage.transactionSync(() => this.#links.use(idempotency, expiresS, Date.now()));
  }

  async endLinks(): Promise<void> {
    this.#links.end();
  }

  // --- Webhooks ---------------------------------------------------------------------------------

  /** Newest first. @param before the id to continue after, or null */
  async listNotifications(
    ...[filter, before, limit]: Parameters<Outbox["list"]>
  ): Promise<ReturnType<Outbox["list"]>> {
    return this.#outbox.list(filter, before, limit);
  }

  /** Sends a webhook once more. @returns null if it is not known */
  async redeliver(id: string): Promise<ReturnType<Outbox["again"]>> {
    const now = Date.now();
    await this.#wakeBy(now);
    return this.ctx.storage.transactionSync(() => this.#outbox.again(id, now));
  }

  /** Sets what a running job may use of capped stores from now on (throttle/share_table.ts). */
  async share(job: string, requests: readonly ShareRequest[]): Promise<Amounts[]> {
    const now = Date.now();
    return this.ctx.storage.transactionSync(() =>
      requests.map((request) => this.#shares.ask(job, request, capsAt(this.env, request, now), now)),
    );
  }

  // --- Audit ------------------------------------------------------------------------------------

  async audit(call: AuditedCall): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#audit.add(call));
  }

  async auditRefusals(refusals: readonly Refusal[]): Promise<void> {
    const count = (code: string, times: number) => this.#metrics.add("refused_calls_total", { code }, times);
    this.ctx.storage.transactionSync(() => this.#audit.addRefusals(refusals, count));
  }

  /** Newest first. @param before the id to continue after, or null */
  async listAudit(filter: AuditFilter, before: string | null, limit: number): Promise<AuditPage> {
    return this.#audit.list(filter, before, limit);
  }

  // --- Checks of stores -------------------------------------------------------------------------

  /** New work uses it; running work does not. */
  async keepCheck(check: KeptCheck): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#checks.keep(check));
  }

  async listChecks(): Promise<KeptCheck[]> {
    return this.#checks.list();
  }

  /** @param bucket null means all buckets of the store @returns whether anything was kept */
  async forgetChecks(store: string, bucket: string | null): Promise<boolean> {
    return this.#checks.forget(store, bucket);
  }

  // --- Schedules --------------------------------------------------------------------------------

  /**
   * @param replaces the request of the schedule that may be replaced; null: none may; undefined: any
   * @returns `full`: there are MAX_SCHEDULES others
   */
  async putSchedule(
    name: string,
    schedule: Schedule,
    replaces?: ScheduleRequest | null,
    by: string | null = null,
  ): Promise<"created" | "replaced" | "refused" | "full"> {
    const now = Date.now();
    return this.ctx.storage.transactionSync(() => {
      const found = this.#schedules.get(name, now)?.request ?? null;
      const fits = replaces === undefined || JSON.stringify(found) === JSON.stringify(replaces);
      if (!fits) return "refused";
      if (found === null && this.#schedules.count() >= MAX_SCHEDULES) return "full";
      return this.#schedules.put(name, schedule, now, by) ? "created" : "replaced";
    });
  }

  async getSchedule(name: string): Promise<ScheduleView | null> {
    return this.#schedules.get(name, Date.now());
  }

  /** By name. @param after the name to continue after, or null */
  async listSchedules(
    after: string | null,
    limit: number,
  ): Promise<{ schedules: ScheduleView[]; next: string | null }> {
    return this.#schedules.list(after, limit, Date.now());
  }

  /** Deletes a schedule; what it has started continues. @returns whether it existed */
  async deleteSchedule(name: string): Promise<boolean> {
    return this.ctx.storage.transactionSync(() => this.#schedules.delete(name));
  }

  /** Runs a schedule now, whatever its cron says. @returns null if there is no such schedule */
  async runSchedule(
    name: string,
    idempotency: Idempotency | null = null,
    by: string | null = null,
  ): Promise<{ run: RunView; started: Started | null; known: boolean } | "key_reused" | null> {
    const now = Date.now();
    const own = runKeyOf(name, idempotency);
    await this.#deliverLater(now);
    return this.ctx.storage.transactionSync(() => {
      const before = this.#keys.find(own, now);
      if (before?.kind === "key_reused") return "key_reused";
      const known = before === null ? null : this.#schedules.runOf(name, Date.parse(before.id));
      if (known !== null) return { run: known, started: null, known: true };
      const ran = this.#schedules.run(name, now, by);
      const isBegun = ran !== null && (ran.started !== null || ran.run.outcome === "queued");
      if (isBegun) this.#keys.remember(own, ran.run.dueAt, now);
      return ran && { ...ran, known: false };
    });
  }

  /**
   * The Cron event: starts what has become due since the last one.
   *
   * @param scheduledTimeMs of the event, which may come late, twice or out of order
   * @returns what the caller is to create, which admitted() describes; the alarm creates what the caller does
   *   not
   */
  async tick(scheduledTimeMs: number): Promise<Pick<Started, "kind" | "id">[]> {
    const now = Date.now();
    await this.#deliverLater(now);
    const started = this.ctx.storage.transactionSync(() =>
      this.#schedules.tick(minuteOf(scheduledTimeMs), now),
    );
    return started.map(({ kind, id }) => ({ kind, id }));
  }

  // --- Replications -----------------------------------------------------------------------------

  /** Makes a replication, or gives the one of that name another spec. */
  async putReplication(name: string, spec: ReplicationSpec): Promise<PutReplication> {
    const now = Date.now();
    await this.#deliverLater(now);
    return this.ctx.storage.transactionSync(() => {
      const sync = this.#checks.inform(spec.sync);
      const rival = this.#work.syncAt(sync);
      if (rival !== null) return { kind: "taken", by: `Sync ${rival}` };
      return this.#replications.put(name, { ...spec, sync }, placesOf(spec, this.env), now);
    });
  }

  async findReplication(name: string): Promise<Replication | null> {
    return this.#replications.find(name);
  }

  async listReplications(): Promise<Replication[]> {
    return this.#replications.all();
  }

  /** Tells the replicator what it is to do; if this fails, the alarm does it. */
  async deliverReplication(name: string): Promise<void> {
    const found = this.#replications.find(name);
    if (found !== null) await deliverReplication(this.ctx.exports, found);
  }

  /** Makes the replication that copies the other way. A second time changes nothing. */
  async reverseReplication(name: string): Promise<PutReplication["kind"] | "gone"> {
    const found = this.#replications.find(name);
    if (found === null) return "gone";
    const back = reverseName(name);
    const put = await this.putReplication(back, reversed(back, found.spec));
    if ("replication" in put) await deliverReplication(this.ctx.exports, put.replication);
    return put.kind;
  }

  /** Called by a replicator when its phase changes, and from time to time. */
  async takeReplicationNews(
    name: string,
    id: string,
    { phase, counters, webhook, alerts }: ReplicationNews,
  ): Promise<void> {
    const now = Date.now();
    const isDue = this.ctx.storage.transactionSync(() => {
      const isNews = this.#replications.takePhase(name, id, phase);
      this.#metrics.take(id, counters);
      const { notify = null } = this.#replications.find(name)?.spec ?? {};
      const news = this.#replications.takeAlerts(name, id, alerts);
      if (isNews && webhook !== null) news.push(webhook);
      return news.map((one) => this.#outbox.add(one, now, notify)).includes(true);
    });
    if (isDue) await wakeAt(this.ctx.storage, now);
  }

  /** Has a replication end what it has started; then its replicator calls forgetReplication(). */
  async deleteReplication(name: string): Promise<void> {
    await this.#deliverLater(Date.now());
    const found = this.ctx.storage.transactionSync(() => this.#replications.startDeleting(name));
    if (found !== null) await deliverReplication(this.ctx.exports, found);
  }

  async forgetReplication(name: string, id: string): Promise<void> {
    this.ctx.storage.transactionSync(() => this.#replications.forget(name, id));
  }

  /** What a replication has started and still runs. @param run under way, as it was requested */
  async startedBy(id: string, run: RequestedRun | null): Promise<RunningWork[]> {
    if (run === null) return this.#work.startedBy(id, null);
    const known = this.#keys.find(keyOf(run.kind, ownKey(run.name)), Date.now());
    return this.#work.startedBy(id, { ...run, id: known?.kind === "known" ? known.id : run.id });
  }

  /** What an overview is made of (registry/overview.ts); of schedules, also what the caller does not see. */
  async overview(
    caller: Caller,
  ): Promise<OverviewRows & { schedules: ScheduleView[]; replications: ReturnType<typeof listedAs>[] }> {
    const now = Date.now();
    const tables = { work: this.#work, outbox: this.#outbox, checks: this.#checks };
    const { schedules } = this.#schedules.list(null, MAX_SCHEDULES, now);
    const replications = this.#replications.blocked(caller).map(listedAs);
    return { ...overviewRows(tables, caller, now), schedules, replications };
  }

  /** What an id was given to; null: nothing that the registry still knows. */
  async admitted(kind: WorkKind, id: string): Promise<Started | null> {
    return this.#work.admitted(kind, id);
  }

  /** Removes what ended more than RETENTION_DAYS ago, here and in its own object. @throws {Problem} 503 */
  async forgetOld(now: number): Promise<void> {
    const cutoffMs = now - retentionMs(this.env);
    this.ctx.storage.transactionSync(() => {
      const givenUp = this.#outbox.trim(now);
      if (givenUp > 0) this.#metrics.add("notices_total", { outcome: "given_up" }, givenUp);
    });
    this.#audit.forget(cutoffMs);
    await this.#work.forgetOld(this.ctx.exports, cutoffMs, (run) => this.ctx.storage.transactionSync(run));
  }

  /** Sets alarms again that running work has lost. */
  async keepAwake(): Promise<void> {
    await keepAwake(this.ctx.exports, this.#work, this.#replications);
  }

  /** Creates the objects of copies and syncs whose creator died, and sends the webhooks that are due. */
  override async alarm(): Promise<void> {
    const now = Date.now();
    const due = this.#outbox.nextTryMs();
    // The next alarm first: mesh.ts says why.
    if (due !== null) await this.#wakeBy(Math.max(due, now + DELIVERY_GRACE_MS));
    const tell = this.#outbox.deliverDue(now, (outcome, record) =>
      this.ctx.storage.transactionSync(() => {
        record();
        this.#metrics.add("notices_total", { outcome }, 1);
      }),
    );
    await Promise.all([this.#createAdmitted(now), tell]);
    const next = this.#outbox.nextTryMs();
    if (next !== null) await this.#wakeBy(next);
  }

  async #createAdmitted(now: number): Promise<void> {
    const uncreated = this.#work.uncreated();
    const replications = this.#replications.undelivered();
    if (uncreated.length + replications.length === 0) return;
    await this.#deliverLater(now);
    for (const work of uncreated) await createWork(this.ctx.exports, work, this.env);
    for (const replication of replications) await deliverReplication(this.ctx.exports, replication);
  }

  async #deliverLater(now: number): Promise<void> {
    await this.#wakeBy(now + DELIVERY_GRACE_MS);
  }

  async #wakeBy(atMs: number): Promise<void> {
    const alarmMs = await this.ctx.storage.getAlarm();
    if (isLost(alarmMs, Date.now()) || Number(alarmMs) > atMs) await wakeAt(this.ctx.storage, atMs);
  }
}
