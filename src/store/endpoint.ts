// Endpoints of stores: which are allowed, and what is wrong with one that is not. Pure.
//
// Invariant: what passes leads to a host of the internet under https, or to loopback. So no secret names a
// service inside a private network, and no credential travels in the clear.

/**
 * What is wrong with an endpoint, in words that follow its name; null: nothing.
 *
 * @param path `none`: buckets are named in requests. `any`: a base URL, below which the objects are
 */
export function endpointFault(
  endpoint: string,
  { allowInsecure, path }: { readonly allowInsecure: boolean; readonly path: "none" | "any" },
): string | null {
  const url = URL.parse(endpoint);
  if (url === null) return `is not a URL; expected one like ${EXAMPLE[path]}`;
  if (url.username !== "" || url.password !== "") return "must not contain a user name or password";
  if (url.protocol !== "https:" && url.protocol !== "http:") return "must begin with https://";
  const hasPath = path === "none" && url.pathname !== "/" && !isLocalR2(url);
  if (hasPath || url.search !== "" || url.hash !== "") return BARE[path];
  if (url.protocol === "http:" && !allowInsecure && !isLoopback(url.hostname)) {
    return 'is http://, which is allowed for loopback hosts only: use https://, or set "allowInsecure": true';
  }
  if (isIpAddress(url.hostname) && !isLoopback(url.hostname)) {
    return `is the IP address ${url.hostname}, and a Worker reaches none (error 1003): give the store a host name`;
  }
  if (url.hostname.includes(".mrap.accesspoint.")) {
    return "is a Multi-Region Access Point, which needs SigV4A signatures; use the endpoint of one region";
  }
  return null;
}

const EXAMPLE = {
  none: "https://s3.eu-central-1.amazonaws.com",
  any: "https://downloads.example.org/releases",
} as const;

const BARE = {
  none: "must be scheme, host and port alone: no path, query or fragment (buckets are named in requests)",
  any: 'must have no query or fragment: what every request needs goes into "query", which is never shown',
} as const;

/**
 * `wrangler dev` serves its local R2 buckets over S3 under this path of its own origin. It is the only
 * endpoint of S3 with a path.
 */
export function isLocalR2(url: URL): boolean {
  return isLoopback(url.hostname) && url.pathname === "/cdn-cgi/local/r2/s3";
}

export function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  );
}

/** In a URL, IPv6 is in brackets, and IPv4 in any spelling is normalised to four numbers. */
export function isIpAddress(hostname: string): boolean {
  return hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}
