// Stores that ask for less than they are asked for, and what a copy or a sync makes of it. (For the caps of
// the configuration see request_caps.test.ts.)
//
// What was heard of a store is judged by the timeline, which keeps it; and when something was sent, by bounds
// from below, which a busy machine cannot break.

import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import type { Status } from "../../mesh/mesh.ts";
import { reaches } from "../../../src/throttle/flow.ts";
import { acknowledgeUnread } from "../fidelity/unread_parts.ts";
import { MIB, PART, openWorld } from "../world.ts";

const STORES = {
  east: { buckets: ["source"] },
  west: { buckets: ["destination"], etags: "opaque", minPartBytes: 1 },
} as const;
const clock = Clock.fast(5);
const {
  mesh,
  stores: { east, west },
} = await openWorld(STORES, undefined, clock);
const unhurried = await openWorld(STORES);

/** Which store began to ask for less, each time that one did. */
const throttledBy = ({ timeline }: Pick<Status, "timeline">) =>
  timeline.flatMap(({ event }) => /^throttled_by_(.*)/.exec(event)?.[1] ?? []);

/** By the mesh's clock, from what happened at a store to what happened at another. */
const elapsedMs = (from: { endedAt: number | undefined } | undefined, toMs: number | undefined) =>
  ((toMs ?? Number.NaN) - (from?.endedAt ?? Number.NaN)) * clock.rate;

/** Retry-After, and what the clocks of two processes may differ by. */
const AFTER = { headers: { "retry-after": "10" }, leastMs: 9_900 };

test("a destination that takes eight parts at once gets about as many, and the timeline says who is slow", async () => {
  const { stores } = unhurried;
  const takes = 8;
  stores.east.putGenerated("source", "busy", { size: 80 * PART });
  stores.west.swallow({ key: "busy" });
  stores.west.fault(
    { operation: "UploadPart", where: () => stores.west.openRequests().length > takes },
    { kind: "answer", code: "SlowDown" },
  );
  const slow = { kind: "throttle", direction: "in", bytesPerSecond: 20 * MIB } as const;
  stores.west.fault({ operation: "UploadPart" }, slow);
  const status = await unhurried.mesh.copy({
    source: "east:source/busy",
    destination: "west:destination/busy",
    partSize: PART,
    lanes: 8,
    verify: "off",
  });
  expect(status).toMatchObject({ phase: "completed", parts: { done: 80 } });
  expect(throttledBy(status)[0]).toBe("destination");
  const told = status.timeline.find(({ event }) => event === "throttled_by_destination")?.detail;
  expect(told).toContain("503 SlowDown");
  expect(Number(/at most (\d+) at once/.exec(told ?? "")?.[1])).toBeLessThan(40);
  // At full width every part would be refused four times for each time that it is taken.
  expect(status.parts.failedAttempts).toBeLessThan(80);
});

test("Retry-After of one part is waited for by all of them", async () => {
  east.putGenerated("source", "wait", { size: 60 * PART });
  const parts = { operation: "UploadPart", key: "wait" } as const;
  const refusing = west.hold({ ...parts, partNumber: 1 }, "before-body", { times: 1 });
  west.fault(
    { ...parts, partNumber: 1 },
    { kind: "answer", code: "SlowDown", headers: AFTER.headers },
    { times: 1 },
  );
  const others = west.hold({ ...parts, where: ({ partNumber }) => partNumber !== 1 });
  acknowledgeUnread(west, "wait", 60 * PART);
  const id = await mesh.startCopy({
    source: "east:source/wait",
    destination: "west:destination/wait",
    partSize: PART,
    lanes: 4,
    verify: "off",
  });
  // All that may run stand at the store when one of them is refused; the others go on when that was heard.
  await west.waitFor(() => refusing.waiting.length === 1 && others.waiting.length === 19);
  refusing.release();
  await mesh.until(id, (status) => throttledBy(status).length > 0);
  others.release();
  const status = await mesh.ended(id);
  expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 1 } });
  expect(throttledBy(status)).toEqual(["destination"]);
  const [refused] = west.requests({ ...parts, status: 503 });
  const { before = [], later = [] } = Object.groupBy(west.requests(parts), ({ startedAt }) =>
    startedAt > (refused?.endedAt ?? Number.NaN) ? "later" : "before",
  );
  expect(before).toHaveLength(20);
  // On a busy machine one of the last may be sent twice.
  expect(new Set(later.map(({ partNumber }) => partNumber)).size).toBeGreaterThanOrEqual(60 - 20 + 1);
  expect(elapsedMs(refused, Math.min(...later.map(({ startedAt }) => startedAt)))).toBeGreaterThanOrEqual(
    AFTER.leastMs,
  );
});

test("a store that throttles Create is not met by all parts at once when it takes it, nor before Retry-After", async () => {
  east.putGenerated("source", "create", { size: 40 * PART });
  west.fault(
    { operation: "CreateMultipartUpload", key: "create" },
    { kind: "answer", code: "SlowDown", headers: AFTER.headers },
    { times: 1 },
  );
  const gate = west.hold({ operation: "UploadPart", key: "create" });
  acknowledgeUnread(west, "create", 40 * PART);
  const id = await mesh.startCopy({
    source: "east:source/create",
    destination: "west:destination/create",
    partSize: PART,
    lanes: 8,
    verify: "off",
  });
  await west.waitFor(() => gate.waiting.length >= 8);
  gate.release();
  const status = await mesh.ended(id);
  expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 0 } });
  expect(throttledBy(status)).toEqual(["destination"]);
  const [refused] = west.requests({ operation: "CreateMultipartUpload", key: "create", status: 503 });
  const afterMs = west
    .requests({ operation: "UploadPart", key: "create" })
    .map(({ startedAt }) => elapsedMs(refused, startedAt))
    .toSorted((a, b) => a - b);
  expect(afterMs[0]).toBeGreaterThanOrEqual(AFTER.leastMs);
  // A copy that nobody has refused anything begins with sixteen; this one with one, and comes to eight so
  // late.
  const eightMs = reaches({ kind: "found", max: 1, cutTo: 1, cutAtMs: AFTER.leastMs }, 8, 0);
  expect(eightMs).toBeGreaterThan(AFTER.leastMs + 2_500);
  expect(afterMs[7]).toBeGreaterThanOrEqual(eightMs);
});

test.each([
  { operation: "HeadObject", side: "source" },
  { operation: "GetObjectTagging", side: "source" },
  { operation: "HeadObject", side: "destination" },
  { operation: "CreateMultipartUpload", side: "destination" },
  { operation: "ListParts", side: "destination" },
  { operation: "CompleteMultipartUpload", side: "destination" },
] as const)(
  "a $side that throttles $operation of a copy is known as busy to it",
  async ({ operation, side }) => {
    const key = `told/${operation}/${side}`;
    east.put("source", key, Buffer.alloc(2 * PART), { tags: [{ key: "a", value: "b" }] });
    const store = side === "source" ? east : west;
    store.fault({ operation, key }, { kind: "answer", code: "SlowDown" }, { times: 1 });
    const status = await mesh.copy({
      source: `east:source/${key}`,
      destination: `west:destination/${key}`,
      partSize: PART,
      // Only then the destination is asked before anything is written.
      ifExists: "skip",
    });
    expect(status, JSON.stringify(status.timeline)).toMatchObject({
      phase: "completed",
      parts: { failedAttempts: 0 },
    });
    expect(throttledBy(status)).toEqual([side]);
    const told = status.timeline.find(({ event }) => event.startsWith("throttled_by_"));
    expect(told?.detail).toMatch(
      new RegExp(`^${operation} of .*: the store answered 503.*; at most 1 at once now$`),
    );
  },
);

test("while a store holds a copy back nothing may run, and the status says who it is", async () => {
  east.putGenerated("source", "held back", { size: 2 * PART });
  // For as long as a whole copy heeds it.
  const busy = { kind: "answer", code: "SlowDown", headers: { "retry-after": "300" } } as const;
  west.fault({ operation: "UploadPart", key: "held back" }, busy);
  const id = await mesh.startCopy({
    source: "east:source/held back",
    destination: "west:destination/held back",
    partSize: PART,
  });
  const status = await mesh.until(id, (seen) => throttledBy(seen).length > 0);
  expect(status.pace).toMatchObject({ streams: 0, throttledBy: ["destination"] });
  expect((await mesh.cancel(id)).phase).toBe("cancelled");
});

test("a HEAD that is answered with 429 is not asked again by a GET before Retry-After", async () => {
  east.put("source", "head", "x");
  const busy = { kind: "answer", status: 429, headers: AFTER.headers } as const;
  east.fault({ operation: "HeadObject", key: "head" }, busy, { times: 1 });
  const status = await mesh.copy({ source: "east:source/head", destination: "west:destination/head" });
  expect(status).toMatchObject({ phase: "completed" });
  const [refused, next] = east.requests({ key: "head" });
  expect(refused?.status).toBe(429);
  expect(elapsedMs(refused, next?.startedAt)).toBeGreaterThanOrEqual(AFTER.leastMs);
});

test.each(["source", "destination"] as const)(
  "a %s that throttles the listing of a sync is asked for its objects slowly at first",
  async (side) => {
    const prefix = `listed/${side}/`;
    for (let index = 0; index < 60; index++) east.put("source", `${prefix}${index}`, "x");
    const store = side === "source" ? east : west;
    const busy = { kind: "answer", code: "SlowDown", headers: AFTER.headers } as const;
    store.fault({ operation: "ListObjectsV2" }, busy, { times: 1 });
    const status = await mesh.sync({
      source: `east:source/${prefix}`,
      destination: `west:destination/${prefix}`,
    });
    expect(status).toMatchObject({ phase: "completed", objects: { copied: 60 } });
    expect(throttledBy(status)).toEqual([side]);
    const [refused] = store.requests({ operation: "ListObjectsV2", status: 503 });
    const afterMs = west
      .requests({ operation: "PutObject" })
      .filter(({ key }) => key?.startsWith(prefix))
      .map(({ startedAt }) => elapsedMs(refused, startedAt))
      .toSorted((a, b) => a - b);
    expect(afterMs[0]).toBeGreaterThanOrEqual(AFTER.leastMs);
    // Unheeded, the refusal would be followed by all of them within a moment.
    expect(afterMs[29]).toBeGreaterThanOrEqual(AFTER.leastMs + 1_000);
  },
);

test("a part whose connection is slow is sent once more over another one, and the slow one is let go", async () => {
  east.putGenerated("source", "slow", { size: 20 * PART });
  west.swallow({ key: "slow" });
  const gate = west.hold({ operation: "UploadPart", key: "slow", partNumber: 7 }, "before-work", {
    times: 1,
  });
  const id = await mesh.startCopy({
    source: "east:source/slow",
    destination: "west:destination/slow",
    partSize: PART,
    lanes: 3,
    verify: "off",
  });
  expect(await mesh.ended(id)).toMatchObject({
    phase: "completed",
    attempts: 21,
    parts: { failedAttempts: 0 },
  });
  const sent = west.requests({ operation: "UploadPart", key: "slow", partNumber: 7 });
  // A store that waits cannot see that the other side has hung up: it is made to look.
  gate.release();
  await west.waitFor(() => sent[0]?.outcome !== "open");
  expect(sent.map(({ outcome }) => outcome)).toEqual(["aborted", "answered"]);
  expect(new Set(sent.map(({ lane }) => lane)).size).toBe(2);
});
