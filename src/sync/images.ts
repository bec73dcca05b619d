// The keys that the source's objects get at the destination, where rules change their names: which of them is
// whose. In the run's SQLite, a row for each key of the source.
//
// The source is read twice (listing/lookup.ts). The first reading claims a key of the destination for each
// object, before anything is written: two objects that would become one are found then, and the run ends. The
// second reading copies; an object that has come since and wants a key that another one has fails alone.
// Afterwards a key of the destination that nobody has claimed is no image of any object.
//
// Bound: a row takes 16 bytes, some bytes of SQLite's, and the source's key, which the message needs. At 80
// characters a key that is some 120 bytes, so MAX_BYTES are more than thirty million keys. A run that would
// need more ends before it writes anything. Memory holds no key.
//
// Invariant: a claim is made in the transaction of the cursor that has passed its object. A claim that is
// made again by the same object changes nothing.

import { createHash } from "node:crypto";

/** Of the 10 GB that an object's storage may have; the report may have 2 GiB of them. */
const MAX_BYTES = 4 * 2 ** 30;

export class Images {
  readonly #sql: SqlStorage;
  readonly #maxBytes: number;

  constructor(sql: SqlStorage, maxBytes = MAX_BYTES) {
    this.#sql = sql;
    this.#maxBytes = maxBytes;
  }

  /** Only a run that needs them has them. */
  createTable(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS images (
        image BLOB PRIMARY KEY,           -- digest of the key at the destination
        key TEXT                          -- of the object that becomes it; null: one that is not copied
      ) WITHOUT ROWID;
    `);
  }

  /**
   * @param key of the source's object; null: a filter leaves it out, and its image, if there is one, stays
   * @returns the key of the object that has claimed the image before; null: nobody else has
   */
  claim(image: string, key: string | null): string | null {
    const digest = digestOf(image);
    const row = this.#sql.exec("SELECT key FROM images WHERE image = ?", digest).toArray()[0];
    const holder = row?.["key"] ?? null;
    if (row === undefined) this.#sql.exec("INSERT INTO images (image, key) VALUES (?, ?)", digest, key);
    else if (holder === null && key !== null)
      this.#sql.exec("UPDATE images SET key = ? WHERE image = ?", key, digest);
    return holder === null || key === null || holder === key ? null : String(holder);
  }

  has(image: string): boolean {
    return this.#sql.exec("SELECT 1 FROM images WHERE image = ?", digestOf(image)).toArray().length > 0;
  }

  isFull(): boolean {
    return this.#sql.databaseSize > this.#maxBytes;
  }
}

/** 128 bits of SHA-256: nobody finds two keys that have them in common. */
function digestOf(key: string): ArrayBuffer {
  const digest = createHash("sha256").update(key).digest();
  return new Uint8Array(digest.subarray(0, 16)).buffer;
}
