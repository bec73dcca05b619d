// What went wrong, as plain data that travels over RPC, is stored in SQLite and is shown in a status. Pure.
//
// retry.ts decides what to do about a failure; view/failure.ts has its words for the API.

export type Side = "source" | "destination" | "mesh";

export interface Failure {
  readonly side: Side;
  /** S3's own code (`NoSuchKey`), or one of the mesh's in snake_case (`source_changed`, `network`). */
  readonly code: string;
  /** For people: what was being done, to what, and what the store answered. Never contains a secret. */
  readonly message: string;
  /** The S3 operation by its API name. */
  readonly operation: string;
  readonly status: number | null;
  readonly requestId: string | null;
  /** The shortest wait that the store asked for. */
  readonly retryAfterMs: number | null;
}

export function meshFailure(code: string, message: string, operation: string): Failure {
  return { side: "mesh", code, message, operation, status: null, requestId: null, retryAfterMs: null };
}
