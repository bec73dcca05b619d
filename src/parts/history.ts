// How fast a copy was, from its beginning on: from the parts that are done, each of which says when it ended
// and how long it took. So the past is there for who comes late, and nothing is stored for it.

import { isoTime } from "../http/fields.ts";

const MOST_SAMPLES = 120;

/** Parts that end together are one step otherwise. */
const LEAST_MS = 1_000;

interface Sample {
  readonly at: string;
  readonly bytesPerSecond: number;
}

/** Equal spans of time. The bytes of a part are spread over the time that it took. */
export function rateHistory(sql: SqlStorage): Sample[] {
  const spans = sql
    .exec(
      `SELECT length, done_at_ms AS done, done_at_ms - max(coalesce(duration_ms, 0), 1) AS begun FROM parts
       WHERE state = 'done' AND done_at_ms IS NOT NULL`,
    )
    .toArray()
    .map((row) => ({
      length: Number(row["length"]),
      begunMs: Number(row["begun"]),
      doneMs: Number(row["done"]),
    }));
  return samplesOf(spans);
}

export function samplesOf(
  parts: readonly { readonly length: number; readonly begunMs: number; readonly doneMs: number }[],
): Sample[] {
  if (parts.length === 0) return [];
  const fromMs = parts.reduce((least, { begunMs }) => Math.min(least, begunMs), Infinity);
  const toMs = parts.reduce((most, { doneMs }) => Math.max(most, doneMs), -Infinity);
  const stepMs = Math.max(LEAST_MS, Math.ceil((toMs - fromMs) / MOST_SAMPLES));
  const sums = Array.from({ length: Math.max(1, Math.ceil((toMs - fromMs) / stepMs)) }, () => 0);
  for (const { length, begunMs, doneMs } of parts) {
    const perMs = length / (doneMs - begunMs);
    const first = Math.floor((begunMs - fromMs) / stepMs);
    for (let index = first; index < sums.length && fromMs + index * stepMs < doneMs; index++) {
      const beginsMs = Math.max(begunMs, fromMs + index * stepMs);
      const endsMs = Math.min(doneMs, fromMs + (index + 1) * stepMs);
      sums[index] = (sums[index] ?? 0) + perMs * (endsMs - beginsMs);
    }
  }
  return sums.map((bytes, index) => {
    const endsMs = Math.min(toMs, fromMs + (index + 1) * stepMs);
    const lengthMs = Math.max(1, endsMs - fromMs - index * stepMs);
    return { at: isoTime(endsMs), bytesPerSecond: Math.round((bytes * 1000) / lengthMs) };
  });
}
