// The registry's rows of copies: whose rows a list has, and a table that an older deployment made.

import { expect, test } from "vitest";
import type { CopySpec } from "../../../src/copy/spec.ts";
import { type RowsOf, WorkRows } from "../../../src/registry/work_rows.ts";
import { memorySql } from "../sqlite.ts";

const CALLER = { schedule: null, sync: null };
const SPEC = { source: "a", destination: "b" } as unknown as CopySpec;
const GLANCE = { bytes: { done: 1, total: 2 }, rate: { bytesPerSecond: 1, etaSeconds: 1 }, failure: null };
const idsOf = (rows: WorkRows<CopySpec>, of: RowsOf) =>
  rows.list({ phases: [], of }, null, 10, () => ({})).rows.map(({ id }) => id);

test("the copies of a sync are listed under it, and what may have left something is listed whoever began it", () => {
  const rows = new WorkRows<CopySpec>(memorySql(), "copies");
  rows.createTables();
  const own = rows.insert(SPEC, "x", CALLER, 1).id;
  const child = rows.insert(SPEC, "y", { ...CALLER, sync: "s" }, 2).id;
  rows.takeNews(child, { phase: "failed", endedAtMs: 3, orphans: 1, glance: GLANCE });
  expect(idsOf(rows, "no-sync")).toEqual([own]);
  expect(idsOf(rows, { sync: "s" })).toEqual([child]);
  expect(idsOf(rows, { sync: "other" })).toEqual([]);
  expect(idsOf(rows, "orphans")).toEqual([child]);
  expect(idsOf(rows, "anybody")).toEqual([child, own]);
});

test("work that has reported and waits for no person is asked in turn, 100 at a time", () => {
  const rows = new WorkRows<CopySpec>(memorySql(), "copies");
  rows.createTables();
  const ids = Array.from({ length: 130 }, (_, n) => rows.insert(SPEC, `object ${n % 50}`, CALLER, n).id);
  const report = (id: string | undefined, phase: string, endedAtMs: number | null = null) =>
    rows.takeNews(id ?? "", { phase, endedAtMs, orphans: 0, glance: GLANCE });
  for (const id of ids) report(id, "uploading");
  for (const [n, phase] of ["paused", "blocked", "admitted"].entries()) report(ids[n], phase);
  report(ids[3], "completed", 1);
  const turns = [rows.nextWorking(), rows.nextWorking()];
  expect(turns.flat().toSorted()).toEqual(ids.slice(4).toSorted());
  expect(turns.map(({ length }) => length > 0)).toEqual([true, true]);
  expect(rows.nextWorking()).toEqual(turns[0]);
});

test("a table of an older deployment gets the column, once, and its rows are no sync's", () => {
  const sql = memorySql();
  sql.exec(`CREATE TABLE copies (
    id TEXT PRIMARY KEY, phase TEXT NOT NULL, spec TEXT NOT NULL, object TEXT NOT NULL,
    orphans INTEGER NOT NULL DEFAULT 0, schedule TEXT, created_at_ms INTEGER NOT NULL, ended_at_ms INTEGER
  )`);
  sql.exec(
    "INSERT INTO copies (id, phase, spec, object, created_at_ms) VALUES ('old', 'sizing', '{}', 'x', 1)",
  );
  const rows = new WorkRows<CopySpec>(sql, "copies");
  for (let starts = 0; starts < 2; starts++) rows.createTables();
  const added = rows.insert(SPEC, "y", CALLER, 2).id;
  expect(idsOf(rows, "no-sync")).toEqual(["old", added].toSorted().toReversed());
});
