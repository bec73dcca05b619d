// A list for a terminal: `curl -H "Accept: text/plain"`. Pure.

import { plainLine } from "../http/json.ts";

const GAP = "  ";

/** Aligned columns under their headings. Nothing is cut, so that awk finds whole values. */
export function textTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings.map((heading) => heading.toUpperCase()), ...rows].map((row) =>
    row.map((cell) => (cell === "" ? "-" : plainLine(cell))),
  );
  const widths = headings.map((_, column) => Math.max(...lines.map((row) => row[column]?.length ?? 0)));
  const last = headings.length - 1;
  return lines
    .map((row) =>
      row.map((cell, column) => (column === last ? cell : cell.padEnd(widths[column] ?? 0))).join(GAP),
    )
    .join("\n");
}
