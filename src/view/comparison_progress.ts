// The status of a comparison as one line for a terminal, and its outcome, as progress.ts has them for copies
// and syncs. Pure.

import type { ComparisonStatus } from "./comparison_answers.ts";
import { bar, DEFAULT_WIDTH, during, fit, next } from "./progress.ts";

/** A comparison in progress. */
export function comparisonLine({ phase, keys, rate }: ComparisonStatus, width = DEFAULT_WIDTH): string {
  const done = keys.listed - keys.underWay;
  const fields = [bar(keys.listed === 0 ? null : done / keys.listed), `${done}/${keys.listed} keys`];
  const unequal = done - keys.equal - keys.skipped;
  if (unequal > 0) fields.push(`${unequal} not equal`);
  if (rate.keysPerSecond !== null) fields.push(`${rate.keysPerSecond} keys/s`);
  return fit([...fields, phase], width);
}

/** The outcome of a comparison, or what it waits for. */
export function comparisonResult(status: ComparisonStatus): string[] {
  const { id, phase, keys, failure, warnings } = status;
  const lines = failure === undefined ? [] : [`${phase}: ${failure.code}: ${failure.message}`];
  const { equal, different, unknown, missing, extra, unreadable } = keys;
  const counted = Object.entries({ equal, different, unknown, missing, extra, unreadable });
  const sums = counted.map(([outcome, count]) => `${outcome} ${count}`).join(", ");
  lines.push(`${phase}: ${sums}${during(status, null)}`);
  if (phase === "different" || phase === "inconclusive") {
    lines.push(
      `next: GET /comparisons/${id}/report has the keys, POST /comparisons/${id}/repair copies them`,
    );
  }
  return [...lines, ...next(phase, `/comparisons/${id}`), ...warnings.map((text) => `warning: ${text}`)];
}
