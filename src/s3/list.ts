// ListObjectsV2 and ListObjects (V1): one page each, as the store returns it.
//
// What it needs: a Store and a User-Agent (request.ts signs and sends). listing/listing.ts checks pages,
// joins them to a listing and chooses between the two operations.
//
// Invariant: names are the store's keys, decoded where the store says that it has encoded them. A page with a
// key that cannot be read reliably is an error, never a page without that key.

import { S3Error } from "./errors.ts";
import { type ListingPage, parseListing } from "./listing_xml.ts";
import { type S3, ask } from "./request.ts";
import { badAnswer } from "./s3.ts";

/** The most keys that S3 puts on one page. */
export const MAX_PAGE_KEYS = 1000;

export interface PageRequest {
  readonly prefix: string;
  readonly delimiter?: string | undefined;
  /** V2: from the previous page. */
  readonly token?: string | undefined;
  /** V2's `start-after`, V1's `marker`: only keys after this one. */
  readonly after?: string | undefined;
  readonly maxKeys?: number | undefined;
}

/** @throws {S3Error} */
export async function listObjectsV2(s3: S3, bucket: string, request: PageRequest): Promise<ListingPage> {
  const { prefix, delimiter, token, after, maxKeys = MAX_PAGE_KEYS } = request;
  const query: Record<string, string | number> = {
    "list-type": 2,
    prefix,
    "max-keys": maxKeys,
    "encoding-type": "url",
  };
  if (delimiter !== undefined) query["delimiter"] = delimiter;
  if (token !== undefined) query["continuation-token"] = token;
  else if (after !== undefined) query["start-after"] = after;
  return await readPage(s3, "ListObjectsV2", bucket, query);
}

/** @throws {S3Error} */
export async function listObjects(s3: S3, bucket: string, request: PageRequest): Promise<ListingPage> {
  const { prefix, delimiter, after, maxKeys = MAX_PAGE_KEYS } = request;
  const query: Record<string, string | number> = { prefix, "max-keys": maxKeys, "encoding-type": "url" };
  if (delimiter !== undefined) query["delimiter"] = delimiter;
  if (after !== undefined) query["marker"] = after;
  return await readPage(s3, "ListObjects", bucket, query);
}

async function readPage(
  s3: S3,
  operation: string,
  bucket: string,
  query: Readonly<Record<string, string | number>>,
): Promise<ListingPage> {
  const address = { bucket, key: null };
  // Without this header a listing does not distinguish an archived object from a restored one. Only AWS knows
  // it.
  const headers: Record<string, string> =
    s3.store.provider === "aws" ? { "x-amz-optional-object-attributes": "RestoreStatus" } : {};
  const request = { method: "GET", query, headers };
  const { status, headers: told, text } = await ask(s3, operation, address, request);
  const parsed = parseListing(text);
  switch (parsed.kind) {
    case "page":
      return parsed.page;
    case "unreadable_key":
      throw new S3Error(operation, address, {
        code: "unreadable_key",
        detail:
          `the listing contains the key ${JSON.stringify(parsed.shown)}, which cannot be read reliably: ` +
          "XML cannot carry its control characters, and the store does not encode names (encoding-type=url)",
        status,
        requestId: told.get("x-amz-request-id"),
      });
    case "unclear":
      throw new S3Error(operation, address, {
        code: "bad_answer",
        detail: `the listing cannot be believed: ${parsed.detail}`,
        status,
        requestId: told.get("x-amz-request-id"),
      });
    case "no_listing":
      return badAnswer(operation, address, text);
  }
}
