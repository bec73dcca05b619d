// The timeline of one copy or sync in its SQLite: what happened, newest last, bounded. Each entry is also a
// line in the log.

import { isoTime } from "../http/fields.ts";
import { log } from "../log.ts";
import { sentence } from "../s3/told.ts";
import type { CopyStatus } from "./answers.ts";

/** A copy has about ten entries of its own; the rest is room for failures. */
const MAX_ENTRIES = 200;

export class Timeline {
  readonly #sql: SqlStorage;

  readonly #subject: () => Readonly<Record<string, string>>;

  /** @param subject the log's fields that identify the copy or sync, evaluated for each entry */
  constructor(sql: SqlStorage, subject: () => Readonly<Record<string, string>>) {
    this.#sql = sql;
    this.#subject = subject;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS timeline (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT
      );
    `);
  }

  add(now: number, event: string, words: string | null = null): void {
    const detail = words === null ? null : sentence(words);
    const row = this.#sql
      .exec("INSERT INTO timeline (at_ms, event, detail) VALUES (?, ?, ?) RETURNING seq", now, event, detail)
      .one();
    this.#sql.exec("DELETE FROM timeline WHERE seq <= ?", Number(row["seq"]) - MAX_ENTRIES);
    log("info", event, { ...this.#subject(), ...(detail === null ? {} : { detail }) });
  }

  entries(): CopyStatus["timeline"] {
    return this.after(0).map(({ entry }) => entry);
  }

  /** Entries added after that one. */
  after(seq: number): { seq: number; entry: CopyStatus["timeline"][number] }[] {
    return this.#sql
      .exec("SELECT seq, at_ms, event, detail FROM timeline WHERE seq > ? ORDER BY seq", seq)
      .toArray()
      .map((row) => ({
        seq: Number(row["seq"]),
        entry: {
          at: isoTime(Number(row["at_ms"])),
          event: String(row["event"]),
          ...(row["detail"] === null ? {} : { detail: String(row["detail"]) }),
        },
      }));
  }
}
