// ObjectCopier: copies objects that fit one PUT, a batch of them per call, one after the other: each by
// requests of its own (work/object_copy.ts), or many small ones as an archive where the destination unpacks
// it (work/archive.ts). Of a comparison it compares them, and writes nothing (work/object_comparison.ts). The
// lane that calls it runs five such calls at once.
//
// What it needs: the STORE_<NAME> secrets. It keeps nothing, calls nobody back, and returns every outcome as
// data.
//
// Invariant: a batch that is cancelled, or meets a store that asks for fewer requests, leaves the rest
// untouched and reports it as `left`.

import { WorkerEntrypoint } from "cloudflare:workers";
import { type Env, planLimits } from "./env.ts";
import type { Stretch } from "./object/history.ts";
import { failureOfOne } from "./s3/errors.ts";
import { answerFailure } from "./s3/failure.ts";
import { type Archived, copyInArchives } from "./work/archive.ts";
import { BatchRun } from "./work/batch_run.ts";
import { type BatchSides, connectSides } from "./work/batch_sides.ts";
import {
  type BatchOutcome,
  type BatchTask,
  type ObjectOutcome,
  type ObjectWork,
  type Seen,
  seenAs,
} from "./work/batch_task.ts";
import { runWithCancel } from "./work/cancel.ts";
import { HistoryReplay } from "./work/history_replay.ts";
import { lookAt } from "./work/named_object.ts";
import { ObjectComparison } from "./work/object_comparison.ts";
import { removeCopy } from "./work/object_removal.ts";
import { ObjectCopy } from "./work/object_copy.ts";

export class ObjectCopier extends WorkerEntrypoint<Env> {
  /** @param cancel ends when the batch must stop @returns one outcome per object, in their order */
  async copyObjects(task: BatchTask, cancel: ReadableStream): Promise<BatchOutcome> {
    return await runWithCancel(cancel, async (signal) => await new Batch(this.env, task, signal).copy());
  }
}

/** An object that stays out of archives from now on: its next attempt goes by itself. */
const NOT_UNPACKED: ObjectOutcome = {
  kind: "failed",
  failure: answerFailure(
    "destination",
    "bad_answer",
    "The destination has not unpacked this object from the archive that it was sent",
    "PutObject",
  ),
};

class Batch {
  readonly #env: Env;
  readonly #task: BatchTask;
  readonly #run: BatchRun;
  readonly #maxPartBytes: number;
  #sides: BatchSides | null = null;

  constructor(env: Env, task: BatchTask, stop: AbortSignal) {
    this.#env = env;
    this.#task = task;
    this.#run = new BatchRun(task, stop, Date.now());
    this.#maxPartBytes = planLimits(env).maxPartBytes;
  }

  async copy(): Promise<BatchOutcome> {
    try {
      const archived = await this.#archived();
      const outcomes: ObjectOutcome[] = [];
      for (const [place, work] of this.#task.objects.entries())
        outcomes.push(
          archived.outcomes.get(place) ?? (await this.#single(work, archived.missing.has(place))),
        );
      return { outcomes, ...this.#run.spending() };
    } finally {
      this.#run.watchdog.stop();
    }
  }

  async #archived(): Promise<Archived> {
    try {
      return await copyInArchives(this.#connect(), this.#task, this.#run);
    } catch (error) {
      // A store that is not configured any more: each object says so.
      failureOfOne(error, "destination");
      return { outcomes: new Map(), missing: new Set() };
    }
  }

  /** @param isMissing an archive was to bring it and has not */
  async #single(work: ObjectWork, isMissing: boolean): Promise<ObjectOutcome> {
    const run = this.#run;
    if (work.stretch !== undefined) return await this.#replay(work, work.stretch);
    const mostBytes = work.isUnseen === true ? this.#maxPartBytes : work.sizeBytes;
    if (!run.mayStart({ ...work, sizeBytes: mostBytes }, Date.now()))
      return isMissing && !run.stop.aborted ? NOT_UNPACKED : { kind: "left" };
    let told: { readonly seen?: Seen } = {};
    try {
      const batch = { sides: this.#connect(), task: this.#task, run };
      const { first } = work;
      if (first === "compare" || first === "read")
        return run.took(await new ObjectComparison(batch, work).run());
      if (first === "remove") return run.took(await removeCopy(batch.sides, this.#task, work));
      const seen = work.isUnseen === true ? await lookAt(batch.sides.source, this.#task, work) : null;
      if (seen !== null) told = { seen };
      const known = seen === null ? work : seenAs(work, seen, this.#maxPartBytes);
      const outcome = await new ObjectCopy(batch, known, this.#maxPartBytes).run();
      return { ...run.took(outcome), ...told };
    } catch (error) {
      return { ...run.took({ kind: "failed", failure: failureOfOne(error, "destination") }), ...told };
    }
  }

  async #replay(work: ObjectWork, stretch: Stretch): Promise<ObjectOutcome> {
    const run = this.#run;
    try {
      const batch = { sides: this.#connect(), task: this.#task, run };
      return await new HistoryReplay(batch, work, stretch, this.#maxPartBytes).run();
    } catch (error) {
      return run.took({ kind: "failed", failure: failureOfOne(error, "destination") });
    }
  }

  /** @throws {Problem} if a store is not configured */
  #connect(): BatchSides {
    this.#sides ??= connectSides(this.#env, this.#task, this.#run);
    return this.#sides;
  }
}
