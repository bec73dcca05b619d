// One copy on paper: the real plan, job, dispatch, governor and part table, over a clock that jumps from
// event to event. Stores and lanes only take the time that a part is said to take.
//
// It counts time, requests to both stores, requests to Durable Objects, and rows written. It does not count
// queues inside the stores, or the network between lanes and coordinator beyond the CLAIM_MS of a claim.

import { PARTS_PER_LANE } from "../../src/env.ts";
import { Dispatch, TAIL_MS } from "../../src/copy/dispatch.ts";
import { nextStep } from "../../src/copy/job.ts";
import { isEnded, objectOf } from "../../src/copy/phase.ts";
import { planCopy, unitCount } from "../../src/copy/plan.ts";
import { MIB } from "../../src/http/fields.ts";
import { type CopyRecord, newsOf } from "../../src/copy/record.ts";
import { LaneScale, laneBounds } from "../../src/throttle/lanes.ts";
import { StoreShares } from "../../src/throttle/shares.ts";
import type { PartReport, PartTask } from "../../src/work/part_task.ts";
import { uploadingCopy } from "../pure/copy_record.ts";
import { failure, seeded } from "../pure/samples.ts";
import { memorySql } from "../pure/sqlite.ts";

export interface Case {
  readonly sizeBytes: number;
  /** At most. */
  readonly lanes: number;
  /** MB/s that one stream moves. */
  readonly streamMbPerSecond: number;
  /** Of all attempts at parts. */
  readonly failureFraction: number;
  /** Deaths per lane in an hour of its work. */
  readonly deathsPerHour: number;
}

export interface Outcome {
  readonly parts: number;
  readonly seconds: number;
  readonly storeReads: number;
  readonly storeWrites: number;
  readonly objectRequests: number;
  readonly rowsWritten: number;
  /** Seconds that Durable Objects were in memory, in total. */
  readonly objectSeconds: number;
  readonly raced: number;
  readonly lanesLost: number;
}

const FIRST_BYTE_MS = 150;
/** LANES, by default. */
const FIRST_LANES = 8;
const CLAIM_MS = 20;
const STORE_CALL_MS = 100;
const WATCH_MS = 10_000;
const HEARTBEAT_MS = 20_000;
/** A tenth of the usual rate, as a bad network path has now and then. */
const SLOW_FRACTION = 0.002;
const LARGEST_PART = 5 * 1024 * MIB;
const STORES = { source: null, destination: null };

interface Running {
  readonly task: PartTask;
  readonly endsMs: number;
  readonly report: PartReport;
}

interface Lane {
  running: Running[];
  diesMs: number;
  /** Waiting lanes have nothing in flight and cost nothing. */
  sinceMs: number;
}

export class SimulatedCopy {
  readonly #random: () => number;
  readonly #case: Case;
  readonly #record: CopyRecord;
  readonly #dispatch: Dispatch;
  readonly #lanes = new Map<number, Lane>();
  readonly #scale = new LaneScale(() => laneBounds(this.#record.load().spec));
  readonly #events: { atMs: number; run: () => void }[] = [];
  #now = 0;
  #rows = 0;
  #reads = 2; // HEAD, and HEAD of the first part for its boundaries
  #writes = 1; // CreateMultipartUpload
  #objectRequests = 3; // admission, creation, first alarm
  #laneSeconds = 0;
  #lost = 0;
  #alarmMs = Infinity;

  constructor(one: Case, seed: number) {
    this.#case = one;
    this.#random = seeded(seed);
    const planned = planCopy(one.sizeBytes, null, { maxPartBytes: LARGEST_PART });
    if (!planned.ok) throw new Error(planned.refusal.message);
    const counting = memorySql();
    const sql: SqlStorage = {
      databaseSize: 0,
      exec: (query, ...values) => {
        const result = counting.exec(query, ...values);
        this.#rows += result.rowsWritten;
        return result;
      },
    };
    const concurrency = one.lanes * PARTS_PER_LANE;
    this.#record = uploadingCopy(
      { lanes: one.lanes, firstLanes: Math.min(FIRST_LANES, one.lanes), concurrency, verify: "off" },
      { plan: planned.plan },
      sql,
    );
    const shares = new StoreShares(async () => [], {
      columns: () => 1,
      quietUntilMs: 0,
      clock: () => this.#now,
    });
    this.#dispatch = new Dispatch(
      this.#record,
      shares,
      () => STORES,
      0,
      () => this.#scale.transfers,
    );
  }

  run(): Outcome {
    this.#alarmAt(5 * STORE_CALL_MS);
    for (;;) {
      const next = this.#events.shift();
      if (next === undefined) throw new Error("The copy stands still");
      this.#now = next.atMs;
      next.run();
      if (isEnded(this.#record.load().job)) break;
    }
    const { job } = this.#record.load();
    const object = objectOf(job);
    if (job.phase !== "completed" || object === null) throw new Error(`The copy ended ${job.phase}`);
    return {
      parts: unitCount(object.plan),
      seconds: this.#now / 1000,
      storeReads: this.#reads,
      storeWrites: this.#writes,
      objectRequests: this.#objectRequests,
      rowsWritten: this.#rows,
      objectSeconds: this.#now / 1000 + this.#laneSeconds,
      raced: this.#record.parts.flights.raced(),
      lanesLost: this.#lost,
    };
  }

  #at(atMs: number, run: () => void): void {
    let index = this.#events.length;
    while (index > 0 && (this.#events[index - 1]?.atMs ?? 0) > atMs) index -= 1;
    this.#events.splice(index, 0, { atMs, run });
  }

  #alarmAt(atMs: number): void {
    this.#alarmMs = atMs;
    this.#rows += 1; // setAlarm()
    this.#at(atMs, () => {
      if (this.#alarmMs === atMs) this.#alarm();
    });
  }

  /** The coordinator's alarm: the step that the job asks for, and its result. */
  #alarm(): void {
    this.#objectRequests += 1;
    for (;;) {
      const { job, reported } = this.#record.load();
      const news = newsOf(job.phase, 0);
      if (news !== reported) {
        this.#objectRequests += 1; // the registry is told
        this.#record.markReported(news);
      }
      const step = nextStep(job, this.#record.counts(job), this.#now);
      switch (step.do) {
        case "tendLanes":
          this.#tendLanes();
          return this.#alarmAt(this.#now + (this.#isTail() ? TAIL_MS : WATCH_MS));
        case "findParts":
          this.#call("reads", Math.ceil(this.#record.parts.totals().done / 1000) + 1);
          this.#record.parts.settleLost([], false, this.#now);
          this.#record.applyEvent({ type: "partsFound" });
          break;
        case "checkParts":
          this.#call("reads", Math.ceil(this.#record.counts(job).total / 1000));
          this.#record.applyEvent({ type: "partsChecked" });
          break;
        case "complete":
          this.#call("writes", 1);
          this.#record.applyEvent({ type: "completeSending" });
          this.#record.applyEvent({ type: "completed", etag: null });
          break;
        case "verify":
          this.#call("reads", 1);
          this.#record.applyEvent({ type: "verified", etag: '"e"', proof: "length" });
          return;
        default:
          throw new Error(`Nothing is known of ${step.do}`);
      }
    }
  }

  #call(kind: "reads" | "writes", times: number): void {
    this.#now += times * STORE_CALL_MS;
    if (kind === "reads") this.#reads += times;
    else this.#writes += times;
  }

  #isTail(): boolean {
    return this.#record.parts.waiting(this.#record.counts(this.#record.load().job).total).count === 0;
  }

  #seeLanes(): boolean {
    const { parts } = this.#record;
    const waiting = parts.waiting(this.#record.counts(this.#record.load().job).total).count;
    const isThrottled = this.#dispatch.governor.busySides(this.#now).length > 0;
    return this.#scale.see({ running: parts.totals().inFlight, waiting, isThrottled }, this.#now);
  }

  #tendLanes(): void {
    const copy = this.#record.load();
    const { parts, lanes } = this.#record;
    for (const lane of this.#record.releaseSilent(this.#now)) this.#lanes.delete(lane);
    parts.flights.forgetDead(this.#now);
    for (const { lane, partNumber, attempt } of parts.flights.beaten()) this.#drop(lane, partNumber, attempt);
    const awake = new Set(lanes.live());
    const { total } = this.#record.counts(copy.job);
    const slow = this.#isTail() && this.#dispatch.slowParts(copy, 0, this.#now).length > 0 ? 1 : 0;
    const due = Math.ceil(parts.waiting(total).count / PARTS_PER_LANE);
    this.#seeLanes();
    let wanted = Math.max(slow, Math.min(this.#scale.lanes - awake.size, due));
    for (let lane = 1; wanted > 0; lane++) {
      if (awake.has(lane)) continue;
      wanted -= 1;
      lanes.expect(lane, this.#now);
      this.#objectRequests += 2; // wake(), and its alarm
      const livesMs = -Math.log(1 - this.#random()) * (3_600_000 / this.#case.deathsPerHour);
      const woken: Lane = { running: [], diesMs: this.#now + livesMs, sinceMs: this.#now };
      this.#lanes.set(lane, woken);
      this.#at(this.#now + CLAIM_MS, () => this.#claim(lane, woken));
    }
  }

  #drop(lane: number, partNumber: number, attempt: number): void {
    this.#objectRequests += 1;
    const found = this.#lanes.get(lane);
    const index = found?.running.findIndex(
      ({ task }) => task.partNumber === partNumber && task.attempt === attempt,
    );
    if (found === undefined || index === undefined || index < 0) return;
    const { task } = found.running[index] as Running;
    const report = {
      partNumber,
      attempt,
      result: { ok: false as const, failure: failure("cancelled", null, { side: "mesh" }) },
    };
    found.running[index] = { task, endsMs: this.#now, report };
    this.#at(this.#now + CLAIM_MS, () => this.#claim(lane, found));
  }

  #claim(number: number, lane: Lane): void {
    if (this.#lanes.get(number) !== lane) return;
    if (lane.diesMs <= this.#now) return this.#die(number, lane);
    const finished = lane.running.filter(({ endsMs }) => endsMs <= this.#now).map(({ report }) => report);
    lane.running = lane.running.filter(({ endsMs }) => endsMs > this.#now);
    const claim = {
      lane: number,
      finished,
      running: lane.running.map(({ task }) => task),
      wanted: PARTS_PER_LANE - lane.running.length,
    };
    this.#objectRequests += 1;
    const { grant, alarmInMs } = this.#dispatch.claim(claim, { now: this.#now, random: this.#random });
    const dueInMs = this.#seeLanes() ? 0 : alarmInMs;
    if (dueInMs !== null && this.#now + dueInMs < this.#alarmMs) this.#alarmAt(this.#now + dueInMs);
    if (grant.kind === "work") {
      for (const task of grant.tasks) this.#start(number, lane, task);
      const idle = lane.running.length === 0;
      const againMs = this.#now + Math.min(HEARTBEAT_MS, grant.retryInMs ?? HEARTBEAT_MS);
      if (idle || grant.retryInMs !== null) this.#at(againMs, () => this.#claim(number, lane));
      if (idle) this.#objectRequests += 1; // it comes again by its alarm
    } else if (lane.running.length === 0) {
      this.#laneSeconds += (this.#now - lane.sinceMs) / 1000;
      this.#lanes.delete(number);
    }
  }

  #start(number: number, lane: Lane, task: PartTask): void {
    this.#reads += 1;
    this.#writes += 1;
    const slow = this.#random() < SLOW_FRACTION ? 10 : 1;
    const fullMs = FIRST_BYTE_MS + (slow * task.length) / (this.#case.streamMbPerSecond * 1000);
    const takesMs = fullMs * (0.85 + 0.3 * this.#random());
    const fails = this.#random() < this.#case.failureFraction;
    const { partNumber, attempt } = task;
    const report: PartReport = fails
      ? { partNumber, attempt, result: { ok: false, failure: failure("InternalError", 500) } }
      : {
          partNumber,
          attempt,
          result: {
            ok: true,
            etag: `"e${partNumber}"`,
            encryptedWithKey: false,
            digests: {},
            durationMs: Math.ceil(takesMs),
          },
        };
    const endsMs = this.#now + (fails ? takesMs * this.#random() : takesMs) + CLAIM_MS;
    lane.running.push({ task, endsMs, report });
    this.#at(endsMs, () => this.#claim(number, lane));
    for (let beatMs = this.#now + HEARTBEAT_MS; beatMs < endsMs; beatMs += HEARTBEAT_MS)
      if (lane.running.length === 1) this.#at(beatMs, () => this.#claim(number, lane));
  }

  /** Nothing comes from the lane any more; the coordinator notices its silence. */
  #die(number: number, lane: Lane): void {
    this.#lost += 1;
    this.#laneSeconds += (this.#now - lane.sinceMs) / 1000;
    this.#lanes.delete(number);
  }
}
