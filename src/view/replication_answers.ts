// The answers of the HTTP API about replications, as schemas. As answers.ts says: they are strict, and the
// dashboard takes its types from here.

import { z } from "zod";
import { FAILURE_CODES } from "../http/codes.ts";
import { COMPARE_MODES, CUTOVER_REASONS, REPLICATION_PHASES } from "../http/vocabulary.ts";
import { CopyStatus } from "./answers.ts";
import { Bytes, Id, MaybeTime, Time, Whole } from "./answer_fields.ts";

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
  notify: z.array(z.string()).nullable().describe("receivers of webhooks; null: all"),
  startedBy: z.string().nullable(),
  createdAt: Time,
};

const Lag = {
  p50Seconds: z.number().nullable().describe("null: nothing was copied"),
  p99Seconds: z.number().nullable(),
};

export const Replication = z.strictObject({
  ...Listed,
  pending: z.strictObject({
    keys: Whole,
    working: Whole,
    oldestSeconds: Whole.nullable().describe("how long the oldest has waited; null: none waits"),
    repairNeeded: z.boolean().describe("more keys than may wait: a sync will catch up"),
  }),
  lag: z.strictObject(Lag),
  events: z.strictObject({ taken: Whole, ignored: Whole }),
  keys: z.strictObject({
    copied: Whole,
    copiedBytes: Bytes,
    equal: Whole,
    deleted: Whole,
    kept: Whole,
    failed: Whole,
    held: Whole,
    lost: Whole,
  }),
  failures: z.array(
    z.strictObject({ key: z.string(), code: z.enum(FAILURE_CODES), message: z.string(), attempts: Whole }),
  ),
  run: z
    .strictObject({
      kind: z.enum(["sync", "comparison"]),
      id: Id.nullable().describe("null: it is about to begin"),
    })
    .nullable(),
  nextRepairAt: MaybeTime,
  lastRepair: z.strictObject({ comparisonId: z.string(), at: Time, found: Whole }).nullable(),
  cutover: z
    .strictObject({
      state: z.enum(["running", "ready", "not_ready"]),
      at: Time,
      comparisonId: Id.nullable(),
      reasons: z.partialRecord(z.enum(CUTOVER_REASONS), Whole),
      keys: z.array(z.string()),
    })
    .nullable(),
  failure: CopyStatus.shape.failure.unwrap().nullable(),
  timeline: CopyStatus.shape.timeline,
});

export const SteeredReplication = Replication.extend({ changed: z.boolean() });

export const ReplicationLag = z.strictObject({
  series: z
    .array(
      z.strictObject({
        at: Time,
        ...Lag,
        pending: Whole.describe("at most"),
        copied: Whole,
        deleted: Whole,
        failed: Whole,
      }),
    )
    .describe("five minutes each, of the last day"),
});

export const ReplicationList = z.strictObject({
  replications: z.array(z.strictObject(Listed)),
  next: z.null(),
});

export type Replication = z.infer<typeof Replication>;

export type ReplicationLag = z.infer<typeof ReplicationLag>;
