import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import {
  WRITTEN_BY,
  checkFormat,
  isNewerState,
  newerStateOf,
  openState,
  stampState,
} from "../../../src/work/state.ts";
import { ROOT, Page } from "../docs/page.ts";
import { memorySql } from "../sqlite.ts";

const tablesOf = (sql: SqlStorage) =>
  sql
    .exec("SELECT name FROM sqlite_master ORDER BY name")
    .toArray()
    .map(({ name }) => name);

const stampOf = (sql: SqlStorage) => ({ ...sql.exec("SELECT format, version FROM state").one() });

test("the version is that of the package, and the newest of the changelog, which says its format", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  const [newest = []] = new Page("src/docs/changelog.md").table("changelog", "version").rows;
  expect([WRITTEN_BY.version, newest[0], newest[2]]).toEqual([version, version, String(WRITTEN_BY.format)]);
});

test("an object without a state gets no table by being looked at", () => {
  const sql = memorySql();
  sql.exec("CREATE TABLE _cf_KV (key TEXT)");
  openState(sql);
  expect(tablesOf(sql)).toEqual(["_cf_KV"]);
});

test("a state without a row was written by 0.1.0, and has one from now on", () => {
  const sql = memorySql();
  sql.exec("CREATE TABLE copy (id TEXT)");
  openState(sql);
  expect(stampOf(sql)).toEqual(WRITTEN_BY);
});

test("the row of an earlier version is replaced, and that of this one is not written again", () => {
  const sql = memorySql();
  stampState(sql);
  sql.exec("UPDATE state SET version = '0.1.9'");
  openState(sql);
  expect(stampOf(sql)).toEqual(WRITTEN_BY);
  const before = sql.exec("SELECT total_changes() AS n").one()["n"];
  openState(sql);
  stampState(sql);
  expect(sql.exec("SELECT total_changes() AS n").one()["n"]).toBe(before);
});

test("a state of a later format is refused and logged, and stays as it is", () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const sql = memorySql();
  stampState(sql);
  sql.exec("UPDATE state SET format = 7, version = '3.1.0'");
  const before = sql.exec("SELECT total_changes() AS n").one()["n"];
  expect(() => openState(sql)).toThrow(
    /^This state was written by version 3\.1\.0 in format 7, and version .* deploy 3\.1\.0 or a later/,
  );
  expect(sql.exec("SELECT total_changes() AS n").one()["n"]).toBe(before);
  expect(logged.mock.calls.flat().join()).toContain('"event":"state_refused"');
  logged.mockRestore();
});

test("the refusal is known by its words, whatever the runtime puts before them", () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
  let words = "";
  try {
    checkFormat({ format: 99, version: "9.0.0" });
  } catch (error) {
    words = String(error);
  }
  logged.mockRestore();
  const passed = new Error(`remote: ${words}`);
  expect([isNewerState(passed), isNewerState(new Error("This state"))]).toEqual([true, false]);
  expect(newerStateOf(passed)).toMatch(/^This state was written by version 9\.0\.0/);
});
