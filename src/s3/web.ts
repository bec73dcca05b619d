// What a store of kind https is asked, and what its answers mean: the URL of a key, which validator an answer
// has, the condition that goes with it, and where it may redirect to. Pure.
//
// A validator is what shows that two answers are of one version of a file. RFC 9110 has two: a strong ETag,
// and a Last-Modified that lies in the past. The second takes an ETag's place as `"last-modified-<time>"`, so
// that whatever holds for an object's ETag (pinned ranges, marks, comparisons) holds for it as well. A weak
// ETag says that two versions are as good as each other, not that their bytes are the same.
//
// Invariant: an answer without a validator is no answer. Requests carry the store's headers and query to its
// own origin alone.

import { encodeRfc3986, checkedKey, isDotSegment, UnaddressableKeyError } from "./url.ts";
import { isSameService } from "./redirect.ts";
import { knownEtag, timeOf } from "./value.ts";
import { isIpAddress } from "../store/endpoint.ts";

/**
 * The URL of a key: its segments below the base URL, each percent-encoded. A key is a name and no URL: its
 * `?`, `#` and `%` are encoded as well.
 *
 * @param base without a final slash @param query of the store; empty: none
 * @throws {UnaddressableKeyError}
 */
export function webUrl(base: string, query: string, key: string): string {
  const segments = checkedKey(key).split("/");
  if (segments.some(isDotSegment)) {
    throw new UnaddressableKeyError(
      `Cannot address key ${JSON.stringify(key)} at a store of kind https: a URL resolves its segment "." or ".."`,
    );
  }
  const path = segments.map(encodeRfc3986).join("/");
  return `${base}/${path}${query === "" ? "" : `?${query}`}`;
}

/** `etag` may stand for a time; `why`: in words. */
type Validator =
  | { readonly ok: true; readonly etag: string; readonly kind: "etag" | "time" }
  | { readonly ok: false; readonly why: string };

/** Servers that know no time of a file say one of these: Nix, containers, reproducible archives. */
const FIRST_KNOWN_MS = Date.UTC(1980, 0, 2);

/**
 * RFC 9110 §8.8.2.2: a file may change twice within the second that Last-Modified names, so that second must
 * be over when the answer is made.
 */
const SECOND_MS = 1000;

/** The validator of an answer. @param nowMs counts where the answer does not say when it was made */
export function validatorOf(headers: Headers, nowMs: number): Validator {
  const etag = headers.get("etag");
  const strong = knownEtag(etag)?.trim() ?? "";
  if (/^".+"$/.test(strong) && timeOfTag(strong) === null) return { ok: true, kind: "etag", etag: strong };
  const modified = headers.get("last-modified");
  const modifiedMs = timeOf(modified);
  const answeredMs = timeOf(headers.get("date")) ?? nowMs;
  const isKnown = modifiedMs !== null && modifiedMs >= FIRST_KNOWN_MS;
  if (isKnown && modifiedMs + SECOND_MS <= answeredMs)
    return { ok: true, kind: "time", etag: tagOfTime(modifiedMs) };
  const weak =
    etag === null ? "no ETag" : strong.startsWith("W/") ? "a weak ETag" : "an ETag of no known form";
  const time =
    modified === null
      ? "no Last-Modified"
      : isKnown
        ? "a Last-Modified that is not past"
        : "a Last-Modified that is no time";
  return { ok: false, why: `${weak} and ${time}` };
}

const TIME_TAG = /^"?last-modified-(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z"?$/;

function tagOfTime(ms: number): string {
  return `"last-modified-${new Date(ms).toISOString().slice(0, 19)}Z"`;
}

/** Of a Last-Modified in an ETag's place; null: it is an ETag. */
export function timeOfTag(etag: string): number | null {
  const time = TIME_TAG.exec(etag)?.[1];
  return time === undefined ? null : Date.parse(`${time}Z`);
}

/** The headers of a request, with the condition that its validator stands for. */
export function withCondition(headers: Readonly<Record<string, string>>): Record<string, string> {
  const { "if-match": etag, ...rest } = headers;
  if (etag === undefined) return rest;
  const timeMs = timeOfTag(etag);
  return timeMs === null
    ? { ...rest, "if-match": etag }
    : { ...rest, "if-unmodified-since": new Date(timeMs).toUTCString() };
}

/**
 * What a file is, and how many bytes of it came. The rest of an answer tells of its way (`Cache-Control`,
 * `Expires`, cookies), and would be copied as the object's.
 */
const KEPT = [
  "accept-ranges",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-range",
  "content-type",
  "date",
  "last-modified",
] as const;

/** The headers of an answer as those of an object. */
export function headersOfObject(answer: Headers, etag: string): Headers {
  const headers = new Headers({ etag });
  for (const name of KEPT) {
    const value = answer.get(name);
    if (value !== null) headers.set(name, value);
  }
  return headers;
}

type Redirect =
  | { readonly ok: true; readonly url: string; readonly isOwn: boolean }
  /** `to`: the origin; null: no URL. */
  | { readonly ok: false; readonly to: string | null };

/**
 * Whether a redirect is followed: within the store's own service (redirect.ts), or to an origin that the
 * secret names. Its headers go to its own origin alone.
 *
 * @param from the URL that was asked @param location the answer's header
 */
export function redirectOf(
  { endpoint, redirects }: { readonly endpoint: string; readonly redirects: readonly string[] },
  from: string,
  location: string | null,
): Redirect {
  const to = location === null ? null : URL.parse(location, from);
  if (to === null) return { ok: false, to: null };
  const refused = { ok: false, to: to.origin } as const;
  if (to.username !== "" || to.password !== "") return refused;
  to.hash = "";
  const own = new URL(endpoint);
  if (to.origin === own.origin) return { ok: true, url: to.href, isOwn: true };
  const isNear = to.protocol === own.protocol && to.port === own.port && !isIpAddress(to.hostname);
  const isAllowed = redirects.includes(to.origin) || (isNear && isSameService(own.hostname, to.hostname));
  return isAllowed ? { ok: true, url: to.href, isOwn: false } : refused;
}
