// How the values in a store's answers are read: numbers, times, ETags, codes. Pure.
//
// Invariant: a value that is not exactly of its kind is unknown, which is null, and never the nearest value
// of that kind. JavaScript's own readers take `0x10`, `1e1` and `-1` for numbers and `2` for a day of 2001.

import { hasSecret } from "../store/secrets.ts";

/**
 * Digits alone, and a number that is exact. Null: it is none.
 *
 * @param text of a header or an element; a header that is there twice is `1, 1`
 */
export function wholeNumber(text: string | null, most = Number.MAX_SAFE_INTEGER): number | null {
  if (text === null || !/^\s*\d+\s*$/.test(text)) return null;
  const number = Number(text);
  return number <= most ? number : null;
}

/** XML Schema's dateTime, as S3 writes it in XML, with its time zone. */
const XML_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/i;

/** The fixed form of RFC 9110 §5.6.7; some servers write the zone or the day otherwise. */
const HTTP_TIME = /^([A-Z][a-z]+, )?\d{1,2}[ -][A-Z][a-z]{2}[ -]\d{4} \d\d:\d\d:\d\d (GMT|UTC|[+-]\d{4})$/;

/** Milliseconds since 1970. Null: it is no time, or one without a zone. */
export function timeOf(text: string | null): number | null {
  const trimmed = text?.trim() ?? "";
  if (!XML_TIME.test(trimmed) && !HTTP_TIME.test(trimmed)) return null;
  const atMs = Date.parse(trimmed);
  return Number.isNaN(atMs) ? null : atMs;
}

/** Parses Retry-After as in RFC 9110 (seconds or a date) into milliseconds. Null if absent or unreadable. */
export function parseRetryAfter(value: string | null, now: number): number | null {
  const seconds = wholeNumber(value, Number.MAX_SAFE_INTEGER / 1000);
  if (seconds !== null) return seconds * 1000;
  const atMs = timeOf(value);
  return atMs === null ? null : Math.max(0, atMs - now);
}

/** S3's have 32 digits, those of other stores some hundred characters. */
const MAX_ETAG_CHARACTERS = 1024;

/**
 * An ETag that can be sent back and stored, as it was written. Null: there is none, it is empty, it is two (a
 * header that is there twice), or it repeats a secret.
 */
export function knownEtag(text: string | null): string | null {
  if (text === null || text.length > MAX_ETAG_CHARACTERS) return null;
  if (hasSecret(text)) return null;
  return /^\s*(W\/)?("[\x20\x21\x23-\x7e]+"|(&quot;)?[\x21\x23-\x2b\x2d-\x7e]+)\s*$/.test(text) ? text : null;
}

/** S3's upload IDs have some hundred characters. */
const MAX_ID_CHARACTERS = 4096;

/**
 * The ID of an upload, which is kept, shown and sent back. Null: there is none that can be, or it repeats a
 * secret.
 */
export function knownId(text: string | null): string | null {
  if (text === null || text.length > MAX_ID_CHARACTERS || hasSecret(text)) return null;
  return /^\P{Cc}*[^\s\p{Cc}]\P{Cc}*$/u.test(text) ? text : null;
}

/** The ETag in an answer's headers. */
export function etagOf(headers: Headers): string | null {
  return knownEtag(headers.get("etag"));
}

/** The size of an object in the headers of its HEAD, or of a GET of all of it. Null: they do not tell. */
export function sizeOf(headers: Headers): number | null {
  return wholeNumber(headers.get("content-length"));
}

/**
 * S3's codes are words like `NoSuchKey`. The mesh's own are written `like_this`: a store that answers one of
 * them has no code.
 */
export function knownCode(text: string | null): string | null {
  const code = text?.trim() ?? "";
  return /^[A-Z][A-Za-z0-9.-]{0,63}$/.test(code) ? code : null;
}
