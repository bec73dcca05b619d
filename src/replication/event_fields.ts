// What the forms of events have in common: the key of an object, the time, and what is made of both. Pure.

import { Problem } from "../http/problem.ts";
import { MAX_KEY_BYTES, utf8Bytes } from "../s3/url.ts";
import type { Hint } from "./hint.ts";

/** What a request of a sender says. */
export interface Events {
  readonly hints: readonly Hint[];
  /** Events by which no key has changed: tests, reads. */
  readonly idle: number;
}

/**
 * @param where the field, for the error
 * @param time ISO 8601, or ms since 1970; a time that cannot be read is none
 * @throws {Problem} 400 for a key that no object can have
 */
export function hintOf(where: string, bucket: string, key: string, time?: string | number | null): Hint {
  // A lone surrogate has no UTF-8: it would become another key.
  const fault = key.isWellFormed() ? lengthFault(key) : "is no Unicode text";
  if (fault !== null)
    throw new Problem(400, "invalid_key", `${where} ${fault}: ${JSON.stringify(key.slice(0, 100))}`);
  const atMs = typeof time === "string" ? Date.parse(time) : (time ?? Number.NaN);
  return { bucket, key, atMs: Number.isFinite(atMs) ? atMs : null };
}

function lengthFault(key: string): string | null {
  const sizeBytes = utf8Bytes(key);
  if (sizeBytes === 0) return "is empty; a key has 1 to 1,024 bytes";
  return sizeBytes > MAX_KEY_BYTES ? `has ${sizeBytes} bytes; a key has 1 to 1,024` : null;
}

/** One hint for each key, that of its last event, in the order of these. */
export function coalesce(hints: readonly Hint[]): Hint[] {
  const last = new Map<string, Hint>();
  for (const hint of hints) {
    const own = JSON.stringify([hint.bucket, hint.key]);
    const before = last.get(own);
    last.delete(own);
    last.set(own, laterOf(before, hint));
  }
  return [...last.values()];
}

/** Events arrive in any order. */
function laterOf(before: Hint | undefined, hint: Hint): Hint {
  if (before?.atMs === undefined || before.atMs === null) return hint;
  return hint.atMs === null || hint.atMs < before.atMs ? before : hint;
}
