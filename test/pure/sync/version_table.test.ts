// Histories that wait, over a real SQLite: listed newest first, handed out oldest first, a row at a time.
import { expect, test } from "vitest";
import { type HistoryVersion, NOTHING_REACHED } from "../../../src/object/history.ts";
import { STRETCH_VERSIONS, VersionTable } from "../../../src/sync/version_table.ts";
import { memorySql } from "../sqlite.ts";

const version = (n: number): HistoryVersion => ({ versionId: `v${n}`, sizeBytes: n, etag: null });

/** A history of `v0` to the newest, listed in pages of 250. */
function listed(table: VersionTable, key: string, count: number): number {
  const history = table.begin({ key, to: `to/${key}` });
  for (let newest = count - 1; newest >= 0; newest -= 250) {
    const page = Array.from({ length: Math.min(250, newest + 1) }, (_, n) => version(newest - n));
    table.add(history, page);
  }
  return history;
}

function open(): VersionTable {
  const table = new VersionTable(memorySql());
  table.createTables();
  return table;
}

test("a long history comes out oldest first, each version once, in stretches that say which is the last", () => {
  const table = open();
  const history = listed(table, "k", 1050);
  expect(table.open()).toEqual({ history, key: "k", to: "to/k" });
  const ids: string[] = [];
  for (let next = table.close(history); next !== null; next = table.next(history, NOTHING_REACHED)) {
    const { versions, isLast } = next.stretch;
    expect(versions.length).toBeLessThanOrEqual(STRETCH_VERSIONS);
    ids.push(...versions.map(({ versionId }) => versionId));
    expect(isLast).toBe(ids.length === 1050);
    expect(next).toMatchObject({ key: "k", to: "to/k", stretch: { history } });
    expect(next.stretch).not.toHaveProperty("known");
  }
  expect(ids).toEqual(Array.from({ length: 1050 }, (_, n) => `v${n}`));
  expect(table.open()).toBeNull();
});

test("what the destination is known to have is passed, up to the stretch with its newest version", () => {
  const table = open();
  const history = listed(table, "k", 450);
  table.close(history);
  expect(table.knownUntil(history, "v0")).toBe(false); // handed out already
  expect(table.knownUntil(history, "w")).toBe(false);
  expect(table.knownUntil(history, "v320")).toBe(true);
  const known: (string | undefined)[] = [];
  for (let next = table.next(history, NOTHING_REACHED); next !== null;) {
    known.push(next.stretch.known);
    next = table.next(history, NOTHING_REACHED);
  }
  const first = known.indexOf(undefined);
  expect(first).toBeGreaterThan(0);
  expect(known.slice(0, first).every((word) => word === "there")).toBe(true);
  expect(known.slice(first).every((word) => word === undefined)).toBe(true);
});

test("what a dry run found absent is absent to the end", () => {
  const table = open();
  const history = listed(table, "k", 250);
  table.close(history);
  table.knownAbsent(history);
  expect(table.next(history, NOTHING_REACHED)?.stretch.known).toBe("absent");
});

test("what is given up is taken out row by row, of one history or of all", () => {
  const table = open();
  const [one, other] = [listed(table, "a", 150), listed(table, "b", 150)];
  const take = (history: number | null) => {
    const taken: string[] = [];
    for (let row = table.takeRow(history); row !== null; row = table.takeRow(history))
      taken.push(...row.versions.map(({ versionId }) => `${row?.key} ${versionId}`));
    return taken;
  };
  expect(take(one)).toHaveLength(150);
  expect(table.next(one, NOTHING_REACHED)).toBeNull();
  const rest = take(null);
  expect([rest.length, rest.every((text) => text.startsWith("b "))]).toEqual([150, true]);
  expect(table.next(other, NOTHING_REACHED)).toBeNull();
});
