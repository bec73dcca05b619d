// A run over histories: lists the versions of the source, hands out the stretches of each key one after the
// other, and takes in what has come of them.
//
// What it needs: the record of the run. Each function is one transaction, or a part of one.
//
// Invariant: of a key at most one stretch or large version is under way, and the next follows only when it is
// acknowledged. Different keys go at once.

import { expectVersions, listVersions } from "../listing/versions.ts";
import type { HistoryVersion } from "../object/history.ts";
import { NOTHING_REACHED } from "../object/history.ts";
import type { Failure } from "../s3/failure.ts";
import { failedAt } from "../s3/errors.ts";
import type { S3 } from "../s3/request.ts";
import type { BatchClaim, ObjectWork } from "../work/batch_task.ts";
import type { HistoryCursor } from "./phase.ts";
import type { SyncRecord } from "./record.ts";
import type { Entry } from "./report.ts";
import { addTo } from "./sums.ts";
import { quoted } from "./quote.ts";
import type { SkipReason } from "../http/vocabulary.ts";
import { type NextOfHistory, restOf, settleStretch, unknownVersion } from "./version_outcome.ts";
import { type VersionContext, failedVersions, planVersions, skippedVersion } from "./version_plan.ts";
import { type NextStretch, STRETCH_VERSIONS } from "./version_table.ts";

type ReplayWork = Extract<NextOfHistory, { do: "again" }>["work"];

/** Versions that travel in one batch. */
const BATCH_VERSIONS = 64;

/** @param unreadable the entries of keys that no request can name @throws {S3Error | FailureError} */
export async function listHistories(
  record: SyncRecord,
  { source, destination }: { readonly source: S3; readonly destination: S3 },
  context: VersionContext,
  { list }: HistoryCursor,
  unreadable: (keys: readonly string[]) => Entry[],
): Promise<void> {
  const { spec } = context;
  if (list === null) {
    await expectVersions(source, spec.source.bucket, "some", "source");
    await expectVersions(destination, spec.destination.bucket, "all", "destination").catch(
      failedAt("destination"),
    );
  }
  const page = await listVersions(source, spec.source, list);
  const planned = planVersions(page.versions, context);
  const sizeBytes = page.versions.reduce((sum, version) => sum + version.sizeBytes, 0);
  record.transaction(() => {
    const cursor = page.next === null ? null : ({ kind: "histories", list: page.next } as const);
    // Cancelled during the listing: these versions were never part of the run.
    if (!record.applyEvent({ type: "listed", cursor })) return;
    if (spec.dryRun) record.enter([], (counters) => quoted(counters, context.whole));
    const shown = unreadable(page.unreadable);
    record.enter([...planned.entries, ...shown], (counters) => ({
      ...counters,
      listed: addTo(counters.listed, page.versions.length + shown.length, sizeBytes),
    }));
    const works: ReplayWork[] = [];
    for (const { key, to, versions } of planned.parts) {
      const open = closeOthers(record, key, works);
      const isCut = page.next !== null && page.versions.at(-1)?.key === key;
      if (open === null && !isCut && versions.length <= STRETCH_VERSIONS) {
        const stretch = {
          history: null,
          versions: versions.toReversed(),
          before: NOTHING_REACHED,
          isLast: true,
        };
        works.push(replayOf(record, { key, to, stretch }));
        continue;
      }
      const history = open ?? record.histories.begin({ key, to });
      record.histories.add(history, versions);
    }
    if (page.next === null) closeOthers(record, null, works);
    addReplays(record, works, 0);
  });
}

/** A history is listed to its end once another key is. @returns the number of the key's own, if it is open */
function closeOthers(record: SyncRecord, key: string | null, works: ReplayWork[]): number | null {
  const open = record.histories.open();
  if (open === null || open.key === key) return open?.history ?? null;
  const next = record.histories.close(open.history);
  if (next !== null) works.push(replayOf(record, next));
  return null;
}

function replayOf(record: SyncRecord, { key, to, stretch }: NextStretch): ReplayWork {
  const { spec } = record.load();
  const isDryRun = spec.kind === undefined && spec.dryRun;
  const work = { key, to, sizeBytes: 0, etag: null, failedAttempts: 0, first: "replay" as const };
  return restOf({ ...work, stretch: { ...stretch, ...(isDryRun ? { isDryRun } : {}) } }, 0);
}

function addReplays(record: SyncRecord, works: readonly ReplayWork[], notBeforeMs: number): void {
  let batch: ReplayWork[] = [];
  let versions = 0;
  for (const work of works) {
    if (batch.length > 0 && versions + work.stretch.versions.length > BATCH_VERSIONS) {
      record.batches.add(batch, notBeforeMs);
      batch = [];
      versions = 0;
    }
    batch.push(work);
    versions += work.stretch.versions.length;
  }
  record.batches.add(batch, notBeforeMs);
}

/** Takes in what lanes report. @returns failures that end the run */
export function settleReplays(
  record: SyncRecord,
  claim: BatchClaim,
  times: { readonly now: number; readonly random: number },
): { readonly failure: Failure; readonly isOld: boolean }[] {
  const failures: { failure: Failure; isOld: boolean }[] = [];
  for (const { objects, outcomes, isOld } of record.batches.takeReports(claim, times)) {
    for (const [place, work] of objects.entries()) {
      const { stretch } = work;
      if (stretch === undefined) throw new Error(`"${work.key}" is no part of a history`);
      const settled = settleStretch({ ...work, stretch }, outcomes[place] ?? { kind: "left" }, times);
      record.enter(settled.entries);
      goOn(record, { ...work, stretch }, settled.next);
      if (settled.next.do === "endRun") failures.push({ failure: settled.next.failure, isOld });
    }
  }
  return failures;
}

function goOn(record: SyncRecord, work: ReplayWork, next: NextOfHistory): void {
  const { history } = work.stretch;
  switch (next.do) {
    case "again":
      return addReplays(record, [next.work], next.notBeforeMs);
    case "endRun":
      return addReplays(record, [next.work], 0);
    case "copyLarge":
      return record.large.add([next.work]);
    case "end":
      return endHistory(record, history);
    case "goOn": {
      if (history === null) return;
      if (next.absent) record.histories.knownAbsent(history);
      const following = record.histories.next(history, next.before);
      return following === null ? undefined : addReplays(record, [replayOf(record, following)], 0);
    }
    case "pass": {
      const isKnown = history !== null && record.histories.knownUntil(history, next.versionId);
      const { stretch } = next.work;
      if (isKnown) return addReplays(record, [{ ...next.work, stretch: { ...stretch, known: "there" } }], 0);
      record.enter(failedVersions(work, stretch.versions, unknownVersion(work, next.versionId), 1));
      return endHistory(record, history);
    }
  }
}

/** A version has failed: those after it are not brought over. */
function endHistory(record: SyncRecord, history: number | null): void {
  if (history !== null) leaveOut(record, history, "version_before_failed");
}

/** @param history null: of all */
function leaveOut(record: SyncRecord, history: number | null, reason: SkipReason): void {
  for (;;) {
    const row = record.histories.takeRow(history);
    if (row === null) return;
    record.enter(row.versions.map((version) => skippedVersion(row, version, reason)));
  }
}

/** A large version has become a copy that has ended. */
export function largeEnded(record: SyncRecord, work: ObjectWork, entry: Entry): void {
  if (work.stretch === undefined) return;
  const { stretch } = work;
  const large: ReplayWork = { ...work, stretch };
  if (entry.action === "copied") {
    const rest = restOf(large, 1);
    if (rest.stretch.versions.length === 0)
      return goOn(record, large, { do: "goOn", before: rest.stretch.before, absent: false });
    return addReplays(record, [replayOf(record, rest as NextStretch)], 0);
  }
  const reason =
    entry.action === "skipped" && entry.reason === "cancelled" ? "cancelled" : "version_before_failed";
  record.enter(stretch.versions.slice(1).map((version) => skippedVersion(work, version, reason)));
  if (stretch.history !== null) leaveOut(record, stretch.history, reason);
}

/** The entries of what was never started; of a history all its versions. */
export function abandoned(work: ObjectWork, reason: SkipReason): Entry[] {
  const versions: readonly HistoryVersion[] = work.stretch?.versions ?? [];
  return versions.map((version) => skippedVersion(work, version, reason));
}

export function abandonHistories(record: SyncRecord, reason: SkipReason): void {
  leaveOut(record, null, reason);
}
