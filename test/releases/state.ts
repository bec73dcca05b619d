// The state of a mesh as text: all databases that its Durable Objects have on disk, as SQL, so that a release
// can be kept in the repository and read in a review.
//
// What it needs: a folder of workerd's `localDisk` whose process has ended. workerd names each database by a
// digest of its object's name, which is the same in every mesh under test, and keeps alarms in databases of
// its own beside them.
//
// Invariant: restoreState() of dumpState() gives databases of the same tables, rows and indexes.

import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const HEADING = "-- database ";

/** Without what the runtime makes itself when it opens a database. */
export function dumpState(directory: string): string {
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".sqlite"))
    .toSorted();
  return paths.map((path) => `${HEADING}${path}\n${dumpOf(join(directory, path))}`).join("\n");
}

export function restoreState(dump: string, directory: string): void {
  for (const part of dump.split(HEADING).slice(1)) {
    const end = part.indexOf("\n");
    const path = join(directory, part.slice(0, end));
    mkdirSync(dirname(path), { recursive: true });
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA journal_mode = WAL; BEGIN; ${part.slice(end)} COMMIT;`);
    database.close();
  }
}

function dumpOf(path: string): string {
  const database = new DatabaseSync(path);
  try {
    const made = database
      .prepare("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name")
      .all()
      .filter(({ name }) => !String(name).startsWith("sqlite_"));
    const tables = made.filter(({ type }) => type === "table").map(({ name }) => String(name));
    const has = (table: string) =>
      database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(table) !== undefined;
    // Where AUTOINCREMENT goes on.
    const rows = [...tables, ...(has("sqlite_sequence") ? ["sqlite_sequence"] : [])].flatMap((table) =>
      rowsOf(database, table).map(
        (row) => `INSERT INTO "${table}" VALUES (${Object.values(row).map(literalOf).join(", ")});`,
      ),
    );
    return `${[...made.map(({ sql }) => `${String(sql)};`), ...rows].join("\n")}\n`;
  } finally {
    database.close();
  }
}

function rowsOf(database: DatabaseSync, table: string): Record<string, unknown>[] {
  const statement = database.prepare(`SELECT * FROM "${table}"`);
  // The runtime's times of alarms are nanoseconds, more than a number holds.
  statement.setReadBigInts(true);
  return statement.all();
}

function literalOf(value: unknown): string {
  if (value === null) return "NULL";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString("hex")}'`;
  return `'${String(value).replaceAll("'", "''")}'`;
}
