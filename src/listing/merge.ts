// Pairs the objects of two prefixes by name, from pages of both listings. Pure.
//
// With order. If both stores list in UTF-8 byte order, two cursors advance side by side, and a name that one
// side has passed is known to be missing there. The only state is the last name paired (`pairedUntil`): after
// a death, list both sides again with `afterKey = prefix + pairedUntil`.
//
// Without order. If either store lists in an order of its own (listing.ts reports it before or during the
// listing), a merge would take keys for missing that exist. So the source is listed in its order, and each
// name is looked up at the destination by HEAD. To delete, the destination is listed afterwards and each name
// is looked up at the source. That costs a HEAD per key instead of a page per thousand keys, but needs no
// memory and works for any number of keys; sorting a listing first would need all of its keys at once.
//
// A merge in progress when a side turns out to be unsorted is void: start again without order. What it copied
// compares as equal then, and nothing was deleted, since deletes wait until both listings have ended.
//
// Invariant: over a whole merge each name of either side is in exactly one pair, in ascending order.

import type { ListOrder } from "./cursor.ts";
import { compareKeys } from "./key_order.ts";
import { nameOf } from "./prefix.ts";
import type { ListedObject } from "../s3/listing_xml.ts";
import { etagOf, sizeOf, timeOf } from "../s3/value.ts";

/** One name. Null: that side has no such object. */
export type Pair =
  | { readonly name: string; readonly source: ListedObject; readonly destination: ListedObject | null }
  | { readonly name: string; readonly source: null; readonly destination: ListedObject };

type Pairing = "merge" | "lookup";

export function pairingOf(source: ListOrder, destination: ListOrder): Pairing {
  return source === "utf8" && destination === "utf8" ? "merge" : "lookup";
}

/** Objects of one side that are listed and not paired yet. */
interface MergeSide {
  readonly prefix: string;
  readonly objects: readonly ListedObject[];
  /** No page follows. */
  readonly isComplete: boolean;
}

interface Merged {
  readonly pairs: readonly Pair[];
  /** What is left of each side. The caller appends later pages to it. */
  readonly source: readonly ListedObject[];
  readonly destination: readonly ListedObject[];
  /** The last name that is finally paired, or null if there is none yet. */
  readonly pairedUntil: string | null;
  /**
   * The side whose next page is needed. `limit`: there are enough pairs. `nothing`: the merge is complete.
   */
  readonly needs: "source" | "destination" | "limit" | "nothing";
}

/**
 * Pairs as far as the pages reach. It stops when an incomplete side has nothing left, because its next page
 * could contain the next name.
 *
 * @param pairedUntil from the previous call
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

/** An object that was looked up, in the form of a listed one. @param headers of its HEAD */
export function listedOfHead(key: string, headers: Headers): ListedObject {
  return {
    key,
    sizeBytes: sizeOf(headers) ?? Number.NaN,
    etag: etagOf(headers),
    lastModifiedMs: timeOf(headers.get("last-modified")),
    storageClass: headers.get("x-amz-storage-class"),
    isRestored: /ongoing-request="false"/.test(headers.get("x-amz-restore") ?? ""),
  };
}
