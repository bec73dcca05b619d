// What work may spend at both of its stores together: dollars, bytes and requests. Pure.

import { z } from "zod";
import { Count, parseSize } from "../http/fields.ts";
import { type Prices, dollarsOf } from "./prices.ts";
import { type Sent, requestsOf } from "./sent.ts";

const MOST_DOLLARS = 1e9;

const DOLLARS_HINT = "must be dollars above 0, such as 2.5";

const Dollars = z.union([z.number(), z.string()], { error: DOLLARS_HINT }).transform((value, context) => {
  const usd = typeof value === "string" && !/^\d+(\.\d+)?$/.test(value) ? Number.NaN : Number(value);
  if (usd > 0 && usd <= MOST_DOLLARS) return usd;
  context.addIssue({ code: "custom", message: `${DOLLARS_HINT}, not ${JSON.stringify(value)}` });
  return z.NEVER;
});

const BYTES_HINT = 'must be bytes above 0, or text with a unit such as "500GB" or "2TiB"';

const SomeBytes = z.union([z.number(), z.string()], { error: BYTES_HINT }).transform((value, context) => {
  const sizeBytes = parseSize(value);
  if (sizeBytes !== null && sizeBytes > 0) return sizeBytes;
  context.addIssue({ code: "custom", message: `${BYTES_HINT}, not ${JSON.stringify(value)}` });
  return z.NEVER;
});

/** The fields of a request for work. `maxBytes`: of objects that are read from either store. */
export const BudgetFields = {
  maxUsd: Dollars.optional(),
  maxBytes: SomeBytes.optional(),
  maxRequests: Count(1e12).optional(),
};

/** The body of `POST …/resume`. */
export const ResumeRequestSchema = z.strictObject(BudgetFields);

/** No field where there is no limit. */
export interface Budget {
  readonly maxUsd?: number;
  readonly maxBytes?: number;
  readonly maxRequests?: number;
}

/** The budget of a request or spec; no field where there is none. */
export function budgetOf({
  maxUsd,
  maxBytes,
  maxRequests,
}: { readonly [Name in keyof Budget]: Budget[Name] | undefined }): Budget {
  return {
    ...(maxUsd === undefined ? {} : { maxUsd }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(maxRequests === undefined ? {} : { maxRequests }),
  };
}

export interface Amounts {
  readonly usd: number;
  readonly bytes: number;
  readonly requests: number;
}

export type SidePrices = Readonly<Record<"source" | "destination", Prices | null>>;

/** What it comes to. Without a price nobody knows the dollars, and nothing covers them. */
export function amountsOf(
  sent: Readonly<Record<"source" | "destination", Sent>>,
  prices: SidePrices,
): Amounts {
  const usdAt = (side: "source" | "destination") => {
    const price = prices[side];
    if (price !== null) return dollarsOf(sent[side], price);
    return requestsOf(sent[side]) + sent[side].bytes === 0 ? 0 : Infinity;
  };
  return {
    usd: usdAt("source") + usdAt("destination"),
    bytes: sent.source.bytes + sent.destination.bytes,
    requests: requestsOf(sent.source) + requestsOf(sent.destination),
  };
}

/** Infinity where there is no limit. @param used spent, reserved and kept back */
export function leftOf({ maxUsd, maxBytes, maxRequests }: Budget, used: readonly Amounts[]): Amounts {
  const left = (most: number | undefined, name: keyof Amounts) =>
    most === undefined ? Infinity : used.reduce((rest, amounts) => rest - amounts[name], most);
  return {
    usd: left(maxUsd, "usd"),
    bytes: left(maxBytes, "bytes"),
    requests: left(maxRequests, "requests"),
  };
}

/** Sums of prices are not exact. */
const ROUNDING_USD = 1e-12;

export function covers(left: Amounts, cost: Amounts): boolean {
  return (
    (left.usd === Infinity || cost.usd <= left.usd + ROUNDING_USD) &&
    cost.bytes <= left.bytes &&
    cost.requests <= left.requests
  );
}

export function minusAmounts(left: Amounts, cost: Amounts): Amounts {
  return {
    usd: left.usd === Infinity ? Infinity : left.usd - cost.usd,
    bytes: left.bytes - cost.bytes,
    requests: left.requests - cost.requests,
  };
}
