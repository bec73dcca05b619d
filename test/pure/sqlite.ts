// A Durable Object's SqlStorage over Node's own SQLite, in memory, for what is written in SQL and needs no
// workerd.
//
// Its invariant: the same statements give the same rows. It has no limits. `rowsWritten` counts rows of
// tables alone, not the entries of indexes that Cloudflare counts as well.

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

export function memorySql(): SqlStorage {
  const database = new DatabaseSync(":memory:");
  database.exec("PRAGMA journal_mode = MEMORY");
  const prepared = new Map<string, StatementSync>();
  const changes = database.prepare("SELECT changes() AS n");
  const prepare = (query: string): StatementSync => {
    const known = prepared.get(query) ?? database.prepare(query);
    prepared.set(query, known);
    return known;
  };
  return {
    exec(query, ...bindings) {
      // Only a script without bindings has several statements, and a script has no rows.
      if (bindings.length === 0 && query.trim().split(";").length > 2) {
        database.exec(query);
        return rowsOf([], 0);
      }
      const rows = prepare(query).all(...(bindings as SQLInputValue[]));
      const isChange = /^\s*(?:INSERT|UPDATE|DELETE)\b/i.test(query);
      return rowsOf(rows, isChange ? Number(changes.get()?.["n"]) : 0);
    },
  };
}

/** What a record needs of a Durable Object's storage. @param sql counts what it likes */
export function storageOver(sql: SqlStorage): DurableObjectStorage {
  let depth = 0;
  const transactionSync = <T>(change: () => T): T => {
    const name = `level_${depth}`;
    sql.exec(`SAVEPOINT ${name}`);
    depth += 1;
    try {
      return change();
    } catch (error) {
      sql.exec(`ROLLBACK TO ${name}`);
      throw error;
    } finally {
      depth -= 1;
      sql.exec(`RELEASE ${name}`);
    }
  };
  return { sql, transactionSync, sync: async () => undefined };
}

function rowsOf(
  rows: readonly Record<string, unknown>[],
  rowsWritten: number,
): ReturnType<SqlStorage["exec"]> {
  return Object.assign([...rows], {
    rowsWritten,
    toArray: () => [...rows],
    one: () => {
      const [row] = rows;
      if (row === undefined || rows.length > 1) throw new Error(`Expected one row, there are ${rows.length}`);
      return row;
    },
  });
}
