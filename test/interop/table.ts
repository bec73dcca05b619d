// The table of an interop run: what works between which stores, as the tests have found. A Vitest reporter
// that prints it at the end, with the totals. With WRITE_RESULTS=1 it also puts the table into RESULTS.md, if
// all tests have run between the project's own stores and none has failed.
//
// A cell has the result: "yes", the test's own words if there is more to say, or FAILED. A row is a feature,
// a column a pair of stores.

import { type TaskMeta, test } from "vitest";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import { writePart } from "../results_page.ts";

declare module "vitest" {
  interface TaskMeta {
    cell?: Cell;
  }
}

interface Cell {
  readonly row: Feature;
  readonly column: string;
  readonly text: string;
}

/** In the order of the table. */
const FEATURES = [
  "one PutObject",
  "multipart, equal parts",
  "multipart, unequal parts",
  "small and empty",
  "5 GiB + 1 byte",
  "awkward keys",
  "gzip kept as it is",
  "metadata",
  "tags",
  "proof, one PutObject",
  "proof, equal parts",
  "proof, unequal parts",
  '`verify: "strict"`, unequal parts',
  "create only if absent",
  "source changes in mid-copy",
  "cancel leaves no upload",
  "store killed in mid-copy",
  "sync with delete",
  "sync with rename",
  "sync of a manifest",
  "sync of versions",
  "object lock",
  "comparison",
  "quote and budget",
  "schedule",
  "copy inside the store",
  "from a web server",
] as const;
type Feature = (typeof FEATURES)[number];

/** A test that fills a cell. @param run resolves to the text of the cell, if it is more than "yes" */
export function feature(
  row: Feature,
  column: string,
  name: string,
  run: () => Promise<string | void>,
  options: { readonly timeout?: number } = {},
): void {
  test(name, options, async ({ task }) => {
    const meta: TaskMeta = task.meta;
    meta.cell = { row, column, text: "FAILED" };
    const said = await run();
    meta.cell = { row, column, text: typeof said === "string" ? said : "yes" };
  });
}

export default class TableReporter implements Reporter {
  readonly #cells = new Map<string, Set<string>>();
  readonly #columns = new Set<string>();
  #passed = 0;
  #failed = 0;

  onTestCaseResult(testCase: TestCase): void {
    const { state } = testCase.result();
    if (state === "passed") this.#passed += 1;
    if (state === "failed") this.#failed += 1;
    const { cell } = testCase.meta();
    if (cell === undefined) return;
    this.#columns.add(cell.column);
    const key = cellKey(cell.row, cell.column);
    const texts = this.#cells.get(key) ?? new Set();
    this.#cells.set(key, texts.add(state === "failed" ? "FAILED" : cell.text));
  }

  async onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): Promise<void> {
    const columns = [...this.#columns].toSorted();
    const table = columns.length === 0 ? null : this.#table(columns);
    if (table !== null) console.log(`\n${table}`);
    // A file that does not load, or a setup that fails, has no test to count.
    const unnamed = modules.filter(
      (module) => module.state() === "failed" && [...module.children.allTests("failed")].length === 0,
    );
    const failed = this.#failed + unnamed.length;
    console.log(`\n${this.#passed} passed, ${failed === 0 && errors.length > 0 ? 1 : failed} failed`);
    const { WRITE_RESULTS, INTEROP_STORE } = process.env;
    if (WRITE_RESULTS === undefined || table === null) return;
    const rows = new Set([...this.#cells.keys()].map((key) => key.split("\n")[0]));
    const missing = FEATURES.filter((row) => !rows.has(row));
    if (failed > 0 || errors.length > 0 || missing.length > 0 || INTEROP_STORE !== undefined) {
      console.log(
        "RESULTS.md is left as it is: it is for whole runs between the project's own stores, without a failure",
      );
      return;
    }
    const command = "WRITE_RESULTS=1 npm run interop";
    await writePart({ page: "interop/RESULTS.md", name: "table", command, text: table });
  }

  #table(columns: readonly string[]): string {
    const rows = FEATURES.flatMap((row) => {
      const texts = columns.map((column) => {
        const said = [...(this.#cells.get(cellKey(row, column)) ?? [])].filter((text) => text !== "yes");
        if (said.includes("FAILED")) return "FAILED";
        if (said.length > 0) return said.join("; ");
        return this.#cells.has(cellKey(row, column)) ? "yes" : "";
      });
      return texts.some((text) => text !== "") ? [[row, ...texts]] : [];
    });
    const all = [["", ...columns], ...rows];
    const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
    const lines = all.map(
      (row) => `| ${row.map((text, index) => text.padEnd(widths[index] ?? 0)).join(" | ")} |`,
    );
    const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
    return [lines[0], rule, ...lines.slice(1)].join("\n");
  }
}

function cellKey(row: string, column: string): string {
  return `${row}\n${column}`;
}
