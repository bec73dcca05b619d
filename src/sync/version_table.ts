// The histories that are listed and not yet handed out, in the SQLite of a run: those that a page has cut,
// and those of more versions than one stretch has. Versions are listed newest first and brought over oldest
// first, so a history waits here until it is listed to its end.
//
// Invariants:
// - A version is here, or in one batch or large copy, and nowhere else.
// - Of a history at most one stretch is out of here at a time.
// - A row is a hundred versions, however many a key has, and one row is read at a time.

import { type HistoryVersion, type Reached, type Stretch, NOTHING_REACHED } from "../object/history.ts";

/** A work row is as large: so many versions are handed out together. */
export const STRETCH_VERSIONS = 100;

interface KeyOfHistory {
  readonly key: string;
  readonly to: string;
}

export type NextStretch = KeyOfHistory & { readonly stretch: Stretch };

export class VersionTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS histories (
        history INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL,
        destination_key TEXT NOT NULL,
        is_open INTEGER NOT NULL,         -- 1: older versions of it may still be listed
        known_until TEXT,                 -- the destination has it up to this version
        is_absent INTEGER NOT NULL DEFAULT 0
      );
      CREATE TABLE IF NOT EXISTS stretches (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        history INTEGER NOT NULL,
        versions TEXT NOT NULL            -- HistoryVersion[], newest first
      );
      CREATE INDEX IF NOT EXISTS stretches_of ON stretches (history, seq);
    `);
  }

  /** The history that is still listed. */
  open(): (KeyOfHistory & { readonly history: number }) | null {
    const row = this.#sql.exec("SELECT * FROM histories WHERE is_open = 1").toArray()[0];
    return row === undefined ? null : { history: Number(row["history"]), ...keyOf(row) };
  }

  begin({ key, to }: KeyOfHistory): number {
    const row = this.#sql.exec(
      "INSERT INTO histories (key, destination_key, is_open) VALUES (?, ?, 1) RETURNING history",
      key,
      to,
    );
    return Number(row.one()["history"]);
  }

  /** @param versions newest first, older than those before */
  add(history: number, versions: readonly HistoryVersion[]): void {
    for (let from = 0; from < versions.length; from += STRETCH_VERSIONS)
      this.#sql.exec(
        "INSERT INTO stretches (history, versions) VALUES (?, ?)",
        history,
        JSON.stringify(versions.slice(from, from + STRETCH_VERSIONS)),
      );
  }

  /** It is listed to its end. @returns its oldest stretch, which is here no more */
  close(history: number): NextStretch | null {
    this.#sql.exec("UPDATE histories SET is_open = 0 WHERE history = ?", history);
    return this.next(history, NOTHING_REACHED);
  }

  /** The next stretch, which is here no more. @returns null: there is none, and nothing is left of it */
  next(history: number, before: Reached): NextStretch | null {
    const head = this.#sql.exec("SELECT * FROM histories WHERE history = ?", history).toArray()[0];
    const row = this.#sql
      .exec("SELECT seq, versions FROM stretches WHERE history = ? ORDER BY seq DESC LIMIT 1", history)
      .toArray()[0];
    if (head === undefined || row === undefined) {
      this.#forget(history);
      return null;
    }
    this.#sql.exec("DELETE FROM stretches WHERE seq = ?", row["seq"]);
    const versions = versionsOf(row).toReversed();
    const until = head["known_until"];
    const reaches = until === null || versions.some(({ versionId }) => versionId === until);
    if (reaches) this.#sql.exec("UPDATE histories SET known_until = NULL WHERE history = ?", history);
    const known = !reaches
      ? ("there" as const)
      : Number(head["is_absent"]) === 1
        ? ("absent" as const)
        : null;
    const isLast = !this.#hasMore(history);
    const told = known === null ? {} : { known };
    return { ...keyOf(head), stretch: { history, versions, before, isLast, ...told } };
  }

  /** The destination has everything up to this version. @returns whether it is one that waits here */
  knownUntil(history: number, versionId: string): boolean {
    const found = this.#sql.exec(
      `SELECT 1 FROM stretches, json_each(stretches.versions) AS version
         WHERE history = ? AND json_extract(version.value, '$.versionId') = ? LIMIT 1`,
      history,
      versionId,
    );
    if (found.toArray().length === 0) return false;
    this.#sql.exec("UPDATE histories SET known_until = ? WHERE history = ?", versionId, history);
    return true;
  }

  /** Of a dry run: the destination has none of what still waits here. */
  knownAbsent(history: number): void {
    this.#sql.exec("UPDATE histories SET is_absent = 1 WHERE history = ?", history);
  }

  /** Takes out what is left, one row at a time. @param history null: of all */
  takeRow(history: number | null): (KeyOfHistory & { readonly versions: readonly HistoryVersion[] }) | null {
    const row = this.#sql
      .exec(
        `SELECT seq, history, versions FROM stretches WHERE ? IS NULL OR history = ? ORDER BY seq DESC LIMIT 1`,
        history,
        history,
      )
      .toArray()[0];
    if (row === undefined) {
      if (history !== null) this.#forget(history);
      return null;
    }
    const head = this.#sql.exec("SELECT * FROM histories WHERE history = ?", row["history"]).one();
    this.#sql.exec("DELETE FROM stretches WHERE seq = ?", row["seq"]);
    return { ...keyOf(head), versions: versionsOf(row) };
  }

  #hasMore(history: number): boolean {
    return this.#sql.exec("SELECT 1 FROM stretches WHERE history = ? LIMIT 1", history).toArray().length > 0;
  }

  #forget(history: number): void {
    this.#sql.exec("DELETE FROM histories WHERE history = ?", history);
  }
}

type Row = Readonly<Record<string, unknown>>;

function keyOf(row: Row): KeyOfHistory {
  return { key: String(row["key"]), to: String(row["destination_key"]) };
}

function versionsOf(row: Row): HistoryVersion[] {
  return JSON.parse(String(row["versions"])) as HistoryVersion[];
}
