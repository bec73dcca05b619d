// Both sides of a batch: the stores as its requests meet them.

import type { Env } from "../env.ts";
import { type S3, connect } from "../s3/request.ts";
import { stoppable } from "../s3/stop.ts";
import { findKnownStore } from "../store/facts.ts";
import type { BatchRun } from "./batch_run.ts";
import type { BatchTask } from "./batch_task.ts";

export interface BatchSides {
  readonly source: S3;
  readonly destination: S3;
  /** The destination, for what must be done once an object may have been written: also after a stop. */
  readonly committed: S3;
}

/** @throws {Problem} if a store is not configured */
export function connectSides(env: Env, task: BatchTask, run: BatchRun): BatchSides {
  const stores = {
    source: findKnownStore(env, task.source, task.known),
    destination: findKnownStore(env, task.destination, task.known),
  };
  const sent = run.countFor(stores);
  const userAgent = `bucket-brigade sync/${task.syncId} lane/${task.lane}`;
  const source = { ...connect(stores.source, userAgent, run.source.turn), sent: sent.source };
  const committed = {
    ...connect(stores.destination, userAgent, run.destination.turn),
    sent: sent.destination,
  };
  return {
    source: stoppable(source, run.stop),
    destination: stoppable(committed, run.stop),
    committed: { ...committed, sent: sent.destination.owed() },
  };
}
