// Lists the keys of a prefix, one page per call, at stores of every dialect.
//
//   for (let cursor: ListCursor | null = null; ; cursor = page.next) {
//     const page = await listPage(s3, { bucket, prefix, afterKey: null, untilKey: null }, cursor);
//     …page.objects…
//     if (page.next === null) break; // the one and only sign of a complete listing
//   }
//
// What it needs: a Store and a User-Agent. It holds nothing but which endpoints have no ListObjectsV2; the
// cursor is plain data that the caller keeps, so a listing goes on after the death of whoever made it. Tokens
// can expire. Where pages come in order (`order: "utf8"`), a listing can instead be begun anew after any key,
// by `afterKey`.
//
// Invariants: every key that the store gives in (afterKey, untilKey] under the prefix is given once,
// directory markers (`abc/`, with or without bytes) as any other; a page that cannot be believed (cursor.ts
// says which) is an S3Error `bad_answer`, so that who deletes what is missing never sees a listing end early.

import {
  type ListCursor,
  type ListOrder,
  type ListPage,
  type ListRange,
  checkPage,
  startOfListing,
} from "./cursor.ts";
import { compareKeys } from "./key_order.ts";
import { S3Error } from "../s3/errors.ts";
import { type PageRequest, listObjects, listObjectsV2 } from "../s3/list.ts";
import type { ListingPage } from "../s3/listing_xml.ts";
import type { S3 } from "../s3/request.ts";
import type { Store } from "../store/stores.ts";

// Endpoints that have only V1; forgetting it costs one more refusal.
const withoutV2 = new Set<string>();

/**
 * What is known before the first page. Storj and AWS's directory buckets list in no order
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html, 2026-11); any other
 * store is believed until it shows otherwise. A range of keys must not be asked for where it is "unsorted".
 */
export function expectedOrder(store: Store, bucket: string): ListOrder {
  return store.provider === "storj" || bucket.endsWith("--x-s3") ? "unsorted" : "utf8";
}

/**
 * The page at `cursor`, or the first when that is null.
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
  const { api, answer } = await askPage(s3, range, at, { prefix: range.prefix, delimiter, maxKeys });
  const checked = checkPage(range, { ...at, api }, answer);
  if (checked.kind === "page") return checked.page;
  throw new S3Error(
    api === "v2" ? "ListObjectsV2" : "ListObjects",
    { bucket: range.bucket },
    { code: "bad_answer", detail: checked.detail },
  );
}

/**
 * The first key of a range, or null when it is empty. One request at a store that keeps order.
 *
 * @throws {S3Error} also of a store that does not begin where it is asked to: it would have to be listed up
 * to there
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

/** Two, since some stores begin with the very key after which they are asked to. */
const FIRST_KEY_PAGE_KEYS = 2;

/** Pages may be empty; and a store without V2 begins at the beginning once. */
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
      // Is it the operation that this store does not take? If V1 is refused too, the first refusal says more.
      const answer = await listObjects(s3, bucket, { ...page, after }).catch((second: unknown) => {
        throw second instanceof S3Error && mayLackV2(second) ? error : second;
      });
      withoutV2.add(s3.store.endpoint);
      return { api: "v1", answer };
    }
  }
  return { api: "v1", answer: await listObjects(s3, bucket, { ...page, after }) };
}

/**
 * Keys below the prefix need no asking for; what a store without order makes of `start-after` nobody knows.
 */
function startAfter({ prefix, afterKey }: ListRange, order: ListOrder): string | undefined {
  if (afterKey === null || order === "unsorted" || compareKeys(afterKey, prefix) < 0) return undefined;
  return afterKey;
}

function mayLackV2({ status, code }: S3Error): boolean {
  if (status === 501 || status === 405) return true;
  return status === 400 && (code === "InvalidArgument" || code === "InvalidRequest" || code === "http_400");
}
