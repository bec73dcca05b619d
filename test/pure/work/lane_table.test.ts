// Which lanes are expected to call, over a real SQLite.
import { beforeEach, expect, test } from "vitest";
import { LANE_LEASE_MS, LaneTable } from "../../../src/work/lane_table.ts";
import { memorySql } from "../sqlite.ts";

const NOW = 1_000_000;
let lanes: LaneTable;

beforeEach(() => {
  lanes = new LaneTable(memorySql());
  lanes.createTables();
});

test("a lane is taken for dead when it has not called for longer than its lease, and not before", () => {
  lanes.expect(2, NOW);
  lanes.expect(1, NOW + 1);
  expect(lanes.takeSilent(NOW + LANE_LEASE_MS)).toEqual([]);
  expect(lanes.takeSilent(NOW + LANE_LEASE_MS + 1)).toEqual([2]);
  expect(lanes.live()).toEqual([1]);
});

test("a lane that was told to rest is not expected any more", () => {
  lanes.expect(1, NOW);
  lanes.expect(2, NOW);
  lanes.forget(1);
  expect(lanes.takeSilent(NOW + LANE_LEASE_MS + 1)).toEqual([2]);
});
