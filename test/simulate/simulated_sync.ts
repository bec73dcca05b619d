// One sync of small objects on paper: the real decisions, window, batches, gate and report of a sync, over a
// clock that jumps from event to event, with listings and lanes that are only told how long they take.
//
// What it counts: as for a copy. What it does not: large objects, deletions, failures, and the network
// between the lanes and the sync, which a claim takes CLAIM_MS for.

import { gzipSync } from "node:zlib";
import { DEFAULT_PART_BYTES } from "../../src/copy/plan.ts";
import { PARTS_PER_LANE } from "../../src/env.ts";
import type { Found } from "../../src/listing/lookup.ts";
import { FIRST_CURSOR } from "../../src/listing/walk.ts";
import type { ListedObject } from "../../src/s3/listing_xml.ts";
import { findStore } from "../../src/store/stores.ts";
import { batchesOf } from "../../src/sync/batches.ts";
import { planPage } from "../../src/sync/decide.ts";
import { BatchGate } from "../../src/sync/gate.ts";
import { nextStep } from "../../src/sync/job.ts";
import { isSyncEnded } from "../../src/sync/phase.ts";
import { settle } from "../../src/sync/outcome.ts";
import { SyncRecord } from "../../src/sync/record.ts";
import { addTo } from "../../src/sync/sums.ts";
import { asSync } from "../../src/sync/comparison_spec.ts";
import { filterOf } from "../../src/sync/run_spec.ts";
import { parseSyncRequest, resolveSync } from "../../src/sync/spec.ts";
import { Governor } from "../../src/throttle/governor.ts";
import { LaneScale, laneBounds } from "../../src/throttle/lanes.ts";
import { StoreShares } from "../../src/throttle/shares.ts";
import { PUSH_MS } from "../../src/view/news.ts";
import type { BatchReport, ObjectOutcome, ObjectWork } from "../../src/work/batch_task.ts";
import { seeded } from "../pure/samples.ts";
import { memorySql, storageOver } from "../pure/sqlite.ts";

export interface SyncCase {
  readonly objects: number;
  readonly objectBytes: number;
  /** At most; it begins with eight. */
  readonly lanes: number;
  /** GET and PUT of one object, one after the other. */
  readonly objectMs: number;
  /** Of the objects the destination has so many already, under the same ETag. */
  readonly equalFraction: number;
}

export interface SyncOutcome {
  readonly seconds: number;
  readonly copied: number;
  readonly storeReads: number;
  readonly storeWrites: number;
  readonly objectRequests: number;
  readonly rowsWritten: number;
  /** Seconds that Durable Objects were in memory, all together. */
  readonly objectSeconds: number;
}

const PAGE_KEYS = 1000;
/** A page takes 100 ms, and several ranges are listed at once. */
const PAGE_MS = 25;
const CLAIM_MS = 20;
const WATCH_MS = 10_000;
const HEARTBEAT_MS = 20_000;
const ALARM_LIMIT_MS = 60_000;
/** Rows of the registry for one sync's news. */
const ROWS_OF_NEWS = 2;

const secret = (host: string) =>
  JSON.stringify({ endpoint: `https://${host}`, region: "auto", accessKeyId: "id", secretAccessKey: "s" });
const ENV = {
  STORE_EAST: secret("s3.us-east-1.amazonaws.com"),
  STORE_WEST: secret("account.r2.cloudflarestorage.com"),
};

interface Running {
  readonly batch: number;
  readonly attempt: number;
  readonly endsMs: number;
  readonly report: BatchReport;
}

interface Lane {
  running: Running[];
  readonly sinceMs: number;
}

export class SimulatedSync {
  readonly #random: () => number;
  readonly #case: SyncCase;
  readonly #record: SyncRecord;
  readonly #gate: BatchGate;
  readonly #scale = new LaneScale(() => laneBounds(this.#record.load().spec));
  readonly #sides = { source: findStore(ENV, "east"), destination: findStore(ENV, "west") };
  readonly #lanes = new Map<number, Lane>();
  readonly #hungry = new Set<number>();
  readonly #events: { atMs: number; run: () => void }[] = [];
  #now = 0;
  #listed = 0;
  #rows = 0;
  #reads = 0;
  #writes = 0;
  #objectRequests = 3; // admission, creation, first alarm
  #laneSeconds = 0;
  #advancing = false;
  #alarmMs = Infinity;
  #alarmUntilMs = 0;
  #pushedMs = -Infinity;
  #told: string | null = null;

  constructor(one: SyncCase, seed: number) {
    this.#case = one;
    this.#random = seeded(seed);
    const counting = memorySql();
    const sql: SqlStorage = {
      databaseSize: 0,
      exec: (query, ...values) => {
        const result = counting.exec(query, ...values);
        // The counter of an AUTOINCREMENT is a row as well.
        const counter = /^\s*INSERT INTO (?:batches|report_lines|deletions)\b/.test(query) ? 1 : 0;
        this.#rows += result.rowsWritten + counter;
        return result;
      },
    };
    this.#record = new SyncRecord(storageOver(sql));
    const request = { source: "east:in/", destination: "west:out/", lanes: one.lanes };
    this.#record.create("sync-1", resolveSync(parseSyncRequest(request), ENV), 0);
    const shares = new StoreShares(async () => [], {
      columns: () => this.#scale.transfers,
      quietUntilMs: 0,
      clock: () => this.#now,
    });
    this.#gate = new BatchGate(new Governor("requests", 0), shares);
  }

  run(): SyncOutcome {
    this.#alarmAt(0);
    for (;;) {
      const next = this.#events.shift();
      if (next === undefined) throw new Error("The sync stands still");
      this.#now = next.atMs;
      next.run();
      if (isSyncEnded(this.#record.load().job)) break;
    }
    const { job, counters } = this.#record.load();
    if (job.phase !== "completed") throw new Error(`The sync ended ${job.phase}`);
    return {
      seconds: this.#now / 1000,
      copied: counters.copied.objects,
      storeReads: this.#reads,
      storeWrites: this.#writes,
      objectRequests: this.#objectRequests,
      rowsWritten: this.#rows,
      objectSeconds: this.#now / 1000 + this.#laneSeconds,
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
      if (this.#alarmMs !== atMs || this.#advancing) return;
      this.#objectRequests += 1;
      this.#rows += 1; // the spare alarm
      this.#advancing = true;
      this.#alarmUntilMs = this.#now + ALARM_LIMIT_MS;
      this.#advance();
    });
  }

  /**
   * Takes steps until there is nothing to do but wait; one that asks a store goes on when it has answered.
   */
  #advance(): void {
    for (;;) {
      this.#tellRegistry();
      this.#tendLanes();
      const { job } = this.#record.load();
      const step = nextStep(job, this.#record.counts(), this.#now);
      if (step.do === "rest" || this.#now > this.#alarmUntilMs) {
        this.#advancing = false;
        if (!isSyncEnded(job)) this.#alarmAt(step.do === "rest" ? this.#now + WATCH_MS : this.#now);
        return;
      }
      switch (step.do) {
        case "list":
          return this.#after(PAGE_MS, () => this.#list());
        case "report":
          this.#keepReport();
          break;
        case "judgeDeletes":
          this.#record.applyEvent({ type: "deletesJudged", delete: "nothing" });
          break;
        case "end":
          this.#record.applyEvent({ type: "ended", errors: 0 });
          this.#tellRegistry();
          return;
        default:
          throw new Error(`Nothing is known of ${step.do}`);
      }
    }
  }

  #after(ms: number, change: () => void): void {
    this.#at(this.#now + ms, () => {
      change();
      this.#advance();
    });
  }

  /** A page of the source, and of what the destination has of it. */
  #list(): void {
    const { objects, objectBytes, equalFraction } = this.#case;
    const count = Math.min(PAGE_KEYS, objects - this.#listed);
    const pairs = Array.from({ length: count }, (_, index): Found => {
      const name = String(this.#listed + index).padStart(9, "0");
      const source = listedAs(`in/${name}`, objectBytes);
      const isEqual = this.#random() < equalFraction;
      return { name, source, destination: isEqual ? { ...source, key: `out/${name}` } : null };
    });
    this.#listed += count;
    this.#writes += 2; // a listing is a class A request, and both sides are listed
    const { spec } = this.#record.load();
    const plan = planPage(pairs, [], {
      spec: asSync(spec),
      filter: filterOf(spec, 0),
      ...this.#sides,
      whole: { wholeBytes: DEFAULT_PART_BYTES },
    });
    const cursor = this.#listed === objects ? null : FIRST_CURSOR;
    const waiting = this.#record.batches.totals().objects;
    this.#record.transaction(() => {
      this.#record.applyEvent({ type: "listed", cursor });
      this.#record.enter(plan.entries, (counters) => ({
        ...counters,
        listed: addTo(counters.listed, plan.listed.objects, plan.listed.bytes),
      }));
      for (const batch of batchesOf(plan.small, this.#scale.transfers, { waiting }))
        this.#record.batches.add(batch, 0);
    });
  }

  #keepReport(): void {
    const fixed = this.#record.report.fix();
    if (fixed !== null) this.#record.report.kept(fixed, gzipSync(fixed.text), Buffer.byteLength(fixed.text));
    this.#record.applyEvent({ type: "reported" });
  }

  #tellRegistry(): void {
    const { phase } = this.#record.load().job;
    if (phase === this.#told && this.#now - this.#pushedMs < PUSH_MS) return;
    this.#told = phase;
    this.#pushedMs = this.#now;
    this.#objectRequests += 1;
    this.#rows += ROWS_OF_NEWS;
    this.#record.markReported(phase);
  }

  #tendLanes(): void {
    const { batches, lanes } = this.#record;
    const { pending } = batches.totals();
    if (pending === 0) return;
    const awake = new Set(lanes.live());
    this.#seeLanes();
    let wanted = Math.min(this.#scale.lanes - awake.size, Math.ceil(pending / PARTS_PER_LANE));
    for (const lane of this.#hungry) {
      const hungry = this.#lanes.get(lane);
      this.#objectRequests += 1;
      if (hungry !== undefined) this.#at(this.#now + CLAIM_MS, () => this.#claim(lane, hungry));
    }
    this.#hungry.clear();
    for (let lane = 1; wanted > 0; lane++) {
      if (awake.has(lane)) continue;
      wanted -= 1;
      lanes.expect(lane, this.#now);
      this.#objectRequests += 2; // wake(), and its alarm
      this.#rows += 4; // its assignment, its alarms, and their end
      const woken: Lane = { running: [], sinceMs: this.#now };
      this.#lanes.set(lane, woken);
      this.#at(this.#now + CLAIM_MS, () => this.#claim(lane, woken));
    }
  }

  #seeLanes(): boolean {
    const { pending, leased } = this.#record.batches.totals();
    const isThrottled = this.#gate.isThrottled(this.#now);
    return this.#scale.see({ running: leased, waiting: pending, isThrottled }, this.#now);
  }

  #claim(number: number, lane: Lane): void {
    if (this.#lanes.get(number) !== lane) return;
    const finished = lane.running.filter(({ endsMs }) => endsMs <= this.#now).map(({ report }) => report);
    lane.running = lane.running.filter(({ endsMs }) => endsMs > this.#now);
    this.#objectRequests += 1;
    const record = this.#record;
    record.lanes.expect(number, this.#now);
    const running = lane.running.map(({ batch, attempt }) => ({ batch, attempt }));
    const wanted = PARTS_PER_LANE - running.length;
    const { leased } = record.batches.totals();
    for (const report of finished) this.#gate.reported(report, leased, this.#now);
    const settled = record.batches
      .takeReports({ lane: number, finished, running, wanted }, { now: this.#now, random: 0 })
      .map(({ objects, outcomes }) =>
        settle(objects, outcomes, { dryRun: false, now: this.#now, random: 0 }),
      );
    if (settled.length > 0) record.enter(settled.flatMap(({ entries }) => entries));
    this.#hungry.delete(number);
    const before = record.batches.totals();
    const most = this.#scale.transfers;
    const width = this.#gate.width(most, before.leased, this.#sides, this.#now);
    const leases = record.batches.lease(number, Math.min(wanted, width - before.leased), this.#now);
    for (const { batch, attempt, objects } of leases) this.#start(number, lane, { batch, attempt, objects });
    const { pending, leased: inFlight, earliestMs } = record.batches.totals();
    if (leases.length < wanted && pending === 0) this.#hungry.add(number);
    const next = nextStep(record.load().job, record.counts(), this.#now).do;
    const isDue = this.#seeLanes() || (finished.length > 0 && next !== "rest");
    if (isDue && !this.#advancing) this.#alarmAt(this.#now);
    if (leases.length < wanted && pending > 0) {
      // What was granted is what may run now: the lane asks again.
      const lanes = Math.max(0, record.lanes.live().length - Math.ceil(inFlight / PARTS_PER_LANE));
      const waits = { most, running: inFlight, lanes, readyMs: earliestMs };
      const clock = { now: this.#now, random: this.#random };
      const againMs = Math.min(HEARTBEAT_MS, this.#gate.pauseMs(waits, this.#sides, clock));
      if (lane.running.length === 0) {
        this.#objectRequests += 1; // by its alarm, which it sets twice
        this.#rows += 2;
      }
      this.#at(this.#now + againMs, () => this.#claim(number, lane));
    }
    if (lane.running.length > 0 || pending > 0) return;
    record.lanes.forget(number);
    this.#hungry.delete(number);
    this.#laneSeconds += (this.#now - lane.sinceMs) / 1000;
    this.#lanes.delete(number);
  }

  #start(
    number: number,
    lane: Lane,
    { batch, attempt, objects }: { batch: number; attempt: number; objects: readonly ObjectWork[] },
  ): void {
    this.#reads += objects.length;
    this.#writes += objects.length;
    const takesMs = Math.ceil(objects.length * this.#case.objectMs * (0.85 + 0.3 * this.#random()));
    const outcomes = objects.map(({ sizeBytes }): ObjectOutcome => {
      return { kind: "copied", etag: '"e"', proof: "content-md5", sizeBytes, warnings: [] };
    });
    const endsMs = this.#now + takesMs + CLAIM_MS;
    const report = { batch, attempt, outcomes, durationMs: takesMs };
    lane.running.push({ batch, attempt, endsMs, report });
    this.#at(endsMs, () => this.#claim(number, lane));
  }
}

function listedAs(key: string, sizeBytes: number): ListedObject {
  return {
    key,
    sizeBytes,
    etag: '"0123456789abcdef0123456789abcdef"',
    lastModifiedMs: 0,
    storageClass: null,
    isRestored: false,
  };
}
