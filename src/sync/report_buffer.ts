// The part of a sync's report that is not yet at its store, and the list of the parts that are, in the sync's
// SQLite.
//
// Invariants: a line is in exactly one place, here or in one stored part. A part is fixed on disk (its number
// and its lines) before it is sent, so sending it twice writes the same object twice.
//
// The lines of a batch are few, and each row written is billed. So they are appended to the newest row while
// it is short and in no part.

interface FixedPart {
  readonly part: number;
  readonly text: string;
  readonly lastSeq: number;
}

export interface StoredPart {
  readonly part: number;
  readonly etag: string;
  readonly bytes: number;
}

/** A row may have 2 MB in all. A character may take three bytes. */
const MAX_ROW_CHARACTERS = 500_000;

/** A row that grows is rewritten each time, so it must not grow for long. */
const MAX_GROWN_CHARACTERS = 32_768;

export class ReportBuffer {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS report_lines (seq INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS report_parts (
        part INTEGER PRIMARY KEY,
        last_seq INTEGER NOT NULL,        -- its lines are those up to here that no earlier part has
        etag TEXT,                        -- null: fixed, not known to be stored
        bytes INTEGER
      );
    `);
  }

  append(lines: string): void {
    if (lines === "" || (lines.length < MAX_GROWN_CHARACTERS && this.#grow(lines))) return;
    for (let start = 0; start < lines.length;) {
      const cut = lines.length - start <= MAX_ROW_CHARACTERS ? lines.length : start + MAX_ROW_CHARACTERS;
      const end = cut === lines.length ? cut : lines.lastIndexOf("\n", cut) + 1 || lines.length;
      const stop = end > start ? end : cut;
      this.#sql.exec("INSERT INTO report_lines (text) VALUES (?)", lines.slice(start, stop));
      start = stop;
    }
  }

  /** Appends lines to the newest row. @returns whether it could: that row is short, and in no part yet */
  #grow(lines: string): boolean {
    return (
      this.#sql.exec(
        `UPDATE report_lines SET text = text || ?1 WHERE seq = (SELECT max(seq) FROM report_lines)
           AND seq > coalesce((SELECT last_seq FROM report_parts ORDER BY part DESC LIMIT 1), 0)
           AND octet_length(text) <= ?2`,
        lines,
        MAX_GROWN_CHARACTERS - lines.length,
      ).rowsWritten > 0
    );
  }

  /** The bytes that wait here. SQLite knows them without reading the text, which may be megabytes. */
  waitingBytes(): number {
    return Number(
      this.#sql.exec("SELECT coalesce(sum(octet_length(text)), 0) AS n FROM report_lines").one()["n"],
    );
  }

  /** The next part to send: one that was fixed before, or all that waits now. Null when there is nothing. */
  fix(): FixedPart | null {
    const open = this.#sql.exec("SELECT part, last_seq FROM report_parts WHERE etag IS NULL").toArray()[0];
    if (open !== undefined) {
      const lastSeq = Number(open["last_seq"]);
      return { part: Number(open["part"]), text: this.#textUpTo(lastSeq), lastSeq };
    }
    const last = this.#sql.exec("SELECT max(seq) AS seq FROM report_lines").one()["seq"];
    if (last === null) return null;
    const part = this.#sql.exec("SELECT count(*) + 1 AS n FROM report_parts").one()["n"];
    this.#sql.exec("INSERT INTO report_parts (part, last_seq) VALUES (?, ?)", part, last);
    return { part: Number(part), text: this.#textUpTo(Number(last)), lastSeq: Number(last) };
  }

  stored({ part, lastSeq }: FixedPart, etag: string, bytes: number): void {
    this.#sql.exec("UPDATE report_parts SET etag = ?, bytes = ? WHERE part = ?", etag, bytes, part);
    this.#sql.exec("DELETE FROM report_lines WHERE seq <= ?", lastSeq);
  }

  parts(): StoredPart[] {
    return this.#sql
      .exec("SELECT part, etag, bytes FROM report_parts WHERE etag IS NOT NULL ORDER BY part")
      .toArray()
      .map((row) => ({
        part: Number(row["part"]),
        etag: String(row["etag"]),
        bytes: Number(row["bytes"]),
      }));
  }

  /** The lines that are in no stored part. */
  tail(): string {
    return this.#textUpTo(Number.MAX_SAFE_INTEGER);
  }

  #textUpTo(lastSeq: number): string {
    let text = "";
    for (const row of this.#sql.exec("SELECT text FROM report_lines WHERE seq <= ? ORDER BY seq", lastSeq))
      text += String(row["text"]);
    return text;
  }
}
