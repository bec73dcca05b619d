// Are two buckets one bucket, though their stores have two names and perhaps two endpoints? Pure.
//
// What can be known from the configuration is known here: scheme, port and case do not tell endpoints apart, every
// endpoint of AWS leads to the one namespace of bucket names, and loopback has many names. An alias that only DNS knows
// is not recognised.

import { type Store, isLoopback } from "./stores.ts";

/** Equal texts are one bucket. */
export function placeOf(store: Store, bucket: string): string {
  const { hostname, port, pathname } = new URL(store.endpoint);
  const host = hostname.replace(/\.$/, "");
  const aws = /\.amazonaws\.com(\.cn)?$/.exec(host);
  if (aws !== null) return `aws${aws[1] ?? ""}/${bucket}`;
  const service = isLoopback(host) ? "loopback" : host;
  const door = ["", "80", "443"].includes(port) ? "" : `:${port}`;
  return `${service}${door}${pathname === "/" ? "" : pathname}/${bucket}`;
}

/** Is one of two prefixes of the same bucket inside the other, or are they equal? A prefix is a string, not a folder. */
export function overlap(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}
