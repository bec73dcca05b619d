// The steps of a copy whose source is archived: asking its store for a restore, and looking whether it is
// done.
//
// What they need: the record of the copy, and the source. Each may run twice.

import type { CopyRecord } from "./record.ts";
import type { Restored } from "./restored_table.ts";
import { isoTime } from "../http/fields.ts";
import { archiveAt, restoreWish } from "../object/archive.ts";
import type { Failure } from "../s3/failure.ts";
import { headObject } from "../s3/read.ts";
import type { S3 } from "../s3/request.ts";
import { restoreObject } from "../s3/restore.ts";
import { wholeNumber } from "../s3/value.ts";
import { retrievalUsd } from "../work/restore_cost.ts";

/**
 * The source cannot be read before it is restored. @returns false if the request does not say what to do then
 */
export function takeArchived(record: CopyRecord, failure: Failure): boolean {
  const { ifArchived: wish } = record.load().spec;
  // A copy inside a service finds it out at the destination.
  const isArchived = failure.code === "source_archived" || failure.code === "InvalidObjectState";
  if (wish === undefined || !isArchived) return false;
  const asks = record.restored.find()?.asks ?? 0;
  const told: Failure = { ...failure, code: "source_archived", side: "source" };
  record.applyEvent(
    { type: "sourceArchived", failure: told, wish, asks },
    "source_archived",
    failure.message,
  );
  return true;
}

export async function lookRestored(record: CopyRecord, source: S3): Promise<void> {
  const { spec } = record.load();
  const { headers } = await headObject(source, spec.source);
  const archive = archiveAt(headers, source.store.provider);
  record.transaction(() => {
    const known = record.restored.find() ?? nothing(record);
    const now = Date.now();
    const { asks } = known;
    if (archive.kind !== "readable") {
      const { storageClass, isTiered } = archive;
      const sizeBytes = wholeNumber(headers.get("content-length")) ?? 0;
      const archived = { storageClass, sizeBytes, isTiered, readableAtMs: null, untilMs: null };
      record.restored.save({ ...known, ...archived });
      record.applyEvent({ type: "restoreSeen", state: archive.kind, asks, now });
      return;
    }
    const { untilMs } = archive;
    record.restored.save({ ...known, readableAtMs: now, untilMs });
    // What was refused while it was archived is no part's fault.
    record.parts.forgive();
    const detail = untilMs === null ? null : `until ${isoTime(untilMs)}`;
    record.applyEvent({ type: "restoreSeen", state: "readable", asks, now }, "restored", detail);
  });
}

/** That it is asked is on disk first: a copy that dies then looks before it asks again. */
export async function askRestore(record: CopyRecord, source: S3): Promise<void> {
  const { job, spec } = record.applyEvent({ type: "restoreSending" });
  if (job.phase !== "restoring") return;
  await record.onDisk();
  const known = record.restored.find() ?? nothing(record);
  const { tier } = known;
  const wishedDays = restoreWish(spec)?.days ?? 1;
  const days = known.isTiered ? null : wishedDays;
  const usd = retrievalUsd(source.store, known, { restore: tier, days: wishedDays });
  const answer = await restoreObject(source, spec.source, { tier, days, usd });
  record.transaction(() => {
    const now = Date.now();
    record.restored.save({ ...known, asks: known.asks + 1, askedAtMs: now });
    const detail = `${known.storageClass}, ${tier}${days === null ? "" : `, ${days} days`}: ${answer}`;
    record.applyEvent({ type: "restoreAsked", now }, "restore_asked", detail);
  });
}

function nothing(record: CopyRecord): Restored {
  const tier = restoreWish(record.load().spec)?.restore ?? "Standard";
  const never = { asks: 0, askedAtMs: null, readableAtMs: null, untilMs: null };
  return { storageClass: "", sizeBytes: 0, isTiered: false, tier, ...never };
}
