// A world for one job: a store, a part table and lanes, all in memory and driven by a seed, with a coordinator that does
// what nextStep() says and tells apply() what came of it.
//
// While faults are on, calls go unanswered before or after their effect, are refused, or take the coordinator down
// between any two lines; answers come twice; parts fail, land unreported or die with their lane; people pause, resume
// and cancel at any moment, also between a call and its answer. Every rule that must hold is checked where it could
// break.

import type { Failure } from "../../src/failure.ts";
import { apply, isEnded, newJob, nextStep, workOf } from "../../src/job.ts";
import type { Event, Job, PartCounts, Prepared, Step } from "../../src/phase.ts";
import { PARTS_PLAN, WHOLE_PLAN, failure, prepared, seeded } from "./samples.ts";

class Crash extends Error {}

/** A call of the coordinator to the store that did not succeed. */
class Refusal extends Error {
  readonly failure: Failure;

  constructor(what: Failure) {
    super(what.code);
    this.failure = what;
  }
}

interface Flight {
  readonly part: number;
  readonly uploadId: string | null;
}

type PartState = "pending" | "leased" | "done";

export class Simulation {
  readonly #random: () => number;
  readonly #ofParts: boolean;
  readonly #ifExists: Prepared["ifExists"];
  readonly #remembersUploads: boolean;
  #job: Job = newJob();
  #now = 1_000_000;
  // The store.
  #uploads = new Map<string, { readonly sinceMs: number; readonly parts: Set<number> }>();
  #completed = new Set<string>();
  #object: "none" | "ours" | "foreign" = "none";
  #serial = 0;
  // The part table and the lanes.
  #parts: PartState[] = [];
  #flights: Flight[] = [];
  /** A Complete was sent, and nothing has told the job what came of it. */
  #completeUnknown = false;
  #cancelled = false;
  faulty = true;
  steps = 0;
  warnings = 0;
  /** A refusal for good was played: a copy may then end without having seen the destination. */
  refusedForGood = false;
  readonly seen = new Set<string>();

  constructor(seed: number) {
    this.#random = seeded(seed);
    this.#ofParts = this.#chance(0.8);
    this.#ifExists = this.#pick(["overwrite", "overwrite", "skip", "fail"]);
    this.#remembersUploads = this.#chance(0.5);
  }

  get job(): Job {
    return this.#job;
  }

  get leftUploads(): number {
    return this.#uploads.size;
  }

  get object(): "none" | "ours" | "foreign" {
    return this.#object;
  }

  /** One turn of the coordinator, of a lane or of a person. */
  turn(): void {
    this.steps += 1;
    this.#now += Math.floor(this.#random() * 500);
    if (this.faulty && this.#chance(0.03)) this.#person();
    if (this.faulty && this.#chance(0.01)) this.#mishap();
    if (!this.faulty && (this.#job.phase === "paused" || this.#job.phase === "blocked")) {
      this.#tell({ type: "resume" });
    }
    this.#fly();
    const step = nextStep(this.#job, this.#counts(), this.#now);
    this.seen.add(step.do);
    try {
      this.#take(step);
    } catch (error) {
      if (error instanceof Refusal) this.#stepFailed(error.failure);
      else if (!(error instanceof Crash)) throw error;
      // After a crash there is what was stored, and nothing else.
      else this.#job = JSON.parse(JSON.stringify(this.#job)) as Job;
    }
  }

  #take(step: Step): void {
    switch (step.do) {
      case "rest":
        if (step.untilMs !== null) this.#now = Math.max(this.#now, step.untilMs);
        return;
      case "prepare":
        return this.#prepare(step.via, step.restarts);
      case "createUpload":
        return this.#createUpload();
      case "sweep":
        return this.#sweep(step.sinceMs);
      case "tendLanes":
        return this.#tendLanes();
      case "checkParts":
        return this.#checkParts();
      case "complete":
        return this.#complete(step.uploadId);
      case "findObject":
        return this.#findObject(step.uploadId);
      case "verify":
        return this.#verify();
      case "settleParts":
        // Lanes are told to stop; what they ran ends one way or the other.
        while (this.#flights.length > 0) this.#land(this.#flights[0] as Flight);
        this.#releaseSilent();
        return;
      case "abort":
        return this.#abort(step.uploadId);
    }
  }

  #prepare(via: "auto" | "stream", restarts: number): void {
    this.#call("source");
    if (this.#ifExists !== "overwrite" && this.#object !== "none") {
      const exists = failure("destination_exists", null, { side: "mesh" });
      return this.#tell({ type: "conflict", failure: exists, skip: this.#ifExists === "skip" });
    }
    this.#tell({
      type: "sized",
      object: prepared({
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
        uploadId = `upload-${++this.#serial}`;
        this.#uploads.set(uploadId, { sinceMs: this.#now, parts: new Set() });
      });
    } catch (error) {
      if (error instanceof Refusal && error.failure.status !== null && error.failure.status < 500) {
        this.#tell({ type: "swept" });
        if (this.#chance(0.3)) return this.#tell({ type: "headerDropped", header: "x-amz-tagging" });
      }
      throw error;
    }
    this.#tell({ type: "created", uploadId });
  }

  #sweep(sinceMs: number): void {
    if (this.#job.phase === "aborting") this.#checkAbortAllowed();
    for (const [uploadId, { sinceMs: begun }] of this.#uploads) {
      if (begun < sinceMs) continue;
      try {
        this.#call("destination", () => this.#uploads.delete(uploadId));
      } catch (error) {
        if (!(error instanceof Refusal) || error.failure.code !== "AccessDenied") throw error;
        this.warnings += 1;
      }
    }
    this.#tell({ type: "swept" });
  }

  #tendLanes(): void {
    const work = workOf(this.#job);
    if (work.phase !== "uploading") return;
    const uploadId = work.upload.kind === "parts" ? work.upload.uploadId : null;
    if (this.#chance(0.05)) this.#releaseSilent();
    for (const [index, state] of this.#parts.entries()) {
      if (state !== "pending" || this.#flights.length >= 2) continue;
      this.#parts[index] = "leased";
      this.#flights.push({ part: index, uploadId });
    }
    if (this.faulty && this.#chance(0.02)) this.#tell({ type: "streamInstead" });
  }

  #checkParts(): void {
    const work = workOf(this.#job);
    if (work.phase !== "uploading") return;
    if (work.upload.kind === "parts") {
      this.#call("destination");
      const held = this.#upload(work.upload.uploadId).parts;
      const lost = this.#reconcile(held);
      if (lost > 0) return;
    }
    if (this.faulty && work.object.timesRedone === 0 && this.#chance(0.05)) {
      this.#parts.fill("pending");
      return this.#tell({ type: "sentAgain", proof: work.object.proof });
    }
    this.#tell({ type: "partsChecked" });
  }

  #complete(uploadId: string): void {
    check(!this.#completeUnknown, "a second Complete was sent before the outcome of the first was known");
    check(this.#counts().done === PARTS_PLAN.partCount, "an upload was completed without all its parts");
    check(!this.#cancelled, "a cancelled copy was completed");
    if (this.faulty && this.#chance(0.1)) this.#person();
    this.#tell({ type: "completeSending" });
    const work = workOf(this.#job);
    if (work.phase !== "completing" || !work.call.sent) return;
    this.#completeUnknown = true;
    this.#mayCrash();
    const chance = { now: this.#now, random: this.#random() };
    try {
      this.#call("destination", () => {
        if (this.#completed.has(uploadId) && this.#remembersUploads) return;
        const { parts } = this.#upload(uploadId);
        if (this.#object === "foreign" && this.#ifExists !== "overwrite") {
          throw new Refusal(failure("PreconditionFailed", 412, { operation: "CompleteMultipartUpload" }));
        }
        if (parts.size < PARTS_PLAN.partCount || (this.faulty && this.#chance(0.05))) {
          throw new Refusal(failure("InvalidPart", 400, { operation: "CompleteMultipartUpload" }));
        }
        this.#uploads.delete(uploadId);
        this.#completed.add(uploadId);
        this.#object = "ours";
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { failure: what } = error;
      if (what.code === "InvalidPart") {
        const upload = this.#uploads.get(uploadId);
        if (upload === undefined) throw error;
        this.#reconcile(upload.parts);
        this.#completeUnknown = false;
        return this.#tell({ type: "partsRefused", failure: what, ...chance });
      }
      const refused = what.status !== null && what.status < 500 && ![404, 412].includes(what.status);
      if (!refused) throw error;
      this.#completeUnknown = false;
      return this.#tell({ type: "completeRefused", failure: what, ...chance });
    }
    this.#completeUnknown = false;
    this.#tell({ type: "completed", etag: this.#chance(0.5) ? '"e-3"' : null });
  }

  #findObject(uploadId: string | null): void {
    try {
      this.#call("destination");
    } catch (error) {
      const denied = error instanceof Refusal && error.failure.code === "AccessDenied";
      if (!(denied && this.#job.phase === "aborting")) throw error;
      return this.#tell({ type: "objectAbsent", uploadGone: false });
    }
    if (this.#object === "ours") {
      this.#completeUnknown = false;
      return this.#tell({ type: "objectFound", etag: '"e-3"' });
    }
    if (uploadId !== null) this.#call("destination");
    this.#completeUnknown = false;
    this.#tell({ type: "objectAbsent", uploadGone: uploadId !== null && !this.#uploads.has(uploadId) });
  }

  #verify(): void {
    this.#call("destination");
    const seen = this.#object;
    if (seen === "none") throw new Refusal(failure("object_not_visible", 404));
    if (seen === "foreign") throw new Refusal(failure("verification_failed", null, { side: "mesh" }));
    this.#tell({ type: "verified", etag: '"e-3"', proof: "part-md5" });
  }

  #abort(uploadId: string): void {
    this.#checkAbortAllowed();
    this.#call("destination", () => this.#uploads.delete(uploadId));
    this.#call("destination");
    this.#tell({ type: "aborted" });
  }

  #checkAbortAllowed(): void {
    check(this.#flights.length === 0, "an upload was aborted with a part in flight");
    check(this.#counts().inFlight === 0, "an upload was aborted with a part leased");
    check(!this.#completeUnknown, "an upload was aborted while the outcome of its Complete was unknown");
  }

  /** Parts move on. */
  #fly(): void {
    for (const flight of this.#flights) if (this.#chance(0.4)) this.#land(flight);
  }

  #land(flight: Flight): void {
    this.#flights = this.#flights.filter((other) => other !== flight);
    const { part, uploadId } = flight;
    const fate = this.faulty ? this.#random() : 1;
    const upload = uploadId === null ? null : this.#uploads.get(uploadId);
    if (upload === undefined) return this.#partFailed(part, failure("NoSuchUpload", 404));
    if (fate < 0.1) {
      this.#parts[part] = "pending"; // failed before it landed, and is tried again
      return;
    }
    if (fate < 0.12) return this.#partFailed(part, failure("ExpiredToken", 400));
    if (fate < 0.125) {
      this.refusedForGood = true;
      return this.#partFailed(part, failure("AccessDenied", 403));
    }
    if (fate < 0.135) return this.#partFailed(part, failure("source_changed", 412, { side: "source" }));
    if (upload === null) {
      if (this.#object === "foreign" && this.#ifExists !== "overwrite") {
        this.#parts[part] = "pending";
        const exists = failure("destination_exists", 412);
        return this.#tell({ type: "conflict", failure: exists, skip: this.#ifExists === "skip" });
      }
      this.#object = "ours";
    } else {
      upload.parts.add(part);
    }
    if (fate < 0.2) return; // it landed, its lane died: leased until the lane has been silent for long enough
    this.#parts[part] = "done";
  }

  #partFailed(part: number, what: Failure): void {
    this.#parts[part] = "pending";
    this.#tell({ type: "partFailed", failure: what });
  }

  #releaseSilent(): void {
    const flying = new Set(this.#flights.map(({ part }) => part));
    for (const [index, state] of this.#parts.entries()) {
      if (state === "leased" && !flying.has(index)) this.#parts[index] = "pending";
    }
  }

  /** @returns how many parts must be sent again */
  #reconcile(held: ReadonlySet<number>): number {
    let lost = 0;
    for (const [index, state] of this.#parts.entries()) {
      if (state !== "done" || held.has(index)) continue;
      this.#parts[index] = "pending";
      lost += 1;
    }
    return lost;
  }

  #person(): void {
    const type = this.#pick(["pause", "pause", "resume", "resume", "resume", "cancel"] as const);
    if (type === "cancel") this.#cancelled = true;
    this.#tell({ type });
  }

  /** What stores do behind one's back. */
  #mishap(): void {
    const [upload] = [...this.#uploads.values()];
    const fate = this.#random();
    if (fate < 0.3)
      this.#uploads.clear(); // a lifecycle rule
    else if (fate < 0.7) upload?.parts.delete(0);
    else if (this.#object === "none") this.#object = "foreign";
  }

  /** Plays one call: its effect and its answer, its effect alone, or neither. */
  #call(side: "source" | "destination", effect: () => void = () => {}): void {
    if (this.faulty) {
      this.#mayCrash();
      if (this.#chance(0.05)) this.#person();
      const fate = this.#random();
      const refusal =
        fate < 0.05
          ? failure("network", null)
          : fate < 0.1
            ? failure("SlowDown", 503)
            : fate < 0.11
              ? failure("ExpiredToken", 400)
              : fate < 0.12
                ? failure("TooManyRequests", 429)
                : fate < 0.123
                  ? failure("AccessDenied", 403)
                  : null;
      if (refusal?.code === "AccessDenied") this.refusedForGood = true;
      if (refusal !== null) throw new Refusal({ ...refusal, side });
      effect();
      this.#mayCrash();
      if (this.#chance(0.05)) throw new Refusal(failure("network", null, { side })); // done, and the answer lost
      if (this.#chance(0.02)) throw new Refusal(failure("InternalError", 500, { side }));
      if (this.#chance(0.05)) this.#person();
      return;
    }
    effect();
  }

  #mayCrash(): void {
    if (this.faulty && this.#chance(0.02)) throw new Crash();
  }

  #stepFailed(what: Failure): void {
    const { phase } = this.#job;
    this.#tell({ type: "stepFailed", failure: what, now: this.#now, random: this.#random() });
    if (phase === "aborting" && this.#job.phase !== "aborting") this.warnings += 1;
  }

  /** Records an answer, sometimes twice. */
  #tell(event: Event): void {
    const times = this.faulty && this.#chance(0.1) ? 2 : 1;
    for (let time = 0; time < times; time++) {
      const before = this.#job;
      this.#job = apply(before, event);
      this.seen.add(`${before.phase}+${event.type}`);
      if (isEnded(before)) check(this.#job === before, `an ended copy was changed by ${event.type}`);
      const work = workOf(this.#job);
      if (work.phase === "sizing") check(work.restarts <= 3, "a copy began again more than three times");
      if (this.#job.phase === "sizing" && before.phase !== "sizing" && before.phase !== "paused") {
        check(this.#flights.length === 0, "a copy began again with a part in flight");
      }
      if (event.type === "sized") {
        this.#parts = Array<PartState>(this.#ofParts ? PARTS_PLAN.partCount : 1).fill("pending");
      }
    }
  }

  #upload(uploadId: string): { readonly parts: Set<number> } {
    const upload = this.#uploads.get(uploadId);
    if (upload === undefined) throw new Refusal(failure("NoSuchUpload", 404));
    return upload;
  }

  #counts(): PartCounts {
    const count = (state: PartState) => this.#parts.filter((other) => other === state).length;
    return { total: this.#parts.length, done: count("done"), inFlight: count("leased") };
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)] as T;
  }
}

function check(holds: boolean, rule: string): void {
  if (!holds) throw new Error(`Rule broken: ${rule}`);
}
