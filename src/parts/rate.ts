// How fast the parts of a copy move now. A part is known to have moved only when it is done, and one of 64
// MiB may take minutes: so its bytes are spread over the time that it took, and a part that is being sent
// counts as if it went like those before it. Pure but for the SQL.

import { MIB } from "../http/fields.ts";
import type { OpenPart } from "./rows.ts";

/** Long enough for a few parts, so that those which begin and end together do not make it jump. */
const WINDOW_PARTS = 3;

const WINDOW_MS = { least: 15_000, most: 15 * 60_000 };

/** Finished parts from which is concluded how long the next one takes. */
const SEEN_PARTS = 9;

/**
 * Bytes per second, over the time of the last few parts; null before the first part is done.
 *
 * @param open the parts that are not done
 */
export function bytesPerSecond(sql: SqlStorage, open: readonly OpenPart[], now: number): number | null {
  const seen = sql
    .exec(
      `SELECT length, duration_ms FROM parts WHERE state = 'done' AND duration_ms IS NOT NULL
       ORDER BY done_at_ms DESC LIMIT ?`,
      SEEN_PARTS,
    )
    .toArray()
    .map((row) => ({ length: Number(row["length"]), durationMs: Number(row["duration_ms"]) }));
  if (seen.length === 0) return null;
  const durationMs = medianOf(seen.map((part) => part.durationMs));
  const msPerByte = medianOf(seen.map((part) => part.durationMs / Math.max(part.length, MIB)));
  const windowMs = Math.min(WINDOW_MS.most, Math.max(WINDOW_MS.least, WINDOW_PARTS * durationMs));
  const sinceMs = now - windowMs;
  const done = sql
    .exec(
      `SELECT coalesce(sum(length * min(1.0, (done_at_ms - ?1) * 1.0 / max(coalesce(duration_ms, 0), 1))), 0) AS bytes,
         min(done_at_ms - coalesce(duration_ms, 0)) AS first FROM parts WHERE state = 'done' AND done_at_ms > ?1`,
      sinceMs,
    )
    .one();
  let bytes = Number(done["bytes"]);
  // A copy that has just begun or been resumed is measured from there.
  let firstMs = done["first"] === null ? now : Number(done["first"]);
  for (const { state, leasedAtMs, length } of open) {
    if (state !== "leased" || leasedAtMs === null) continue;
    const elapsedMs = Math.max(0, now - leasedAtMs);
    const expectedMs = Math.max(elapsedMs, length * msPerByte, 1);
    bytes += (length * Math.min(elapsedMs, windowMs)) / expectedMs;
    firstMs = Math.min(firstMs, leasedAtMs);
  }
  return Math.round((bytes * 1000) / Math.max(1, now - Math.max(sinceMs, firstMs)));
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}
