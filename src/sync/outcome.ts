// Turns the answers of the object copier, and the ends of large copies, into entries of the report, objects
// to try again, objects that need a copy of their own, and failures that concern the whole run. Pure.
//
// Invariant: every object that goes in comes out exactly once: an entry, in `again`, `large` or `archived`.

import { DEFAULT_PART_BYTES } from "../copy/plan.ts";
import {
  type CopyReason,
  type EqualityProof,
  type Proof,
  type SkipReason,
  FILTERED,
} from "../http/vocabulary.ts";
import type { IfArchived } from "../object/archive.ts";
import type { Failure } from "../s3/failure.ts";
import { backoffMs, keyVerdictOf, MAX_ATTEMPTS } from "../s3/retry.ts";
import type { Entry } from "./report.ts";
import { type ObjectOutcome, type ObjectWork, seenAs } from "../work/batch_task.ts";

interface Settled {
  readonly entries: readonly Entry[];
  readonly again: { readonly objects: readonly ObjectWork[]; readonly notBeforeMs: number };
  readonly large: readonly ObjectWork[];
  /** To be restored first. */
  readonly archived: readonly ObjectWork[];
  /** Bytes of objects that a manifest has named, and that nobody had looked at before. */
  readonly seenBytes: number;
  /** Concerns every key: credentials, buckets, configuration. */
  readonly runFailure: Failure | null;
}

interface SettleOptions {
  readonly dryRun: boolean;
  /** Absent: what is archived is skipped. */
  readonly ifArchived?: IfArchived | undefined;
  readonly now: number;
  readonly random: number;
}

/** Codes of failures that every other key would meet as well. */
const RUN_WIDE: ReadonlySet<string> = new Set([
  "NoSuchBucket",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "AllAccessDisabled",
  "InvalidBucketName",
  "unknown_store",
  "encryption_not_applied",
  "not_versioned",
]);

export function isRunWide({ code }: Failure): boolean {
  return RUN_WIDE.has(code);
}

export function settle(
  objects: readonly ObjectWork[],
  outcomes: readonly ObjectOutcome[],
  options: SettleOptions,
): Settled {
  const entries: Entry[] = [];
  const again: ObjectWork[] = [];
  const large: ObjectWork[] = [];
  const archived: ObjectWork[] = [];
  let notBeforeMs = 0;
  let runFailure: Failure | null = null;
  let seenBytes = 0;
  for (const [index, given] of objects.entries()) {
    const outcome: ObjectOutcome = outcomes[index] ?? { kind: "left" };
    const work = outcome.seen === undefined ? given : seenAs(given, outcome.seen);
    if (given.isUnseen === true) seenBytes += work.sizeBytes;
    switch (outcome.kind) {
      case "copied":
        entries.push(copied(work, outcome));
        break;
      case "same":
        entries.push(
          work.first === "find" ? foundCopy(work, outcome) : skipped(work, "equal", outcome.proof),
        );
        break;
      case "differs":
        if (options.dryRun) entries.push(wouldCopy(work, "changed"));
        else large.push({ ...work, first: "copy" });
        break;
      case "left":
      case "compared":
      case "read":
      case "removal":
        again.push(work);
        break;
      case "failed": {
        if (isTooLargeWhole(work, outcome.failure)) {
          large.push({ ...work, failedAttempts: work.failedAttempts + 1, first: "copy" });
          break;
        }
        const settled = settleFailure(work, outcome.failure, options);
        if (settled.kind === "entry") entries.push(settled.entry);
        else if (settled.kind === "archived") archived.push(settled.work);
        else again.push(settled.work);
        if (settled.kind === "again") notBeforeMs = Math.max(notBeforeMs, settled.notBeforeMs);
        if (settled.kind === "run") runFailure = outcome.failure;
      }
    }
  }
  return { entries, again: { objects: again, notBeforeMs }, large, archived, seenBytes, runFailure };
}

type SettledFailure =
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "again"; readonly work: ObjectWork; readonly notBeforeMs: number }
  | { readonly kind: "archived"; readonly work: ObjectWork }
  /** The object stays as it is: the run cannot go on. */
  | { readonly kind: "run"; readonly work: ObjectWork };

/** Codes of a write's failures that its parts may not meet. */
const TOO_LARGE_WHOLE: ReadonlySet<string> = new Set(["timeout", "part_size_too_large", "EntityTooLarge"]);

const WHOLE_WRITES: ReadonlySet<string> = new Set(["PutObject", "CopyObject"]);

/** Has an object not passed whole that can go in parts? */
function isTooLargeWhole({ sizeBytes }: ObjectWork, { code, operation }: Failure): boolean {
  return sizeBytes > DEFAULT_PART_BYTES && WHOLE_WRITES.has(operation) && TOO_LARGE_WHOLE.has(code);
}

export function settleFailure(
  work: ObjectWork,
  failure: Failure,
  { now, random, dryRun, ifArchived }: SettleOptions,
): SettledFailure {
  if (failure.code === "source_archived") {
    if (ifArchived === undefined || ifArchived === "skip")
      return { kind: "entry", entry: skipped(work, "archived") };
    if (ifArchived !== "fail")
      return dryRun
        ? { kind: "entry", entry: wouldCopy({ ...work, isArchived: true }, "changed") }
        : { kind: "archived", work };
  }
  const verdict = failure.code === "source_archived" ? "fatal" : keyVerdictOf(failure);
  if (verdict === "blocked" || isRunWide(failure)) return { kind: "run", work };
  const failedAttempts = work.failedAttempts + 1;
  if (verdict === "fatal" || failedAttempts >= MAX_ATTEMPTS) {
    return { kind: "entry", entry: failed(work, failure, failedAttempts) };
  }
  const notBeforeMs = now + backoffMs(failure, failedAttempts, random);
  return { kind: "again", work: { ...work, failedAttempts }, notBeforeMs };
}

/** The keys of an entry: the destination's is told where rules have made it. */
function keysOf({ key, to, isRenamed, versionId }: ObjectWork): Pick<Entry, "key" | "to" | "versionId"> {
  const version = versionId === undefined ? {} : { versionId };
  return isRenamed === true && to !== "" ? { key, to, ...version } : { key, ...version };
}

export function copied(
  work: ObjectWork,
  result: {
    etag: string;
    proof: Proof;
    sizeBytes: number;
    warnings: readonly string[];
    slowTries?: number;
  },
): Entry {
  const { etag, proof, sizeBytes, warnings, slowTries = 0 } = result;
  const attempts = work.failedAttempts + slowTries + 1;
  const restored = work.restored === undefined ? {} : { restored: work.restored };
  return { action: "copied", sizeBytes, etag, proof, attempts, warnings, ...keysOf(work), ...restored };
}

/** A copy of this run whose answer was lost. Only what the comparison shows is known about it. */
function foundCopy(work: ObjectWork, { etag, proof }: { etag: string; proof: EqualityProof }): Entry {
  const proved = proof === "etag" || proof === "checksum" ? proof : "length";
  return copied(work, { etag, proof: proved, sizeBytes: work.sizeBytes, warnings: [] });
}

/** @param proof how the two are known to be equal */
export function skipped(work: ObjectWork, reason: SkipReason, proof: EqualityProof | null = null): Entry {
  const { sizeBytes, etag } = work;
  return { action: "skipped", reason, sizeBytes, etag, proof, ...keysOf(work) };
}

export function wouldCopy(work: ObjectWork, reason: CopyReason): Entry {
  const { sizeBytes, etag, isArchived, storageClass } = work;
  const archived = isArchived === true ? { archived: storageClass ?? "" } : {};
  return { action: "would_copy", reason, sizeBytes, etag, ...keysOf(work), ...archived };
}

export function failed(work: ObjectWork, failure: Failure, attempts: number): Entry {
  const { sizeBytes } = work;
  return { action: "failed", failure, sizeBytes, attempts, work, ...keysOf(work) };
}

/** What somebody keeps back by a filter is nobody's business where the report is read. */
export function isFilteredOut(entry: Entry): boolean {
  return entry.action === "skipped" && FILTERED.some((reason) => reason === entry.reason);
}
