// A Durable Object's SqlStorage over Node's own SQLite, in memory, for what is written in SQL and needs no
// workerd.
//
// Its invariant: the same statements give the same rows. It has no limits. `rowsWritten` counts rows of
// tables alone, not the entries of indexes that Cloudflare counts as well.

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

export function memorySql(): SqlStorage {
  const database = new DatabaseSync(":memory:");
  database.exec("PRAGMA journal_mode = MEMORY");
  const known = new Map<string, Query>();
  const changes = database.prepare("SELECT changes() AS n");
  const size = database.prepare(
    "SELECT page_count * page_size AS n FROM pragma_page_count(), pragma_page_size()",
  );
  return {
    get databaseSize() {
      return Number(size.get()?.["n"]);
    },
    exec(query, ...bindings) {
      const { statement, isChange } = known.get(query) ?? prepare(database, query);
      if (statement === null) {
        database.exec(query);
        return rowsOf([], 0);
      }
      known.set(query, { statement, isChange });
      const rows = statement.all(...(bindings as SQLInputValue[]));
      return rowsOf(rows, isChange ? Number(changes.get()?.["n"]) : 0);
    },
  };
}

/** Null: a script of several statements, which has no rows and no bindings. */
interface Query {
  readonly statement: StatementSync | null;
  readonly isChange: boolean;
}

function prepare(database: DatabaseSync, query: string): Query {
  const isScript = query.trim().split(";").length > 2;
  const isChange = /^\s*(?:INSERT|UPDATE|DELETE)\b/i.test(query);
  return { statement: isScript ? null : database.prepare(query), isChange };
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
  const kept = new Map<string, unknown>();
  return {
    sql,
    kv: {
      get: <T>(key: string) => kept.get(key) as T | undefined,
      put: (key, value) => void kept.set(key, value),
      delete: (key) => kept.delete(key),
    },
    transactionSync,
    sync: async () => undefined,
    getAlarm: async () => null,
    setAlarm: async () => undefined,
  };
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
