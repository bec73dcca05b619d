// Unfinished uploads that a run may leave: those of which nothing more can be asked of the mesh.

import type { CopyEvidence, Evidence } from "./evidence.ts";

/**
 * An upload whose ID the mesh may never have received, at a store that does not list uploads. All it can do
 * is warn.
 */
export function isAnnouncedStray(
  { requests, status }: CopyEvidence,
  { plan }: Evidence,
  id: string,
): boolean {
  const canList = !(plan.stores.west.options.without ?? []).includes("listMultipartUploads");
  // Once a part was sent to it, its ID was known.
  const known = requests.some(({ operation, uploadId }) => operation === "UploadPart" && uploadId === id);
  return !canList && !known && status.warnings.some((text) => /may have left an upload/.test(text));
}

/**
 * A part that was under way landed after the abort was confirmed. The mesh looks at the upload once more when
 * none can be under way any more, sixteen minutes later, which no run lasts.
 */
export function isLookedAtLater({ requests }: CopyEvidence, id: string): boolean {
  const ofUpload = requests.filter(({ uploadId }) => uploadId === id);
  const aborted = ofUpload.filter(
    ({ operation, status }) => operation === "AbortMultipartUpload" && status === 204,
  );
  const abortedAt = Math.max(...aborted.map(({ workedAt, endedAt }) => workedAt ?? endedAt ?? Infinity));
  return ofUpload.some(
    ({ operation, startedAt, workedAt }) =>
      operation === "UploadPart" && startedAt < abortedAt && workedAt !== null && workedAt > abortedAt,
  );
}
