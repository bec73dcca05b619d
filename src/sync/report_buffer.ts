// A sync's report in the sync's SQLite: the lines that are in no part yet, the parts that are kept here
// compressed, and the list of those that are objects at a store.
//
// Invariants: a line is in exactly one place. A part is fixed on disk (its number and its lines) before it is
// stored, so storing it twice writes the same bytes twice.
//
// The lines of a batch are few, and each row written is billed. So they are appended to the newest row while
// it is short and in no part.

export interface FixedPart {
  readonly part: number;
  readonly text: string;
  readonly lastSeq: number;
}

export interface StoredPart {
  readonly part: number;
  /** Of the object; null: the part is kept here. */
  readonly etag: string | null;
  readonly bytes: number;
}

/** A row may have 2 MB in all. A character may take three bytes. */
const MAX_ROW_CHARACTERS = 500_000;

/** A row may have 2 MB in all. */
const MAX_CHUNK_BYTES = 1_500_000;

/**
 * Compressed parts that one run keeps: some 80 million keys. Beyond it only keys that failed are listed. The
 * platform gives an object 10 GB
 * (https://developers.cloudflare.com/durable-objects/platform/limits/, 2026-11).
 */
export const MAX_KEPT_BYTES = 2 * 2 ** 30;

/** In an ETag's column: the part is kept here. No store answers an empty ETag that is taken. */
const KEPT = "";

/** A row that grows is rewritten each time, so it must not grow for long. */
const MAX_GROWN_CHARACTERS = 32_768;

export class ReportBuffer {
  readonly #sql: SqlStorage;
  // In memory only. A part that is kept does not change, so only later ones are summed after a change.
  readonly #kept = { untilPart: 0, bytes: 0, isStale: true };

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS report_lines (seq INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS report_parts (
        part INTEGER PRIMARY KEY,
        last_seq INTEGER NOT NULL,        -- its lines are those up to here that no earlier part has
        etag TEXT,                        -- null: fixed, not known to be stored; '': kept in report_bytes
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

  /** A part is an object now. @param bytes of its lines */
  sent({ part, lastSeq }: FixedPart, etag: string, bytes: number): void {
    this.#sql.exec("UPDATE report_parts SET etag = ?, bytes = ? WHERE part = ?", etag, bytes, part);
    this.#sql.exec("DELETE FROM report_lines WHERE seq <= ?", lastSeq);
  }

  /** Keeps a part here. @param bytes of its lines, which `gzip` has compressed */
  kept(fixed: FixedPart, gzip: Uint8Array, bytes: number): void {
    // Created when it is first needed: a run that an older deployment began has no such table.
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS report_bytes (
        part INTEGER NOT NULL,
        chunk INTEGER NOT NULL,
        gzip BLOB NOT NULL,
        PRIMARY KEY (part, chunk)
      ) WITHOUT ROWID`);
    this.#sql.exec("DELETE FROM report_bytes WHERE part = ?", fixed.part);
    for (let start = 0, chunk = 0; start < gzip.length; start += MAX_CHUNK_BYTES, chunk++) {
      const bytesOfChunk = gzip.slice(start, start + MAX_CHUNK_BYTES).buffer;
      this.#sql.exec("INSERT INTO report_bytes VALUES (?, ?, ?)", fixed.part, chunk, bytesOfChunk);
    }
    this.sent(fixed, KEPT, bytes);
    this.#kept.isStale = true;
  }

  parts(): StoredPart[] {
    return this.#sql
      .exec("SELECT part, etag, bytes FROM report_parts WHERE etag IS NOT NULL ORDER BY part")
      .toArray()
      .map((row) => ({
        part: Number(row["part"]),
        etag: row["etag"] === KEPT ? null : String(row["etag"]),
        bytes: Number(row["bytes"]),
      }));
  }

  /** The compressed bytes of a part that is kept here. */
  keptBytesOf(part: number): Uint8Array {
    const rows = this.#sql
      .exec("SELECT gzip FROM report_bytes WHERE part = ? ORDER BY chunk", part)
      .toArray();
    const chunks = rows.map(({ gzip }) => new Uint8Array(gzip as ArrayBuffer));
    const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  /** All that is kept here, compressed. */
  keptBytes(): number {
    const kept = this.#kept;
    if (!kept.isStale) return kept.bytes;
    const last = this.#sql.exec("SELECT max(part) AS part FROM report_parts WHERE etag = ?", KEPT).one()[
      "part"
    ];
    if (last !== null) {
      const sum = "SELECT coalesce(sum(length(gzip)), 0) AS n FROM report_bytes WHERE part > ? AND part <= ?";
      kept.bytes += Number(this.#sql.exec(sum, kept.untilPart, last).one()["n"]);
      kept.untilPart = Number(last);
    }
    kept.isStale = false;
    return kept.bytes;
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
