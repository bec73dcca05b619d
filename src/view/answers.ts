// The answers of the HTTP API about work, as schemas: for /openapi.json, and for the tests, which check every
// answer they get against them. They are strict: a field that is missing here fails a test. Those about the
// mesh itself are in mesh_answers.ts.
//
// The mesh does not check its own answers while it runs; where a status is built, its type comes from here.
// The dashboard takes its types from here too, so this imports nothing that needs the types of Workers.

import { z } from "zod";
import { type ProblemCode, FAILURE_CODES, PROBLEM_STATUS } from "../http/codes.ts";
import {
  COMPARE_MODES,
  COPY_PHASES,
  COPY_REASONS,
  DELETE_REASON,
  DELETE_RULES,
  EQUALITY_PROOFS,
  KEY_ACTIONS,
  PROOFS,
  SKIP_REASONS,
  SYNC_PHASES,
} from "../http/vocabulary.ts";
import { LOCATIONS } from "../store/location.ts";
import {
  Budget,
  BudgetLimits,
  Bytes,
  Id,
  MaybeTime,
  ObjectRef,
  PauseReason,
  Spent,
  SyncRate,
  Time,
  Whole,
} from "./answer_fields.ts";
import { Quote } from "./quote_answer.ts";
import { IfArchivedAnswer, RestoredAnswer, RestoredLine, RestoresAnswer } from "./restore_answers.ts";

const StartedBy = z.string().nullable().describe("the name of a token, or an address");

const CopyPhase = z.enum(COPY_PHASES);

const SyncPhase = z.enum(SYNC_PHASES);

const Prefix = z.strictObject({ store: z.string(), bucket: z.string(), prefix: z.string() });

const Failure = z.strictObject({
  code: z.enum(FAILURE_CODES).describe("stable; docs/trouble explains it"),
  message: z.string().describe("for people, with the store's own words"),
  operation: z.string().describe("the S3 operation"),
  status: z.int().nullable(),
  requestId: z.string().nullable(),
  storeCode: z.string().optional().describe("the store's own code, or the mesh's word for its answer"),
});

const TimelineEntry = z.strictObject({ at: Time, event: z.string(), detail: z.string().optional() });

const Orphan = z.strictObject({
  kind: z.enum(["upload", "possible_upload", "possible_object"]),
  uploadId: z.string().optional(),
  since: Time,
  failedAttempts: Whole,
  nextTryAt: MaybeTime,
  failure: Failure,
});

/** A copy or sync that is admitted and whose object does not answer yet. */
export const Admitted = z.strictObject({ id: Id, phase: z.literal("admitted") });

const Pace = z.strictObject({
  streams: Whole.describe(
    "transfers that may run at once: what the request, both stores and their caps allow",
  ),
  throttledBy: z
    .array(z.enum(["source", "destination"]))
    .describe("stores that have recently asked for fewer requests"),
  bytesPerSecond: Whole.nullable().describe("that the limits leave to it now; null: none of them does"),
  heldBy: z.array(z.string()).describe("the limit that this comes from, such as `source.maxBytesPerSecond`"),
});

const Windows = z.array(z.looseObject({})).describe("by the hours of the week");

const Attributes = z.strictObject({
  contentType: z.string().optional(),
  contentEncoding: z.string().optional(),
  contentDisposition: z.string().optional(),
  contentLanguage: z.string().optional(),
  cacheControl: z.string().optional(),
  expires: z.string().optional(),
  websiteRedirect: z.string().optional(),
  meta: z.record(z.string(), z.string()).optional(),
});

const CopyOptions = z
  .strictObject({
    partSize: z
      .union([Bytes, z.literal("source")])
      .nullable()
      .describe("null: chosen by the mesh; source: the parts that the source was uploaded in"),
    verify: z.enum(["auto", "strict", "off"]),
    ifExists: z.enum(["overwrite", "skip", "fail"]),
    ifBusy: z.enum(["fail", "queue"]),
    ifSourceChanges: z.enum(["fail", "restart"]),
    metadata: z.enum(["preserve", "replace"]),
    attributes: Attributes,
    storageClass: z.string().nullable().describe("null: the source's"),
    tags: z.union([z.enum(["preserve", "require", "none"]), z.record(z.string(), z.string())]),
    ifLossy: z.enum(["warn", "fail"]),
    markCopy: z.boolean(),
    via: z.enum(["auto", "stream"]),
    asOf: Time.optional().describe("its version is in `source` once it is found"),
    ifArchived: IfArchivedAnswer.optional(),
    maxBytesPerSecond: Bytes.optional(),
    limits: Windows.optional(),
    ...BudgetLimits,
    location: z.enum(LOCATIONS).nullable().describe("null: that of the destination store"),
  })
  .describe("the request with its defaults; every value but null can be sent again");

export const CopyStatus = z.strictObject({
  id: Id,
  phase: CopyPhase,
  resumesIn: CopyPhase.optional().describe("paused, blocked: the phase it will continue with"),
  reason: PauseReason,
  queuedBehind: Id.optional(),
  source: ObjectRef,
  destination: ObjectRef,
  size: Bytes.nullable(),
  partSize: Bytes.nullable().describe("of unequal parts, the longest"),
  parts: z.strictObject({
    total: Whole.nullable(),
    done: Whole,
    inFlight: Whole,
    failedAttempts: Whole,
  }),
  bytes: z.strictObject({ done: Bytes, total: Bytes.nullable() }),
  rate: z.strictObject({ bytesPerSecond: Whole.nullable(), etaSeconds: Whole.nullable() }),
  lanes: Whole,
  concurrency: Whole,
  location: z.enum(LOCATIONS).nullable(),
  pace: Pace.optional(),
  attempts: Whole,
  spent: Spent,
  budget: Budget,
  via: z.enum(["stream", "server"]).nullable(),
  proof: z.enum(PROOFS).optional(),
  etag: z.string().optional(),
  skipped: z.literal(true).optional().describe("the destination had this key, or `skippedBy` says why"),
  skippedBy: z.literal("archived").optional(),
  restored: RestoredAnswer.optional(),
  warnings: z.array(z.string()),
  orphans: z.array(Orphan).optional(),
  failure: Failure.optional(),
  options: CopyOptions,
  startedBy: StartedBy,
  createdAt: Time,
  startedAt: MaybeTime,
  endedAt: MaybeTime,
  timeline: z.array(TimelineEntry),
});

const Changed = z.boolean().describe("false: the call had no effect, because it has ended or is so already");

/** The answer to pause, resume and cancel. */
export const SteeredCopy = CopyStatus.extend({ changed: Changed });

export type CopyStatus = z.infer<typeof CopyStatus>;

export const PartsPage = z.strictObject({
  parts: z.array(
    z.strictObject({
      partNumber: z.int().min(1).max(10_000),
      offset: Bytes,
      length: Bytes,
      state: z.enum(["pending", "inFlight", "done"]),
      attempt: Whole,
      failedAttempts: Whole,
      lane: Whole.nullable(),
      etag: z.string().nullable(),
      durationMs: Whole.nullable(),
      doneAt: MaybeTime,
    }),
  ),
  next: z.string().nullable(),
});

export type PartsPage = z.infer<typeof PartsPage>;

const Sums = z.strictObject({
  listed: Whole,
  copied: Whole,
  skipped: Whole,
  failed: Whole,
  wouldCopy: Whole,
});

export const SyncStatus = z.strictObject({
  id: Id,
  phase: SyncPhase,
  resumesIn: SyncPhase.optional(),
  reason: PauseReason,
  source: z.string(),
  destination: z.string(),
  location: z.enum(LOCATIONS).nullable(),
  dryRun: z.boolean(),
  repairs: Id.optional().describe("the comparison whose unequal keys it copies"),
  objects: Sums.extend({ underWay: z.int() }).describe("each listed key is in exactly one of the others"),
  bytes: Sums,
  skippedBy: z.partialRecord(z.enum(SKIP_REASONS), Whole),
  deletes: z.strictObject({
    destinationObjects: Whole,
    extra: Whole,
    deleted: Whole,
    failed: Whole,
    refused: z
      .boolean()
      .describe("the rules forbid it; a warning says why. In a dry run: they would forbid it"),
    refusedBy: z.enum(DELETE_RULES).optional(),
    wouldDelete: Whole.optional(),
  }),
  rate: SyncRate,
  spent: Spent,
  budget: Budget,
  quote: Quote.optional().describe("of a dry run: what the sync would send"),
  restores: RestoresAnswer.optional(),
  inFlight: z.strictObject({ batches: Whole, largeRunning: Whole, largeWaiting: Whole }),
  pace: Pace.extend({
    requestsPerSecond: Whole.nullable().describe(
      "what the stores are known to accept; null: neither has asked for less",
    ),
  }).optional(),
  failures: z
    .array(
      z.strictObject({ key: z.string(), code: z.enum(FAILURE_CODES), message: z.string(), attempts: Whole }),
    )
    .describe("the first of them; the report has all"),
  warnings: z.array(z.string()),
  failure: Failure.optional(),
  report: z.strictObject({
    path: z.string(),
    storedAt: z.string().nullable().describe("null: the run keeps its report in its own storage"),
    parts: Whole,
    bytes: Bytes,
    keptBytes: Bytes.describe("compressed, in the run's own storage"),
    maxKeptBytes: Bytes.describe("beyond it only failed keys are listed, unless `report` names a place"),
  }),
  options: z.looseObject({
    compare: z.enum(COMPARE_MODES),
    delete: z.boolean(),
    maxDeletes: z.string(),
    report: Prefix.nullable(),
  }),
  startedBy: StartedBy,
  createdAt: Time,
  startedAt: MaybeTime,
  endedAt: MaybeTime,
  timeline: z.array(TimelineEntry),
});

/** The answer to pause, resume, cancel and retry. */
export const SteeredSync = SyncStatus.extend({ changed: Changed });

export type SyncStatus = z.infer<typeof SyncStatus>;

/** A line of a sync's report. */
export const ReportLine = z.strictObject({
  key: z.string(),
  to: z.string().optional(),
  versionId: z.string().optional().describe("of the source, where it need not be the current one"),
  deleteMarker: z.literal(true).optional().describe("the version is the marker of a deletion"),
  action: z.enum(KEY_ACTIONS),
  reason: z
    .enum([...FAILURE_CODES, ...SKIP_REASONS, ...COPY_REASONS, DELETE_REASON])
    .optional()
    .describe("every action but `copied` has one"),
  message: z.string().optional(),
  size: Bytes,
  bytes: Bytes.optional(),
  proof: z.enum([...PROOFS, ...EQUALITY_PROOFS]).optional(),
  etag: z.string().nullable().optional(),
  attempts: Whole.optional(),
  warnings: z.array(z.string()).optional(),
  restored: RestoredLine.optional(),
  archived: z.string().optional().describe("would_copy: the class from which it would be restored first"),
});

const Run = z.strictObject({
  dueAt: Time,
  outcome: z.enum(["started", "skipped", "queued", "refused"]),
  startedAt: MaybeTime,
  copyId: Id.nullable(),
  syncId: Id.nullable(),
  comparisonId: Id.nullable(),
  phase: z.string().nullable(),
  endedAt: MaybeTime,
  detail: z.string().nullable(),
});

export const Schedule = z.strictObject({
  name: z.string(),
  cron: z.string(),
  timezone: z.string(),
  enabled: z.boolean(),
  overlap: z.enum(["skip", "queue"]),
  copy: z.looseObject({ source: ObjectRef, destination: ObjectRef }).optional(),
  sync: z.looseObject({ source: z.string(), destination: z.string() }).optional(),
  comparison: z.looseObject({ source: z.string(), destination: z.string() }).optional(),
  startedBy: StartedBy,
  createdAt: Time,
  nextRunAt: MaybeTime,
  lastRun: Run.nullable(),
  runs: z.array(Run),
});

export const ScheduleList = z.strictObject({
  schedules: z.array(Schedule),
  next: z.string().nullable().describe("the cursor of the next page"),
});

export const QueuedRun = z.strictObject({ schedule: z.string(), run: Run });

const PROBLEM_CODES = Object.keys(PROBLEM_STATUS) as ProblemCode[];

/** RFC 9457. */
export const ProblemBody = z.strictObject({
  type: z
    .string()
    .regex(/^\/docs\/api#code-[a-z_]+$/)
    .describe("the page that explains the code"),
  title: z.string(),
  status: z.int(),
  code: z.enum(PROBLEM_CODES).describe("stable"),
  detail: z.string().describe("for people: the value, what is allowed, what to do"),
  id: Id.optional().describe("of a result: the copy or sync"),
  phase: z.union([CopyPhase, SyncPhase]).optional().describe("of a result"),
  failure: Failure.optional().describe("of a result, of a quote"),
});

/** The answer to pause, resume and cancel of many. */
export const SteeredMany = z.strictObject({
  changed: z.array(Id),
  unchanged: z.array(Id).describe("the call had no effect"),
  failed: z.array(z.strictObject({ id: Id, code: z.enum(PROBLEM_CODES), detail: z.string() })),
  next: Id.nullable().describe("the cursor with which the call goes on"),
});
