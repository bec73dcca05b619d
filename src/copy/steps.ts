// The steps of a copy that talk to the stores, in the order in which a copy takes them. Each does one thing,
// records the result, and may run twice. The coordinator runs them, one at a time.
//
// What they need: the record of the copy, and the env with both stores.

import type { OwedDebt } from "./debts.ts";
import { dropHeader } from "./dropped_header.ts";
import { isOurs } from "./ours.ts";
import { type Prepared, type Upload, workOf } from "./phase.ts";
import { describePlan, prepare } from "./prepare.ts";
import type { CopyRecord } from "./record.ts";
import { askRestore, lookRestored, takeArchived } from "./restore_steps.ts";
import type { Step } from "./step.ts";
import { endUpload, findStrays, lookForUpload, payDebt } from "./undo.ts";
import { NO_PROOF, Verification } from "./verification.ts";
import { pinnedSpec } from "./version_then.ts";
import { type Env, planLimits } from "../env.ts";
import { mismatchWithSource } from "../parts/digests.ts";
import { bareEtag } from "../s3/digest.ts";
import { failureOf, isRefusal } from "../s3/errors.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { headObject, objectExists } from "../s3/read.ts";
import { type ObjectAddress, type S3, connect } from "../s3/request.ts";
import { saysNo } from "../s3/retry.ts";
import { type ShownParts, completeMultipartUpload, createMultipartUpload, listParts } from "../s3/s3.ts";
import { stoppable } from "../s3/stop.ts";
import { sizeOf } from "../s3/value.ts";
import { isSameObject } from "../store/address.ts";
import { findKnownStore } from "../store/facts.ts";
import type { TurnsAt } from "../throttle/shares.ts";
import { notEncrypted } from "../work/confirm.ts";
import type { SpentCount } from "../work/spent.ts";

/** How long a cancelled copy waits for the answer to its CreateMultipartUpload. */
const CREATED_MS = 4000;

type StoreStep = Exclude<Step, { do: "rest" | "checkQueue" | "tendLanes" | "settleParts" }>;

interface Ways {
  /** What requests to a store wait for, where it has a cap. */
  readonly turnsAt: TurnsAt;
  /** Receives every refusal of a store, including those that a step tolerates. */
  readonly onRefusal: (failure: Failure) => void;
  /** Counts each request, and may refuse it. */
  readonly sent: SpentCount;
}

export class Steps {
  readonly #record: CopyRecord;
  readonly #env: Env;
  readonly #ways: Ways;
  #running: { readonly step: StoreStep["do"]; readonly stop: AbortController } | null = null;

  constructor(record: CopyRecord, env: Env, ways: Ways) {
    this.#record = record;
    this.#env = env;
    this.#ways = ways;
  }

  /**
   * Ends the step that runs: the copy is cancelled, and what it waits for is of no use any more. An upload
   * that is being created gets the time to be known, and is aborted then.
   */
  cancel(): void {
    const { step, stop } = this.#running ?? {};
    if (stop === undefined) return;
    setTimeout(() => stop.abort(new Error("cancelled")), step === "createUpload" ? CREATED_MS : 0);
  }

  /** Takes one step. A store's failure is recorded; any other error is rethrown. */
  async take(step: StoreStep): Promise<void> {
    const stop = new AbortController();
    this.#running = { step: step.do, stop };
    try {
      switch (step.do) {
        case "prepare":
          return await this.#prepare(step.via, step.restarts);
        case "askRestore":
          return await askRestore(this.#record, this.#source());
        case "lookRestored":
          return await lookRestored(this.#record, this.#source());
        case "createUpload":
          return await this.#createUpload(step.object);
        case "recheckSource":
          return await this.#recheckSource(step.object);
        case "findParts":
          return await this.#findParts(step.uploadId);
        case "checkParts":
          return await this.#checkParts(step.object, step.upload);
        case "complete":
          return await this.#complete(step.object, step.uploadId);
        case "findObject":
          return await this.#findObject(step.object, step.uploadId);
        case "verify":
          return await this.#verify(step.object, step.etag);
        case "sweep":
          return await this.#sweep(step.sinceMs);
        case "abort":
          return await this.#abort(step.uploadId);
      }
    } catch (error) {
      if (stop.signal.aborted) return;
      const failure = failureOf(error, SOURCE_STEPS.has(step.do) ? "source" : "destination");
      // The platform's limit is not the store's fault: this event has no calls left, and the next one repeats
      // the step.
      if (failure.code === "platform_limit") throw error;
      this.#failed(failure);
    } finally {
      this.#running = null;
      this.#record.spent.add(this.#ways.sent.take());
    }
  }

  /** Tries to pay the debts that are due. */
  async payDebts(): Promise<void> {
    const { spec } = this.#record.load();
    const { debts, timeline } = this.#record;
    for (const owed of debts.due(Date.now())) {
      try {
        if (owed.debt.kind === "recheck" && !(await this.#isBack(owed, owed.debt.uploadId))) {
          debts.paid(owed);
          continue;
        }
        const detail = await payDebt(this.#destination(), spec.destination, owed, this.#ownPart());
        this.#record.transaction(() => {
          debts.paid(owed);
          timeline.add(Date.now(), "orphan_gone", detail);
        });
      } catch (error) {
        debts.stillOwed(owed, failureOf(error, "destination"), Date.now(), Math.random());
      }
    }
    this.#record.spent.add(this.#ways.sent.take());
  }

  /**
   * Has a part landed in an upload after its abort? Then the upload is owed. Where the store does not say so,
   * it is aborted once more.
   */
  async #isBack(owed: OwedDebt, uploadId: string): Promise<boolean> {
    const { spec } = this.#record.load();
    const destination = this.#destination();
    const left = await lookForUpload(destination, spec.destination, uploadId);
    if (left === "there") this.#record.debts.nowOwed(owed, uploadId);
    else if (left !== "gone") await endUpload(destination, spec.destination, uploadId);
    return left === "there";
  }

  // 1. What is copied, how is it cut, how will it be proved? Nothing is created yet.
  async #prepare(via: "auto" | "stream", restarts: number): Promise<void> {
    const spec = await pinnedSpec(this.#record, this.#source());
    const prepared = await prepare({
      spec,
      source: this.#source(),
      destination: this.#destination(),
      via,
      limits: planLimits(this.#env),
      copyId: crypto.randomUUID(),
      restarts,
    });
    switch (prepared.kind) {
      case "refused":
        if (takeArchived(this.#record, prepared.failure)) return;
        return this.#failed(prepared.failure);
      case "conflict":
        this.#record.applyEvent(
          { type: "conflict", failure: prepared.failure, skip: spec.ifExists === "skip" },
          "destination_exists",
        );
        return;
      case "ready":
        for (const warning of prepared.warnings) this.#record.warn(warning);
        this.#record.applyEvent(
          { type: "sized", object: prepared.object },
          "sized",
          describePlan(prepared.object),
        );
    }
  }

  // 2. The upload, with every attribute: Complete cannot add any. Its ID is on disk before any part is handed
  //    out.
  async #createUpload({ headers }: Prepared): Promise<void> {
    const { spec } = this.#record.load();
    const destination = this.#destination();
    this.#record.applyEvent({ type: "createSending", now: Date.now() });
    await this.#record.onDisk();
    try {
      const { uploadId, isEncrypted } = await createMultipartUpload(destination, spec.destination, headers);
      this.#record.applyEvent({ type: "created", uploadId }, "upload_created");
      // Before any byte is sent that would lie there in the clear.
      if (!isEncrypted) this.#failed(notEncrypted(destination, "CreateMultipartUpload").failure);
    } catch (error) {
      const failure = failureOf(error, "destination");
      if (isRefusal(failure)) this.#record.applyEvent({ type: "swept" });
      if (!dropHeader(this.#record, headers, failure)) throw error;
    }
  }

  // 2b. An unanswered Create may have made an upload whose ID is unknown. It is aborted before the next one
  // is made.
  async #sweep(sinceMs: number): Promise<void> {
    const { spec } = this.#record.load();
    const destination = this.#destination();
    for (const uploadId of await this.#strays(destination, sinceMs)) {
      try {
        await endUpload(destination, spec.destination, uploadId);
        this.#record.timeline.add(Date.now(), "stray_upload_aborted");
      } catch (error) {
        const failure = failureOf(error, "destination");
        if (!saysNo(failure)) throw error;
        this.#record.debts.add({ kind: "upload", uploadId }, failure, Date.now(), Math.random());
      }
    }
    this.#record.applyEvent({ type: "swept" });
  }

  async #strays(destination: S3, sentAtMs: number): Promise<string[]> {
    const { spec } = this.#record.load();
    try {
      return await findStrays(destination, spec.destination, { sentAtMs, endedAtMs: null });
    } catch (error) {
      const failure = failureOf(error, "destination");
      if (!saysNo(failure)) throw error;
      this.#record.warn(
        `CreateMultipartUpload got no answer and may have left an upload: uploads cannot be listed (${failure.code})`,
      );
      return [];
    }
  }

  // 3. The lanes copy the parts (coordinator.ts).

  // 3a. The copy was paused or blocked. If the source has changed meanwhile, every part would be refused, so
  // one HEAD asks first.
  async #recheckSource({ sourceEtag, plan }: Prepared): Promise<void> {
    const { spec } = this.#record.load();
    const { headers } = await headObject(this.#source(), spec.source);
    const etag = headers.get("etag") ?? "";
    const same = bareEtag(etag) === bareEtag(sourceEtag) && sizeOf(headers) === plan.sizeBytes;
    if (same) {
      this.#record.applyEvent({ type: "sourceSame" }, "source_unchanged");
      return;
    }
    const message = `The source has changed: its ETag was ${sourceEtag} when the copy began and is ${etag} now`;
    this.#failed({ ...meshFailure("source_changed", message, "HeadObject"), side: "source" });
  }

  // 3b. A lane has died. Parts that it brought to the store are not sent again; ListParts shows which these
  // are.
  async #findParts(uploadId: string): Promise<void> {
    const { spec, job } = this.#record.load();
    const work = workOf(job);
    if (work.phase !== "uploading") return;
    const listed = await this.#listParts(spec.destination, uploadId);
    this.#record.transaction(() => {
      const { parts, timeline } = this.#record;
      const { lost } = parts.totals();
      // What the store does not show, or not reliably, is sent again.
      const found = parts.settleLost(listed?.parts ?? [], work.object.proof.digests.length > 0, Date.now());
      timeline.add(Date.now(), "lost_parts_found", `${found} of ${lost} are at the store`);
      this.#record.applyEvent({ type: "partsFound" });
    });
  }

  // 4. All parts are reported. Does the store have them, and do they match the source's checksum or ETag?
  async #checkParts(object: Prepared, upload: Upload): Promise<void> {
    if (upload.kind === "parts") {
      const lost = await this.#reconcileParts(upload.uploadId, "keep");
      if (lost !== null && lost > 0) {
        this.#record.timeline.add(Date.now(), "parts_missing", `${lost} parts are sent again`);
        return;
      }
    }
    const [first] = this.#record.parts.finished();
    const made = upload.kind === "whole" ? (first?.etag ?? null) : null;
    const corrupt = this.#record.transaction(() => this.#record.parts.checkDigests());
    if (corrupt !== null) {
      if (corrupt.kind === "failed") return this.#failed(corrupt.failure);
      if (made !== null) await this.#verification().removeObject(made, "corrupt");
      this.#record.timeline.add(Date.now(), "parts_corrupt", `${corrupt.count} parts are sent again`);
      return;
    }
    const mismatch = await mismatchWithSource(object, this.#record.parts);
    if (mismatch === null && upload.kind === "parts" && this.#isUnprovable(object)) {
      // The key still holds its previous object. Failing now is better than after the new one has replaced
      // it.
      return this.#failed(meshFailure("proof_impossible", NO_PROOF, "checkParts"));
    }
    if (mismatch === null) {
      this.#record.applyEvent({ type: "partsChecked" }, "parts_checked");
      return;
    }
    // Send all parts once more, with digests of each: either it was an accident, or the source's ETag is no
    // MD5.
    if (object.timesRedone > 0) return this.#failed(meshFailure("checksum_mismatch", mismatch, "checkParts"));
    // A PutObject has already made an object, and a PutObject with If-None-Match would be refused because of
    // it.
    if (made !== null) await this.#verification().removeObject(made, "corrupt");
    const digests = [...new Set([...object.proof.digests, "md5" as const])];
    this.#record.transaction(() => {
      this.#record.parts.reopenAll();
      const proof = { ...object.proof, digests };
      this.#record.applyEvent({ type: "sentAgain", proof }, "sent_again", mismatch);
    });
  }

  // 5. The object appears, whole or not at all. "Sent" is on disk first: from then on the outcome may be
  //    unknown.
  async #complete({ ifExists }: Prepared, uploadId: string): Promise<void> {
    const { spec } = this.#record.load();
    const destination = this.#destination();
    const conditional = ifExists !== "overwrite" && destination.store.profile.conditionalComplete;
    // The HEAD is sent even where Complete carries the condition: some stores accept it and ignore it.
    if (ifExists !== "overwrite" && (await objectExists(destination, spec.destination))) {
      const failure = meshFailure(
        "destination_exists",
        "An object with this key appeared at the destination",
        "HeadObject",
      );
      this.#record.applyEvent({ type: "conflict", failure, skip: ifExists === "skip" }, "destination_exists");
      return;
    }
    const { job } = this.#record.applyEvent({ type: "completeSending" }, "complete_sent");
    const work = workOf(job);
    // Cancelled during the HEAD: a Complete that is not on disk as sent must not be sent.
    if (work.phase !== "completing" || !work.call.sent) return;
    await this.#record.onDisk();
    try {
      const parts = this.#record.parts.completed();
      const { etag } = await completeMultipartUpload(destination, spec.destination, uploadId, {
        parts,
        onlyIfAbsent: conditional,
      });
      this.#record.applyEvent({ type: "completed", etag }, "upload_completed");
    } catch (error) {
      const failure = failureOf(error, "destination");
      if (failure.code === "InvalidPart" && (await this.#putPartsRight(uploadId))) {
        this.#record.applyEvent(
          { type: "partsRefused", failure, ...chance() },
          "parts_refused",
          failure.message,
        );
      } else if (isRefusal(failure)) {
        this.#record.applyEvent(
          { type: "completeRefused", failure, ...chance() },
          "complete_refused",
          failure.message,
        );
      } else {
        this.#failed(failure);
      }
    }
  }

  // 6. After an unknown outcome: an object with this copy's ID and size is this copy's. Any other proves
  //    nothing.
  async #findObject(object: Prepared, uploadId: string | null): Promise<void> {
    const { spec, job } = this.#record.load();
    const destination = this.#destination();
    try {
      const { headers } = await headObject(destination, spec.destination);
      const etag = headers.get("etag");
      if (etag !== null && (await isOurs(headers, object, this.#record.parts))) {
        this.#record.transaction(() => {
          // The one PutObject that made the object was never reported.
          if (object.plan.kind === "whole")
            this.#record.parts.finishWhole(etag, object.plan.sizeBytes, Date.now());
          this.#record.applyEvent({ type: "objectFound", etag }, "object_found");
        });
        return;
      }
    } catch (error) {
      const failure = failureOf(error, "destination");
      // A store that refuses to show the object refused its PutObject as well, so there is none.
      const absent = failure.status === 404 || (job.phase === "aborting" && saysNo(failure));
      if (!absent) throw error;
    }
    const uploadGone =
      uploadId !== null && (await lookForUpload(destination, spec.destination, uploadId)) === "gone";
    this.#record.applyEvent({ type: "objectAbsent", uploadGone });
  }

  // 7. The proof, from what the destination itself reports.
  async #verify(object: Prepared, completedEtag: string | null): Promise<void> {
    const failure = await this.#verification().verify(object, completedEtag);
    if (failure !== null) this.#failed(failure);
  }

  // 8. The end without an object. The coordinator has made sure that no part is in flight.
  async #abort(uploadId: string): Promise<void> {
    const { spec } = this.#record.load();
    const isGone = await endUpload(this.#destination(), spec.destination, uploadId);
    // A part that was cut off may still land, and at some stores the upload then lives on, of which a store
    // that cannot list parts shows nothing.
    if (!isGone && this.#record.parts.open().length > 0) {
      await new Promise((resolve) => setTimeout(resolve, LATE_PART_MS));
      await endUpload(this.#destination(), spec.destination, uploadId);
    }
    // The abort is confirmed, and no lane has a part. One that a dead lane had sent may still be under way.
    if (this.#record.parts.attempts() > 0) this.#record.debts.recheckLater(uploadId, Date.now());
    this.#record.applyEvent({ type: "aborted" }, "upload_aborted");
  }

  /**
   * Strict, and the parts' ETags turned out not to be MD5s: only a checksum of the whole object can prove it.
   */
  #isUnprovable({ proof }: Prepared): boolean {
    const { spec } = this.#record.load();
    const hopesForChecksum =
      proof.sourceChecksum !== null || proof.digests.some((digest) => digest !== "md5");
    return spec.verify === "strict" && this.#record.parts.hasOpaqueEtags() && !hopesForChecksum;
  }

  /** What may be deleted at the destination: a copy over its own source made a version of it, at most. */
  #ownPart(): "object" | "version" {
    const { spec } = this.#record.load();
    const from = [this.#source().store, spec.source] as const;
    return isSameObject(from, [this.#destination().store, spec.destination]) ? "version" : "object";
  }

  /** The store refuses a part. @returns false when nothing shows which one */
  async #putPartsRight(uploadId: string): Promise<boolean> {
    if ((await this.#reconcileParts(uploadId, "send")) !== null) return true;
    return this.#record.transaction(() => this.#record.parts.reopenRaced()) > 0;
  }

  /**
   * Corrects the part table by ListParts.
   *
   * @param unknown what happens to parts that the store may have and does not show
   * @returns how many parts must be sent again, null if the store cannot list them
   */
  async #reconcileParts(uploadId: string, unknown: "keep" | "send"): Promise<number | null> {
    const listed = await this.#listParts(this.#record.load().spec.destination, uploadId);
    if (listed === null) return null;
    const missing = listed.isWhole ? "send" : unknown;
    return this.#record.transaction(() => this.#record.parts.reconcile(listed.parts, missing));
  }

  /**
   * What the store has of an upload. Null where the store cannot list parts (501, 403): then the table is the
   * truth.
   */
  async #listParts(address: ObjectAddress, uploadId: string): Promise<ShownParts | null> {
    try {
      return await listParts(this.#destination(), address, uploadId);
    } catch (error) {
      const failure = failureOf(error, "destination");
      if (failure.code !== "NoSuchUpload" && saysNo(failure)) return null;
      throw error;
    }
  }

  #verification(): Verification {
    return new Verification(this.#record, this.#destination(), this.#ownPart());
  }

  #failed(failure: Failure): void {
    this.#record.stepFailed(failure, Date.now(), Math.random());
  }

  #source(): S3 {
    return this.#connect("source");
  }

  #destination(): S3 {
    return this.#connect("destination");
  }

  #connect(side: "source" | "destination"): S3 {
    const { id, spec } = this.#record.load();
    const store = findKnownStore(this.#env, spec[side], spec.known);
    const userAgent = `bucket-brigade copy/${id} coordinator`;
    const stop = this.#running?.stop.signal;
    const s3 = connect(store, userAgent, this.#ways.turnsAt(store), (error) => {
      if (stop?.aborted !== true) this.#ways.onRefusal(error.toFailure(side));
    });
    const counted = { ...s3, sent: this.#ways.sent[side] };
    return stop === undefined ? counted : stoppable(counted, stop);
  }
}

/** What was sent of a part before it was cut off has reached the store by then. */
const LATE_PART_MS = 3_000;

const SOURCE_STEPS: ReadonlySet<StoreStep["do"]> = new Set([
  "prepare",
  "askRestore",
  "lookRestored",
  "recheckSource",
] as const);

function chance(): { now: number; random: number } {
  return { now: Date.now(), random: Math.random() };
}
