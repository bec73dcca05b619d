// Tables of a run that an older deployment began, brought to the shape that this one reads.
//
// What it needs: the run's SQLite. It runs before anything is read, and twice without harm.

/** Deletions had no kind, and a warning said only that it refused deletions, not by which rule. */
export function adaptOlderTables(sql: SqlStorage): void {
  const shapeOf = (table: string) =>
    String(
      sql.exec("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", table).toArray()[0]?.[
        "sql"
      ],
    );
  if (/\bkeys\b/.test(shapeOf("deletions")) && !/\bwhat\b/.test(shapeOf("deletions")))
    sql.exec("ALTER TABLE deletions ADD COLUMN what TEXT NOT NULL DEFAULT 'extras'");
  if (/\brefused\b/.test(shapeOf("warnings"))) {
    sql.exec("ALTER TABLE warnings ADD COLUMN rule TEXT");
    // Which rule it was is in its text; any of them keeps the run from ending as completed.
    sql.exec("UPDATE warnings SET rule = 'too_many_deletes' WHERE refused = 1");
    sql.exec("ALTER TABLE warnings DROP COLUMN refused");
  }
}
