// Walks both sides of a sync to their ends, a page of decisions at a time, from a cursor that survives any death.
//
// What it needs: both stores. Where both list in UTF-8 byte order the two listings are merged, and the cursor is the last
// name that was paired: to go on, both sides are listed anew from there, so no token is kept that could expire. Where one
// does not, the source alone is listed and each of its keys is looked up later, when its turn comes; if keys are to be
// deleted, the destination is listed afterwards and each of its keys looked up at the source.
//
// Invariants: `cursor: null` comes only after both sides were listed to their ends without an error. One page of each
// side is fetched ahead, no more. A store that shows in mid-walk that it keeps no order ends the walk: what the merge has
// taken for missing may be there.

import { type ListCursor, type ListPage, type ListedObject, expectedOrder, listPage } from "./listing.ts";
import { listedOfHead, mergePages, pairingOf } from "./merge.ts";
import { nameOf } from "./prefix.ts";
import { type S3, S3Error, headObject } from "./s3.ts";
import type { SyncSpec } from "./sync_api.ts";

/** How far both sides are decided. Plain data. */
export type Cursor =
  | { readonly kind: "start" }
  | { readonly kind: "merge"; readonly pairedUntil: string }
  | { readonly kind: "lookup"; readonly list: ListCursor }
  | { readonly kind: "extras"; readonly list: ListCursor | null };

export const FIRST_CURSOR: Cursor = { kind: "start" };

/** One name. `unlisted`: whether the destination has it is not known. Null: that side has not got it. */
export type Found =
  | {
      readonly name: string;
      readonly source: ListedObject;
      readonly destination: ListedObject | "unlisted" | null;
    }
  | { readonly name: string; readonly source: null; readonly destination: ListedObject };

export interface WalkPage {
  readonly pairs: readonly Found[];
  /** Objects of the destination that the source has as well and that were counted there. */
  readonly known: readonly ListedObject[];
  readonly cursor: Cursor | null;
}

/** Decisions of one step. */
const STEP_NAMES = 1000;
/** HEADs at once: an event has six connections. */
const LOOKUPS = 4;

export class Walk {
  readonly #spec: SyncSpec;
  readonly #stores: { readonly source: S3; readonly destination: S3 };
  #state: MergeState | { readonly kind: "lookup" | "extras"; list: ListCursor | null };

  constructor(spec: SyncSpec, source: S3, destination: S3, cursor: Cursor) {
    this.#spec = spec;
    this.#stores = { source, destination };
    const pairing = pairingOf(
      expectedOrder(source.store, spec.source.bucket),
      expectedOrder(destination.store, spec.destination.bucket),
    );
    this.#state =
      cursor.kind === "lookup" || cursor.kind === "extras"
        ? { ...cursor }
        : pairing === "merge"
          ? this.#startMerge(cursor.kind === "merge" ? cursor.pairedUntil : null)
          : { kind: "lookup", list: null };
  }

  /** @throws {S3Error} of either side, after which a new walk goes on from the cursor */
  async next(): Promise<WalkPage> {
    if (this.#state.kind === "merge") {
      const page = await this.#merge(this.#state);
      if (page !== "unsorted") return page;
      this.#state = { kind: "lookup", list: null };
    }
    return this.#state.kind === "lookup" ? await this.#lookup() : await this.#extras();
  }

  #startMerge(pairedUntil: string | null): MergeState {
    const side = (role: "source" | "destination") => {
      const { bucket, prefix } = this.#spec[role];
      const afterKey = pairedUntil === null ? null : prefix + pairedUntil;
      return new Side(this.#stores[role], { bucket, prefix, afterKey, untilKey: null });
    };
    return { kind: "merge", pairedUntil, source: side("source"), destination: side("destination") };
  }

  async #merge(state: MergeState): Promise<WalkPage | "unsorted"> {
    const pairs: Found[] = [];
    for (;;) {
      const { source, destination, pairedUntil } = state;
      const merged = mergePages(
        { prefix: this.#spec.source.prefix, objects: source.objects, isComplete: source.isComplete },
        {
          prefix: this.#spec.destination.prefix,
          objects: destination.objects,
          isComplete: destination.isComplete,
        },
        { pairedUntil, limit: STEP_NAMES - pairs.length },
      );
      source.objects = merged.source;
      destination.objects = merged.destination;
      pairs.push(...merged.pairs);
      state.pairedUntil = merged.pairedUntil;
      if (merged.needs === "nothing") return { pairs, known: [], cursor: null };
      // Enough for a step; and what is paired is kept before the next page is waited for.
      if (merged.needs === "limit" || pairs.length >= STEP_NAMES / 2) {
        const cursor: Cursor =
          state.pairedUntil === null ? FIRST_CURSOR : { kind: "merge", pairedUntil: state.pairedUntil };
        return { pairs, known: [], cursor };
      }
      const needed = merged.needs === "source" ? source : destination;
      const other = needed === source ? destination : source;
      // Both first pages at once; later ones are fetched ahead anyway.
      await Promise.all([needed.more(), other.isBegun ? null : other.more()]);
      if (source.isSorted && destination.isSorted) continue;
      if (state.pairedUntil === null) return "unsorted";
      const { role, s3 } = source.isSorted
        ? { role: "destination" as const, s3: this.#stores.destination }
        : { role: "source" as const, s3: this.#stores.source };
      throw new S3Error(
        "ListObjectsV2",
        { bucket: this.#spec[role].bucket },
        {
          code: "unsorted_listing",
          detail: `store "${s3.store.name}" has listed keys in no order, after it had begun in order; if it keeps none, set its "provider" to "storj"`,
        },
      );
    }
  }

  /** The source in its own order. The object copier looks each key up at the destination. */
  async #lookup(): Promise<WalkPage> {
    const { bucket, prefix } = this.#spec.source;
    const range = { bucket, prefix, afterKey: null, untilKey: null };
    const { list } = this.#state as { list: ListCursor | null };
    const page = await listPage(this.#stores.source, range, list);
    const pairs = page.objects.map((source): Found => ({
      name: nameOf(source.key, prefix),
      source,
      destination: "unlisted",
    }));
    if (page.next !== null) {
      this.#state = { kind: "lookup", list: page.next };
      return { pairs, known: [], cursor: { kind: "lookup", list: page.next } };
    }
    if (!this.#spec.delete) return { pairs, known: [], cursor: null };
    this.#state = { kind: "extras", list: null };
    return { pairs, known: [], cursor: { kind: "extras", list: null } };
  }

  /** The destination in its own order; what the source has not got is extra. */
  async #extras(): Promise<WalkPage> {
    const { bucket, prefix } = this.#spec.destination;
    const range = { bucket, prefix, afterKey: null, untilKey: null };
    const { list } = this.#state as { list: ListCursor | null };
    const page = await listPage(this.#stores.destination, range, list);
    const pairs: Found[] = [];
    const known: ListedObject[] = [];
    for (let from = 0; from < page.objects.length; from += LOOKUPS) {
      const objects = page.objects.slice(from, from + LOOKUPS);
      const there = await Promise.all(
        objects.map(async ({ key }) => await this.#isAtSource(nameOf(key, prefix))),
      );
      for (const [index, destination] of objects.entries()) {
        if (there[index] === true) known.push(destination);
        else pairs.push({ name: nameOf(destination.key, prefix), source: null, destination });
      }
    }
    this.#state = { kind: "extras", list: page.next };
    return { pairs, known, cursor: page.next === null ? null : { kind: "extras", list: page.next } };
  }

  async #isAtSource(name: string): Promise<boolean> {
    const { bucket, prefix } = this.#spec.source;
    const key = prefix + name;
    if (key === "") return false;
    try {
      const { headers } = await headObject(this.#stores.source, { bucket, key });
      return listedOfHead(key, headers).key === key;
    } catch (error) {
      // Only a key that is not there is missing. A bucket that is not there proves nothing.
      if (error instanceof S3Error && error.status === 404 && error.code !== "NoSuchBucket") return false;
      throw error;
    }
  }
}

interface MergeState {
  readonly kind: "merge";
  pairedUntil: string | null;
  readonly source: Side;
  readonly destination: Side;
}

/** One listing under way: what is listed and not paired, and the page after it, which is being fetched. */
class Side {
  readonly #s3: S3;
  readonly #range: Parameters<typeof listPage>[1];
  objects: readonly ListedObject[] = [];
  isComplete = false;
  isSorted = true;
  isBegun = false;
  #ahead: Promise<ListPage> | null = null;

  constructor(s3: S3, range: Parameters<typeof listPage>[1]) {
    this.#s3 = s3;
    this.#range = range;
  }

  /** Puts the next page behind what is there. */
  async more(): Promise<void> {
    this.isBegun = true;
    const page = await (this.#ahead ?? listPage(this.#s3, this.#range, null));
    this.objects = [...this.objects, ...page.objects];
    this.isSorted &&= page.order === "utf8";
    this.isComplete = page.next === null;
    if (page.next === null) return;
    this.#ahead = listPage(this.#s3, this.#range, page.next);
    this.#ahead.catch(() => undefined); // whoever asks for it gets the error
  }
}
