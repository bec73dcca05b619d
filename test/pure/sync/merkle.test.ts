// The Merkle tree of a report: grown line by line, it is the tree that RFC 6962 defines of all lines at once.
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { ReportTree, rootOf } from "../../../src/sync/merkle.ts";
import { memorySql } from "../sqlite.ts";

function sha256(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** As RFC 6962 writes it down: the largest power of two below the number of leaves is the left subtree. */
function rootByDefinition(lines: readonly string[]): Buffer {
  const [only = ""] = lines;
  if (lines.length === 0) return sha256();
  if (lines.length === 1) return sha256(new Uint8Array([0]), only);
  let left = 1;
  while (left * 2 < lines.length) left *= 2;
  const subtrees = [lines.slice(0, left), lines.slice(left)].map(rootByDefinition);
  return sha256(new Uint8Array([1]), ...subtrees);
}

const textOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");

test.each([0, 1, 2, 3, 4, 5, 7, 8, 9, 100, 255, 256, 257])("of %d lines", (count) => {
  const lines = Array.from({ length: count }, (_, n) => `{"key":"k\u00e9y ${n}"}`);
  const all = new ReportTree(memorySql());
  all.grow(textOf(lines));
  expect(rootOf(all.load())).toBe(rootByDefinition(lines).toString("hex"));
  // In parts of any size it is the same.
  const parts = new ReportTree(memorySql());
  for (let start = 0; start < count; start += 3) parts.grow(textOf(lines.slice(start, start + 3)));
  expect(parts.load()).toEqual(all.load());
  expect(parts.load().lines).toBe(count);
});
