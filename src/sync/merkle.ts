// The Merkle tree of a report (RFC 6962, section 2.1): its leaves are the lines, in their order and without
// their ends. Whoever has the report computes the same root, and nobody finds another report with it.
//
// What is kept of the tree so far are the roots of its complete subtrees, from the largest to the smallest:
// as many as the number of lines has ones in binary. So it grows line by line, in no memory to speak of.

import { createHash } from "node:crypto";
import { bytesToHex } from "../s3/digest.ts";

interface Tree {
  readonly lines: number;
  /** Roots of the complete subtrees, in hex, the largest first. */
  readonly peaks: readonly string[];
}

const EMPTY_TREE: Tree = { lines: 0, peaks: [] };

/** The tree of one report, in the SQLite of its run. */
export class ReportTree {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  load(): Tree {
    this.#createTable();
    const row = this.#sql.exec("SELECT tree FROM report_tree").toArray()[0];
    return row === undefined ? EMPTY_TREE : (JSON.parse(String(row["tree"])) as Tree);
  }

  /** Adds the lines of a part, in the transaction that keeps it. */
  grow(text: string): void {
    const tree = JSON.stringify(grown(this.load(), text));
    this.#sql.exec("INSERT OR REPLACE INTO report_tree VALUES (1, ?)", tree);
  }

  #createTable(): void {
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS report_tree (one INTEGER PRIMARY KEY CHECK (one = 1), tree TEXT NOT NULL)",
    );
  }
}

const LINE_END = 10;

/** @param text whole lines */
function grown(tree: Tree, text: string): Tree {
  const bytes = new TextEncoder().encode(text);
  const peaks = tree.peaks.map(bytesOfHex);
  let { lines } = tree;
  for (let start = 0, end = bytes.indexOf(LINE_END); end !== -1; end = bytes.indexOf(LINE_END, start)) {
    let hash = sha256(LEAF, bytes.subarray(start, end));
    // Each one at the end of the number of lines is a subtree as large as the one that is complete now.
    for (let ones = lines; ones % 2 === 1; ones = Math.floor(ones / 2)) {
      const left = peaks.pop();
      if (left !== undefined) hash = sha256(NODE, left, hash);
    }
    peaks.push(hash);
    lines += 1;
    start = end + 1;
  }
  return { lines, peaks: peaks.map((hash) => bytesToHex(hash)) };
}

/** In hex. */
export function rootOf({ peaks }: Tree): string {
  const hashes = peaks.map(bytesOfHex);
  const last = hashes.pop() ?? sha256();
  return bytesToHex(hashes.reduceRight((root, left) => sha256(NODE, left, root), last));
}

const LEAF = new Uint8Array([0]);

const NODE = new Uint8Array([1]);

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}
