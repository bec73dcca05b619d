// The results of the smoke test, a line per step. Pure.

export interface Row {
  readonly step: string;
  readonly outcome: "pass" | "FAIL" | "skip";
  readonly seconds: number;
  readonly detail: string;
}

const STEP_WIDTH = 33;

export function headLine(): string {
  return `${"step".padEnd(STEP_WIDTH)}  ${"".padEnd(4)}  ${"seconds".padStart(8)}`;
}

/** A line of the table. Further lines of a detail stand below it. */
export function rowLine({ step, outcome, seconds, detail }: Row): string {
  const [first = "", ...more] = detail.split("\n");
  const start =
    `${step.padEnd(STEP_WIDTH)}  ${outcome}  ${seconds.toFixed(1).padStart(8)}  ${first}`.trimEnd();
  const indent = " ".repeat(STEP_WIDTH + 18);
  return [start, ...more.map((line) => indent + line)].join("\n");
}

export function summaryLine(rows: readonly Row[]): string {
  const count = (outcome: Row["outcome"]) => rows.filter((row) => row.outcome === outcome).length;
  const words = [`${count("pass")} passed`, `${count("FAIL")} failed`];
  if (count("skip") > 0) words.push(`${count("skip")} skipped`);
  return words.join(", ");
}

/** 1 even if nothing was tried. */
export function exitCodeOf(rows: readonly Row[]): 0 | 1 {
  return rows.some(({ outcome }) => outcome === "FAIL") || !rows.some(({ outcome }) => outcome === "pass")
    ? 1
    : 0;
}
