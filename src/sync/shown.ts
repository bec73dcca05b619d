// What a run shows, as the kind that it is: its status, its line for a terminal, its news.

import type { SyncStatus } from "../view/answers.ts";
import { readingOf } from "../view/audience.ts";
import type { ComparisonStatus } from "../view/comparison_answers.ts";
import { comparisonLine, comparisonResult } from "../view/comparison_progress.ts";
import { type Tidings, type WorkCounters, tidingsOf } from "../view/news.ts";
import { syncLine, syncResult } from "../view/progress.ts";
import { isComparison } from "./comparison_spec.ts";
import { comparisonStatus } from "./comparison_status.ts";
import { NOTHING_FOUND, outcomesOf } from "./finding.ts";
import { type StatusInput, syncStatus } from "./status.ts";

export function runStatus(input: StatusInput): SyncStatus | ComparisonStatus {
  return isComparison(input.spec) ? comparisonStatus(input, input.spec) : syncStatus(input);
}

export function runReading(input: StatusInput): ReturnType<typeof readingOf> {
  return isComparison(input.spec)
    ? readingOf(comparisonStatus(input, input.spec), comparisonLine, comparisonResult)
    : readingOf(syncStatus(input), syncLine, syncResult);
}

/** For the registry. @param lanes that are awake */
export function runNews(
  input: StatusInput,
  lanes: number,
): Tidings & { kind: "sync" | "comparison"; counters: WorkCounters } {
  const { counters, window, spec } = input;
  const running = { batchesInFlight: window.batches, lanes };
  if (isComparison(spec)) {
    const outcomes = outcomesOf(counters.found ?? NOTHING_FOUND, "objects");
    return {
      kind: "comparison",
      counters: { kind: "comparison", outcomes, ...running },
      ...tidingsOf("comparison", comparisonStatus(input, spec)),
    };
  }
  return {
    kind: "sync",
    counters: {
      kind: "sync",
      bytes: counters.copied.bytes,
      listed: counters.listed.objects,
      copied: counters.copied.objects,
      skipped: counters.skipped.objects,
      failed: counters.failed.objects + counters.deleteFailed.objects,
      deleted: counters.deleted.objects,
      ...running,
    },
    ...tidingsOf("sync", syncStatus(input)),
  };
}
