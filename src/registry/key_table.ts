// What each Idempotency-Key began, in the registry's SQLite. It is looked up and remembered in the
// transaction that begins the work, so one key begins it once.

/** The key, and a digest of the request: one key with two requests is a mistake of the client. */
export interface Idempotency {
  readonly key: string;
  readonly digest: string;
}

const KEPT_MS = 7 * 24 * 3600_000;

export class KeyTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS idempotency (
        key TEXT PRIMARY KEY, digest TEXT NOT NULL, copy_id TEXT NOT NULL, at_ms INTEGER NOT NULL
      );
      CREATE INDEX IF NOT EXISTS idempotency_by_time ON idempotency (at_ms);
      CREATE INDEX IF NOT EXISTS idempotency_by_work ON idempotency (copy_id);
    `);
  }

  /** @returns null for a request that is the first with its key */
  find(
    idempotency: Idempotency | null,
    now: number,
  ): { kind: "known"; id: string } | { kind: "key_reused" } | null {
    if (idempotency === null) return null;
    const { key, digest } = idempotency;
    this.#sql.exec("DELETE FROM idempotency WHERE at_ms < ?", now - KEPT_MS);
    const known = this.#sql.exec("SELECT digest, copy_id FROM idempotency WHERE key = ?", key).toArray()[0];
    if (known === undefined) return null;
    return known["digest"] === digest
      ? { kind: "known", id: String(known["copy_id"]) }
      : { kind: "key_reused" };
  }

  /** @param id of what the request has begun */
  remember(idempotency: Idempotency | null, id: string, now: number): void {
    if (idempotency === null) return;
    const { key, digest } = idempotency;
    this.#sql.exec("INSERT INTO idempotency VALUES (?, ?, ?, ?)", key, digest, id, now);
  }
}
