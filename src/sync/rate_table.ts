// How fast a sync was, from its beginning on: what it had copied at some moments, of which there are never
// many.
//
// Invariant: a bounded table. When it is full, every second row goes, and from then on rows come half as
// often. Nothing depends on it but what is shown.

import { isoTime } from "../http/fields.ts";

interface Copied {
  readonly objects: number;
  readonly bytes: number;
}

interface Moment extends Copied {
  readonly atMs: number;
}

interface Sample {
  readonly at: string;
  readonly objectsPerSecond: number;
  readonly bytesPerSecond: number;
}

const MOST_ROWS = 120;

const LEAST_GAP_MS = 1_000;

/** What the time left is reckoned by. */
const RECENT_MS = 60_000;

export class RateTable {
  readonly #sql: SqlStorage;
  // In memory only: after an eviction one row more is written.
  #nextMs = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** @param isLast keeps it, however short ago the last one was */
  note(atMs: number, read: () => Copied, isLast = false): void {
    if (atMs < this.#nextMs && !isLast) return;
    const { objects, bytes } = read();
    const moments = this.#moments();
    const last = moments.at(-1);
    // A moment that is asked about twice, and a clock that went back.
    if (last !== undefined && (atMs <= last.atMs || (isLast && last.objects === objects))) return;
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS rates (at_ms INTEGER PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    );
    this.#sql.exec("INSERT INTO rates VALUES (?, ?, ?)", atMs, objects, bytes);
    if (moments.length + 1 > MOST_ROWS)
      for (const [index, moment] of moments.entries())
        if (index % 2 === 1) this.#sql.exec("DELETE FROM rates WHERE at_ms = ?", moment.atMs);
    const spanMs = atMs - (moments[0]?.atMs ?? atMs);
    this.#nextMs = atMs + Math.max(LEAST_GAP_MS, (2 * spanMs) / MOST_ROWS);
  }

  samples(): Sample[] {
    return samplesOf(this.#moments());
  }

  /** Of the last minute; null: nothing was copied in it, or nothing is known yet. */
  recent(now: number, copied: Copied): { objectsPerSecond: number; bytesPerSecond: number } | null {
    const moments = this.#moments();
    const from = moments.findLast(({ atMs }) => atMs <= now - RECENT_MS) ?? moments[0];
    if (from === undefined || now <= from.atMs || copied.objects <= from.objects) return null;
    return rateBetween(from, { ...copied, atMs: now });
  }

  #moments(): Moment[] {
    const made = this.#sql
      .exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'rates'")
      .toArray();
    if (made.length === 0) return [];
    return this.#sql
      .exec("SELECT at_ms, objects, bytes FROM rates ORDER BY at_ms")
      .toArray()
      .map((row) => ({
        atMs: Number(row["at_ms"]),
        objects: Number(row["objects"]),
        bytes: Number(row["bytes"]),
      }));
  }
}

/** Between two moments each; a retry of failed keys may have taken some back. */
function samplesOf(moments: readonly Moment[]): Sample[] {
  return moments.slice(1).map((to, index) => {
    const rate = rateBetween(moments[index] ?? to, to);
    return { at: isoTime(to.atMs), ...rate };
  });
}

function rateBetween(from: Moment, to: Moment): { objectsPerSecond: number; bytesPerSecond: number } {
  const perSecond = (count: number) => (Math.max(0, count) * 1000) / (to.atMs - from.atMs);
  return {
    objectsPerSecond: Math.round(perSecond(to.objects - from.objects) * 10) / 10,
    bytesPerSecond: Math.round(perSecond(to.bytes - from.bytes)),
  };
}

/** Seconds until all that is listed is copied, by whichever of keys and bytes takes longer. */
export function secondsLeft(
  left: Copied,
  rate: { readonly objectsPerSecond: number; readonly bytesPerSecond: number } | null,
): number | null {
  if (left.objects === 0) return 0;
  if (rate === null || rate.objectsPerSecond === 0) return null;
  const ofBytes = left.bytes === 0 || rate.bytesPerSecond === 0 ? 0 : left.bytes / rate.bytesPerSecond;
  return Math.ceil(Math.max(left.objects / rate.objectsPerSecond, ofBytes));
}
