// What work has sent to both stores, as its status shows it. Pure.

import type { CopyStatus } from "./answers.ts";
import { type Prices, dollarsOf } from "../store/prices.ts";
import type { Sent } from "../store/sent.ts";

/** @param prices null: none are known */
export function describeSpent(
  spent: { readonly source: Sent; readonly destination: Sent },
  prices: { readonly source: Prices | null; readonly destination: Prices | null },
): CopyStatus["spent"] {
  const source = describeSent(spent.source, prices.source);
  const destination = describeSent(spent.destination, prices.destination);
  const usd = source.usd === null || destination.usd === null ? null : rounded(source.usd + destination.usd);
  return { source, destination, usd };
}

function describeSent(sent: Sent, prices: Prices | null): CopyStatus["spent"]["source"] {
  const { bytes, ...requests } = sent;
  return { requests, bytes, usd: prices === null ? null : rounded(dollarsOf(sent, prices)) };
}

/** To a hundredth of the cheapest request. */
function rounded(usd: number): number {
  return Math.round(usd * 1e9) / 1e9;
}
