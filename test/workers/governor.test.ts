// What the stores bear: caps of the configuration that all copies and syncs share, and stores that ask for less.
import { expect, test } from "vitest";
import { mostInASecond } from "../pure/window.ts";
import { MIB, PART, openWorld } from "./world.ts";

const PER_SECOND = 30;
const CONCURRENCY = 6;

const {
  mesh,
  stores: { east, west, capped },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"], etags: "opaque" },
    capped: { buckets: ["destination"] },
  },
  () => ({
    storeFields: { capped: { maxConcurrency: CONCURRENCY, maxRequestsPerSecond: PER_SECOND } },
  }),
);

test("two copies and a sync to one store stay below its caps together, each request counted", async () => {
  east.putGenerated("source", "large/a", { size: 5 * PART });
  east.putGenerated("source", "large/b", { size: 5 * PART });
  for (let index = 0; index < 40; index++) east.putGenerated("source", `small/${index}`, { size: 1000 });
  // A part that is refused at first counts as often as it is sent.
  capped.fault(
    { operation: "UploadPart", partNumber: 3 },
    { kind: "answer", code: "InternalError" },
    { times: 2 },
  );
  const copy = async (key: string) =>
    await mesh.startCopy({
      source: `east:source/large/${key}`,
      destination: `capped:destination/large/${key}`,
      partSize: PART,
    });
  const ids = [await copy("a"), await copy("b")];
  const sync = await mesh.startSync({
    source: "east:source/small/",
    destination: "capped:destination/small/",
  });
  for (const id of ids) expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
  expect(await mesh.syncEnded(sync)).toMatchObject({ phase: "completed", objects: { copied: 40 } });
  const moments = capped.requests().map(({ startedAt }) => startedAt);
  expect(moments.length).toBeGreaterThan(40 + 10 + 6);
  // The mesh keeps the cap by its own clock; what a busy machine delays may meet what is on time.
  expect(mostInASecond(moments)).toBeLessThanOrEqual(PER_SECOND * 1.2);
  const transfers = capped
    .requests()
    .filter(({ operation }) => operation === "UploadPart" || operation === "PutObject");
  expect(mostAtOnce(transfers)).toBeLessThanOrEqual(CONCURRENCY);
  for (const store of [east, capped]) store.journal.clear();
});

/** The most requests that were open at one moment. */
function mostAtOnce(requests: readonly { startedAt: number; endedAt: number | undefined }[]): number {
  const steps = requests
    .flatMap(({ startedAt, endedAt = Infinity }) => [
      { at: startedAt, by: 1 },
      { at: endedAt, by: -1 },
    ])
    .toSorted((a, b) => a.at - b.at || a.by - b.by);
  let [open, most] = [0, 0];
  for (const { by } of steps) most = Math.max(most, (open += by));
  return most;
}

test("a destination that takes eight parts at once gets about as many, and the status says who is slow", async () => {
  const takes = 8;
  east.putGenerated("source", "busy", { size: 80 * PART });
  west.swallow({ key: "busy" });
  west.fault(
    { operation: "UploadPart", where: () => west.openRequests().length > takes },
    { kind: "answer", code: "SlowDown" },
  );
  west.fault({ operation: "UploadPart" }, { kind: "throttle", direction: "in", bytesPerSecond: 20 * MIB });
  const id = await mesh.startCopy({
    source: "east:source/busy",
    destination: "west:destination/busy",
    partSize: PART,
    lanes: 8,
    verify: "off",
  });
  const slow = await mesh.until(id, ({ pace }) => (pace?.throttledBy.length ?? 0) > 0);
  expect(slow.pace?.throttledBy).toEqual(["destination"]);
  expect(slow.pace?.streams).toBeLessThan(40);
  const status = await mesh.ended(id);
  expect(status).toMatchObject({ phase: "completed", parts: { done: 80 } });
  // At full width every part would be refused four times for each time that it is taken.
  expect(status.parts.failedAttempts).toBeLessThan(80);
});

test("Retry-After of one part is waited for by all of them", async () => {
  east.putGenerated("source", "wait", { size: 60 * PART });
  const busy = { kind: "answer", code: "SlowDown", headers: { "retry-after": "2" } } as const;
  west.fault({ operation: "UploadPart", key: "wait" }, busy, { after: 5, times: 1 });
  west.swallow({ key: "wait" });
  const id = await mesh.startCopy({
    source: "east:source/wait",
    destination: "west:destination/wait",
    partSize: PART,
    lanes: 4,
    verify: "off",
  });
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed", parts: { failedAttempts: 1 } });
  const refused = west.requests({ operation: "UploadPart", key: "wait", status: 503 })[0];
  const heardAt = refused?.endedAt ?? Number.NaN;
  const begun = west.requests({ operation: "UploadPart", key: "wait" }).map(({ startedAt }) => startedAt);
  // What was granted when the refusal came still went out; then there is nothing for two seconds.
  const later = begun.filter((startedAt) => startedAt > heardAt + 500);
  expect(later.length).toBeGreaterThan(20);
  expect(Math.min(...later)).toBeGreaterThanOrEqual(heardAt + 1900);
});

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
