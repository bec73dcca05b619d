// The cache of the edge: whole answers in memory, found by URL, and fresh for as long as their origin says.
//
// Invariant: it holds at most MOST_BYTES, and no answer larger than MOST_ENTRY_BYTES (512 MB on the platform,
// which a test need not hold in memory). An answer can be found only once it is complete.

import type { RawHeaders } from "./rules.ts";

const MOST_BYTES = 64 * 2 ** 20;
const MOST_ENTRY_BYTES = 8 * 2 ** 20;

export interface CachedAnswer {
  readonly headers: RawHeaders;
  readonly bytes: Buffer;
  readonly storedAt: number;
  readonly freshUntil: number;
}

export class EdgeCache {
  readonly #answers = new Map<string, CachedAnswer>();
  readonly #now: () => number;
  #bytes = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The cached answer to a GET of this URL, if it is still fresh. */
  find(url: string): CachedAnswer | null {
    const answer = this.#answers.get(url);
    if (answer === undefined || answer.freshUntil > this.#now()) return answer ?? null;
    this.#remove(url);
    return null;
  }

  /** Stores an answer as it passes. The caller writes its whole body and then its end. */
  fill(
    url: string,
    headers: RawHeaders,
    lifetimeMs: number,
  ): { take: (bytes: Buffer) => void; end: () => void } {
    let chunks: Buffer[] | null = [];
    let sizeBytes = 0;
    return {
      take: (bytes) => {
        sizeBytes += bytes.length;
        if (sizeBytes > MOST_ENTRY_BYTES) chunks = null;
        chunks?.push(bytes);
      },
      end: () => {
        if (chunks === null) return;
        const now = this.#now();
        const bytes = Buffer.concat(chunks);
        this.#remove(url);
        this.#answers.set(url, { headers, bytes, storedAt: now, freshUntil: now + lifetimeMs });
        this.#bytes += bytes.length;
        for (const oldest of this.#answers.keys()) {
          if (this.#bytes <= MOST_BYTES) break;
          this.#remove(oldest);
        }
      },
    };
  }

  #remove(url: string): void {
    this.#bytes -= this.#answers.get(url)?.bytes.length ?? 0;
    this.#answers.delete(url);
  }
}

/**
 * Applies `bytes=…` to a whole body: the range to send, or that there is nothing to send. Null: the header is
 * ignored.
 */
export function rangeOf(
  header: string | undefined,
  sizeBytes: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  if (match === null || (match[1] === "" && match[2] === "")) return null;
  const [, first = "", last = ""] = match;
  const start = first === "" ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === "" || last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  return start < end ? { start, end } : "unsatisfiable";
}
