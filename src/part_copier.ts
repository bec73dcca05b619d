// PartCopier: copies one byte range from the source into one part of the destination's upload (or a small
// object whole) by streaming: the body of a signed GET becomes the body of a signed PUT. No byte is held
// longer than it takes to pass it on, and JavaScript touches bytes only if a digest is wanted
// (work/digest_stream.ts).
//
// What it needs: the STORE_<NAME> secrets. It keeps nothing, calls nobody back, and returns every outcome as
// data.
//
// A stateless Worker sends the bytes, not the lane that asks for them: the platform limits the size of
// request bodies that a Durable Object sends
// (https://developers.cloudflare.com/durable-objects/platform/limits/, 2026-11).
//
// Invariant: a result `ok` means that the store acknowledged exactly the bytes of this range of the source
// with this ETag. Source answers are not trusted: status, Content-Range, Content-Length and ETag must all
// match the request.
//
// Cancelling (work/cancel.ts): both requests are aborted here, and only then is the result `cancelled`
// returned.

import { WorkerEntrypoint } from "cloudflare:workers";
import type { Env } from "./env.ts";
import { hasLock } from "./object/lock.ts";
import type { Digest } from "./object/proof.ts";
import { removeExactly } from "./s3/conditions.ts";
import { demandsDigest } from "./s3/demands.ts";
import { bareEtag, base64OfHex, MD5_OF_NOTHING } from "./s3/digest.ts";
import { failedAt, FailureError, failureOf, S3Error } from "./s3/errors.ts";
import { type Failure, answerFailure, meshFailure } from "./s3/failure.ts";
import { changeSince, getPinned, objectExists } from "./s3/read.ts";
import { type S3, connect, timeoutError } from "./s3/request.ts";
import { isPlatformLimit, isServerFault } from "./s3/retry.ts";
import { type Stored, copyObject, putObject, uploadPart, uploadPartCopy } from "./s3/s3.ts";
import { toldId } from "./s3/told.ts";
import { parseContentRange } from "./s3/url.ts";
import { etagOf, wholeNumber } from "./s3/value.ts";
import { type ObjectRef, isSameObject } from "./store/address.ts";
import { findKnownStore } from "./store/facts.ts";
import { pricesAt } from "./store/stores.ts";
import { ByteBucket, HandedBackError } from "./throttle/byte_bucket.ts";
import { turnsOf } from "./throttle/sender.ts";
import { callWithCancel, runWithCancel } from "./work/cancel.ts";
import {
  type Passing,
  bodyOf,
  digestWhileStreaming,
  LengthError,
  readForDigests,
  StallError,
} from "./work/digest_stream.ts";
import { ANSWER_LIMIT_MS } from "./work/limits.ts";
import type { PartDigests, PartOutcome, PartResult, PartTask } from "./work/part_task.ts";
import { Purse } from "./work/purse.ts";
import { SpentCount } from "./work/spent.ts";

export class PartCopier extends WorkerEntrypoint<Env> {
  /**
   * Copies one part. @param cancel ends when the copy must stop; a stream, since an AbortSignal cannot cross
   * the call
   */
  async copyPart(task: PartTask, cancel: ReadableStream): Promise<PartResult> {
    try {
      return await runWithCancel(cancel, async (cancelled) => await copyPart(this.env, task, cancelled));
    } catch (error) {
      return { ok: false, failure: failureOf(error, "destination") };
    }
  }
}

/** The lane's side of the call above; it always returns a result. `signal` cancels the part. */
export async function callCopier(
  copier: { copyPart(task: PartTask, cancel: ReadableStream): Promise<PartResult> },
  task: PartTask,
  signal: AbortSignal,
): Promise<PartResult> {
  try {
    return await callWithCancel(signal, async (cancel) => await copier.copyPart(task, cancel));
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const code = isPlatformLimit(error) ? "platform_limit" : "copier_died";
    return {
      ok: false,
      failure: meshFailure(code, `Part ${task.partNumber} ended early: ${detail}`, "copyPart"),
    };
  }
}

async function copyPart(env: Env, task: PartTask, cancelled: AbortSignal): Promise<PartResult> {
  const { purse, known } = task;
  const storeAt = (side: "source" | "destination") => findKnownStore(env, task[side], known);
  const prices = () => pricesAt({ source: storeAt("source"), destination: storeAt("destination") });
  const sent = new SpentCount(purse === undefined ? null : new Purse(purse, prices()).charge);
  return { ...(await copyCounted(env, task, sent, cancelled)), spent: sent.take() };
}

async function copyCounted(
  env: Env,
  task: PartTask,
  sent: SpentCount,
  cancelled: AbortSignal,
): Promise<PartOutcome> {
  const startedAtMs = Date.now();
  const userAgent = `bucket-brigade copy/${task.copyId} lane/${task.lane}`;
  const storeOf = (ref: ObjectRef) => findKnownStore(env, ref, task.known);
  const connectTo = (side: "source" | "destination"): S3 => ({
    ...connect(storeOf(task[side]), userAgent, turnsOf(task.pace[side])),
    sent: sent[side],
  });
  const [source, destination] = [connectTo("source"), connectTo("destination")];
  const overdue = new AbortController();
  const timer = setTimeout(() => overdue.abort(timeoutError(task.limitMs)), task.limitMs);
  const bucket = task.rate === undefined ? null : new ByteBucket(task.rate);
  const sides = { source, destination, task, startedAtMs, bucket };
  const stop = AbortSignal.any([overdue.signal, cancelled]);
  const result = await copyBy(sides, stop).finally(() => clearTimeout(timer));
  if (result.ok) return result;
  if (!cancelled.aborted) return { ...result, failure: await withAnswerToOthers(sides, result.failure) };
  return {
    ok: false,
    failure: meshFailure("cancelled", `Part ${task.partNumber} was cancelled`, "copyPart"),
  };
}

/**
 * A store that takes the fault on itself again may be down, or unable to take just this (Swift answers 500 to
 * metadata that is too long). One HEAD tells.
 */
async function withAnswerToOthers({ destination, task }: Sides, failure: Failure): Promise<Failure> {
  if (failure.side !== "destination" || task.attempt === 1 || !isServerFault(failure)) return failure;
  const answers = await objectExists(destination, task.destination).then(
    () => true,
    () => false,
  );
  return answers ? { ...failure, answersOthers: true } : failure;
}

interface Sides {
  readonly source: S3;
  readonly destination: S3;
  readonly task: PartTask;
  readonly startedAtMs: number;
  readonly bucket: ByteBucket | null;
}

async function copyBy(sides: Sides, stop: AbortSignal): Promise<PartOutcome> {
  const { via, heldEtag } = sides.task;
  if (via === "server") return await copyInside(sides, stop);
  return heldEtag === null ? await copyThrough(sides, stop) : await digestHeld(sides, heldEtag, stop);
}

/**
 * The bytes pass through here, from a GET into a PUT. If the bucket demands a digest that is not known, they
 * are read twice: nothing may hold them until the first reading has shown it.
 */
async function copyThrough(sides: Sides, stop: AbortSignal): Promise<PartOutcome> {
  const { length, target } = sides.task;
  const isLocked = target.kind === "whole" && hasLock(target.headers);
  if (!isLocked && !demandsDigest(sides.destination, sides.task.destination)) {
    const result = await pass(sides, null, stop);
    if (result.ok || result.failure.code !== "digest_demanded") return result;
  }
  // The digest of no bytes is sent anyway, and the source's MD5 may be among the headers.
  const isKnown = length === 0 || (target.kind === "whole" && "content-md5" in target.headers);
  if (isKnown) return await pass(sides, null, stop);
  const read = await readDigests(sides, ["md5"], stop);
  if (!read.ok) return read;
  const result = await pass(sides, read.digests.md5 ?? null, stop);
  return result.ok ? { ...result, readTwice: true } : result;
}

async function pass(
  { source, destination, task, startedAtMs, bucket }: Sides,
  md5: string | null,
  stop: AbortSignal,
): Promise<PartOutcome> {
  // Ends the source's stream when the destination has answered early: an unread body would keep its
  // connection.
  const sourceDone = new AbortController();
  const { length } = task;
  let passing: Passing | null = null;
  try {
    let body: ReadableStream | Uint8Array = new Uint8Array(0);
    let sized = true;
    if (length > 0) {
      const response = await openSource(source, task, AbortSignal.any([stop, sourceDone.signal]));
      body = bodyOf(response);
      sized = response.headers.has("content-length");
    } else if (bareEtag(task.sourceEtag) !== MD5_OF_NOTHING) {
      await checkEmpty(await openSource(source, task, AbortSignal.any([stop, sourceDone.signal])), task);
    }
    passing = digestWhileStreaming(body, { length, sized, digests: task.digests, bucket });
    const watch = watchStalls(passing);
    // The store's answer first: an early refusal breaks the stream, and the refusal is the actual cause.
    const stored = await send(
      destination,
      task,
      { body: passing.body, md5 },
      AbortSignal.any([stop, watch.signal]),
    ).finally(watch.end);
    const digests = await passing.digests;
    return { ok: true, ...stored, digests, durationMs: Date.now() - startedAtMs };
  } catch (error) {
    sourceDone.abort();
    // A body of the wrong length breaks the request that sends it, but the fault is the source's.
    const cause =
      passing === null
        ? null
        : await passing.digests.then(
            () => null,
            (reason: unknown) => reason,
          );
    if (cause instanceof HandedBackError)
      return { ok: false, failure: meshFailure("cancelled", cause.message, "copyPart") };
    const misfit = cause instanceof LengthError ? cause : null;
    const failure =
      misfit === null ? partFailure(error, task) : misfitOf(task, null, "wrong_length", misfit.message);
    return { ok: false, failure };
  } finally {
    sourceDone.abort();
  }
}

/**
 * Is it empty, as its HEAD said? Proxies answer HEAD with a length of 0 that is not the object's, and nothing
 * would be read before the destination's object is replaced by an empty one.
 */
async function checkEmpty(response: Response, task: PartTask): Promise<void> {
  const reader = bodyOf(response).getReader();
  const { value } = await reader.read();
  await reader.cancel();
  if (value === undefined || value.byteLength === 0) return;
  throw new FailureError(
    misfitOf(task, response, "wrong_length", "its HEAD says 0 bytes, and there are some"),
  );
}

/**
 * Ends a request whose bytes have stopped moving, or whose answer does not come although all bytes are sent.
 */
function watchStalls({ digests, watched }: Passing): { signal: AbortSignal; end: () => void } {
  const stalled = new AbortController();
  if (!watched) return { signal: stalled.signal, end: () => undefined };
  let timer: ReturnType<typeof setTimeout> | null = null;
  digests.then(
    () => {
      timer = setTimeout(() => stalled.abort(timeoutError(ANSWER_LIMIT_MS)), ANSWER_LIMIT_MS);
    },
    (error: unknown) => {
      if (error instanceof StallError || error instanceof HandedBackError) stalled.abort(error);
    },
  );
  return {
    signal: stalled.signal,
    end: () => {
      if (timer !== null) clearTimeout(timer);
    },
  };
}

/**
 * The destination has the part, but the digests of its bytes were lost with the lane. The bytes are read and
 * not sent.
 */
async function digestHeld(sides: Sides, etag: string, stop: AbortSignal): Promise<PartOutcome> {
  const read = await readDigests(sides, sides.task.digests, stop);
  if (!read.ok) return read;
  const durationMs = Date.now() - sides.startedAtMs;
  return { ok: true, etag, encryptedWithKey: false, digests: read.digests, durationMs };
}

/** Reads the bytes for their digests alone. */
async function readDigests(
  { source, task, bucket }: Sides,
  wanted: readonly Digest[],
  stop: AbortSignal,
): Promise<{ ok: true; digests: PartDigests } | { ok: false; failure: Failure }> {
  const { length } = task;
  try {
    const response = await openSource(source, task, stop);
    const sized = response.headers.has("content-length");
    const passing = digestWhileStreaming(bodyOf(response), { length, sized, digests: wanted, bucket });
    return { ok: true, digests: await readForDigests(passing) };
  } catch (error) {
    if (error instanceof HandedBackError)
      return { ok: false, failure: meshFailure("cancelled", error.message, "copyPart") };
    const known = error instanceof FailureError || error instanceof S3Error;
    const detail = error instanceof Error ? error.message : String(error);
    return {
      ok: false,
      failure: known ? partFailure(error, task) : misfitOf(task, null, "stream_broken", detail),
    };
  }
}

/**
 * The source's answer to the GET of this part. @throws {FailureError} when it is not the bytes that were
 * requested
 */
async function openSource(source: S3, task: PartTask, signal: AbortSignal): Promise<Response> {
  const { target, offset, length } = task;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(timeoutError(ANSWER_LIMIT_MS)), ANSWER_LIMIT_MS);
  const response = await getPinned(source, task.source, {
    range: target.kind === "whole" ? null : { offset, length },
    ifMatch: task.sourceEtag,
    acceptEncoding: task.acceptEncoding ?? null,
    signal: AbortSignal.any([signal, late.signal]),
  })
    .catch((error: unknown) => {
      throw new FailureError(sourceFailure(error));
    })
    .finally(() => clearTimeout(timer));
  const misfit = checkAnswer(response, task, source.store.web !== undefined);
  if (misfit === null) return response;
  await response.body?.cancel();
  throw new FailureError(misfit);
}

function partFailure(error: unknown, task: PartTask): Failure {
  if (error instanceof FailureError) return error.failure;
  if (error instanceof S3Error) return streamFailure(error, task);
  throw error;
}

async function send(
  destination: S3,
  task: PartTask,
  { body, md5 }: { body: ReadableStream | Uint8Array; md5: string | null },
  signal: AbortSignal,
): Promise<Stored> {
  const { target, partNumber } = task;
  if (target.kind === "part") {
    const part = { uploadId: target.uploadId, partNumber, body, md5, signal };
    return await uploadPart(destination, task.destination, part);
  }
  const headers = { ...target.headers, ...(md5 === null ? {} : { "content-md5": base64OfHex(md5) }) };
  return await putObject(destination, task.destination, { body, headers, signal });
}

/**
 * Both sides are one service: it copies by itself, pinned to the source's ETag. If it has copied, and only
 * the look at the source failed afterwards, the next attempt only looks.
 */
async function copyInside(sides: Sides, signal: AbortSignal): Promise<PartOutcome> {
  const { source, destination, task, startedAtMs } = sides;
  let heldEtag = task.heldEtag;
  try {
    const stored =
      heldEtag === null ? await letCopy(sides, signal) : { etag: heldEtag, encryptedWithKey: false };
    heldEtag = stored.etag;
    // A copy over its own source has changed it by now.
    const overItself = isSameObject([source.store, task.source], [destination.store, task.destination]);
    // A store that ignores the condition: what is unchanged now was unchanged while it was copied.
    const isPinned = source.store.profile.conditionalCopy || overItself;
    const change = isPinned ? null : await changeOfSource(source, task);
    if (change !== null) {
      if (task.target.kind === "whole") await removeExactly(destination, task.destination, stored.etag);
      return { ok: false, failure: misfitOf(task, null, "source_changed", change) };
    }
    return { ok: true, ...stored, digests: {}, durationMs: Date.now() - startedAtMs };
  } catch (error) {
    if (error instanceof FailureError)
      return { ok: false, failure: error.failure, ...(heldEtag === null ? {} : { heldEtag }) };
    if (!(error instanceof S3Error)) throw error;
    const failure = error.toFailure("destination");
    if (error.status !== 412) return { ok: false, failure };
    return { ok: false, failure: await meaningOf412(sides, failure).catch(thrownFailure) };
  }
}

async function letCopy({ source, destination, task }: Sides, signal: AbortSignal): Promise<Stored> {
  const { target, partNumber, offset, length } = task;
  const from = { address: task.source, etag: task.sourceEtag, encryption: source.store.encryption };
  return target.kind === "whole"
    ? await copyObject(destination, task.destination, {
        source: from,
        headers: target.headers,
        directive: "REPLACE",
        signal,
      })
    : await uploadPartCopy(destination, task.destination, {
        source: from,
        uploadId: target.uploadId,
        partNumber,
        range: { offset, length },
        signal,
      });
}

/**
 * Either the source's ETag no longer matches, or the destination has an object although it must not. Only a
 * look tells.
 *
 * @throws {FailureError} if a store does not say
 */
async function meaningOf412({ source, destination, task }: Sides, failure: Failure): Promise<Failure> {
  if (await isOccupied(destination, task)) return failure;
  // A store that refuses the condition of a source that has not changed cannot do it: the copy streams.
  return (await changeOfSource(source, task)) === null
    ? { ...failure, side: "destination", code: "NotImplemented" }
    : { ...failure, side: "source", code: "source_changed" };
}

function thrownFailure(error: unknown): Failure {
  if (error instanceof FailureError) return error.failure;
  throw error;
}

/**
 * Is it the destination's own condition that failed? The answer to CopyObject does not say which of the two
 * did.
 *
 * @throws {FailureError} if the destination does not say
 */
async function isOccupied(destination: S3, { target, destination: address }: PartTask): Promise<boolean> {
  if (target.kind !== "whole" || target.headers["if-none-match"] === undefined) return false;
  return await objectExists(destination, address).catch(failedAt("destination"));
}

/** What has changed, in words; null: nothing. @throws {FailureError} if the source does not say */
async function changeOfSource(source: S3, task: PartTask): Promise<string | null> {
  return await changeSince(source, task.source, task.sourceEtag).catch(failedAt("source"));
}

function sourceFailure(error: unknown): Failure {
  if (!(error instanceof S3Error)) throw error;
  const failure = error.toFailure("source");
  // If-Match or the range no longer matches: the object was replaced since it was sized.
  const changed = error.status === 412 || error.status === 416;
  return changed ? { ...failure, code: "source_changed" } : failure;
}

// One pump moves both streams. When it breaks, it does not show which side closed, unless the stream was
// watched.
function streamFailure(error: S3Error, task: PartTask): Failure {
  if (error.cause instanceof StallError)
    return answerFailure(error.cause.side, "timeout", error.message, error.operation);
  const failure = error.toFailure("destination");
  return error.code === "network" && task.length > 0
    ? { ...failure, side: "mesh", code: "stream_broken" }
    : failure;
}

type Misfit = Parameters<typeof answerFailure>[1];

function misfitOf(task: PartTask, response: Response | null, code: Misfit, detail: string): Failure {
  return {
    ...answerFailure("source", code, `GetObject of part ${task.partNumber}: ${detail}`, "GetObject"),
    status: response?.status ?? null,
    requestId: toldId(response?.headers.get("x-amz-request-id") ?? null),
  };
}

/**
 * Why an answer to the GET is not the bytes that were requested, or null when it is.
 *
 * @param byLength another length is another object, which a web server's validator need not show: a
 * Last-Modified counts seconds
 */
function checkAnswer(response: Response, task: PartTask, byLength: boolean): Failure | null {
  const misfit = (code: Misfit, detail: string) => misfitOf(task, response, code, detail);
  const etag = etagOf(response.headers);
  if (etag === null || bareEtag(etag) !== bareEtag(task.sourceEtag)) {
    return misfit("source_changed", `its ETag was ${task.sourceEtag} when the copy began and is ${etag} now`);
  }
  const { status } = response;
  const range = parseContentRange(response.headers.get("content-range"));
  const announced = response.headers.get("content-length");
  const nowBytes = status === 206 ? (range?.totalBytes ?? null) : wholeNumber(announced);
  if (byLength && nowBytes !== null && nowBytes !== task.objectBytes) {
    return misfit(
      "source_changed",
      `it had ${task.objectBytes} bytes when the copy began and has ${nowBytes} now`,
    );
  }
  if (announced !== null && wholeNumber(announced) !== task.length) {
    return status === 200 && task.target.kind === "part"
      ? misfit("range_ignored", "the store ignored the range and sent the whole object")
      : misfit("wrong_length", `${task.length} bytes were requested, but ${announced} are announced`);
  }
  if (task.target.kind === "whole") {
    return status === 200 ? null : misfit("bad_answer", `status ${status} for a whole object`);
  }
  if (status !== 206) {
    return misfit("range_ignored", `status ${status} for a range: the store ignored it`);
  }
  const fits =
    range !== null &&
    range.offset === task.offset &&
    range.length === task.length &&
    range.totalBytes === task.objectBytes;
  if (fits) return null;
  const asked = `bytes ${task.offset}-${task.offset + task.length - 1}/${task.objectBytes}`;
  return misfit(
    "wrong_range",
    `${asked} were requested, but the answer has "${response.headers.get("content-range")}"`,
  );
}
