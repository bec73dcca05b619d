// What the stores bear: caps of the configuration that all copies and syncs share, and stores that ask for
// less.
import { expect, test } from "vitest";
import { mostInASecond } from "../../pure/window.ts";
import { MIB, PART, openWorld } from "../world.ts";

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

test("a store that throttles Create is not met by all parts at once when it takes it, nor before Retry-After", async () => {
  east.putGenerated("source", "create", { size: 40 * PART });
  west.swallow({ key: "create" });
  const busy = { kind: "answer", code: "SlowDown", headers: { "retry-after": "7" } } as const;
  west.fault({ operation: "CreateMultipartUpload", key: "create" }, busy, { times: 1 });
  west.fault({ operation: "UploadPart" }, { kind: "throttle", direction: "in", bytesPerSecond: 4 * PART });
  const id = await mesh.startCopy({
    source: "east:source/create",
    destination: "west:destination/create",
    partSize: PART,
    lanes: 8,
    verify: "off",
  });
  const begun = await mesh.until(id, ({ phase }) => phase === "uploading");
  expect(begun.pace?.throttledBy).toEqual(["destination"]);
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed", parts: { failedAttempts: 0 } });
  const [refused] = west.requests({ operation: "CreateMultipartUpload", key: "create", status: 503 });
  const parts = west.requests({ operation: "UploadPart", key: "create" }).map(({ startedAt }) => startedAt);
  const first = Math.min(...parts);
  expect(first).toBeGreaterThanOrEqual((refused?.endedAt ?? Number.NaN) + 6900);
  // A copy that nobody has refused anything begins with sixteen.
  expect(parts.filter((startedAt) => startedAt < first + 300).length).toBeLessThanOrEqual(8);
});

test.each([
  { operation: "HeadObject", side: "source" },
  { operation: "GetObjectTagging", side: "source" },
  { operation: "HeadObject", side: "destination" },
  { operation: "CreateMultipartUpload", side: "destination" },
  { operation: "ListParts", side: "destination" },
] as const)(
  "a $side that throttles $operation of a copy is known as busy to it",
  async ({ operation, side }) => {
    const key = `told/${operation}/${side}`;
    east.put("source", key, Buffer.alloc(2 * PART), { tags: [{ key: "a", value: "b" }] });
    const store = side === "source" ? east : west;
    store.fault({ operation, key }, { kind: "answer", code: "SlowDown" }, { times: 1 });
    const id = await mesh.startCopy({
      source: `east:source/${key}`,
      destination: `west:destination/${key}`,
      partSize: PART,
      // Only then the destination is asked before anything is written.
      ifExists: "skip",
    });
    const told = await mesh.until(
      id,
      ({ phase, pace }) => phase === "completed" || (pace?.throttledBy.length ?? 0) > 0,
    );
    expect(told.pace?.throttledBy).toEqual([side]);
    expect(await mesh.ended(id)).toMatchObject({ phase: "completed", parts: { failedAttempts: 0 } });
  },
);

test("a HEAD that is answered with 429 is not asked again by a GET before Retry-After", async () => {
  east.put("source", "head", "x");
  const busy = { kind: "answer", status: 429, headers: { "retry-after": "2" } } as const;
  east.fault({ operation: "HeadObject", key: "head" }, busy, { times: 1 });
  const id = await mesh.startCopy({ source: "east:source/head", destination: "west:destination/head" });
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
  const [refused, next] = east.requests({ key: "head" });
  expect(refused?.status).toBe(429);
  expect(next?.startedAt).toBeGreaterThanOrEqual((refused?.endedAt ?? Number.NaN) + 1900);
});

test.each(["source", "destination"] as const)(
  "a %s that throttles the listing of a sync is asked for its objects slowly at first",
  async (side) => {
    const prefix = `listed/${side}/`;
    for (let index = 0; index < 60; index++) east.put("source", `${prefix}${index}`, "x");
    const store = side === "source" ? east : west;
    const busy = { kind: "answer", code: "SlowDown", headers: { "retry-after": "3" } } as const;
    store.fault({ operation: "ListObjectsV2" }, busy, { times: 1 });
    const id = await mesh.startSync({
      source: `east:source/${prefix}`,
      destination: `west:destination/${prefix}`,
    });
    const told = await mesh.untilSync(
      id,
      ({ phase, pace }) => phase === "completed" || (pace?.throttledBy.length ?? 0) > 0,
    );
    expect(told.pace?.throttledBy).toEqual([side]);
    expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 60 } });
    const [refused] = store.requests({ operation: "ListObjectsV2", status: 503 });
    const puts = west.requests({ operation: "PutObject" }).filter(({ key }) => key?.startsWith(prefix));
    const moments = puts.map(({ startedAt }) => startedAt);
    const first = Math.min(...moments);
    expect(first).toBeGreaterThanOrEqual((refused?.endedAt ?? Number.NaN) + 2900);
    // Unheeded, the refusal would be followed by all of them within a moment.
    expect(moments.filter((startedAt) => startedAt < first + 1000).length).toBeLessThan(30);
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
