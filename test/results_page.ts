// The pages RESULTS.md: each command that measures writes its own part, between two marks, with the command
// itself, the day and the machine. What stands outside of the marks is written by hand, and kept.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join, relative } from "node:path";
import { format, resolveConfig } from "prettier";

/** A part of a page. */
interface Part {
  /** Below test/. */
  readonly page: string;
  /** As its marks name it: `<!-- begin large -->`. */
  readonly name: string;
  /** What makes it anew, as one types it. */
  readonly command: string;
  readonly text: string;
}

/** @throws {Error} when the page has no such part */
export async function writePart({ page, name, command, text }: Part): Promise<void> {
  const path = join(import.meta.dirname, page);
  const before = readFileSync(path, "utf8");
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const from = before.indexOf(begin);
  const to = before.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${page} has no part between ${begin} and ${end}`);
  const origin = `Written by \`${command}\` on ${new Date().toISOString().slice(0, 10)}: ${machine()}.`;
  const after = `${before.slice(0, from)}${begin}\n\n${origin}\n\n${text.trim()}\n\n${before.slice(to)}`;
  writeFileSync(path, await format(after, { ...(await resolveConfig(path)), parser: "markdown" }));
  console.log(`${relative(process.cwd(), path)} has a new part "${name}"`);
}

export function machine(): string {
  return `${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${process.platform}`;
}

/** Prints it as well. @returns a table in Markdown, which prettier aligns */
export function printTable(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const isNumeric = (column: number) => rows.every((row) => /^(?:\d.*)?$/.test(String(row[column] ?? "")));
  const rule = header.map((_, column) => (isNumeric(column) ? "--:" : "---"));
  const lines = [header, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const table = lines.join("\n");
  console.log(`\n${table}\n`);
  return table;
}
