// Walks both sides of a sync to their ends, one page of decisions at a time, from a cursor that survives any
// death.
//
// What it needs: both stores. Where both list in UTF-8 byte order, the two listings are merged. A large
// prefix is cut into ranges of names that are listed and merged concurrently. Pages of one listing come one
// after the other, and a page takes as long in a prefix of a million keys as in one of a thousand. The cursor
// is what is left of each range. To continue, both sides are listed again from there, so it contains no token
// that could expire.
//
// Where a store does not sort, names are changed by rules, or a manifest names the keys, each key is looked
// up (lookup.ts).
//
// Invariants:
// - `cursor: null` comes only after both sides were listed to their ends without an error.
// - The ranges of a cursor and the names returned before are all names, each once.
// - A store that turns out not to sort ends the walk, because what the merge took for missing may exist. In
//   one listing an inversion reveals that. Among ranges it could hide at a cut. So a cut is a key of the
//   source, and the range before it must end with that very key: then the ranges in a row are the one
//   listing, in the store's own order.

import type { ListCursor, ListPage, ListRange } from "./cursor.ts";
import { boundsAhead, foldersOf } from "./folders.ts";
import { expectedOrder, firstKey, listPage } from "./listing.ts";
import { type FoundPage, type IsImage, type LookupCursor, isAtSource, Lookup } from "./lookup.ts";
import type { ManifestReader } from "./manifest.ts";
import { pairingOf } from "./merge.ts";
import { nameOf } from "./prefix.ts";
import { type FirstNameIn, ALL_NAMES, cutAt, findCut } from "./ranges.ts";
import { type ListAt, type TrackRange, Track, Permits } from "./track.ts";
import { S3Error } from "../s3/errors.ts";
import type { S3 } from "../s3/request.ts";
import { MAX_KEY_BYTES, utf8Bytes } from "../s3/url.ts";
import type { PrefixRef } from "../store/address.ts";

/** How far both sides are decided. Plain data. */
export type Cursor =
  | { readonly kind: "start" }
  /** The ranges that are left, in any order. */
  | { readonly kind: "merge"; readonly ranges: readonly TrackRange[] }
  | LookupCursor;

export const FIRST_CURSOR: Cursor = { kind: "start" };

export interface WalkPage extends FoundPage<Cursor> {
  /** Nothing is decided yet, and the stores are still asked. The cursor is as it was. */
  readonly isWaiting?: true;
}

export interface WalkLimits {
  /** Pairs in one page of decisions. */
  readonly mostPairs: number;
  /** Concurrent listings: at most, and at the start. */
  readonly mostRequests: number;
  readonly firstRequests: number;
  /** After this many pages one more listing may run. */
  readonly pagesPerRequest: number;
  /** A range is cut after this many pages of the source. */
  readonly pagesPerCut: number;
  /** How long a page may be waited for before the caller has its turn again. */
  readonly waitMs: number;
  /** Where a page takes this long, the time goes into waiting, and many are asked for at once. */
  readonly slowMs: number;
  /** Concurrent listings then, if other events list as well. */
  readonly mostElsewhere: number;
}

/**
 * Lists a page in another event, which has connections of its own. Null: it could not, and the walk's own
 * request will tell why.
 *
 * @param event from 1; of each at most EVENT_REQUESTS are asked for at once
 */
export type ListElsewhere = (
  event: number,
  side: "source" | "destination",
  range: ListRange,
  cursor: ListCursor | null,
) => Promise<ListPage | null>;

// An event has six connections; one is left for storing a part of the report meanwhile.
const EVENT_REQUESTS = 5;

/** To decide a page takes about as long: more requests at once than pages in that time would only wait. */
const DECIDE_MS = 6;

const LIMITS: WalkLimits = {
  mostPairs: 1000,
  mostRequests: EVENT_REQUESTS,
  firstRequests: 2,
  pagesPerRequest: 4,
  // Finding a cut takes about as many requests.
  pagesPerCut: 16,
  waitMs: 5_000,
  slowMs: 30,
  mostElsewhere: 20,
};

/** What is walked. `delete`: also look for keys that only the destination has. */
interface Sides {
  readonly source: PrefixRef;
  readonly destination: PrefixRef;
  readonly delete: boolean;
}

interface WalkOptions {
  readonly limits?: WalkLimits;
  readonly elsewhere?: ListElsewhere | null;
  readonly isImage?: IsImage | null;
  readonly manifest?: ManifestReader | null;
  readonly asOfMs?: number | null;
}

export class Walk {
  readonly #spec: Sides;
  readonly #stores: { readonly source: S3; readonly destination: S3 };
  readonly #limits: WalkLimits;
  readonly #elsewhere: ListElsewhere | null;
  /** The connections of this event. */
  readonly #own = new Permits(EVENT_REQUESTS);
  readonly #isImage: IsImage | null;
  readonly #manifest: ManifestReader | null;
  readonly #asOfMs: number | null;
  #state: MergeState | Lookup;

  /**
   * @param elsewhere null: all is listed in this event
   * @param isImage null: no name is changed
   * @param manifest null: the source's listing names the keys
   * @param asOfMs null: the source as it is, not as it was then
   */
  constructor(
    spec: Sides,
    { source, destination }: { readonly source: S3; readonly destination: S3 },
    cursor: Cursor,
    { limits = LIMITS, elsewhere = null, isImage = null, manifest = null, asOfMs = null }: WalkOptions = {},
  ) {
    this.#spec = spec;
    this.#elsewhere = elsewhere;
    this.#limits = limits;
    this.#isImage = isImage;
    this.#manifest = manifest;
    this.#asOfMs = asOfMs;
    this.#stores = { source, destination };
    const pairing = pairingOf(
      expectedOrder(source.store, spec.source.bucket),
      expectedOrder(destination.store, spec.destination.bucket),
    );
    if (cursor.kind !== "start" && cursor.kind !== "merge") this.#state = this.#lookup(cursor);
    else if (isImage !== null) this.#state = this.#lookup({ kind: "names", list: null });
    else if (pairing === "merge" && manifest === null && asOfMs === null)
      this.#state = this.#startMerge(cursor);
    else this.#state = this.#lookup({ kind: "lookup", list: null });
  }

  /** @throws {S3Error} of either side, after which a new walk continues from the cursor */
  async next(): Promise<WalkPage> {
    if (this.#state instanceof Lookup) return await this.#state.next();
    const page = await this.#merge(this.#state);
    if (page !== "unsorted") return page;
    const lookup = this.#lookup({ kind: "lookup", list: null });
    this.#state = lookup;
    return await lookup.next();
  }

  #lookup(at: LookupCursor): Lookup {
    const named = { isImage: this.#isImage, manifest: this.#manifest, asOfMs: this.#asOfMs };
    return new Lookup(this.#spec, this.#stores, { at, ...named });
  }

  #startMerge(cursor: Extract<Cursor, { kind: "start" | "merge" }>): MergeState {
    const { firstRequests } = this.#limits;
    const permits = new Permits(firstRequests);
    const ranges = cursor.kind === "merge" ? cursor.ranges : [{ ...ALL_NAMES, sourceAfter: null }];
    const tracks = new Set(ranges.map((range) => this.#track(range, permits)));
    const hasGiven = cursor.kind === "merge";
    const beganMs = hasGiven ? null : Date.now();
    return { kind: "merge", permits, tracks, hasGiven, pages: 0, beganMs, cutting: "idle" };
  }

  #track(range: TrackRange, permits: Permits, firstPage?: ListPage): Track {
    const { source, destination } = this.#spec;
    return new Track(
      range,
      { list: this.#listAt("source"), bucket: source.bucket, prefix: source.prefix },
      { list: this.#listAt("destination"), bucket: destination.bucket, prefix: destination.prefix },
      { permits, mostPairs: this.#limits.mostPairs, firstPage },
    );
  }

  #listAt(side: "source" | "destination"): ListAt {
    return async (slot, range, cursor) => {
      const event = Math.floor(slot / EVENT_REQUESTS);
      const page = event === 0 ? null : await this.#elsewhere?.(event, side, range, cursor);
      return page ?? (await this.#own.take(async () => await listPage(this.#stores[side], range, cursor)));
    };
  }

  /** A request of this event, beside its pages. */
  #probe(state: MergeState): <T>(request: () => Promise<T>) => Promise<T> {
    return async (request) => await state.permits.take(async () => await this.#own.take(request));
  }

  /** What one of the ranges has ready. */
  async #merge(state: MergeState): Promise<WalkPage | "unsorted"> {
    const waited = Promise.withResolvers<"waited">();
    const timer = setTimeout(() => waited.resolve("waited"), this.#limits.waitMs);
    try {
      return await this.#firstReady(state, waited.promise);
    } finally {
      clearTimeout(timer);
    }
  }

  async #firstReady(state: MergeState, waited: Promise<"waited">): Promise<WalkPage | "unsorted"> {
    const { tracks, permits } = state;
    for (;;) {
      this.#startCut(state);
      const ready = await Promise.race([
        ...[...tracks].map(async (track) => await track.ready()),
        ...(typeof state.cutting === "string" ? [] : [state.cutting]),
        waited,
      ]);
      if (ready === "waited") return { ...NO_PAIRS, cursor: cursorOf(tracks), isWaiting: true };
      if (!(ready instanceof Track)) {
        state.cutting = ready.next;
        this.#cut(state, ready);
        continue;
      }
      const given = await ready.give();
      if (given.kind === "unsorted") {
        if (!state.hasGiven) return "unsorted";
        throw this.#unsorted(given.side);
      }
      state.pages += 1;
      const { mostRequests, pagesPerRequest } = this.#limits;
      if (permits.count < mostRequests && state.pages % pagesPerRequest === 0) permits.add();
      if (state.pages === 1 && given.end === null) this.#widen(state, ready.range);
      if (given.end === "passed") await this.#expectGone(ready.range.untilName ?? "");
      if (given.end !== null) tracks.delete(ready);
      if (given.pairs.length + given.unreadable.length === 0 && tracks.size > 0) continue;
      state.hasGiven = true;
      return { pairs: given.pairs, known: [], unreadable: given.unreadable, cursor: cursorOf(tracks) };
    }
  }

  /**
   * Where the first page was slow, a prefix that goes on is cut at its folders at once. A walk that goes on
   * after a failure or a death begins with few requests, as a store may need.
   */
  #widen(state: MergeState, { afterName }: TrackRange): void {
    const { slowMs, mostRequests } = this.#limits;
    if (state.beganMs === null || state.cutting !== "idle") return;
    const firstMs = Date.now() - state.beganMs;
    if (firstMs < slowMs) return;
    while (state.permits.count < mostRequests) state.permits.add();
    state.cutting = this.#cutAtFolders(state, firstMs, afterName ?? "").catch((error: unknown) =>
      asUncut(error, null, "idle"),
    );
  }

  /**
   * As many pages are asked for from now on as are decided in the time that one takes. The first one may have
   * waited for a connection, so the answer with the folders tells that as well.
   */
  async #cutAtFolders(state: MergeState, firstMs: number, untilName: string): Promise<Cutting> {
    const { source } = this.#spec;
    const { folders, answerMs } = await foldersOf(this.#stores.source, source, this.#probe(state));
    const { slowMs, mostRequests, mostElsewhere } = this.#limits;
    const pageMs = Math.min(firstMs, answerMs);
    const isSlow = pageMs >= slowMs && this.#elsewhere !== null;
    const most = isSlow ? Math.max(mostRequests, mostElsewhere) : mostRequests;
    const requests = Math.min(most, Math.max(mostRequests, Math.ceil(pageMs / DECIDE_MS)));
    while (state.permits.count < requests) state.permits.add();
    // Each range keeps a listing of either side under way.
    const mostCuts = Math.ceil(requests / 2) - 1;
    const bounds = boundsAhead(folders, source.prefix + untilName, mostCuts);
    const cuts = await Promise.all(bounds.map(async (bound) => await this.#firstBehind(state, bound)));
    return { track: null, cuts: cuts.filter((cut) => cut !== null), next: "idle" };
  }

  /** A cut at the first key behind a folder's beginning, which a page shows that is needed anyway. */
  async #firstBehind({ permits }: MergeState, bound: string): Promise<Cut | null> {
    const { bucket, prefix } = this.#spec.source;
    const range = { bucket, prefix, afterKey: bound, untilKey: null };
    const page = await permits.take(async (slot) => await this.#listAt("source")(slot, range, null));
    const [first] = page.objects;
    if (first === undefined || page.order === "unsorted") return null;
    return { name: nameOf(first.key, prefix), from: { name: nameOf(bound, prefix), page } };
  }

  /** Starts to look for a cut if a range has turned out to be large. */
  #startCut(state: MergeState): void {
    if (state.cutting !== "idle") return;
    const open = [...state.tracks].reduce((sum, { openListings }) => sum + openListings, 0);
    // Each range is also a part of the cursor.
    if (Math.max(open, state.tracks.size) >= Math.max(this.#limits.mostRequests, state.permits.count)) return;
    const [largest] = [...state.tracks]
      .filter((track) => track.sourceGoesOn && track.sourcePages >= this.#limits.pagesPerCut)
      .toSorted((a, b) => b.sourcePages - a.sourcePages);
    if (largest === undefined) return;
    const { bucket, prefix } = this.#spec.source;
    const keyOf = (name: string | null) => (name === null ? null : prefix + name);
    const probe = this.#probe(state);
    const firstNameIn: FirstNameIn = async ({ afterName, untilName }) => {
      const range = { bucket, prefix, afterKey: keyOf(afterName), untilKey: keyOf(untilName) };
      const key = await probe(async () => await firstKey(this.#stores.source, range));
      return key === null ? null : nameOf(key, prefix);
    };
    const maxNameBytes = MAX_KEY_BYTES - utf8Bytes(prefix);
    state.cutting = findCut(largest.range, firstNameIn, { maxNameBytes }).then(
      (name): Cutting => ({ track: largest, cuts: name === null ? [] : [{ name }], next: "idle" }),
      (error: unknown) => asUncut(error, largest, "given_up"),
    );
  }

  #cut(state: MergeState, { track: searched, cuts }: Cutting): void {
    let isCut = false;
    for (const { name, from = null } of cuts) {
      for (const track of state.tracks) {
        const halves = cutAt(track.range, name);
        if (halves === null) continue;
        isCut = true;
        track.endAt(name);
        const behind = { ...halves[1], sourceAfter: from?.name ?? name };
        state.tracks.add(this.#track(behind, state.permits, from?.page));
        break;
      }
    }
    if (!isCut) searched?.rest();
  }

  /**
   * The source's listing has passed a cut without listing it: either that key is gone, or the store does not
   * sort.
   */
  async #expectGone(name: string): Promise<void> {
    if (await isAtSource(this.#stores.source, this.#spec.source, name)) throw this.#unsorted("source");
  }

  #unsorted(side: "source" | "destination"): S3Error {
    const { store } = this.#stores[side];
    return new S3Error(
      "ListObjectsV2",
      { bucket: this.#spec[side].bucket },
      {
        code: "unsorted_listing",
        detail: `store "${store.name}" began to list keys in order and then listed them out of order; if it never sorts, set its "provider" to "storj"`,
      },
    );
  }
}

/**
 * Cutting only adds speed. If the store cannot be asked, the range is listed as it is, and that listing
 * reports what is wrong.
 */
function asUncut(error: unknown, track: Track | null, next: Cutting["next"]): Cutting {
  if (error instanceof S3Error) return { track, cuts: [], next };
  throw error;
}

const NO_PAIRS = { pairs: [], known: [], unreadable: [] };

function cursorOf(tracks: ReadonlySet<Track>): Cursor | null {
  return tracks.size === 0 ? null : { kind: "merge", ranges: [...tracks].map(({ range }) => range) };
}

interface MergeState {
  readonly kind: "merge";
  readonly permits: Permits;
  readonly tracks: Set<Track>;
  /** Something was returned: what the merge has concluded by then cannot be taken back. */
  hasGiven: boolean;
  pages: number;
  /** When its first page was asked for; null: it goes on with what was listed before. */
  readonly beganMs: number | null;
  cutting: "idle" | "given_up" | Promise<Cutting>;
}

interface Cut {
  /** Of a key of the source, where one range ends and the next begins. */
  readonly name: string;
  /** The page that begins with it, and after which name it was asked for; absent: none was listed. */
  readonly from?: { readonly name: string; readonly page: ListPage };
}

/** The result of a search for cuts. */
interface Cutting {
  /** The range that was searched; null: all of them. */
  readonly track: Track | null;
  readonly cuts: readonly Cut[];
  readonly next: "idle" | "given_up";
}
