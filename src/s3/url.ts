// URLs of S3 requests: one path builder and one query builder for every operation.
//
// Invariant: the URL that `fetch` sends is byte for byte the one built here, and it names exactly the bucket
// and key asked for. `fetch` parses URLs by the WHATWG rules, which normalise `.` and `..` segments
// (percent-encoded dots too) and so would address another object. Such segments are joined to a neighbour by
// `%2F`, which S3 decodes to `/` (https://url.spec.whatwg.org/#path-state). A key that cannot be sent
// unchanged is refused.
//
// Pure. It knows nothing of signatures: aws4fetch signs the URL built here.

/** Where a bucket is. `path`: endpoint/bucket/key, `virtual`: bucket.endpoint/key. */
export interface BucketAddress {
  /**
   * Scheme, host and optional port: `https://s3.eu-central-1.amazonaws.com`. Only workerd's local R2 has a
   * path.
   */
  readonly endpoint: string;
  readonly style: "path" | "virtual";
  readonly bucket: string;
}

/** A key that no URL of this addressing style can carry, or that is not a legal S3 key. */
export class UnaddressableKeyError extends RangeError {
  override readonly name = "UnaddressableKeyError";
}

/**
 * The longest key that S3 accepts, in bytes of UTF-8
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html, 2026-11).
 */
export const MAX_KEY_BYTES = 1024;

const ENCODER = new TextEncoder();

/** How long a text is in UTF-8. A sync asks it of each key, and a new encoder would cost the most of all. */
export function utf8Bytes(text: string): number {
  return /[\u0080-\uffff]/.test(text) ? ENCODER.encode(text).length : text.length;
}

/**
 * Percent-encodes everything but RFC 3986's unreserved characters, byte by byte of UTF-8.
 * `encodeURIComponent` alone leaves `! ' ( ) *` raw, which S3's canonical form does not.
 *
 * @throws {UnaddressableKeyError} on a lone surrogate, which has no UTF-8 form
 */
export function encodeRfc3986(text: string): string {
  if (!text.isWellFormed()) {
    throw new UnaddressableKeyError(
      `Cannot encode ${JSON.stringify(text)}: it holds a lone surrogate, which has no UTF-8 form`,
    );
  }
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => "%" + character.charCodeAt(0).toString(16).toUpperCase(),
  );
}

/** `a=1&b=` in the order given. A flag such as `uploads` is written `uploads=`, as it is signed. */
export function queryString(query: Readonly<Record<string, string | number>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(String(value))}`)
    .join("&");
}

/**
 * The URL of an object, or of the bucket if `key` is null.
 *
 * @throws {UnaddressableKeyError} if the key is empty, longer than 1,024 bytes, not valid Unicode, or cannot
 * be addressed in this style
 */
export function s3Url(
  address: BucketAddress,
  key: string | null,
  query: Readonly<Record<string, string | number>> = {},
): string {
  // An endpoint is already a URL's origin (store/stores.ts), so it need not be parsed for each request.
  const [scheme = "", rest = ""] = address.endpoint.split("//", 2);
  const slash = rest.indexOf("/");
  const [endpointHost, prefix] = slash === -1 ? [rest, ""] : [rest.slice(0, slash), rest.slice(slash)];
  const virtual = address.style === "virtual";
  const host = virtual ? `${address.bucket}.${endpointHost}` : endpointHost;
  const path =
    prefix + (key === null ? bucketPath(address) : keyPath(checkedKey(key), virtual ? null : address.bucket));
  const text = queryString(query);
  const built = `${scheme}//${host}${path}` + (text === "" ? "" : `?${text}`);
  // Null for an invalid host, such as a bucket in front of an IP address.
  const parsed = URL.parse(built);
  if (parsed?.pathname !== path || parsed.host !== host || parsed.search !== (text && `?${text}`)) {
    const instead =
      parsed === null ? "that is no URL" : `a URL would name ${JSON.stringify(parsed.pathname)} instead`;
    throw new UnaddressableKeyError(
      `Cannot address key ${JSON.stringify(key)} in bucket "${address.bucket}" in ${address.style} style: ` +
        `${instead}; use path style`,
    );
  }
  return built;
}

/** The value of a Range header. S3 ranges are inclusive at both ends; only this function knows. */
export function rangeHeader(offset: number, length: number): string {
  return `bytes=${offset}-${offset + length - 1}`;
}

/** Parses a Content-Range header. Null if it has nothing usable, which includes a total of `*`. */
export function parseContentRange(
  value: string | null,
): { offset: number; length: number; totalBytes: number } | null {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(value ?? "");
  if (match === null) return null;
  const [first, last, totalBytes] = [Number(match[1]), Number(match[2]), Number(match[3])];
  return last < first ? null : { offset: first, length: last - first + 1, totalBytes };
}

/** @throws {UnaddressableKeyError} if no store has such a key */
export function checkedKey(key: string): string {
  if (key === "") throw new UnaddressableKeyError("Cannot address an object with an empty key");
  // A UTF-16 code unit has at most three bytes of UTF-8.
  if (3 * key.length <= MAX_KEY_BYTES) return key;
  const sizeBytes = utf8Bytes(key);
  if (sizeBytes > MAX_KEY_BYTES) {
    throw new UnaddressableKeyError(
      `Cannot address a key of ${sizeBytes} bytes: S3 keys have at most ${MAX_KEY_BYTES} bytes of UTF-8`,
    );
  }
  return key;
}

function bucketPath(address: BucketAddress): string {
  return address.style === "virtual" ? "/" : `/${encodeRfc3986(address.bucket)}`;
}

function keyPath(key: string, bucket: string | null): string {
  const segments = bucket === null ? key.split("/") : [bucket, ...key.split("/")];
  const last = segments.length - 1;
  let path = "";
  for (const [index, segment] of segments.entries()) {
    const before = segments[index - 1];
    const glued = index > 0 && (isDotSegment(before) || (index === last && isDotSegment(segment)));
    path += (glued ? "%2F" : "/") + encodeRfc3986(segment);
  }
  return path;
}

/** A URL parser resolves such a segment of a path. */
export function isDotSegment(segment: string | undefined): boolean {
  return segment === "." || segment === "..";
}
