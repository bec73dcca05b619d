// The secrets of senders, as a replicator keeps them.

import { expect, test } from "vitest";
import { memorySql } from "../sqlite.ts";
import { looksLikeSecret, makeSecret, SecretTable } from "../../../src/replication/secrets.ts";

test("a secret is known for one, and no two are alike", () => {
  const secrets = Array.from({ length: 100 }, makeSecret);
  expect(secrets.every(looksLikeSecret)).toBe(true);
  expect(new Set(secrets).size).toBe(100);
  for (const other of [
    "",
    "bbev_",
    `${secrets[0]}x`,
    `x${secrets[0]}`,
    "token-of-many-letters-and-no-mark-in-front",
  ])
    expect(looksLikeSecret(other)).toBe(false);
});

test("a new one is good at once, the one before until its time, and no other", () => {
  const table = new SecretTable(memorySql());
  const good = (now: number) => ["a", "b", "c"].filter((sha256) => table.has(sha256, now));
  expect(good(0)).toEqual([]);
  expect(table.put("a", 0, 0)).toBe(false);
  expect(good(1e12)).toEqual(["a"]);
  expect(table.put("b", 100, 10)).toBe(true);
  expect(good(99)).toEqual(["a", "b"]);
  expect(good(100)).toEqual(["b"]);
  expect(table.put("c", 200, 50)).toBe(true);
  expect(good(60)).toEqual(["b", "c"]);
  expect(good(200)).toEqual(["c"]);
});

test("without an overlap the one before ends at once, and a repeated call ends nothing", () => {
  const table = new SecretTable(memorySql());
  table.put("a", 0, 0);
  expect(table.put("b", 10, 10)).toBe(false);
  expect([table.has("a", 10), table.has("b", 10)]).toEqual([false, true]);
  expect(table.put("b", 11, 11)).toBe(false);
  expect(table.has("b", 1e12)).toBe(true);
});

test("a table that is opened again has what it had", () => {
  const sql = memorySql();
  new SecretTable(sql).put("a", 0, 0);
  expect(new SecretTable(sql).has("a", 1)).toBe(true);
});
