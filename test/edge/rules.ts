// What Cloudflare's network does with a request on its way from a Worker to a store, and with the answer, as
// functions of their headers. Pure. edge.ts applies the rules and names the source of each.

/**
 * The part of an outgoing request's `request.cf` that controls the cache. workerd writes it for the `cache`
 * option of fetch.
 */
export interface CacheWish {
  readonly cacheLevel?: string;
  readonly cacheForceRevalidate?: boolean;
}

type Coding = "gzip" | "br" | "zstd" | "deflate";

/** Names and values in turn, as Node reads and writes them. */
export type RawHeaders = readonly string[];

/** Keys that end in one of these are cached by default, whatever their type. */
const CACHED_EXTENSIONS: ReadonlySet<string> = new Set(
  (
    "7z avi avif apk bin bmp bz2 class css csv doc docx dmg ejs eot eps exe flac gif gz ico iso jar jpg jpeg js mid midi " +
    "mkv mp3 mp4 ogg otf pdf pict pls png ppt pptx ps rar svg svgz swf tar tif tiff ttf webm webp woff woff2 xls xlsx " +
    "zip zst"
  ).split(" "),
);

/** A GET or HEAD of one of the cached extensions, unless its Worker set `cache: "no-store"`. */
export function isEligible(method: string, path: string, wish: CacheWish): boolean {
  if ((method !== "GET" && method !== "HEAD") || wish.cacheLevel === "bypass") return false;
  const [name = ""] = (path.split("/").at(-1) ?? "").split("?");
  if (name === "robots.txt") return true;
  const dot = name.lastIndexOf(".");
  return dot >= 0 && CACHED_EXTENSIONS.has(name.slice(dot + 1).toLowerCase());
}

/** Headers that an eligible request loses: the cache wants whole objects, unconditionally. */
const CONDITIONAL: ReadonlySet<string> = new Set([
  "range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
]);

/** For one connection only (RFC 9110 §7.6.1), and the cf blob, which is between workerd and the edge. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** The header in which workerd passes `request.cf`. */
export const CF_HEADER = "edge-cf";

/** The codings that the edge can decompress, and so asks every origin for, whatever the Worker asked for. */
const ACCEPTED_AT_ORIGIN = "gzip, br";

/** The headers of the request that the store gets. */
export function headersToOrigin(
  raw: RawHeaders,
  { eligible, host, ray }: { eligible: boolean; host: string; ray: string },
): string[] {
  const kept = pairsOf(raw).filter(([name]) => {
    const lower = name.toLowerCase();
    const isOurs = lower === CF_HEADER || lower === "host" || lower === "accept-encoding";
    return !isOurs && !HOP_BY_HOP.has(lower) && !(eligible && CONDITIONAL.has(lower));
  });
  const added = [
    ["Host", host],
    ["Accept-Encoding", ACCEPTED_AT_ORIGIN],
    ["CF-Ray", ray],
    ["CDN-Loop", "cloudflare; loops=1"],
  ];
  return inNodesOrder([...added, ...kept]);
}

/** The headers of the answer that the Worker gets. */
export function headersToWorker(
  raw: RawHeaders,
  { packing, ray, cacheStatus }: { packing: Packing; ray: string; cacheStatus: string },
): string[] {
  const kept = pairsOf(raw).flatMap(([name, value]) => {
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower)) return [];
    if (packing.kind === "as-is") return [[name, value]];
    if (lower === "content-length" || lower === "content-encoding" || lower === "accept-ranges") return [];
    return [[name, lower === "etag" ? weakened(value) : value]];
  });
  const packed = packing.kind === "pack" ? [["Content-Encoding", packing.coding]] : [];
  return inNodesOrder([...kept, ...packed, ["CF-Cache-Status", cacheStatus], ["CF-Ray", ray]]);
}

const rank = ([name]: readonly string[]): number => (name?.toLowerCase() === "content-disposition" ? 0 : 1);

/** Node takes a Content-Disposition for UTF-8 text, and changes its bytes, once it has seen a length. */
function inNodesOrder(pairs: readonly string[][]): string[] {
  return pairs.toSorted((one, other) => rank(one) - rank(other)).flat();
}

/** The bytes are no longer those that the store sent, so the tag is no longer strong. */
function weakened(etag: string): string {
  return etag.startsWith("W/") ? etag : `W/${etag}`;
}

/**
 * What happens to a body. `unpack`: the client does not accept its coding. `pack`: the edge considers it
 * worthwhile.
 */
export type Packing =
  { readonly kind: "as-is" } | { readonly kind: "unpack" | "pack"; readonly coding: Coding };

const AS_IS: Packing = { kind: "as-is" };

const CODINGS: Readonly<Record<string, Coding>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  br: "br",
  zstd: "zstd",
  deflate: "deflate",
};

/** Types that are compressed on the fly. The platform's list is longer. */
const PACKED_TYPE =
  /^(?:text\/(?:html|plain|css|xml|csv|javascript|richtext|x-script|x-component|x-java-source|x-markdown)|application\/(?:json|javascript|x-javascript|xml|xhtml\+xml|rss\+xml|wasm)|image\/svg\+xml)\b/;

/** Smaller bodies are not worth it. */
const LEAST_PACKED_BYTES = 50;

/**
 * @param packs the host is behind Cloudflare's own proxy, which compresses text (R2's is)
 * @param accepted the Accept-Encoding of the Worker's request
 */
export function packingOf(
  status: number,
  raw: RawHeaders,
  { accepted, packs }: { accepted: string | undefined; packs: boolean },
): Packing {
  // A range of a compressed body cannot be decompressed, so it passes unchanged.
  if (status !== 200) return AS_IS;
  const encoding = headerOf(raw, "content-encoding")?.trim().toLowerCase();
  if (encoding !== undefined && encoding !== "") {
    const coding = CODINGS[encoding];
    return coding === undefined || accepts(accepted, coding) ? AS_IS : { kind: "unpack", coding };
  }
  if (!packs || !PACKED_TYPE.test(headerOf(raw, "content-type") ?? "")) return AS_IS;
  if (Number(headerOf(raw, "content-length") ?? Infinity) < LEAST_PACKED_BYTES) return AS_IS;
  if (/\bno-transform\b/i.test(headerOf(raw, "cache-control") ?? "")) return AS_IS;
  // A strong ETag does not prevent compression; it becomes weak.
  for (const coding of ["br", "gzip"] as const)
    if (accepts(accepted, coding)) return { kind: "pack", coding };
  return AS_IS;
}

/** Whether an Accept-Encoding accepts this coding (RFC 9110 §12.5.3). */
export function accepts(accepted: string | undefined, coding: string): boolean {
  if (accepted === undefined) return false;
  const weights = new Map<string, number>();
  for (const item of accepted.toLowerCase().split(",")) {
    const [name = "", ...parameters] = item.split(";").map((text) => text.trim());
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    weights.set(name, weight === undefined ? 1 : Number(weight));
  }
  return (weights.get(coding) ?? weights.get("*") ?? 0) > 0;
}

/** If the origin says nothing, a 200 is kept for two hours. */
const DEFAULT_LIFETIME_MS = 120 * 60_000;

/** How long an answer to an eligible GET stays fresh. Null: it is not stored. */
export function lifetimeMs(
  status: number,
  raw: RawHeaders,
  { authorized, now }: { authorized: boolean; now: number },
): number | null {
  if (status !== 200 || headerOf(raw, "set-cookie") !== undefined) return null;
  const directives = new Map<string, string>();
  for (const item of (headerOf(raw, "cache-control") ?? "").split(",")) {
    const [name = "", value = ""] = item.trim().split("=");
    directives.set(name.toLowerCase(), value.replaceAll('"', ""));
  }
  const mayNot = ["private", "no-store", "no-cache"].some((name) => directives.has(name));
  // Origin Cache Control: an answer to a request with credentials is kept only if the origin allows it for
  // everyone.
  const mayForAll = ["public", "must-revalidate", "s-maxage"].some((name) => directives.has(name));
  if (mayNot || (authorized && !mayForAll)) return null;
  const seconds = directives.get("s-maxage") ?? directives.get("max-age");
  const expires = headerOf(raw, "expires");
  const ms =
    seconds !== undefined
      ? Number(seconds) * 1000
      : expires !== undefined
        ? Date.parse(expires) - now
        : DEFAULT_LIFETIME_MS;
  return ms > 0 ? ms : null; // also when it is no number
}

/** Cloudflare's own answers instead of the store's. */
export interface EdgeError {
  readonly status: number;
  /** In the body, as `error code: …`. */
  readonly code: number;
}

/** What a Worker gets if the way to the store failed before the store answered. */
export function edgeErrorOf(error: unknown): EdgeError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return { status: 530, code: 1016 };
  const status = STATUS_BY_ERROR[code] ?? (/^(?:CERT_|ERR_TLS_|.*_CERT)/.test(code) ? 526 : 520);
  return { status, code: status };
}

const STATUS_BY_ERROR: Readonly<Record<string, number>> = {
  ECONNREFUSED: 521,
  ETIMEDOUT: 522,
  EHOSTUNREACH: 523,
  ENETUNREACH: 523,
  EPROTO: 525,
  DEPTH_ZERO_SELF_SIGNED_CERT: 526,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 526,
};

/** Whether a URL's host is an IP address. */
export function isAddress(hostname: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(hostname) || hostname.startsWith("[");
}

/**
 * The top-level event of a request, from its User-Agent. The platform gives one event six connections that
 * wait for their headers, shared with every Worker that it calls. A lane, an event that lists and a
 * coordinator name themselves. Null: the request does not name its event.
 */
export function eventOf(userAgent: string | undefined): string | null {
  if (userAgent === undefined) return null;
  return /^bucket-brigade (?:\S+ (?:(?:lane|listing)\/\d+|coordinator)|sync\/\S+)$/.test(userAgent)
    ? userAgent
    : null;
}

export function headerOf(raw: RawHeaders, wanted: string): string | undefined {
  const values = pairsOf(raw).flatMap(([name, value]) => (name.toLowerCase() === wanted ? [value] : []));
  return values.length === 0 ? undefined : values.join(", ");
}

function pairsOf(raw: RawHeaders): [name: string, value: string][] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? ""]] : []));
}
