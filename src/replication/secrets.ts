// The secrets by which senders may hand in the events of one replication, and do nothing else. Kept as
// digests: whoever reads the storage cannot send.
//
// There is one, and for a while the one before it, so that a sender can be changed without losing events.

/** What every secret begins with, so that it is known for one, also by those who search for leaked ones. */
const MARK = "bbev_";

const SECRET_BYTES = 32;

/** A secret that is changed several times in a hurry does not leave a trail of others. */
const MAX_FORMER = 1;

export function makeSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const text = btoa(String.fromCharCode(...bytes));
  return MARK + text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export function looksLikeSecret(text: string): boolean {
  return /^bbev_[\w-]{43}$/.test(text);
}

/** In the storage of a replicator. */
export class SecretTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /**
   * Puts a secret in the place of the one that there is. Repeated, it changes nothing.
   *
   * @param formerUntilMs how long the one before stays good
   * @returns whether there was one before
   */
  put(sha256: string, formerUntilMs: number, now: number): boolean {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS event_secrets (
        sha256 TEXT PRIMARY KEY,
        made_at_ms INTEGER NOT NULL,
        until_ms INTEGER                 -- null: until another is made
      );
    `);
    if (this.has(sha256, now)) return this.#former(sha256);
    this.#sql.exec("DELETE FROM event_secrets WHERE until_ms <= ?", now);
    this.#sql.exec("UPDATE event_secrets SET until_ms = ? WHERE until_ms IS NULL", formerUntilMs);
    const kept = "SELECT sha256 FROM event_secrets ORDER BY made_at_ms DESC, rowid DESC LIMIT ?";
    this.#sql.exec(`DELETE FROM event_secrets WHERE sha256 NOT IN (${kept})`, MAX_FORMER);
    this.#sql.exec("DELETE FROM event_secrets WHERE until_ms <= ?", now);
    this.#sql.exec("INSERT INTO event_secrets (sha256, made_at_ms) VALUES (?, ?)", sha256, now);
    return this.#former(sha256);
  }

  /** The digest stands for a secret of 256 random bits: how long the comparison takes says nothing of it. */
  has(sha256: string, now: number): boolean {
    const made = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'event_secrets'";
    if (this.#sql.exec(made).toArray().length === 0) return false;
    const found = "SELECT 1 FROM event_secrets WHERE sha256 = ? AND (until_ms IS NULL OR until_ms > ?)";
    return this.#sql.exec(found, sha256, now).toArray().length > 0;
  }

  #former(sha256: string): boolean {
    return this.#sql.exec("SELECT 1 FROM event_secrets WHERE sha256 <> ?", sha256).toArray().length > 0;
  }
}
