// Lists the keys of a prefix, one page per call, on stores of every dialect.
//
//   for (let cursor: ListCursor | null = null; ; cursor = page.next) {
//     const page = await listPage(s3, { bucket, prefix, afterKey: null, untilKey: null }, cursor);
//     …page.objects…
//     if (page.next === null) break; // the only sign of a complete listing
//   }
//
// What it needs: a Store and a User-Agent. Its only state is which endpoints lack ListObjectsV2. The cursor
// is plain data that the caller keeps, so a listing continues after the caller dies. Tokens can expire. Where
// pages come in order (`order: "utf8"`), a listing can instead start again after any key, by `afterKey`.
//
// Invariants: every key under the prefix that the store lists in (afterKey, untilKey] is returned once.
// Directory markers (`abc/`, with or without bytes) are keys like any other. A page that cannot be believed
// (cursor.ts) is an S3Error `bad_answer`, so a caller that deletes what is missing never takes a broken
// listing for a complete one.

import {
  type ListCursor,
  type ListOrder,
  type ListPage,
  type ListRange,
  checkPage,
  emptyWaitMs,
  startOfListing,
} from "./cursor.ts";
import { compareKeys } from "./key_order.ts";
import { S3Error } from "../s3/errors.ts";
import { type PageRequest, listObjects, listObjectsV2 } from "../s3/list.ts";
import type { ListingPage } from "../s3/listing_xml.ts";
import type { S3 } from "../s3/request.ts";
import { pause } from "../s3/stop.ts";
import type { Store } from "../store/stores.ts";

// Endpoints that have only V1. Losing this costs one more refused request.
const withoutV2 = new Set<string>();

/**
 * The order assumed before the first page. Storj and AWS's directory buckets list in no order
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html, 2026-11). Any other
 * store is trusted until it shows otherwise. Do not ask for a range of keys where this is "unsorted".
 */
export function expectedOrder(store: Store, bucket: string): ListOrder {
  return store.provider === "storj" || bucket.endsWith("--x-s3") ? "unsorted" : "utf8";
}

/**
 * The page at `cursor`; null is the first page.
 *
 * @throws {S3Error}
 */
export async function listPage(
  s3: S3,
  range: ListRange,
  cursor: ListCursor | null,
  { delimiter, maxKeys }: { delimiter?: string; maxKeys?: number } = {},
): Promise<ListPage> {
  const at = cursor ?? startOfListing(expectedOrder(s3.store, range.bucket));
  const waitMs = emptyWaitMs(at);
  if (waitMs > 0) await pause(s3, waitMs);
  const { api, answer } = await askPage(s3, range, at, { prefix: range.prefix, delimiter, maxKeys });
  const checked = checkPage(range, { ...at, api }, answer, { delimiter });
  if (checked.kind === "page") return checked.page;
  throw new S3Error(
    api === "v2" ? "ListObjectsV2" : "ListObjects",
    { bucket: range.bucket },
    { code: "bad_answer", detail: checked.detail },
  );
}

/**
 * The first key of a range, or null if it is empty. Takes one request on a store that sorts.
 *
 * @throws {S3Error} also if the store does not start where it is asked to: it would have to list everything
 * before
 */
export async function firstKey(s3: S3, range: ListRange): Promise<string | null> {
  let cursor: ListCursor | null = null;
  for (let page = 1; page <= FIRST_KEY_PAGES; page++) {
    const { objects, next, order }: ListPage = await listPage(s3, range, cursor, {
      maxKeys: FIRST_KEY_PAGE_KEYS,
    });
    const [first] = objects;
    if (order === "unsorted") break;
    if (first !== undefined) return first.key;
    if (next === null) return null;
    cursor = next;
  }
  throw new S3Error(
    "ListObjectsV2",
    { bucket: range.bucket },
    { code: "bad_answer", detail: `the list does not begin after ${JSON.stringify(range.afterKey)}` },
  );
}

/** Two, since some stores start with the very key to start after. */
const FIRST_KEY_PAGE_KEYS = 2;

/** Pages may be empty, and a store without V2 starts at the first key once. */
const FIRST_KEY_PAGES = 3;

async function askPage(
  s3: S3,
  range: ListRange,
  { api, position, order }: ListCursor,
  page: PageRequest,
): Promise<{ api: ListCursor["api"]; answer: ListingPage }> {
  const { bucket } = range;
  const after = position.kind === "after" ? position.key : startAfter(range, order);
  if (position.kind === "token") {
    return { api: "v2", answer: await listObjectsV2(s3, bucket, { ...page, token: position.token }) };
  }
  if (api === "v2" && !withoutV2.has(s3.store.endpoint)) {
    try {
      return { api: "v2", answer: await listObjectsV2(s3, bucket, { ...page, after }) };
    } catch (error) {
      if (!(error instanceof S3Error) || !mayLackV2(error)) throw error;
      // Perhaps the store lacks only V2. If V1 is refused too, the first refusal is the better reason.
      const answer = await listObjects(s3, bucket, { ...page, after }).catch((second: unknown) => {
        throw second instanceof S3Error && mayLackV2(second) ? error : second;
      });
      withoutV2.add(s3.store.endpoint);
      return { api: "v1", answer };
    }
  }
  return { api: "v1", answer: await listObjects(s3, bucket, { ...page, after }) };
}

/** Keys before the prefix need no start-after. What a store without order does with it is unknown. */
function startAfter({ prefix, afterKey }: ListRange, order: ListOrder): string | undefined {
  if (afterKey === null || order === "unsorted" || compareKeys(afterKey, prefix) < 0) return undefined;
  return afterKey;
}

function mayLackV2({ status, code }: S3Error): boolean {
  if (status === 501 || status === 405) return true;
  return status === 400 && (code === "InvalidArgument" || code === "InvalidRequest" || code === "http_400");
}
