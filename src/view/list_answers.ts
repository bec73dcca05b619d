// The answers of the HTTP API that show many things at once, as schemas: the lists of work, the overview. As
// answers.ts, which has the status of one copy or sync, says: they are strict, and the dashboard takes its
// types from here.

import { z } from "zod";
import { FAILURE_CODES } from "../http/codes.ts";
import { COMPARISON_PHASES, COPY_PHASES, RIGHTS, SYNC_PHASES } from "../http/vocabulary.ts";
import { Bytes, Id, MaybeTime, ObjectRef, SyncRate, Time, Whole } from "./answer_fields.ts";
import { ComparisonStatus } from "./comparison_answers.ts";

const Listed = {
  id: Id,
  source: ObjectRef,
  destination: ObjectRef,
  schedule: z.string().nullable(),
  startedBy: z.string().nullable(),
  createdAt: Time,
  endedAt: MaybeTime,
  failure: z
    .strictObject({ code: z.enum(FAILURE_CODES), message: z.string().describe("its beginning") })
    .nullable()
    .describe("why it has failed or waits"),
};

const REPORTED = "as last reported, up to 30 s ago; null: it has not reported yet";

const CopyRow = z.strictObject({
  ...Listed,
  phase: z.enum(COPY_PHASES),
  orphans: Whole,
  bytes: z.strictObject({ done: Bytes, total: Bytes.nullable() }).nullable().describe(REPORTED),
  rate: z
    .strictObject({ bytesPerSecond: Whole.nullable(), etaSeconds: Whole.nullable() })
    .nullable()
    .describe(REPORTED),
});

const SyncRow = z.strictObject({
  ...Listed,
  source: z.string(),
  destination: z.string(),
  phase: z.enum(SYNC_PHASES),
  dryRun: z.boolean(),
  objects: z.strictObject({ listed: Whole, underWay: z.int(), failed: Whole }).nullable().describe(REPORTED),
  bytes: z.strictObject({ listed: Bytes, copied: Bytes }).nullable().describe(REPORTED),
  // Absent in what version 0.1.0 has reported.
  rate: SyncRate.partial({ etaSeconds: true }).nullable().describe(REPORTED),
});

const ComparisonRow = z.strictObject({
  ...Listed,
  phase: z.enum(COMPARISON_PHASES),
  deep: z.boolean(),
  keys: ComparisonStatus.shape.keys.nullable().describe(REPORTED),
  bytes: z.strictObject({ listed: Bytes }).nullable().describe(REPORTED),
  rate: ComparisonStatus.shape.rate.nullable().describe(REPORTED),
});

const Next = Id.nullable().describe("the cursor of the next page");

export const CopyList = z.strictObject({ copies: z.array(CopyRow), next: Next });

export const SyncList = z.strictObject({ syncs: z.array(SyncRow), next: Next });

export const ComparisonList = z.strictObject({ comparisons: z.array(ComparisonRow), next: Next });

const Count = z.strictObject({
  count: Whole,
  more: z.boolean().describe("there are more than were counted"),
});

export const Overview = z.strictObject({
  at: Time,
  version: z.string().describe("of the mesh that answers"),
  needsYou: Count.extend({
    work: z
      .array(
        z.strictObject({
          kind: z.enum(["copy", "sync", "comparison"]),
          phase: z.enum(["blocked", "failed", "finished_with_errors", "different", "inconclusive"]),
          code: z.enum(FAILURE_CODES).nullable(),
          store: z.string().nullable().describe("whose answer it is"),
          count: Whole,
          newest: z.strictObject({ id: Id, source: ObjectRef, destination: ObjectRef }),
          message: z.string().nullable().describe("of the newest"),
        }),
      )
      .describe("what is blocked, and what has failed within a day: one row for each reason and store"),
    stores: z
      .array(
        z.strictObject({
          name: z.string(),
          bucket: z.string().nullable(),
          as: z.enum(["source", "destination"]).nullable(),
          problem: z.string(),
          checkedAt: MaybeTime,
        }),
      )
      .describe("what is misconfigured, and what failed its last check"),
    schedules: z
      .array(
        z.strictObject({
          name: z.string(),
          dueAt: Time,
          outcome: z.enum(["started", "skipped", "queued", "refused"]),
          phase: z.string().nullable(),
          copyId: Id.nullable(),
          syncId: Id.nullable(),
          comparisonId: Id.nullable(),
          detail: z.string().nullable(),
        }),
      )
      .describe("those whose last run did not start or did not end well"),
    replications: z
      .array(z.strictObject({ name: z.string(), source: z.string(), destination: z.string() }))
      .describe("those that are blocked"),
    webhooks: z
      .strictObject({ waiting: Whole.describe("after a failed attempt"), givenUp: Whole })
      .nullable()
      .describe("of the last 100 of either; null: for who does not see all of the mesh"),
    orphans: Whole.describe("copies that may have left something at a destination"),
  }),
  running: Count.extend({
    work: z
      .array(
        z.discriminatedUnion("kind", [
          CopyRow.extend({ kind: z.literal("copy") }),
          SyncRow.extend({ kind: z.literal("sync") }),
          ComparisonRow.extend({ kind: z.literal("comparison") }),
        ]),
      )
      .describe("the newest of them"),
  }),
  waiting: Count.describe("queued, paused or not begun"),
  nextRuns: z.array(z.strictObject({ name: z.string(), at: Time })).describe("the next ten"),
});

export type Overview = z.infer<typeof Overview>;

export const Me = z.strictObject({
  name: z.string().describe("of the token, or an address"),
  grants: z.array(
    z.strictObject({
      may: z.array(z.enum(RIGHTS)),
      source: z.array(z.string()).nullable().describe("the places that may be read; null: all"),
      destination: z.array(z.string()).nullable().describe("the places that may be written; null: all"),
    }),
  ),
});

export const DueTimes = z.strictObject({ next: z.array(Time).describe("the next three") });

/** Of a sync. */
export const SyncRates = z.strictObject({
  samples: z
    .array(z.strictObject({ at: Time, objectsPerSecond: z.number(), bytesPerSecond: Whole }))
    .describe("over the whole sync, at most 120, each since the one before"),
});

/** Of a copy that has moved something. */
export const Rates = z.strictObject({
  samples: z
    .array(z.strictObject({ at: Time, bytesPerSecond: Whole }))
    .describe("over the whole copy, at most 120, each since the one before"),
});
