// The parts' ETags beside the MD5s of the bytes that passed. Pure.

import { bareEtag } from "./proof.ts";
import type { PartDigests } from "./work.ts";

/** Is the ETag of each of `count` parts the MD5 of the bytes that passed? */
export function areAllMd5(
  finished: readonly { readonly etag: string; readonly digests: PartDigests }[],
  count: number,
): boolean {
  const isMd5 = ({ digests, etag }: (typeof finished)[number]) =>
    digests.md5 !== undefined && digests.md5 === bareEtag(etag).toLowerCase();
  return finished.length === count && finished.every(isMd5);
}

interface Digested {
  /** Bare and in lower case, as the store gave it. */
  readonly etag: string;
  /** Of the bytes that passed. */
  readonly md5: string | undefined;
  /** The ETag of an attempt before, which was not the MD5 of the same bytes. */
  readonly refused: string | null;
}

/** Which parts' ETags are not the MD5s of the bytes that passed; `opaque`: because this store's are no MD5s at all. */
export function compareDigests<Part extends Digested>(
  parts: readonly Part[],
): { differing: (Part & { md5: string })[]; opaque: boolean } {
  const watched = parts.filter((part): part is Part & { md5: string } => part.md5 !== undefined);
  const differing = watched.filter(({ etag, md5 }) => etag !== md5);
  const opaque =
    (differing.length === watched.length && differing.length > 1) ||
    differing.some(
      ({ etag, refused }) => !/^[0-9a-f]{32}$/.test(etag) || (refused !== null && refused !== etag),
    );
  return { differing, opaque };
}
