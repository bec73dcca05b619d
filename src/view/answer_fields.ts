// The fields that answers of the HTTP API share, as schemas.

import { z } from "zod";

export const Time = z.iso.datetime();

export const MaybeTime = Time.nullable();

export const Whole = z.int().min(0);

export const Bytes = Whole.describe("bytes");

export const Id = z
  .string()
  .regex(/^[0-7][0-9a-hjkmnp-tv-z]{25}$/)
  .describe("sorts by time");

export const ObjectRef = z
  .union([
    z.string(),
    z.strictObject({
      store: z.string(),
      bucket: z.string(),
      key: z.string(),
      versionId: z.string().optional(),
    }),
  ])
  .describe("`store:bucket/key`; an object for a version, and for a key at the destination that ends with /");

/** Of a sync. */
export const SyncRate = z.strictObject({
  objectsPerSecond: z.number().nullable(),
  bytesPerSecond: z.number().nullable(),
  etaSeconds: Whole.nullable().describe(
    "null: not all is listed yet, or nothing was copied in the last minute",
  ),
});

const Amounts = z.strictObject({
  usd: z.number().nullable().describe("null: a price is not known"),
  bytes: Bytes,
  requests: Whole,
});

export const BudgetLimits = {
  maxUsd: z.number().optional(),
  maxBytes: Bytes.optional(),
  maxRequests: Whole.optional(),
};

export const Budget = z
  .strictObject({
    ...BudgetLimits,
    spent: Amounts,
    reserved: Amounts.describe("for what is under way, which can spend no more than that"),
  })
  .optional()
  .describe("where the request has one");

export const PauseReason = z
  .literal("budget_reached")
  .optional()
  .describe("paused: it has stopped at its budget");

export const SentTo = z.strictObject({
  requests: z.strictObject({ put: Whole, list: Whole, get: Whole, head: Whole, delete: Whole }),
  bytes: Bytes.describe("of objects, which the store was asked for"),
  retrievalUsd: z.number().optional().describe("of usd: for objects that were brought back from an archive"),
  usd: z.number().nullable().describe("by the prices of the store; null: none is known"),
});

export const Spent = z
  .strictObject({
    source: SentTo,
    destination: SentTo,
    usd: z.number().nullable().describe("of both, where both have prices"),
  })
  .describe("counted where each request is sent");

export const MeshUse = z
  .strictObject({
    objectRequests: Whole,
    objectSeconds: Whole,
    rowsWritten: Whole,
    cpuMs: Whole,
    usd: z.number(),
  })
  .describe("what the mesh itself would use, as a simulation finds it");
