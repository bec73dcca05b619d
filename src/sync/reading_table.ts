// The objects whose bytes a comparison reads, in its SQLite. Each is cut into stretches, which lanes read at
// once; the bytes are equal when all stretches are.
//
// Invariant: an object has its row until it has its finding, and then none. What comes of a stretch later
// counts no more.

import type { ObjectWork } from "../work/batch_task.ts";

/** One lane reads so much of an object, at least. */
const STRETCH_BYTES = 256 * 2 ** 20;

const MAX_STRETCHES = 64;

export class ReadingTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS readings (seq INTEGER PRIMARY KEY AUTOINCREMENT, stretches INTEGER NOT NULL)",
    );
  }

  /** @returns the stretches to read */
  add(work: ObjectWork, sourceEtag: string, destinationEtag: string): ObjectWork[] {
    const { sizeBytes } = work;
    const count = Math.max(1, Math.min(MAX_STRETCHES, Math.ceil(sizeBytes / STRETCH_BYTES)));
    const seq = Number(
      this.#sql.exec("INSERT INTO readings (stretches) VALUES (?) RETURNING seq", count).one()["seq"],
    );
    const at = (index: number) => Math.floor((sizeBytes / count) * index);
    return Array.from({ length: count }, (_, index) => ({
      ...work,
      first: "read",
      failedAttempts: 0,
      reading: {
        seq,
        fromBytes: at(index),
        untilBytes: index === count - 1 ? sizeBytes : at(index + 1),
        sourceEtag,
        destinationEtag,
      },
    }));
  }

  has(seq: number): boolean {
    return this.#sql.exec("SELECT 1 FROM readings WHERE seq = ?", seq).toArray().length > 0;
  }

  /** A stretch is equal. @returns whether all are; then the object is taken out */
  equal(seq: number): boolean {
    const row = this.#sql
      .exec("UPDATE readings SET stretches = stretches - 1 WHERE seq = ? RETURNING stretches", seq)
      .toArray()[0];
    return row?.["stretches"] === 0 && this.take(seq);
  }

  /** Takes an object out. @returns whether it was there */
  take(seq: number): boolean {
    return this.#sql.exec("DELETE FROM readings WHERE seq = ?", seq).rowsWritten > 0;
  }
}
