// The lane's side of a call to the object copier: a call that breaks is data as well.
//
// Invariant: what the platform's limits end is told from what breaks for another reason. A fresh event cures
// the former; the latter may be one of the objects.

import { log } from "../log.ts";
import { meshFailure } from "../s3/failure.ts";
import { isPlatformLimit } from "../s3/retry.ts";
import type { BatchOutcome, BatchTask, ObjectOutcome } from "./batch_task.ts";
import { callWithCancel } from "./cancel.ts";

const SPENT: ObjectOutcome = {
  kind: "failed",
  failure: meshFailure("platform_limit", "The event has used up what the platform gives one", "copy"),
};

/** @returns no outcomes when the call broke, and nobody knows what it has done */
export async function callObjectCopier(
  copier: { copyObjects(task: BatchTask, cancel: ReadableStream): Promise<BatchOutcome> },
  task: BatchTask,
  signal: AbortSignal,
): Promise<BatchOutcome> {
  try {
    return await callWithCancel(signal, async (cancel) => await copier.copyObjects(task, cancel));
  } catch (error) {
    const { syncId, batch, objects } = task;
    log("error", "copier_died", { syncId, batch, detail: String(error) });
    return { outcomes: isPlatformLimit(error) ? objects.map(() => SPENT) : null };
  }
}
