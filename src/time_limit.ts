// How long one part may take. Pure.
//
// Where the runtime alone moves a part's bytes nobody sees them move, so a part that has stopped is known by its time
// only: many times what the slowest part before it took. Where digests are computed every buffer is seen, and a stream
// that moves nothing is let go much sooner (digest_stream.ts).

/** A copy that moves less than this is stalled, whatever was seen before. */
const SLOWEST_BYTES_PER_SECOND = 256 * 1024;
/** For the answers at both ends, whatever the length. */
const BASE_LIMIT_MS = 60_000;
/** Below the 15 minutes that the platform keeps a pending call alive. */
const MAX_LIMIT_MS = 12 * 60_000;
/** No part that was once answered within seconds is given up before this. */
const LEAST_LIMIT_MS = 30_000;
const SLACK = 4;

/** Streams that show their bytes: no byte for so long is a stall. */
export const IDLE_LIMIT_MS = 30_000;
/** A store that has all bytes of a part answers within this. */
export const ANSWER_LIMIT_MS = 60_000;

/**
 * @param length of the part in bytes
 * @param slowestMsPerMib of the parts that are done, null before the first
 * @param failedAttempts of this part: each doubles the time, since the whole store may have become slow
 */
export function partLimitMs(length: number, slowestMsPerMib: number | null, failedAttempts: number): number {
  const mostMs = Math.min(MAX_LIMIT_MS, BASE_LIMIT_MS + (length / SLOWEST_BYTES_PER_SECOND) * 1000);
  if (slowestMsPerMib === null) return Math.ceil(mostMs);
  const seenMs = SLACK * slowestMsPerMib * (length / 2 ** 20);
  return Math.ceil(Math.min(mostMs, Math.max(LEAST_LIMIT_MS, seenMs) * 2 ** failedAttempts));
}
