// Where a store may send a request: 307 names another host of the same service, which AWS does while a new
// bucket's name spreads, and clusters do to name the node that has the object. Pure.
//
// Invariant: the target is the store's own. The operator has named one host, so a host under it is the
// store's, and one beside it, under the same domain; AWS's hosts are those of S3 alone. Scheme and port stay.

import type { BucketAddress } from "./url.ts";

/** A host that answers for a bucket, and how it is addressed there. */
export type BucketHost = Pick<BucketAddress, "endpoint" | "style">;

/** https://docs.aws.amazon.com/general/latest/gr/s3.html: regional, legacy, dual-stack and FIPS names. */
const AWS_S3 = /^s3(?:-fips)?(?:\.dualstack)?(?:[.-][a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com(?:\.cn)?$/;

/**
 * @param location the header of a 307
 * @returns null if it leads elsewhere, or is no address of this bucket
 */
export function hostWithinService(
  endpoint: string,
  bucket: string,
  location: string | null,
): BucketHost | null {
  const from = URL.parse(endpoint);
  const to = URL.parse(location ?? "");
  if (from === null || to === null || to.protocol !== from.protocol || to.port !== from.port) return null;
  if (to.username !== "" || to.password !== "") return null;
  const isVirtual = to.hostname.startsWith(`${bucket}.`);
  const hostname = isVirtual ? to.hostname.slice(bucket.length + 1) : to.hostname;
  if (!isVirtual && to.pathname.split("/")[1] !== bucket) return null;
  if (!isSameService(from.hostname, hostname)) return null;
  const port = to.port === "" ? "" : `:${to.port}`;
  return { endpoint: `${to.protocol}//${hostname}${port}`, style: isVirtual ? "virtual" : "path" };
}

/** Is the second host of the service of the first? */
export function isSameService(from: string, to: string): boolean {
  if (AWS_S3.test(from)) return AWS_S3.test(to);
  if (to === from || to.endsWith(`.${from}`)) return true;
  const domain = from.slice(from.indexOf(".") + 1);
  return isOwnDomain(from, domain) && to.endsWith(`.${domain}`);
}

/** Not the numbers of an address, and not a domain in which anybody has names, such as `com` or `co.uk`. */
function isOwnDomain(host: string, domain: string): boolean {
  const labels = domain.split(".");
  const [second = "", top = ""] = labels.slice(-2);
  const isPublic = labels.length < 2 || (labels.length === 2 && second.length <= 3 && top.length === 2);
  return !isPublic && !/^[\d.]+$|:/.test(host);
}
