// What work has sent to both stores, as its status shows it. Pure.

import type { z } from "zod";
import type { CopyStatus } from "./answers.ts";
import { type Pace, secondsAt } from "./pace.ts";
import type { Quote } from "./quote_answer.ts";
import { type MeshUse, type Prices, dollarsOf, dollarsPerMonth, meshDollars } from "../store/prices.ts";
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

/** @param expected to be sent, and what comes of it */
export function describeQuote(
  expected: {
    readonly spent: { readonly source: Sent; readonly destination: Sent };
    readonly objects: number;
    readonly storedBytes: number;
    readonly mesh: MeshUse;
    readonly tolerance: number;
    readonly leastSeconds: number | null;
    readonly pace: Pace;
  },
  prices: { readonly source: Prices | null; readonly destination: Prices | null },
): z.infer<typeof Quote> {
  const { spent, objects, storedBytes, mesh, tolerance, leastSeconds, pace } = expected;
  const { destination } = prices;
  return {
    ...describeSpent(spent, prices),
    objects,
    storedBytes,
    storedUsdPerMonth: destination === null ? null : rounded(dollarsPerMonth(storedBytes, destination)),
    mesh: { ...mesh, usd: rounded(meshDollars(mesh)) },
    tolerance,
    leastSeconds,
    seconds: secondsAt(pace, { objects, bytes: storedBytes }, leastSeconds),
  };
}

function describeSent(sent: Sent, prices: Prices | null): CopyStatus["spent"]["source"] {
  const { bytes, retrievalUsd, ...requests } = sent;
  const retrieval = retrievalUsd === undefined ? {} : { retrievalUsd: rounded(retrievalUsd) };
  return { requests, bytes, ...retrieval, usd: prices === null ? null : rounded(dollarsOf(sent, prices)) };
}

/** To a hundredth of the cheapest request. */
function rounded(usd: number): number {
  return Math.round(usd * 1e9) / 1e9;
}
