// The output of the chaos suite: a line per run, the story of one, and the table of all. Pure.

import type { Violation } from "./judge.ts";
import type { RunResult } from "./run.ts";
import type { StoryLine } from "./stage.ts";

/** One run in one line, followed by its violations. */
export function lineOf(result: RunResult): string {
  const { seed, endings, faults, kills, aborts, evictions, partsSent, partsResent, violations } = result;
  const struck = Object.entries(faults).map(([kind, count]) => (count === 1 ? kind : `${kind}×${count}`));
  const blows = [
    ...(kills > 0 ? [`${kills} killed`] : []),
    ...(aborts > 0 ? [`${aborts} aborted`] : []),
    ...(evictions > 0 ? [`${evictions} evicted`] : []),
  ];
  const line = [
    `seed ${seed}: ${violations.length === 0 ? "ok" : "VIOLATED"}`,
    `${(result.durationMs / 1000).toFixed(1)} s`,
    endings.join(" / "),
    `parts ${partsSent}+${partsResent}`,
    [...struck, ...blows].join(" ") || "nothing struck",
  ].join(" | ");
  return [line, ...violations.map((violation) => `    ${describe(violation)}`), ...hint(result)].join("\n");
}

function hint({ seed, violations }: RunResult): string[] {
  return violations.length === 0 ? [] : [`    again: npm run chaos -- --runs 1 --seed ${seed}`];
}

function describe({ rule, key, detail }: Violation): string {
  return `${rule}${key === null ? "" : ` (${key})`}: ${detail}`;
}

export function storyText(story: readonly StoryLine[]): string {
  return story
    .map(
      ({ at, text }) => `${Number.isNaN(at) ? "".padStart(8) : String(Math.round(at)).padStart(8)} ${text}`,
    )
    .join("\n");
}

/** All runs in a Markdown table. */
export function tableOf(results: readonly RunResult[]): string {
  const sum = (count: (result: RunResult) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  const violated = results.filter(({ violations }) => violations.length > 0);
  const rows: (readonly [string, number | string])[] = [
    ["runs", results.length],
    ["copies", sum(({ endings }) => endings.length)],
    ...counted(results.flatMap(({ endings }) => endings)).map(
      ([ending, n]) => [`ended: ${ending}`, n] as const,
    ),
    ["requests at the stores", sum(({ requests }) => requests)],
    ["SIGKILLs of workerd", sum(({ kills }) => kills)],
    ["Durable Objects aborted", sum(({ aborts }) => aborts)],
    ["Durable Objects evicted", sum(({ evictions }) => evictions)],
    ["faults that struck", sum(({ faults }) => Object.values(faults).reduce((a, b) => a + b, 0))],
    ...counted(
      results.flatMap(({ faults }) =>
        Object.entries(faults).flatMap(([kind, n]) => Array<string>(n).fill(kind)),
      ),
    ).map(([kind, n]) => [`fault: ${kind}`, n] as const),
    ["parts sent", sum(({ partsSent }) => partsSent)],
    ["parts sent although the store had them", sum(({ partsResent }) => partsResent)],
    ["uploads left behind", sum(({ orphansLeft, announcedStrays }) => orphansLeft - announcedStrays)],
    [
      "uploads of unanswered Creates that the store cannot list, warned of",
      sum(({ announcedStrays }) => announcedStrays),
    ],
    ["violations", sum(({ violations }) => violations.length)],
  ];
  return [
    "| what | count |",
    "| --- | ---: |",
    ...rows.map(([what, count]) => `| ${what} | ${count} |`),
    ...(violated.length === 0 ? [] : ["", `Violated: ${violated.map(({ seed }) => seed).join(", ")}`]),
  ].join("\n");
}

function counted(items: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return [...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
}
