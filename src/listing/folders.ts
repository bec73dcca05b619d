// Cuts of a prefix at what looks like its folders: one request shows them, and one more for each cut finds a
// key there, where a search for the middle of a range takes a dozen (ranges.ts).
//
// What it needs: the source. What it shows is only a hint: a bad one costs balance, never a key.

import { firstKey } from "./listing.ts";
import { listObjectsV2 } from "../s3/list.ts";
import type { S3 } from "../s3/request.ts";

/** Folders that contain nothing but one folder, one in the other. */
const MOST_DEPTH = 4;

/** A request of the source; the others wait until it may be sent. */
type Ask = <T>(request: () => Promise<T>) => Promise<T>;

/**
 * Keys that divide the prefix into ranges with about as many folders each, in order; of more than a page of
 * folders, its beginning.
 *
 * @param most cuts
 * @throws {S3Error}
 */
export async function folderCuts(
  s3: S3,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  most: number,
  ask: Ask,
): Promise<string[]> {
  const bounds = evenly(await foldersOf(s3, bucket, prefix, ask), most);
  const keys = await Promise.all(
    bounds.map(async (afterKey) =>
      ask(async () => await firstKey(s3, { bucket, prefix, afterKey, untilKey: null })),
    ),
  );
  return [...new Set(keys.filter((key) => key !== null))];
}

async function foldersOf(s3: S3, bucket: string, prefix: string, ask: Ask): Promise<readonly string[]> {
  let below = prefix;
  for (let depth = 0; depth < MOST_DEPTH; depth++) {
    const page = await ask(async () => await listObjectsV2(s3, bucket, { prefix: below, delimiter: "/" }));
    const [only = "", ...others] = page.commonPrefixes;
    const isNest = others.length === 0 && page.objects.length === 0 && only.length > below.length;
    if (!isNest || !only.startsWith(below)) return page.commonPrefixes;
    below = only;
  }
  return [];
}

/** Every n-th of the folders, without the first: before it there is nothing. */
function evenly(folders: readonly string[], most: number): string[] {
  const ranges = Math.min(most + 1, folders.length);
  return Array.from({ length: Math.max(0, ranges - 1) }, (_, index) => {
    return folders[Math.floor(((index + 1) * folders.length) / ranges)] ?? "";
  });
}
