import { expect, test } from "vitest";
import {
  type ProbeJob,
  type ProbeSpec,
  beginProbe,
  cleaned,
  createFailed,
  created,
  ending,
} from "../../../src/diagnose/probe_job.ts";
import type { ProbeOutcome, ProbeReport, ProbeTask } from "../../../src/diagnose/probe_task.ts";
import {
  busyLanes,
  isMeasured,
  lanesToWake,
  releaseSilent,
  takeClaim,
} from "../../../src/diagnose/probe_tasks.ts";

const spec: ProbeSpec = {
  store: "west",
  bucket: "b",
  sizesMib: [90, 110],
  lanes: 3,
  isLocal: false,
  maxPartMib: 95,
  configuredLanes: 8,
};
const measuring = (over: Partial<ProbeSpec> = {}) =>
  created(beginProbe("p", { ...spec, ...over }, 0), "upload");

/** What a lane that runs everything at once gets, and what became of the job. */
function claim(
  job: ProbeJob,
  lane: number,
  {
    finished = [],
    running = [],
    now = 1000,
    wanted = 5,
  }: {
    finished?: ProbeReport[];
    running?: ProbeTask[];
    now?: number;
    wanted?: number;
  } = {},
) {
  const answer = takeClaim(job, { lane, finished, running, wanted }, now);
  const task = answer.grant.kind === "work" ? answer.grant.tasks[0] : undefined;
  return { job: answer.job, kind: answer.grant.kind, task };
}

function outcomeOf(task: ProbeTask): ProbeOutcome {
  const { work } = task;
  if (work.kind === "send") return { kind: "sent", sent: { ok: true, sizeMib: work.sizeMib, durationMs: 1 } };
  if (work.kind === "read")
    return { kind: "read", read: { name: work.name, isUnchanged: true, isCurrent: true, detail: "" } };
  const counted = {
    streams: 6,
    asked: work.streams,
    isolate: "i",
    copierIsolates: ["i"],
    machine: null,
    refusal: null,
  };
  return { kind: "counted", counted };
}

const report = (task: ProbeTask, outcome = outcomeOf(task)): ProbeReport => ({
  name: task.name,
  attempt: task.attempt,
  outcome,
});

/** One lane works off everything that it is given. */
function workOff(
  job: ProbeJob,
  lane: number,
  outcome?: (task: ProbeTask) => ProbeOutcome,
): [ProbeJob, string[]] {
  const names: string[] = [];
  let { job: now, task } = claim(job, lane);
  while (task !== undefined) {
    names.push(task.name);
    ({ job: now, task } = claim(now, lane, { finished: [report(task, outcome?.(task))] }));
  }
  return [now, names];
}

test("lane 1 measures bodies and keys one after the other, then all lanes count at once", () => {
  expect(lanesToWake(measuring())).toEqual([1]);
  expect(claim(measuring(), 2).kind).toBe("rest");
  const [job, names] = workOff(measuring(), 1);
  expect(names).toEqual([
    "send 90 MiB from a copier",
    "send 110 MiB from a copier",
    "send 90 MiB from a lane",
    "send 110 MiB from a lane",
    "read x.zip",
    "read x",
    "count in lane 1",
  ]);
  expect(lanesToWake(job)).toEqual([2, 3]);
  const [second] = workOff(job, 2);
  const [third] = workOff(second, 3);
  expect(isMeasured(second)).toBe(false);
  expect(isMeasured(third)).toBe(true);
  expect(third.measured.lanes.map((counted) => counted?.streams)).toEqual([6, 6, 6]);
});

const refuse = (task: ProbeTask): ProbeOutcome =>
  task.name === "send 90 MiB from a copier"
    ? { kind: "sent", sent: { ok: false, sizeMib: 90, message: "413" } }
    : outcomeOf(task);

test("a size that does not pass ends its row, and the other row begins at the smallest", () => {
  const [job, names] = workOff(measuring(), 1, refuse);
  expect(names.slice(0, 3)).toEqual([
    "send 90 MiB from a copier",
    "send 90 MiB from a lane",
    "send 110 MiB from a lane",
  ]);
  expect(job.measured.byCopier).toEqual([{ ok: false, sizeMib: 90, message: "413" }]);
});

test("lanes hold their bodies until the same moment, one that comes late a little longer; part numbers never meet", () => {
  let [job] = workOff(measuring(), 1, (task) =>
    task.work.kind === "count" ? { kind: "failed", message: "x" } : outcomeOf(task),
  );
  const holds: [number, number][] = [];
  for (const [lane, now] of [
    [2, 1500],
    [3, 9000],
  ] as const) {
    const answer = claim(job, lane, { now });
    job = answer.job;
    if (answer.task?.work.kind === "count")
      holds.push([answer.task.work.untilMs, answer.task.work.firstPartNumber]);
  }
  expect(holds).toEqual([
    [6000, 14],
    [12_000, 26],
  ]);
});

test("a task that a lane has lost is given once more, and lost again it counts as its outcome", () => {
  const first = claim(measuring(), 1);
  expect(first.task?.attempt).toBe(1);
  // The lane's event has died: it names nothing as running.
  const second = claim(first.job, 1);
  expect([second.task?.name, second.task?.attempt]).toEqual([first.task?.name, 2]);
  // The first event's report comes after all: nobody waits for it.
  const late = claim(second.job, 1, {
    finished: first.task === undefined ? [] : [report(first.task)],
    running: second.task === undefined ? [] : [second.task],
  });
  expect(late.job.measured.byCopier).toEqual([]);
  const third = claim(late.job, 1);
  expect(third.job.measured.byCopier).toEqual([
    { ok: false, sizeMib: 90, message: "the event that ran it ended before its time, 2 times" },
  ]);
  expect(third.task?.name).toBe("send 90 MiB from a lane");
});

test("a lane that runs its task keeps it; one that is silent for long loses it and is woken", () => {
  const { job, task } = claim(measuring(), 1, { now: 0 });
  const running = task === undefined ? [] : [task];
  const kept = claim(job, 1, { running, now: 80_000 }).job;
  expect(busyLanes(releaseSilent(kept, 160_000))).toEqual([1]);
  expect(lanesToWake(kept)).toEqual([]);
  const lost = releaseSilent(kept, 171_000);
  expect(busyLanes(lost)).toEqual([]);
  expect(lanesToWake(lost)).toEqual([1]);
});

test("a tired lane gets nothing and comes again", () => {
  expect(claim(measuring(), 1, { wanted: 0 })).toMatchObject({ kind: "work", task: undefined });
});

test("what is cancelled is no measurement, and its lanes are told to stop", () => {
  const { job, task } = claim(measuring(), 1);
  const cancelled = ending(job, { outcome: "cancelled" });
  const finished = task === undefined ? [] : [report(task)];
  const after = claim(cancelled, 1, { finished });
  expect(after.kind).toBe("stop");
  expect(after.job.measured.byCopier).toEqual([]);
  expect(busyLanes(after.job)).toEqual([]);
});

test("an upload that is created after the cancel is aborted with it", () => {
  const cancelled = ending(beginProbe("p", spec, 0), { outcome: "cancelled" });
  expect(created(cancelled, "late").state).toMatchObject({ phase: "cleaning", uploadId: "late" });
});

test("creating is tried eight times where that may help, and once where it cannot", () => {
  const job = beginProbe("p", spec, 0);
  expect(createFailed(job, "refused", false).state).toMatchObject({ phase: "cleaning", uploadId: null });
  let tried = job;
  for (let times = 1; times < 8; times++) tried = createFailed(tried, "503", true);
  expect(tried.state).toMatchObject({ phase: "creating", failedAttempts: 7 });
  expect(createFailed(tried, "503", true).state).toMatchObject({
    phase: "cleaning",
    ending: { outcome: "failed", message: "503" },
  });
});

test("cleaning goes on until nothing is left, and after eight tries says what is", () => {
  let job = ending(measuring(), { outcome: "completed" });
  for (let times = 1; times < 8; times++) job = cleaned(job, ["upload u"], 5);
  expect(job.state.phase).toBe("cleaning");
  expect(cleaned(job, [], 5).state).toMatchObject({ phase: "ended", leftovers: [] });
  expect(cleaned(job, ["upload u"], 5).state).toMatchObject({
    phase: "ended",
    ending: { outcome: "completed" },
    leftovers: ["upload u"],
  });
});
