// What each Idempotency-Key began or was answered, over SQLite.
import { beforeEach, expect, test } from "vitest";
import { KeyTable } from "../../../src/registry/key_table.ts";
import { memorySql } from "../sqlite.ts";

const DAY_MS = 24 * 3600_000;
const START = Date.parse("2026-06-01T00:00:00Z");
const call = { caller: "ops", key: "k", digest: "d" };
const answer = { status: 200, type: "application/json", body: "{}" };

let sql: SqlStorage;
let keys: KeyTable;
beforeEach(() => {
  sql = memorySql();
  keys = new KeyTable(sql);
  keys.createTables();
});

test("a call runs once: while it runs it is under way, and then it has its answer", () => {
  expect(keys.beginCall(call, START)).toEqual({ kind: "new" });
  expect(keys.beginCall(call, START + 1)).toEqual({ kind: "under_way" });
  keys.endCall(call, answer);
  expect(keys.beginCall(call, START + 2)).toEqual({ kind: "answered", answer });
  expect(keys.beginCall({ ...call, digest: "other" }, START + 3)).toEqual({ kind: "key_reused" });
});

test("a call that was refused leaves its key unused, and one that has died runs again", () => {
  keys.beginCall(call, START);
  keys.endCall(call, null);
  expect(keys.beginCall({ ...call, digest: "corrected" }, START)).toEqual({ kind: "new" });
  expect(keys.beginCall({ ...call, digest: "corrected" }, START + 119_999)).toEqual({ kind: "under_way" });
  expect(keys.beginCall({ ...call, digest: "corrected" }, START + 120_000)).toEqual({ kind: "new" });
});

test("keys are kept for seven days, and ten thousand answers at most", () => {
  keys.remember(call, "c1", START);
  keys.beginCall(call, START);
  keys.endCall(call, answer);
  expect(keys.find(call, START + 7 * DAY_MS)).toEqual({ kind: "known", id: "c1" });
  expect(keys.find(call, START + 7 * DAY_MS + 1)).toBeNull();
  expect(keys.beginCall(call, START + 7 * DAY_MS)).toMatchObject({ kind: "answered" });
  expect(keys.beginCall(call, START + 7 * DAY_MS + 1)).toEqual({ kind: "new" });
  for (let n = 0; n < 10_005; n++) keys.beginCall({ ...call, key: `many-${n}` }, START + 8 * DAY_MS + n);
  keys.endCall({ ...call, key: "many-10004" }, answer);
  expect(sql.exec("SELECT count(*) AS n, min(at_ms) AS oldest FROM calls").one()).toEqual({
    n: 10_000,
    oldest: START + 8 * DAY_MS + 5,
  });
});

test("each caller has keys of its own", () => {
  const other = { ...call, caller: "ci", digest: "another" };
  keys.remember(call, "c1", START);
  expect(keys.find(other, START)).toBeNull();
  keys.remember(other, "c2", START);
  expect([call, other].map((one) => keys.find(one, START))).toEqual([
    { kind: "known", id: "c1" },
    { kind: "known", id: "c2" },
  ]);
  expect(keys.beginCall(call, START)).toEqual({ kind: "new" });
  expect(keys.beginCall(other, START)).toEqual({ kind: "new" });
  keys.endCall(other, answer);
  expect(keys.beginCall(call, START)).toEqual({ kind: "under_way" });
});

test("no key of one caller spells that of another", () => {
  keys.remember(call, "c1", START);
  const [{ key: asKept }] = sql.exec("SELECT key FROM idempotency").toArray() as [{ key: string }];
  expect(asKept).toMatch(/[^\x21-\x7e]/); // which no Idempotency-Key may have
  expect(keys.find({ ...call, caller: 'ops" k', key: "" }, START)).toBeNull();
  expect(keys.find({ ...call, caller: "op", key: "s k" }, START)).toBeNull();
});

test("what a key began in an older deployment, which kept no callers, is found by any, and begun once", () => {
  sql.exec("INSERT INTO idempotency VALUES ('k', 'd', 'c1', ?)", START);
  expect(keys.find(call, START)).toEqual({ kind: "known", id: "c1" });
  expect(keys.find({ ...call, digest: "other" }, START)).toEqual({ kind: "key_reused" });
  // From then on the caller's own counts.
  keys.remember({ ...call, digest: "other" }, "c2", START);
  expect(keys.find({ ...call, digest: "other" }, START)).toEqual({ kind: "known", id: "c2" });
});
