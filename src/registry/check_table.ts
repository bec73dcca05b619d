// The results of store checks, in the registry's SQLite: one row per bucket and role checked.
//
// Invariant: the facts that a copy starts with are read in the transaction that gives it its id. Later checks
// change the rows but not the copy. store/facts.ts says what facts mean.

import type { CopySpec } from "../copy/spec.ts";
import type { BucketRef } from "../store/address.ts";
import { type Configuration, type KeptCheck, type StoreFacts, mergeChecks } from "../store/facts.ts";
import type { Facts } from "../store/profiles.ts";
import type { RunSpec } from "../sync/comparison_spec.ts";

export class CheckTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS checks (
        store TEXT NOT NULL,
        bucket TEXT NOT NULL,
        role TEXT NOT NULL,              -- source or destination
        configuration TEXT NOT NULL,     -- Configuration: the store as it was then
        facts TEXT NOT NULL,             -- Facts
        ok INTEGER NOT NULL,
        checked_at_ms INTEGER NOT NULL,
        PRIMARY KEY (store, bucket, role)
      );
    `);
  }

  /** Call it in a transaction. */
  keep(check: KeptCheck): void {
    const { store, bucket, as, configuration, facts, ok, checkedAtMs } = mergeChecks(
      this.#find(check),
      check,
    );
    this.#sql.exec(
      "INSERT OR REPLACE INTO checks VALUES (?, ?, ?, ?, ?, ?, ?)",
      store,
      bucket,
      as,
      JSON.stringify(configuration),
      JSON.stringify(facts),
      ok ? 1 : 0,
      checkedAtMs,
    );
  }

  list(): KeptCheck[] {
    return this.#sql.exec("SELECT * FROM checks ORDER BY store, bucket, role").toArray().map(checkOf);
  }

  /** @param bucket null means all buckets of the store @returns whether anything was kept */
  forget(store: string, bucket: string | null): boolean {
    const { rowsWritten } = this.#sql.exec(
      "DELETE FROM checks WHERE store = ?1 AND (?2 IS NULL OR bucket = ?2)",
      store,
      bucket,
    );
    return rowsWritten > 0;
  }

  /**
   * Returns the spec with the facts known now about its buckets. A spec that already has facts keeps them:
   * the copies of a sync use those of the sync.
   */
  inform<Spec extends CopySpec | RunSpec>(spec: Spec): Spec {
    if (spec.known !== undefined) return spec;
    const { source, destination } = spec;
    const buckets: BucketRef[] =
      "report" in spec && spec.report !== null ? [source, destination, spec.report] : [source, destination];
    const names = new Map(buckets.map((ref) => [`${ref.store}:${ref.bucket}`, ref]));
    return { ...spec, known: [...names.values()].flatMap((ref) => this.#known(ref)) };
  }

  /** Oldest check first. */
  #known({ store, bucket }: BucketRef): StoreFacts[] {
    return this.#sql
      .exec(
        "SELECT * FROM checks WHERE store = ? AND bucket = ? AND facts <> '{}' ORDER BY checked_at_ms",
        store,
        bucket,
      )
      .toArray()
      .map((row) => {
        const { configuration, facts } = checkOf(row);
        return { store, bucket, configuration, facts };
      });
  }

  #find({ store, bucket, as }: KeptCheck): KeptCheck | null {
    const [row] = this.#sql
      .exec("SELECT * FROM checks WHERE store = ? AND bucket = ? AND role = ?", store, bucket, as)
      .toArray();
    return row === undefined ? null : checkOf(row);
  }
}

function checkOf(row: Readonly<Record<string, unknown>>): KeptCheck {
  return {
    store: String(row["store"]),
    bucket: String(row["bucket"]),
    as: row["role"] === "source" ? "source" : "destination",
    configuration: JSON.parse(String(row["configuration"])) as Configuration,
    facts: JSON.parse(String(row["facts"])) as Facts,
    ok: row["ok"] === 1,
    checkedAtMs: Number(row["checked_at_ms"]),
  };
}
