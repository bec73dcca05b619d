// What the restore of archived objects adds to a quote: requests to the source, and what its store asks for
// the retrieval. Pure.

import type { RetrievalTier } from "../http/vocabulary.ts";
import type { restoreWish } from "../object/archive.ts";
import { type ByClass, restoreDollars } from "../store/restore_prices.ts";
import { NOTHING_SENT } from "../store/sent.ts";
import { type Store, pricesAt } from "../store/stores.ts";
import { looksWithin } from "./looks.ts";
import { type Spent, NOTHING_SPENT } from "./spent.ts";

type Wish = NonNullable<ReturnType<typeof restoreWish>>;

const HOUR_MS = 3_600_000;

/**
 * How long a restore takes at most, usually
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html, 2026-11).
 */
const TAKES_HOURS: Readonly<Record<"DEEP_ARCHIVE" | "others", Readonly<Record<RetrievalTier, number>>>> = {
  DEEP_ARCHIVE: { Bulk: 48, Standard: 12, Expedited: 12 },
  others: { Bulk: 12, Standard: 5, Expedited: 0.1 },
};

/** Each is asked for once, after one look, and looked at until it can be read. */
export function sentForRestores(byClass: ByClass, { restore: tier }: Wish): Spent {
  let put = 0;
  let head = 0;
  for (const [storageClass, { objects }] of Object.entries(byClass)) {
    const takes = TAKES_HOURS[storageClass === "DEEP_ARCHIVE" ? "DEEP_ARCHIVE" : "others"][tier];
    put += objects;
    head += objects * (1 + looksWithin(takes * HOUR_MS));
  }
  return { ...NOTHING_SPENT, source: { ...NOTHING_SENT, put, head } };
}

/**
 * What the store asks for one object. Where a class has not the tier that is nothing: the restore is refused.
 */
export function retrievalUsd(
  store: Store,
  { storageClass, sizeBytes }: { readonly storageClass: string; readonly sizeBytes: number },
  wish: Wish,
): number {
  const { source: prices } = pricesAt({ source: store, destination: store });
  const byClass = { [storageClass]: { objects: 1, bytes: sizeBytes } };
  return restoreDollars(byClass, wish, { provider: store.provider, prices }) ?? 0;
}

/** Of what no price of a restore is known, dollars cannot be limited. */
export function knowsRestorePrices({ provider }: Pick<Store, "provider">): boolean {
  return provider === "aws";
}

interface RestoreQuote {
  readonly objects: number;
  readonly bytes: number;
  readonly usd: number | null;
}

/** The quote, with what is to be restored for it; as it was if nothing is. */
export function withRestores<Quote extends { readonly usd: number | null }>(
  quote: Quote,
  byClass: ByClass,
  wish: Wish | null,
  source: Store,
): Quote & { readonly restore?: RestoreQuote } {
  const sums = Object.values(byClass);
  if (wish === null || sums.length === 0) return quote;
  const prices = pricesAt({ source, destination: source }).source;
  const dollars = restoreDollars(byClass, wish, { provider: source.provider, prices });
  const usd = dollars === null ? null : rounded(dollars);
  return {
    ...quote,
    usd: quote.usd === null || usd === null ? null : rounded(quote.usd + usd),
    restore: {
      objects: sums.reduce((sum, { objects }) => sum + objects, 0),
      bytes: sums.reduce((sum, { bytes }) => sum + bytes, 0),
      usd,
    },
  };
}

function rounded(usd: number): number {
  return Math.round(usd * 1e9) / 1e9;
}
