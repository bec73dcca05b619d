// What a run hands its lanes and takes back from them: batches of objects, within what the stores' caps and
// the governor allow; which lanes are awake; and the run's share of the caps.
//
// What it needs: the record of the run, and how to reach a lane. It takes no steps: the sync does, in its
// alarm.

import { PARTS_PER_LANE } from "../env.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import type { Throttling } from "../throttle/governor.ts";
import type { LaneScale } from "../throttle/lanes.ts";
import type { StoreShares } from "../throttle/shares.ts";
import type { Account } from "../work/account.ts";
import type {
  BatchAttempt,
  BatchClaim,
  BatchGrant,
  BatchReport,
  BatchTask,
  ObjectWork,
} from "../work/batch_task.ts";
import { isFinal } from "../work/claim.ts";
import { settleComparison } from "./comparison_outcome.ts";
import { type ComparisonSpec, isComparison, isOfHistories, optionsOfRun } from "./comparison_spec.ts";
import { batchesOf } from "./batches.ts";
import type { BatchGate } from "./gate.ts";
import { isHandingOut, nextStep, REPORT_PART_BYTES } from "./job.ts";
import { type LargeCopies, isLargeShare } from "./large.ts";
import { settle } from "./outcome.ts";
import { isSyncEnded } from "./phase.ts";
import { MAX_FAILURES, type SyncRecord } from "./record.ts";
import { addTo } from "./sums.ts";
import { takeArchived } from "./restore_steps.ts";
import type { KnownSides } from "./sides.ts";
import { settleReplays } from "./version_steps.ts";
import { costOf } from "../work/object_cost.ts";
import { type Spent, NOTHING_SPENT, addSpent, attemptOf } from "../work/spent.ts";
import { lanesToWake } from "./wake.ts";

/** How long a lane waits that finds every allowed batch in flight. */
const CROWDED_MS = 500;

/** If more of the report than this waits for its store, no new batches are handed out. */
const REPORT_BACKLOG_BYTES = 4 * REPORT_PART_BYTES;

interface Parts {
  readonly record: SyncRecord;
  readonly shares: StoreShares;
  readonly gate: BatchGate;
  readonly sides: KnownSides;
  readonly scale: LaneScale;
  readonly large: LargeCopies;
  readonly account: Account;
  /** Wakes a lane for this run. */
  readonly wake: (id: string, lane: number) => Promise<void>;
}

export class BatchHandout {
  readonly #record: SyncRecord;
  readonly #shares: StoreShares;
  readonly #gate: BatchGate;
  readonly #sides: KnownSides;
  readonly #scale: LaneScale;
  readonly #large: LargeCopies;
  readonly #account: Account;
  readonly #wake: Parts["wake"];
  // Lanes that work and could take more. In memory only: they ask by themselves after a while.
  readonly #hungry = new Set<number>();

  constructor({ record, shares, gate, sides, scale, large, account, wake }: Parts) {
    this.#account = account;
    this.#record = record;
    this.#shares = shares;
    this.#gate = gate;
    this.#sides = sides;
    this.#scale = scale;
    this.#large = large;
    this.#wake = wake;
  }

  /**
   * Takes a lane's reports and gives it new batches, in one transaction.
   *
   * @returns `isDue`: the window has room, or all is done: that must not wait for the watch
   */
  claim(claim: BatchClaim, now: number): { grant: BatchGrant; isDue: boolean } {
    const { grant, turned } = this.#record.transaction(() => {
      this.#record.lanes.expect(claim.lane, now);
      const { waiting } = this.#record.large.counts();
      this.#settle(claim, now);
      this.settleLost();
      const granted = this.#grant(claim, now);
      if (claim.running.length === 0 && isFinal(granted)) this.#record.lanes.forget(claim.lane);
      const next = nextStep(this.#record.load().job, this.#record.counts(), now).do;
      const grew = this.#seeLanes(now) || this.#isShort;
      const isLarge = this.#record.large.counts().waiting > waiting;
      return { grant: granted, turned: grew || isLarge || (claim.finished.length > 0 && next !== "rest") };
    });
    // Without a share, nothing can be granted at a capped store; the alarm asks for one.
    const unshared = this.#shares.isNeeded && !this.#shares.holdsAny(now);
    return { grant, isDue: turned || unshared };
  }

  #settle(claim: BatchClaim, now: number): void {
    const { spec } = this.#record.load();
    const { leased } = this.#record.batches.totals();
    this.#gate.told(claim, this.#record.lanes.live(), now);
    for (const report of claim.finished) this.note(this.#gate.reported(report, leased, now));
    const sent = claim.finished
      .filter((report) => !this.#account.settle(nameOf(report), report.spent))
      .map((report) => report.spent ?? this.#spentAtMost(report));
    this.#record.spent.add(sent.reduce(addSpent, NOTHING_SPENT));
    if (claim.finished.some(({ isShort }) => isShort === true)) this.#account.wasShort();
    const times = { now, random: Math.random() };
    if (isComparison(spec)) return this.#settleComparison(claim, spec, times);
    if (isOfHistories(spec)) {
      for (const { failure, isOld } of settleReplays(this.#record, claim, times))
        this.#runFailed(isOld ? null : failure);
      return this.#expectFewFailures();
    }
    const settled = this.#record.batches.takeReports(claim, times).map(({ objects, outcomes, isOld }) => ({
      ...settle(objects, outcomes, { dryRun: spec.dryRun, ifArchived: spec.ifArchived, ...times }),
      isOld,
    }));
    if (settled.length === 0) return;
    const seenBytes = settled.reduce((sum, each) => sum + each.seenBytes, 0);
    this.#record.enter(
      settled.flatMap(({ entries }) => entries),
      (counters) => ({ ...counters, listed: addTo(counters.listed, 0, seenBytes) }),
    );
    takeArchived(
      this.#record,
      settled.flatMap(({ archived }) => archived),
    );
    for (const { again, large, runFailure, isOld } of settled) {
      this.#record.batches.add(again.objects, again.notBeforeMs);
      this.#record.large.add(large);
      this.#runFailed(isOld ? null : runFailure);
    }
    this.#expectFewFailures();
  }

  #expectFewFailures(): void {
    if (this.#record.failures() <= MAX_FAILURES) return;
    const message = `More than ${MAX_FAILURES} keys have failed; the report says why each did`;
    const failure = meshFailure("too_many_failures", message, "sync");
    this.#record.applyEvent({ type: "runFailed", failure }, "too_many_failures");
  }

  #settleComparison(
    claim: BatchClaim,
    { deep }: ComparisonSpec,
    times: { readonly now: number; readonly random: number },
  ): void {
    const { batches, readings } = this.#record;
    for (const { objects, outcomes, isOld } of batches.takeReports(claim, times)) {
      const settled = settleComparison(objects, outcomes, { deep, readings, ...times });
      this.#record.enter(settled.findings, (counters) => ({
        ...counters,
        listed: addTo(counters.listed, 0, settled.seenBytes),
      }));
      batches.add(settled.again, settled.notBeforeMs);
      for (const batch of batchesOf(settled.stretches, this.#scale.transfers)) batches.add(batch, 0);
      this.#runFailed(isOld ? null : settled.runFailure);
    }
  }

  /** @param failure that concerns every key, not one; null: none */
  #runFailed(failure: Failure | null): void {
    if (failure === null) return;
    this.#record.applyEvent({ type: "runFailed", failure }, "run_failed", failure.message);
  }

  /** Of a batch whose call broke, and nobody knows what it has sent. */
  #spentAtMost({ batch }: BatchReport): Spent {
    const objects = this.#record.batches.objects(batch);
    return objects.map(({ sizeBytes }) => attemptOf(sizeBytes)).reduce(addSpent, NOTHING_SPENT);
  }

  /** Batches that no lane has any more: what was reserved for them counts as spent. */
  settleLost(): void {
    if (!this.#account.isLimited) return;
    const alive = this.#record.batches.leasedNames();
    this.#account.settleLost((name) => alive.has(name) || isLargeShare(name));
  }

  /** Does the budget have too little left for any object that waits, with nothing under way? */
  get #isShort(): boolean {
    if (!this.#account.isLimited || this.#account.hasReserved) return false;
    return this.#record.batches.totals().pending > 0 && !this.hasAffordable;
  }

  /** Has the budget enough for the first object that waits? */
  get hasAffordable(): boolean {
    return this.#affordable(this.#record.batches.first().slice(0, 1)) > 0;
  }

  #affordable(objects: readonly ObjectWork[]): number {
    if (!this.#account.isLimited) return objects.length;
    const { spec } = this.#record.load();
    const [sides, options] = [this.#sides.of(spec), { ...optionsOfRun(spec), compare: spec.compare }];
    return this.#account.affordable(objects.map((work) => costOf(work, options, sides)));
  }

  note(begun: readonly Throttling[]): void {
    for (const { event, detail } of begun) this.#record.timeline.add(Date.now(), event, detail);
  }

  #grant({ lane, wanted, running: atLane }: BatchClaim, now: number): BatchGrant {
    const row = this.#record.load();
    const { id, spec, job } = row;
    this.#hungry.delete(lane);
    if (job.phase === "stopping" || isSyncEnded(job)) return { kind: "stop" };
    // A paused, blocked or deleting sync hands out nothing; what runs may finish. Fewer lanes may be wanted.
    const isLeftOver = lane > this.#scale.lanes && atLane.length === 0;
    if (!isHandingOut(job) || isLeftOver) return { kind: "rest" };
    if (this.#record.report.waitingBytes() > REPORT_BACKLOG_BYTES)
      return { kind: "work", tasks: [], retryInMs: CROWDED_MS };
    const { batches } = this.#record;
    const sides = this.#sides.of(spec);
    const most = this.#gate.most(this.#large.smallTransfers(), row, now);
    const running = batches.totals().leased;
    const width = this.#gate.width(most, running, sides, now);
    const starting = Math.min(width - running, batches.totals().pending);
    const { source, destination, compare, known = [] } = spec;
    // When all is listed, no more batches come. What an archive brings together stays together.
    const shares = job.phase === "copying" && sides.destination?.profile.unpacksTar !== true ? width : null;
    const tasks: BatchTask[] = [];
    while (tasks.length < Math.min(wanted, width - running) && this.#gate.isOpen(sides, now)) {
      const fits = this.#gate.fits(running + tasks.length, sides, { row, now });
      const mayTake = (objects: readonly ObjectWork[]) => {
        const few = objects.slice(0, this.#affordable(objects));
        return fits(few) ? few.length : 0;
      };
      const [batch] = batches.lease(lane, 1, now, mayTake, shares);
      if (batch === undefined) break;
      const asked = { ...optionsOfRun(spec), compare };
      const cost = batch.objects.map((work) => costOf(work, asked, sides)).reduce(addSpent, NOTHING_SPENT);
      tasks.push({
        syncId: id,
        lane,
        ...batch,
        pace: this.#gate.paceOf({ ...batch, options: asked }, sides, {
          width,
          now,
          random: Math.random(),
        }),
        source: { store: source.store, bucket: source.bucket },
        destination: { store: destination.store, bucket: destination.bucket },
        options: asked,
        known,
        purse: this.#account.reserve(nameOf(batch), cost),
        ...this.#gate.rateOf({ lane, batch }, sides, { row, starting: starting - tasks.length, now }),
      });
    }
    const { pending, leased, earliestMs } = batches.totals();
    if (tasks.length < wanted && pending === 0) this.#hungry.add(lane);
    if (tasks.length === 0 && pending === 0) return { kind: "rest" };
    if (tasks.length === wanted || pending === 0) return { kind: "work", tasks, retryInMs: null };
    const lanes = Math.max(0, this.#record.lanes.live().length - Math.ceil(leased / PARTS_PER_LANE));
    // What others have reserved may come back.
    const backMs = this.#account.isLimited ? now + CROWDED_MS : 0;
    const waits = { most, running: leased, lanes, readyMs: Math.max(earliestMs, backMs) };
    return {
      kind: "work",
      tasks,
      retryInMs: this.#gate.pauseMs(waits, sides, { now, random: Math.random }),
    };
  }

  /** Asks for this sync's share of the stores' caps, and gives it back when nothing is left to do. */
  async tendShares(): Promise<void> {
    if (!this.#shares.isNeeded) return;
    const { job } = this.#record.load();
    const { leased, pending } = this.#record.batches.totals();
    const rests = isSyncEnded(job) || ["paused", "blocked", "restoring"].includes(job.phase);
    if (rests && leased === 0) return await this.#shares.release();
    this.#shares.setDemand(
      rests ? 0 : Math.max(1, Math.min(this.#scale.transfers, pending + leased)),
      leased,
    );
    await this.#shares.refresh();
  }

  /** @returns whether there may be more lanes now */
  #seeLanes(now: number): boolean {
    const { pending, leased } = this.#record.batches.totals();
    const large = this.#large.use();
    const use = { running: leased + large.running, waiting: pending + large.waiting };
    return this.#scale.see({ ...use, isThrottled: this.#gate.isThrottled(now) }, now);
  }

  /** Wakes lanes that are wanted and asleep, and frees the batches of lanes that have died. */
  async tendLanes(): Promise<void> {
    const { id } = this.#record.load();
    const { lanes, timeline } = this.#record;
    const now = Date.now();
    this.#seeLanes(now);
    const most = Math.min(this.#scale.lanes, Math.ceil(this.#large.smallTransfers() / PARTS_PER_LANE));
    const wake = lanesToWake(this.#record, { hungry: this.#hungry, most }, now);
    const woken = await Promise.allSettled(wake.map(async (lane) => await this.#wake(id, lane)));
    for (const [index, result] of woken.entries()) {
      const lane = wake[index];
      if (result.status === "fulfilled" || lane === undefined) continue;
      lanes.forget(lane); // the next watch wakes it again
      timeline.add(Date.now(), "lane_asleep", `lane ${lane}: ${String(result.reason)}`);
    }
  }
}

/** Of its reservation. */
function nameOf({ batch, attempt }: BatchAttempt): string {
  return `${batch}/${attempt}`;
}
