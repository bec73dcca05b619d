// Where a prefix may be cut: at what looks like its folders. One request shows them, where a search for the
// middle of a range takes a dozen (ranges.ts).
//
// What it needs: the source. What it shows is only a hint: a bad one costs balance, never a key.

import { compareKeys } from "./key_order.ts";
import { listPage } from "./listing.ts";
import type { S3 } from "../s3/request.ts";

/** Folders that contain nothing but one folder, one in the other. */
const MOST_DEPTH = 4;

/** A request of the source; the others wait until it may be sent. */
type Ask = <T>(request: () => Promise<T>) => Promise<T>;

/** The folders of a prefix in order, or the first page of them. */
interface Folders {
  readonly folders: readonly string[];
  /** How long the source took for one request, at least. */
  readonly answerMs: number;
}

/** @throws {S3Error} */
export async function foldersOf(
  s3: S3,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  ask: Ask,
): Promise<Folders> {
  let below = prefix;
  let answerMs = Infinity;
  const page = async () => {
    const askedMs = Date.now();
    const range = { bucket, prefix: below, afterKey: null, untilKey: null };
    const answer = await listPage(s3, range, null, { delimiter: "/" });
    answerMs = Math.min(answerMs, Date.now() - askedMs);
    return answer;
  };
  for (let depth = 0; depth < MOST_DEPTH; depth++) {
    const { commonPrefixes, objects } = await ask(page);
    const [only = "", ...others] = commonPrefixes;
    const isNest = others.length === 0 && objects.length === 0 && only.length > below.length;
    if (!isNest || !only.startsWith(below)) return { folders: commonPrefixes, answerMs };
    below = only;
  }
  return { folders: [], answerMs };
}

/**
 * Every n-th of the folders behind the prefix's first page, without the first. Each range between two of them
 * has two pages or more, if these folders are as large as those that are passed.
 *
 * @param folders in order
 * @param untilKey the last key of that page
 */
export function boundsAhead(folders: readonly string[], untilKey: string, most: number): readonly string[] {
  const ahead = folders.filter((folder) => compareKeys(folder, untilKey) > 0);
  // The last one that has begun may go on.
  const passed = folders.length - ahead.length - 1;
  const pagesAhead = passed > 0 ? ahead.length / passed : Infinity;
  const ranges = Math.min(most + 1, Math.floor(pagesAhead / 2), ahead.length);
  return Array.from({ length: Math.max(0, ranges - 1) }, (_, index) => {
    return ahead[Math.floor(((index + 1) * ahead.length) / ranges)] ?? "";
  });
}
