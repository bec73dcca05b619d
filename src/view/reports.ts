// When a job tells the registry again what the registry did not take. The waits grow, and after some days the
// job rests: then any call to it, such as a resume, begins again.
//
// Since when it has failed is on disk, so that a job which is evicted meanwhile does not begin anew.

import { log } from "../log.ts";

/** The first wait, and the longest. Between them a wait is as long as it has failed so far. */
const LEAST_MS = 5_000;

const MOST_MS = 3600_000;

/** Webhooks are given up after the same time. */
const PATIENCE_MS = 3 * 24 * 3600_000;

const FAILING_SINCE = "report_failing_since_ms";

export class Reports {
  readonly #kv: DurableObjectStorage["kv"];

  constructor({ kv }: Pick<DurableObjectStorage, "kv">) {
    this.#kv = kv;
  }

  taken(): void {
    if (this.#sinceMs() !== null) this.#kv.delete(FAILING_SINCE);
  }

  /** @param job the copy or sync, as the log names it */
  failed(job: Readonly<Record<string, string>>, error: unknown, now: number): void {
    const sinceMs = this.#sinceMs() ?? now;
    this.#kv.put(FAILING_SINCE, sinceMs);
    const isLast = reportAgainAtMs(sinceMs, now) === null;
    log("error", isLast ? "report_given_up" : "report_failed", { ...job, detail: String(error) });
  }

  /** Null: not by itself. */
  nextTryMs(now: number): number | null {
    return reportAgainAtMs(this.#sinceMs() ?? now, now);
  }

  #sinceMs(): number | null {
    return this.#kv.get<number>(FAILING_SINCE) ?? null;
  }
}

/** When a report that has failed since `sinceMs` is sent again; null: that has gone on for too long. */
export function reportAgainAtMs(sinceMs: number, now: number): number | null {
  const failedMs = Math.max(0, now - sinceMs);
  if (failedMs >= PATIENCE_MS) return null;
  return now + Math.min(MOST_MS, Math.max(LEAST_MS, failedMs));
}
