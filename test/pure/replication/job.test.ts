// The states of a replication: what is next, and what an answer changes.

import { describe, expect, test } from "vitest";
import {
  type Facts,
  type JobEvent,
  type ReplicationJob,
  apply,
  childOf,
  isHandingOut,
  newJob,
  nextStep,
} from "../../../src/replication/job.ts";
import { meshFailure } from "../../../src/s3/failure.ts";

const IDLE: Facts = { pending: 0, working: 0, overflow: false, repairDue: false, changes: 7, nextSeq: 1 };
const FAILURE = meshFailure("internal_error", "It broke", "sync");
const after = (job: ReplicationJob, ...events: readonly JobEvent[]) => events.reduce(apply, job);
const ended = (seq: number, failure: typeof FAILURE | null = null): JobEvent => ({
  type: "ended",
  seq,
  failure,
  nextSeq: seq + 1,
});
const FOLLOWING: ReplicationJob = { phase: "following", task: null };

test("a backfill is started, polled, read and followed", () => {
  const job = newJob();
  expect([isHandingOut(job), nextStep(job, IDLE).do]).toEqual([false, "start"]);
  const started = after(job, { type: "started", seq: 0, id: "a" });
  expect(nextStep(started, IDLE)).toMatchObject({ do: "poll", child: { kind: "sync", id: "a" } });
  const read = after(started, ended(0));
  expect(nextStep(read, IDLE)).toMatchObject({ do: "read", from: { part: 0, line: 0 } });
  expect(after(read, { type: "read", seq: 0, next: { part: 1, line: 0 } })).toMatchObject({
    read: { part: 1 },
  });
  expect(after(read, { type: "read", seq: 0, next: null })).toEqual(FOLLOWING);
});

test("a backfill that has failed waits for a person, and begins again as another run", () => {
  const blocked = after(newJob(), { type: "started", seq: 0, id: "a" }, ended(0, FAILURE));
  expect(blocked).toMatchObject({ phase: "blocked", failure: FAILURE });
  const resumed = after(blocked, { type: "resume" });
  expect(childOf(resumed)).toEqual({ kind: "sync", seq: 1, id: null });
});

describe("while it follows", () => {
  test("it rests, repairs when one is due, and catches up first when the backlog is full", () => {
    expect(nextStep(FOLLOWING, IDLE).do).toBe("rest");
    expect(nextStep(FOLLOWING, { ...IDLE, repairDue: true })).toMatchObject({ event: { why: "repair" } });
    const full = { ...IDLE, repairDue: true, overflow: true };
    expect(nextStep(FOLLOWING, full)).toMatchObject({ event: { why: "catch_up" } });
  });

  test("a repair does not keep keys from the lanes; a sync that catches up does, and waits for what they write", () => {
    const repair = after(FOLLOWING, { type: "task", why: "repair", seq: 3 });
    const catchUp = after(FOLLOWING, { type: "task", why: "catch_up", seq: 3 });
    expect([isHandingOut(repair), isHandingOut(catchUp)]).toEqual([true, false]);
    expect(nextStep(catchUp, { ...IDLE, working: 1 }).do).toBe("rest");
    expect(nextStep(catchUp, IDLE).do).toBe("start");
    expect(after(catchUp, { type: "started", seq: 3, id: "s" }, ended(3))).toEqual(FOLLOWING);
  });

  test("a repair that has failed is given up until the next; an answer about an older run changes nothing", () => {
    const repair = after(
      FOLLOWING,
      { type: "task", why: "repair", seq: 3 },
      { type: "started", seq: 3, id: "c" },
    );
    expect(after(repair, ended(3, FAILURE))).toEqual(FOLLOWING);
    for (const late of [
      ended(2),
      { type: "started", seq: 2, id: "x" },
      { type: "read", seq: 2, next: null },
    ] as const)
      expect(after(repair, late)).toBe(repair);
  });
});

describe("a cutover", () => {
  const begun = after(FOLLOWING, { type: "cutover", reverse: false });

  test("drains, compares, looks at what it has found, and is judged", () => {
    expect(nextStep(begun, { ...IDLE, pending: 1 }).do).toBe("rest");
    expect(nextStep(begun, IDLE)).toMatchObject({ event: { type: "drained", changes: 7 } });
    const read = after(
      begun,
      { type: "drained", seq: 4, changes: 7 },
      { type: "started", seq: 4, id: "c" },
      ended(4),
    );
    const settling = after(read, { type: "read", seq: 4, next: null });
    expect(nextStep(settling, { ...IDLE, pending: 1 }).do).toBe("rest");
    expect(nextStep(settling, IDLE)).toMatchObject({ do: "judge", changes: 7 });
    expect(after(settling, { type: "judged", ready: false })).toEqual(FOLLOWING);
    const over = after(settling, { type: "judged", ready: true });
    expect([over.phase, isHandingOut(over), nextStep(over, IDLE).do]).toEqual(["cut_over", false, "rest"]);
  });

  test("begins only while nothing else is under way", () => {
    const repair = after(FOLLOWING, { type: "task", why: "repair", seq: 3 });
    for (const job of [repair, newJob(), after(FOLLOWING, { type: "pause" })])
      expect(after(job, { type: "cutover", reverse: false })).toBe(job);
  });

  test("without its comparison, or with a full backlog, it is not ready", () => {
    const comparing = after(
      begun,
      { type: "drained", seq: 4, changes: 7 },
      { type: "started", seq: 4, id: "c" },
    );
    expect(after(comparing, ended(4, FAILURE))).toEqual(FOLLOWING);
    expect(nextStep(comparing, { ...IDLE, overflow: true })).toMatchObject({
      event: { type: "judged", ready: false },
    });
  });

  test("with a way back, the other replication begins once, and only when it is ready", () => {
    const wanted = after(FOLLOWING, { type: "cutover", reverse: true }, { type: "judged", ready: true });
    expect(nextStep(wanted, IDLE).do).toBe("reverse");
    expect(nextStep(after(wanted, { type: "reversed" }), IDLE).do).toBe("rest");
  });
});

test("paused and blocked go on where they were, and hand out nothing", () => {
  const repair = after(FOLLOWING, { type: "task", why: "repair", seq: 3 });
  for (const stop of [{ type: "pause" }, { type: "failed", failure: FAILURE }] as const) {
    const stopped = after(repair, stop);
    expect([isHandingOut(stopped), nextStep(stopped, IDLE).do]).toEqual([false, "rest"]);
    expect(after(stopped, ended(3))).toBe(stopped);
    expect(after(stopped, { type: "resume" })).toEqual(repair);
  }
});

test("from any phase it can be deleted: nothing is handed out, its run is still known, and there is no way back", () => {
  const backfilling = after(newJob(), { type: "started", seq: 0, id: "a" });
  const paused = after(backfilling, { type: "pause" });
  const blocked = after(backfilling, { type: "failed", failure: FAILURE });
  const cutOver: ReplicationJob = { phase: "cut_over", reverse: "wanted" };
  for (const job of [newJob(), backfilling, paused, blocked, FOLLOWING, cutOver]) {
    const deleting = after(job, { type: "delete" });
    expect(deleting).toEqual({ phase: "deleting", child: childOf(job) });
    expect([isHandingOut(deleting), nextStep(deleting, { ...IDLE, overflow: true }).do]).toEqual([
      false,
      "remove",
    ]);
    const later: readonly JobEvent[] = [
      { type: "delete" },
      { type: "resume" },
      { type: "pause" },
      { type: "failed", failure: FAILURE },
      { type: "started", seq: 0, id: "b" },
      ended(0),
      { type: "cutover", reverse: false },
    ];
    expect(after(deleting, ...later)).toBe(deleting);
  }
});
