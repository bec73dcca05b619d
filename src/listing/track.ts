// One range of names of a sync, listed on both sides and merged: a page of pairs at a time.
//
// What it needs: both stores, and permits to ask them, since all tracks of a walk share the connections of
// one event. What is listed and not given is in memory only; `range` says what has not been given, and from
// there any other track can go on.
//
// Invariants: give() hands out each name of the range that either side has once, in ascending order, and says
// that the track is at its end only when both sides have been listed to their ends or past the end of the
// range. One page of each side is fetched ahead, no more.

import type { ListPage } from "./cursor.ts";
import { compareKeys } from "./key_order.ts";
import { listPage } from "./listing.ts";
import { type Pair, mergePages } from "./merge.ts";
import type { NameRange } from "./ranges.ts";
import type { ListedObject } from "../s3/listing_xml.ts";
import type { S3 } from "../s3/request.ts";

/** What a track has not given yet. Plain data. */
export interface TrackRange extends NameRange {
  /**
   * The last name that the source has shown up to `afterName`, which may be the destination's alone. The
   * source's listing goes on there: where a store without order would go on after a key that it has not got,
   * nobody knows.
   */
  readonly sourceAfter: string | null;
}

interface TrackSide {
  readonly s3: S3;
  readonly bucket: string;
  readonly prefix: string;
}

/** Lets so many requests be under way at once; the others wait for a permit. */
export class Permits {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** From now on one more. */
  add(): void {
    this.#free += 1;
    this.#queue.shift()?.();
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    while (this.#free <= 0) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#free -= 1;
    try {
      return await work();
    } finally {
      this.add();
    }
  }
}

type Given =
  | {
      readonly kind: "pairs";
      readonly pairs: readonly Pair[];
      /**
       * Null: the range goes on. `passed`: the source's listing went past the end of the range without
       * showing it.
       */
      readonly end: null | "seen" | "passed";
    }
  /** The store of this side keeps no order, so nothing that was merged here may be believed. */
  | { readonly kind: "unsorted"; readonly side: "source" | "destination" };

export class Track {
  readonly #source: Side;
  readonly #destination: Side;
  readonly #mostPairs: number;
  #range: TrackRange;
  /** The source has shown the name at which the range ends. */
  #isEndSeen = false;
  /** The last name that is merged; beyond `range.afterName` by what is not given yet. */
  #pairedUntil: string | null;
  #next: Promise<Merging> | null = null;

  /** @param mostPairs of one page of decisions */
  constructor(
    range: TrackRange,
    source: TrackSide,
    destination: TrackSide,
    { permits, mostPairs }: { permits: Permits; mostPairs: number },
  ) {
    this.#mostPairs = mostPairs;
    this.#range = range;
    this.#pairedUntil = range.afterName;
    this.#source = new Side(source, range, range.sourceAfter, permits);
    this.#destination = new Side(destination, range, range.afterName, permits);
  }

  /** What has not been given. */
  get range(): TrackRange {
    return this.#range;
  }

  /** Pages of the source that it took since it was made or cut. */
  get sourcePages(): number {
    return this.#source.pages;
  }

  /** It cannot be cut at present: its pages count from here. */
  rest(): void {
    this.#source.pages = 0;
  }

  get sourceGoesOn(): boolean {
    return !this.#source.isComplete;
  }

  /** Listings that it keeps going: none, one or two. */
  get openListings(): number {
    return Number(!this.#source.isComplete) + Number(!this.#destination.isComplete);
  }

  /** Resolves when give() has something; rejects with what a listing met. */
  async ready(): Promise<this> {
    await (this.#next ??= this.#merge());
    return this;
  }

  /** Hands out what is ready and moves on. @throws {S3Error} */
  async give(): Promise<Given> {
    const merging = await (this.#next ??= this.#merge());
    this.#next = null;
    if (merging.kind === "unsorted") return merging;
    const { untilName } = this.#range;
    const pairs = untilNameOf(merging.pairs, untilName);
    const last = pairs.at(-1);
    this.#range = {
      afterName: last?.name ?? this.#range.afterName,
      untilName,
      sourceAfter: pairs.findLast(({ source }) => source !== null)?.name ?? this.#range.sourceAfter,
    };
    this.#isEndSeen ||= last !== undefined && last.source !== null && last.name === untilName;
    const isPast = pairs.length < merging.pairs.length;
    if (!merging.isEnd && !isPast) return { kind: "pairs", pairs, end: null };
    const isSeen = untilName === null || this.#source.isWhole || this.#isEndSeen;
    return { kind: "pairs", pairs, end: isSeen ? "seen" : "passed" };
  }

  /**
   * Makes a name of the range its end: what lies beyond it is another track's, also what is listed here
   * already.
   */
  endAt(untilName: string): void {
    this.#range = { ...this.#range, untilName };
    this.#source.endAt(untilName);
    this.#destination.endAt(untilName);
  }

  async #merge(): Promise<Merging> {
    const [source, destination] = [this.#source, this.#destination];
    const pairs: Pair[] = [];
    for (;;) {
      const merged = mergePages(source, destination, {
        pairedUntil: this.#pairedUntil,
        limit: this.#mostPairs - pairs.length,
      });
      source.objects = merged.source;
      destination.objects = merged.destination;
      pairs.push(...merged.pairs);
      this.#pairedUntil = merged.pairedUntil;
      if (merged.needs === "nothing") return { kind: "pairs", pairs, isEnd: true };
      // Enough for a page; and what is paired is kept before the next page of a listing is waited for.
      if (merged.needs === "limit" || pairs.length >= this.#mostPairs / 2)
        return { kind: "pairs", pairs, isEnd: false };
      const [needed, other] = merged.needs === "source" ? [source, destination] : [destination, source];
      // Both first pages at once; later ones are fetched ahead anyway.
      await Promise.all([needed.more(), other.isBegun ? null : other.more()]);
      if (!source.isSorted) return { kind: "unsorted", side: "source" };
      if (!destination.isSorted) return { kind: "unsorted", side: "destination" };
    }
  }
}

type Merging =
  | { readonly kind: "pairs"; readonly pairs: readonly Pair[]; readonly isEnd: boolean }
  | { readonly kind: "unsorted"; readonly side: "source" | "destination" };

function untilNameOf(pairs: readonly Pair[], untilName: string | null): readonly Pair[] {
  const last = pairs.at(-1);
  if (untilName === null || last === undefined || compareKeys(last.name, untilName) <= 0) return pairs;
  return pairs.filter(({ name }) => compareKeys(name, untilName) <= 0);
}

/** One listing under way: what is listed and not paired, and the page after it, which is being fetched. */
class Side {
  readonly prefix: string;
  readonly #s3: S3;
  readonly #range: Parameters<typeof listPage>[1];
  readonly #permits: Permits;
  /** What was given of this side lies up to here. */
  readonly #givenUntil: string | null;
  #untilKey: string | null = null;
  objects: readonly ListedObject[] = [];
  pages = 0;
  /** No page follows that could hold a key of the range. */
  isComplete = false;
  /** The store has no further key at all. */
  isWhole = false;
  isSorted = true;
  isBegun = false;
  #ahead: Promise<ListPage> | null = null;

  /** @param startAfter where the listing begins, at `afterName` or before it */
  constructor(
    { s3, bucket, prefix }: TrackSide,
    { afterName, untilName }: NameRange,
    startAfter: string | null,
    permits: Permits,
  ) {
    const keyOf = (name: string | null) => (name === null ? null : prefix + name);
    this.prefix = prefix;
    this.#s3 = s3;
    this.#permits = permits;
    this.#givenUntil = keyOf(afterName);
    // Where the range ends is looked after here: it may come to end earlier.
    this.#untilKey = keyOf(untilName);
    this.#range = { bucket, prefix, afterKey: keyOf(startAfter), untilKey: null };
  }

  endAt(untilName: string): void {
    this.pages = 0;
    this.#untilKey = this.prefix + untilName;
    this.#clip();
  }

  /** Puts the next page behind what is there. @throws {S3Error} */
  async more(): Promise<void> {
    this.isBegun = true;
    const page = await (this.#ahead ?? this.#fetch(null));
    this.#ahead = null;
    this.pages += 1;
    const given = this.#givenUntil;
    const isNew = ({ key }: ListedObject) => given === null || compareKeys(key, given) > 0;
    this.objects = [...this.objects, ...page.objects.filter(isNew)];
    this.isSorted &&= page.order === "utf8";
    this.isWhole = page.next === null;
    this.isComplete ||= this.isWhole;
    this.#clip();
    if (page.next === null || this.isComplete) return;
    this.#ahead = this.#fetch(page.next);
    this.#ahead.catch(() => undefined); // whoever asks for it gets the error
  }

  async #fetch(cursor: ListPage["next"]): Promise<ListPage> {
    return await this.#permits.take(async () => await listPage(this.#s3, this.#range, cursor));
  }

  /** A listing in order has shown all of the range when it shows a key at its end or beyond. */
  #clip(): void {
    const untilKey = this.#untilKey;
    const last = this.objects.at(-1);
    if (untilKey === null || last === undefined || compareKeys(last.key, untilKey) < 0) return;
    this.isComplete = true;
    this.objects = this.objects.filter(({ key }) => compareKeys(key, untilKey) <= 0);
  }
}
