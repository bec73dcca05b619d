// Where a prefix is cut at its folders. walk_pace.test.ts shows that a walk does it.
import { expect, test } from "vitest";
import { boundsAhead } from "../../../src/listing/folders.ts";

const FOLDERS = Array.from({ length: 100 }, (_, n) => `p/${String(n).padStart(2, "0")}/`);

const at = (untilKey: string) => boundsAhead(FOLDERS, untilKey, 4);

const boundsBehind = (passed: number) => boundsAhead(FOLDERS, `${FOLDERS[passed] ?? ""}x`, 9).length;

test("the folders ahead are divided evenly, and none that is passed is a bound", () => {
  expect(at("p/00/7")).toEqual(["p/20/", "p/40/", "p/60/", "p/80/"]);
  expect(at("p/49/7")).toEqual([]);
  expect(at("o")).toEqual(["p/20/", "p/40/", "p/60/", "p/80/"]);
  expect(at("q")).toEqual([]);
});

test("where the folders ahead take few pages, there are few bounds or none", () => {
  // One folder a page, and not even that.
  expect([boundsBehind(1), boundsBehind(0)]).toEqual([9, 9]);
  // 95 folders ahead at 4 a page: eleven ranges of two pages.
  expect(boundsBehind(4)).toBe(9);
  // 89 at 10 a page: four ranges.
  expect(boundsBehind(10)).toBe(3);
  // 74 at 25 a page: not two ranges of two pages.
  expect(boundsBehind(25)).toBe(0);
});

test("no folders, no bounds", () => {
  expect(boundsAhead([], "p/1", 9)).toEqual([]);
  expect(boundsAhead(["p/a/"], "p/1", 9)).toEqual([]);
});
