// A copy of an object as it was at a time: which version that is, is found out once, and from then on it is
// the source of the copy.
//
// Invariant: the version is on record before anything is read of it, so a copy that starts again copies the
// same one.

import type { CopyRecord } from "./record.ts";
import type { CopySpec } from "./spec.ts";
import { versionAt } from "../listing/versions.ts";
import type { S3 } from "../s3/request.ts";

/** @returns the spec, whose source is pinned if the request names a time @throws {FailureError | S3Error} */
export async function pinnedSpec(record: CopyRecord, source: S3): Promise<CopySpec> {
  const { spec } = record.load();
  if (spec.asOf === undefined || spec.source.versionId !== undefined) return spec;
  const versionId = await versionAt(source, spec.source, spec.asOf);
  const pinned = { ...spec, source: { ...spec.source, versionId } };
  record.transaction(() => {
    record.saveSpec(pinned);
    record.timeline.add(Date.now(), "version_found", versionId);
  });
  return pinned;
}
