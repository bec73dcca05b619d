// A copy as data: its phase, what exists in that phase, what to do next, and what an answer changes.
//
//   (queued →) sizing (→ restoring → sizing) → creating → uploading → completing → verifying → completed
//   from any of them aborting → failed | cancelled; paused and blocked keep the work and go on from there.
//   An object that fits one part skips creating and completing: its one PutObject is both.
//
// Pure: nextStep() decides and apply() changes. The coordinator does what nextStep() says and saves what
// apply() returns. Any step may run twice and any answer may come late: an event that no longer fits the
// phase changes nothing. The parts are not in here (there may be 10,000): they are rows, and only their
// counts matter.
//
// The abort rules:
// - An upload is aborted only when no part is in flight. Otherwise a late part would be left behind and
//   billed.
// - An upload whose CompleteMultipartUpload was sent is neither aborted nor completed again before its
//   outcome is known. The object is looked for first, by its copy ID.
// - An upload that an unanswered Create may have made is looked for and aborted before the next one is made,
//   and before the copy ends.
// - What cannot be undone now, because the store is down or refuses, is owed: the copy ends, and the debt is
//   paid later (debts.ts).

import { withoutHeader } from "../object/lock.ts";
import {
  afterFailure,
  attemptsFor,
  cancel,
  crashed,
  endAs,
  end,
  giveUp,
  stepFailed,
  wishOf,
} from "./ending.ts";
import type { Event } from "./event.ts";
import { type Aborting, type Job, type Prepared, type Upload, isEnded } from "./phase.ts";
import { applyRestore, isRestore, restoreStepFailed } from "./restoring.ts";
import type { PartCounts, Step } from "./step.ts";
import { type Failure, answerFailure } from "../s3/failure.ts";
import { backoffMs, FRESH, isOutage, MAX_ATTEMPTS, verdictOf, withoutCrashes } from "../s3/retry.ts";

const NO_ANSWER = answerFailure(
  "destination",
  "network",
  "CompleteMultipartUpload was sent, its answer was lost and the object did not appear",
  "CompleteMultipartUpload",
);

/** @param ifBusy what the request says to do while another copy writes the same object */
export function newJob(ifBusy: "fail" | "queue"): Job {
  return ifBusy === "queue"
    ? { phase: "queued", behind: null, retry: FRESH }
    : { phase: "sizing", via: "auto", restarts: 0, retry: FRESH };
}

/** @param now milliseconds since the epoch */
export function nextStep(job: Job, parts: PartCounts, now: number): Step {
  if (job.phase === "paused" || job.phase === "blocked" || isEnded(job)) return { do: "rest", untilMs: null };
  if (job.retry.notBeforeMs > now) return { do: "rest", untilMs: job.retry.notBeforeMs };
  switch (job.phase) {
    case "queued":
      return { do: "checkQueue" };
    case "sizing":
      return { do: "prepare", via: job.via, restarts: job.restarts };
    case "restoring":
      return { do: job.call === "due" ? "askRestore" : "lookRestored" };
    case "creating":
      return job.sentAtMs === null
        ? { do: "createUpload", object: job.object }
        : { do: "sweep", sinceMs: job.sentAtMs };
    case "uploading":
      if (job.source === "unchecked") return { do: "recheckSource", object: job.object };
      if (parts.lost > 0 && job.upload.kind === "parts")
        return { do: "findParts", uploadId: job.upload.uploadId };
      // Beaten attempts end first: they could still change what the store has.
      return parts.done < parts.total || (job.upload.kind === "parts" && parts.inFlight > 0)
        ? { do: "tendLanes" }
        : { do: "checkParts", object: job.object, upload: job.upload };
    case "completing":
      return !job.call.sent
        ? { do: "complete", object: job.object, uploadId: job.uploadId }
        : { do: "findObject", object: job.object, uploadId: job.uploadId };
    case "verifying":
      return { do: "verify", object: job.object, etag: job.etag };
    case "aborting":
      if (parts.inFlight > 0) return { do: "settleParts" };
      if (job.strayAtMs !== null) return { do: "sweep", sinceMs: job.strayAtMs };
      if (job.upload?.kind === "parts") return { do: "abort", uploadId: job.upload.uploadId };
      // A single PutObject cannot be aborted: the object may exist although the answer was lost.
      return job.object === null
        ? { do: "rest", untilMs: null }
        : { do: "findObject", object: job.object, uploadId: null };
  }
}

export function apply(job: Job, event: Event): Job {
  switch (event.type) {
    case "cancel":
      return cancel(job);
    case "pause":
      return pause(job);
    case "resume":
      return resume(job);
  }
  // Answers that were under way when the copy was paused or blocked still count.
  if (job.phase === "paused" || job.phase === "blocked") {
    const resumed = apply(job.resume, event);
    if (resumed.phase === "aborting" || resumed.phase === "blocked" || isEnded(resumed)) return resumed;
    return resumed.phase === "paused" ? job : { ...job, resume: resumed };
  }
  if (isRestore(event)) return applyRestore(job, event);
  switch (event.type) {
    case "isNext":
      return job.phase === "queued" ? newJob("fail") : job;
    case "notYet":
      return job.phase === "queued"
        ? { ...job, behind: event.behind, retry: { ...FRESH, notBeforeMs: event.recheckAtMs } }
        : job;
    case "recheckQueue":
      return job.phase === "queued" ? { ...job, retry: FRESH } : job;
    case "sized":
      if (job.phase !== "sizing") return job;
      return event.object.plan.kind === "whole"
        ? begin(event.object, { kind: "whole" })
        : { phase: "creating", object: event.object, sentAtMs: null, retry: FRESH };
    case "conflict":
      if (isEnded(job) || job.phase === "aborting" || job.phase === "verifying") return job;
      if (job.phase === "completing" && job.call.sent) return job; // it may be this copy's own object
      return end(job, event.skip ? { phase: "skipped" } : { phase: "failed", failure: event.failure });
    case "headerDropped": {
      if (job.phase !== "creating" && job.phase !== "uploading") return job;
      const headers = withoutHeader(job.object.headers, event.header);
      return { ...job, object: { ...job.object, headers } };
    }
    case "sentAgain":
      if (job.phase !== "uploading") return job;
      return {
        ...job,
        object: { ...job.object, proof: event.proof, timesRedone: job.object.timesRedone + 1 },
      };
    case "streamInstead":
      return job.phase === "creating" || job.phase === "uploading"
        ? end(job, { phase: "restart", via: "stream", restarts: job.object.restarts, start: "now" })
        : job;
    case "createSending":
      return job.phase === "creating" ? { ...job, sentAtMs: event.now } : job;
    case "swept":
      if (job.phase === "creating") return { ...job, sentAtMs: null };
      return job.phase === "aborting" ? { ...job, strayAtMs: null } : job;
    case "created": {
      const upload: Upload = { kind: "parts", uploadId: event.uploadId };
      if (job.phase === "creating") return begin(job.object, upload);
      // Cancelled while Create was under way: the upload it made is aborted with the rest.
      return job.phase === "aborting" && job.upload === null ? { ...job, upload, strayAtMs: null } : job;
    }
    case "sourceSame":
      return job.phase === "uploading" ? { ...job, source: "same", retry: FRESH } : job;
    case "partsFound":
      return job.phase === "uploading" ? { ...job, retry: FRESH } : job;
    case "partsChecked":
      if (job.phase !== "uploading") return job;
      return job.upload.kind === "whole"
        ? { phase: "verifying", object: job.object, etag: null, wish: "finish", retry: FRESH }
        : {
            phase: "completing",
            object: job.object,
            uploadId: job.upload.uploadId,
            call: { sent: false },
            wish: "finish",
            retry: FRESH,
          };
    case "completeSending":
      return job.phase === "completing" ? { ...job, call: { sent: true, failure: null } } : job;
    case "completed":
      return job.phase === "completing"
        ? { phase: "verifying", object: job.object, etag: event.etag, wish: job.wish, retry: FRESH }
        : job;
    case "completeRefused":
      if (job.phase !== "completing") return job;
      if (job.wish === "cancel") return end(job, { phase: "cancelled" });
      return stepFailed({ ...job, call: { sent: false } }, event);
    case "partsRefused":
      return partsRefused(job, event);
    case "objectFound":
      if (job.phase !== "completing" && job.phase !== "aborting") return job;
      return job.object === null
        ? job
        : {
            phase: "verifying",
            object: job.object,
            etag: event.etag,
            wish: job.phase === "completing" ? job.wish : wishOf(job.ending),
            retry: FRESH,
          };
    case "objectAbsent":
      return objectAbsent(job, event);
    case "verified":
      return job.phase === "verifying"
        ? {
            phase: "completed",
            object: job.object,
            result: { kind: "copied", etag: event.etag, proof: event.proof },
          }
        : job;
    case "aborted":
      return job.phase === "aborting" ? endAs(job) : job;
    case "stepFailed":
      return job.phase === "restoring" && event.failure.code !== "budget_reached"
        ? restoreStepFailed(job, event)
        : stepFailed(job, event);
    case "crashed":
      return crashed(job, event.failure);
    case "advanced":
      return withoutCrashes(job);
    case "partFailed":
      if (job.phase !== "uploading") return job;
      // A part that was given up because its store is in trouble, or because a permission is missing, loses
      // nothing by waiting.
      return verdictOf(event.failure) === "blocked" || isOutage(event.failure)
        ? { phase: "blocked", resume: job, failure: event.failure }
        : end(job, afterFailure(job.object, event.failure));
  }
}

function begin(object: Prepared, upload: Upload): Job {
  return { phase: "uploading", object, upload, source: "same", retry: FRESH };
}

function pause(job: Job): Job {
  if (job.phase === "blocked" || job.phase === "paused" || isEnded(job)) return job;
  if (job.phase !== "aborting") return { phase: "paused", resume: job };
  // An abort always finishes; only what starts after it can wait.
  return restarting(job, "paused");
}

function restarting(job: Aborting, start: "now" | "paused"): Job {
  if (job.ending.phase !== "restart" || job.ending.start === start) return job;
  return { ...job, ending: { ...job.ending, start } };
}

function resume(job: Job): Job {
  if (job.phase === "aborting") return restarting(job, "now");
  if (job.phase !== "paused" && job.phase !== "blocked") return job;
  const rested = { ...job.resume, retry: FRESH };
  return rested.phase === "uploading" ? { ...rested, source: "unchecked" } : rested;
}

function partsRefused(job: Job, event: { failure: Failure; now: number; random: number }): Job {
  if (job.phase !== "completing") return job;
  if (job.wish === "cancel") return end(job, { phase: "cancelled" });
  const { failure, now, random } = event;
  const timesRefused = job.object.timesRefused + 1;
  if (timesRefused >= MAX_ATTEMPTS) return end(job, { phase: "failed", failure });
  return {
    phase: "uploading",
    object: { ...job.object, timesRefused },
    upload: { kind: "parts", uploadId: job.uploadId },
    source: "same",
    retry: { failedAttempts: 0, notBeforeMs: now + backoffMs(failure, timesRefused, random) },
  };
}

function objectAbsent(job: Job, { uploadGone }: { uploadGone: boolean }): Job {
  if (job.phase === "aborting") {
    // The outcome of a Complete, learned late: the upload of this copy is aborted anyway.
    return job.upload?.kind === "parts" || job.strayAtMs !== null ? job : endAs(job);
  }
  if (job.phase !== "completing" || !job.call.sent) return job;
  if (job.wish === "cancel") return end(job, { phase: "cancelled" });
  const failure = job.call.failure ?? NO_ANSWER;
  // Another writer's object came first: If-None-Match was honoured.
  if (failure.code === "PreconditionFailed" && job.object.ifExists === "skip")
    return end(job, { phase: "skipped" });
  const unsent = { ...job, call: { sent: false as const } };
  if (uploadGone || failure.code === "NoSuchUpload" || failure.code === "PreconditionFailed")
    return end(job, { phase: "failed", failure });
  return job.retry.failedAttempts < attemptsFor(job, failure) ? unsent : giveUp(unsent, failure);
}
