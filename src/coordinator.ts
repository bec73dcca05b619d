// Coordinator: a Durable Object, one per copy of one object. It holds the upload ID and the part ETag table, decides
// what is done next, and is the status endpoint. No byte of the object passes through it.
//
// What it needs: the STORE_<NAME> secrets; the classes Lane and Registry beside it.
//
// How a copy runs. create() stores the request and sets the alarm. Each alarm takes steps until there is nothing to do
// but wait: job.ts decides the step, it is done, job.ts says what the answer changes, one transaction saves it. While
// parts are under way the lanes call claim(): they report what is finished and get new parts in the same call. The steps
// that talk to stores are in steps.ts, what they change is kept by record.ts.
//
// Invariants: the next alarm is set before anything else is done; what a call depends on (the upload ID, "Complete was
// sent") is on disk before the call; every step may run twice. Steps run in the alarm only, one at a time. Nothing is
// held in memory that storage does not have, but for those who wait for an answer, who ask again.

import { DurableObject } from "cloudflare:workers";
import { PARTS_PER_LANE } from "./api.ts";
import { Audience, type Stage, isWatch, watch } from "./audience.ts";
import { base64OfHex } from "./checksum.ts";
import type { Env } from "./env.ts";
import { type Failure, isPlatformLimit, saysNo } from "./failure.ts";
import { type Job, isEnded, nextStep, objectOf } from "./job.ts";
import { log } from "./log.ts";
import { PUSH_MS, type WorkCounters } from "./metrics.ts";
import type { Prepared, Upload } from "./phase.ts";
import { PartWatch } from "./part_watch.ts";
import { partRange, unitCount } from "./plan.ts";
import { Problem, jsonResponse } from "./problem.ts";
import { type CopyView, copyLine, copyResult } from "./progress.ts";
import { readCount } from "./query.ts";
import { newsFor } from "./outbox.ts";
import { type Copy, CopyRecord, newsOf } from "./record.ts";
import { HealthBook } from "./store_health.ts";
import { RATE_WINDOW_MS, copyStatus, partsPage } from "./status.ts";
import { Steps, dropHeader } from "./steps.ts";
import { partLimitMs } from "./time_limit.ts";
import type { Claim, Grant, PartTask } from "./work.ts";
import { Waiting } from "./waiting.ts";

/** How often the coordinator looks after its lanes while they work. */
const WATCH_MS = 10_000;
/** A lane that found every allowed part in flight asks again after this long. */
const CROWDED_MS = 500;
const SETTLE_MS = 1_000;
const REPORT_RETRY_MS = 5_000;
/** A queued copy is told when its turn has come; it looks by itself in case that word was lost. */
const QUEUE_LOOK_MS = 30_000;
const MAX_WAIT_SECONDS = 300;

export class Coordinator extends DurableObject<Env> {
  readonly #record = new CopyRecord(this.ctx.storage);
  readonly #steps = new Steps(this.#record, this.env);
  readonly #waiting = new Waiting();
  readonly #audience = new Audience(this.#stage());
  // In memory only: counters that are pushed once more are not counted twice.
  #pushedMs = 0;

  /** Stores a new copy and starts it; a repeated call changes nothing. */
  async create(id: string, spec: Copy["spec"], createdAtMs: number): Promise<void> {
    if (this.#record.find() !== null) return;
    await this.ctx.storage.setAlarm(Date.now());
    this.#record.begin(id, spec, createdAtMs);
  }

  // --- The status endpoint ------------------------------------------------------------------------------------------

  /** `GET /copies/{id}`, `GET …/parts|events|progress`, `POST …/pause|resume|cancel`; the front has checked the token. */
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, , id = "", action = ""] = url.pathname.split("/");
    try {
      if (this.#record.find() === null) throw new Problem(404, "copy_not_found", `There is no copy "${id}"`);
      if (isWatch(action)) return watch(this.#audience, action, request);
      if (action === "parts") return this.#answerParts(url.searchParams);
      if (action === "pause" || action === "resume" || action === "cancel") {
        this.#record.record({ type: action }, action);
        if (action === "resume") this.#record.debts.tryNow(Date.now());
        await this.ctx.storage.setAlarm(Date.now());
        this.#audience.changed();
      } else {
        await this.#waitForEnd(
          readCount(url.searchParams, "wait", { fallback: 0, min: 0, max: MAX_WAIT_SECONDS }),
        );
      }
      return this.#answerStatus();
    } catch (error) {
      if (error instanceof Problem) return error.toResponse();
      throw error;
    }
  }

  #answerStatus(): Response {
    return jsonResponse(this.#status());
  }

  #status(): Record<string, unknown> {
    const now = Date.now();
    return copyStatus({
      ...this.#record.load(),
      totals: this.#record.parts.totals(),
      recentBytes: this.#record.parts.bytesSince(now - RATE_WINDOW_MS),
      warnings: this.#record.warnings(),
      debts: this.#record.debts.all(),
      timeline: this.#record.timeline.entries(),
      now,
    });
  }

  #stage(): Stage {
    const record = this.#record;
    return {
      status: () => this.#status(),
      state: () => restOf(record.load().job),
      entries: (after) => record.timeline.after(after),
      parts: new PartWatch(record.parts, () => record.counts(record.load().job).total),
      line: (status, width) => copyLine(status as unknown as CopyView, width),
      result: (status) => copyResult(status as unknown as CopyView),
    };
  }

  #answerParts(query: URLSearchParams): Response {
    const after = readCount(query, "cursor", { fallback: 0, min: 0, max: 10_000 });
    const limit = readCount(query, "limit", { fallback: 1000, min: 1, max: 1000 });
    const plan = objectOf(this.#record.load().job)?.plan ?? null;
    return jsonResponse(partsPage(plan, this.#record.parts.page(after, limit), after, limit));
  }

  /** The registry's word that the copy before this one at the same destination has ended. */
  async takeTurn(): Promise<void> {
    if (this.#record.find() === null) return;
    this.#record.record({ type: "look" });
    await this.ctx.storage.setAlarm(Date.now());
  }

  async #waitForEnd(waitSeconds: number): Promise<void> {
    if (waitSeconds > 0 && !isAtRest(this.#record.load().job)) await this.#waiting.wait(waitSeconds);
  }

  // --- The lanes' side ----------------------------------------------------------------------------------------------

  /** Takes a lane's reports and gives it new parts, in one transaction. */
  async claim(claim: Claim): Promise<Grant> {
    const now = Date.now();
    if (this.#record.find() === null) return { kind: "stop" };
    const { grant, turned } = this.#record.transaction(() => {
      const { parts, lanes, timeline } = this.#record;
      lanes.expect(claim.lane, now);
      for (const { partNumber, attempt, result } of claim.finished) {
        if (!result.ok && result.failure.code !== "cancelled") {
          this.#record.tally.add(result.failure);
          timeline.add(
            now,
            "part_failed",
            `part ${partNumber}, attempt ${attempt}: ${result.failure.message}`,
          );
        }
      }
      const health = new HealthBook(this.#record.healths());
      const failure = parts.record(claim, { now, random: Math.random, health });
      if (claim.finished.length > 0) this.#record.saveHealths(health.healths);
      if (failure !== null) this.#partFailed(failure);
      const copy = this.#record.load();
      const { job } = copy;
      this.#freeWhole(job, now);
      const granted = this.#grant(copy, claim, health, now);
      if (claim.running.length === 0 && granted.kind !== "work") lanes.forget(claim.lane);
      const counts = this.#record.counts(job);
      const next = nextStep(job, counts, now).do;
      const due = (next !== "tendLanes" && next !== "rest") || this.#news(copy) !== copy.reported;
      return { grant: granted, turned: due && (claim.finished.length > 0 || counts.lost > 0) };
    });
    // The last part is in, the last one in flight has settled, parts are lost, or the phase has changed: that need not
    // wait for the watch.
    if (turned) await this.ctx.storage.setAlarm(now);
    this.#audience.changed();
    return grant;
  }

  /** A part has failed for good. What can the copy do without? If nothing, it ends. */
  #partFailed(failure: Failure): void {
    const { job } = this.#record.load();
    if (job.phase !== "uploading") return;
    const { object, upload } = job;
    const exists = failure.code === "PreconditionFailed" && failure.side === "destination";
    if (exists && upload.kind === "whole") {
      const conflict = { ...failure, code: "destination_exists" };
      this.#record.record(
        { type: "conflict", failure: conflict, skip: object.ifExists === "skip" },
        "destination_exists",
      );
    } else if (object.via === "server" && failure.code !== "source_changed" && saysNo(failure)) {
      this.#record.record({ type: "streamInstead" }, "stream_instead", failure.message);
    } else if (failure.code === "BadDigest" && object.proof.contentMd5 !== null) {
      // Three times other bytes than the source's ETag says: perhaps that ETag is no MD5. Our own digest will tell.
      const proof = {
        ...object.proof,
        etag: "not-comparable" as const,
        contentMd5: null,
        digests: ["md5" as const],
      };
      this.#record.record({ type: "sentAgain", proof }, "sent_again", failure.message);
    } else if (!(upload.kind === "whole" && dropHeader(this.#record, object.headers, failure))) {
      this.#record.record({ type: "partFailed", failure });
    }
  }

  #grant({ id, spec, job }: Copy, { lane, wanted }: Claim, health: HealthBook, now: number): Grant {
    if (job.phase === "aborting" || isEnded(job)) return { kind: "stop" };
    // A paused, blocked or completing copy hands out no parts; those that run may finish.
    if (job.phase !== "uploading" || job.source === "unchecked") return { kind: "rest" };
    const { object, upload } = job;
    const { plan } = object;
    const { parts } = this.#record;
    const partCount = unitCount(plan);
    const { inFlight } = parts.totals();
    const pace = health.pace();
    // A store that is down is asked by one part at a time, lest all of them find out each for itself.
    const probes = pace.kind === "probe" && pace.probeAtMs <= now ? 1 : 0;
    const room = (pace.kind === "full" ? spec.concurrency : probes) - inFlight;
    const lengthOf = (partNumber: number) => partRange(plan, partNumber).length;
    const leased = parts.lease(lane, Math.min(wanted, room), { partCount, lengthOf, now });
    const target = targetOf(object, upload);
    // A stream that is watched is known to stall long before its time is over, and may be slow as long as it moves.
    const slowestMsPerMib = object.proof.digests.length > 0 ? null : parts.slowestMsPerMib();
    const tasks = leased.map(({ partNumber, attempt, failedAttempts, heldEtag }): PartTask => ({
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
      limitMs: partLimitMs(lengthOf(partNumber), slowestMsPerMib, failedAttempts),
      digests: object.proof.digests,
      heldEtag,
      target,
    }));
    const waiting = parts.waiting(partCount);
    if (waiting.count === 0 && tasks.length === 0) return { kind: "rest" };
    const full = tasks.length === wanted || waiting.count === 0;
    const readyMs = pace.kind === "full" ? waiting.earliestMs : Math.max(waiting.earliestMs, pace.probeAtMs);
    return { kind: "work", tasks, retryInMs: full ? null : Math.max(CROWDED_MS, readyMs - now) };
  }

  // --- The alarm ----------------------------------------------------------------------------------------------------

  override async alarm(): Promise<void> {
    // First of all: an alarm that has fired is used up, and a copy without one would sleep for ever.
    await this.ctx.storage.setAlarm(Date.now() + WATCH_MS);
    if (this.#record.find() === null) return this.ctx.storage.deleteAlarm();
    try {
      const nextAlarmMs = await this.#advance();
      if (nextAlarmMs === null) await this.ctx.storage.deleteAlarm();
      else await this.ctx.storage.setAlarm(nextAlarmMs);
    } catch (error) {
      // Not a store's failure but ours or the platform's (an overloaded object, a depth limit): the alarm set above
      // goes on from what is stored. The platform's own six retries are not used up that way.
      const detail = error instanceof Error ? error.message : String(error);
      const event = isPlatformLimit(error) ? "yielded" : "step_crashed";
      log("error", event, { copyId: this.#record.load().id, detail });
      this.#record.timeline.add(Date.now(), event, detail);
    }
  }

  /** Takes steps until there is nothing to do but wait. @returns until when, or null for never */
  async #advance(): Promise<number | null> {
    this.#record.markStarted(Date.now());
    for (;;) {
      const dueMs = this.#record.debts.nextTryMs();
      if (dueMs !== null && dueMs <= Date.now()) await this.#steps.payDebts();
      const reported = await this.#report();
      const { job } = this.#record.load();
      if (isAtRest(job)) this.#waiting.wake();
      this.#audience.changed();
      const step = nextStep(job, this.#record.counts(job), Date.now());
      switch (step.do) {
        case "rest":
          return earliest(
            step.untilMs,
            this.#record.debts.nextTryMs(),
            reported ? null : Date.now() + REPORT_RETRY_MS,
          );
        case "takeTurn":
          await this.#takeTurn();
          break;
        case "tendLanes":
          await this.#tendLanes(job);
          break;
        case "settleParts":
          await this.#settleParts();
          break;
        default:
          await this.#steps.take(step);
      }
      // Nothing is awaited between this look and the alarm's setting, so no report can slip in between.
      const after = this.#record.load().job;
      const next = nextStep(after, this.#record.counts(after), Date.now()).do;
      if (step.do === "tendLanes" && next === "tendLanes") return Date.now() + WATCH_MS;
      if (step.do === "settleParts" && next === "settleParts") return Date.now() + SETTLE_MS;
    }
  }

  /** Lanes that are wanted and asleep are woken; parts of lanes that died are handed out again. */
  async #tendLanes(job: Job): Promise<void> {
    const object = objectOf(job);
    if (object === null) return;
    const { id, spec } = this.#record.load();
    const { parts, lanes, timeline } = this.#record;
    const now = Date.now();
    const wake = this.#record.transaction(() => {
      for (const lane of this.#record.releaseSilent(now)) timeline.add(now, "lane_lost", `lane ${lane}`);
      this.#freeWhole(job, now);
      const awake = new Set(lanes.live());
      const most = Math.min(spec.lanes, Math.ceil(spec.concurrency / PARTS_PER_LANE)) - awake.size;
      const wanted = Math.min(most, Math.ceil(parts.waiting(unitCount(object.plan)).count / PARTS_PER_LANE));
      const asleep: number[] = [];
      for (let lane = 1; asleep.length < wanted; lane++) if (!awake.has(lane)) asleep.push(lane);
      for (const lane of asleep) lanes.expect(lane, now);
      return asleep;
    });
    const woken = await Promise.allSettled(
      wake.map((lane) => this.#lane(id, lane).wake({ copyId: id, lane })),
    );
    for (const [index, result] of woken.entries()) {
      const lane = wake[index];
      if (result.status === "fulfilled" || lane === undefined) continue;
      lanes.forget(lane); // the next watch wakes it again
      timeline.add(Date.now(), "lane_asleep", `lane ${lane}: ${String(result.reason)}`);
    }
  }

  /** Of an object that is sent whole no list of parts tells: when its lane has died it is sent again. */
  #freeWhole(job: Job, now: number): void {
    if (job.phase === "uploading" && job.upload.kind === "whole")
      this.#record.parts.settleLost([], false, now);
  }

  /** Nothing is aborted while a part is in flight: it would land afterwards and stay. */
  async #settleParts(): Promise<void> {
    const { id } = this.#record.load();
    this.#record.releaseSilent(Date.now());
    await Promise.all(this.#record.lanes.live().map((lane) => this.#lane(id, lane).stop()));
  }

  /** Is it this copy's turn to write the destination? Copies to one object go one after the other. */
  async #takeTurn(): Promise<void> {
    const { id, job } = this.#record.load();
    const behind = await this.ctx.exports.Registry.getByName("registry").whoIsAhead(id);
    if (behind === null) {
      this.#record.record({ type: "turn" });
      return;
    }
    const isNews = job.phase === "queued" && job.behind !== behind;
    const lookAtMs = Date.now() + QUEUE_LOOK_MS;
    this.#record.record({ type: "notYet", behind, lookAtMs }, isNews ? "queued_behind" : null, behind);
  }

  #news({ job }: Copy): string {
    return newsOf(job.phase, this.#record.debts.count());
  }

  /** Tells the registry of a new phase, and of what is owed. @returns whether it knows the present state */
  async #report(): Promise<boolean> {
    const copy = this.#record.load();
    const { id, job, reported, endedAtMs } = copy;
    const news = this.#news(copy);
    const pushes = job.phase === "uploading" && Date.now() - this.#pushedMs >= PUSH_MS;
    if (reported === news && !pushes) return true;
    this.#pushedMs = Date.now();
    try {
      await this.ctx.exports.Registry.getByName("registry").report(id, {
        phase: job.phase,
        endedAtMs,
        orphans: this.#record.debts.count(),
        counters: this.#counters(),
        news: newsFor("copy", job.phase, this.#status()),
      });
    } catch (error) {
      // The copy does not wait for its index; the next step or alarm tells again.
      log("error", "report_failed", { copyId: id, detail: String(error) });
      return false;
    }
    this.#record.markReported(news);
    return this.#news(this.#record.load()) === news;
  }

  #counters(): WorkCounters {
    const { parts, tally, lanes } = this.#record;
    const { doneBytes, done, attempts, inFlight } = parts.totals();
    return {
      kind: "copy",
      bytes: doneBytes,
      parts: done,
      partAttempts: attempts,
      failures: tally.all(),
      partsInFlight: inFlight,
      lanes: lanes.live().length,
    };
  }

  #lane(id: string, lane: number) {
    return this.ctx.exports.Lane.getByName(`${id}/${lane}`);
  }
}

/** Will this copy do anything by itself? One that has ended, or waits for a person, is news to whoever waits. */
function isAtRest(job: Job): boolean {
  return isEnded(job) || job.phase === "blocked";
}

function restOf(job: Job): ReturnType<Stage["state"]> {
  if (isEnded(job)) return "ended";
  if (job.phase === "blocked") return "stuck";
  return job.phase === "paused" || job.phase === "queued" ? "waiting" : "working";
}

/** The first of some times; null stands for never. */
function earliest(...timesMs: readonly (number | null)[]): number | null {
  const known = timesMs.filter((ms) => ms !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** Where the lanes' bytes go: a part of the upload, or the one PutObject with its attributes and conditions. */
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
