// The pace between two stores: what work has shown, for how long it is believed, and what it foretells.

import { expect, test } from "vitest";
import { PaceTable } from "../../../src/registry/pace_table.ts";
import { UNKNOWN_PACE, secondsAt } from "../../../src/view/pace.ts";
import { memorySql } from "../sqlite.ts";

const DAY_MS = 24 * 3_600_000;
const PAIR = { source: "east", destination: "west" };

function openTable(): PaceTable {
  const table = new PaceTable(memorySql());
  table.createTables();
  return table;
}

test("nothing is known of stores between which nothing has ended", () => {
  const table = openTable();
  table.note(PAIR, { objectsPerSecond: 5, bytesPerSecond: 5 }, 0);
  expect(table.between({ source: "west", destination: "east" }, 0)).toEqual(UNKNOWN_PACE);
  expect(secondsAt(UNKNOWN_PACE, { objects: 5, bytes: 5 }, 7)).toBeNull();
});

test("the best of objects and of bytes is kept, each from whichever work has shown it", () => {
  const table = openTable();
  table.note(PAIR, { objectsPerSecond: 300, bytesPerSecond: 6e6 }, 1);
  table.note(PAIR, { objectsPerSecond: 2, bytesPerSecond: 4e8 }, 2);
  table.note(PAIR, { bytesPerSecond: null, etaSeconds: 0 }, 3);
  expect(table.between(PAIR, 4)).toEqual({ objectsPerSecond: 300, bytesPerSecond: 4e8 });
});

test("after seven days a pace is forgotten, and a slower one takes its place", () => {
  const table = openTable();
  table.note(PAIR, { bytesPerSecond: 9 }, 0);
  expect(table.between(PAIR, 7 * DAY_MS)).toMatchObject({ bytesPerSecond: 9 });
  expect(table.between(PAIR, 7 * DAY_MS + 1)).toEqual(UNKNOWN_PACE);
  table.note(PAIR, { bytesPerSecond: 3 }, 7 * DAY_MS);
  expect(table.between(PAIR, 7 * DAY_MS)).toMatchObject({ bytesPerSecond: 9 });
  table.note(PAIR, { bytesPerSecond: 3 }, 7 * DAY_MS + 1);
  expect(table.between(PAIR, 7 * DAY_MS + 1)).toMatchObject({ bytesPerSecond: 3 });
});

test("whichever of objects and bytes takes longer decides, and never less than the limits leave", () => {
  const pace = { objectsPerSecond: 100, bytesPerSecond: 1000 };
  expect(secondsAt(pace, { objects: 1000, bytes: 1000 }, null)).toBe(10);
  expect(secondsAt(pace, { objects: 1000, bytes: 20_500 }, null)).toBe(21);
  expect(secondsAt(pace, { objects: 1000, bytes: 20_500 }, 60)).toBe(60);
  expect(secondsAt({ ...pace, objectsPerSecond: null }, { objects: 1000, bytes: 2000 }, null)).toBe(2);
  expect(secondsAt(pace, { objects: 0, bytes: 0 }, 1)).toBeNull();
});
