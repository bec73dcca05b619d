// The pages of results: each part says which command wrote it, when and where, and each measure has a part.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "./page.ts";

const ORIGIN = /^Written by `(?:WRITE_RESULTS=1 )?npm run (\w+)[^`]*` on \d{4}-\d{2}-\d{2}: \S.*\.$/;

describe.each([
  ["bench", measures(), ["RESULTS.md", "RESULTS_SYNCS.md"]],
  ["simulate", ["table", "petabyte", "digests", "small"], ["RESULTS.md"]],
  ["interop", ["table"], ["RESULTS.md"]],
])("the results in test/%s", (command, names, pages) => {
  const text = pages.map((page) => readFileSync(join(ROOT, "test", command, page), "utf8")).join("\n");
  const parts = [...text.matchAll(/<!-- begin (\w+) -->\n\n([^]*?)\n<!-- end (\w+) -->/g)];

  test("has a part for each measure, and no other", () => {
    const marks = [...text.matchAll(/<!-- \w+ (\w+) -->/g)];
    expect(parts.map(([, begin]) => begin).toSorted()).toEqual(names.toSorted());
    expect(parts.map(([, , , end]) => end)).toEqual(parts.map(([, begin]) => begin));
    expect(marks).toHaveLength(2 * parts.length);
  });

  test("says of each part which command wrote it, on which day and machine", () => {
    for (const [, name, body = ""] of parts) {
      const [origin = ""] = body.replaceAll(/(?<!\n)\n(?!\n)/g, " ").split("\n");
      expect([name, ORIGIN.exec(origin)?.[1]]).toEqual([name, command]);
      expect([name, body.includes("\n| ")]).toEqual([name, true]);
    }
  });
});

/** By the table of bench.ts, which measures when it is imported. */
function measures(): string[] {
  const source = readFileSync(join(ROOT, "test/bench/bench.ts"), "utf8");
  const [, table = ""] = /const MEASURES[^]*? = \{\n([^]*?)\n\};/.exec(source) ?? [];
  return Array.from(table.matchAll(/^ {2}(\w+): async/gm), ([, name = ""]) => name);
}
