// The rules that hold for a simulated copy at every moment, whatever has happened. A broken one ends the run.

import { MAX_OUTAGE_ATTEMPTS } from "../../../src/s3/retry.ts";
import { isEnded, objectOf, uploadOf, workOf } from "../../../src/copy/phase.ts";
import type { Job } from "../../../src/copy/phase.ts";
import type { SimulatedDebts } from "./simulated_debts.ts";
import type { SimulatedParts } from "./simulated_parts.ts";
import type { SimulatedStore } from "./simulated_store.ts";

export function check(holds: boolean, rule: string): void {
  if (!holds) throw new Error(`Rule broken: ${rule}`);
}

/** What no job may look like. */
export function checkShape(job: Job): void {
  const work = workOf(job);
  const object = objectOf(job);
  if (isEnded(work)) return;
  // A person may let a step try again that has used up its attempts, and each time it fails once more.
  check(work.retry.failedAttempts <= 2 * MAX_OUTAGE_ATTEMPTS, "a step was tried without end");
  if (work.phase === "sizing") check(work.restarts <= 3, "a copy began again more than three times");
  if (job.phase === "paused" || job.phase === "blocked")
    check(work.phase !== "aborting", "a copy that is being aborted waits for a person");
  if (work.phase === "completing" || work.phase === "creating")
    check(object?.plan.kind === "parts", `a whole object came to ${work.phase}`);
  const upload = uploadOf(job);
  if (upload !== null && object !== null)
    check(upload.kind === object.plan.kind, "the upload does not fit the plan");
  if (work.phase === "completing" && work.wish === "cancel")
    check(work.call.sent, "a cancelled copy is about to be completed");
}

/** Every upload at the store is the job's own, looked for by it, or owed. */
export function checkNothingForgotten(job: Job, store: SimulatedStore, debts: SimulatedDebts): void {
  const work = workOf(job);
  const own = uploadOf(job);
  const strayAtMs =
    work.phase === "creating" ? work.sentAtMs : work.phase === "aborting" ? work.strayAtMs : null;
  for (const [uploadId, { sinceMs: begunMs }] of store.uploads) {
    const known =
      (own?.kind === "parts" && own.uploadId === uploadId) ||
      (strayAtMs !== null && begunMs >= strayAtMs) ||
      debts.covers(uploadId, begunMs);
    check(known, `an upload was forgotten in ${job.phase}`);
  }
}

/** What nobody may do to a destination while the copy itself is not done with it. */
export function checkAbortAllowed(parts: SimulatedParts, completeUnknown: boolean): void {
  check(parts.flying === 0, "an upload was aborted with a part in flight");
  check(parts.counts().inFlight === 0, "an upload was aborted with a part leased");
  check(!completeUnknown, "an upload was aborted while the outcome of its Complete was unknown");
}
