// Whether a page of a listing is an answer to what was asked. Pure.
//
// What it needs: the request, and the page as it was parsed. Of the pages before it knows nothing (cursor.ts
// does).

import { compareKeys } from "./key_order.ts";
import type { ListedObject, ListingPage } from "../s3/listing_xml.ts";
import { decodeForm } from "../s3/xml.ts";

interface Asked {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter?: string | undefined;
}

/** Why a page is no answer to what was asked, or contradicts itself; null: it may be believed. */
export function misfitOf({ bucket, prefix, delimiter }: Asked, answer: ListingPage): string | null {
  const { objects, commonPrefixes, keyCount } = answer;
  if (answer.bucket !== null && answer.bucket !== bucket && !ALIAS.test(bucket))
    return `asked for the bucket ${JSON.stringify(bucket)}, the store listed ${JSON.stringify(answer.bucket)}`;
  if (answer.prefix !== null && !answer.prefix.includes(prefix))
    return `asked for the prefix ${JSON.stringify(prefix)}, the store listed the prefix ${JSON.stringify(answer.prefix[1])}`;
  if (delimiter === undefined && commonPrefixes.length > 0)
    return `the store has hidden keys in the group ${JSON.stringify(commonPrefixes[0] ?? "")}, which was not asked for`;
  const count = objects.length + answer.unreadable.length + commonPrefixes.length;
  if (keyCount !== null && keyCount > count)
    return `the list says that it has ${keyCount} keys and has ${count}`;
  // In a row that ascends, as nearly all do, no key is there twice.
  const twice = ascends(objects) ? null : twiceIn(objects);
  return twice === null ? null : `the list has the key ${JSON.stringify(twice)} twice`;
}

function ascends(objects: readonly ListedObject[]): boolean {
  return objects.every(
    ({ key }, index) => index === 0 || compareKeys(objects[index - 1]?.key ?? "", key) < 0,
  );
}

function twiceIn(objects: readonly ListedObject[]): string | null {
  const seen = new Set<string>();
  for (const { key } of objects) {
    if (seen.has(key)) return key;
    seen.add(key);
  }
  return null;
}

/** Why a page is the answer to another request; null: it does not say so. @param sent the token, if any */
export function strayPage(sent: string | null, { token }: ListingPage): string | null {
  if (token === null || token === sent || decodeForm(token) === sent) return null;
  return `asked to continue from the token ${JSON.stringify(sent)}, the store listed what follows ${JSON.stringify(token)}`;
}

/** Other names of a bucket: access points of AWS. Their listings bear the bucket's own. */
const ALIAS = /-(s3alias|op-s3|ol-s3)$/;
