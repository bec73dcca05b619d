// The XML of multipart uploads, for requests that are made by curl. Pure.

import type { Reply } from "./clients.ts";

/** Of a CreateMultipartUpload's answer, encoded for a query. @throws when there is none */
export function uploadIdOf({ status, text }: Reply): string {
  const id = /<UploadId>(.+)<\/UploadId>/.exec(text)?.[1];
  if (id === undefined) throw new Error(`CreateMultipartUpload was answered ${status}: ${text}`);
  return encodeURIComponent(id);
}

/**
 * The body of a CompleteMultipartUpload. @param etags of the parts from the first on, as they were answered
 */
export function completeBody(etags: readonly string[]): string {
  const parts = etags.map(
    (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
  );
  return `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
}
