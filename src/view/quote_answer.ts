// What an answer shows of what work would cost, as a schema.

import { z } from "zod";
import { Bytes, MeshUse, SentTo, Whole } from "./answer_fields.ts";
import { RestoreQuote } from "./restore_answers.ts";

export const Quote = z
  .strictObject({
    source: SentTo,
    destination: SentTo,
    usd: z.number().nullable().describe("that both stores would ask for it"),
    objects: Whole.describe("to be written"),
    storedBytes: Bytes.describe("at the destination, more or again"),
    storedUsdPerMonth: z.number().nullable(),
    mesh: MeshUse,
    tolerance: z.number().describe("by which fraction the requests may be off, without failures"),
    leastSeconds: Whole.nullable().describe("that the limits leave to it now; null: none of them does"),
    seconds: Whole.nullable().describe("at the pace of work between these two stores; null: there was none"),
    restore: RestoreQuote.optional(),
  })
  .describe("what the work would ask of both stores");
