// What a store asks for the restore of archived objects: for each request and each GB, by class and tier, and
// for the restored copies while they are there. Pure.
//
// AWS's list prices in US dollars of 2026-11 in us-east-1, without tax: https://aws.amazon.com/s3/pricing/,
// and the calculation of https://repost.aws/knowledge-center/s3-manage-data-retrieval. No other provider's
// are known here.

import type { Prices } from "./prices.ts";
import type { Provider } from "./profiles.ts";
import type { RetrievalTier } from "../http/vocabulary.ts";

const GB = 1e9;

const DAYS_A_MONTH = 30;

/** Requests in dollars per 1,000. Null: the class does not have the tier. */
type ByTier = Readonly<Record<RetrievalTier, { readonly per1000: number; readonly perGb: number } | null>>;

const FREE = { per1000: 0, perGb: 0 };

const EXPEDITED = { per1000: 10, perGb: 0.03 };

const AWS: Readonly<Record<string, ByTier>> = {
  GLACIER: { Bulk: FREE, Standard: { per1000: 0.05, perGb: 0.01 }, Expedited: EXPEDITED },
  DEEP_ARCHIVE: {
    Bulk: { per1000: 0.025, perGb: 0.0025 },
    Standard: { per1000: 0.1, perGb: 0.02 },
    Expedited: null,
  },
  INTELLIGENT_TIERING: { Bulk: FREE, Standard: FREE, Expedited: EXPEDITED },
};

/** An object of this class is moved back, and nothing is there twice. */
const MOVES_BACK = "INTELLIGENT_TIERING";

/** Objects and their bytes by storage class. */
export type ByClass = Readonly<Record<string, { readonly objects: number; readonly bytes: number }>>;

/** @returns null: the price of one of the classes is not known */
export function restoreDollars(
  byClass: ByClass,
  { restore: tier, days }: { readonly restore: RetrievalTier; readonly days: number },
  { provider, prices }: { readonly provider: Provider; readonly prices: Prices | null },
): number | null {
  if (provider !== "aws" || prices === null) return null;
  let sum = 0;
  for (const [storageClass, { objects, bytes }] of Object.entries(byClass)) {
    const price = AWS[storageClass]?.[tier];
    if (price === undefined || price === null) return null;
    const copied = storageClass === MOVES_BACK ? 0 : (days / DAYS_A_MONTH) * prices.storedPerGbMonth;
    sum += (objects / 1_000) * price.per1000 + (bytes / GB) * (price.perGb + copied);
  }
  return sum;
}
