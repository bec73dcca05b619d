// Limits of bytes per second, judged by what the stores have seen. A busy machine only makes them kept more
// easily; that they are used up as well is shown on a driven clock (test/pure/throttle/bandwidth.test.ts).
import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import type { TestStore } from "../../store/store.ts";
import { MIB, PART, openWorld } from "../world.ts";

const LIMIT = 10 * MIB;

/** A stream that was late, or lots that were idle, catch up with a second at most. */
const CATCH_UP_S = 1;

const NIGHT = { from: "22:00", to: "22:00", timezone: "Europe/Berlin", maxConcurrency: 2 };

const clock = Clock.fast();

const {
  mesh,
  stores: { east, west, limited, closed },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"] },
    limited: { buckets: ["destination"] },
    closed: { buckets: ["destination"] },
  },
  () => ({
    storeFields: {
      limited: { maxBytesPerSecond: "10MiB" },
      closed: { maxBytesPerSecond: 0, limits: [NIGHT] },
    },
  }),
  clock,
);

/** Bytes of objects that a store has taken, and how many a second, from the first to the last. */
function taken(store: TestStore): { bytes: number; perSecond: number } {
  const writes = ["UploadPart", "PutObject"] as const;
  const requests = writes.flatMap((operation) => store.journal.requests({ operation }));
  const bytes = requests.reduce((sum, { bytesReceived }) => sum + bytesReceived, 0);
  const beganMs = Math.min(...requests.map(({ startedAt }) => clock.at(startedAt)));
  const endedMs = Math.max(...requests.map(({ endedAt }) => clock.at(endedAt ?? Infinity)));
  return { bytes, perSecond: bytes / ((endedMs - beganMs) / 1000 + CATCH_UP_S) };
}

test("a copy keeps the limit of its destination, part by part", async () => {
  east.putGenerated("source", "large", { size: 12 * PART });
  const copy = await mesh.copy({
    source: "east:source/large",
    destination: "limited:destination/large",
    partSize: PART,
  });
  expect(copy.phase).toBe("completed");
  const { bytes, perSecond } = taken(limited);
  expect(bytes).toBeGreaterThanOrEqual(12 * PART);
  expect(perSecond).toBeLessThanOrEqual(LIMIT * 1.05);
});

test("a copy keeps its own limit, also of an object that is sent whole, and says which", async () => {
  east.putGenerated("source", "whole", { size: 30 * MIB });
  const copy = await mesh.copy({
    source: "east:source/whole",
    destination: "west:destination/whole",
    maxBytesPerSecond: "10MiB",
  });
  expect(copy).toMatchObject({ phase: "completed", options: { maxBytesPerSecond: LIMIT } });
  const { bytes, perSecond } = taken(west);
  expect(bytes).toBeGreaterThanOrEqual(30 * MIB);
  expect(perSecond).toBeLessThanOrEqual(LIMIT * 1.05);
});

test("copies and a sync share the limit of a store", async () => {
  for (let n = 0; n < 40; n++) east.put("source", `many/${n}`, Buffer.alloc(512 * 1024, n));
  east.putGenerated("source", "many/large", { size: 3 * PART });
  const copies = ["one", "two"].map(async (key) => {
    east.putGenerated("source", key, { size: 3 * PART });
    return await mesh.copy({
      source: `east:source/${key}`,
      destination: `limited:destination/${key}`,
      partSize: PART,
    });
  });
  const sync = mesh.sync({ source: "east:source/many/", destination: "limited:destination/many/" });
  const ended = await Promise.all([...copies, sync]);
  expect(ended.map(({ phase }) => phase)).toEqual(["completed", "completed", "completed"]);
  const { bytes, perSecond } = taken(limited);
  expect(bytes).toBeGreaterThanOrEqual(9 * PART + 20 * MIB);
  expect(perSecond).toBeLessThanOrEqual(LIMIT * 1.05);
});

test("a sync keeps its own limit together with the copies of its large objects", async () => {
  for (let n = 0; n < 30; n++) east.put("source", `own/${n}`, Buffer.alloc(512 * 1024, n));
  east.putGenerated("source", "own/large", { size: 110 * MIB });
  const sync = await mesh.sync({
    source: "east:source/own/",
    destination: "west:destination/own/",
    maxBytesPerSecond: "20MiB",
  });
  expect(sync).toMatchObject({ phase: "completed", objects: { copied: 31 } });
  const { bytes, perSecond } = taken(west);
  expect(bytes).toBeGreaterThanOrEqual(125 * MIB);
  expect(perSecond).toBeLessThanOrEqual(20 * MIB * 1.05);
});

test("0 pauses: nothing is sent, the status says which limit it is, and the copy can be cancelled", async () => {
  east.putGenerated("source", "held", { size: 3 * PART });
  const id = await mesh.startCopy({
    source: "east:source/held",
    destination: "closed:destination/held",
    partSize: PART,
  });
  const { pace } = await mesh.until(id, ({ phase }) => phase === "uploading");
  expect(pace).toMatchObject({ bytesPerSecond: 0, heldBy: ["destination.maxBytesPerSecond"] });
  expect((await mesh.cancel(id)).phase).toBe("cancelled");
  const { body } = await mesh.call<{ stores: unknown[] }>("GET", "/stores");
  expect(body.stores).toContainEqual(
    expect.objectContaining({ name: "closed", maxBytesPerSecond: 0, limits: [NIGHT] }),
  );
  expect(closed.journal.requests({ operation: "UploadPart" })).toEqual([]);
});
