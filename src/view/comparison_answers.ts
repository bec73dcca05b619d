// The answers of the HTTP API about comparisons, as schemas. As answers.ts says: they are strict, and the
// dashboard takes its types from here.

import { z } from "zod";
import { FAILURE_CODES } from "../http/codes.ts";
import {
  COMPARE_MODES,
  COMPARISON_PHASES,
  COMPARISON_PROOFS,
  DIFFERENCES,
  DOUBTS,
  OUTCOMES,
} from "../http/vocabulary.ts";
import { Bytes, Id, MaybeTime, Time, Whole } from "./answer_fields.ts";
import { SteeredSync, SyncStatus } from "./answers.ts";
import { Quote } from "./quote_answer.ts";

const {
  reason,
  spent,
  budget,
  location,
  pace,
  failures,
  failure,
  skippedBy,
  startedBy,
  timeline,
  warnings,
  report,
} = SyncStatus.shape;

const ComparisonPhase = z.enum(COMPARISON_PHASES);

const Sums = z.strictObject({
  listed: Whole.describe("names that either side has"),
  equal: Whole,
  different: Whole,
  unknown: Whole.describe("both sides have it, and nothing that can be compared decides"),
  missing: Whole.describe("only the source has it"),
  extra: Whole.describe("only the destination has it"),
  unreadable: Whole,
  skipped: Whole.describe("left out by the filter, or given up when the run was cancelled"),
});

export const ComparisonStatus = z.strictObject({
  id: Id,
  phase: ComparisonPhase,
  resumesIn: ComparisonPhase.optional(),
  reason,
  source: z.string(),
  destination: z.string(),
  location,
  deep: z.boolean(),
  keys: Sums.extend({ underWay: z.int() }).describe("each listed name is in exactly one of the others"),
  bytes: Sums.describe("at the source; of extra keys, at the destination"),
  proofs: z.partialRecord(z.enum(COMPARISON_PROOFS), z.strictObject({ keys: Whole, bytes: Bytes })),
  reasons: z.partialRecord(z.enum([...DIFFERENCES, ...DOUBTS]), Whole),
  skippedBy,
  rate: z.strictObject({ keysPerSecond: z.number().nullable() }),
  spent,
  budget,
  quote: Quote.optional().describe("what its repair would send"),
  inFlight: z.strictObject({ batches: Whole }),
  pace,
  unreadable: failures.describe("the first of them; the report has all"),
  warnings,
  failure,
  repairSyncId: Id.nullable().describe("the sync that repairs it"),
  report: report.omit({ storedAt: true }),
  options: z.looseObject({ compare: z.enum(COMPARE_MODES), deep: z.boolean() }),
  startedBy,
  createdAt: Time,
  startedAt: MaybeTime,
  endedAt: MaybeTime,
  timeline,
});

export type ComparisonStatus = z.infer<typeof ComparisonStatus>;

/** The answer to pause, resume and cancel. */
export const SteeredComparison = ComparisonStatus.extend({ changed: SteeredSync.shape.changed });

/** A line of a comparison's report. */
export const ComparisonLine = z.strictObject({
  key: z.string(),
  to: z.string().optional(),
  versionId: z.string().optional().describe("of the source, where it need not be the current one"),
  outcome: z.enum(OUTCOMES),
  proof: z.enum(COMPARISON_PROOFS).optional().describe("of an equal key"),
  reason: z
    .enum([...DIFFERENCES, ...DOUBTS, ...FAILURE_CODES])
    .optional()
    .describe("of a different, unknown or unreadable key"),
  message: z.string().optional(),
  attempts: Whole.optional(),
  size: Bytes,
  etag: z.string().nullable(),
  destinationSize: Bytes.optional(),
  destinationEtag: z.string().nullable().optional(),
  modifiedAt: Time.optional().describe("of an extra key"),
  masked: z.literal(true).optional().describe("the key has a secret in it, which is not shown"),
});

/** The digest of a comparison's report. */
export const ReportDigest = z.strictObject({
  root: z.string().describe("of the Merkle tree over the report's lines (RFC 6962, SHA-256), in hex"),
  lines: Whole,
  statement: z.string().describe("what is signed: JSON with the root, what was compared, and how it ended"),
  algorithm: z.literal("Ed25519").nullable().describe("null: there is no REPORT_KEY, and nothing is signed"),
  publicKey: z.string().nullable().describe("32 bytes in base64url, the x of a JWK"),
  signature: z.string().nullable().describe("of the statement's UTF-8, in base64"),
});

export type ReportDigest = z.infer<typeof ReportDigest>;
