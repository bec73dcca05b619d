// One object of a batch, copied whole. The body of a signed GET becomes the body of a signed PUT. Inside one
// service a CopyObject does it, after a HEAD if attributes have to be changed or looked at.
//
// Two requests copy an object. One GET is one version of the object, its attributes and its bytes, so no HEAD
// is needed before, and the answer to the PUT is the proof. The GET asks for the ETag of the listing first;
// an object that has changed since is copied as it is now.
//
// Invariant: `copied` means that the store acknowledged exactly the bytes of one version of the source.

import { droppable } from "../object/attributes.ts";
import { hasLock, withoutHeader } from "../object/lock.ts";
import { type ProofPlan, canProve, concludeProof, planProof } from "../object/proof.ts";
import { removeExactly } from "../s3/conditions.ts";
import { demandsDigest } from "../s3/demands.ts";
import { bareEtag, base64OfHex, isMd5Etag } from "../s3/digest.ts";
import { isEncryptedWithKey } from "../s3/encryption.ts";
import { failedAt, FailureError, meshError, S3Error } from "../s3/errors.ts";
import { type Failure, answerFailure } from "../s3/failure.ts";
import { changeSince, getObject, headObject } from "../s3/read.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";
import { keyVerdictOf } from "../s3/retry.ts";
import { type Stored, copyObject, putObject } from "../s3/s3.ts";
import { etagOf, sizeOf } from "../s3/value.ts";
import { canCopyInside } from "../store/stores.ts";
import type { BatchRun } from "./batch_run.ts";
import type { BatchSides } from "./batch_sides.ts";
import type { BatchTask, ObjectOutcome, ObjectWork } from "./batch_task.ts";
import { type Acknowledged, confirmObject, removeUnencrypted } from "./confirm.ts";
import { bodyOf, digestWhileStreaming, readForDigests } from "./digest_stream.ts";
import { heldAtDestination } from "./held_object.ts";
import { keepingHeaders, leavesNothing, mayKeepAttributes, rememberOtherEtags } from "./kept_attributes.ts";
import { transferLimitMs } from "./limits.ts";
import { READ_TWICE } from "./part_task.ts";
import { Patience } from "./patience.ts";
import { locksInside } from "./object_lock.ts";
import { attributesToSend } from "./sent_attributes.ts";

const ARCHIVED = "The source is archived: it must be restored before it can be copied";

/** If a store refuses a source's ETag as Content-MD5 this often, the ETag is no MD5. */
const MD5_TRIES = 2;

/** The copy of one object. */
export class ObjectCopy {
  readonly #source: S3;
  readonly #destination: S3;
  /** The same, for what must be done once an object may have been written, also when the batch is stopped. */
  readonly #committed: S3;
  readonly #from: ObjectAddress;
  readonly #to: ObjectAddress;
  readonly #options: BatchTask["options"];
  readonly #work: ObjectWork;
  readonly #syncId: string;
  readonly #maxBytes: number;
  readonly #batch: BatchRun;
  readonly #patience: Patience;
  readonly #dropped = new Set<string>();
  readonly #warnings: string[] = [];
  /** The MD5 of a try's bytes whose ETag differed from it, or that a bucket demands: sent at the next. */
  #ownMd5: string | null = null;
  /** `server`: the service copies by itself. Falls back to `stream` when it refuses. */
  #via: "stream" | "server";
  /** Inside a service: may it keep all attributes, so that nobody has to look at them first? */
  #keeps: boolean;

  constructor(
    {
      sides,
      task,
      run: batch,
    }: { readonly sides: BatchSides; readonly task: BatchTask; readonly run: BatchRun },
    work: ObjectWork,
    maxPartBytes: number,
  ) {
    const { patience } = batch;
    this.#source = sides.source;
    this.#committed = sides.committed;
    this.#destination = sides.destination;
    this.#from = { bucket: task.source.bucket, key: work.key, versionId: work.versionId };
    this.#to = { bucket: task.destination.bucket, key: work.to };
    this.#syncId = task.syncId;
    this.#options = task.options;
    this.#work = work;
    this.#maxBytes = Math.min(maxPartBytes, this.#destination.store.profile.maxPutBytes);
    this.#batch = batch;
    // What an encryption in doubt has left behind is looked at with the time that it takes.
    // And of a version that was given up and comes all the same, the next try would make another one.
    const mayTryAgain = this.#destination.store.encryption === undefined && work.isInHistory !== true;
    this.#patience = mayTryAgain ? patience : new Patience(false);
    const { copyObject: copies } = this.#destination.store.profile;
    this.#via = copies && canCopyInside(this.#source.store, this.#destination.store) ? "server" : "stream";
    const stores = [this.#source.store, this.#destination.store] as const;
    this.#keeps = mayKeepAttributes(work, task.options, ...stores);
  }

  async run(): Promise<ObjectOutcome> {
    if (this.#work.first !== "copy") {
      const sides = { source: this.#source, destination: this.#destination, from: this.#from, to: this.#to };
      const found = await heldAtDestination(sides, this.#work, this.#options.compare);
      if (found !== null) return found;
      if (this.#work.isArchived === true) throw meshError("source_archived", ARCHIVED, "HeadObject");
      if (this.#work.first === "tell") return { kind: "differs" };
    }
    const beganMs = Date.now();
    for (let slowTries = 0; ;) {
      const soonMs = this.#patience.limitMs(this.#work.sizeBytes, slowTries);
      const keeps = this.#keeps;
      const step = async (signal: AbortSignal) =>
        this.#via === "stream"
          ? await this.#copyThrough(signal)
          : this.#keeps
            ? await this.#copyKeeping(signal)
            : await this.#copyInside(signal);
      const limitMs = soonMs ?? transferLimitMs(this.#work.sizeBytes);
      const outcome = await this.#batch.watchdog.run(limitMs, step, isCopied).catch((error: unknown) => {
        if (soonMs === null || !this.#batch.watchdog.isOverdue) throw error;
        slowTries += 1;
        this.#keeps = keeps;
        return "again" as const;
      });
      if (outcome === "again") continue;
      this.#patience.took(Date.now() - beganMs);
      return slowTries > 0 && outcome.kind === "copied" ? { ...outcome, slowTries } : outcome;
    }
  }

  /**
   * One GET into one PUT. `again`: the store refused an attribute, or its ETag leaves a doubt that a second
   * try settles.
   */
  async #copyThrough(signal: AbortSignal): Promise<ObjectOutcome | "again"> {
    const response = await this.#get(signal);
    const { etag, sizeBytes, plan } = this.#plan(response);
    if (sizeBytes !== this.#work.sizeBytes) await this.#expectSize(response, etag, sizeBytes);
    // Listed as one that fits one PUT, which it does not.
    if (sizeBytes > this.#maxBytes) {
      await response.body?.cancel();
      return { kind: "differs" };
    }
    if (!this.#isStrictEnough(plan))
      throw meshError(
        "proof_impossible",
        "These two stores allow no proof beyond the length, and verify is strict",
        "plan",
      );
    const attributes = await this.#attributes(response.headers, etag);
    const contentMd5 = plan.contentMd5 ?? this.#ownMd5;
    const headers = {
      ...attributes,
      ...(contentMd5 === null ? {} : { "content-md5": base64OfHex(contentMd5) }),
    };
    const digest = (digests: readonly "md5"[]) =>
      digestWhileStreaming(sizeBytes === 0 ? new Uint8Array(0) : bodyOf(response), {
        length: sizeBytes,
        sized: response.headers.has("content-length"),
        digests,
        bucket: this.#batch.bucket,
      });
    const isDemanded = demandsDigest(this.#destination, this.#to) || hasLock(headers);
    if (contentMd5 === null && sizeBytes > 0 && isDemanded) {
      this.#ownMd5 = (await readForDigests(digest(["md5"]))).md5 ?? null;
      this.#warnings.push(READ_TWICE);
      return "again";
    }
    const digesting = digest(plan.digests.filter((name) => name === "md5"));
    const stored = await this.#put(digesting.body, headers, signal);
    if (stored === "again") return stored;
    const { md5 } = await digesting.digests.catch((error: unknown) => {
      const message = `More than ${sizeBytes} bytes arrived (${String(error)})`;
      throw new FailureError(answerFailure("source", "wrong_length", message, "GetObject"));
    });
    const landed = bareEtag(stored.etag).toLowerCase();
    const doubt = md5 !== undefined && md5 !== landed && !stored.encryptedWithKey && isMd5Etag(landed);
    if (doubt && this.#ownMd5 === null && this.#work.isInHistory !== true) {
      this.#ownMd5 = md5;
      return "again";
    }
    const isChecked = this.#destination.store.profile.contentMd5 && md5 === this.#ownMd5;
    const partsMatch = md5 !== undefined && (md5 === landed || isChecked);
    await this.#confirm({ ...stored, sent: headers, operation: "PutObject" });
    return this.#concludeProof(stored, { plan, etag, sizeBytes, partsMatch, operation: "PutObject" });
  }

  /** The listing and the answer to GET name different sizes: the object itself is asked. */
  async #expectSize(response: Response, etag: string, sizeBytes: number): Promise<void> {
    const { headers } = await headObject(this.#source, this.#from).catch(failedAt("source"));
    if (sizeOf(headers) === sizeBytes && bareEtag(etagOf(headers) ?? "") === bareEtag(etag)) return;
    await response.body?.cancel();
    const { sizeBytes: listedBytes } = this.#work;
    const message = `Its size is ${listedBytes} bytes by the listing, ${sizeBytes} by GET and ${sizeOf(headers)} by HEAD`;
    throw new FailureError(answerFailure("source", "wrong_length", message, "GetObject"));
  }

  /**
   * One CopyObject that keeps all attributes, pinned to what was listed. `again`: something is to be changed
   * or looked at. An object whose ETag has become another gets a mark, without which a later run would not
   * know it.
   */
  async #copyKeeping(signal: AbortSignal): Promise<ObjectOutcome | "again"> {
    this.#keeps = false;
    const { etag, sizeBytes } = this.#work;
    const buckets = [this.#source, this.#from.bucket, this.#destination, this.#to.bucket] as const;
    if (etag === null || sizeBytes > this.#maxBytes || !(await leavesNothing(...buckets))) return "again";
    const headers = keepingHeaders(this.#work);
    const source = { address: this.#from, etag, encryption: undefined };
    let stored: Stored;
    try {
      stored = await copyObject(this.#destination, this.#to, { source, headers, directive: "COPY", signal });
    } catch (error) {
      const failure = error instanceof S3Error ? error.toFailure("destination") : null;
      if (failure?.status === 412 || (failure !== null && keyVerdictOf(failure) === "fatal")) return "again";
      throw error;
    }
    if (bareEtag(stored.etag).toLowerCase() !== bareEtag(etag).toLowerCase()) {
      rememberOtherEtags(...buckets);
      return "again";
    }
    await this.#confirm({ ...stored, sent: headers, operation: "CopyObject" });
    const plan = this.#planProof(etag, false);
    return this.#concludeProof(stored, { plan, etag, sizeBytes, partsMatch: false, operation: "CopyObject" });
  }

  /**
   * One HEAD and one CopyObject. The HEAD is needed because the request sets all attributes itself. `again`:
   * the service refused an attribute, refused to copy this object by itself, or the object has changed; then
   * the object is streamed.
   */
  async #copyInside(signal: AbortSignal): Promise<ObjectOutcome | "again"> {
    const response = await headObject(this.#source, this.#from).catch(failedAt("source"));
    const { etag, sizeBytes, plan } = this.#plan(response);
    if (sizeBytes > this.#maxBytes) return { kind: "differs" };
    if (!this.#isStrictEnough(plan)) return this.#streamInstead();
    const headers = await this.#attributes(response.headers, etag);
    if (hasLock(headers) && !locksInside(this.#destination.store)) return this.#streamInstead();
    const from = { address: this.#from, etag, encryption: this.#source.store.encryption };
    let stored: Stored;
    try {
      stored = await copyObject(this.#destination, this.#to, {
        source: from,
        headers,
        directive: "REPLACE",
        signal,
      });
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      const failure = error.toFailure("destination");
      if (this.#drop(headers, failure)) return "again";
      if (error.status === 412 || keyVerdictOf(failure) === "fatal") return this.#streamInstead();
      throw error;
    }
    const change = this.#source.store.profile.conditionalCopy
      ? null
      : await changeSince(this.#source, this.#from, etag).catch(failedAt("source"));
    if (change !== null) {
      await removeExactly(this.#committed, this.#to, stored.etag);
      throw meshError("source_changed", `The source has changed: ${change}`, "CopyObject");
    }
    await this.#confirm({ ...stored, sent: headers, operation: "CopyObject" });
    return this.#concludeProof(stored, { plan, etag, sizeBytes, partsMatch: false, operation: "CopyObject" });
  }

  /** What was asked and is not shown was not done. @throws {FailureError} after the object was taken back */
  async #confirm(stored: Acknowledged): Promise<void> {
    const { ifLossy } = this.#options;
    this.#warnings.push(...(await confirmObject(this.#committed, this.#to, stored, ifLossy)));
  }

  #streamInstead(): "again" {
    this.#via = "stream";
    return "again";
  }

  /** What the source's answer to GET or HEAD says there is to copy, and how that can be proved. */
  #plan(answer: { status: number; headers: Headers }): { etag: string; sizeBytes: number; plan: ProofPlan } {
    const etag = etagOf(answer.headers);
    const sizeBytes = this.#sizeOf(answer, etag);
    if (etag === null)
      throw meshError("source_without_etag", "The source answered without an ETag", "GetObject");
    return { etag, sizeBytes, plan: this.#planProof(etag, isEncryptedWithKey(answer.headers)) };
  }

  #isStrictEnough(plan: ProofPlan): boolean {
    return this.#options.verify !== "strict" || canProve(plan);
  }

  /** The outcome for bytes that the store has acknowledged. */
  #concludeProof(
    stored: Stored,
    seen: { plan: ProofPlan; etag: string; sizeBytes: number; partsMatch: boolean; operation: string },
  ): ObjectOutcome {
    const { plan, etag, sizeBytes, partsMatch, operation } = seen;
    const proved = concludeProof({
      plan,
      sourceEtag: etag,
      destinationEtag: stored.etag,
      destinationEncryptedWithKey: stored.encryptedWithKey,
      destinationChecksums: [],
      ourChecksum: null,
      partsMatch,
    });
    if (!proved.ok) throw meshError("checksum_mismatch", proved.message, operation);
    if (this.#options.verify === "strict" && proved.proof === "length") {
      const message =
        "The object is there, but the destination reported no value that proves it, and verify is strict";
      throw meshError("proof_impossible", message, operation);
    }
    const warnings = [...new Set(this.#warnings)];
    return { kind: "copied", etag: stored.etag, proof: proved.proof, sizeBytes, warnings };
  }

  /** The object as it was listed, or as it is now if it has changed since. */
  async #get(signal: AbortSignal): Promise<Response> {
    const get = async (ifMatch: string | null) =>
      await getObject(this.#source, this.#from, { range: null, ifMatch, signal });
    try {
      return await get(this.#work.etag);
    } catch (error) {
      if (!(error instanceof S3Error) || error.status !== 412) return failedAt("source")(error);
    }
    return await get(null).catch(failedAt("source"));
  }

  #sizeOf({ status, headers }: { status: number; headers: Headers }, etag: string | null): number {
    const announced = sizeOf(headers);
    const sizeBytes = announced ?? this.#work.sizeBytes;
    const { etag: listed } = this.#work;
    const unchanged = listed === null || (etag !== null && bareEtag(etag) === bareEtag(listed));
    if (status !== 200) {
      const message = `Status ${status} for a whole object`;
      throw new FailureError(answerFailure("source", "bad_answer", message, "GetObject"));
    }
    // Only of the object that was listed is the listing's size known; its own answer is believed before that.
    if (!unchanged && announced === null) {
      const message = `The object has changed since it was listed, from ${this.#work.sizeBytes} to an unknown number of bytes`;
      throw meshError("source_changed", message, "GetObject");
    }
    return sizeBytes;
  }

  #planProof(etag: string, encryptedWithKey: boolean): ProofPlan {
    const { profile, encryption } = this.#destination.store;
    const plan = planProof({
      verify: this.#options.verify,
      via: this.#via,
      kind: "whole",
      boundaries: "chosen",
      source: { etag, profile: this.#source.store.profile, encryptedWithKey, checksums: [] },
      destination: {
        profile,
        encryptedWithKey: encryption !== undefined && encryption.kind !== "AES256",
      },
    });
    if (plan.contentMd5 === null || this.#work.failedAttempts < MD5_TRIES) return plan;
    return { ...plan, etag: "not-comparable", contentMd5: null, digests: ["md5"] };
  }

  async #attributes(source: Headers, etag: string): Promise<Record<string, string>> {
    const sides = { source: this.#source, from: this.#from, destination: this.#destination, to: this.#to };
    const needsMark = this.#work.isInHistory === true;
    const work = { syncId: this.#syncId, options: this.#options, etag, needsMark };
    const { headers, warnings } = await attributesToSend(sides, work, source);
    this.#warnings.push(...warnings);
    if (this.#options.ifLossy === "fail" && this.#warnings.length > 0)
      throw meshError("attribute_lost", this.#warnings.join("; "), "plan");
    return [...this.#dropped].reduce(withoutHeader, headers);
  }

  async #put(body: ReadableStream | Uint8Array, headers: Record<string, string>, signal: AbortSignal) {
    try {
      return await putObject(this.#destination, this.#to, { body, headers, signal });
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      // Perhaps the store has taken it, and nobody has heard what became of it.
      if (error.status === null) await removeUnencrypted(this.#committed, this.#to, headers);
      const failure = error.toFailure("destination");
      if (failure.code === "digest_demanded" || this.#drop(headers, failure)) return "again" as const;
      // One pump moves both streams. When it breaks, it does not show which side closed.
      const broken = error.code === "network" && this.#work.sizeBytes > 0;
      throw broken ? new FailureError({ ...failure, side: "mesh", code: "stream_broken" }) : error;
    }
  }

  /** Leaves out an attribute that the store has refused. @returns whether there was one to leave out */
  #drop(headers: Readonly<Record<string, string>>, failure: Failure): boolean {
    if (keyVerdictOf(failure) !== "fatal" || this.#options.ifLossy !== "warn") return false;
    const dropped = droppable(headers, failure);
    if (dropped === null || this.#dropped.has(dropped.name)) return false;
    this.#dropped.add(dropped.name);
    this.#warnings.push(dropped.loss);
    return true;
  }
}

/** Then the bodies of all answers have been read. */
function isCopied(outcome: ObjectOutcome | "again"): boolean {
  return outcome !== "again" && outcome.kind === "copied";
}
