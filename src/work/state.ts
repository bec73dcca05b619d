// Which version has written the state of a Durable Object, and whether this one may go on with it.
//
// What it needs: the object's SQLite, before anything else touches it. Each object has one row: the format of
// its state, and the version that last opened it. Objects without that row were written by 0.1.0, which kept
// none; their state has the first format.
//
// Invariant: a state of a later format is neither read nor changed, so that nothing is lost while an older
// version runs by mistake. It throws at each call and each alarm, and the log has `state_refused`.
//
// When FORMAT rises. A version that only adds a table, a column or a field that may be absent keeps it, and
// the version before goes on with that state after a rollback. Where the version before would misread what
// this one writes, FORMAT rises, and docs/changelog.md says so.

import { VERSION } from "../http/version.ts";
import { log } from "../log.ts";

/** The format that this code writes; it reads all up to it. */
const FORMAT = 1;

/** How the message begins by which the front recognises it: a call between objects keeps only the message. */
const REFUSAL = "This state was written by";

export function isNewerState(error: unknown): error is Error {
  return error instanceof Error && error.message.includes(REFUSAL);
}

/** Without what the runtime puts before it. */
export function newerStateOf({ message }: Error): string {
  return message.slice(message.indexOf(REFUSAL));
}

/** By which version something was written, for what keeps it beside what it writes. */
export interface WrittenBy {
  readonly format: number;
  readonly version: string;
}

export const WRITTEN_BY: WrittenBy = { format: FORMAT, version: VERSION };

/** @throws Error if the state is of a later format */
export function openState(sql: SqlStorage): SqlStorage {
  const tables = sql
    .exec("SELECT name FROM sqlite_master WHERE type = 'table'")
    .toArray()
    .map(({ name }) => String(name));
  if (tables.includes("state")) {
    const { format, version } = sql.exec("SELECT format, version FROM state").one();
    checkFormat({ format: Number(format), version: String(version) });
  }
  // A request for an id that does not exist must leave no table behind. The runtime's own do not count.
  if (tables.some((name) => !/^(?:_cf_|sqlite_)/.test(name))) stampState(sql);
  return sql;
}

/** For an object that is about to write its first state. It writes a row only if that changes one. */
export function stampState(sql: SqlStorage): void {
  sql.exec(
    "CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL, version TEXT NOT NULL)",
  );
  sql.exec(
    `INSERT INTO state VALUES (1, ?1, ?2) ON CONFLICT (one) DO UPDATE SET format = ?1, version = ?2
     WHERE format <> ?1 OR version <> ?2`,
    FORMAT,
    VERSION,
  );
}

/** @throws Error if this is a later format */
export function checkFormat({ format, version }: WrittenBy): void {
  if (format <= FORMAT) return;
  log("error", "state_refused", { format, writtenBy: version, reads: FORMAT, version: VERSION });
  throw new Error(
    `${REFUSAL} version ${version} in format ${format}, and version ${VERSION} reads formats up to ${FORMAT}. ` +
      `Nothing is changed: deploy ${version} or a later version again, and work goes on`,
  );
}
