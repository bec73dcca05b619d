// A world for one job: a store, a part table and lanes, all in memory and driven by a seed, with a
// coordinator that does what nextStep() says and tells apply() what came of it.
//
// While faults are on, calls go unanswered before or after their effect, are refused, or take the coordinator
// down between any two lines; stores go down for minutes, credentials expire, sources change; answers come
// late, twice or never; parts fail, land unreported or die with their lane; people pause, resume and cancel
// at any moment, also during a call. Every rule is checked where it could break (simulated_rules.ts).

import type { OwedDebt } from "../../../src/copy/debts.ts";
import type { Failure } from "../../../src/s3/failure.ts";
import { saysNo } from "../../../src/s3/retry.ts";
import { apply, newJob, nextStep } from "../../../src/copy/job.ts";
import { type Job, type Prepared, isEnded, uploadOf, workOf } from "../../../src/copy/phase.ts";
import type { Event } from "../../../src/copy/event.ts";
import type { Step } from "../../../src/copy/step.ts";
import { PARTS_PLAN, WHOLE_PLAN, failure, prepared, seeded } from "../samples.ts";
import { SimulatedDebts } from "./simulated_debts.ts";
import { LANE_LEASE_MS, SimulatedParts } from "./simulated_parts.ts";
import { check, checkAbortAllowed, checkNothingForgotten, checkShape } from "./simulated_rules.ts";
import { Refusal, SimulatedStore, isRefusal } from "./simulated_store.ts";

class Crash extends Error {}
const COPY_AHEAD = "copy-0";
const QUEUE_RECHECK_MS = 30_000;
const WATCH_MS = 10_000;

/** An answer that is under way to the coordinator, which waits for it. */
interface Answer {
  readonly event: Event;
  readonly onArrival: () => void;
  turnsLeft: number;
}

export class Simulation {
  readonly #random: () => number;
  readonly #ofParts: boolean;
  readonly #ifExists: Prepared["ifExists"];
  readonly #listsParts: boolean;
  readonly #wantsDigests: boolean;
  readonly #store: SimulatedStore;
  readonly #parts: SimulatedParts;
  #job: Job;
  #now = 1_000_000;
  #answer: Answer | null = null;
  readonly #debts = new SimulatedDebts();
  #isOursToWrite: boolean;
  #isAheadBusy: boolean;
  /** A Complete was sent, and nothing has told the job what came of it. */
  #completeUnknown = false;
  #cancelled = false;
  /** The copy has rested, and its source has not been asked for since. */
  #rested = false;
  #faulty = true;
  /** Turns in which the copy had not ended yet. */
  steps = 0;
  /** Uploads that nobody could look for; a person is told. */
  warnings = 0;
  /** The store would not say whether there is an object. */
  deniedALook = false;
  readonly seen = new Set<string>();

  constructor(seed: number) {
    this.#random = seeded(seed);
    this.#ofParts = this.#chance(0.8);
    this.#ifExists = this.#pick(["overwrite", "overwrite", "skip", "fail"]);
    this.#listsParts = this.#chance(0.8);
    this.#wantsDigests = this.#chance(0.5);
    this.#store = new SimulatedStore(this.#chance(0.5));
    const chance = (probability: number) => this.#chance(probability);
    this.#parts = new SimulatedParts(this.#store, { random: this.#random, chance });
    const queues = this.#chance(0.3);
    this.#job = newJob(queues ? "queue" : "fail");
    this.#isOursToWrite = !queues;
    this.#isAheadBusy = queues && this.#chance(0.7);
  }

  get job(): Job {
    return this.#job;
  }

  get debts(): { readonly count: number; readonly made: number } {
    return this.#debts;
  }

  get store(): Pick<SimulatedStore, "object" | "uploads"> {
    return this.#store;
  }

  /** The faults stop: stores are back, credentials are good. */
  calmDown(): void {
    this.#faulty = false;
    this.#parts.faulty = false;
    this.#isAheadBusy = false;
    this.#store.recover();
  }

  /** One turn of the coordinator, of a lane or of a person. */
  turn(): void {
    if (!isEnded(this.#job)) this.steps += 1;
    this.#now += Math.floor(this.#random() * 500);
    if (this.#faulty && this.#chance(0.03)) this.#person();
    if (this.#faulty && this.#chance(0.06)) this.#mishap();
    if (!this.#faulty && (this.#job.phase === "paused" || this.#job.phase === "blocked"))
      this.#tell({ type: "resume" });
    for (const final of this.#parts.fly(this.#now)) this.#partFailed(final);
    try {
      if (this.#answer !== null) this.#await(this.#answer);
      else {
        this.#debts.pay(this.#now, this.#random, (owed) => this.#pay(owed));
        const step = nextStep(this.#job, this.#parts.counts(), this.#now);
        this.seen.add(step.do);
        this.#take(step);
      }
    } catch (error) {
      if (error instanceof Refusal) this.#stepFailed(error.failure);
      else if (!(error instanceof Crash)) throw error;
      else this.#restore();
    }
    if (this.warnings === 0) checkNothingForgotten(this.#job, this.#store, this.#debts);
  }

  /** After a crash there is what was stored, and nothing else. */
  #restore(): void {
    this.#answer = null;
    this.#job = JSON.parse(JSON.stringify(this.#job)) as Job;
  }

  #await(answer: Answer): void {
    this.#mayCrash();
    answer.turnsLeft -= 1;
    if (answer.turnsLeft > 0) return;
    this.#answer = null;
    answer.onArrival();
    this.#tell(answer.event);
  }

  #take(step: Step): void {
    switch (step.do) {
      case "rest":
        if (step.untilMs !== null) this.#now = Math.max(this.#now, step.untilMs);
        return;
      case "checkQueue":
        return this.#checkQueue();
      case "prepare":
        return this.#prepare(step.via, step.restarts);
      case "createUpload":
        return this.#createUpload();
      case "sweep":
        return this.#sweep(step.sinceMs);
      case "recheckSource":
        return this.#recheckSource(step.object);
      case "tendLanes":
        return this.#tendLanes();
      case "findParts":
        return this.#findParts(step.uploadId);
      case "checkParts":
        return this.#checkParts();
      case "complete":
        return this.#complete(step.uploadId);
      case "findObject":
        return this.#findObject(step.uploadId);
      case "verify":
        return this.#verify();
      case "settleParts":
        this.#now += LANE_LEASE_MS;
        for (const final of this.#parts.settle(this.#now)) this.#partFailed(final);
        return;
      case "abort":
        return this.#abort(step.uploadId);
    }
  }

  #checkQueue(): void {
    this.#mayCrash();
    if (this.#isAheadBusy) {
      const recheckAtMs = this.#now + QUEUE_RECHECK_MS;
      return this.#hear({ type: "notYet", behind: COPY_AHEAD, recheckAtMs });
    }
    this.#hear({ type: "isNext" }, () => {
      this.#isOursToWrite = true;
    });
  }

  #prepare(via: "auto" | "stream", restarts: number): void {
    check(!this.#cancelled, "a cancelled copy began again");
    this.#call("source");
    if (this.#ifExists !== "overwrite" && this.#store.object.kind !== "none") {
      const exists = failure("destination_exists", null, { side: "mesh" });
      return this.#hear({ type: "conflict", failure: exists, skip: this.#ifExists === "skip" });
    }
    this.#hear({
      type: "sized",
      object: prepared({
        sourceEtag: this.#store.sourceVersion,
        plan: this.#ofParts ? PARTS_PLAN : WHOLE_PLAN,
        via: via === "auto" && this.#chance(0.3) ? "server" : "stream",
        restarts,
        ifExists: this.#ifExists,
        ifSourceChanges: this.#chance(0.5) ? "restart" : "fail",
      }),
    });
  }

  #createUpload(): void {
    check(!this.#cancelled, "a cancelled copy began an upload");
    this.#tell({ type: "createSending", now: this.#now });
    this.#mayCrash();
    let uploadId = "";
    try {
      this.#call("destination", () => {
        uploadId = this.#store.createUpload(this.#now);
      });
    } catch (error) {
      if (error instanceof Refusal && isRefusal(error.failure)) {
        this.#tell({ type: "swept" });
        if (this.#chance(0.3)) return this.#tell({ type: "headerDropped", header: "x-amz-tagging" });
      }
      throw error;
    }
    this.#hear({ type: "created", uploadId });
  }

  #sweep(sinceMs: number): void {
    if (this.#job.phase === "aborting") checkAbortAllowed(this.#parts, this.#completeUnknown);
    try {
      this.#call("destination");
      this.#endUploadsBetween(sinceMs, Infinity);
    } catch (error) {
      if (!(error instanceof Refusal) || !saysNo(error.failure)) throw error;
      this.warnings += 1;
    }
    this.#hear({ type: "swept" });
  }

  #endUploadsBetween(sinceMs: number, untilMs: number): void {
    for (const [uploadId, { sinceMs: begunMs }] of this.#store.uploads) {
      if (begunMs < sinceMs || begunMs > untilMs) continue;
      this.#call("destination", () => this.#store.uploads.delete(uploadId));
    }
  }

  #recheckSource({ sourceEtag }: Prepared): void {
    this.#call("source");
    if (this.#store.sourceVersion !== sourceEtag)
      throw new Refusal(failure("source_changed", null, { side: "source" }));
    this.#hear({ type: "sourceSame" }, () => {
      this.#rested = false;
    });
  }

  #tendLanes(): void {
    const work = workOf(this.#job);
    if (work.phase !== "uploading") return;
    check(!this.#cancelled, "a cancelled copy handed out parts");
    check(!this.#rested, "a copy that had rested handed out parts before its source was asked for");
    const uploadId = work.upload.kind === "parts" ? work.upload.uploadId : null;
    if (this.#chance(0.05)) this.#parts.releaseSilent();
    if (uploadId === null) this.#parts.settleLost(new Map(), false);
    const onlyIfAbsent = this.#ifExists !== "overwrite";
    const idleUntilMs = this.#parts.lease(uploadId, work.object.sourceEtag, onlyIfAbsent, this.#now);
    if (idleUntilMs !== null) this.#now = Math.min(Math.max(this.#now, idleUntilMs), this.#now + WATCH_MS);
    if (this.#faulty && this.#chance(0.01)) this.#tell({ type: "streamInstead" });
  }

  /** @returns what the store lists of an upload, null if it cannot */
  #list(uploadId: string): ReadonlyMap<number, string> | null {
    try {
      this.#call("destination");
      if (!this.#listsParts) return null;
      return this.#store.upload(uploadId).parts;
    } catch (error) {
      if (!(error instanceof Refusal) || error.failure.code === "NoSuchUpload") throw error;
      if (saysNo(error.failure)) return null;
      throw error;
    }
  }

  #findParts(uploadId: string): void {
    const held = this.#list(uploadId) ?? new Map<number, string>();
    this.#parts.settleLost(held, this.#wantsDigests);
    this.#tell({ type: "partsFound" });
  }

  #checkParts(): void {
    const work = workOf(this.#job);
    if (work.phase !== "uploading") return;
    if (work.upload.kind === "parts") {
      const held = this.#list(work.upload.uploadId);
      if (held !== null && this.#parts.reconcile(held) > 0) return;
    }
    if (this.#faulty && work.object.timesRedone === 0 && this.#chance(0.05)) {
      this.#parts.reopenAll();
      return this.#tell({ type: "sentAgain", proof: work.object.proof });
    }
    this.#hear({ type: "partsChecked" });
  }

  #complete(uploadId: string): void {
    check(!this.#completeUnknown, "a second Complete was sent before the outcome of the first was known");
    check(this.#parts.areAllDone, "an upload was completed without all its parts");
    check(!this.#cancelled, "a cancelled copy was completed");
    if (this.#faulty && this.#chance(0.1)) this.#person();
    this.#tell({ type: "completeSending" });
    const work = workOf(this.#job);
    if (work.phase !== "completing" || !work.call.sent) return;
    this.#completeUnknown = true;
    this.#mayCrash();
    const chance = { now: this.#now, random: this.#random() };
    try {
      this.#call("destination", () => {
        if (this.#faulty && this.#chance(0.05)) throw new Refusal(failure("InvalidPart", 400));
        this.#store.complete(uploadId, { onlyIfAbsent: this.#ifExists !== "overwrite" });
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { failure: what } = error;
      const held = what.code === "InvalidPart" ? this.#list(uploadId) : null;
      if (held !== null) {
        return this.#hear({ type: "partsRefused", failure: what, ...chance }, () => {
          this.#parts.reconcile(held);
          this.#outcomeKnown();
        });
      }
      if (!isRefusal(what)) throw new Refusal({ ...what, operation: "CompleteMultipartUpload" });
      return this.#hear({ type: "completeRefused", failure: what, ...chance }, this.#outcomeKnown);
    }
    this.#hear({ type: "completed", etag: this.#chance(0.5) ? '"e-3"' : null }, this.#outcomeKnown);
  }

  readonly #outcomeKnown = () => {
    this.#completeUnknown = false;
  };

  #findObject(uploadId: string | null): void {
    try {
      this.#call("destination");
    } catch (error) {
      const denied = error instanceof Refusal && saysNo(error.failure);
      if (!denied || this.#job.phase !== "aborting") throw error;
      this.deniedALook = true;
      return this.#hear({ type: "objectAbsent", uploadGone: false }, this.#outcomeKnown);
    }
    if (this.#store.object.kind === "ours")
      return this.#hear({ type: "objectFound", etag: '"e-3"' }, this.#outcomeKnown);
    if (uploadId !== null) this.#call("destination");
    const uploadGone = uploadId !== null && !this.#store.uploads.has(uploadId);
    this.#hear({ type: "objectAbsent", uploadGone }, this.#outcomeKnown);
  }

  #verify(): void {
    this.#call("destination");
    const { kind } = this.#store.object;
    if (kind === "none") throw new Refusal(failure("object_not_visible", 404));
    if (kind === "foreign") throw new Refusal(failure("verification_failed", null, { side: "mesh" }));
    this.#hear({ type: "verified", etag: '"e-3"', proof: "part-md5" });
  }

  #abort(uploadId: string): void {
    checkAbortAllowed(this.#parts, this.#completeUnknown);
    this.#endUpload(uploadId);
    this.#hear({ type: "aborted" });
  }

  #endUpload(uploadId: string): void {
    // Some stores leave parts behind that landed during the abort.
    const stays = this.#faulty && this.#chance(0.05);
    this.#call("destination", () => {
      if (!stays) this.#store.uploads.delete(uploadId);
    });
    this.#call("destination");
    if (this.#store.uploads.has(uploadId)) throw new Refusal(failure("upload_still_there"));
  }

  /** Time goes on to the next try of what is owed. */
  waitForDebts(): void {
    this.#now = Math.max(this.#now, this.#debts.nextTryMs ?? 0);
  }

  #pay({ debt, sinceMs }: OwedDebt): void {
    this.seen.add(`paying ${debt.kind}`);
    const inUse = uploadOf(this.#job);
    switch (debt.kind) {
      case "upload":
        check(
          inUse?.kind !== "parts" || inUse.uploadId !== debt.uploadId,
          "an upload was aborted as a debt while it was in use",
        );
        return this.#endUpload(debt.uploadId);
      case "stray":
        this.#call("destination");
        return this.#endUploadsBetween(debt.sentAtMs, sinceMs);
      case "object":
        this.#call("destination");
        return this.#call("destination", () => this.#store.removeOurs());
    }
  }

  #partFailed(what: Failure): void {
    const work = workOf(this.#job);
    if (this.#job.phase !== "uploading" && !this.#chance(0.5)) return;
    if (what.code === "PreconditionFailed" && work.phase === "uploading" && work.upload.kind === "whole") {
      const exists = { ...what, code: "destination_exists" };
      return this.#tell({ type: "conflict", failure: exists, skip: this.#ifExists === "skip" });
    }
    this.#tell({ type: "partFailed", failure: what });
  }

  #person(): void {
    const type = this.#pick(["pause", "pause", "resume", "resume", "resume", "cancel", "mend"] as const);
    if (type === "mend") this.#store.credentials = "good";
    else this.#tell({ type });
  }

  /** What happens behind one's back. */
  #mishap(): void {
    if (this.#chance(0.6)) return this.#store.mishap(this.#random, this.#now);
    if (this.#chance(0.5)) {
      this.#now += Math.floor(10 * 60_000 * this.#random());
      return;
    }
    this.#isAheadBusy = false;
    if (this.#chance(0.7)) this.#tell({ type: "recheckQueue" });
  }

  /** Plays one call: its effect and its answer, its effect alone, or neither. */
  #call(side: "source" | "destination", effect: () => void = () => {}): void {
    check(this.#isOursToWrite, "a queued copy asked a store for something");
    const down = this.#store.refusal(this.#now);
    if (down !== null) throw new Refusal({ ...down, side });
    if (!this.#faulty) return effect();
    this.#mayCrash();
    if (this.#chance(0.05)) this.#person();
    const whim = this.#store.whim(this.#random());
    if (whim !== null) throw new Refusal({ ...whim, side });
    effect();
    this.#mayCrash();
    if (this.#chance(0.05)) throw new Refusal(failure("network", null, { side }));
    if (this.#chance(0.02)) throw new Refusal(failure("InternalError", 500, { side }));
    if (this.#chance(0.05)) this.#person();
  }

  #mayCrash(): void {
    if (this.#faulty && this.#chance(0.02)) throw new Crash();
  }

  #stepFailed(what: Failure): void {
    const before = this.#job;
    const event = { type: "stepFailed", failure: what, now: this.#now, random: this.#random() } as const;
    this.#tell(event);
    // What an abort that is broken off leaves behind is owed from now on.
    if (before.phase === "aborting" && this.#job.phase !== "aborting") {
      this.#debts.add(before, what, this.#now, event.random);
    }
  }

  /** Records an answer now, or after what lanes and people do in the meantime. */
  #hear(event: Event, onArrival: () => void = () => {}): void {
    if (this.#faulty && this.#chance(0.15)) {
      this.#answer = { event, onArrival, turnsLeft: 1 + Math.floor(this.#random() * 4) };
      return;
    }
    onArrival();
    this.#tell(event);
  }

  /** Records an event, sometimes twice. */
  #tell(event: Event): void {
    const times = this.#faulty && event.type !== "stepFailed" && this.#chance(0.1) ? 2 : 1;
    for (let time = 0; time < times; time++) {
      const before = this.#job;
      this.#job = apply(before, event);
      this.seen.add(`${before.phase}+${event.type}`);
      if (event.type === "cancel" && !isEnded(before)) this.#cancelled = true;
      if (this.#job.phase === "blocked" && before.phase !== "blocked")
        this.seen.add(`${this.#job.failure.code} blocks ${this.#job.resume.phase}`);
      if (event.type === "resume" && before !== this.#job) {
        this.#parts.forgive();
        this.#rested = workOf(before).phase === "uploading";
      }
      if (isEnded(before)) check(this.#job === before, `an ended copy was changed by ${event.type}`);
      if (this.#job.phase === "sizing" && before.phase === "aborting") {
        check(this.#parts.flying === 0, "a copy began again with a part in flight");
        this.#parts.plan(0);
      }
      if (event.type === "sized") {
        this.#parts.plan(this.#ofParts ? PARTS_PLAN.partCount : 1);
        this.#rested = false;
      }
      checkShape(this.#job);
    }
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)] as T;
  }
}
