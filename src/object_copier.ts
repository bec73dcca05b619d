// ObjectCopier: copies objects that fit one PUT, a batch of them per call, one after the other: each by
// requests of its own (work/object_copy.ts). The lane that calls it runs five such calls at once.
//
// What it needs: the STORE_<NAME> secrets. It keeps nothing, calls nobody back, and returns every outcome as
// data.
//
// Invariant: a batch that is cancelled, or meets a store that asks for fewer requests, leaves the rest
// untouched and reports it as `left`.

import { WorkerEntrypoint } from "cloudflare:workers";
import type { Env } from "./env.ts";
import { failureOfOne } from "./s3/errors.ts";
import { BatchRun } from "./work/batch_run.ts";
import type { BatchTask, ObjectOutcome, ObjectWork } from "./work/batch_task.ts";
import { runWithCancel } from "./work/cancel.ts";
import { ObjectCopy } from "./work/object_copy.ts";

export class ObjectCopier extends WorkerEntrypoint<Env> {
  /** @param cancel ends when the batch must stop @returns one outcome per object, in their order */
  async copyObjects(task: BatchTask, cancel: ReadableStream): Promise<ObjectOutcome[]> {
    return await runWithCancel(cancel, async (signal) => await copyBatch(this.env, task, signal));
  }
}

async function copyBatch(env: Env, task: BatchTask, cancelled: AbortSignal): Promise<ObjectOutcome[]> {
  const run = new BatchRun(task, cancelled, Date.now());
  const outcomes: ObjectOutcome[] = [];
  try {
    for (const work of task.objects) {
      const isStarted = run.mayStart(work, Date.now());
      outcomes.push(isStarted ? run.took(await outcomeOf(env, task, work, run)) : { kind: "left" });
    }
  } finally {
    run.watchdog.stop();
  }
  return outcomes;
}

async function outcomeOf(env: Env, task: BatchTask, work: ObjectWork, run: BatchRun): Promise<ObjectOutcome> {
  try {
    return await new ObjectCopy(env, task, work, run).run();
  } catch (error) {
    return { kind: "failed", failure: failureOfOne(error, "destination") };
  }
}
