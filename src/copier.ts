// PartCopier: copies one byte range from the source into one part of the destination's upload (or a small object
// whole), streaming: a signed GET whose body is the body of a signed PUT. No byte is held longer than it takes to
// pass it on, and no JavaScript runs per byte.
//
// What it needs: the STORE_<NAME> secrets. It keeps nothing, calls nobody back, and answers every outcome as data.
//
// A stateless Worker sends the bytes, not the lane that asks for them: the platform limits the size of request bodies
// that a Durable Object sends (https://developers.cloudflare.com/durable-objects/platform/limits/, 2026-11).
//
// Invariant: a result `ok` means that the store acknowledged exactly the bytes of this range of the source with this
// ETag. Source answers are distrusted: status, Content-Range, Content-Length and ETag must all fit the request.
//
// It is called by fetch() and not by an RPC method because only a fetch can be cancelled: when the lane aborts the
// call, the runtime ends this invocation and with it both streams.

import { WorkerEntrypoint } from "cloudflare:workers";
import type { Env } from "./env.ts";
import { type Failure, meshFailure } from "./failure.ts";
import { bareEtag } from "./proof.ts";
import { S3Error, connect, getObject, putObject, uploadPart } from "./s3.ts";
import { parseContentRange } from "./s3_url.ts";
import { findStore } from "./stores.ts";
import type { PartResult, PartTask } from "./work.ts";

/** A copy that moves less than this is stalled; the time limit of a part follows from it and its length. */
const SLOWEST_BYTES_PER_SECOND = 256 * 1024;
const BASE_TIMEOUT_MS = 60_000;
/** Below the 15 minutes that the platform keeps a pending call alive. */
const MAX_TIMEOUT_MS = 12 * 60_000;

export class PartCopier extends WorkerEntrypoint<Env> {
  override async fetch(request: Request): Promise<Response> {
    const task: PartTask = await request.json();
    return Response.json(await copyPart(this.env, task));
  }
}

/** The lane's side of the call above: a result in every case, `cancelled` when `signal` ended it. */
export async function callCopier(
  copier: { fetch(url: string, init: RequestInit): Promise<Response> },
  task: PartTask,
  signal: AbortSignal,
): Promise<PartResult> {
  try {
    const response = await copier.fetch("https://part-copier/", {
      method: "POST",
      body: JSON.stringify(task),
      signal,
    });
    if (response.ok) return await response.json();
    await response.body?.cancel();
    throw new Error(`the part copier answered ${response.status}`);
  } catch (error) {
    const code = signal.aborted ? "cancelled" : "copier_died";
    const detail = error instanceof Error ? error.message : String(error);
    return {
      ok: false,
      failure: meshFailure(code, `Part ${task.partNumber} ended early: ${detail}`, "copyPart"),
    };
  }
}

async function copyPart(env: Env, task: PartTask): Promise<PartResult> {
  const startedAtMs = Date.now();
  const userAgent = `bucket-brigade copy/${task.copyId} lane/${task.lane}`;
  const source = connect(findStore(env, task.source.store), userAgent);
  const destination = connect(findStore(env, task.destination.store), userAgent);
  const limitMs = Math.min(MAX_TIMEOUT_MS, BASE_TIMEOUT_MS + (task.length / SLOWEST_BYTES_PER_SECOND) * 1000);
  const timeout = AbortSignal.timeout(limitMs);
  // Ends the source's stream when the destination has answered early: an unread body would hold its connection.
  const sourceDone = new AbortController();
  const whole = task.target.kind === "whole";
  try {
    let body: ReadableStream | Uint8Array = new Uint8Array(0);
    if (task.length > 0) {
      const response = await getObject(source, task.source, {
        range: whole ? null : { offset: task.offset, length: task.length },
        ifMatch: task.sourceEtag,
        signal: AbortSignal.any([timeout, sourceDone.signal]),
      }).catch((error: unknown) => {
        throw new PartError(sourceFailure(error));
      });
      const misfit = checkAnswer(response, task);
      if (misfit !== null) throw new PartError(misfit);
      body = sizedBody(response, task.length);
    }
    const etag =
      task.target.kind === "whole"
        ? await putObject(destination, task.destination, {
            body,
            headers: { ...task.target.headers },
            signal: timeout,
          })
        : await uploadPart(destination, task.destination, {
            uploadId: task.target.uploadId,
            partNumber: task.partNumber,
            body,
            signal: timeout,
          });
    return { ok: true, etag, durationMs: Date.now() - startedAtMs };
  } catch (error) {
    if (error instanceof PartError) return { ok: false, failure: error.failure };
    if (error instanceof S3Error) return { ok: false, failure: streamFailure(error, task) };
    throw error;
  } finally {
    sourceDone.abort();
  }
}

class PartError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

function sourceFailure(error: unknown): Failure {
  if (!(error instanceof S3Error)) throw error;
  const failure = error.toFailure("source");
  // If-Match or the range no longer fits: the object was replaced since it was sized.
  const changed = error.status === 412 || error.status === 416;
  return changed ? { ...failure, code: "source_changed" } : failure;
}

// One pump moves both streams, so when it breaks there is no telling which side let go.
function streamFailure(error: S3Error, task: PartTask): Failure {
  const failure = error.toFailure("destination");
  return error.code === "network" && task.length > 0
    ? { ...failure, side: "mesh", code: "stream_broken" }
    : failure;
}

/** Why an answer to the GET is not the bytes asked for, or null when it is. */
function checkAnswer(response: Response, task: PartTask): Failure | null {
  const misfit = (code: string, detail: string): Failure => ({
    side: "source",
    code,
    message: `GetObject of part ${task.partNumber}: ${detail}`,
    operation: "GetObject",
    status: response.status,
    requestId: response.headers.get("x-amz-request-id"),
    retryAfterMs: null,
  });
  const etag = response.headers.get("etag");
  if (etag === null || bareEtag(etag) !== bareEtag(task.sourceEtag)) {
    return misfit("source_changed", `its ETag was ${task.sourceEtag} when the copy began and is ${etag} now`);
  }
  const contentLength = response.headers.get("content-length");
  if (contentLength !== null && Number(contentLength) !== task.length) {
    return response.status === 200 && task.target.kind === "part"
      ? misfit("range_ignored", "the store ignored the range and sent the whole object")
      : misfit("wrong_length", `${task.length} bytes were asked for and ${contentLength} announced`);
  }
  if (task.target.kind === "whole") {
    return response.status === 200
      ? null
      : misfit("bad_answer", `status ${response.status} for a whole object`);
  }
  if (response.status !== 206) {
    return misfit("range_ignored", `status ${response.status} for a range: the store ignored it`);
  }
  const range = parseContentRange(response.headers.get("content-range"));
  const fits =
    range !== null &&
    range.offset === task.offset &&
    range.length === task.length &&
    range.totalBytes === task.objectBytes;
  if (fits) return null;
  const asked = `bytes ${task.offset}-${task.offset + task.length - 1}/${task.objectBytes}`;
  return misfit("wrong_range", `asked for ${asked}, got "${response.headers.get("content-range")}"`);
}

/**
 * The body with a length that fetch sends as Content-Length. A body that came with one keeps it and is moved by the
 * runtime alone; any other would go out chunked, which S3 refuses (501 or 411), and gets a FixedLengthStream, which
 * also fails when the source sends fewer or more bytes.
 */
function sizedBody(response: Response, length: number): ReadableStream {
  const body = response.body ?? new Response(new Uint8Array(0)).body;
  if (body === null) throw new TypeError("Cannot read the body of a GetObject answer");
  return response.headers.has("content-length") ? body : body.pipeThrough(new FixedLengthStream(length));
}
