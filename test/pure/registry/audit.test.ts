// The audit: what is kept of calls and refusals, and how much at most.
import { beforeEach, expect, test } from "vitest";
import { type AuditedCall, AuditTable } from "../../../src/registry/audit.ts";
import { memorySql } from "../sqlite.ts";

const NOW = Date.parse("2026-11-29T12:00:00Z");
const call = (changes: Partial<AuditedCall> = {}): AuditedCall => ({
  atMs: NOW,
  who: "ci",
  method: "POST",
  route: "/copies",
  target: "id-1",
  places: "from east:a/k to west:b/k",
  address: "192.0.2.1",
  ray: "ray-1",
  status: 202,
  code: null,
  ...changes,
});
const guess = (changes: Partial<AuditedCall> = {}) =>
  call({ who: null, target: null, places: null, status: 401, code: "token_wrong", ...changes });

let sql: SqlStorage;
let audit: AuditTable;

beforeEach(() => {
  sql = memorySql();
  audit = new AuditTable(sql);
  audit.createTables();
});

const refuse = (refusals: Parameters<AuditTable["addRefusals"]>[0]) => audit.addRefusals(refusals, () => {});
const ALL = { who: null, sinceMs: 0 };
const listed = (filter: { who: string | null; sinceMs: number } = ALL) => audit.list(filter, null, 500).calls;

test("a call is kept as it was, newest first, and found by who and since when", () => {
  audit.add(call());
  audit.add(call({ atMs: NOW + 1000, who: "ann@example.com", target: "id-2" }));
  const [second, first] = listed();
  const { atMs: _at, ...kept } = call();
  expect(first).toEqual({ id: first?.id, at: "2026-11-29T12:00:00.000Z", ...kept, times: 1 });
  expect(second).toMatchObject({ who: "ann@example.com", target: "id-2" });
  expect(listed({ who: "ci", sinceMs: 0 }).map(({ target }) => target)).toEqual(["id-1"]);
  expect(listed({ who: null, sinceMs: NOW + 1 }).map(({ target }) => target)).toEqual(["id-2"]);
});

test("pages go through calls and refusals by time, each once", () => {
  for (let n = 0; n < 7; n++) {
    audit.add(call({ atMs: NOW + n * 120_000, target: `call-${n}` }));
    refuse([{ call: guess({ atMs: NOW + n * 120_000 + 60_000 }), times: 1 }]);
  }
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page: ReturnType<AuditTable["list"]> = audit.list(ALL, cursor, 4);
    seen.push(...page.calls.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== null);
  expect(seen).toHaveLength(14);
  expect(seen).toEqual([...new Set(seen)].toSorted().toReversed());
});

test("refusals that are alike are one row a minute, with how many they were", () => {
  refuse([{ call: guess(), times: 3 }]);
  refuse([{ call: guess({ atMs: NOW + 30_000, ray: "ray-2" }), times: 4 }]);
  refuse([{ call: guess({ atMs: NOW + 60_000 }), times: 5 }]);
  refuse([{ call: guess({ address: "192.0.2.2" }), times: 1 }]);
  expect(listed().map(({ address, times }) => [address, times])).toEqual([
    ["192.0.2.1", 5],
    expect.anything(),
    expect.anything(),
  ]);
  expect(
    listed()
      .map(({ times }) => times)
      .toSorted(),
  ).toEqual([1, 5, 7]);
});

test("a minute of guesses from everywhere fills a bounded number of rows, and all are counted", () => {
  for (let n = 0; n < 1000; n++)
    refuse([{ call: guess({ atMs: NOW + n, address: `192.0.2.${n}`, route: "/copies" }), times: 2 }]);
  refuse([{ call: guess({ who: "ci", status: 403, code: "right_missing" }), times: 1 }]);
  const [recognised, ...others] = [listed({ who: "ci", sinceMs: 0 }), listed()].flat();
  expect(recognised).toMatchObject({ who: "ci", address: "192.0.2.1", times: 1 });
  const rows = others.filter(({ who }) => who === null);
  expect(rows).toHaveLength(201);
  expect(rows.reduce((sum, { times }) => sum + times, 0)).toBe(2000);
  expect(rows.find(({ times }) => times > 2)).toMatchObject({
    method: "*",
    address: null,
    code: "token_wrong",
  });
});

test("guesses push out no call, and old rows go", () => {
  audit.add(call());
  sql.exec("UPDATE refused SET seq = seq"); // there is none yet
  refuse([{ call: guess(), times: 1 }]);
  sql.exec("UPDATE refused SET seq = 20001");
  refuse([{ call: guess({ atMs: NOW + 60_000 }), times: 1 }]);
  expect(listed()).toHaveLength(3);
  sql.exec("UPDATE refused SET seq = 30001 WHERE seq = 20002");
  sql.exec("UPDATE refused SET seq = 1 WHERE seq = 20001");
  refuse([{ call: guess({ atMs: NOW + 120_000 }), times: 1 }]);
  expect(listed().map(({ status }) => status)).toEqual([401, 401, 202]);
  audit.forget(NOW + 90_000);
  expect(listed().map(({ at }) => at)).toEqual(["2026-11-29T12:02:00.000Z"]);
  audit.forget(-1);
  expect(listed()).toHaveLength(1);
});

test("no list and no row reads a table from end to end", () => {
  for (const query of [
    "SELECT * FROM audited WHERE id >= 'a' AND id < 'b' ORDER BY id DESC LIMIT 5",
    "SELECT * FROM audited WHERE id >= 'a' AND id < 'b' AND who = 'x' ORDER BY id DESC LIMIT 5",
    "SELECT count(*) FROM refused WHERE id >= 'a'",
    "SELECT 1 FROM refused WHERE likeness = 'x'",
    "DELETE FROM audited WHERE id < 'a'",
  ]) {
    const plan = sql.exec(`EXPLAIN QUERY PLAN ${query}`).toArray();
    expect(plan.map(({ detail }) => detail).join("; ")).not.toMatch(/SCAN|TEMP B-TREE/);
  }
});
