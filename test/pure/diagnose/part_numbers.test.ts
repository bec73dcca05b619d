import { expect, test } from "vitest";
import { mostPartsOf } from "../../../src/diagnose/part_numbers.ts";

test.each([
  ["Swift's words name the number", "Part number must be an integer between 1 and 1000, inclusive", 1000],
  ["with a comma", "Part numbers lie between 1 and 2,500", 2500],
  ["words without a number: the fewest of all", "The part number is too large", 1000],
  ["no number of parts can be", "between 1 and 0", 1000],
  ["nor one that was just refused", "Part number must be an integer between 1 and 10000, inclusive", 1000],
])("%s", (_name, message, most) => {
  expect(mostPartsOf(message)).toBe(most);
});
