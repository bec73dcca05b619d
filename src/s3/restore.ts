// RestoreObject: a store is asked to make an archived object readable.
//
// What it needs: a Store and a User-Agent (request.ts signs and sends). Invariant: an answer here means that
// the store has heard the request, never that the object can be read: HEAD alone shows that.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html (2026-11)

import { createHash } from "node:crypto";
import { base64OfHex } from "./digest.ts";
import { FailureError, S3Error, meshError } from "./errors.ts";
import { type ObjectAddress, type S3, ask } from "./request.ts";
import { verdictOf } from "./retry.ts";
import { versionQuery } from "./s3.ts";
import type { RetrievalTier } from "../http/vocabulary.ts";

/** The store begins, it is at it, it has a restored copy, or the object is not archived. */
type RestoreAnswer = "asked" | "ongoing" | "extended" | "not_archived";

/** Codes that are no failure: the restore that was asked for is under way, or is not needed. */
const ANSWERS: Readonly<Record<string, RestoreAnswer>> = {
  RestoreAlreadyInProgress: "ongoing",
  InvalidObjectState: "not_archived",
  ObjectAlreadyInActiveTierError: "not_archived", // of INTELLIGENT_TIERING
};

const UNKNOWN_OPERATION: ReadonlySet<number | null> = new Set([405, 501]);

/**
 * @param days for which the restored copy is kept; null: INTELLIGENT_TIERING, which takes no number
 * @param usd that the store asks for it, beside the request. It is counted before, and taken back where the
 *   store has not begun: a restore whose answer is lost has cost it
 * @throws {S3Error}
 * @throws {FailureError} `restore_unsupported`, `restore_refused`
 */
export async function restoreObject(
  s3: S3,
  address: ObjectAddress,
  { tier, days, usd }: { readonly tier: RetrievalTier; readonly days: number | null; readonly usd: number },
): Promise<RestoreAnswer> {
  const body = new TextEncoder().encode(restoreDocument(tier, days));
  // Some stores demand a digest of each document.
  const headers = { "content-md5": base64OfHex(createHash("md5").update(body).digest("hex")) };
  const query = { restore: "", ...versionQuery(address) };
  s3.sent?.retrieval(usd);
  try {
    const { status } = await ask(s3, "RestoreObject", address, { method: "POST", query, headers, body });
    if (status !== 200) return "asked";
    s3.sent?.retrieval(-usd);
    return "extended";
  } catch (error) {
    if (isNotBegun(error)) s3.sent?.retrieval(-usd);
    if (!(error instanceof S3Error)) throw error;
    const answer = ANSWERS[error.code];
    if (answer !== undefined) return answer;
    throw refusal(error);
  }
}

/** A 500 does not say whether the store has begun. */
function isNotBegun(error: unknown): boolean {
  if (error instanceof S3Error) return error.status !== 500;
  return error instanceof FailureError && error.failure.code === "budget_reached";
}

/** What no repetition changes has a code of its own: it says nothing against reading the object. */
function refusal(error: S3Error): Error {
  const { code, status, message } = error;
  if (UNKNOWN_OPERATION.has(status) || code === "NotImplemented" || code === "MethodNotAllowed") {
    const advice = "restore the object where it lies, then copy it";
    return meshError(
      "restore_unsupported",
      `The store has no RestoreObject: ${advice} (${message})`,
      "RestoreObject",
    );
  }
  const isFatal = verdictOf(error.toFailure("source")) === "fatal" && status !== 404;
  return isFatal ? meshError("restore_refused", message, "RestoreObject") : error;
}

function restoreDocument(tier: RetrievalTier, days: number | null): string {
  const lifetime = days === null ? "" : `<Days>${days}</Days>`;
  return (
    '<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
    `${lifetime}<GlacierJobParameters><Tier>${tier}</Tier></GlacierJobParameters></RestoreRequest>`
  );
}
