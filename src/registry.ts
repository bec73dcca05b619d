// Registry: the one Durable Object that knows which copies and syncs exist, which schedules start them, how
// the capped stores are shared, and what checks of the stores have seen.
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
import type { Admitted, CopySpec } from "./copy/spec.ts";
import { type Env, retentionMs } from "./env.ts";
import { isoTime } from "./http/fields.ts";
import { makeId } from "./id.ts";
import { log } from "./log.ts";
import { CheckTable } from "./registry/check_table.ts";
import { Metrics } from "./registry/metrics.ts";
import { Outbox } from "./registry/outbox.ts";
import { readReceiver } from "./registry/webhook.ts";
import { type CopyRow, type SyncListRow, Retention, SyncRows } from "./registry/work_rows.ts";
import { minuteOf } from "./schedule/cron.ts";
import { type RunView, type ScheduleView, type Started, Schedules } from "./schedule/schedules.ts";
import type { DueWork, Schedule } from "./schedule/spec.ts";
import type { KeptCheck } from "./store/facts.ts";
import { bucketIdentity } from "./store/address.ts";
import { findStore, placeOfWork, readStores } from "./store/stores.ts";
import type { AdmittedSync, SyncSpec } from "./sync/spec.ts";
import { type Amounts, type Caps, type ShareRequest, capsOf, ShareTable } from "./throttle/share_table.ts";
import type { JobNews } from "./view/news.ts";

type Admission =
  | { readonly kind: "new"; readonly copy: Admitted }
  | { readonly kind: "known"; readonly id: string }
  | { readonly kind: "key_reused" }
  /** Another copy writes that object, and this request does not want to wait for it. */
  | { readonly kind: "busy"; readonly id: string };

type SyncAdmission =
  | { readonly kind: "new"; readonly sync: AdmittedSync }
  | { readonly kind: "known"; readonly id: string }
  | { readonly kind: "key_reused" }
  /** Another sync writes under an overlapping prefix. */
  | { readonly kind: "rival"; readonly id: string };

/** The time that the caller of admit() has to create the coordinator itself. */
const DELIVERY_GRACE_MS = 5_000;

/** For a store that is no longer configured. The request to it will fail with the reason. */
const NO_CAPS: Caps = { concurrency: Infinity, perSecond: Infinity };

const IDEMPOTENCY_KEPT_MS = 7 * 24 * 3600_000;

export class Registry extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  readonly #syncs = new SyncRows(this.#sql);
  readonly #metrics = new Metrics(this.#sql);
  readonly #outbox = new Outbox(this.#sql);
  readonly #shares = new ShareTable(this.#sql);
  readonly #retention = new Retention(this.#sql);
  readonly #checks = new CheckTable(this.#sql);
  readonly #schedules = new Schedules(
    this.#sql,
    {
      runningOf: (schedule) => this.#runningOf(schedule),
      start: (work, schedule, now) => this.#startScheduled(work, schedule, now),
    },
    this.env,
  );

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#syncs.createTables();
    this.#schedules.createTables();
    this.#metrics.createTables();
    this.#outbox.createTables();
    this.#shares.createTables();
    this.#checks.createTables();
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS copies (
        id TEXT PRIMARY KEY,
        phase TEXT NOT NULL,             -- admitted, then as the coordinator reports it
        spec TEXT NOT NULL,              -- CopySpec
        object TEXT NOT NULL,            -- the destination, by one name for each object (objectNameOf)
        orphans INTEGER NOT NULL DEFAULT 0,
        schedule TEXT,                   -- the schedule that started it
        created_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER
      );
      CREATE INDEX IF NOT EXISTS copies_by_phase ON copies (phase, id);
      CREATE INDEX IF NOT EXISTS running_by_object ON copies (object, id) WHERE ended_at_ms IS NULL;
      CREATE INDEX IF NOT EXISTS copies_with_orphans ON copies (id) WHERE orphans > 0;
      CREATE INDEX IF NOT EXISTS running_by_schedule ON copies (schedule) WHERE ended_at_ms IS NULL;
      CREATE TABLE IF NOT EXISTS idempotency (
        key TEXT PRIMARY KEY, digest TEXT NOT NULL, copy_id TEXT NOT NULL, at_ms INTEGER NOT NULL
      );
    `);
  }

  /**
   * Gives a copy its id, or finds the copy that an earlier request with the same Idempotency-Key started.
   *
   * @param digest of the request body: one key with two bodies is a mistake of the client
   */
  async admit(spec: CopySpec, idempotency: { key: string; digest: string } | null): Promise<Admission> {
    const now = Date.now();
    await this.#deliverLater(now);
    return this.ctx.storage.transactionSync((): Admission => {
      const known = this.#findByKey(idempotency, now);
      if (known !== null) return known;
      const ahead = this.#busyWith(spec);
      if (ahead !== null) return { kind: "busy", id: ahead };
      const copy = this.#insertCopy(spec, null, now);
      this.#rememberKey(idempotency, copy.id, now);
      return { kind: "new", copy };
    });
  }

  /**
   * The copy that keeps this one from being admitted: it writes the same object, and this one must not wait.
   */
  #busyWith(spec: CopySpec): string | null {
    return spec.ifBusy === "fail" ? this.#firstAt(this.#objectNameOf(spec)) : null;
  }

  /** The copy that writes the same object and goes before this one, or null if this one is next. */
  async whoIsAhead(id: string): Promise<string | null> {
    const row = this.#sql.exec("SELECT object FROM copies WHERE id = ?", id).toArray()[0];
    const first = row === undefined ? null : this.#firstAt(String(row["object"]));
    return first === id ? null : first;
  }

  /** Ids rise with time, so the lowest id among the unfinished copies came first. */
  #firstAt(object: string): string | null {
    const first = this.#sql
      .exec("SELECT min(id) AS id FROM copies WHERE object = ? AND ended_at_ms IS NULL", object)
      .one()["id"];
    return typeof first === "string" ? first : null;
  }

  /** One name per object, whatever its store is called in the configuration. */
  #objectNameOf({ destination: { store, bucket, key } }: CopySpec): string {
    return `${bucketIdentity(findStore(this.env, store), bucket)}/${key}`;
  }

  /**
   * Gives a sync its id, as admit() does for a copy.
   *
   * @param identity of its destination bucket, see store/address.ts
   */
  async admitSync(
    spec: SyncSpec,
    identity: string,
    idempotency: { key: string; digest: string } | null,
  ): Promise<SyncAdmission> {
    const now = Date.now();
    // A space, which no client's key contains, keeps the keys of syncs apart from those of copies.
    const own = idempotency === null ? null : { ...idempotency, key: `syncs ${idempotency.key}` };
    await this.#deliverLater(now);
    return this.ctx.storage.transactionSync((): SyncAdmission => {
      const known = this.#findByKey(own, now);
      if (known !== null) return known;
      const rival = this.#syncs.rival(spec, identity);
      if (rival !== null) return { kind: "rival", id: rival };
      const sync = this.#syncs.insert(this.#checks.inform(spec), identity, null, now);
      this.#rememberKey(own, sync.id, now);
      return { kind: "new", sync };
    });
  }

  /** Called by a sync when its phase changes, and from time to time while it works. */
  async takeSyncNews(id: string, news: Omit<JobNews, "orphans">): Promise<void> {
    const { phase, endedAtMs } = news;
    await this.#note("syncs", id, news, () => this.#syncs.takeNews(id, phase, endedAtMs));
  }

  /** Newest first. @param before the id to continue after, or null */
  async listSyncs(
    phase: string | null,
    before: string | null,
    limit: number,
  ): Promise<{ syncs: SyncListRow[]; next: string | null }> {
    return this.#syncs.list(phase, before, limit);
  }

  #findByKey(
    idempotency: { key: string; digest: string } | null,
    now: number,
  ): { kind: "known"; id: string } | { kind: "key_reused" } | null {
    if (idempotency === null) return null;
    const { key, digest } = idempotency;
    this.#sql.exec("DELETE FROM idempotency WHERE at_ms < ?", now - IDEMPOTENCY_KEPT_MS);
    const known = this.#sql.exec("SELECT digest, copy_id FROM idempotency WHERE key = ?", key).toArray()[0];
    if (known === undefined) return null;
    return known["digest"] === digest
      ? { kind: "known", id: String(known["copy_id"]) }
      : { kind: "key_reused" };
  }

  #rememberKey(idempotency: { key: string; digest: string } | null, id: string, now: number): void {
    if (idempotency === null) return;
    const { key, digest } = idempotency;
    this.#sql.exec("INSERT INTO idempotency VALUES (?, ?, ?, ?)", key, digest, id, now);
  }

  /** Called by a coordinator when its copy's phase changes, and from time to time while it works. */
  async takeCopyNews(id: string, news: JobNews): Promise<void> {
    const { phase, endedAtMs, orphans } = news;
    await this.#note("copies", id, news, () =>
      this.#sql.exec(
        "UPDATE copies SET phase = ?, ended_at_ms = ?, orphans = ? WHERE id = ?",
        phase,
        endedAtMs,
        orphans,
        id,
      ),
    );
    if (endedAtMs !== null) await this.#callNext(id);
  }

  /** Tells the next copy of the same object at once, so that it need not wait for its own next check. */
  async #callNext(endedId: string): Promise<void> {
    const row = this.#sql.exec("SELECT object FROM copies WHERE id = ?", endedId).toArray()[0];
    const next = row === undefined ? null : this.#firstAt(String(row["object"]));
    if (next === null) return;
    try {
      await this.ctx.exports.Coordinator.getByName(next).recheckQueue();
    } catch (error) {
      log("error", "turn_not_told", { copyId: next, detail: String(error) });
    }
  }

  /**
   * Records the phase of a copy or sync. At its end, the run of the same schedule that waited for it starts.
   */
  async #note(
    table: "copies" | "syncs",
    id: string,
    { phase, endedAtMs, counters, webhook }: Omit<JobNews, "orphans">,
    write: () => void,
  ): Promise<void> {
    const now = Date.now();
    const due = this.ctx.storage.transactionSync(() => {
      const row = this.#sql.exec(`SELECT phase, schedule FROM ${table} WHERE id = ?`, id).toArray()[0];
      write();
      this.#metrics.take(id, counters);
      // News whose answer was lost comes again. It must not count as a second end or be announced twice.
      const isNews = row?.["phase"] !== phase;
      if (isNews && endedAtMs !== null) this.#metrics.add(`${table}_ended_total`, { phase }, 1);
      const tells = isNews && webhook !== null && readReceiver(this.env).state !== "off";
      if (tells) this.#outbox.add(webhook, now);
      const schedule = row?.["schedule"];
      const waited = endedAtMs !== null && typeof schedule === "string";
      const started = waited ? this.#schedules.startQueued(schedule, now) : null;
      return tells || started !== null;
    });
    // The reporter does not wait for a start or a webhook receiver: the alarm does both.
    if (due) await this.ctx.storage.setAlarm(now);
  }

  /** The metrics in Prometheus text format. */
  async metrics(): Promise<string> {
    return this.#metrics.render(this.#outbox.waiting(), Date.now());
  }

  /** Sets what a running job may use of capped stores from now on (throttle/share_table.ts). */
  async share(job: string, requests: readonly ShareRequest[]): Promise<Amounts[]> {
    const now = Date.now();
    const stores = readStores(this.env);
    return this.ctx.storage.transactionSync(() =>
      requests.map((request) => {
        const entry = stores.get(request.store);
        const caps = entry?.ok === true ? capsOf(entry.store) : NO_CAPS;
        return this.#shares.ask(job, request, caps, now);
      }),
    );
  }

  /** Newest first. @param before the id to continue after, or null */
  async list(
    { phase, orphans }: { phase: string | null; orphans: boolean },
    before: string | null,
    limit: number,
  ): Promise<{ copies: CopyRow[]; next: string | null }> {
    const rows = this.#sql
      .exec(
        `SELECT * FROM copies WHERE (?1 IS NULL OR phase = ?1) AND (?2 IS NULL OR id < ?2) ${orphans ? "AND orphans > 0" : ""}
         ORDER BY id DESC LIMIT ?3`,
        phase,
        before,
        limit + 1,
      )
      .toArray();
    const copies = rows.slice(0, limit).map((row): CopyRow => {
      const { source, destination } = JSON.parse(String(row["spec"])) as CopySpec;
      return {
        id: String(row["id"]),
        phase: String(row["phase"]),
        source,
        destination,
        schedule: row["schedule"] === null ? null : String(row["schedule"]),
        createdAt: isoTime(Number(row["created_at_ms"])),
        endedAt: row["ended_at_ms"] === null ? null : isoTime(Number(row["ended_at_ms"])),
        orphans: Number(row["orphans"]),
      };
    });
    return { copies, next: rows.length > limit ? (copies.at(-1)?.id ?? null) : null };
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

  async putSchedule(name: string, schedule: Schedule): Promise<{ created: boolean }> {
    const now = Date.now();
    return this.ctx.storage.transactionSync(() => ({ created: this.#schedules.put(name, schedule, now) }));
  }

  async getSchedule(name: string): Promise<ScheduleView | null> {
    return this.#schedules.get(name, Date.now());
  }

  async listSchedules(): Promise<ScheduleView[]> {
    return this.#schedules.list(Date.now());
  }

  /** Deletes a schedule; what it has started continues. @returns whether it existed */
  async deleteSchedule(name: string): Promise<boolean> {
    return this.ctx.storage.transactionSync(() => this.#schedules.delete(name));
  }

  /** Runs a schedule now, whatever its cron says. @returns null if there is no such schedule */
  async runSchedule(name: string): Promise<{ run: RunView; started: Started | null } | null> {
    const now = Date.now();
    await this.#deliverLater(now);
    return this.ctx.storage.transactionSync(() => this.#schedules.run(name, now));
  }

  /**
   * The Cron event: starts what has become due since the last one.
   *
   * @param scheduledTimeMs of the event, which may come late, twice or out of order
   * @returns what the caller is to create; the alarm creates what the caller does not
   */
  async tick(scheduledTimeMs: number): Promise<Started[]> {
    const now = Date.now();
    await this.#deliverLater(now);
    return this.ctx.storage.transactionSync(() => this.#schedules.tick(minuteOf(scheduledTimeMs), now));
  }

  /** Removes what ended more than RETENTION_DAYS ago, here and in its own object. @throws {Problem} 503 */
  async forgetOld(now: number): Promise<void> {
    const cutoffMs = now - retentionMs(this.env);
    const { Coordinator, Sync } = this.ctx.exports;
    for (const [table, objects] of [
      ["copies", Coordinator],
      ["syncs", Sync],
    ] as const) {
      for (const id of this.#retention.due(table, cutoffMs)) {
        // The object's storage goes first: the row is the only way to find it.
        const isGone = await objects.getByName(id).forget();
        if (isGone) this.ctx.storage.transactionSync(() => this.#retention.forget(table, id));
      }
    }
  }

  #runningOf(schedule: string): string | null {
    const sync = this.#syncs.runningOf(schedule);
    if (sync !== null) return `sync ${sync} is still going`;
    const copy = this.#sql
      .exec("SELECT id FROM copies WHERE schedule = ? AND ended_at_ms IS NULL LIMIT 1", schedule)
      .toArray()[0];
    return copy === undefined ? null : `copy ${String(copy["id"])} is still going`;
  }

  #startScheduled(work: DueWork, schedule: string, now: number): Started | string {
    if (work.kind === "copy") {
      const ahead = this.#busyWith(work.spec);
      if (ahead !== null) return `copy ${ahead} writes the same object`;
      return { kind: "copy", ...this.#insertCopy(work.spec, schedule, now) };
    }
    const rival = this.#syncs.rival(work.spec, work.identity);
    if (rival !== null) return `sync ${rival} is writing there`;
    const spec = this.#checks.inform(work.spec);
    return { kind: "sync", ...this.#syncs.insert(spec, work.identity, schedule, now) };
  }

  /** Creates the objects of copies and syncs whose creator died, and sends the webhooks that are due. */
  override async alarm(): Promise<void> {
    const now = Date.now();
    const due = this.#outbox.nextTryMs();
    // The next alarm first: mesh.ts says why.
    if (due !== null) await this.#wakeBy(Math.max(due, now + DELIVERY_GRACE_MS));
    const tell = this.#outbox.deliverDue(readReceiver(this.env), now, (outcome, takeOut) =>
      this.ctx.storage.transactionSync(() => {
        takeOut();
        this.#metrics.add("notices_total", { outcome }, 1);
      }),
    );
    await Promise.all([this.#createAdmitted(now), tell]);
    const next = this.#outbox.nextTryMs();
    if (next !== null) await this.#wakeBy(next);
  }

  async #createAdmitted(now: number): Promise<void> {
    const rows = this.#sql
      .exec("SELECT id, spec, created_at_ms FROM copies WHERE phase = 'admitted' LIMIT 100")
      .toArray();
    const syncs = this.#syncs.admitted(100);
    if (rows.length + syncs.length === 0) return;
    await this.#deliverLater(now);
    for (const { id, spec, createdAtMs } of syncs) {
      const sync = this.ctx.exports.Sync.getByName(id, placeOfWork(spec, this.env));
      await sync.create(id, spec, createdAtMs);
    }
    for (const row of rows) {
      const spec = JSON.parse(String(row["spec"])) as CopySpec;
      const id = String(row["id"]);
      const coordinator = this.ctx.exports.Coordinator.getByName(id, placeOfWork(spec, this.env));
      await coordinator.create(id, spec, Number(row["created_at_ms"]));
    }
  }

  async #deliverLater(now: number): Promise<void> {
    await this.#wakeBy(now + DELIVERY_GRACE_MS);
  }

  async #wakeBy(atMs: number): Promise<void> {
    const alarmMs = await this.ctx.storage.getAlarm();
    if (alarmMs === null || alarmMs > atMs) await this.ctx.storage.setAlarm(atMs);
  }

  #insertCopy(asked: CopySpec, schedule: string | null, now: number): Admitted {
    const spec = this.#checks.inform(asked);
    // Two copies created in the same millisecond must still sort in the order in which they came.
    const last = this.#sql.exec("SELECT max(created_at_ms) AS last FROM copies").one()["last"];
    const createdAtMs = Math.max(now, Number(last ?? 0) + 1);
    const id = makeId(createdAtMs, crypto.getRandomValues(new Uint8Array(10)));
    this.#sql.exec(
      "INSERT INTO copies (id, phase, spec, object, schedule, created_at_ms) VALUES (?, 'admitted', ?, ?, ?, ?)",
      id,
      JSON.stringify(spec),
      this.#objectNameOf(spec),
      schedule,
      createdAtMs,
    );
    return { id, spec, createdAtMs };
  }
}
