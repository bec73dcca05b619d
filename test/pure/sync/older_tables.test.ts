// A run that an older deployment began is read as it stands, over a real SQLite.
import { expect, test } from "vitest";
import { adaptOlderTables } from "../../../src/sync/older_tables.ts";
import { memorySql } from "../sqlite.ts";

const OLDER = `
  CREATE TABLE deletions (seq INTEGER PRIMARY KEY AUTOINCREMENT, keys TEXT NOT NULL);
  CREATE TABLE warnings (text TEXT PRIMARY KEY, refused INTEGER NOT NULL);
  INSERT INTO deletions (keys) VALUES ('[]');
  INSERT INTO warnings VALUES ('a word', 0), ('Nothing was deleted', 1);
`;

test("planned deletions and warnings of an older deployment keep their meaning", () => {
  const sql = memorySql();
  sql.exec(OLDER);
  adaptOlderTables(sql);
  adaptOlderTables(sql);
  expect(sql.exec("SELECT what, keys FROM deletions").toArray()).toEqual([{ what: "extras", keys: "[]" }]);
  sql.exec("INSERT OR IGNORE INTO warnings VALUES (?, ?)", "new", "failed_keys");
  expect(sql.exec("SELECT text, rule FROM warnings ORDER BY rowid").toArray()).toEqual([
    { text: "a word", rule: null },
    { text: "Nothing was deleted", rule: "too_many_deletes" },
    { text: "new", rule: "failed_keys" },
  ]);
});

test("an object without tables gets none", () => {
  const sql = memorySql();
  adaptOlderTables(sql);
  expect(sql.exec("SELECT name FROM sqlite_master").toArray()).toEqual([]);
});
