// Coordinator: a Durable Object, one per copy of one object. It holds the upload ID and the part ETag table, decides
// what is done next, and is the status endpoint. No byte of the object passes through it.
//
// What it needs: the STORE_<NAME> secrets; the classes Lane and Registry beside it.
//
// How a copy runs. create() stores the request and sets the alarm. Each alarm takes steps until there is nothing to do
// but wait: job.ts decides the step, this file does it, job.ts records the answer, one transaction saves it. While
// parts are under way the lanes call claim(): they report what is finished and get new parts in the same call.
//
// Invariants: the next alarm is set before anything else is done; what a call depends on (the upload ID, "Complete was
// sent") is on disk before the call; every step may run twice. Steps run in the alarm only, one at a time. Nothing is
// held in memory that storage does not have, but for those who wait for an answer, who ask again.

import { DurableObject } from "cloudflare:workers";
import { type CopySpec, planLimits } from "./api.ts";
import { COPY_ID_HEADER, attributeHeaders } from "./attributes.ts";
import type { Env } from "./env.ts";
import { type Failure, type Side, meshFailure, verdictOf } from "./failure.ts";
import {
  type Event,
  type Job,
  type Prepared,
  type Step,
  type Upload,
  apply,
  isEnded,
  newJob,
  nextStep,
  objectOf,
  takesParts,
} from "./job.ts";
import { PARTS_PER_LANE } from "./api.ts";
import { PartTable } from "./part_table.ts";
import { partRange, planCopy, unitCount } from "./plan.ts";
import { Problem, jsonResponse } from "./problem.ts";
import { proofOf } from "./proof.ts";
import {
  type S3,
  S3Error,
  abortMultipartUpload,
  completeMultipartUpload,
  connect,
  createMultipartUpload,
  headObject,
  listParts,
} from "./s3.ts";
import { RATE_WINDOW_MS, copyStatus, partsPage } from "./status.ts";
import { findStore } from "./stores.ts";
import { Timeline } from "./timeline.ts";
import type { Claim, Grant, PartTask } from "./work.ts";

/** How often the coordinator looks after its lanes while they work. */
const WATCH_MS = 30_000;
/** A lane that found every allowed part in flight asks again after this long. */
const CROWDED_MS = 500;
const SETTLE_MS = 1_000;
const REPORT_RETRY_MS = 5_000;
const MAX_WAIT_SECONDS = 300;

interface Copy {
  readonly id: string;
  readonly spec: CopySpec;
  readonly job: Job;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** The phase that the registry knows of. */
  readonly reported: string | null;
}

export class Coordinator extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  readonly #parts = new PartTable(this.#sql);
  readonly #timeline = new Timeline(this.#sql);
  // Requests with ?wait=. In memory only: if this object is evicted their connection breaks and they ask again.
  readonly #waiting = new Set<() => void>();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS copy (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- CopySpec
        job TEXT NOT NULL,               -- Job
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        reported TEXT
      );
      CREATE TABLE IF NOT EXISTS warnings (text TEXT PRIMARY KEY);
    `);
  }

  /** Stores a new copy and starts it; a repeated call changes nothing. */
  async create(id: string, spec: CopySpec, createdAtMs: number): Promise<void> {
    if (this.#load() !== null) return;
    await this.ctx.storage.setAlarm(Date.now());
    this.ctx.storage.transactionSync(() => {
      this.#sql.exec(
        "INSERT OR IGNORE INTO copy (one, id, spec, job, created_at_ms) VALUES (1, ?, ?, ?, ?)",
        id,
        JSON.stringify(spec),
        JSON.stringify(newJob()),
        createdAtMs,
      );
      this.#timeline.add(Date.now(), "created");
    });
  }

  // --- The status endpoint ------------------------------------------------------------------------------------------

  /** `GET /copies/{id}`, `GET …/parts`, `POST …/pause|resume|cancel`; the front has checked the token. */
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, , id = "", action = ""] = url.pathname.split("/");
    try {
      if (this.#load() === null) throw new Problem(404, "copy_not_found", `There is no copy "${id}"`);
      if (action === "parts") return this.#answerParts(url.searchParams);
      if (action === "pause" || action === "resume" || action === "cancel") {
        this.#record({ type: action }, action);
        await this.ctx.storage.setAlarm(Date.now());
      } else {
        await this.#waitForEnd(readCount(url.searchParams, "wait", 0, MAX_WAIT_SECONDS));
      }
      return this.#answerStatus();
    } catch (error) {
      if (error instanceof Problem) return error.toResponse();
      throw error;
    }
  }

  #answerStatus(): Response {
    const copy = this.#copy();
    const now = Date.now();
    return jsonResponse(
      copyStatus({
        ...copy,
        totals: this.#parts.totals(),
        recentBytes: this.#parts.bytesSince(now - RATE_WINDOW_MS),
        warnings: this.#sql
          .exec("SELECT text FROM warnings ORDER BY rowid")
          .toArray()
          .map((row) => String(row["text"])),
        timeline: this.#timeline.entries(),
        now,
      }),
    );
  }

  #answerParts(query: URLSearchParams): Response {
    const after = readCount(query, "cursor", 0, 10_000);
    const limit = readCount(query, "limit", 1000, 1000);
    const plan = objectOf(this.#copy().job)?.plan ?? null;
    return jsonResponse(partsPage(plan, this.#parts.page(after, limit), after, limit));
  }

  async #waitForEnd(waitSeconds: number): Promise<void> {
    if (waitSeconds === 0 || isEnded(this.#copy().job)) return;
    let wake = () => {};
    const ended = new Promise<void>((resolve) => (wake = resolve));
    this.#waiting.add(wake);
    const timer = setTimeout(wake, waitSeconds * 1000);
    await ended;
    clearTimeout(timer);
    this.#waiting.delete(wake);
  }

  // --- The lanes' side ----------------------------------------------------------------------------------------------

  /** Takes a lane's reports and gives it new parts, in one transaction. */
  async claim(claim: Claim): Promise<Grant> {
    const now = Date.now();
    const { grant, turned } = this.ctx.storage.transactionSync(() => {
      const copy = this.#load();
      if (copy === null) return { grant: { kind: "stop" } as const, turned: false };
      const failure = this.#parts.record(claim, now, Math.random);
      for (const { partNumber, attempt, result } of claim.finished) {
        if (!result.ok && result.failure.code !== "cancelled") {
          this.#timeline.add(
            now,
            "part_failed",
            `part ${partNumber}, attempt ${attempt}: ${result.failure.message}`,
          );
        }
      }
      const job = failure === null ? copy.job : this.#record({ type: "partFailed", failure }, null).job;
      const grant = this.#grant({ ...copy, job }, claim, now);
      const nothingRuns = claim.running.length === 0 && grant.kind !== "work";
      if (nothingRuns) this.#parts.forgetLane(claim.lane);
      const next = nextStep(job, this.#counts(job), now);
      return { grant, turned: next.do !== "tendLanes" && next.do !== "rest" && claim.finished.length > 0 };
    });
    // The last part is in, or the last one in flight has settled: the next step need not wait for the watch.
    if (turned) await this.ctx.storage.setAlarm(now);
    return grant;
  }

  #grant({ id, spec, job }: Copy, { lane, wanted }: Claim, now: number): Grant {
    if (job.phase === "aborting" || isEnded(job)) return { kind: "stop" };
    const object = objectOf(job);
    if (!takesParts(job) || job.phase !== "uploading" || object === null) return { kind: "rest" };
    const { upload } = job;
    const { plan } = object;
    const partCount = unitCount(plan);
    const room = spec.concurrency - this.#parts.totals().inFlight;
    const lengthOf = (partNumber: number) => partRange(plan, partNumber).length;
    const leased = this.#parts.lease(lane, Math.min(wanted, room), { partCount, lengthOf, now });
    const tasks = leased.map(({ partNumber, attempt }): PartTask => ({
      copyId: id,
      lane,
      partNumber,
      attempt,
      source: spec.source,
      destination: spec.destination,
      sourceEtag: object.sourceEtag,
      objectBytes: plan.sizeBytes,
      ...partRange(plan, partNumber),
      target:
        upload.kind === "whole"
          ? { kind: "whole", headers: object.headers }
          : { kind: "part", uploadId: upload.uploadId },
    }));
    const waiting = this.#parts.waiting(partCount);
    if (waiting.count === 0 && tasks.length === 0) return { kind: "rest" };
    const full = tasks.length === wanted || waiting.count === 0;
    const retryInMs = full ? null : Math.max(CROWDED_MS, waiting.earliestMs - now);
    return { kind: "work", tasks, retryInMs };
  }

  // --- The steps ----------------------------------------------------------------------------------------------------

  override async alarm(): Promise<void> {
    // First of all: an alarm that has fired is used up, and a copy without one would sleep for ever.
    await this.ctx.storage.setAlarm(Date.now() + WATCH_MS);
    if (this.#load() === null) return this.ctx.storage.deleteAlarm();
    try {
      const nextAlarmMs = await this.#advance();
      if (nextAlarmMs === null) await this.ctx.storage.deleteAlarm();
      else await this.ctx.storage.setAlarm(nextAlarmMs);
    } catch (error) {
      // Not a store's failure but ours or the platform's (an overloaded object, a depth limit): the alarm set above
      // goes on from what is stored. The platform's own six retries are not used up that way.
      const detail = error instanceof Error ? error.message : String(error);
      console.error(JSON.stringify({ event: "step_crashed", copyId: this.#copy().id, detail }));
      this.#timeline.add(Date.now(), "step_crashed", detail);
    }
  }

  /** Takes steps until there is nothing to do but wait. @returns until when, or null when the copy has ended */
  async #advance(): Promise<number | null> {
    if (this.#copy().startedAtMs === null) {
      this.#sql.exec("UPDATE copy SET started_at_ms = ?", Date.now());
    }
    for (;;) {
      const reported = await this.#reportPhase();
      const { job } = this.#copy();
      const step = nextStep(job, this.#counts(job), Date.now());
      if (step.do === "rest") {
        if (!reported) return Date.now() + REPORT_RETRY_MS;
        return step.untilMs;
      }
      await this.#take(step);
      // Nothing is awaited between this look and the alarm's setting, so no report can slip in between.
      const after = this.#copy().job;
      const next = nextStep(after, this.#counts(after), Date.now()).do;
      if (step.do === "tendLanes" && next === "tendLanes") return Date.now() + WATCH_MS;
      if (step.do === "settleParts" && next === "settleParts") return Date.now() + SETTLE_MS;
    }
  }

  async #take(step: Exclude<Step, { do: "rest" }>): Promise<void> {
    try {
      switch (step.do) {
        case "headSource":
          return await this.#headSource();
        case "createUpload":
          return await this.#createUpload(step.object);
        case "tendLanes":
          return await this.#tendLanes();
        case "checkParts":
          return await this.#checkParts(step.upload);
        case "complete":
          return await this.#complete(step.uploadId);
        case "findObject":
          return await this.#findObject(step.object, step.uploadId);
        case "verify":
          return await this.#verify(step.object);
        case "settleParts":
          return await this.#settleParts();
        case "abort":
          return await this.#abort(step.uploadId);
      }
    } catch (error) {
      this.#stepFailed(failureOf(error, step.do === "headSource" ? "source" : "destination"));
    }
  }

  // 1. What is to be copied, and in which parts?
  async #headSource(): Promise<void> {
    const { spec } = this.#copy();
    const headers = await headObject(this.#s3(spec.source.store), spec.source);
    const sourceEtag = headers.get("etag");
    const sizeBytes = Number(headers.get("content-length") ?? Number.NaN);
    if (sourceEtag === null || !Number.isSafeInteger(sizeBytes)) {
      return this.#stepFailed(
        meshFailure(
          "source_without_etag",
          "The source answered HEAD without ETag or Content-Length",
          "HeadObject",
        ),
      );
    }
    const planned = planCopy(sizeBytes, spec.partSizeBytes, planLimits(this.env));
    if (!planned.ok) {
      return this.#stepFailed(meshFailure(planned.refusal.code, planned.refusal.message, "planCopy"));
    }
    const copyId = crypto.randomUUID();
    const object = { sourceEtag, plan: planned.plan, copyId, headers: attributeHeaders(headers, copyId) };
    this.#record({ type: "sized", object }, "sized");
  }

  // 2. The upload, with every attribute: Complete cannot add any. Its ID is on disk before any part is handed out.
  async #createUpload({ headers }: Prepared): Promise<void> {
    const { spec } = this.#copy();
    const s3 = this.#s3(spec.destination.store);
    const { uploadId } = await createMultipartUpload(s3, spec.destination, { ...headers });
    this.#record({ type: "created", uploadId }, "upload_created");
  }

  // 3. Lanes that are wanted and asleep are woken; parts of lanes that died are handed out again.
  async #tendLanes(): Promise<void> {
    const { id, spec, job } = this.#copy();
    const object = objectOf(job);
    if (object === null) return;
    const now = Date.now();
    const wake = this.ctx.storage.transactionSync(() => {
      for (const lane of this.#parts.releaseSilent(now)) this.#timeline.add(now, "lane_lost", `lane ${lane}`);
      const awake = new Set(this.#parts.liveLanes());
      const wanted = Math.ceil(this.#parts.waiting(unitCount(object.plan)).count / PARTS_PER_LANE);
      const most = Math.min(spec.lanes, Math.ceil(spec.concurrency / PARTS_PER_LANE), wanted);
      const lanes: number[] = [];
      for (let lane = 1; lane <= spec.lanes && lanes.length < most; lane++)
        if (!awake.has(lane)) lanes.push(lane);
      const room = Math.ceil(spec.concurrency / PARTS_PER_LANE) - awake.size;
      const chosen = lanes.slice(0, Math.max(0, room));
      for (const lane of chosen) this.#parts.expectLane(lane, now);
      return chosen;
    });
    await Promise.all(wake.map((lane) => this.#lane(id, lane).wake({ copyId: id, lane })));
  }

  // 4. All parts are reported: does the store have them? It knows best, where it can list parts at all.
  async #checkParts(upload: Upload): Promise<void> {
    if (upload.kind === "whole") {
      this.#record({ type: "partsChecked" }, null);
      return;
    }
    const lost = await this.#reconcileParts(upload.uploadId);
    if (lost !== null && lost > 0)
      this.#timeline.add(Date.now(), "parts_missing", `${lost} parts are sent again`);
    else this.#record({ type: "partsChecked" }, "parts_checked");
  }

  // 5. The object appears, whole or not at all. "Sent" is on disk first: from then on the outcome may be unknown.
  async #complete(uploadId: string): Promise<void> {
    const { spec } = this.#copy();
    const s3 = this.#s3(spec.destination.store);
    this.#record({ type: "completeSending" }, "complete_sent");
    await this.ctx.storage.sync();
    try {
      const { etag } = await completeMultipartUpload(s3, spec.destination, uploadId, this.#parts.completed());
      this.#record({ type: "completed", etag }, "upload_completed");
    } catch (error) {
      const failure = failureOf(error, "destination");
      if (failure.code === "InvalidPart" && (await this.#reconcileParts(uploadId)) !== null) {
        this.#record({ type: "partsRefused", failure }, "parts_refused", failure.message);
      } else if (isRefusal(failure)) {
        this.#record({ type: "completeRefused", failure, ...chance() }, "complete_refused", failure.message);
      } else {
        this.#stepFailed(failure);
      }
    }
  }

  // 6. After an unknown outcome: an object with our copy ID and the right size is ours, any other proves nothing.
  async #findObject(object: Prepared, uploadId: string | null): Promise<void> {
    const { spec, job } = this.#copy();
    const s3 = this.#s3(spec.destination.store);
    try {
      const headers = await headObject(s3, spec.destination);
      const etag = headers.get("etag");
      if (etag !== null && isOurs(headers, object)) {
        this.#record({ type: "objectFound", etag }, "object_found");
        return;
      }
    } catch (error) {
      const failure = failureOf(error, "destination");
      // A store that refuses to show the object of a PutObject it has refused as well holds none.
      const absent = failure.status === 404 || (job.phase === "aborting" && verdictOf(failure) === "fatal");
      if (!absent) throw error;
    }
    const uploadGone = uploadId !== null && (await this.#isUploadGone(s3, uploadId));
    this.#record({ type: "objectAbsent", uploadGone }, null);
  }

  // 7. The proof, from what the destination itself says.
  async #verify(object: Prepared): Promise<void> {
    const { spec } = this.#copy();
    const headers = await headObject(this.#s3(spec.destination.store), spec.destination).catch(
      (error: unknown) => {
        const failure = failureOf(error, "destination");
        throw failure.status === 404 ? new StepError({ ...failure, code: "object_not_visible" }) : error;
      },
    );
    const etag = headers.get("etag");
    if (etag === null || !isOurs(headers, object)) {
      return this.#stepFailed(
        meshFailure(
          "verification_failed",
          `The destination holds another object than the one copied: ${headers.get("content-length")} bytes ` +
            `with ETag ${etag}; ${object.plan.sizeBytes} bytes were copied`,
          "HeadObject",
        ),
      );
    }
    const sse = headers.get("x-amz-server-side-encryption") ?? "AES256";
    const encryptedWithKey =
      sse !== "AES256" || headers.has("x-amz-server-side-encryption-customer-algorithm");
    const proof = proofOf({ sourceEtag: object.sourceEtag, destinationEtag: etag, encryptedWithKey });
    this.#record({ type: "verified", etag, proof }, "verified", proof);
  }

  // 8. The end without an object. Nothing is aborted while a part is in flight: it would land afterwards and stay.
  async #settleParts(): Promise<void> {
    const { id } = this.#copy();
    this.#parts.releaseSilent(Date.now());
    await Promise.all(this.#parts.liveLanes().map((lane) => this.#lane(id, lane).stop()));
  }

  async #abort(uploadId: string): Promise<void> {
    const { spec } = this.#copy();
    const s3 = this.#s3(spec.destination.store);
    await abortMultipartUpload(s3, spec.destination, uploadId);
    if (await this.#isUploadGone(s3, uploadId)) {
      this.#record({ type: "aborted" }, "upload_aborted");
      return;
    }
    this.#stepFailed(
      meshFailure(
        "upload_still_there",
        "The store lists parts after the abort: aborting again",
        "AbortMultipartUpload",
      ),
    );
  }

  // --- What the steps share -----------------------------------------------------------------------------------------

  /** Sets the part table right by ListParts. @returns how many parts are to be sent again, null if it cannot be told */
  async #reconcileParts(uploadId: string): Promise<number | null> {
    const { spec } = this.#copy();
    try {
      const listed = await listParts(this.#s3(spec.destination.store), spec.destination, uploadId);
      return this.ctx.storage.transactionSync(() => this.#parts.reconcile(listed));
    } catch (error) {
      const failure = failureOf(error, "destination");
      if (failure.code !== "NoSuchUpload" && verdictOf(failure) === "fatal") return null; // a store without ListParts
      throw error;
    }
  }

  /** A store that cannot list parts (501, 403) is taken at its word that it aborted. */
  async #isUploadGone(s3: S3, uploadId: string): Promise<boolean> {
    const { spec, job } = this.#copy();
    try {
      const left = await listParts(s3, spec.destination, uploadId);
      return job.phase === "aborting" && left.length === 0;
    } catch (error) {
      const failure = failureOf(error, "destination");
      if (failure.code === "NoSuchUpload" || failure.status === 404) return true;
      if (verdictOf(failure) === "fatal") return job.phase === "aborting";
      throw error;
    }
  }

  #stepFailed(failure: Failure): void {
    const { job } = this.#record(
      { type: "stepFailed", failure, ...chance() },
      "step_failed",
      failure.message,
    );
    if (failure.operation === "AbortMultipartUpload" && isEnded(job)) {
      this.#sql.exec(
        "INSERT OR IGNORE INTO warnings VALUES (?)",
        `The unfinished upload could not be aborted and may still be there: ${failure.message}`,
      );
    }
  }

  /** Applies an event and saves what it changed, in one transaction. */
  #record(event: Event, label: string | null, detail: string | null = null): Copy {
    return this.ctx.storage.transactionSync(() => {
      const copy = this.#copy();
      const job = apply(copy.job, event);
      const now = Date.now();
      if (label !== null) this.#timeline.add(now, label, detail);
      if (job === copy.job) return copy;
      if (job.phase !== copy.job.phase) this.#timeline.add(now, `phase_${job.phase}`);
      const endedAtMs = isEnded(job) ? now : null;
      this.#sql.exec("UPDATE copy SET job = ?, ended_at_ms = ?", JSON.stringify(job), endedAtMs);
      if (isEnded(job)) for (const wake of this.#waiting) wake();
      return { ...copy, job, endedAtMs };
    });
  }

  /** Tells the registry of a new phase. @returns whether it knows the present one */
  async #reportPhase(): Promise<boolean> {
    const { id, job, reported, endedAtMs } = this.#copy();
    if (reported === job.phase) return true;
    try {
      await this.ctx.exports.Registry.getByName("registry").report(id, job.phase, endedAtMs);
    } catch (error) {
      // The copy does not wait for its index; the next step or alarm tells again.
      console.error(JSON.stringify({ event: "report_failed", copyId: id, detail: String(error) }));
      return false;
    }
    this.#sql.exec("UPDATE copy SET reported = ?", job.phase);
    return this.#copy().job.phase === job.phase;
  }

  #counts(job: Job): { total: number; done: number; inFlight: number } {
    const plan = objectOf(job)?.plan;
    return { total: plan === undefined ? 0 : unitCount(plan), ...this.#parts.totals() };
  }

  #copy(): Copy {
    const copy = this.#load();
    if (copy === null) throw new Error("This coordinator has no copy");
    return copy;
  }

  #load(): Copy | null {
    const row = this.#sql.exec("SELECT * FROM copy").toArray()[0];
    if (row === undefined) return null;
    return {
      id: String(row["id"]),
      spec: JSON.parse(String(row["spec"])) as CopySpec,
      job: JSON.parse(String(row["job"])) as Job,
      createdAtMs: Number(row["created_at_ms"]),
      startedAtMs: row["started_at_ms"] === null ? null : Number(row["started_at_ms"]),
      endedAtMs: row["ended_at_ms"] === null ? null : Number(row["ended_at_ms"]),
      reported: row["reported"] === null ? null : String(row["reported"]),
    };
  }

  #s3(store: string): S3 {
    return connect(findStore(this.env, store), `bucket-brigade copy/${this.#copy().id} coordinator`);
  }

  #lane(id: string, lane: number) {
    return this.ctx.exports.Lane.getByName(`${id}/${lane}`);
  }
}

class StepError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** What a step threw, as data; what is no store's failure is thrown on. */
function failureOf(error: unknown, side: Side): Failure {
  if (error instanceof StepError) return error.failure;
  if (error instanceof S3Error) return error.toFailure(side);
  // The store was taken out of the configuration, or its secret was spoilt, while the copy ran.
  if (error instanceof Problem) return meshFailure(error.code, error.message, "configuration");
  throw error;
}

/** Our copy ID and size: no other object of that name can have both. */
function isOurs(headers: Headers, { copyId, plan }: Prepared): boolean {
  return headers.get(COPY_ID_HEADER) === copyId && Number(headers.get("content-length")) === plan.sizeBytes;
}

/** A refusal that came instead of the work, not after it: the request had no effect. */
function isRefusal({ status, code }: Failure): boolean {
  return status !== null && status >= 400 && status < 500 && status !== 408 && code !== "NoSuchUpload";
}

function chance(): { now: number; random: number } {
  return { now: Date.now(), random: Math.random() };
}

function readCount(query: URLSearchParams, name: string, fallback: number, max: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  if (/^\d+$/.test(text) && Number(text) <= max) return Number(text);
  throw new Problem(
    400,
    "invalid_request",
    `"${name}" must be a whole number from 0 to ${max}, not "${text}"`,
  );
}
