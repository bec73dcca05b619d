// Replicator: a Durable Object, one per replication. It takes in events, which name keys that must be looked
// at, has lanes look at them, repairs by schedule what events have lost, and cuts over when a comparison has
// proved that nothing is missing. It is the status endpoint of its replication. No byte of an object passes
// through it.
//
// What it needs: the STORE_<NAME> secrets; the classes Lane, ObjectCopier, Coordinator, Sync and Registry.
//
// Why not many small syncs. A sync over a list of keys would do the copying, but it deletes nothing, makes
// an object, a report and a row of a list each time, and takes a second for it. So the replicator hands its
// keys to lanes itself, with the parts that a sync is made of (sync/batch_table.ts, sync/gate.ts), and starts
// syncs and comparisons where all keys are meant: to backfill, catch up, repair, decide a cutover.
//
// Why a repair is a comparison. A sync would copy and delete beside the lanes, and two writers of one key may
// leave the older object. A comparison writes nothing: what it finds goes into the queue, where a key is
// worked on once at a time, and is judged by HEAD like the key of an event.
//
// Invariants:
// - The next alarm is set before anything else is done. Hints are stored before take() answers.
// - Every step may run twice. Steps run in the alarm only, one at a time.
// - A key is deleted at the destination only where the source has answered that it is gone, and only what is
//   positively a copy of this replication (work/object_removal.ts).

import { DurableObject } from "cloudflare:workers";
import type { Env } from "./env.ts";
import { log } from "./log.ts";
import { registryOf } from "./mesh.ts";
import { KeyHandout } from "./replication/handout.ts";
import type { Hint, Taken } from "./replication/hint.ts";
import { type Facts, type JobEvent, childOf, isAtRest, isHandingOut, nextStep } from "./replication/job.ts";
import { LargeKeys } from "./replication/large.ts";
import { type ReplicationRow, ReplicationRecord } from "./replication/record.ts";
import { Removal } from "./replication/removal.ts";
import { LATER, Runs } from "./replication/runs.ts";
import { SecretTable } from "./replication/secrets.ts";
import type { ReplicationSpec } from "./replication/spec.ts";
import { FAILURES_SHOWN, countersOf, lagSeries, replicationStatus } from "./replication/status.ts";
import { lastDueMs, nextDueMs } from "./schedule/cron.ts";
import { locationFor, placedAt } from "./store/location.ts";
import { BatchGate, ownOf } from "./sync/gate.ts";
import { KnownSides } from "./sync/sides.ts";
import { Governor } from "./throttle/governor.ts";
import { LaneScale, laneBounds } from "./throttle/lanes.ts";
import { FORGOTTEN_MS, StoreShares } from "./throttle/shares.ts";
import type { Replication, ReplicationLag } from "./view/replication_answers.ts";
import { PUSH_MS, webhookFor, webhookOf } from "./view/news.ts";
import { isLost, wakeAt, wakeIfLost } from "./work/alarm.ts";
import type { BatchClaim, BatchGrant } from "./work/batch_task.ts";

/** How often a replication looks after its lanes while they work. */
const WATCH_MS = 10_000;

/** And otherwise: a repair may have become due. */
const IDLE_MS = 60_000;

/** And while only a call can change anything. */
const REST_MS = 3600_000;

/** How often the runs and copies that it has started are asked how far they are: soon at first, then less. */
const POLL_MS = { first: 200, growth: 1.5, most: 5_000 };

/** What can wait a moment does: an alarm for each of many calls would keep them all waiting. */
const SOON_MS = 100;

/** After an alarm that has ended in an error. */
const RETRY_MS = 1_000;

const ALARM_LIMIT_MS = 60_000;

export class Replicator extends DurableObject<Env> {
  readonly #record = new ReplicationRecord(this.ctx.storage);
  readonly #secrets = new SecretTable(this.ctx.storage.sql);
  readonly #sides = new KnownSides(this.env);
  readonly #scale = new LaneScale(() => laneBounds(this.#record.load().spec.sync));
  readonly #shares = new StoreShares(
    async (requests) => await registryOf(this.ctx.exports).share(this.#record.load().id, requests),
    {
      columns: () => this.#scale.transfers,
      quietUntilMs: this.#record.find() === null ? 0 : Date.now() + FORGOTTEN_MS,
      own: () => ownOf({ id: this.#record.load().id, spec: this.#record.load().spec.sync }),
    },
  );
  readonly #handout = new KeyHandout({
    record: this.#record,
    shares: this.#shares,
    gate: new BatchGate(new Governor("requests", Date.now()), this.#shares),
    sides: this.#sides,
    scale: this.#scale,
    wake: async (lane) => await this.#wakeLane(lane),
  });
  readonly #large = new LargeKeys(this.#record, this.ctx.exports, this.env);
  readonly #runs = new Runs(this.#record, this.ctx.exports, this.env);
  readonly #removal = new Removal(this.#record, this.ctx.exports, (lane) => ({
    stop: async () => await this.#lane(lane).stop(),
    wake: async () => await this.#wakeLane(lane),
  }));
  // In memory only: who waits for the end of a removal.
  #removed = Promise.withResolvers<void>();
  #pollMs = POLL_MS.first;
  // In memory only: counters that are pushed twice are not counted twice.
  #pushedMs = 0;
  // In memory only: when calls that came while the alarm ran want the next one.
  #calledMs = Infinity;

  /** Stores a new replication and starts it; a repeated call changes nothing. */
  async create(row: ReplicationRow): Promise<void> {
    const found = this.#record.find();
    if (found?.id === row.id) return;
    await wakeAt(this.ctx.storage, Date.now());
    // Its row is gone already, and the alarm removes the rest. The registry calls again.
    if (found !== null) throw new Error(`The former replication "${row.name}" is still here`);
    this.#record.put(row);
  }

  /** What is taken and how, from now on. */
  async update(spec: ReplicationSpec): Promise<void> {
    const row = this.#record.find();
    if (row === null || JSON.stringify(row.spec) === JSON.stringify(spec)) return;
    await wakeAt(this.ctx.storage, Date.now());
    this.#record.put({ ...row, spec });
    // Other patterns name other keys, of which no event has told.
    this.#record.note({ repairWanted: true });
  }

  /**
   * Takes hints in: once it has answered, they are stored. Each key is looked at, whatever its event says.
   *
   * @returns null: there is no such replication
   */
  async take(hints: readonly Hint[]): Promise<Taken | null> {
    if (!this.#isThere()) return null;
    const now = Date.now();
    const taken = this.#record.take(hints, now);
    if (this.#record.notes().alerts.length > 0) await this.#wakeBy(now);
    // Lanes that are awake ask by themselves.
    if (taken.taken > 0 && isHandingOut(this.#record.job()))
      await this.#wakeBy(this.#record.lanes.live().length === 0 ? now : now + SOON_MS);
    return taken;
  }

  /**
   * Takes a lane's reports and gives it keys, in one transaction.
   *
   * @param id of the replication that has woken the lane: its batches are not those of another
   */
  async claim(claim: BatchClaim, id?: string): Promise<BatchGrant> {
    const row = this.#record.find();
    if (row === null || (id !== undefined && id !== row.id)) return { kind: "stop" };
    const now = Date.now();
    const grant = this.#handout.claim(claim, now);
    // All is done, or large objects wait: the alarm sees to it.
    if (claim.finished.length > 0 && grant.kind !== "work") await this.#wakeBy(now + SOON_MS);
    return grant;
  }

  /** And not about to go. */
  #isThere(): boolean {
    return this.#record.find() !== null && this.#record.job().phase !== "deleting";
  }

  // --- Secrets of senders -----------------------------------------------------------------------

  /** Whether senders that show this secret may hand in events. */
  async hasSecret(sha256: string): Promise<boolean> {
    return this.#isThere() && this.#secrets.has(sha256, Date.now());
  }

  /**
   * Puts a secret in the place of the one that there is.
   *
   * @returns whether there is one before it that is still good; null: there is no such replication
   */
  async putSecret(sha256: string, formerUntilMs: number): Promise<boolean | null> {
    if (!this.#isThere()) return null;
    return this.#secrets.put(sha256, formerUntilMs, Date.now());
  }

  // --- The status endpoint ----------------------------------------------------------------------

  /** Null: there is no such replication. */
  async status(): Promise<Replication | null> {
    return this.#record.find() === null ? null : this.#shown(Date.now());
  }

  #shown(now: number): Replication {
    const row = this.#record.load();
    const { repair } = row.spec;
    return replicationStatus({
      row,
      job: this.#record.job(),
      notes: this.#record.notes(),
      counts: this.#record.queue.counts(),
      oldestMs: this.#record.queue.oldestMs(),
      totals: this.#record.totals(),
      lag: this.#record.lag.recent(now),
      failures: this.#record.queue.failures(FAILURES_SHOWN),
      nextRepairMs: repair === null ? null : nextDueMs(repair, now),
      timeline: this.#record.timeline.entries(),
      now,
    });
  }

  /** How it has lagged behind over the last day. Null: there is no such replication. */
  async lag(): Promise<ReplicationLag | null> {
    return this.#record.find() === null ? null : lagSeries(this.#record.lag.series(Date.now()));
  }

  /** @returns whether that has changed anything; null: there is no such replication */
  async steer(action: "pause" | "resume" | "repair"): Promise<boolean | null> {
    if (this.#record.find() === null) return null;
    const now = Date.now();
    if (action === "repair") return await this.#repair(now);
    const child = childOf(this.#record.job());
    const { held } = this.#record.queue.counts();
    const changed = this.#record.transaction(() => {
      if (action === "resume") {
        this.#record.queue.releaseHeld(now);
        this.#record.note({ deletes: { sinceMs: now, count: 0 } });
        this.#record.batches.markOld();
      }
      return this.#record.apply({ type: action }) || (action === "resume" && held > 0);
    });
    if (changed && child !== null) await this.#runs.steer(child, action);
    await this.#wakeBy(now);
    return changed;
  }

  async #repair(now: number): Promise<boolean> {
    const isOver = ["cut_over", "deleting"].includes(this.#record.job().phase);
    const isNew = !isOver && !this.#record.notes().repairWanted;
    if (isNew) this.#record.note({ repairWanted: true });
    await this.#wakeBy(now);
    return isNew;
  }

  /** @returns whether it has begun; null: there is no such replication */
  async cutover(reverse: boolean): Promise<boolean | null> {
    if (this.#record.find() === null) return null;
    const now = Date.now();
    const begun = this.#record.transaction(() => {
      const isNew = this.#record.apply({ type: "cutover", reverse });
      const running = { state: "running", atMs: now, comparisonId: null, reasons: {}, keys: [] } as const;
      if (isNew) this.#record.note({ cutover: running });
      return isNew;
    });
    await this.#wakeBy(now);
    return begun;
  }

  // --- Its end ----------------------------------------------------------------------------------

  /** Ends what it has started, and then removes all of it; what it has copied stays. */
  async remove(name: string, id: string): Promise<void> {
    if (this.#record.find()?.id !== id) return await this.#forgetRow(name, id);
    await wakeAt(this.ctx.storage, Date.now());
    if (this.#record.apply({ type: "delete" })) this.#pollMs = POLL_MS.first;
  }

  /** Waits for the end of a removal. @returns whether it has come */
  async isRemoved(id: string, withinMs: number): Promise<boolean> {
    if (this.#record.find()?.id === id) await Promise.race([this.#removed.promise, scheduler.wait(withinMs)]);
    return this.#record.find()?.id !== id;
  }

  async #remove(): Promise<boolean> {
    if (!(await this.#removal.advance())) return false;
    const { name, id } = this.#record.load();
    // The row goes first: as long as there is something here, the alarm comes back.
    await this.#forgetRow(name, id);
    await this.ctx.storage.deleteAll();
    await this.ctx.storage.deleteAlarm();
    this.#removed.resolve();
    this.#removed = Promise.withResolvers();
    return true;
  }

  async #forgetRow(name: string, id: string): Promise<void> {
    await registryOf(this.ctx.exports).forgetReplication(name, id);
  }

  /** Called by the registry from time to time: without an alarm, nothing would be looked at. */
  async keepAwake(): Promise<void> {
    if (this.#record.find() !== null && (await wakeIfLost(this.ctx.storage)))
      this.#record.timeline.add(Date.now(), "alarm_lost");
  }

  // --- The alarm --------------------------------------------------------------------------------

  override async alarm(): Promise<void> {
    // The next alarm first, and no rethrow below: mesh.ts says why.
    await wakeAt(this.ctx.storage, Date.now() + WATCH_MS);
    const row = this.#record.find();
    if (row === null) return this.ctx.storage.deleteAlarm();
    this.#calledMs = Infinity;
    try {
      const nextMs = await this.#advance(Date.now() + ALARM_LIMIT_MS);
      if (nextMs !== null) await wakeAt(this.ctx.storage, Math.min(nextMs, this.#calledMs));
    } catch (error) {
      log("error", "replication_crashed", { replication: row.name, detail: String(error) });
      await wakeAt(this.ctx.storage, Date.now() + RETRY_MS);
    }
  }

  /** Takes steps until there is nothing to do but wait. @returns until when; null: it is removed */
  async #advance(untilMs: number): Promise<number | null> {
    for (;;) {
      await this.#reportPhase();
      await this.#handout.tendShares();
      await this.#handout.tendLanes(Date.now());
      const isCopying = await this.#large.tend();
      const now = Date.now();
      const job = this.#record.job();
      const step = nextStep(job, this.#facts(now));
      if (!isCopying && childOf(job) === null && step.do !== "remove") this.#pollMs = POLL_MS.first;
      if (now > untilMs) return now;
      switch (step.do) {
        case "start":
          if ((await this.#runs.start(step.child)) === LATER) return now + WATCH_MS;
          break;
        case "poll":
          if (!(await this.#runs.poll(step.child))) return now + this.#nextPollMs();
          this.#pollMs = POLL_MS.first;
          break;
        case "read":
          await this.#runs.read(step.child, step.from);
          break;
        case "become":
          this.#become(step.event, now);
          break;
        case "judge":
          await this.#runs.judge(step.child, step.changes);
          break;
        case "reverse":
          await this.#reverse();
          break;
        case "remove":
          return (await this.#remove()) ? null : now + this.#nextPollMs();
        case "rest":
          return this.#restUntil(isCopying, now);
      }
    }
  }

  #facts(now: number): Facts {
    const { repairsMs, repairWanted } = this.#record.notes();
    const { repair } = this.#record.load().spec;
    const isDue = repair !== null && lastDueMs(repair, repairsMs, now) !== null;
    return this.#record.facts(isDue || repairWanted);
  }

  #become(event: JobEvent, now: number): void {
    this.#record.transaction(() => {
      if (event.type === "task" && event.why === "repair")
        this.#record.note({ repairWanted: false, repairsMs: now });
      if (event.type === "judged")
        this.#record.noteCutover({ state: "not_ready", atMs: now, reasons: { backlog: 1 } });
      this.#record.apply(event);
    });
  }

  async #reverse(): Promise<void> {
    const put = await registryOf(this.ctx.exports).reverseReplication(this.#record.load().name);
    this.#record.transaction(() => {
      this.#record.timeline.add(Date.now(), "reverse", put);
      this.#record.apply({ type: "reversed" });
    });
  }

  #nextPollMs(): number {
    const waitMs = this.#pollMs;
    this.#pollMs = Math.min(POLL_MS.most, waitMs * POLL_MS.growth);
    return waitMs;
  }

  #restUntil(isCopying: boolean, now: number): number {
    const handsOut = isHandingOut(this.#record.job());
    const dueMs = handsOut ? this.#record.queue.nextMs() : null;
    const { pending, working } = this.#record.facts(false);
    const isIdle = handsOut ? pending === 0 : working === 0;
    const watchMs = !isIdle ? WATCH_MS : isAtRest(this.#record.job()) ? REST_MS : IDLE_MS;
    const wakes = [now + (isCopying ? this.#nextPollMs() : watchMs)];
    // What is due already waits for a lane, which asks by itself.
    if (dueMs !== null && dueMs > now) wakes.push(dueMs);
    return Math.min(...wakes);
  }

  /** Tells the registry about a new phase, and from time to time how far it is. */
  async #reportPhase(): Promise<void> {
    const { phase } = this.#record.job();
    const { reported, alerts } = this.#record.notes();
    const isNew = reported !== phase;
    const now = Date.now();
    if (!isNew && alerts.length === 0 && now - this.#pushedMs < PUSH_MS) return;
    this.#pushedMs = now;
    const status = this.#shown(now);
    const news = {
      phase,
      counters: countersOf(status),
      webhook: webhookFor("replication", status),
      alerts: alerts.map((alert) => ({ seq: alert.seq, webhook: webhookOf(alert, status) })),
    };
    try {
      await registryOf(this.ctx.exports).takeReplicationNews(status.name, status.id, news);
      const told = alerts.at(-1)?.seq ?? 0;
      const left = this.#record.notes().alerts.filter(({ seq }) => seq > told);
      if (isNew || alerts.length > 0) this.#record.note({ reported: phase, alerts: left });
    } catch (error) {
      // The work does not wait for the registry; the next step or alarm tells it again.
      log("error", "report_failed", { replication: status.name, detail: String(error) });
    }
  }

  async #wakeBy(atMs: number): Promise<void> {
    const alarmMs = await this.ctx.storage.getAlarm();
    this.#calledMs = Math.min(this.#calledMs, atMs);
    if (isLost(alarmMs, Date.now()) || Number(alarmMs) > atMs) await wakeAt(this.ctx.storage, atMs);
  }

  async #wakeLane(lane: number): Promise<void> {
    const { name, id } = this.#record.load();
    await this.#lane(lane).wake({ replication: name, id, lane });
  }

  #lane(lane: number) {
    const { id, spec } = this.#record.load();
    const place = locationFor(spec.sync, this.#sides.of(spec.sync).destination);
    return this.ctx.exports.Lane.getByName(`${id}/${lane}`, placedAt(place));
  }
}
