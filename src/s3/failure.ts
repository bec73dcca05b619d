// What went wrong, as plain data that travels over RPC, is stored in SQLite and is shown in a status. Pure.
//
// retry.ts decides what to do about a failure; view/failure.ts has its words for the API.

import { sentence } from "./told.ts";
import type { AnswerCode, FailureCode } from "../http/codes.ts";

export type StoreSide = "source" | "destination";

export type Side = StoreSide | "mesh";

interface Description {
  /** For people: what was being done, to what, and what the store answered. Never contains a secret. */
  readonly message: string;
  /** The S3 operation by its API name. */
  readonly operation: string;
  readonly status: number | null;
  readonly requestId: string | null;
  /** The shortest wait that the store asked for. */
  readonly retryAfterMs: number | null;
  /** A server's fault, while the same server answers another request: it may be this request's own. */
  readonly answersOthers?: true;
}

type MeshFailure = Description & { readonly side: "mesh"; readonly code: FailureCode };

/**
 * `code`: S3's own (`NoSuchKey`), or the mesh's word for an answer that is wrong or missing (`network`,
 * `source_changed`).
 */
type StoreFailure = Description & { readonly side: StoreSide; readonly code: string };

export type Failure = MeshFailure | StoreFailure;

export function meshFailure(code: FailureCode, message: string, operation: string): MeshFailure {
  const words = sentence(message);
  return { side: "mesh", code, message: words, operation, status: null, requestId: null, retryAfterMs: null };
}

/** A failure of one store that is not a refusal: a wrong answer, or none. */
export function answerFailure(
  side: StoreSide,
  code: AnswerCode | "source_changed" | "stream_broken",
  message: string,
  operation: string,
): StoreFailure {
  const words = sentence(message);
  return { side, code, message: words, operation, status: null, requestId: null, retryAfterMs: null };
}
