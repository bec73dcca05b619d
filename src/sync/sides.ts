// The two stores of a sync, with what checks have found out about its buckets.

import type { Env } from "../env.ts";
import type { Sides } from "./gate.ts";
import type { RunBase } from "./run_spec.ts";
import type { BucketRef } from "../store/address.ts";
import { findKnownStore } from "../store/facts.ts";
import { type Store, readStores } from "../store/stores.ts";

export class KnownSides {
  readonly #env: Env;
  // Parsed once: another configuration is another deployment, which starts with empty memory.
  readonly #stores = new Map<string, Store | null>();

  constructor(env: Env) {
    this.#env = env;
  }

  /** Null: a store that is not configured, or not right. */
  of({ source, destination, known }: Pick<RunBase, "source" | "destination" | "known">): Sides {
    return { source: this.#store(source, known), destination: this.#store(destination, known) };
  }

  #store(ref: BucketRef, known: RunBase["known"]): Store | null {
    const name = `${ref.store}:${ref.bucket}`;
    let store = this.#stores.get(name);
    if (store === undefined) {
      const isUsable = readStores(this.#env).get(ref.store)?.ok === true;
      store = isUsable ? findKnownStore(this.#env, ref, known) : null;
      this.#stores.set(name, store);
    }
    return store;
  }
}
