// The registry's half of the key that signs links (front/link.ts), and when the links end that were made
// under an Idempotency-Key. Nothing else of a link is kept.

import type { Idempotency, KeyTable } from "./key_table.ts";

const NAME = "link_salt";

export class LinkSalt {
  readonly #kv: DurableObjectStorage["kv"];
  readonly #keys: KeyTable;

  constructor({ kv }: Pick<DurableObjectStorage, "kv">, keys: KeyTable) {
    this.#kv = kv;
    this.#keys = keys;
  }

  /** Null: no link was made since the last were ended. */
  get(): string | null {
    return this.#kv.get<string>(NAME) ?? null;
  }

  /** Call it in a transaction. @param expiresS when a new link is to end, in seconds since 1970 */
  use(
    idempotency: Idempotency | null,
    expiresS: number,
    now: number,
  ): { salt: string; expiresS: number; known: boolean } | "key_reused" {
    const own = idempotency && { ...idempotency, key: `links ${idempotency.key}` };
    const before = this.#keys.find(own, now);
    if (before?.kind === "key_reused") return "key_reused";
    const salt = this.get() ?? crypto.randomUUID() + crypto.randomUUID();
    this.#kv.put(NAME, salt);
    if (before !== null) return { salt, expiresS: Number(before.id), known: true };
    this.#keys.remember(own, String(expiresS), now);
    return { salt, expiresS, known: false };
  }

  /** No link that was made before is good any more. */
  end(): void {
    this.#kv.delete(NAME);
  }
}
