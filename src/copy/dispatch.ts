// Who copies which part, and when: takes in what a lane reports, and grants it new parts. The coordinator's
// other half; it writes to the record and talks to nobody, so a whole copy can be simulated with it.
//
// How many parts may run is the least of what the request wants (`concurrency`), what the stores have shown
// that they take (throttle/governor.ts), what the caps of the configuration leave to this copy
// (throttle/shares.ts), and one at a time while a store does not answer at all (throttle/health.ts). A lane
// that gets less than it can take is told when to come again, each at another moment.
//
// Invariant: a claim is one transaction. What it grants is leased before the lane hears of it.

import { nextStep } from "./job.ts";
import { type Prepared, type Upload, isEnded, workOf } from "./phase.ts";
import { partRange, unitCount } from "./plan.ts";
import { type Copy, type CopyRecord, newsOf } from "./record.ts";
import { dropHeader } from "./steps.ts";
import { PARTS_PER_LANE } from "../env.ts";
import type { Leased } from "../parts/rows.ts";
import { base64OfHex } from "../s3/digest.ts";
import type { Failure } from "../s3/failure.ts";
import { saysNo } from "../s3/retry.ts";
import type { Store } from "../store/stores.ts";
import { type PaceView, type StoreSide, Governor, lanePauseMs } from "../throttle/governor.ts";
import { HealthBook } from "../throttle/health.ts";
import type { Pace } from "../throttle/sender.ts";
import type { StoreShares } from "../throttle/shares.ts";
import { partLimitMs } from "../work/limits.ts";
import type { PartClaim, PartGrant, PartTask } from "../work/part_task.ts";

/**
 * A lane calls at least this often by itself (lane.ts); telling it to wait longer would make it look dead.
 */
const LONGEST_PAUSE_MS = 20_000;

/** Those who wait for streams to grow come this close after one another. */
const SHORTEST_PAUSE_MS = 50;

/** At the end of a copy, when all parts are handed out, it is looked for slow ones this often. */
export const TAIL_MS = 2_000;

/** A part is slow that takes so many times what the middle one took, and at least this long. */
const SLOW = 3;

const LEAST_SLOW_MS = 10_000;

/** Finished parts that say what is usual. */
const LEAST_KNOWN = 4;

/** The fraction of a copy's parts that may be sent twice because they are slow. */
const RACED_FRACTION = 0.05;

interface Chances {
  readonly now: number;
  readonly random: () => number;
}

export class Dispatch {
  readonly #record: CopyRecord;
  readonly #shares: StoreShares;
  /**
   * The stores of a copy as they are configured; null: not any more, which whoever asks them will find out.
   */
  readonly #storesOf: (copy: Copy) => { source: Store | null; destination: Store | null };
  readonly governor: Governor;

  constructor(
    record: CopyRecord,
    shares: StoreShares,
    storesOf: (copy: Copy) => { source: Store | null; destination: Store | null },
    now: number,
  ) {
    this.#record = record;
    this.#shares = shares;
    this.#storesOf = storesOf;
    this.governor = new Governor("streams", now);
  }

  /**
   * Takes a lane's reports and gives it new parts, in one transaction.
   *
   * @returns `lookInMs`: when the copy has something to do that need not wait until it looks by itself
   */
  claim(claim: PartClaim, chances: Chances): { grant: PartGrant; lookInMs: number | null } {
    const { now, random } = chances;
    return this.#record.transaction(() => {
      const { parts, lanes } = this.#record;
      lanes.expect(claim.lane, now);
      const before = parts.totals().inFlight;
      const health = new HealthBook(this.#record.healths());
      this.#hear(claim, before, now);
      const { phase } = workOf(this.#record.load().job);
      const failure = parts.takeReports(claim, { now, random, health, isCompleting: phase !== "uploading" });
      if (claim.finished.length > 0) this.#record.saveHealths(health.healths);
      if (failure !== null) this.#partFailed(failure);
      const copy = this.#record.load();
      this.freeWhole(copy, now);
      const grant = this.#grant(copy, claim, health, chances);
      if (claim.running.length === 0 && grant.kind !== "work") lanes.forget(claim.lane);
      const counts = this.#record.counts(copy.job);
      const next = nextStep(copy.job, counts, now).do;
      const news = newsOf(copy.job.phase, this.#record.debts.count());
      // A part has come through twice at once: the attempt that was second is cancelled.
      const isBeaten = claim.finished.length > 0 && parts.flights.beaten().length > 0;
      const due = (next !== "tendLanes" && next !== "rest") || news !== copy.reported || isBeaten;
      if (due && (claim.finished.length > 0 || counts.lost > 0)) return { grant, lookInMs: 0 };
      // The last part is handed out: it may be slow.
      const atTail =
        grant.kind === "work" && grant.tasks.length > 0 && parts.waiting(counts.total).count === 0;
      return { grant, lookInMs: atTail ? TAIL_MS : null };
    });
  }

  /** How fast the copy may go now. */
  pace(copy: Copy, now: number): PaceView {
    const { concurrency } = copy.spec;
    const shared = this.#shares.concurrency(this.#stores(copy), now);
    return {
      streams: Math.min(concurrency, this.governor.streams(now), shared),
      throttledBy: this.governor.busySides(now),
    };
  }

  /**
   * The copy's own requests, as HEAD and Create, count as the parts do: a store that is busy for one is for
   * the other.
   */
  refused(failure: Failure, now: number): void {
    const { inFlight } = this.#record.parts.totals();
    this.governor.failed(failure, { before: inFlight + 1, left: inFlight }, now);
  }

  #hear({ finished }: PartClaim, inFlight: number, now: number): void {
    const streams = { before: inFlight, left: inFlight - finished.length };
    for (const { partNumber, attempt, result } of finished) {
      if (result.ok || result.failure.code === "cancelled") continue;
      const { failure } = result;
      this.#record.tally.add(failure);
      this.governor.failed(failure, streams, now);
      const detail = `part ${partNumber}, attempt ${attempt}: ${failure.message}`;
      this.#record.timeline.add(now, "part_failed", detail);
    }
  }

  /** A part has failed for good. What can the copy do without? If nothing, it ends. */
  #partFailed(failure: Failure): void {
    const { job } = this.#record.load();
    if (job.phase !== "uploading") return;
    const { object, upload } = job;
    const exists = failure.code === "PreconditionFailed" && failure.side === "destination";
    if (exists && upload.kind === "whole") {
      const conflict = { ...failure, code: "destination_exists" };
      this.#record.applyEvent(
        { type: "conflict", failure: conflict, skip: object.ifExists === "skip" },
        "destination_exists",
      );
    } else if (object.via === "server" && failure.code !== "source_changed" && saysNo(failure)) {
      this.#record.applyEvent({ type: "streamInstead" }, "stream_instead", failure.message);
    } else if (failure.code === "BadDigest" && object.proof.contentMd5 !== null) {
      // Three times other bytes than the source's ETag says: perhaps that ETag is no MD5. Our own digest will
      // tell.
      const proof = {
        ...object.proof,
        etag: "not-comparable" as const,
        contentMd5: null,
        digests: ["md5" as const],
      };
      this.#record.applyEvent({ type: "sentAgain", proof }, "sent_again", failure.message);
    } else if (!(upload.kind === "whole" && dropHeader(this.#record, object.headers, failure))) {
      this.#record.applyEvent({ type: "partFailed", failure });
    }
  }

  #grant(copy: Copy, { lane, wanted }: PartClaim, health: HealthBook, chances: Chances): PartGrant {
    const { job } = copy;
    const { now } = chances;
    if (job.phase === "aborting" || isEnded(job)) return { kind: "stop" };
    // A paused, blocked or completing copy hands out no parts; those that run may finish.
    if (job.phase !== "uploading" || job.source === "unchecked") return { kind: "rest" };
    const { object, upload } = job;
    const { parts } = this.#record;
    const partCount = unitCount(object.plan);
    const room = this.#room(copy, health, now);
    const leasable = Math.min(wanted, room.streams, parts.waiting(partCount).count);
    const paces = this.#book(copy, leasable, now);
    const lengthOf = (partNumber: number) => partRange(object.plan, partNumber).length;
    const leased = parts.lease(lane, paces.length, { partCount, lengthOf, now });
    if (parts.waiting(partCount).count === 0 && leased.length < Math.min(wanted, room.streams))
      leased.push(
        ...this.#race(copy, lane, {
          most: Math.min(wanted, room.streams) - leased.length,
          health,
          now,
          paces,
        }),
      );
    const makeTask = this.#taskMaker(copy, object, upload, lane);
    const tasks = leased.map((part, index) => makeTask(part, paces[index] ?? UNPACED));
    const waiting = parts.waiting(partCount);
    if (waiting.count === 0 && tasks.length === 0) return { kind: "rest" };
    if (tasks.length === wanted || waiting.count === 0) return { kind: "work", tasks, retryInMs: null };
    const readyMs = Math.max(
      room.readyMs(chances),
      waiting.earliestMs,
      this.#shares.nextMs(this.#stores(copy), now),
    );
    return { kind: "work", tasks, retryInMs: this.#pauseMs(readyMs, room.isGrowing, chances) };
  }

  /**
   * Nothing is left to hand out: the parts that take far longer than others do are sent once more, over a new
   * connection. A few of them only, and not while a store is unwell or asks for less: it is no slow
   * connection then.
   */
  #race(
    copy: Copy,
    lane: number,
    { most, health, now, paces }: { most: number; health: HealthBook; now: number; paces: PartPaces[] },
  ): Leased[] {
    if (health.pace().kind !== "full" || this.governor.busySides(now).length > 0) return [];
    const leased: Leased[] = [];
    for (const partNumber of this.slowParts(copy, lane, now).slice(0, most)) {
      const [pace] = this.#book(copy, 1, now);
      if (pace === undefined) break;
      paces.push(pace);
      leased.push(this.#record.parts.flights.race(partNumber, lane, now));
      this.#record.timeline.add(now, "part_raced", `part ${partNumber}, lane ${lane}`);
    }
    return leased;
  }

  /** Parts that another lane may send once more now, the slowest first. */
  slowParts({ job }: Copy, lane: number, now: number): number[] {
    if (job.phase !== "uploading" || job.upload.kind !== "parts" || job.object.via !== "stream") return [];
    const { flights } = this.#record.parts;
    const budget = Math.max(1, Math.floor(RACED_FRACTION * unitCount(job.object.plan))) - flights.raced();
    if (budget <= 0) return [];
    const running = flights.running(lane);
    if (running.every(({ sinceMs }) => now - sinceMs < LEAST_SLOW_MS)) return [];
    const { msPerByte, count } = flights.medianPace();
    if (count < LEAST_KNOWN) return [];
    return running
      .map(({ partNumber, length, sinceMs }) => {
        const elapsedMs = now - sinceMs;
        return { partNumber, elapsedMs, slowness: elapsedMs / Math.max(1, msPerByte * length) };
      })
      .filter(({ elapsedMs, slowness }) => elapsedMs >= LEAST_SLOW_MS && slowness >= SLOW)
      .toSorted((one, other) => other.slowness - one.slowness)
      .slice(0, budget)
      .map(({ partNumber }) => partNumber);
  }

  /** How many more streams may run, and if none, when there may be more. */
  #room(
    copy: Copy,
    health: HealthBook,
    now: number,
  ): { streams: number; isGrowing: boolean; readyMs: (chances: Chances) => number } {
    const { concurrency } = copy.spec;
    const { inFlight } = this.#record.parts.totals();
    this.governor.settleDown(inFlight, now);
    const pace = health.pace();
    if (pace.kind === "trial") {
      // A store that is down is asked by one part at a time, lest all of them find out each for itself.
      const trials = pace.trialAtMs <= now ? 1 : 0;
      return { streams: trials - inFlight, isGrowing: false, readyMs: () => pace.trialAtMs };
    }
    const learnt = this.governor.streams(now);
    const shared = this.#shares.concurrency(this.#stores(copy), now);
    const isGrowing = learnt < Math.min(concurrency, shared);
    return {
      streams: Math.min(concurrency, learnt, shared) - inFlight,
      isGrowing,
      readyMs: ({ random }) =>
        isGrowing ? this.governor.turnMs({ inFlight, most: concurrency, random: random() }, now) : now,
    };
  }

  #pauseMs(readyMs: number, isGrowing: boolean, { now, random }: Chances): number {
    if (isGrowing) return Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, readyMs - now));
    const sleepers =
      this.#record.lanes.live().length - Math.ceil(this.#record.parts.totals().inFlight / PARTS_PER_LANE);
    return Math.min(LONGEST_PAUSE_MS, lanePauseMs(readyMs - now, Math.max(0, sleepers), random()));
  }

  /** A turn at both stores for each of so many parts; fewer when there are no more. */
  #book(copy: Copy, count: number, now: number): PartPaces[] {
    const stores = this.#storesOf(copy);
    const inside = copy.job.phase === "uploading" && copy.job.object.via === "server";
    // In the order in which they are sent. Copied inside the service a part is one request, to the
    // destination; of a service that does not heed the condition on the source it is asked afterwards what
    // the source is.
    const asked: readonly StoreSide[] = !inside
      ? ["source", "destination"]
      : stores.source?.profile.conditionalCopy === false
        ? ["destination", "source"]
        : ["destination"];
    const requests = asked.flatMap((side) => {
      const store = stores[side];
      return store === null ? [] : [{ side, store, requests: 1 }];
    });
    const paces: PartPaces[] = [];
    while (paces.length < count) {
      const booked = this.#shares.book(requests, now);
      if (booked === null) break;
      const paceAt = (wanted: StoreSide) => booked[requests.findIndex(({ side }) => side === wanted)] ?? null;
      paces.push({ source: paceAt("source"), destination: paceAt("destination") });
    }
    return paces;
  }

  #stores(copy: Copy): Store[] {
    const { source, destination } = this.#storesOf(copy);
    return [source, destination].filter((store) => store !== null);
  }

  #taskMaker({ id, spec }: Copy, object: Prepared, upload: Upload, lane: number) {
    const { plan } = object;
    const target = targetOf(object, upload);
    // A stream that is watched is known to stall long before its time is over, and may be slow as long as it
    // moves.
    const slowestMsPerMib = object.proof.digests.length > 0 ? null : this.#record.parts.slowestMsPerMib();
    return ({ partNumber, attempt, failedAttempts, heldEtag }: Leased, pace: PartPaces): PartTask => ({
      copyId: id,
      lane,
      partNumber,
      attempt,
      source: spec.source,
      destination: spec.destination,
      sourceEtag: object.sourceEtag,
      objectBytes: plan.sizeBytes,
      ...partRange(plan, partNumber),
      via: object.via,
      limitMs: partLimitMs(partRange(plan, partNumber).length, slowestMsPerMib, failedAttempts),
      digests: object.proof.digests,
      heldEtag,
      target,
      known: spec.known ?? [],
      pace,
    });
  }

  /** Of an object that is sent whole no list of parts tells: when its lane has died it is sent again. */
  freeWhole({ job }: Copy, now: number): void {
    if (job.phase === "uploading" && job.upload.kind === "whole")
      this.#record.parts.settleLost([], false, now);
  }
}

type PartPaces = Readonly<Record<StoreSide, Pace | null>>;

const UNPACED: PartPaces = { source: null, destination: null };

/**
 * Where the lanes' bytes go: a part of the upload, or the one PutObject with its attributes and conditions.
 */
function targetOf({ headers, proof, onlyIfAbsent }: Prepared, upload: Upload): PartTask["target"] {
  if (upload.kind === "parts") return { kind: "part", uploadId: upload.uploadId };
  return {
    kind: "whole",
    headers: {
      ...headers,
      ...(proof.contentMd5 === null ? {} : { "content-md5": base64OfHex(proof.contentMd5) }),
      ...(onlyIfAbsent ? { "if-none-match": "*" } : {}),
    },
  };
}
