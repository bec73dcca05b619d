// The platform ends an alarm after fifteen minutes, whatever it is doing. Lanes and coordinators leave
// nothing to be ended.

import { expect, inject, test } from "vitest";
import { AlarmClock, makeClocked } from "../../edge/alarm_clock.ts";
import type { Operation } from "../../store/store.ts";
import { openWorld } from "../world.ts";

/** Of this length a part may take five minutes and a quarter while nothing is known of the stores' speed. */
const PART = 64 * 2 ** 20;
/** Four of these fill a batch, and each may take 92 seconds. */
const SMALL = 8 * 2 ** 20;

const clock = new AlarmClock();
// One service with both buckets: it copies the parts by itself, and no byte need pass in a test of time.
const {
  mesh,
  stores: { both, paged },
} = await openWorld(
  {
    both: { buckets: ["source", "destination"], etags: "opaque", clock: clock.now },
    paged: { buckets: ["source", "destination"], etags: "opaque", clock: clock.now, maxPageParts: 1 },
  },
  () => makeClocked(inject("bundlePath")),
);

/** When the first request of a lane has come, its alarm has begun just before. */
async function arrivalOf(operation: Operation, partNumber?: number): Promise<number> {
  await both.waitFor(() =>
    both
      .openRequests()
      .some((request) => request.operation === operation && request.partNumber === partNumber),
  );
  return clock.now();
}

test("a part that might be under way at minute fourteen waits for the next alarm, and is sent once", async () => {
  both.putGenerated("source", "slow", { size: 3 * PART });
  const operation = "UploadPartCopy";
  const gates = [1, 2, 3].map((partNumber) => both.hold({ operation, partNumber }, "before-answer"));
  const source = "both:source/slow";
  const destination = "both:destination/slow";
  const id = await mesh.startCopy({ source, destination, partSize: PART, lanes: 1, concurrency: 1 });
  const startMs = await arrivalOf(operation, 1);
  let endedAlarms: readonly string[] = [];
  for (const [index, second] of [295, 590, 902].entries()) {
    await arrivalOf(operation, index + 1);
    endedAlarms = await clock.advanceTo(mesh, startMs + second * 1000);
    gates[index]?.release();
  }
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed", parts: { failedAttempts: 0 } });
  expect(endedAlarms).toEqual([]);
  expect(both.requests({ operation }).map(({ partNumber }) => partNumber)).toEqual([1, 2, 3]);
});

test("a batch that is claimed late leaves the objects that might be under way at minute fourteen", async () => {
  for (let number = 10; number < 22; number++)
    both.putGenerated("source", `small/${number}`, { size: SMALL, seed: String(number) });
  // When each object has been copied, in seconds. The third batch is claimed just before minute ten.
  const seconds = [70, 140, 210, 280, 355, 430, 505, 585, 673, 761, 849, 937];
  let startMs: number | null = null;
  let endedAlarms: readonly string[] = [];
  const action = async () => {
    startMs ??= clock.now();
    endedAlarms = await clock.advanceTo(mesh, startMs + (seconds.shift() ?? 0) * 1000);
  };
  const operation = "CopyObject";
  both.fault({ operation }, { kind: "run", stage: "before-answer", action });
  const source = "both:source/small/";
  const destination = "both:destination/small/";
  const status = await mesh.sync({ source, destination, lanes: 1, concurrency: 1 });
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 12, failed: 0 } });
  expect(endedAlarms).toEqual([]);
  expect(both.requests({ operation })).toHaveLength(12);
});

test("a Complete that takes its twelve minutes after a list of parts that took seven is not ended", async () => {
  paged.putGenerated("source", "listed", { size: 8 * PART });
  let nowMs: number | null = null;
  let endedAlarms: readonly string[] = [];
  const takes = (seconds: number) => async () => {
    nowMs = (nowMs ?? clock.now()) + seconds * 1000;
    endedAlarms = await clock.advanceTo(mesh, nowMs);
  };
  const stage = "before-answer";
  paged.fault({ operation: "ListParts" }, { kind: "run", stage, action: takes(55) });
  paged.fault({ operation: "CompleteMultipartUpload" }, { kind: "run", stage, action: takes(700) });
  const source = "paged:source/listed";
  const destination = "paged:destination/listed";
  const status = await mesh.copy({ source, destination, partSize: PART, lanes: 1 });
  expect(status).toMatchObject({ phase: "completed" });
  expect(endedAlarms).toEqual([]);
  expect(paged.count("ListParts")).toBe(8);
  expect(paged.count("CompleteMultipartUpload")).toBe(1);
});
