// What happens to each part of a copy, for those who watch it: everything once, then what has changed.
//
// What it needs: the part table. It reads the open rows, which are few, and those that were open when it last
// read and no longer are. A part can go from "never handed out" to "done" unseen only above the highest row
// seen so far. So 10,000 finished parts are read once per viewer and not again.

import type { PartsMessage, PartWord } from "../http/vocabulary.ts";
import { type PartRow, partState } from "./rows.ts";
import type { PartTable } from "./table.ts";

const ALL = 10_000;

export class PartWatch {
  readonly #parts: PartTable;
  readonly #total: () => number;
  #seen = { total: 0, highest: 0, open: new Map<number, string>() };

  /** @param total parts of the current plan; 0 while there is none */
  constructor(parts: PartTable, total: () => number) {
    this.#parts = parts;
    this.#total = total;
  }

  whole(): PartsMessage {
    const rows = this.#parts.page(0, ALL);
    const total = this.#total();
    const open = rows.filter(({ state }) => state !== "done");
    this.#seen = { total, highest: rows.at(-1)?.partNumber ?? 0, open: index(open) };
    return { total, reset: true, parts: rows.map(describe) };
  }

  news(): PartsMessage | null {
    const { total, highest, open } = this.#seen;
    const present = this.#parts.open();
    const added = this.#parts.page(highest, ALL);
    const newHighest = added.at(-1)?.partNumber ?? highest;
    // The table was emptied for a new plan, or a plan has appeared.
    if (total !== this.#total() || (highest > 0 && this.#parts.page(highest - 1, 1).length === 0)) {
      return this.whole();
    }
    const presentIndex = index(present);
    const closed = [...open.keys()].filter((partNumber) => !presentIndex.has(partNumber));
    const changed = present.filter((row) => open.get(row.partNumber) !== JSON.stringify(describe(row)));
    const rows = new Map<number, PartRow>();
    for (const partNumber of closed) {
      for (const row of this.#parts.page(partNumber - 1, 1)) rows.set(row.partNumber, row);
    }
    for (const row of [...changed, ...added]) rows.set(row.partNumber, row);
    this.#seen = { total, highest: newHighest, open: presentIndex };
    return rows.size === 0 ? null : { total, reset: false, parts: [...rows.values()].map(describe) };
  }
}

function index(rows: readonly PartRow[]): Map<number, string> {
  return new Map(rows.map((row) => [row.partNumber, JSON.stringify(describe(row))]));
}

function describe(row: PartRow): PartWord {
  return [row.partNumber, partState(row), row.lane, row.failedAttempts];
}
