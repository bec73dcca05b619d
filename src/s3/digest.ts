// Digests and ETags as S3 writes them: hex, base64, the MD5 of a whole object, and the multipart ETag. Pure.
//
// AWS does not document the multipart rule (MD5 of the parts' raw MD5s, a dash, their number) for every
// encryption. So an ETag of that form is a candidate for a proof, never a proof by itself: object/proof.ts
// decides.

/**
 * `x-amz-checksum-*` is base64 of the big-endian bytes; the mesh compares hex. Null if it is not such a
 * value.
 */
export function hexOfBase64(base64: string): string | null {
  try {
    return bytesToHex(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
  } catch {
    return null; // a composite checksum ("…-5"), or no checksum at all
  }
}

export function base64OfHex(hex: string): string {
  return btoa(String.fromCharCode(...bytesOfHex(hex)));
}

function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function bytesToHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The ETag that S3's rule gives to parts with these MD5s: the MD5 of the raw digests, and their number. */
export async function multipartEtag(
  md5s: readonly string[],
  md5: (bytes: Uint8Array) => Promise<string>,
): Promise<string> {
  const digests = new Uint8Array(md5s.length * 16);
  for (const [index, hex] of md5s.entries()) digests.set(bytesOfHex(hex), index * 16);
  return `${await md5(digests)}-${md5s.length}`;
}

/** The number of parts in a multipart ETag (`…-12`), or null if it is not one. */
export function partCountOf(etag: string): number | null {
  const match = /^[0-9a-f]{32}-(\d+)$/i.exec(bareEtag(etag));
  return match === null ? null : Number(match[1]);
}

export function isMd5Etag(etag: string): boolean {
  return /^[0-9a-f]{32}(-\d+)?$/i.test(bareEtag(etag));
}

/** Has it the form that S3's rule gives to an object that was uploaded whole? */
export function isWholeMd5Etag(etag: string): boolean {
  return /^[0-9a-f]{32}$/i.test(bareEtag(etag));
}

/** The ETag of an empty object, where ETags are MD5s. */
export const MD5_OF_NOTHING = "d41d8cd98f00b204e9800998ecf8427e";

/**
 * An ETag for comparison: without quotes, XML entities and a proxy's mark of weakness. Requests send it as
 * received.
 */
export function bareEtag(etag: string): string {
  // As nearly all stores send them. A sync asks this several times for each key.
  if (etag.length > 1 && etag.startsWith('"') && etag.endsWith('"') && !etag.includes("&"))
    return etag.slice(1, -1);
  return etag.replaceAll("&quot;", '"').replace(/^W\//, "").replace(/^"|"$/g, "");
}

export async function md5Hex(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("MD5", bytes));
  return bytesToHex(digest);
}
