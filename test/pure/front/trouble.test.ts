// What the dashboard says about a failure is the table of the document, whole.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readTrouble } from "../../../src/front/trouble.ts";
import { FAILURE_CODES } from "../../../src/http/codes.ts";

const DOCUMENT = readFileSync(join(import.meta.dirname, "../../../src/docs/trouble.md"), "utf8");

test("every failure there can be has what it means, what the mesh does and what to do", () => {
  const trouble = readTrouble(DOCUMENT);
  expect(Object.keys(trouble).toSorted()).toEqual(FAILURE_CODES.toSorted());
  for (const [code, row] of Object.entries(trouble))
    expect([code, Object.values(row).filter((text) => text === "")]).toEqual([code, []]);
});

test("a row of another table is none", () => {
  expect(readTrouble("| `blocked` | waits |\n\n| `a_code` | A | B | C |\n")).toEqual({
    a_code: { meaning: "A", itself: "B", you: "C" },
  });
});
