// Pairs the objects of two prefixes by name, from pages of both listings. Pure.
//
// With order. Both stores list in UTF-8 byte order, so two cursors walk side by side and a name that one side
// has passed is known to be missing there. Nothing is remembered but the last name that was paired
// (`pairedUntil`): to go on after a death, list both sides anew with `afterKey = prefix + pairedUntil`.
//
// Without order. At least one store lists in an order of its own (listing.ts says so before or in the midst
// of it). Then a merge would take keys for missing that are there, so none is made: the source is listed in
// its order, and each name is looked up at the destination by HEAD; who deletes lists the destination
// afterwards and looks each name up at the source. It costs a HEAD for each key instead of a page for a
// thousand, needs no memory, and works for any number of keys; sorting a listing first would need all of its
// keys at once. A merge under way when a side turns out to be unsorted is void from its beginning: start
// again this way. What was copied by then compares as equal, and nothing was deleted, since that waits for
// both listings to end.
//
// Invariant: over a whole merge each name of either side is in exactly one pair, in ascending order.

import type { ListOrder } from "./cursor.ts";
import { compareKeys } from "./key_order.ts";
import { nameOf } from "./prefix.ts";
import type { ListedObject } from "../s3/listing_xml.ts";

/** One name; null: that side has no such object. */
export type Pair =
  | { readonly name: string; readonly source: ListedObject; readonly destination: ListedObject | null }
  | { readonly name: string; readonly source: null; readonly destination: ListedObject };

type Pairing = "merge" | "lookup";

export function pairingOf(source: ListOrder, destination: ListOrder): Pairing {
  return source === "utf8" && destination === "utf8" ? "merge" : "lookup";
}

/** What has been listed of one side and not been paired yet. */
interface MergeSide {
  readonly prefix: string;
  readonly objects: readonly ListedObject[];
  /** No page follows. */
  readonly isComplete: boolean;
}

interface Merged {
  readonly pairs: readonly Pair[];
  /** What is left of each side; pages to come are put behind it. */
  readonly source: readonly ListedObject[];
  readonly destination: readonly ListedObject[];
  /** The last name that is paired for good, or null when it is none yet. */
  readonly pairedUntil: string | null;
  /** Whose next page is needed to go on. `limit`: enough pairs. `nothing`: the merge has come to its end. */
  readonly needs: "source" | "destination" | "limit" | "nothing";
}

/**
 * Pairs as far as the pages reach: as soon as a side that goes on has nothing left, the next name could be
 * there.
 *
 * @param pairedUntil from the call before
 */
export function mergePages(
  source: MergeSide,
  destination: MergeSide,
  { pairedUntil, limit }: { pairedUntil: string | null; limit: number },
): Merged {
  const pairs: Pair[] = [];
  let [s, d] = [0, 0];
  let needs: Merged["needs"] = "limit";
  while (pairs.length < limit) {
    const left = source.objects[s];
    const right = destination.objects[d];
    if (left === undefined && !source.isComplete) needs = "source";
    else if (right === undefined && !destination.isComplete) needs = "destination";
    else if (left === undefined && right === undefined) needs = "nothing";
    if (needs !== "limit") break;
    const leftName = left === undefined ? null : nameOf(left.key, source.prefix);
    const rightName = right === undefined ? null : nameOf(right.key, destination.prefix);
    const order = leftName === null ? 1 : rightName === null ? -1 : compareKeys(leftName, rightName);
    if (left !== undefined && leftName !== null && order <= 0) {
      const twin = order === 0 && right !== undefined ? right : null;
      pairs.push({ name: leftName, source: left, destination: twin });
      s++;
      if (twin !== null) d++;
    } else if (right !== undefined && rightName !== null) {
      pairs.push({ name: rightName, source: null, destination: right });
      d++;
    }
  }
  return {
    pairs,
    source: source.objects.slice(s),
    destination: destination.objects.slice(d),
    pairedUntil: pairs.at(-1)?.name ?? pairedUntil,
    needs,
  };
}

/** An object that was looked up, as a listing would tell of it. @param headers of its HEAD */
export function listedOfHead(key: string, headers: Headers): ListedObject {
  const lastModifiedMs = Date.parse(headers.get("last-modified") ?? "");
  return {
    key,
    sizeBytes: Number(headers.get("content-length") ?? Number.NaN),
    etag: headers.get("etag"),
    lastModifiedMs: Number.isNaN(lastModifiedMs) ? null : lastModifiedMs,
    storageClass: headers.get("x-amz-storage-class"),
    isRestored: /ongoing-request="false"/.test(headers.get("x-amz-restore") ?? ""),
  };
}
