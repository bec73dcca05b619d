// One range of names of a sync, listed on both sides and merged, one page of pairs at a time.
//
// What it needs: both stores, and permits for requests, since all tracks of a walk share the connections of
// one event. Names that are listed and not returned yet are in memory only. `range` is what is left to
// return, and any other track can continue from it.
//
// Invariants: give() returns each name of the range that either side has once, in ascending order. It says
// that the track has ended only when both sides were listed to their ends or past the end of the range. One
// page per side is fetched ahead, no more.

import type { ListCursor, ListPage, ListRange } from "./cursor.ts";
import { compareKeys } from "./key_order.ts";
import { type Pair, mergePages } from "./merge.ts";
import type { NameRange } from "./ranges.ts";
import type { ListedObject } from "../s3/listing_xml.ts";

/** What a track has not returned yet. Plain data. */
export interface TrackRange extends NameRange {
  /**
   * The last name up to `afterName` that the source has listed; `afterName` itself may exist at the
   * destination only. The source's listing continues here, because nobody knows where a store without order
   * would continue after a key that it does not have. Of a range that begins at a cut: what the page was
   * asked for that begins with the cut.
   */
  readonly sourceAfter: string | null;
}

/** Lists the page at a cursor. @param slot of the permit that it has */
export type ListAt = (slot: number, range: ListRange, cursor: ListCursor | null) => Promise<ListPage>;

interface TrackSide {
  readonly list: ListAt;
  readonly bucket: string;
  readonly prefix: string;
}

/** Limits the requests in flight; the others wait for a permit. */
export class Permits {
  /** Slots from 0 that nobody has. */
  readonly #free: number[] = [];
  #count = 0;
  readonly #queue: (() => void)[] = [];

  constructor(count: number) {
    for (let slot = 0; slot < count; slot++) this.add();
  }

  get count(): number {
    return this.#count;
  }

  /** Allows one more from now on. */
  add(): void {
    this.#give(this.#count++);
  }

  /** @param work gets the lowest slot that is free */
  async take<T>(work: (slot: number) => Promise<T>): Promise<T> {
    while (this.#free.length === 0) await new Promise<void>((resolve) => this.#queue.push(resolve));
    const slot = Math.min(...this.#free);
    this.#free.splice(this.#free.indexOf(slot), 1);
    try {
      return await work(slot);
    } finally {
      this.#give(slot);
    }
  }

  #give(slot: number): void {
    this.#free.push(slot);
    this.#queue.shift()?.();
  }
}

/** A key of one side that no request can name. */
export interface Unreadable {
  readonly side: "source" | "destination";
  /** As the store has encoded it. */
  readonly shown: string;
}

type Given =
  | {
      readonly kind: "pairs";
      readonly pairs: readonly Pair[];
      readonly unreadable: readonly Unreadable[];
      /**
       * Null: the range continues. `passed`: the source's listing went past the end of the range without
       * listing it.
       */
      readonly end: null | "seen" | "passed";
    }
  /** The store of this side does not sort, so nothing that was merged here can be believed. */
  | { readonly kind: "unsorted"; readonly side: "source" | "destination" };

export class Track {
  readonly #source: Side;
  readonly #destination: Side;
  readonly #mostPairs: number;
  #range: TrackRange;
  /** The source has listed the name at which the range ends. */
  #isEndSeen = false;
  /** The last name merged. Beyond `range.afterName` by what is not returned yet. */
  #pairedUntil: string | null;
  #next: Promise<Merging> | null = null;

  /** @param mostPairs in one page of decisions @param firstPage of the source, if it is listed already */
  constructor(
    range: TrackRange,
    source: TrackSide,
    destination: TrackSide,
    {
      permits,
      mostPairs,
      firstPage,
    }: { permits: Permits; mostPairs: number; firstPage?: ListPage | undefined },
  ) {
    this.#mostPairs = mostPairs;
    this.#range = range;
    this.#pairedUntil = range.afterName;
    this.#source = new Side(source, range, range.sourceAfter, permits, firstPage);
    this.#destination = new Side(destination, range, range.afterName, permits);
  }

  /** What is left to return. */
  get range(): TrackRange {
    return this.#range;
  }

  /** Pages that the source's listing took since the track was created or cut. */
  get sourcePages(): number {
    return this.#source.pages;
  }

  /** The track cannot be cut now: its pages are counted from here. */
  rest(): void {
    this.#source.pages = 0;
  }

  get sourceGoesOn(): boolean {
    return !this.#source.isComplete;
  }

  /** How many listings it keeps running: 0, 1 or 2. */
  get openListings(): number {
    return Number(!this.#source.isComplete) + Number(!this.#destination.isComplete);
  }

  /** Resolves when give() has something; rejects with the error of a listing. */
  async ready(): Promise<this> {
    await (this.#next ??= this.#merge());
    return this;
  }

  /** Returns what is ready and moves on. @throws {S3Error} */
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
    const unreadable = [
      ...this.#source.takeUnreadable().map((shown) => ({ side: "source" as const, shown })),
      ...this.#destination.takeUnreadable().map((shown) => ({ side: "destination" as const, shown })),
    ];
    if (!merging.isEnd && !isPast) return { kind: "pairs", pairs, unreadable, end: null };
    const isSeen = untilName === null || this.#source.isWhole || this.#isEndSeen;
    return { kind: "pairs", pairs, unreadable, end: isSeen ? "seen" : "passed" };
  }

  /**
   * Makes a name of the range its end. What lies beyond belongs to another track, even if it is listed here
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
      // Enough for a page. What is paired is returned rather than held while the next page is fetched.
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

/** One listing in progress: what is listed and not paired, and the next page, which is being fetched. */
class Side {
  readonly prefix: string;
  readonly #list: ListAt;
  readonly #range: ListRange;
  readonly #permits: Permits;
  /** This side was returned up to here. */
  readonly #givenUntil: string | null;
  #untilKey: string | null = null;
  objects: readonly ListedObject[] = [];
  #unreadable: readonly string[] = [];
  pages = 0;
  /** No further page can contain a key of the range. */
  isComplete = false;
  /** The store has no further key at all. */
  isWhole = false;
  isSorted = true;
  isBegun = false;
  #ahead: ListPage | Promise<ListPage> | null;

  /** @param startAfter where the listing starts: at `afterName` or before it */
  constructor(
    { list, bucket, prefix }: TrackSide,
    { afterName, untilName }: NameRange,
    startAfter: string | null,
    permits: Permits,
    firstPage: ListPage | null = null,
  ) {
    this.#ahead = firstPage;
    const keyOf = (name: string | null) => (name === null ? null : prefix + name);
    this.prefix = prefix;
    this.#list = list;
    this.#permits = permits;
    this.#givenUntil = keyOf(afterName);
    // The end of the range is checked here, because it may move closer.
    this.#untilKey = keyOf(untilName);
    this.#range = { bucket, prefix, afterKey: keyOf(startAfter), untilKey: null };
  }

  endAt(untilName: string): void {
    this.pages = 0;
    this.#untilKey = this.prefix + untilName;
    this.#clip();
  }

  /** Appends the next page. @throws {S3Error} */
  async more(): Promise<void> {
    this.isBegun = true;
    const page = await (this.#ahead ?? this.#fetch(null));
    this.#ahead = null;
    this.pages += 1;
    const given = this.#givenUntil;
    const isNew = ({ key }: ListedObject) => given === null || compareKeys(key, given) > 0;
    this.objects = [...this.objects, ...page.objects.filter(isNew)];
    this.#unreadable = [...this.#unreadable, ...page.unreadable];
    this.isSorted &&= page.order === "utf8";
    this.isWhole = page.next === null;
    this.isComplete ||= this.isWhole;
    this.#clip();
    if (page.next === null || this.isComplete) return;
    const ahead = this.#fetch(page.next);
    ahead.catch(() => undefined); // the caller that awaits it gets the error
    this.#ahead = ahead;
  }

  /** The keys that were listed since the last call and that no request can name. */
  takeUnreadable(): readonly string[] {
    const taken = this.#unreadable;
    this.#unreadable = [];
    return taken;
  }

  async #fetch(cursor: ListPage["next"]): Promise<ListPage> {
    return await this.#permits.take(async (slot) => await this.#list(slot, this.#range, cursor));
  }

  /** A sorted listing is past the range when it lists a key at its end or beyond. */
  #clip(): void {
    const untilKey = this.#untilKey;
    const last = this.objects.at(-1);
    if (untilKey === null || last === undefined || compareKeys(last.key, untilKey) < 0) return;
    this.isComplete = true;
    this.objects = this.objects.filter(({ key }) => compareKeys(key, untilKey) <= 0);
  }
}
