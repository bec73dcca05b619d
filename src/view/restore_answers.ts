// What answers show of archived objects and their restore, as schemas.

import { z } from "zod";
import { RETRIEVAL_TIERS } from "../http/vocabulary.ts";
import { Bytes, MaybeTime, Time, Whole } from "./answer_fields.ts";

const Tier = z.enum(RETRIEVAL_TIERS);

export const IfArchivedAnswer = z.union([
  z.enum(["fail", "skip"]),
  z.strictObject({ restore: Tier, days: Whole }),
]);

export const RestoredAnswer = z
  .strictObject({
    storageClass: z.string(),
    tier: Tier,
    asks: Whole.describe("how often the copy has had it restored"),
    askedAt: MaybeTime.describe("null: somebody else has asked"),
    readableAt: MaybeTime.describe("null: it cannot be read yet"),
    until: MaybeTime.describe(
      "the restored copy can be read so long; null: for good, or the store does not say",
    ),
    nextLookAt: Time.optional(),
  })
  .describe("an archived source whose store restores it for the copy, or has");

export const RestoresAnswer = z
  .strictObject({
    asked: Whole.describe("archived keys that were taken in to be restored"),
    readable: Whole.describe("of these, those that could be read then"),
    waiting: Whole,
    most: Whole.describe("maxRestores"),
    nextLookAt: MaybeTime,
  })
  .describe("of a sync that restores archived keys");

/** Of a line of a report. */
export const RestoredLine = z.strictObject({ tier: Tier, until: MaybeTime });

export const RestoreQuote = z
  .strictObject({
    objects: Whole,
    bytes: Bytes,
    usd: z
      .number()
      .nullable()
      .describe("for the retrieval and the restored copies, in `usd` of the quote too"),
  })
  .describe("of archived objects that would be restored first");
