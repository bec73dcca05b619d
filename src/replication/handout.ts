// What a replication hands its lanes and takes back from them: keys to look at, a few at a time, within what
// the stores' caps and the governor allow. As sync/handout.ts does it, and with the same parts: the keys come
// from a queue that never ends, and what came of each goes back there.
//
// What it needs: the record, and how to reach a lane.

import { LANES_LIMIT, PARTS_PER_LANE } from "../env.ts";
import { type Sides, BatchGate } from "../sync/gate.ts";
import { KnownSides } from "../sync/sides.ts";
import { optionsOf } from "../object/options.ts";
import { LaneScale } from "../throttle/lanes.ts";
import type { StoreShares } from "../throttle/shares.ts";
import type { BatchClaim, BatchGrant, BatchTask, ObjectWork } from "../work/batch_task.ts";
import { isFinal } from "../work/claim.ts";
import { isHandingOut } from "./job.ts";
import type { KeyRow } from "./queue.ts";
import type { Notes, ReplicationRecord } from "./record.ts";
import { type KeyEnd, endOf, mostDeletesAnHour } from "./settle.ts";

/** A lane that could take more asks again so soon. */
const ASK_AGAIN_MS = 250;

/** Keys of a batch, which are looked at one after the other: few, so that none waits long behind others. */
const MOST_KEYS = 16;

/** Fewer would cost more in calls than they gain. */
const LEAST_KEYS = 4;

/** As many lanes as a replication may have. */
const MOST_WANTED = LANES_LIMIT * PARTS_PER_LANE;

const HOUR_MS = 3600_000;

interface Parts {
  readonly record: ReplicationRecord;
  readonly shares: StoreShares;
  readonly gate: BatchGate;
  readonly sides: KnownSides;
  readonly scale: LaneScale;
  readonly wake: (lane: number) => Promise<void>;
}

export class KeyHandout {
  readonly #record: ReplicationRecord;
  readonly #shares: StoreShares;
  readonly #gate: BatchGate;
  readonly #sides: KnownSides;
  readonly #scale: LaneScale;
  readonly #wake: Parts["wake"];

  constructor({ record, shares, gate, sides, scale, wake }: Parts) {
    this.#record = record;
    this.#shares = shares;
    this.#gate = gate;
    this.#sides = sides;
    this.#scale = scale;
    this.#wake = wake;
  }

  /** Takes a lane's reports and gives it keys, in one transaction. */
  claim(claim: BatchClaim, now: number): BatchGrant {
    return this.#record.transaction(() => {
      this.#record.lanes.expect(claim.lane, now);
      this.#settle(claim, now);
      const grant = this.#grant(claim, now);
      if (claim.running.length === 0 && isFinal(grant)) this.#record.lanes.forget(claim.lane);
      return grant;
    });
  }

  #settle(claim: BatchClaim, now: number): void {
    const { batches, lanes } = this.#record;
    const { leased } = batches.totals();
    this.#gate.told(claim, lanes.live(), now);
    for (const report of claim.finished) this.#gate.reported(report, leased, now);
    const times = { now, random: Math.random() };
    const sample = { copied: 0, deleted: 0, failed: 0, lagsMs: [] as number[] };
    for (const { objects, outcomes } of batches.takeReports(claim, times)) {
      for (const [at, work] of objects.entries()) {
        const end = endOf(work, outcomes[at] ?? { kind: "left" }, times);
        settleKey(this.#record, work.key, end, now);
        if (end.kind === "copied") {
          sample.copied += 1;
          if (end.modifiedMs !== null) sample.lagsMs.push(Math.max(0, now - end.modifiedMs));
        }
        if (end.kind === "removed") sample.deleted += 1;
        if (end.kind === "failed") sample.failed += 1;
      }
    }
    if (sample.copied + sample.deleted + sample.failed > 0)
      this.#record.lag.add({ ...sample, pending: this.#record.queue.counts().waiting }, now);
  }

  #grant({ lane, wanted, running: atLane }: BatchClaim, now: number): BatchGrant {
    const { spec, name, id } = this.#record.load();
    const isLeftOver = lane > this.#scale.lanes && atLane.length === 0;
    if (!isHandingOut(this.#record.job()) || isLeftOver) return { kind: "rest" };
    const { sync } = spec;
    const { batches } = this.#record;
    const sides = this.#sides.of(sync);
    const running = batches.totals().leased;
    const row = { id, spec: sync };
    const most = this.#gate.most(this.#scale.transfers, row, now);
    const width = this.#gate.width(most, running, sides, now);
    this.#fill(Math.min(wanted, width - running) - batches.totals().pending, now);
    const { source, destination, compare, known = [] } = sync;
    const options = { ...optionsOf(sync), compare };
    const tasks: BatchTask[] = [];
    while (tasks.length < Math.min(wanted, width - running) && this.#gate.isOpen(sides, now)) {
      const fits = this.#gate.fits(running + tasks.length, sides, { row, now });
      const mayTake = (objects: readonly ObjectWork[]) => (fits(objects) ? objects.length : 0);
      const [batch] = batches.lease(lane, 1, now, mayTake);
      if (batch === undefined) break;
      tasks.push({
        syncId: id,
        replication: name,
        lane,
        ...batch,
        // A lost attempt may have copied it; what is looked at first needs no other look.
        objects: batch.objects.map((work) => (work.first === "find" ? { ...work, first: "look" } : work)),
        pace: this.#gate.paceOf({ ...batch, options }, sides, { width, now, random: Math.random() }),
        source: { store: source.store, bucket: source.bucket },
        destination: { store: destination.store, bucket: destination.bucket },
        options,
        known,
        ...this.#gate.rateOf({ lane, batch }, sides, { row, starting: 1, now }),
      });
    }
    return this.#answer(tasks, { wanted, sides, most, running }, now);
  }

  #answer(
    tasks: BatchTask[],
    { wanted, sides, most, running }: { wanted: number; sides: Sides; most: number; running: number },
    now: number,
  ): BatchGrant {
    const { waiting } = this.#record.queue.counts();
    const { pending, earliestMs } = this.#record.batches.totals();
    if (tasks.length === 0 && pending + waiting === 0) return { kind: "rest" };
    if (tasks.length === wanted) return { kind: "work", tasks, retryInMs: null };
    if (pending + waiting === 0) return { kind: "work", tasks, retryInMs: ASK_AGAIN_MS };
    const lanes = this.#record.lanes.live().length;
    const waits = { most, running, lanes, readyMs: earliestMs };
    const pauseMs = this.#gate.pauseMs(waits, sides, { now, random: Math.random });
    return { kind: "work", tasks, retryInMs: pending > 0 ? pauseMs : ASK_AGAIN_MS };
  }

  /** Puts keys whose turn it is into so many batches. */
  #fill(batches: number, now: number): void {
    if (batches <= 0) return;
    const { queue } = this.#record;
    const waiting = Math.min(queue.counts().waiting, this.#scale.transfers * MOST_KEYS);
    const each = Math.max(LEAST_KEYS, Math.min(MOST_KEYS, Math.ceil(waiting / this.#scale.transfers)));
    const rows = queue.begin(each * batches, now);
    const works = rows.flatMap((row) => this.#workOf(row, now) ?? []);
    for (let at = 0; at < works.length; at += each) this.#record.batches.add(works.slice(at, at + each), 0);
  }

  /** Null: there is nothing to do now. */
  #workOf({ key, mode, attempts }: KeyRow, now: number): ObjectWork | null {
    const record = this.#record;
    const to = record.targetOf(key);
    if (to === null) {
      record.queue.end(key, now);
      return null;
    }
    const work = { key, to, isUnseen: true, sizeBytes: 0, etag: null, failedAttempts: attempts } as const;
    if (mode !== "remove") return { ...work, first: "look" };
    if (!takeDeletion(record, now)) {
      holdDeletion(record, key, now);
      return null;
    }
    return { ...work, first: "remove", ours: { since: record.load().id, etag: record.knownEtag(key) } };
  }

  /** Asks for this replication's share of the stores' caps, and gives it back when nothing waits. */
  async tendShares(): Promise<void> {
    if (!this.#shares.isNeeded) return;
    const { waiting } = this.#record.queue.counts();
    const { leased } = this.#record.batches.totals();
    const rests = !isHandingOut(this.#record.job()) || waiting === 0;
    if (rests && leased === 0) return await this.#shares.release();
    this.#shares.setDemand(Math.max(1, Math.min(this.#scale.transfers, waiting + leased)), leased);
    await this.#shares.refresh();
  }

  /** Wakes lanes that are wanted and asleep, and frees the batches of lanes that have died. */
  async tendLanes(now: number): Promise<void> {
    const record = this.#record;
    const wake = record.transaction(() => {
      for (const lane of record.lanes.takeSilent(now)) {
        record.batches.releaseLane(lane);
        record.timeline.add(now, "lane_lost", `lane ${lane}`);
      }
      record.queue.sweep(now);
      if (!isHandingOut(record.job())) return [];
      const { leased, pending } = record.batches.totals();
      const dueMs = record.queue.nextMs();
      const waiting =
        pending + (dueMs !== null && dueMs <= now ? Math.min(record.queue.counts().waiting, MOST_WANTED) : 0);
      const use = { running: leased, waiting, isThrottled: this.#gate.isThrottled(now) };
      this.#scale.see(use, now);
      const wanted = Math.ceil(waiting / PARTS_PER_LANE);
      return record.lanes.chooseAsleep(wanted, this.#scale.lanes, now);
    });
    const woken = await Promise.allSettled(wake.map(async (lane) => await this.#wake(lane)));
    for (const [index, { status }] of woken.entries()) {
      const lane = wake[index];
      if (status === "rejected" && lane !== undefined) record.lanes.forget(lane); // the next watch wakes it
    }
  }
}

/** Records what came of a key. The caller makes it one transaction. */
export function settleKey(record: ReplicationRecord, key: string, end: KeyEnd, now: number): void {
  const { queue } = record;
  const { origin, mode } = queue.find(key) ?? { origin: "event", mode: "follow" };
  const lost = origin === "repair" ? { lost: 1 } : {};
  const next = mode === "held" ? mode : "follow";
  switch (end.kind) {
    case "copied":
      record.know(key, end.etag);
      record.count({ copied: 1, copiedBytes: end.bytes, ...lost });
      return queue.end(key, now);
    case "equal":
      record.know(key, end.etag);
      record.count({ equal: 1 });
      return queue.end(key, now);
    case "removed":
    case "absent":
      record.forgetKnown(key);
      if (end.kind === "removed") record.count({ deleted: 1, ...lost });
      return queue.end(key, now);
    case "kept":
      record.count({ kept: 1 });
      return queue.end(key, now);
    case "gone":
      if (next === "held") return queue.hold(key);
      if (record.load().spec.deletes) return queue.again(key, "remove", end.attempts, now);
      return queue.end(key, now);
    case "large":
      queue.copyAlone(key, end.work, record.notes().nextSeq);
      return record.note({ nextSeq: record.notes().nextSeq + 1 });
    case "again":
      return queue.again(key, next, end.attempts, end.notBeforeMs);
    case "failed":
      record.count({ failed: 1 });
      return queue.fail(key, end.failure, end.attempts, now);
    case "blocked":
      queue.again(key, next, 0, now);
      record.apply({ type: "failed", failure: end.failure }, end.failure.message);
  }
}

/** More are to be deleted than an hour may have: a person is told, once in that hour, and decides. */
function holdDeletion(record: ReplicationRecord, key: string, now: number): void {
  const hour = hourOf(record.notes().deletes, now);
  if (hour.isTold !== true) {
    record.note({ deletes: { ...hour, isTold: true } });
    record.timeline.add(now, "deletions_held", "more than maxDeletes in an hour: resume lets them go");
    record.alert("deletions_held", now);
  }
  record.queue.hold(key);
}

/** Counts one more deletion in this hour, whatever becomes of it. @returns whether it may be */
function takeDeletion(record: ReplicationRecord, now: number): boolean {
  const { deletes, destinationKeys } = record.notes();
  const hour = hourOf(deletes, now);
  if (hour.count >= mostDeletesAnHour(record.load().spec.maxDeletes, destinationKeys)) return false;
  record.note({ deletes: { ...hour, count: hour.count + 1 } });
  return true;
}

function hourOf(deletes: Notes["deletes"], now: number): Notes["deletes"] {
  return now - deletes.sinceMs < HOUR_MS ? deletes : { sinceMs: now, count: 0 };
}
