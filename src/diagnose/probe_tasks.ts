// What the lanes of a probe measure next, and what their reports change. Pure.
//
// It measures body sizes (sent by copiers, then by a lane itself), keys (put, read, replaced, read), and
// lanes (all at once, each with more bodies than it should have in flight). Lane 1 does the first two, one
// task at a time, so that nothing disturbs the measurement.
//
// Invariant: a task is given to one lane at a time. A task that a lane lost is given twice at most, since an
// event may die of it, which is what the probe wants to find out.

import { type Given, type ProbeJob, KEYS, prefixOf, uploadKeyOf } from "./probe_job.ts";
import type {
  Counted,
  KeyRead,
  ProbeAttempt,
  ProbeOutcome,
  ProbeReport,
  ProbeTask,
  ProbeWork,
  Sent,
} from "./probe_task.ts";
import type { Claim, Grant } from "../work/claim.ts";

/** Bodies that one lane starts at once: more than it should have in flight. */
export const ASKED_PER_LANE = 12;

/** Longer than waking all lanes and opening their connections takes. */
const HOLD_MS = 5_000;

/** For a lane that comes late. */
const LEAST_HOLD_MS = 3_000;

/** A lane calls every 20 s. */
const SILENT_MS = 90_000;

const GIVEN_TWICE = 2;

/** Whether every question has an answer. */
export function isMeasured(job: ProbeJob): boolean {
  return openTasks(job).length === 0 && job.given.length === 0;
}

/** Lanes that have something to do and are not known to be doing it. */
export function lanesToWake(job: ProbeJob): number[] {
  if (job.state.phase !== "measuring") return [];
  const busy = new Set(job.given.map(({ lane }) => lane));
  return openTasks(job)
    .map(({ lane }) => lane)
    .filter((lane) => !busy.has(lane));
}

/** Lanes that may have something of the upload in flight. */
export function busyLanes({ given }: ProbeJob): number[] {
  return [...new Set(given.map(({ lane }) => lane))];
}

/** The tasks of lanes that have been silent for too long are lost. */
export function releaseSilent(job: ProbeJob, now: number): ProbeJob {
  const silent = job.given.filter(({ seenMs }) => now - seenMs > SILENT_MS);
  return silent.reduce(lose, job);
}

/** Takes a lane's reports and returns what it does next. A repeated or late report is ignored. */
export function takeClaim(
  before: ProbeJob,
  claim: Claim<ProbeReport, ProbeAttempt>,
  now: number,
): { job: ProbeJob; grant: Grant<ProbeTask> } {
  let job = claim.finished.reduce((each, report) => take(each, claim.lane, report), before);
  const runs = ({ name, attempt }: Given) =>
    claim.running.some((task) => task.name === name && task.attempt === attempt);
  job = job.given.filter((given) => given.lane === claim.lane && !runs(given)).reduce(lose, job);
  job = {
    ...job,
    given: job.given.map((given) => (given.lane === claim.lane ? { ...given, seenMs: now } : given)),
  };
  const { state } = job;
  if (state.phase !== "measuring") return { job, grant: { kind: "stop" } };
  const next = openTasks(job).find(({ lane }) => lane === claim.lane);
  if (claim.running.length > 0 || next === undefined) return { job, grant: { kind: "rest" } };
  if (claim.wanted === 0) return { job, grant: { kind: "work", tasks: [], retryInMs: null } };
  return give(job, state.uploadId, next, now);
}

interface Open {
  readonly lane: number;
  readonly name: string;
  readonly work: ProbeWork;
}

function give(
  job: ProbeJob,
  uploadId: string,
  { lane, name, work }: Open,
  now: number,
): { job: ProbeJob; grant: Grant<ProbeTask> } {
  const attempt = (job.lost[name] ?? 0) + 1;
  const holdUntilMs = work.kind === "count" ? (job.holdUntilMs ?? now + HOLD_MS) : job.holdUntilMs;
  const untilMs = Math.max(holdUntilMs ?? 0, now + LEAST_HOLD_MS);
  const { store, bucket } = job.spec;
  const target = {
    probeId: job.id,
    lane,
    store,
    bucket,
    uploadKey: uploadKeyOf(job),
    uploadId,
    prefix: prefixOf(job),
  };
  const task: ProbeTask = {
    name,
    attempt,
    target,
    work: work.kind === "count" ? { ...work, untilMs } : work,
  };
  return {
    job: { ...job, holdUntilMs, given: [...job.given, { lane, name, attempt, seenMs: now }] },
    grant: { kind: "work", tasks: [task], retryInMs: null },
  };
}

/** Tasks that no lane has yet, in the order in which they may start. */
function openTasks({ spec, measured, given }: ProbeJob): Open[] {
  const isGiven = (name: string) => given.some((each) => each.name === name);
  for (const [from, sent] of [
    ["copier", measured.byCopier],
    ["lane", measured.byLane],
  ] as const) {
    const sizeMib = sent.at(-1)?.ok === false ? undefined : spec.sizesMib[sent.length];
    if (sizeMib === undefined) continue;
    const name = `send ${sizeMib} MiB from a ${from}`;
    return isGiven(name) ? [] : [{ lane: 1, name, work: { kind: "send", from, sizeMib } }];
  }
  const key = KEYS[measured.keys.length];
  if (key !== undefined) {
    const name = `read ${key}`;
    return isGiven(name) ? [] : [{ lane: 1, name, work: { kind: "read", name: key } }];
  }
  const uncounted = measured.lanes.flatMap((counted, index) => (counted === null ? [index + 1] : []));
  return uncounted
    .map((lane): Open => {
      // Part 1 is for the sizes.
      const firstPartNumber = 2 + (lane - 1) * ASKED_PER_LANE;
      const asksMachine = !spec.isLocal;
      const work = {
        kind: "count",
        streams: ASKED_PER_LANE,
        firstPartNumber,
        untilMs: 0,
        asksMachine,
      } as const;
      return { lane, name: `count in lane ${lane}`, work };
    })
    .filter(({ name }) => !isGiven(name));
}

function take(job: ProbeJob, lane: number, { name, attempt, outcome }: ProbeReport): ProbeJob {
  const mine = job.given.find(
    (given) => given.lane === lane && given.name === name && given.attempt === attempt,
  );
  if (mine === undefined) return job;
  return answered({ ...job, given: job.given.filter((given) => given !== mine) }, mine, outcome);
}

function lose(job: ProbeJob, given: Given): ProbeJob {
  const times = (job.lost[given.name] ?? 0) + 1;
  const after = {
    ...job,
    given: job.given.filter((each) => each !== given),
    lost: { ...job.lost, [given.name]: times },
  };
  if (times < GIVEN_TWICE) return after;
  const message = `the event that ran it ended before its time, ${GIVEN_TWICE} times`;
  return answered(after, given, { kind: "failed", message });
}

/** A cancelled task does not count as a measurement. */
function answered(job: ProbeJob, { lane, name }: Given, outcome: ProbeOutcome): ProbeJob {
  if (job.state.phase !== "measuring") return job;
  const { measured } = job;
  const work = openTasks(job).find((open) => open.name === name)?.work;
  switch (work?.kind) {
    case undefined:
      return job;
    case "send": {
      const { sizeMib, from } = work;
      const sent: Sent =
        outcome.kind === "sent" ? outcome.sent : { ok: false, sizeMib, message: messageOf(outcome) };
      const row = from === "copier" ? "byCopier" : "byLane";
      return { ...job, measured: { ...measured, [row]: [...measured[row], sent] } };
    }
    case "read": {
      const read: KeyRead =
        outcome.kind === "read"
          ? outcome.read
          : { name: work.name, isUnchanged: false, isCurrent: null, detail: messageOf(outcome) };
      return { ...job, measured: { ...measured, keys: [...measured.keys, read] } };
    }
    case "count": {
      const counted: Counted =
        outcome.kind === "counted" ? outcome.counted : { ...NOT_COUNTED, refusal: messageOf(outcome) };
      return { ...job, measured: { ...measured, lanes: measured.lanes.with(lane - 1, counted) } };
    }
  }
}

const NOT_COUNTED = { streams: 0, asked: ASKED_PER_LANE, isolate: "", copierIsolates: [], machine: null };

function messageOf(outcome: ProbeOutcome): string {
  return outcome.kind === "failed" ? outcome.message : `answered as if it were "${outcome.kind}"`;
}
