// What stores ask for requests and bytes: list prices, and the user's own in `prices` of a store's secret.
// Pure.
//
// List prices in US dollars of 2026-11, without tax, free tiers and discounts of volume:
// - aws: S3 Standard in us-east-1, data out to the internet up to 10 TB: https://aws.amazon.com/s3/pricing/
// - r2: Standard: https://developers.cloudflare.com/r2/pricing/
// - gcs: Standard in us-east1, flat namespace, data out up to 1 TB:
//   https://cloud.google.com/storage/pricing and https://cloud.google.com/storage/pricing-examples
// - b2: https://www.backblaze.com/cloud-storage/transaction-pricing, where a CopyObject is a list's price
//   (class C), which `put` does not have; data out beyond what is free, three times what is stored
// - wasabi: 7.99 dollars for 1,024 GB since 2026-07-01: https://wasabi.com/pricing; no price of their own for
//   requests and data out, within fair use
//
// A GB is 10^9 bytes here. Who counts 2^30 bytes for one (AWS, Google, Wasabi) asks 7 % less for bytes.

import { z } from "zod";
import type { Provider } from "./profiles.ts";
import { type Sent, REQUEST_KINDS } from "./sent.ts";

const GB = 1e9;

/** More than any list has; a price in another unit is larger. */
const dollars = z.number().min(0).max(100);

/** Requests in dollars per 1,000, as price lists have them. */
export const PricesSchema = z.strictObject({
  put: dollars.optional(),
  list: dollars.optional(),
  get: dollars.optional(),
  head: dollars.optional(),
  delete: dollars.optional(),
  egressPerGb: dollars.optional(),
  storedPerGbMonth: dollars.optional(),
});

export type Prices = { readonly [Name in keyof z.infer<typeof PricesSchema>]-?: number };

const FREE: Prices = { put: 0, list: 0, get: 0, head: 0, delete: 0, egressPerGb: 0, storedPerGbMonth: 0 };

const tiers = (a: number, b: number) => ({ ...FREE, put: a, list: a, get: b, head: b });

const LIST_PRICES: Readonly<Partial<Record<Provider, Prices>>> = {
  aws: { ...tiers(0.005, 0.0004), egressPerGb: 0.09, storedPerGbMonth: 0.023 },
  r2: { ...tiers(0.0045, 0.00036), storedPerGbMonth: 0.015 },
  gcs: { ...tiers(0.005, 0.0004), egressPerGb: 0.12, storedPerGbMonth: 0.02 },
  b2: { ...tiers(0, 0.0004), list: 0.004, egressPerGb: 0.01, storedPerGbMonth: 0.006 },
  wasabi: { ...FREE, storedPerGbMonth: 0.0078 },
};

/**
 * @param own of the store's secret: each overrides the list's
 * @returns null: no price of it is known
 */
export function pricesOf(provider: Provider, own: z.infer<typeof PricesSchema> | undefined): Prices | null {
  const listed = LIST_PRICES[provider];
  if (listed === undefined && own === undefined) return null;
  const { put, list, get, head, delete: deletes, egressPerGb, storedPerGbMonth } = own ?? {};
  const base = listed ?? FREE;
  return {
    put: put ?? base.put,
    list: list ?? base.list,
    get: get ?? base.get,
    head: head ?? base.head,
    delete: deletes ?? base.delete,
    egressPerGb: egressPerGb ?? base.egressPerGb,
    storedPerGbMonth: storedPerGbMonth ?? base.storedPerGbMonth,
  };
}

/** What a store asks for it, in dollars. What is stored is paid for by the month, and is not in it. */
export function dollarsOf(sent: Sent, prices: Prices): number {
  const requests = REQUEST_KINDS.reduce((sum, kind) => sum + (sent[kind] * prices[kind]) / 1_000, 0);
  return requests + (sent.bytes / GB) * prices.egressPerGb + (sent.retrievalUsd ?? 0);
}

/** A month of that many bytes, in dollars. */
export function dollarsPerMonth(storedBytes: number, prices: Prices): number {
  return (storedBytes / GB) * prices.storedPerGbMonth;
}

/**
 * What Cloudflare asks for the mesh itself, in dollars per million, beyond what the plan includes
 * (https://developers.cloudflare.com/workers/platform/pricing/ and
 * https://developers.cloudflare.com/durable-objects/platform/pricing/, 2026-11).
 */
const MESH_PRICES = { objectRequests: 0.15, objectGbSeconds: 12.5, rows: 1, cpuMs: 0.02 };

const OBJECT_GB = 0.128;

export interface MeshUse {
  /** To Durable Objects. */
  readonly objectRequests: number;
  /** Seconds that Durable Objects were in memory, all together. */
  readonly objectSeconds: number;
  readonly rowsWritten: number;
  readonly cpuMs: number;
}

export function meshDollars({ objectRequests, objectSeconds, rowsWritten, cpuMs }: MeshUse): number {
  return (
    (objectRequests * MESH_PRICES.objectRequests +
      objectSeconds * OBJECT_GB * MESH_PRICES.objectGbSeconds +
      rowsWritten * MESH_PRICES.rows +
      cpuMs * MESH_PRICES.cpuMs) /
    1e6
  );
}
