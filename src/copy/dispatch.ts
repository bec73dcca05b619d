// Which lane copies which part, and when: it takes a lane's reports and grants it new parts. It is the
// coordinator's other half. It writes to the record and calls nobody, so a whole copy can be simulated with
// it.
//
// How many parts may run: "How fast a job goes" in throttle/governor.ts.
//
// Invariant: a claim is one transaction. What it grants is leased before the lane receives it.

import { dropHeader } from "./dropped_header.ts";
import { nextStep } from "./job.ts";
import { type Prepared, type Upload, isAtBudget, isEnded, objectOf, workOf } from "./phase.ts";
import { longestPart, partRange, unitCount } from "./plan.ts";
import { type Copy, type CopyRecord, newsOf } from "./record.ts";
import { takeArchived } from "./restore_steps.ts";
import { accountOf, leaseWithin, partCost } from "./terms.ts";
import { PARTS_PER_LANE } from "../env.ts";
import type { Leased } from "../parts/rows.ts";
import { base64OfHex } from "../s3/digest.ts";
import type { Failure, StoreSide } from "../s3/failure.ts";
import { saysNo } from "../s3/retry.ts";
import { ceilingAt, limitsOf } from "../store/limits.ts";
import type { Store } from "../store/stores.ts";
import { type Limiter, type OwnLimits, limitersOf } from "../throttle/bandwidth.ts";
import type { StreamRate } from "../throttle/byte_bucket.ts";
import { Governor, lanePauseMs } from "../throttle/governor.ts";
import { HealthBook } from "../throttle/health.ts";
import type { Pace } from "../throttle/sender.ts";
import type { StoreShares } from "../throttle/shares.ts";
import type { Account } from "../work/account.ts";
import { isFinal } from "../work/claim.ts";
import { partLimitMs } from "../work/limits.ts";
import type { CopyStatus } from "../view/answers.ts";
import {
  type PartClaim,
  type PartGrant,
  type PartReport,
  type PartTask,
  READ_TWICE,
} from "../work/part_task.ts";
import { type Spent, NOTHING_SPENT, addSpent, attemptOf } from "../work/spent.ts";

/** A lane calls at least this often by itself (lane.ts); a longer wait would make it look dead. */
const LONGEST_PAUSE_MS = 20_000;

/** Lanes that wait for streams to grow ask this close after one another. */
const SHORTEST_PAUSE_MS = 50;

/** At the end of a copy, when all parts are handed out, slow parts are looked for this often. */
export const TAIL_MS = 2_000;

/** A part is slow if it takes this many times as long as the median, and at least LEAST_SLOW_MS. */
const SLOW = 3;

const LEAST_SLOW_MS = 10_000;

/** Finished parts that are needed to know the median. */
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
   * The stores of a copy as configured. Null if no longer configured: the next request to it reports that.
   */
  readonly #storesOf: (copy: Copy) => { source: Store | null; destination: Store | null };
  readonly #transfersOf: (copy: Copy) => number;
  readonly #account: Account;
  readonly governor: Governor;

  /** @param transfersOf how many its lanes can run now */
  constructor(
    record: CopyRecord,
    shares: StoreShares,
    storesOf: (copy: Copy) => { source: Store | null; destination: Store | null },
    now: number,
    transfersOf = ({ spec }: Copy): number => spec.concurrency,
  ) {
    this.#transfersOf = transfersOf;
    this.#record = record;
    this.#shares = shares;
    this.#storesOf = storesOf;
    this.#account = accountOf(record, storesOf);
    this.governor = new Governor("streams", now);
  }

  /**
   * Takes a lane's reports and gives it new parts, in one transaction.
   *
   * @returns `alarmInMs`: when the copy has something to do that must not wait for its next alarm
   */
  claim(claim: PartClaim, chances: Chances): { grant: PartGrant; alarmInMs: number | null } {
    const { now, random } = chances;
    return this.#record.transaction(() => {
      const { parts, lanes } = this.#record;
      lanes.expect(claim.lane, now);
      this.#shares.bytes.tell(claim.lane, claim.running.map(flightOf), now);
      const before = parts.totals().inFlight;
      const health = new HealthBook(this.#record.healths());
      this.#noteFailures(claim, before, now);
      const { phase } = workOf(this.#record.load().job);
      this.#settle(claim.finished);
      const failure = parts.takeReports(claim, { now, random, health, isCompleting: phase !== "uploading" });
      if (claim.finished.length > 0) this.#record.saveHealths(health.healths);
      if (failure !== null) this.#partFailed(failure);
      this.#account.settleLost((name) => parts.isUnderWay(name));
      const copy = this.#record.load();
      this.freeWhole(copy, now);
      const grant = this.#grant(copy, claim, health, chances);
      if (claim.running.length === 0 && isFinal(grant)) lanes.forget(claim.lane);
      const counts = this.#record.counts(copy.job);
      const next = nextStep(copy.job, counts, now).do;
      const news = newsOf(copy.job.phase, this.#record.debts.count());
      // A part was sent twice and one attempt has won: the other must be cancelled.
      const isBeaten = claim.finished.length > 0 && parts.flights.beaten().length > 0;
      const due = (next !== "tendLanes" && next !== "rest") || news !== copy.reported || isBeaten;
      if (grant.kind === "rest" && isAtBudget(this.#record.load().job)) return { grant, alarmInMs: 0 };
      if (due && (claim.finished.length > 0 || counts.lost > 0)) return { grant, alarmInMs: 0 };
      // The last part is handed out: it may be slow.
      const atTail =
        grant.kind === "work" && grant.tasks.length > 0 && parts.waiting(counts.total).count === 0;
      return { grant, alarmInMs: atTail ? TAIL_MS : null };
    });
  }

  /** How fast the copy may go now. */
  pace(copy: Copy, now: number): NonNullable<CopyStatus["pace"]> {
    const concurrency = this.#concurrencyOf(copy, now);
    const shared = this.#shares.concurrency(this.#stores(copy), now);
    return {
      streams: Math.min(concurrency, this.governor.streams(now), shared),
      throttledBy: this.governor.busySides(now),
      ...this.#shares.bytes.paceOf(this.#limiters(copy), now),
    };
  }

  /**
   * The copy's own requests, such as HEAD and Create, count like those of its parts: a store that is busy for
   * one is busy for the other.
   */
  refused(failure: Failure, now: number): void {
    const { inFlight } = this.#record.parts.totals();
    this.#tellGovernor(failure, { before: inFlight + 1, left: inFlight }, now);
  }

  #tellGovernor(failure: Failure, streams: { before: number; left: number }, now: number): void {
    const begun = this.governor.failed(failure, streams, now);
    if (begun !== null) this.#record.timeline.add(now, begun.event, begun.detail);
  }

  #settle(finished: readonly PartReport[]): void {
    const isLimited = finished.map((report) => this.#account.settle(flightOf(report), report.result.spent));
    const others = finished.filter((_, index) => isLimited[index] === false);
    this.#record.spent.add(others.map((report) => this.#spentOn(report)).reduce(addSpent, NOTHING_SPENT));
    if (finished.some(isShort)) this.#account.wasShort();
  }

  /** The budget has too little left for any part that waits. While some run, less may be spent on them. */
  #short({ now, random }: Chances): PartGrant {
    const failure = this.#account.failure();
    if (failure.retryAfterMs !== null)
      return { kind: "work", tasks: [], retryInMs: 2 * failure.retryAfterMs };
    this.#record.stepFailed(failure, now, random());
    return { kind: "rest" };
  }

  /** Of an attempt whose call broke, the most that it can have been. */
  #spentOn({ partNumber, result }: PartReport): Spent {
    if (result.spent !== undefined) return result.spent;
    const plan = objectOf(this.#record.load().job)?.plan;
    const bytes = plan === undefined ? 0 : partRange(plan, partNumber).length;
    return attemptOf(bytes);
  }

  #noteFailures({ finished }: PartClaim, inFlight: number, now: number): void {
    const streams = { before: inFlight, left: inFlight - finished.length };
    for (const { partNumber, attempt, result } of finished) {
      if (result.ok && result.readTwice === true) this.#record.warn(READ_TWICE);
      if (result.ok || ["cancelled", "budget_reached"].includes(result.failure.code)) continue;
      const { failure } = result;
      this.#record.tally.add(failure);
      this.#tellGovernor(failure, streams, now);
      const detail = `part ${partNumber}, attempt ${attempt}: ${failure.message}`;
      this.#record.timeline.add(now, "part_failed", detail);
    }
  }

  /** A part has failed for good. Can the copy go on another way? If not, it ends. */
  #partFailed(failure: Failure): void {
    const { job } = this.#record.load();
    if (job.phase !== "uploading" || takeArchived(this.#record, failure)) return;
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
      // Three times the bytes did not match the source's ETag: perhaps that ETag is no MD5. A digest of the
      // mesh's own will show.
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

  #grant(copy: Copy, claim: PartClaim, health: HealthBook, chances: Chances): PartGrant {
    const { job } = copy;
    const { lane, wanted, withinMs = Infinity } = claim;
    const { now } = chances;
    if (job.phase === "aborting" || isEnded(job)) return { kind: "stop" };
    // A paused, blocked or completing copy hands out no parts; those that run may finish.
    if (job.phase !== "uploading" || job.source === "unchecked") return { kind: "rest" };
    const { object, upload } = job;
    const { parts } = this.#record;
    const partCount = unitCount(object.plan);
    const lengthOf = (partNumber: number) => partRange(object.plan, partNumber).length;
    const limitMs = this.#partLimits(object);
    const fits = (length: number, failedAttempts: number) => limitMs(length, failedAttempts) <= withinMs;
    const fitsAny = fits(longestPart(object.plan), 0);
    if (wanted > 0 && !fitsAny && parts.waiting(partCount).count > 0) return { kind: "later" };
    const room = this.#room(copy, longestPart(object.plan), health, now);
    const leasable = Math.min(wanted, room.streams, parts.waiting(partCount).count);
    const paces = this.#book(copy, leasable, now);
    const costOf = partCost(object, this.#storesOf(copy).source);
    const leases = { partCount, lengthOf, now, fits, costOf };
    const { leased, purses } = leaseWithin(this.#account, parts, { lane, wanted: paces.length, leases });
    const isOver = this.#account.isLimited && fitsAny && leased.length === 0 && paces.length > 0;
    if (isOver && parts.waiting(partCount).earliestMs <= now) return this.#short(chances);
    if (fitsAny && parts.waiting(partCount).count === 0 && leased.length < Math.min(wanted, room.streams))
      leased.push(
        ...this.#race(copy, lane, {
          most: Math.min(wanted, room.streams) - leased.length,
          health,
          now,
          paces,
        }),
      );
    const starting = Math.min(room.streams, leased.length + parts.waiting(partCount).count);
    const makeTask = this.#taskMaker(copy, object, upload, { lane, starting, now });
    const tasks = leased.map((part, index) => ({
      ...makeTask(part, paces[index] ?? UNPACED),
      purse: purses[index],
    }));
    const waiting = parts.waiting(partCount);
    if (waiting.count === 0 && tasks.length === 0) return { kind: "rest" };
    if (tasks.length === wanted || waiting.count === 0) return { kind: "work", tasks, retryInMs: null };
    const readyMs = Math.max(
      room.readyMs(chances),
      waiting.earliestMs,
      this.#shares.nextMs(this.#stores(copy), now),
      this.#shares.bytes.nextMs(now),
    );
    return { kind: "work", tasks, retryInMs: this.#pauseMs(readyMs, room.isGrowing, chances) };
  }

  /**
   * Nothing is left to hand out, so parts that take far longer than the others are sent a second time, over a
   * new connection. Only a few, and not while a store fails or asks for fewer requests: then it is not the
   * connection that is slow.
   */
  #race(
    copy: Copy,
    lane: number,
    { most, health, now, paces }: { most: number; health: HealthBook; now: number; paces: PartPaces[] },
  ): Leased[] {
    if (
      health.pace().kind !== "full" ||
      this.#shares.bytes.isNeeded ||
      this.#account.isLimited ||
      this.governor.busySides(now).length > 0
    )
      return [];
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

  /** Parts that another lane may send a second time now, the slowest first. */
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
    lengthBytes: number,
    health: HealthBook,
    now: number,
  ): { streams: number; isGrowing: boolean; readyMs: (chances: Chances) => number } {
    const concurrency = this.#concurrencyOf(copy, now);
    const { inFlight } = this.#record.parts.totals();
    this.governor.settleDown(inFlight, now);
    const pace = health.pace();
    if (pace.kind === "trial") {
      // One part at a time tries a store that is down; otherwise each part would find out for itself.
      const trials = pace.trialAtMs <= now ? 1 : 0;
      return { streams: trials - inFlight, isGrowing: false, readyMs: () => pace.trialAtMs };
    }
    const learned = this.governor.streams(now);
    const shared = this.#shares.concurrency(this.#stores(copy), now);
    const fast = this.#shares.bytes.room(this.#limiters(copy), lengthBytes, inFlight, now);
    const isGrowing = learned < Math.min(concurrency, shared);
    return {
      streams: Math.min(Math.min(concurrency, learned, shared) - inFlight, fast),
      isGrowing,
      readyMs: ({ random }) =>
        isGrowing ? this.governor.nextAskMs({ inFlight, most: concurrency, random: random() }, now) : now,
    };
  }

  #pauseMs(readyMs: number, isGrowing: boolean, { now, random }: Chances): number {
    if (isGrowing) return Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, readyMs - now));
    const sleepers =
      this.#record.lanes.live().length - Math.ceil(this.#record.parts.totals().inFlight / PARTS_PER_LANE);
    return Math.min(LONGEST_PAUSE_MS, lanePauseMs(readyMs - now, Math.max(0, sleepers), random()));
  }

  /** Books a request at both stores for each of `count` parts; fewer when the caps leave no more. */
  #book(copy: Copy, count: number, now: number): PartPaces[] {
    const stores = this.#storesOf(copy);
    const inside = copy.job.phase === "uploading" && copy.job.object.via === "server";
    // In the order in which they are sent. A part copied inside the service is one request, to the
    // destination. A service that ignores the condition on the source gets one more: a HEAD of the source
    // afterwards.
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

  #taskMaker(
    copy: Copy,
    object: Prepared,
    upload: Upload,
    { lane, starting, now }: { lane: number; starting: number; now: number },
  ) {
    const { id, spec } = copy;
    const { plan } = object;
    const limiters = this.#limiters(copy);
    let left = starting;
    const rateOf = (part: Leased): { rate?: StreamRate } => {
      const { length } = partRange(plan, part.partNumber);
      const stream = { lane, key: flightOf(part), lengthBytes: length, totalBytes: length };
      const rate = this.#shares.bytes.grant(stream, limiters, left--, now);
      return rate === null ? {} : { rate };
    };
    const target = targetOf(object, upload);
    const limitMs = this.#partLimits(object);
    return (part: Leased, pace: PartPaces): PartTask => {
      const { partNumber, attempt, failedAttempts, heldEtag } = part;
      return {
        copyId: id,
        lane,
        partNumber,
        attempt,
        source: spec.source,
        destination: spec.destination,
        sourceEtag: object.sourceEtag,
        acceptEncoding: object.acceptEncoding,
        objectBytes: plan.sizeBytes,
        ...partRange(plan, partNumber),
        via: object.via,
        limitMs: limitMs(partRange(plan, partNumber).length, failedAttempts),
        digests: object.proof.digests,
        heldEtag,
        target,
        known: spec.known ?? [],
        pace,
        ...rateOf(part),
      };
    };
  }

  /** The limits of bytes per second that this copy is under; what a service copies by itself passes none. */
  #limiters(copy: Copy): Limiter[] {
    const { job, spec, id } = copy;
    if (objectOf(job)?.via === "server") return [];
    return limitersOf(this.#storesOf(copy), ownOf({ id, spec }));
  }

  /** Transfers that the copy's own limits allow. */
  #concurrencyOf(copy: Copy, now: number): number {
    return Math.min(this.#transfersOf(copy), ceilingAt(limitsOf(copy.spec), "maxConcurrency", now));
  }

  #partLimits({ proof }: Prepared): (length: number, failedAttempts: number) => number {
    // The part copier watches a stream with digests for stalls. Such a stream needs no learned limit: it may
    // be slow as long as it moves.
    const isWatched = proof.digests.length > 0 || this.#shares.bytes.isNeeded;
    const slowestMsPerMib = isWatched ? null : this.#record.parts.slowestMsPerMib();
    return (length, failedAttempts) => partLimitMs(length, slowestMsPerMib, failedAttempts);
  }

  /** No list of parts shows an object that is sent whole: when its lane has died, it is sent again. */
  freeWhole({ job }: Copy, now: number): void {
    if (job.phase === "uploading" && job.upload.kind === "whole")
      this.#record.parts.settleLost([], false, now);
  }
}

function isShort({ result }: PartReport): boolean {
  return !result.ok && result.failure.code === "budget_reached";
}

/** What names a stream to the limits. */
function flightOf({
  partNumber,
  attempt,
}: {
  readonly partNumber: number;
  readonly attempt: number;
}): string {
  return `${partNumber}/${attempt}`;
}

type PartPaces = Readonly<Record<StoreSide, Pace | null>>;

const UNPACED: PartPaces = { source: null, destination: null };

/**
 * Where the lanes send the bytes: a part of the upload, or the one PutObject with its attributes and
 * conditions.
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

/** The copy's own limits: those of the sync, if one has started it, which shares them with it. */
export function ownOf({ id, spec }: Pick<Copy, "id" | "spec">): OwnLimits {
  const kind = spec.limitsOf === undefined ? "copy" : "sync";
  return { kind, key: spec.limitsOf ?? id, limits: limitsOf(spec) };
}
