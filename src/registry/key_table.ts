// What each Idempotency-Key began, in the registry's SQLite. It is looked up and remembered in the
// transaction that begins the work, so one key begins it once.

import { type WorkKind, PLURALS } from "../schedule/kinds.ts";

/** The key of a request. */
export interface Idempotency {
  /** By name, and each has its own keys. Null: the mesh itself, whose keys have spaces, as no client's do. */
  readonly caller: string | null;
  readonly key: string;
  /** Of the request: one key with two requests is a mistake of the client. */
  readonly digest: string;
}

/** A space, which no client's key contains, keeps the keys of the other kinds apart from those of copies. */
export function keyOf(kind: WorkKind, idempotency: Idempotency | null): Idempotency | null {
  if (idempotency === null || kind === "copy") return idempotency;
  return { ...idempotency, key: `${PLURALS[kind]} ${idempotency.key}` };
}

/** Of a call that runs a schedule by hand. */
export function runKeyOf(schedule: string, idempotency: Idempotency | null): Idempotency | null {
  if (idempotency === null) return null;
  const { key, digest } = idempotency;
  return { ...idempotency, key: `runs ${key}`, digest: `${schedule} ${digest}` };
}

/** As the tables have it: with a space, so that no client's key spells that of another. */
function rowKeyOf({ caller, key }: Pick<Idempotency, "caller" | "key">): string {
  return caller === null ? key : `${JSON.stringify(caller)} ${key}`;
}

/** What a call was answered, to be answered again. */
interface Answered {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

type Begun =
  | { readonly kind: "new" }
  | { readonly kind: "under_way" }
  | { readonly kind: "answered"; readonly answer: Answered }
  | { readonly kind: "key_reused" };

/** A call that has not ended by then has died, and runs again. */
const CALL_LIMIT_MS = 2 * 60_000;

const MAX_ANSWERS = 10_000;

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
      CREATE TABLE IF NOT EXISTS calls (
        seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, at_ms INTEGER NOT NULL,
        answer TEXT                      -- Answered; null: it runs
      );
      CREATE INDEX IF NOT EXISTS calls_by_time ON calls (at_ms);
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
    this.#sql.exec("DELETE FROM idempotency WHERE at_ms < ?", now - KEPT_MS);
    const own = rowKeyOf(idempotency);
    const [first, second] = this.#sql
      .exec("SELECT key, digest, copy_id FROM idempotency WHERE key IN (?, ?)", own, idempotency.key)
      .toArray();
    // An older deployment has remembered keys without their callers.
    const known = second?.["key"] === own ? second : first;
    if (known === undefined) return null;
    return known["digest"] === idempotency.digest
      ? { kind: "known", id: String(known["copy_id"]) }
      : { kind: "key_reused" };
  }

  /** @param id of what the request has begun */
  remember(idempotency: Idempotency | null, id: string, now: number): void {
    if (idempotency === null) return;
    const row = [rowKeyOf(idempotency), idempotency.digest, id, now];
    this.#sql.exec("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?)", ...row);
  }

  /** A call that begins no work: it is looked up, or else runs. */
  beginCall({ digest, ...idempotency }: Idempotency, now: number): Begun {
    const key = rowKeyOf(idempotency);
    this.#sql.exec("DELETE FROM calls WHERE at_ms < ?", now - KEPT_MS);
    const known = this.#sql.exec("SELECT digest, at_ms, answer FROM calls WHERE key = ?", key).toArray()[0];
    if (known !== undefined && known["digest"] !== digest) return { kind: "key_reused" };
    if (typeof known?.["answer"] === "string")
      return { kind: "answered", answer: JSON.parse(known["answer"]) as Answered };
    if (known !== undefined && now - Number(known["at_ms"]) < CALL_LIMIT_MS) return { kind: "under_way" };
    this.#sql.exec("INSERT OR REPLACE INTO calls (key, digest, at_ms) VALUES (?, ?, ?)", key, digest, now);
    return { kind: "new" };
  }

  /** @param answer null: it is not to be remembered */
  endCall(idempotency: Pick<Idempotency, "caller" | "key">, answer: Answered | null): void {
    const key = rowKeyOf(idempotency);
    if (answer === null) this.#sql.exec("DELETE FROM calls WHERE key = ?", key);
    else this.#sql.exec("UPDATE calls SET answer = ? WHERE key = ?", JSON.stringify(answer), key);
    this.#sql.exec("DELETE FROM calls WHERE seq <= (SELECT max(seq) FROM calls) - ?", MAX_ANSWERS);
  }
}
