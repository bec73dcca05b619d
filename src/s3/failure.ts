// What went wrong, as plain data that travels over RPC, rests in SQLite and is shown in a status. Pure.
//
// What to do about a failure is decided in retry.ts; its words for the API are in view/failure.ts.

export type Side = "source" | "destination" | "mesh";

export interface Failure {
  readonly side: Side;
  /** S3's own code (`NoSuchKey`), or one of ours in snake_case (`source_changed`, `network`). */
  readonly code: string;
  /** For people: what was being done, to what, and what the store answered. Never holds a secret. */
  readonly message: string;
  /** The S3 operation by its API name. */
  readonly operation: string;
  readonly status: number | null;
  readonly requestId: string | null;
  /** The least wait that the store asked for. */
  readonly retryAfterMs: number | null;
}

export function meshFailure(code: string, message: string, operation: string): Failure {
  return { side: "mesh", code, message, operation, status: null, requestId: null, retryAfterMs: null };
}
