// Walks two sides whose names cannot be merged: the source in its own order, a page at a time, and each of
// its keys is looked up at the destination later, when it is copied. To delete, the destination is listed
// afterwards, and for each of its keys it is asked whether the source has it. That costs a HEAD per key
// instead of a page per thousand keys, but needs no memory and works for any number of keys.
//
// Where names are changed by rules (rename.ts), the source is read to its end once before: only when all
// names are known is it known that no two become one. Whoever walks keeps them (sync/images.ts), and answers
// for a key of the destination whether it is one of them.
//
// Invariant: the cursor of a page stands for everything that was returned before, so a walk that has died
// goes on from the last one that was recorded.

import type { ListCursor, ListPage } from "./cursor.ts";
import { listPage } from "./listing.ts";
import type { ManifestCursor, ManifestPage, ManifestReader } from "./manifest.ts";
import type { NamedKey } from "./manifest_lines.ts";
import { listedOfHead } from "./merge.ts";
import { nameOf } from "./prefix.ts";
import type { Unreadable } from "./track.ts";
import { type StateCursor, nextState, stateAt } from "./version_state.ts";
import { expectVersions, listVersions } from "./versions.ts";
import { S3Error } from "../s3/errors.ts";
import type { ListedObject } from "../s3/listing_xml.ts";
import { headObject } from "../s3/read.ts";
import type { S3 } from "../s3/request.ts";
import type { PrefixRef } from "../store/address.ts";

/** `names`: the first reading, of the names alone. Null: from the start. */
export type LookupCursor =
  | { readonly kind: "names" | "lookup"; readonly list: ListCursor | ManifestCursor | StateCursor | null }
  | { readonly kind: "extras"; readonly list: ListCursor | null };

/** One name. `unlisted`: it is not known whether the destination has it. Null: that side does not have it. */
export type Found =
  | {
      readonly name: string;
      readonly source: ListedObject;
      readonly destination: ListedObject | "unlisted" | null;
      /** Named by a manifest: nothing else is known of it. Absent: listed. */
      readonly named?: NamedKey;
      /** The version that is meant, where it need not be the current one. Absent: the current one. */
      readonly versionId?: string;
      /** What it becomes, as was found before. Absent: the rules say. */
      readonly to?: string;
    }
  | { readonly name: string; readonly source: null; readonly destination: ListedObject };

/** A page of either kind of walk; `At` is its cursor. */
export interface FoundPage<At> {
  readonly pairs: readonly Found[];
  /** Objects of the destination that the source has too. They were counted when the source was listed. */
  readonly known: readonly ListedObject[];
  /** May come twice, after a death or at a cut. */
  readonly unreadable: readonly Unreadable[];
  readonly cursor: At | null;
  /** Of a manifest: what names no key of the source, and what cannot be read. */
  readonly aside?: Pick<ManifestPage, "outside" | "notCurrent" | "bad">;
  /** The pairs are names that will come again, and nothing is to be done with them yet. */
  readonly isFirstReading?: true;
}

interface Sides {
  readonly source: PrefixRef;
  readonly destination: PrefixRef;
  readonly delete: boolean;
}

/** Is a key of the destination one that an object of the source gets? */
export type IsImage = (destinationKey: string) => boolean;

/** Concurrent HEADs: an event has six connections. */
const LOOKUPS = 4;

interface LookupOptions {
  readonly at: LookupCursor;
  readonly isImage: IsImage | null;
  readonly manifest: ManifestReader | null;
  readonly asOfMs: number | null;
}

type Read<At> = Omit<FoundPage<LookupCursor>, "cursor"> & { readonly next: At | null };

/** What is known of an object that nobody has listed. */
const UNSEEN = { sizeBytes: 0, etag: null, lastModifiedMs: null, storageClass: null, isRestored: false };

export class Lookup {
  readonly #spec: Sides;
  readonly #stores: { readonly source: S3; readonly destination: S3 };
  readonly #isImage: IsImage | null;
  readonly #manifest: ManifestReader | null;
  readonly #asOfMs: number | null;
  #at: LookupCursor;

  /**
   * @param isImage null: names are not changed, and the source itself is asked
   * @param manifest what names the keys; null: the source's listing
   * @param asOfMs the source as it was then; null: as it is
   */
  constructor(
    spec: Sides,
    stores: { readonly source: S3; readonly destination: S3 },
    { at, isImage, manifest, asOfMs }: LookupOptions,
  ) {
    this.#spec = spec;
    this.#stores = stores;
    this.#at = at;
    this.#isImage = isImage;
    this.#manifest = manifest;
    this.#asOfMs = asOfMs;
  }

  /** @throws {S3Error} of either side, after which a new walk continues from the cursor */
  async next(): Promise<FoundPage<LookupCursor>> {
    const at = this.#at;
    const page = at.kind === "extras" ? await this.#extras(at.list) : await this.#keys(at);
    if (page.cursor !== null) this.#at = page.cursor;
    return page;
  }

  async #keys({ kind, list }: Exclude<LookupCursor, { kind: "extras" }>): Promise<FoundPage<LookupCursor>> {
    const { next, ...read } = await this.#read(list);
    if (kind === "names") {
      const again = { kind: "lookup", list: this.#manifest?.start() ?? null } as const;
      return { ...read, isFirstReading: true, cursor: next === null ? again : { kind, list: next } };
    }
    if (next !== null) return { ...read, cursor: { kind, list: next } };
    return { ...read, cursor: this.#spec.delete ? { kind: "extras", list: null } : null };
  }

  async #read(
    list: ListCursor | ManifestCursor | StateCursor | null,
  ): Promise<Read<ListCursor | ManifestCursor | StateCursor>> {
    if (this.#manifest !== null) return await this.#named(this.#manifest, list as ManifestCursor | null);
    if (this.#asOfMs === null) return await this.#listed(list as ListCursor | null);
    return await this.#asItWas(this.#asOfMs, list as StateCursor | null);
  }

  async #asItWas(atMs: number, at: StateCursor | null): Promise<Read<StateCursor>> {
    const { bucket, prefix } = this.#spec.source;
    const { source: s3 } = this.#stores;
    if (at === null) await expectVersions(s3, bucket, "some", "source");
    const { versions, unreadable, next } = await listVersions(s3, { bucket, prefix }, at?.list ?? null);
    const { objects, decidedKey } = stateAt(versions, atMs, at?.decidedKey ?? null);
    const pairs = objects.map((source): Found => {
      const { versionId } = source;
      return { name: nameOf(source.key, prefix), source, destination: "unlisted", versionId };
    });
    const shown = unreadable.map((key) => ({ side: "source" as const, shown: key }));
    return { pairs, known: [], unreadable: shown, next: nextState(next, decidedKey) };
  }

  async #listed(list: ListCursor | null): Promise<Read<ListCursor>> {
    const { prefix } = this.#spec.source;
    const page = await this.#list("source", list);
    const pairs = page.objects.map((source): Found => ({
      name: nameOf(source.key, prefix),
      source,
      destination: "unlisted",
    }));
    const unreadable = page.unreadable.map((shown) => ({ side: "source" as const, shown }));
    return { pairs, known: [], unreadable, next: page.next };
  }

  async #named(manifest: ManifestReader, list: ManifestCursor | null): Promise<Read<ManifestCursor>> {
    const { prefix } = this.#spec.source;
    const { keys, next, ...aside } = await manifest.read(list);
    const pairs = keys.map((named): Found => ({
      name: nameOf(named.key, prefix),
      source: { ...UNSEEN, key: named.key },
      destination: "unlisted",
      named,
    }));
    return { pairs, known: [], unreadable: [], aside, next };
  }

  /** The destination in its own order. A key that the source does not have is extra. */
  async #extras(list: ListCursor | null): Promise<FoundPage<LookupCursor>> {
    const { prefix } = this.#spec.destination;
    const page = await this.#list("destination", list);
    const pairs: Found[] = [];
    const known: ListedObject[] = [];
    for (let from = 0; from < page.objects.length; from += LOOKUPS) {
      const objects = page.objects.slice(from, from + LOOKUPS);
      const there = await Promise.all(objects.map(async ({ key }) => await this.#isKnown(key)));
      for (const [index, destination] of objects.entries()) {
        if (there[index] === true) known.push(destination);
        else pairs.push({ name: nameOf(destination.key, prefix), source: null, destination });
      }
    }
    const unreadable = page.unreadable.map((shown) => ({ side: "destination" as const, shown }));
    const cursor = page.next === null ? null : ({ kind: "extras", list: page.next } as const);
    return { pairs, known, unreadable, cursor };
  }

  async #isKnown(destinationKey: string): Promise<boolean> {
    if (this.#isImage !== null) return this.#isImage(destinationKey);
    const { source, destination } = this.#spec;
    return await isAtSource(this.#stores.source, source, nameOf(destinationKey, destination.prefix));
  }

  async #list(side: "source" | "destination", list: ListCursor | null): Promise<ListPage> {
    const { bucket, prefix } = this.#spec[side];
    const range = { bucket, prefix, afterKey: null, untilKey: null };
    return await listPage(this.#stores[side], range, list);
  }
}

/** By HEAD. @throws {S3Error} */
export async function isAtSource(s3: S3, { bucket, prefix }: PrefixRef, name: string): Promise<boolean> {
  const key = prefix + name;
  if (key === "") return false;
  try {
    const { headers } = await headObject(s3, { bucket, key });
    return listedOfHead(key, headers).key === key;
  } catch (error) {
    // Only a key that does not exist is missing. A bucket that does not exist proves nothing.
    if (error instanceof S3Error && error.status === 404 && error.code !== "NoSuchBucket") return false;
    throw error;
  }
}
