// Turns many pages into one listing: what to ask for next, and whether a page can be believed. Pure.
//
// Invariants:
// - A listing ends or fails. A store that says "truncated" must offer a new way to continue: the token just
//   sent, or a token or page seen before, is an error. Brent's method finds repetition: one landmark is kept
//   and moved to page 1, 2, 4, 8, …, so a circle of any length is found with one token in memory.
// - What is returned lies in the range asked for: every key begins with the prefix and is in (afterKey,
//   untilKey].
// - `order: "utf8"` means that all keys so far ascended in UTF-8 byte order. At the first key that does not,
//   the listing becomes "unsorted" and stays so, and everything that the caller concluded from the order is
//   void (merge.ts says how to work without order). A key before `afterKey` is out of order too: where a
//   listing starts in the middle, nothing else reveals it.

import { compareKeys, laterKey } from "./key_order.ts";
import { misfitOf, strayPage } from "./misfit.ts";
import type { ListedObject, ListingPage } from "../s3/listing_xml.ts";

export type ListOrder = "utf8" | "unsorted";

/** The keys of a prefix, or the part of them after `afterKey`, up to and including `untilKey`. */
export interface ListRange {
  readonly bucket: string;
  readonly prefix: string;
  /** Whole keys, including the prefix. Null: from the first key, or to the last. */
  readonly afterKey: string | null;
  readonly untilKey: string | null;
}

/** The state of a listing between two pages. Plain data that can be stored as JSON. */
export interface ListCursor {
  readonly api: "v2" | "v1";
  readonly position:
    | { readonly kind: "start" }
    | { readonly kind: "token"; readonly token: string }
    /** V1's marker. */
    | { readonly kind: "after"; readonly key: string };
  readonly order: ListOrder;
  /** The last key returned, which in a sorted listing is the greatest. */
  readonly lastKey: string | null;
  readonly pages: number;
  readonly emptyPages?: number; // in a row, up to now; absent: none
  readonly landmark: {
    readonly page: number;
    readonly token: string | null;
    readonly firstKey: string | null;
  };
}

export interface ListPage {
  readonly objects: readonly ListedObject[];
  /** Keys that are no UTF-8, as the store has encoded them. */
  readonly unreadable: readonly string[];
  /** Names under the prefix that contain further keys; only with a delimiter. */
  readonly commonPrefixes: readonly string[];
  /** Null: this was the last page. */
  readonly next: ListCursor | null;
  readonly order: ListOrder;
}

/** Stores answer pages without a key over keys that are deleted. */
const MAX_EMPTY_PAGES = 10_000;

/** How long to wait before a page that follows others without a key. */
export function emptyWaitMs({ emptyPages = 0 }: ListCursor): number {
  return emptyPages < 3 ? 0 : Math.min(1000, 25 * 2 ** (emptyPages - 3));
}

type CheckedPage =
  { readonly kind: "page"; readonly page: ListPage } | { readonly kind: "refused"; readonly detail: string };

export function startOfListing(order: ListOrder): ListCursor {
  return {
    api: "v2",
    position: { kind: "start" },
    order,
    lastKey: null,
    pages: 0,
    landmark: { page: 0, token: null, firstKey: null },
  };
}

/** Interprets a page that was requested at `cursor`. */
export function checkPage(
  range: ListRange,
  cursor: ListCursor,
  answer: ListingPage,
  { delimiter }: { readonly delimiter?: string | undefined } = {},
): CheckedPage {
  const { prefix } = range;
  const sent = cursor.position.kind === "token" ? cursor.position.token : null;
  const misfit = misfitOf({ ...range, delimiter }, answer) ?? strayPage(sent, answer);
  if (misfit !== null) return refuse(misfit);
  const stray =
    answer.objects.find(({ key }) => !key.startsWith(prefix))?.key ??
    answer.commonPrefixes.find((name) => !name.startsWith(prefix));
  if (stray !== undefined) {
    return refuse(`asked for the prefix ${show(prefix)}, the store listed ${show(stray)}`);
  }
  const sorted = sortOut(cursor, answer.objects);
  const { fresh } = sorted;
  const order = beginsEarlier(range, cursor, answer) ? "unsorted" : sorted.order;
  const isInside = ({ key }: ListedObject) =>
    (range.afterKey === null || compareKeys(key, range.afterKey) > 0) &&
    (range.untilKey === null || compareKeys(key, range.untilKey) <= 0);
  const lastKey = fresh.at(-1)?.key ?? cursor.lastKey;
  const isPast =
    order === "utf8" &&
    range.untilKey !== null &&
    lastKey !== null &&
    compareKeys(lastKey, range.untilKey) >= 0;
  const page = {
    objects: fresh.filter(isInside),
    unreadable: answer.unreadable,
    commonPrefixes: answer.commonPrefixes,
    order,
  };
  // A token where nothing is to follow, or no word of whether something is: what follows is asked for.
  const mayGoOn = answer.isTruncated === null && fresh.length + answer.commonPrefixes.length > 0;
  const goesOn = answer.isTruncated === true || answer.nextToken !== null || mayGoOn;
  if (!goesOn || isPast) return { kind: "page", page: { ...page, next: null } };
  const way = wayOn(range, cursor, answer, order);
  if (way.kind === "refused") return way;
  const firstKey = fresh[0]?.key ?? null;
  const token = way.position.kind === "token" ? way.position.token : null;
  const { landmark } = cursor;
  if (
    (token !== null && token === landmark.token) ||
    (firstKey !== null && firstKey === landmark.firstKey && cursor.pages > landmark.page)
  ) {
    return refuse(
      `the listing goes in a circle: page ${cursor.pages + 1} is page ${landmark.page + 1} again` +
        (firstKey === null ? "" : `, with ${show(firstKey)} as its first key`),
    );
  }
  const emptyPages = fresh.length + answer.unreadable.length > 0 ? 0 : (cursor.emptyPages ?? 0) + 1;
  if (emptyPages >= MAX_EMPTY_PAGES) return refuse(`${emptyPages} pages in a row have no key`);
  const movesLandmark = (cursor.pages & (cursor.pages + 1)) === 0; // pages 0, 1, 3, 7, …
  const next: ListCursor = {
    ...way,
    order,
    lastKey,
    pages: cursor.pages + 1,
    ...(emptyPages === 0 ? {} : { emptyPages }),
    landmark: movesLandmark ? { page: cursor.pages, token, firstKey } : landmark,
  };
  return { kind: "page", page: { ...page, next } };
}

/** Drops the key that was returned last: a store whose marker is inclusive starts a page with it. */
function sortOut(
  cursor: ListCursor,
  objects: readonly ListedObject[],
): { fresh: readonly ListedObject[]; order: ListOrder } {
  const fresh: ListedObject[] = [];
  let { lastKey, order } = cursor;
  for (const object of objects) {
    if (object.key === lastKey) continue;
    if (lastKey !== null && compareKeys(object.key, lastKey) < 0) order = "unsorted";
    fresh.push(object);
    lastKey = object.key;
  }
  return { fresh, order };
}

/**
 * Whether a store that was asked for keys after `afterKey` lists a key before it. Such a store uses another
 * order and may hold back keys. (A store that takes V2 for V1 ignores where to start, so there this proves
 * nothing.)
 */
function beginsEarlier(
  { afterKey }: ListRange,
  { api }: ListCursor,
  { isV1, objects }: ListingPage,
): boolean {
  if (afterKey === null || (api === "v2" && isV1)) return false;
  return objects.some(({ key }) => compareKeys(key, afterKey) < 0);
}

type WayOn =
  | { readonly kind: "refused"; readonly detail: string }
  | ({ readonly kind: "on" } & Pick<ListCursor, "api" | "position">);

function wayOn(range: ListRange, cursor: ListCursor, answer: ListingPage, order: ListOrder): WayOn {
  const isV2 = cursor.api === "v2" && !(answer.isV1 && answer.nextToken === null);
  const token = answer.nextToken;
  if (isV2 && (token !== null || answer.isTruncated !== null)) {
    if (token === null)
      return refuse("the list is truncated but has no NextContinuationToken to continue with");
    if (cursor.position.kind === "token" && cursor.position.token === token) {
      return refuse(`the list is truncated but its next token is the one just sent, ${show(token)}`);
    }
    return { kind: "on", api: "v2", position: { kind: "token", token } };
  }
  // V1, or no token is to be had: without a delimiter there is no NextMarker, and the last key is the marker.
  const last = laterKey(answer.objects.at(-1)?.key ?? null, answer.commonPrefixes.at(-1) ?? null);
  if (answer.nextMarker === null && order === "unsorted") {
    return refuse("the list is unsorted and goes on, or may go on, without a marker to continue with");
  }
  const marker = answer.nextMarker ?? last;
  // A store without V2 ignores start-after as well and has started at the first key.
  const key = order === "utf8" && marker !== null ? laterKey(marker, range.afterKey) : marker;
  if (key === null) return refuse("the list is truncated but empty, without a marker to continue with");
  const before = cursor.position.kind === "after" ? cursor.position.key : null;
  if (before === key || (order === "utf8" && before !== null && compareKeys(key, before) < 0)) {
    return refuse(`the list is truncated but does not move on: after ${show(before)} comes ${show(key)}`);
  }
  return { kind: "on", api: isV2 ? "v2" : "v1", position: { kind: "after", key } };
}

function refuse(detail: string): { readonly kind: "refused"; readonly detail: string } {
  return { kind: "refused", detail };
}

function show(text: string | null): string {
  return JSON.stringify(text);
}
