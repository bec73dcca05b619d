// What senders of events are answered, as schemas. As answers.ts says: they are strict.

import { z } from "zod";
import { Time, Whole } from "./answer_fields.ts";

const Counts = {
  taken: Whole.describe("keys that will be looked at"),
  ignored: Whole.describe("keys of another bucket, outside the source's prefix, or left out by a filter"),
};

const Idle = Whole.describe("events by which no key has changed: tests, reads, confirmations");

export const EventsTaken = z.strictObject({ ...Counts, idle: Idle });

export const BucketEventsTaken = z.strictObject({
  replications: z.array(z.strictObject({ name: z.string(), ...Counts })),
  ignored: Whole.describe("keys that no replication copies"),
  idle: Idle,
});

export const EventSecret = z.strictObject({
  secret: z.string().describe("shown this once"),
  url: z.string().describe("where a sender that knows only an address sends to"),
  formerUntil: Time.nullable().describe("until when the secret before it is good; null: there was none"),
});
