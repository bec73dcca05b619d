// The answers of the HTTP API about replications, as schemas. As answers.ts says: they are strict, and the
// dashboard takes its types from here.

import { z } from "zod";
import { COMPARE_MODES, REPLICATION_PHASES } from "../http/vocabulary.ts";
import { Id, Time, Whole } from "./answer_fields.ts";

const Listed = {
  name: z.string(),
  id: Id,
  phase: z.enum(REPLICATION_PHASES),
  source: z.string(),
  destination: z.string(),
  deletes: z.boolean(),
  maxDeletes: z.string().optional(),
  allowEmptySource: z.boolean(),
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  compare: z.enum(COMPARE_MODES),
  repair: z.string().describe('cron, or "off"'),
  timezone: z.string(),
  maxPending: Whole,
  startedBy: z.string().nullable(),
  createdAt: Time,
};

export const Replication = z.strictObject({
  ...Listed,
  pending: z.strictObject({
    keys: Whole,
    working: Whole,
    oldestSeconds: Whole.nullable().describe("how long the oldest has waited; null: none waits"),
  }),
  events: z.strictObject({ taken: Whole, ignored: Whole }),
});

export const ReplicationList = z.strictObject({
  replications: z.array(z.strictObject(Listed)),
  next: z.null(),
});

export type Replication = z.infer<typeof Replication>;
