// Which objects of a batch go to the destination together, as one archive that it unpacks (s3/tar.ts). Pure.
//
// Only those of which nothing can be lost on that way: copied for the first time, known by the MD5 that the
// source lists, with a key that an archive can name, and nothing to be set that takes a request of its own or
// a confirmation (a class, tags, an encryption). Everything else goes by itself, as does every object that an
// archive has failed to bring.

import { isWholeMd5Etag } from "../s3/digest.ts";
import { isTarName, TAR_BLOCK_BYTES } from "../s3/tar.ts";
import { utf8Bytes } from "../s3/url.ts";
import { type Store, canCopyInside } from "../store/stores.ts";
import type { BatchTask, ObjectWork } from "./batch_task.ts";

/** MinIO unpacks entries up to this size several at a time, and larger ones one after the other. */
const MAX_ENTRY_BYTES = 128 * 1024;

/** An archive is in memory whole: while its objects are read, it must not hold a connection. */
const MAX_ARCHIVE_BYTES = 2 * 2 ** 20;

/** With fewer, its own requests (PutObject, and a look at what has become of it) save too little. */
export const LEAST_ENTRIES = 4;

/** Headers, records and the last block of an entry, about. */
const ENTRY_OVERHEAD_BYTES = 4 * TAR_BLOCK_BYTES;

/** What an archive's own key has behind that of its first object (archive.ts). */
const SUFFIX_BYTES = 64;

type Asked = Pick<BatchTask["options"], "compare" | "storageClass" | "tags">;

/** @returns for each archive the places of its objects in the batch */
export function archivesOf(
  { objects, options }: { readonly objects: readonly ObjectWork[]; readonly options: Asked },
  source: Store,
  destination: Store,
): number[][] {
  if (!mayUnpack(options, source, destination)) return [];
  const archives: { places: number[]; sizeBytes: number }[] = [];
  for (const [place, work] of objects.entries()) {
    if (!mayArchive(work, destination)) continue;
    const sizeBytes = archivedBytes(work);
    const last = archives.at(-1);
    if (last === undefined || last.sizeBytes + sizeBytes > MAX_ARCHIVE_BYTES)
      archives.push({ places: [place], sizeBytes });
    else {
      last.places.push(place);
      last.sizeBytes += sizeBytes;
    }
  }
  return archives.map(({ places }) => places).filter(({ length }) => length >= LEAST_ENTRIES);
}

/** The memory that an entry takes, about. */
export function archivedBytes({ sizeBytes }: ObjectWork): number {
  return sizeBytes + ENTRY_OVERHEAD_BYTES;
}

function mayUnpack({ compare, storageClass, tags }: Asked, source: Store, destination: Store): boolean {
  const hasMd5s = source.profile.md5Etag && destination.profile.md5Etag;
  const looksAtNone = source.encryption === undefined && destination.encryption === undefined;
  const setsNone = storageClass === null && (tags === "preserve" || tags === "none");
  // By its time alone an object may be listed as another although the destination has its very bytes: then
  // nothing would show that the archive has brought it.
  const showsChange = compare !== "size+mtime";
  const isStreamed = !(destination.profile.copyObject && canCopyInside(source, destination));
  return destination.profile.unpacksTar && hasMd5s && looksAtNone && setsNone && showsChange && isStreamed;
}

function mayArchive(
  { to, etag, sizeBytes, first, failedAttempts, storageClass }: ObjectWork,
  { profile }: Store,
): boolean {
  const isWhole = etag !== null && isWholeMd5Etag(etag);
  const isPlain = storageClass === undefined || storageClass === null || storageClass === "STANDARD";
  const isFirst = first === "copy" && failedAttempts === 0;
  const isNameable = isTarName(to) && utf8Bytes(to) + SUFFIX_BYTES <= profile.maxKeyBytes;
  return isWhole && isPlain && isFirst && sizeBytes <= MAX_ENTRY_BYTES && isNameable;
}

/** What all keys begin with. */
export function sharedPrefix(keys: readonly string[]): string {
  const [first = "", ...others] = keys;
  let length = first.length;
  for (const key of others) {
    length = Math.min(length, key.length);
    while (!key.startsWith(first.slice(0, length))) length -= 1;
  }
  // Half of a surrogate pair is no beginning.
  return first.slice(0, length).isWellFormed() ? first.slice(0, length) : first.slice(0, length - 1);
}

/** A `start-after` behind which a key is listed, and little before it. */
export function justBefore(key: string): string {
  const characters = [...key];
  const code = characters.pop()?.codePointAt(0) ?? 0;
  const beginning = characters.join("");
  // A control character and half of a surrogate pair are not to be sent.
  const isSendable = code > 0x20 && (code <= 0x7f || code > 0xa0) && (code <= 0xd800 || code > 0xe000);
  return isSendable ? `${beginning}${String.fromCodePoint(code - 1)}\u{10FFFF}` : beginning;
}
