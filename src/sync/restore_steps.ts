// The step of a sync that has archived keys restored: a few at a time are asked for, or looked at.
//
// What it needs: the record of the sync, and the source. It may run twice.

import { archiveAt, restoreWish } from "../object/archive.ts";
import { each } from "../s3/delete.ts";
import { FailureError, failureOfOne } from "../s3/errors.ts";
import type { Failure } from "../s3/failure.ts";
import { headObject } from "../s3/read.ts";
import type { S3 } from "../s3/request.ts";
import { restoreObject } from "../s3/restore.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import { retrievalUsd } from "../work/restore_cost.ts";
import { asSync } from "./comparison_spec.ts";
import { failed } from "./outcome.ts";
import type { SyncRecord } from "./record.ts";
import { type Entry } from "./report.ts";
import { NO_RESTORES } from "./sums.ts";
import type { RestoreRow } from "./restore_table.ts";
import { type RestoreAnswer, DEFAULT_RESTORES, settleRestore, takeIn } from "./restores.ts";

/** Keys that one step asks for or looks at: some seconds at most, in which nothing else is listed. */
const STEP_KEYS = 50;

/** Archived keys wait from now on. Part of a transaction. */
export function takeArchived(record: SyncRecord, works: readonly ObjectWork[]): void {
  if (works.length === 0) return;
  const { spec, counters } = record.load();
  const { maxRestores = DEFAULT_RESTORES } = asSync(spec);
  const { rows, entries, restores, over } = takeIn(works, counters.restores ?? NO_RESTORES, maxRestores);
  const now = Date.now();
  for (const row of rows) record.restores.add(row, now);
  record.enter(entries, (before) => ({ ...before, restores }));
  if (over > 0)
    record.warn(
      `More keys are archived than maxRestores allows (${maxRestores}): the others are skipped as restore_limit; run the sync again for the next ones`,
    );
}

interface Asked {
  readonly row: RestoreRow;
  readonly answer: RestoreAnswer;
}

/** @param takeOn has what can be read copied */
export async function tendRestores(
  record: SyncRecord,
  source: S3,
  takeOn: (works: readonly ObjectWork[]) => void,
): Promise<void> {
  const spec = asSync(record.load().spec);
  const wish = restoreWish(spec);
  const rows = record.restores.due(Date.now(), STEP_KEYS);
  if (wish === null || rows.length === 0) return;
  // Whoever finds it so has died while it asked: it looks before it asks again.
  const now = Date.now();
  record.transaction(() => {
    for (const row of rows) if (row.call === "due") record.restores.save({ ...row, call: "unknown" }, now);
  });
  await record.onDisk();
  const asked = await each(rows, async (row): Promise<Asked> => {
    try {
      return { row, answer: await ask(source, spec.source.bucket, row, wish) };
    } catch (error) {
      return { row, answer: { kind: "failed", failure: failureOfOne(error, "source") } };
    }
  });
  // What the budget does not cover is asked for when it is resumed with a higher one.
  const [short] = asked.flatMap(({ answer }) => shortageOf(answer) ?? []);
  const settled = asked.filter(({ answer }) => shortageOf(answer) === null);
  record.transaction(() => take(record, settled, takeOn));
  if (short !== undefined) throw new FailureError(short);
}

function shortageOf(answer: RestoreAnswer): Failure | null {
  return answer.kind === "failed" && answer.failure.code === "budget_reached" ? answer.failure : null;
}

async function ask(
  source: S3,
  bucket: string,
  { work, call, isTiered }: RestoreRow,
  wish: NonNullable<ReturnType<typeof restoreWish>>,
): Promise<RestoreAnswer> {
  const address = { bucket, key: work.key, versionId: work.versionId };
  if (call === "due") {
    const { storageClass: listed, sizeBytes } = work;
    const storageClass = isTiered ? "INTELLIGENT_TIERING" : (listed ?? "");
    const usd = retrievalUsd(source.store, { storageClass, sizeBytes }, wish);
    await restoreObject(source, address, { tier: wish.restore, days: isTiered ? null : wish.days, usd });
    return { kind: "asked" };
  }
  const { headers } = await headObject(source, address);
  return archiveAt(headers, source.store.provider);
}

function take(
  record: SyncRecord,
  asked: readonly Asked[],
  takeOn: (works: readonly ObjectWork[]) => void,
): void {
  const wish = restoreWish(asSync(record.load().spec));
  const times = { tier: wish?.restore ?? "Standard", now: Date.now(), random: Math.random() } as const;
  const entries: Entry[] = [];
  const readable: ObjectWork[] = [];
  for (const { row, answer } of asked) {
    const settled = settleRestore(row, answer, times);
    if (settled.kind === "waits") record.restores.save(settled.row, settled.nextMs);
    else if (settled.kind === "run") {
      record.restores.save(row, times.now);
      const { failure } = settled;
      record.applyEvent({ type: "runFailed", failure }, "run_failed", failure.message);
    } else if (record.restores.take(row.seq)) {
      if (settled.kind === "ended") entries.push(settled.entry);
      else readable.push(settled.work);
    }
  }
  // A store without RestoreObject is not asked for each key.
  const [none] = asked.flatMap(({ answer }) =>
    answer.kind === "failed" && answer.failure.code === "restore_unsupported" ? [answer.failure] : [],
  );
  if (none !== undefined)
    for (const { seq, work } of record.restores.all()) {
      record.restores.take(seq);
      entries.push(failed(work, none, 1));
    }
  record.enter(entries, (counters) => {
    const { restores = NO_RESTORES } = counters;
    return { ...counters, restores: { ...restores, readable: restores.readable + readable.length } };
  });
  takeOn(readable);
}
