// The part table and the lanes of a simulated copy: leases with attempt numbers, backoff, the budget of
// retries, lanes that die with their parts on the way, and reports that come late, twice, in another order or
// never.
//
// It mirrors parts/table.ts and lane.ts as far as the job can see them. It knows the store and not the job.

import { type Healths, ALL_HEALTHY, HealthBook } from "../../../src/throttle/health.ts";
import type { Failure } from "../../../src/s3/failure.ts";
import { backoffMs, MAX_ATTEMPTS, verdictOf } from "../../../src/s3/retry.ts";
import type { PartCounts } from "../../../src/copy/step.ts";
import { Refusal, type SimulatedStore } from "./simulated_store.ts";
import { failure } from "../samples.ts";

interface Part {
  state: "pending" | "leased" | "lost" | "done";
  attempt: number;
  failedAttempts: number;
  notBeforeMs: number;
  /** The store has it: it is read for its digest and not sent. */
  held: boolean;
  /** The store has shown it, and has not said since that it lost it. */
  shown: boolean;
}

interface Flight {
  readonly part: number;
  readonly attempt: number;
  readonly uploadId: string | null;
  readonly version: string;
  readonly digestOnly: boolean;
  /** Its lane is dead: it may land, and nobody will hear of it. */
  readonly orphaned: boolean;
}

interface Report {
  readonly part: number;
  readonly attempt: number;
  readonly failure: Failure | null;
}

interface Dice {
  random(): number;
  chance(probability: number): boolean;
}

const CONCURRENCY = 2;
export const LANE_LEASE_MS = 90_000;

export class SimulatedParts {
  readonly #store: SimulatedStore;
  readonly #dice: Dice;
  #parts: Part[] = [];
  #flights: Flight[] = [];
  #reports: Report[] = [];
  #healths: Healths = ALL_HEALTHY;
  #onlyIfAbsent = false;
  faulty = true;

  constructor(store: SimulatedStore, dice: Dice) {
    this.#store = store;
    this.#dice = dice;
  }

  counts(): PartCounts {
    const count = (state: Part["state"]) => this.#parts.filter((part) => part.state === state).length;
    return {
      total: this.#parts.length,
      done: count("done"),
      inFlight: count("leased"),
      lost: count("lost"),
    };
  }

  get areAllDone(): boolean {
    return this.#parts.every(({ state }) => state === "done");
  }

  /** Parts on the way whose lanes live: the destination must not be cleared under them. */
  get flying(): number {
    return this.#flights.filter(({ orphaned }) => !orphaned).length;
  }

  plan(partCount: number): void {
    this.#parts = Array.from({ length: partCount }, () => ({
      state: "pending",
      attempt: 0,
      failedAttempts: 0,
      notBeforeMs: 0,
      held: false,
      shown: false,
    }));
  }

  /** @returns until when nothing can be handed out, or null */
  lease(uploadId: string | null, version: string, onlyIfAbsent: boolean, now: number): number | null {
    const pace = new HealthBook(this.#healths).pace();
    const width = pace.kind === "full" ? CONCURRENCY : pace.trialAtMs <= now ? 1 : 0;
    let room = width - this.counts().inFlight;
    const waits: number[] = pace.kind === "trial" ? [pace.trialAtMs] : [];
    for (const [index, part] of this.#parts.entries()) {
      if (part.state !== "pending") continue;
      if (part.notBeforeMs > now) waits.push(part.notBeforeMs);
      if (part.notBeforeMs > now || room <= 0) continue;
      room -= 1;
      part.state = "leased";
      part.attempt += 1;
      if (part.shown && !part.held)
        throw new Error("Rule broken: a part that the store has shown was sent again");
      this.#flights.push({
        part: index,
        attempt: part.attempt,
        uploadId,
        version,
        digestOnly: part.held,
        orphaned: false,
      });
    }
    this.#onlyIfAbsent = onlyIfAbsent;
    return waits.length === 0 || this.#flights.length > 0 ? null : Math.min(...waits);
  }

  /** Time passes: some parts land, some lanes die, some reports arrive. @returns what has failed for good */
  fly(now: number): Failure[] {
    if (this.faulty && this.#dice.chance(0.02)) this.#laneDies();
    for (const flight of this.#flights) if (this.#dice.chance(0.4)) this.#land(flight, now);
    const arrived = this.#reports.filter(() => !this.faulty || this.#dice.chance(0.7));
    this.#reports = this.#reports.filter((report) => !arrived.includes(report));
    if (this.#dice.chance(0.5)) arrived.reverse();
    // Some are delivered twice, the second time late.
    if (this.faulty) this.#reports.push(...arrived.filter(() => this.#dice.chance(0.05)));
    return arrived.map((report) => this.#take(report, now)).filter((what) => what !== null);
  }

  /** Lanes are told to stop, and the silent ones are given up. @returns what has failed for good meanwhile */
  settle(now: number): Failure[] {
    for (const flight of this.#flights) this.#land(flight, now);
    const final = this.#reports.map((report) => this.#take(report, now)).filter((what) => what !== null);
    this.#reports = [];
    this.releaseSilent();
    return final;
  }

  /** Parts that nobody runs any more are lost until the store has been asked. */
  releaseSilent(): void {
    const flying = new Set(this.#flights.filter(({ orphaned }) => !orphaned).map(({ part }) => part));
    for (const [index, part] of this.#parts.entries()) {
      if (part.state === "leased" && !flying.has(index)) part.state = "lost";
    }
  }

  /** @param held part numbers that the store lists */
  settleLost(held: ReadonlyMap<number, string>, wantsDigests: boolean): void {
    for (const [index, part] of this.#parts.entries()) {
      if (part.state !== "lost") continue;
      const found = held.has(index);
      part.state = found && !wantsDigests ? "done" : "pending";
      part.held = found && wantsDigests;
      part.shown = found;
      if (found) part.notBeforeMs = 0;
    }
  }

  /** @returns how many parts must be sent again */
  reconcile(held: ReadonlyMap<number, string>): number {
    let missing = 0;
    for (const [index, part] of this.#parts.entries()) {
      if (held.has(index)) part.shown = part.state === "done" || part.shown;
      if (part.state !== "done" || held.has(index)) continue;
      Object.assign(part, { state: "pending", held: false, shown: false, notBeforeMs: 0 });
      missing += 1;
    }
    return missing;
  }

  reopenAll(): void {
    for (const part of this.#parts) {
      Object.assign(part, { state: "pending", held: false, shown: false, notBeforeMs: 0 });
    }
  }

  forgive(): void {
    this.#healths = ALL_HEALTHY;
    for (const part of this.#parts) {
      if (part.state === "pending" || part.state === "lost")
        Object.assign(part, { failedAttempts: 0, notBeforeMs: 0 });
    }
  }

  #laneDies(): void {
    this.#flights = this.#flights.flatMap((flight) => {
      // A PutObject without a lane would land after the copy has ended; of parts that does no harm.
      if (flight.uploadId === null || this.#dice.chance(0.5)) return [];
      return [{ ...flight, orphaned: true }];
    });
  }

  #land(flight: Flight, now: number): void {
    this.#flights = this.#flights.filter((other) => other !== flight);
    const { part, attempt } = flight;
    let what: Failure | null = null;
    try {
      this.#send(flight, now);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      what = error.failure;
    }
    // An answer may be lost with its lane.
    if (flight.orphaned || (this.faulty && this.#dice.chance(0.04))) return;
    this.#reports.push({ part, attempt, failure: what });
  }

  #send({ part, uploadId, version, digestOnly }: Flight, now: number): void {
    const fate = this.faulty ? this.#dice.random() : 1;
    const refusal = this.#store.refusal(now);
    if (refusal !== null) throw new Refusal(refusal);
    if (fate < 0.03) throw new Refusal(failure("InternalError", 500));
    if (fate < 0.06) throw new Refusal(failure("stream_broken"));
    if (fate < 0.09) throw new Refusal(failure("SlowDown", 503));
    if (fate < 0.1) throw new Refusal(failure("ExpiredToken", 400));
    if (this.#store.sourceVersion !== version)
      throw new Refusal(failure("source_changed", 412, { side: "source" }));
    if (digestOnly) return;
    if (uploadId === null) this.#store.putObject(version, this.#onlyIfAbsent);
    else this.#store.upload(uploadId).parts.set(part, version);
    if (fate < 0.15) throw new Refusal(failure("network")); // it landed, and the answer was lost
  }

  /** @returns the failure that the copy must hear of */
  #take({ part: index, attempt, failure: what }: Report, now: number): Failure | null {
    const part = this.#parts[index];
    if (part === undefined || part.state !== "leased" || part.attempt !== attempt) return null;
    const health = new HealthBook(this.#healths);
    if (what === null) {
      part.state = "done";
      health.succeeded(part.failedAttempts);
      this.#healths = health.healths;
      return null;
    }
    part.state = "pending";
    part.failedAttempts += 1;
    part.notBeforeMs = now + backoffMs(what, part.failedAttempts, this.#dice.random());
    const verdict = verdictOf(what);
    if (verdict === "fatal" || verdict === "blocked") return what;
    const tries = { attempts: part.failedAttempts, allowed: MAX_ATTEMPTS };
    const usedUp = health.isUsedUp(what, tries, now);
    health.failed(what, now, this.#dice.random());
    this.#healths = health.healths;
    return usedUp ? what : null;
  }
}
