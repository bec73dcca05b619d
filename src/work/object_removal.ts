// The removal of a copy whose object is gone at the source: looked at right before, at both sides, and done
// only to what is positively a copy. Of a versioned bucket the current version gets a delete marker.
//
// Invariant: the source has answered that it has no such object, and the object that is deleted bears a mark
// of this replication at its own place, or an ETag that it has written or found equal. Anything else is
// `foreign` and stays.

import { markOf } from "../object/mark.ts";
import { deleteListed } from "../s3/delete_listed.ts";
import { bareEtag } from "../s3/digest.ts";
import { failedAt, FailureError } from "../s3/errors.ts";
import { answerFailure } from "../s3/failure.ts";
import { etagOf, timeOf } from "../s3/value.ts";
import type { BatchSides } from "./batch_sides.ts";
import type { BatchTask, ObjectOutcome, ObjectWork } from "./batch_task.ts";
import { headIfAny } from "./held_object.ts";

export async function removeCopy(
  { source, destination, committed }: BatchSides,
  { source: from, destination: to }: BatchTask,
  { key, to: target, ours }: ObjectWork,
): Promise<ObjectOutcome> {
  const own = await headIfAny(source, { bucket: from.bucket, key }).catch(failedAt("source"));
  if (own !== null) return { kind: "removal", end: "back" };
  const place = { bucket: to.bucket, key: target };
  const held = await headIfAny(destination, place).catch(failedAt("destination"));
  if (held === null) return { kind: "removal", end: "absent" };
  const etag = etagOf(held);
  const mark = markOf(held, place);
  const isMarked = mark !== null && ours !== undefined && mark.id >= ours.since;
  const known = ours?.etag ?? null;
  const isKnown =
    known !== null && [bareEtag(etag ?? ""), mark?.sourceEtag].some((one) => one === bareEtag(known));
  if (etag === null || !(isMarked || isKnown)) return { kind: "removal", end: "foreign" };
  const listed = { key: target, etag, modifiedMs: timeOf(held.get("last-modified")) };
  const { refused } = await deleteListed(committed, to.bucket, [listed]).catch(failedAt("destination"));
  const [refusal] = refused;
  if (refusal === undefined) return { kind: "removal", end: "removed" };
  const { code, message, status, retryAfterMs } = refusal;
  // It was written meanwhile: it is looked at again.
  if (code === "destination_changed") return { kind: "left" };
  const failure = { ...answerFailure("destination", "bad_answer", message, "DeleteObject") };
  throw new FailureError({ ...failure, code, status, retryAfterMs });
}
