// A replication as data: its phase, what exists in that phase, what to do next, and what an answer changes.
//
//   backfilling → following → cutting_over → cut_over
//   paused and blocked keep what they came from and go on with it; a cutover that is not ready follows again.
//   From any of them: deleting, which has no way back.
//
// Pure: nextStep() decides and apply() changes. Any step may run twice and any answer may come late: an event
// that no longer fits the phase changes nothing. The keys are not in here: see queue.ts.
//
// One writes at a time. While a sync backfills or catches up, keys are taken in and none is handed out: two
// writers of one key could leave the older object. A comparison writes nothing, so a repair does not stop the
// work: what it finds goes into the queue like the key of an event, and is judged by HEAD like that.

import type { Failure } from "../s3/failure.ts";

/** A run that the replication starts. Its number gives it a name, under which it is started once. */
export interface Child {
  readonly kind: "sync" | "comparison";
  readonly seq: number;
  /** Null: it is not started. */
  readonly id: string | null;
}

/** How far the report of a run is read: it begins at the first line of its first part. */
export interface Place {
  readonly part: number;
  readonly line: number;
}

const FIRST_LINE: Place = { part: 0, line: 0 };

type Task =
  /** The backlog has passed its limit. */
  | { readonly why: "catch_up"; readonly child: Child }
  /** `read`: null while the comparison runs, then how far its findings are in the queue. */
  | { readonly why: "repair"; readonly child: Child; readonly read: Place | null };

type CutoverStage =
  | { readonly at: "draining" }
  /** `changes`: copies and deletions made before it began. */
  | { readonly at: "comparing"; readonly child: Child; readonly changes: number; readonly read: Place | null }
  /** What it has found is looked at. */
  | { readonly at: "settling"; readonly child: Child; readonly changes: number };

type Working =
  | { readonly phase: "backfilling"; readonly child: Child; readonly read: Place | null }
  | { readonly phase: "following"; readonly task: Task | null }
  | { readonly phase: "cutting_over"; readonly reverse: boolean; readonly stage: CutoverStage };

export type ReplicationJob =
  | Working
  | { readonly phase: "cut_over"; readonly reverse: "none" | "wanted" | "begun" }
  | { readonly phase: "paused"; readonly resume: Working }
  | { readonly phase: "blocked"; readonly resume: Working; readonly failure: Failure }
  /** `child`: the run that was under way, which may or may not have begun. */
  | { readonly phase: "deleting"; readonly child: Child | null };

/** What a decision needs of the record. */
export interface Facts {
  /** Keys that wait or are worked on. */
  readonly pending: number;
  /** Keys that a lane or a copy is working on. */
  readonly working: number;
  /** Hints were dropped: only a sync can catch up. */
  readonly overflow: boolean;
  /** A repair is due, or was asked for. */
  readonly repairDue: boolean;
  /** Copies and deletions so far. */
  readonly changes: number;
  readonly nextSeq: number;
}

type Step =
  | { readonly do: "start"; readonly child: Child }
  | { readonly do: "poll"; readonly child: Child }
  /** What the report of a run says goes into the queue, or into what is known. */
  | { readonly do: "read"; readonly child: Child; readonly from: Place }
  | { readonly do: "become"; readonly event: JobEvent }
  | { readonly do: "judge"; readonly child: Child; readonly changes: number }
  | { readonly do: "reverse" }
  /** What runs is ended, and then all of it goes. */
  | { readonly do: "remove" }
  | { readonly do: "rest" };

export type JobEvent =
  | { readonly type: "started"; readonly seq: number; readonly id: string }
  /** A run has ended well, or in a failure. */
  | {
      readonly type: "ended";
      readonly seq: number;
      readonly failure: Failure | null;
      /** Of the run that takes the place of one that has failed. */
      readonly nextSeq: number;
    }
  /** Null: the report is read to its end. */
  | { readonly type: "read"; readonly seq: number; readonly next: Place | null }
  | { readonly type: "task"; readonly why: Task["why"]; readonly seq: number }
  | { readonly type: "drained"; readonly seq: number; readonly changes: number }
  | { readonly type: "judged"; readonly ready: boolean }
  | { readonly type: "reversed" }
  | { readonly type: "cutover"; readonly reverse: boolean }
  | { readonly type: "failed"; readonly failure: Failure }
  | { readonly type: "pause" }
  | { readonly type: "resume" }
  | { readonly type: "delete" };

export function newJob(): ReplicationJob {
  return { phase: "backfilling", child: { kind: "sync", seq: 0, id: null }, read: null };
}

function isWorking(job: ReplicationJob): job is Working {
  return job.phase === "backfilling" || job.phase === "following" || job.phase === "cutting_over";
}

/** Will it do nothing more by itself? */
export function isAtRest(job: ReplicationJob): boolean {
  if (job.phase === "cut_over") return job.reverse !== "wanted";
  return job.phase === "paused" || job.phase === "blocked";
}

/** Are keys handed to lanes? */
export function isHandingOut(job: ReplicationJob): boolean {
  if (job.phase === "cutting_over") return true;
  return job.phase === "following" && job.task?.why !== "catch_up";
}

/** The run that is under way, or was when the replication was paused or blocked. */
export function childOf(job: ReplicationJob): Child | null {
  switch (job.phase) {
    case "backfilling":
    case "deleting":
      return job.child;
    case "following":
      return job.task?.child ?? null;
    case "cutting_over":
      return job.stage.at === "draining" ? null : job.stage.child;
    case "paused":
    case "blocked":
      return childOf(job.resume);
    case "cut_over":
      return null;
  }
}

export function nextStep(job: ReplicationJob, facts: Facts): Step {
  switch (job.phase) {
    case "backfilling":
      return stepOf(job.child, job.read);
    case "following":
      return job.task === null ? nextTask(facts) : taskStep(job.task, facts);
    case "cutting_over":
      return cutoverStep(job.stage, facts);
    case "cut_over":
      return job.reverse === "wanted" ? { do: "reverse" } : { do: "rest" };
    case "deleting":
      return { do: "remove" };
    case "paused":
    case "blocked":
      return { do: "rest" };
  }
}

function nextTask({ overflow, repairDue, nextSeq }: Facts): Step {
  if (overflow) return { do: "become", event: { type: "task", why: "catch_up", seq: nextSeq } };
  if (repairDue) return { do: "become", event: { type: "task", why: "repair", seq: nextSeq } };
  return { do: "rest" };
}

function taskStep(task: Task, { working }: Facts): Step {
  // What was handed out before writes as the sync would.
  if (task.why === "catch_up")
    return task.child.id === null && working > 0 ? { do: "rest" } : stepOf(task.child, null);
  return stepOf(task.child, task.read);
}

function cutoverStep(stage: CutoverStage, { pending, changes, overflow, nextSeq }: Facts): Step {
  if (overflow) return { do: "become", event: { type: "judged", ready: false } };
  switch (stage.at) {
    case "draining":
      return pending > 0
        ? { do: "rest" }
        : { do: "become", event: { type: "drained", seq: nextSeq, changes } };
    case "comparing":
      return stepOf(stage.child, stage.read);
    case "settling":
      return pending > 0 ? { do: "rest" } : { do: "judge", child: stage.child, changes: stage.changes };
  }
}

function stepOf(child: Child, read: Place | null): Step {
  if (child.id === null) return { do: "start", child };
  return read === null ? { do: "poll", child } : { do: "read", child, from: read };
}

export function apply(job: ReplicationJob, event: JobEvent): ReplicationJob {
  switch (event.type) {
    case "pause":
      return isWorking(job) ? { phase: "paused", resume: job } : job;
    case "resume":
      return job.phase === "paused" || job.phase === "blocked" ? job.resume : job;
    case "failed":
      return isWorking(job) ? { phase: "blocked", resume: job, failure: event.failure } : job;
    case "cutover":
      return job.phase === "following" && job.task === null
        ? { phase: "cutting_over", reverse: event.reverse, stage: { at: "draining" } }
        : job;
    case "delete":
      return job.phase === "deleting" ? job : { phase: "deleting", child: childOf(job) };
    case "reversed":
      return job.phase === "cut_over" ? { phase: "cut_over", reverse: "begun" } : job;
    default:
      return isWorking(job) ? applyToWorking(job, event) : job;
  }
}

type WorkingEvent = Exclude<
  JobEvent,
  { readonly type: "pause" | "resume" | "failed" | "cutover" | "reversed" | "delete" }
>;

function applyToWorking(job: Working, event: WorkingEvent): ReplicationJob {
  switch (event.type) {
    case "task":
      if (job.phase !== "following" || job.task !== null) return job;
      return { phase: "following", task: taskOf(event.why, event.seq) };
    case "drained":
      if (job.phase !== "cutting_over" || job.stage.at !== "draining") return job;
      return { ...job, stage: comparing(event.seq, event.changes) };
    case "judged":
      if (job.phase !== "cutting_over") return job;
      return event.ready
        ? { phase: "cut_over", reverse: job.reverse ? "wanted" : "none" }
        : { phase: "following", task: null };
  }
  if (childOf(job)?.seq !== event.seq) return job;
  switch (event.type) {
    case "started":
      return withChild(job, { id: event.id });
    case "ended":
      return event.failure === null ? ended(job) : failedRun(job, event.failure, event.nextSeq);
    case "read":
      return afterReading(job, event.next);
  }
}

function taskOf(why: Task["why"], seq: number): Task {
  return why === "catch_up"
    ? { why, child: { kind: "sync", seq, id: null } }
    : { why, child: { kind: "comparison", seq, id: null }, read: null };
}

function comparing(seq: number, changes: number): CutoverStage {
  return { at: "comparing", child: { kind: "comparison", seq, id: null }, changes, read: null };
}

function withChild(job: Working, change: Partial<Child>): Working {
  switch (job.phase) {
    case "backfilling":
      return { ...job, child: { ...job.child, ...change } };
    case "following":
      if (job.task === null) return job;
      return { ...job, task: { ...job.task, child: { ...job.task.child, ...change } } };
    case "cutting_over":
      if (job.stage.at === "draining") return job;
      return { ...job, stage: { ...job.stage, child: { ...job.stage.child, ...change } } };
  }
}

/** A run has ended well: its report is read, where it is wanted. */
function ended(job: Working): Working {
  switch (job.phase) {
    case "backfilling":
      return { ...job, read: FIRST_LINE };
    case "following":
      return job.task?.why === "repair"
        ? { ...job, task: { ...job.task, read: FIRST_LINE } }
        : { ...job, task: null };
    case "cutting_over":
      return job.stage.at === "comparing" ? { ...job, stage: { ...job.stage, read: FIRST_LINE } } : job;
  }
}

/**
 * Without its backfill nothing can follow, and without catching up nothing is known: a person must look. A
 * repair comes again, and a cutover without its comparison is not ready.
 */
function failedRun(job: Working, failure: Failure, nextSeq: number): ReplicationJob {
  if (job.phase === "cutting_over") return { phase: "following", task: null };
  if (job.phase === "following" && job.task?.why === "repair") return { ...job, task: null };
  return { phase: "blocked", resume: withChild(job, { id: null, seq: nextSeq }), failure };
}

function afterReading(job: Working, next: Place | null): Working {
  switch (job.phase) {
    case "backfilling":
      return next === null ? { phase: "following", task: null } : { ...job, read: next };
    case "following":
      if (job.task?.why !== "repair") return job;
      return { ...job, task: next === null ? null : { ...job.task, read: next } };
    case "cutting_over":
      if (job.stage.at !== "comparing") return job;
      return {
        ...job,
        stage:
          next === null
            ? { at: "settling", child: job.stage.child, changes: job.stage.changes }
            : { ...job.stage, read: next },
      };
  }
}
