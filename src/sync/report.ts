// What a sync reports about each key: a line of NDJSON, and the sums. Pure.
//
// Invariant: a key's line and its count in the sums come from one entry, so the two cannot disagree. A key
// that was listed gets exactly one entry: listed = copied + skipped + failed + would copy + still under way.
// Of keys that a filter leaves out there is a line only where the request asks for them.

import { isoTime } from "../http/fields.ts";
import { toJsonLines } from "../http/json.ts";
import {
  type CopyReason,
  type EqualityProof,
  type Outcome,
  type Proof,
  type SkipReason,
  DELETE_REASON,
} from "../http/vocabulary.ts";
import type { Failure } from "../s3/failure.ts";
import { named, sentence } from "../s3/told.ts";
import { publicCode } from "../view/failure.ts";
import type { ObjectWork, RestoredWork } from "../work/batch_task.ts";
import { type Load, type WholeLimits, addObject, addWhole, fitsWhole } from "../work/load.ts";
import { partCountOf } from "../s3/digest.ts";
import { type Restores, type Sum, NO_RESTORES, NO_SUM, addRestore } from "./sums.ts";
import { type Finding, type Found, countFindings, findingLine, NOTHING_FOUND, sumOfAll } from "./finding.ts";

interface Key {
  /** At the source; of a deletion, at the destination. */
  readonly key: string;
  /** At the destination, where rules have changed its name; absent: they have not. */
  readonly to?: string;
  /** Of the source, where it need not be the current one; absent: the current one. */
  readonly versionId?: string;
  /** The version is the marker of a deletion. */
  readonly isDeleteMarker?: true;
  readonly sizeBytes: number;
}

export type Entry =
  | (Key & {
      readonly action: "copied";
      readonly etag: string;
      readonly proof: Proof;
      readonly attempts: number;
      readonly warnings: readonly string[];
      readonly restored?: RestoredWork;
    })
  | (Key & {
      readonly action: "skipped";
      readonly reason: SkipReason;
      readonly etag: string | null;
      /** How the two are known to be equal. */
      readonly proof: EqualityProof | null;
    })
  | (Key & {
      readonly action: "failed";
      readonly failure: Failure;
      readonly attempts: number;
      /** What a retry needs. */
      readonly work: ObjectWork;
    })
  | (Key & {
      readonly action: "would_copy";
      readonly reason: CopyReason;
      readonly etag: string | null;
      /** The class of an object that would be restored first. */
      readonly archived?: string;
    })
  | (Key & { readonly action: "deleted" | "would_delete" })
  | (Key & {
      readonly action: "delete_failed";
      readonly failure: Failure;
      readonly attempts: number;
      /** What a retry needs. */
      readonly extra: Extra;
    })
  | Finding;

/** A key at the destination that is not at the source, as it was listed. */
export interface Extra extends Key {
  /** Null: it has none. Both are absent in deletions that were planned before they were kept. */
  readonly etag?: string | null;
  readonly modifiedMs?: number | null;
  /** Absent: never tried. */
  readonly failedAttempts?: number;
}

export interface Counters {
  /** Keys of the source. */
  readonly listed: Sum;
  readonly copied: Sum;
  readonly skipped: Sum;
  readonly failed: Sum;
  readonly wouldCopy: Sum;
  /** Keys of the destination, and those of them that are not at the source. */
  readonly destination: Sum;
  readonly extra: Sum;
  readonly deleted: Sum;
  readonly wouldDelete: Sum;
  readonly deleteFailed: Sum;
  readonly skippedBy: Readonly<Record<string, number>>;
  /** Of a dry run or a comparison: what would be copied, for the quote. `markers`: delete markers. */
  readonly wouldSend?: WholeLimits & { readonly load: Load; readonly markers?: number };
  /** What was restored, or is to be; absent: nothing. */
  readonly restores?: Restores;
  /** Of a comparison, which lists the keys of both sides. */
  readonly found?: Found;
}

export const NO_COUNTERS: Counters = {
  listed: NO_SUM,
  copied: NO_SUM,
  skipped: NO_SUM,
  failed: NO_SUM,
  wouldCopy: NO_SUM,
  destination: NO_SUM,
  extra: NO_SUM,
  deleted: NO_SUM,
  wouldDelete: NO_SUM,
  deleteFailed: NO_SUM,
  skippedBy: {},
};

const SUM_OF = {
  copied: "copied",
  skipped: "skipped",
  failed: "failed",
  would_copy: "wouldCopy",
  deleted: "deleted",
  would_delete: "wouldDelete",
  delete_failed: "deleteFailed",
} as const satisfies Record<Exclude<Entry["action"], "compared">, keyof Counters>;

export function countEntries(counters: Counters, entries: readonly Entry[]): Counters {
  const changed: Record<string, { objects: number; bytes: number }> = {};
  const skippedBy = { ...counters.skippedBy };
  const findings: Finding[] = [];
  let { restores } = counters;
  for (const entry of entries) {
    if (entry.action === "compared") {
      findings.push(entry);
      continue;
    }
    const name = SUM_OF[entry.action];
    const sum = (changed[name] ??= { ...counters[name] });
    sum.objects += 1;
    sum.bytes += entry.sizeBytes;
    if (entry.action === "would_copy" && entry.archived !== undefined)
      restores = addRestore(restores ?? NO_RESTORES, entry.archived, entry.sizeBytes);
    if (entry.action === "skipped") skippedBy[entry.reason] = (skippedBy[entry.reason] ?? 0) + 1;
  }
  const found =
    findings.length === 0 ? {} : { found: countFindings(counters.found ?? NOTHING_FOUND, findings) };
  const wouldSend = counters.wouldSend && entries.reduce(sendingToo, counters.wouldSend);
  return {
    ...counters,
    ...changed,
    skippedBy,
    ...found,
    ...(wouldSend === undefined ? {} : { wouldSend }),
    ...(restores === undefined ? {} : { restores }),
  };
}

/** What the repair of a comparison copies. */
const REPAIRED: readonly Outcome[] = ["missing", "different", "unknown"];

/** With what a dry run would copy, or the repair of a comparison. */
function sendingToo(would: NonNullable<Counters["wouldSend"]>, entry: Entry): typeof would {
  const wouldRepair = entry.action === "compared" && REPAIRED.includes(entry.verdict.outcome);
  if (entry.action !== "would_copy" && !wouldRepair) return would;
  if ("isDeleteMarker" in entry && entry.isDeleteMarker === true)
    return { ...would, markers: (would.markers ?? 0) + 1 };
  const { sizeBytes, etag } = entry;
  const load = fitsWhole(entry, would)
    ? addWhole(would.load, sizeBytes)
    : addObject(would.load, { sizeBytes, partCount: partCountOf(etag ?? "") }, would.wholeBytes);
  return { ...would, load };
}

/** Keys that were listed and have no entry yet. */
export function underWay({ listed, copied, skipped, failed, wouldCopy, found }: Counters): number {
  const compared = found === undefined ? 0 : sumOfAll(found);
  return listed.objects - copied.objects - skipped.objects - failed.objects - wouldCopy.objects - compared;
}

export function linesOf(entries: readonly Entry[]): string {
  return toJsonLines(entries.map(lineOf));
}

/** As findingLine(), without a spread for each key. */
function lineOf(entry: Entry): Record<string, unknown> {
  if (entry.action === "compared") return findingLine(entry);
  const { action, sizeBytes: size, versionId } = entry;
  const key = named(entry.key);
  const to = entry.to === undefined ? undefined : named(entry.to);
  const deleteMarker = entry.isDeleteMarker === true ? true : undefined;
  switch (entry.action) {
    case "copied": {
      const { proof, etag, attempts, warnings, restored } = entry;
      if (deleteMarker === true) return { key, to, versionId, deleteMarker, action, size, attempts };
      return {
        key,
        to,
        versionId,
        action,
        size,
        proof,
        etag,
        bytes: size,
        attempts,
        warnings: warnings.length === 0 ? undefined : warnings.map((words) => sentence(words)),
        restored: restored && { tier: restored.tier, until: isoTime(restored.untilMs) },
      };
    }
    case "skipped": {
      const { reason, proof, etag } = entry;
      return { key, to, versionId, deleteMarker, action, reason, size, proof: proof ?? undefined, etag };
    }
    case "would_copy": {
      const { reason, etag } = entry;
      const archived = entry.archived === undefined ? undefined : named(entry.archived);
      return { key, to, versionId, deleteMarker, action, reason, size, etag, archived };
    }
    case "failed": {
      const { reason, message } = reasonOf(entry.failure);
      return { key, to, versionId, deleteMarker, action, reason, message, size, attempts: entry.attempts };
    }
    case "delete_failed":
      return { key, action, ...reasonOf(entry.failure), size, attempts: entry.attempts };
    case "deleted":
    case "would_delete":
      return { key, action, reason: DELETE_REASON, size };
  }
}

function reasonOf(failure: Failure): { reason: string; message: string } {
  return { reason: publicCode(failure), message: sentence(failure.message) };
}
