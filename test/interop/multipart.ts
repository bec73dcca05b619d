// The XML of multipart uploads, for requests sent with curl. Pure.

import type { Reply } from "./clients.ts";

/** From a CreateMultipartUpload's answer, encoded for a query. @throws if there is none */
export function uploadIdOf({ status, text }: Reply): string {
  const id = /<UploadId>(.+)<\/UploadId>/.exec(text)?.[1];
  if (id === undefined) throw new Error(`CreateMultipartUpload was answered ${status}: ${text}`);
  return encodeURIComponent(id);
}

/** The body of a CompleteMultipartUpload. @param etags of the parts from the first on, as received */
export function completeBody(etags: readonly string[]): string {
  const parts = etags.map(
    (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
  );
  return `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
}
