// Signs a request for one store, by SigV4, and knows the two points in which stores read the rules otherwise
// than AWS: the canonical path of a key with dot segments, and spaces within the values of headers.
//
// A store that refuses a signature does not say which it expected. Where a request has such a key or value,
// the other readings are tried with a HEAD (request.ts), and what the store accepts is remembered while this
// isolate lives. Losing it costs the same HEADs once more.

import { AwsV4Signer } from "aws4fetch";
import { isDotSegment } from "./url.ts";
import type { Profile } from "../store/profiles.ts";
import type { Store } from "../store/stores.ts";

/** How a store makes the canonical request. */
export interface Signing {
  readonly path: Profile["signedPath"];
  /** AWS makes one space of several. */
  readonly values: "squeezed" | "as sent";
}

const accepted = new Map<string, Signing>();

export function signingOf({ endpoint, profile }: Store): Signing {
  return accepted.get(endpoint) ?? { path: profile.signedPath, values: "squeezed" };
}

/** The store has accepted a signature of this kind. */
export function rememberSigning({ endpoint }: Store, signing: Signing): void {
  accepted.set(endpoint, signing);
}

/** Other ways to sign this request that make a difference to it. */
export function otherSignings(
  store: Store,
  key: string,
  headers: Readonly<Record<string, string>>,
): readonly Signing[] {
  const now = signingOf(store);
  const isTold = store.ownProfile.signedPath !== undefined;
  const paths = hasDotSegment(key) && !isTold ? (["decoded", "raw"] as const) : [now.path];
  const hasSpaces = Object.values(headers).some((value) => /\s{2}/.test(value));
  const values = hasSpaces ? (["squeezed", "as sent"] as const) : [now.values];
  return paths
    .flatMap((path) => values.map((value) => ({ path, values: value })))
    .filter((other) => other.path !== now.path || other.values !== now.values);
}

/** Some stores, and what stands before them, resolve such keys as a path. */
export function hasDotSegment(key: string): boolean {
  return key.split("/").some(isDotSegment);
}

// A signing key is valid for a day; aws4fetch computes four HMACs if it does not find it here.
const signingKeys = new Map<string, ArrayBuffer>();

/** @param request.datetime `20261125T010203Z` @returns the headers to send */
export async function sign(
  store: Store,
  request: { method: string; url: string; headers: Record<string, string>; region: string; datetime: string },
  signing: Signing,
): Promise<Headers> {
  // A public data set is read without a key. What only a signature covers is left out with it.
  if (store.anonymous === true) {
    const { "x-amz-content-sha256": _digest, ...headers } = request.headers;
    return new Headers(headers);
  }
  const signer = new AwsV4Signer({
    ...request,
    accessKeyId: store.accessKeyId,
    secretAccessKey: store.secretAccessKey,
    // Explicit, as the region is: aws4fetch guesses from the host name, wrongly for every store but AWS, R2
    // and B2.
    service: "s3",
    cache: signingKeys,
  });
  // Garage and SeaweedFS canonicalise the path as sent, where %2F is not a slash.
  if (signing.path === "raw") signer.encodedPath = signer.url.pathname;
  if (signing.values === "as sent") {
    signer.canonicalHeaders = signer.signableHeaders
      .map((name) => `${name}:${name === "host" ? signer.url.host : (signer.headers.get(name) ?? "")}`)
      .join("\n");
  }
  return (await signer.sign()).headers;
}
