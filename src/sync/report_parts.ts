// Where the parts of a sync's report are kept: compressed in the run's own storage, or as objects under the
// place that the request names. And the whole report as one stream.
//
// What it needs: the record of the sync; for a place of its own, that store.
//
// Invariant: a report that its place does not take is kept here, with a warning. It is never the reason that
// a run fails.

import { log } from "../log.ts";
import { failureOf } from "../s3/errors.ts";
import { getObject } from "../s3/read.ts";
import type { S3 } from "../s3/request.ts";
import { verdictOf } from "../s3/retry.ts";
import { putObject } from "../s3/s3.ts";
import { formatPrefix } from "../store/address.ts";
import { isComparison, reportPlaceOf } from "./comparison_spec.ts";
import type { SyncRecord } from "./record.ts";
import { reportKey } from "./report_keys.ts";
import { checkedLines } from "./report_lines.ts";
import type { FixedPart, StoredPart } from "./report_buffer.ts";

const TIMEOUT_MS = 120_000;

/** Tries that a part gets at its place, each with the backoff of a step, before it is kept here. */
const ATTEMPTS = 3;

/**
 * Keeps one part. It is fixed on disk before, and runs twice without harm.
 *
 * @param place the store of the report; null: the run's own storage
 * @throws {S3Error} when the place may take the part later
 */
export async function keepPart(record: SyncRecord, place: S3 | null, fixed: FixedPart): Promise<void> {
  const body = new TextEncoder().encode(fixed.text);
  const etag = place === null ? null : await sendPart(record, place, fixed.part, body);
  const kept = etag === null ? await gzip(body) : null;
  record.transaction(() => {
    if (etag !== null) record.report.sent(fixed, etag, body.length);
    else if (kept !== null) record.report.kept(fixed, kept, body.length);
    if (isComparison(record.load().spec)) record.tree.grow(fixed.text);
    record.applyEvent({ type: "reported" });
  });
}

/** @returns the part's ETag; null when its place does not take it */
async function sendPart(
  record: SyncRecord,
  place: S3,
  part: number,
  body: Uint8Array,
): Promise<string | null> {
  const { id, spec, job } = record.load();
  const report = reportPlaceOf(spec);
  if (report === null) return null;
  try {
    const address = { bucket: report.bucket, key: reportKey(report.prefix, id, part) };
    const headers = { "content-type": "application/x-ndjson" };
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return (await putObject(place, address, { body, headers, signal })).etag;
  } catch (error) {
    const failure = failureOf(error, "destination");
    const failedAttempts = "retry" in job ? job.retry.failedAttempts : 0;
    const verdict = verdictOf(failure);
    if ((verdict === "retry" || verdict === "throttle") && failedAttempts + 1 < ATTEMPTS) throw error;
    record.warn(
      `Parts of the report could not be written to ${formatPrefix(report)}: ${failure.message}. ` +
        `They are kept with the run: GET /syncs/${id}/report`,
    );
    return null;
  }
}

/**
 * The whole report as one stream: the stored parts in order, then what is not stored yet.
 *
 * @param place connects to the report's store
 */
export function readReport(record: SyncRecord, place: () => S3): ReadableStream {
  const { id } = record.load();
  // Both are read together, before the first byte: a line that moves into a part meanwhile is not sent twice.
  const parts = record.report.parts();
  const tail = new TextEncoder().encode(record.report.tail());
  const { readable, writable } = new IdentityTransformStream();
  const pump = async () => {
    for (const part of parts) {
      const body = await openPart(record, place, part);
      if (body !== null) await body.pipeTo(writable, { preventClose: true });
    }
    const writer = writable.getWriter();
    if (tail.length > 0) await writer.write(tail);
    await writer.close();
  };
  // If a part cannot be read, the answer breaks off and the client sees that: half a report must not look
  // whole.
  pump().catch(async (error: unknown) => {
    log("error", "report_broken", { syncId: id, detail: String(error) });
    if (!writable.locked) await writable.abort(error).catch(() => undefined);
  });
  return readable;
}

/** The lines of a part that is kept here. */
export async function partText(record: SyncRecord, { part }: StoredPart): Promise<string> {
  return await new Response(gunzip(record.report.keptBytesOf(part))).text();
}

async function openPart(
  record: SyncRecord,
  place: () => S3,
  { part, etag, bytes }: StoredPart,
): Promise<ReadableStream | null> {
  if (etag === null) return gunzip(record.report.keptBytesOf(part));
  const { id, spec } = record.load();
  const report = reportPlaceOf(spec);
  if (report === null) return null;
  const address = { bucket: report.bucket, key: reportKey(report.prefix, id, part) };
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const { body } = await getObject(place(), address, { range: null, ifMatch: etag, signal });
  return (body ?? new Blob([]).stream()).pipeThrough(checkedLines(bytes));
}

async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function gunzip(bytes: Uint8Array): ReadableStream {
  return new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
}
