// The status of any work as lines for a terminal: one while it goes on, and its outcome. Pure.

import type { CopyStatus, SyncStatus } from "./answers.ts";
import type { ComparisonStatus } from "./comparison_answers.ts";
import { comparisonLine, comparisonResult } from "./comparison_progress.ts";
import { copyLine, copyResult, syncLine, syncResult } from "./progress.ts";

export type WorkStatus = CopyStatus | SyncStatus | ComparisonStatus;

/** Which of them it is, by what only that one has. */
function linesOf(status: WorkStatus): { line: string; result: string[] } {
  if ("keys" in status) return { line: comparisonLine(status), result: comparisonResult(status) };
  if ("objects" in status) return { line: syncLine(status), result: syncResult(status) };
  return { line: copyLine(status), result: copyResult(status) };
}

/** How it ended, or what it waits for. */
export function resultLines(status: WorkStatus): string[] {
  return linesOf(status).result;
}

/** How it ended; before that, how far it is. */
export function statusLines(status: WorkStatus): string[] {
  const { line, result } = linesOf(status);
  const isOver = status.endedAt !== null || status.phase === "blocked" || status.phase === "paused";
  return [line, ...(isOver ? result : [])];
}
