// The caps of a store. maxRequestsPerSecond, operation by operation: whatever a copy, a sync or a check asks
// for has its turn. And both caps together, with several jobs at once.
//
// Time passes by the waiting of the mesh alone, so what it has planned for a moment is sent at that moment.
import { expect, test } from "vitest";
import { Clock, sentAtMs } from "../../mesh/clock.ts";
import { mostInASecond } from "../../pure/window.ts";
import { mostAtOnce } from "../../store/journal.ts";
import { MIB, PART, openWorld } from "../world.ts";

const PER_SECOND = 12;
const GAP_MS = 1000 / PER_SECOND;
const SHARED = { maxConcurrency: 6, maxRequestsPerSecond: 30 };

const {
  mesh,
  stores: { east, capped, shared, free },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    capped: { buckets: ["source", "destination"] },
    shared: { buckets: ["destination"] },
    free: { buckets: ["destination"] },
  },
  () => ({
    storeFields: { capped: { maxRequestsPerSecond: PER_SECOND }, shared: SHARED },
    // What is larger than a part is a copy of its own.
    bindings: { MAX_PART_MIB: "5" },
  }),
  Clock.stepping(),
);

/** Of several senders one that comes late keeps its gap from then on, and comes close to another. */
const ALONE = { lanes: 1, concurrency: 1 };

/** What each of them asks the store for, one after the other: both sides of a copy are this store. */
const WORK: Readonly<
  Record<string, { readonly asks: readonly string[]; readonly run: () => Promise<void> }>
> = {
  "a copy in parts": {
    asks: [
      "HeadObject",
      "GetObjectTagging",
      "CreateMultipartUpload",
      "GetObject",
      "UploadPart",
      "ListParts",
      "CompleteMultipartUpload",
    ],
    run: async () => await copied("parts", { via: "stream", tags: "require", ifExists: "skip" }),
  },
  "a copy of parts that the store makes by itself": {
    asks: ["UploadPartCopy", "HeadObject"],
    run: async () => await copied("inside", {}),
  },
  "a copy that fails": {
    asks: ["AbortMultipartUpload", "ListParts"],
    run: async () => {
      capped.fault({ operation: "UploadPart" }, { kind: "answer", code: "InvalidArgument", status: 400 });
      await copied("failing", { via: "stream" }, "failed");
    },
  },
  "a copy that has ended and owes an abort": {
    asks: ["AbortMultipartUpload"],
    run: async () => {
      capped.fault({ operation: "UploadPart" }, { kind: "answer", code: "InvalidArgument", status: 400 });
      capped.fault({ operation: "AbortMultipartUpload" }, { kind: "answer", code: "AccessDenied" });
      capped.put("source", "owed", Buffer.alloc(2 * PART + 1));
      const id = await mesh.startCopy({
        source: "capped:source/owed",
        destination: "capped:destination/owed",
        partSize: PART,
        via: "stream",
        ...ALONE,
      });
      expect(await mesh.ended(id)).toMatchObject({ phase: "failed" });
      capped.clearFaults();
      await mesh.call("POST", `/copies/${id}/resume`);
      await mesh.until(id, ({ timeline }) => timeline.some(({ event }) => event === "orphan_gone"));
      expect(capped.uploads()).toEqual([]);
    },
  },
  "a sync with attributes, that deletes": {
    asks: ["ListObjectsV2", "HeadObject", "CopyObject", "GetObjectTagging", "DeleteObjects", "PutObject"],
    run: async () => {
      for (let index = 0; index < 6; index++)
        capped.put("source", `sync/${index}`, `${index}`, { tags: [{ key: "number", value: `${index}` }] });
      capped.put("destination", "sync/extra", "x");
      const status = await mesh.sync({
        source: "capped:source/sync/",
        destination: "capped:destination/sync/",
        delete: true,
        maxDeletes: 1,
        compare: "checksum",
        tags: "require",
        report: "capped:destination",
        ...ALONE,
      });
      expect(status).toMatchObject({ phase: "completed", objects: { copied: 6 }, deletes: { deleted: 1 } });
      // The sync has ended and given its share back; reading its report takes one again.
      expect(await mesh.report(status.id)).toHaveLength(7);
    },
  },
  "a check": {
    asks: [
      "HeadBucket",
      "ListObjectsV2",
      "PutObject",
      "GetObject",
      "HeadObject",
      "UploadPart",
      "DeleteObjects",
    ],
    run: async () => {
      const { body } = await mesh.call("POST", "/stores/capped/check", { body: { bucket: "destination" } });
      expect(body).toMatchObject({ ok: true, leftovers: [] });
    },
  },
};

async function copied(key: string, request: Record<string, unknown>, phase = "completed"): Promise<void> {
  capped.put("source", key, Buffer.alloc(2 * PART + 1), { tags: [{ key: "a", value: "b" }] });
  const id = await mesh.startCopy({
    source: `capped:source/${key}`,
    destination: `capped:destination/${key}`,
    partSize: PART,
    ...ALONE,
    ...request,
  });
  expect(await mesh.ended(id)).toMatchObject({ phase });
}

test.each(Object.keys(WORK))("%s waits for the store's cap before each of its requests", async (name) => {
  await WORK[name]?.run();
  const sent = capped
    .requests()
    .map((request) => ({ operation: request.operation ?? "unknown", atMs: sentAtMs(request) }))
    .toSorted((a, b) => a.atMs - b.atMs);
  expect(sent.map(({ operation }) => operation)).toEqual(
    expect.arrayContaining([...(WORK[name]?.asks ?? [])]),
  );
  // The mesh reads its clock in whole milliseconds.
  const hasty = sent.filter(({ atMs }, index) => atMs - (sent[index - 1]?.atMs ?? 0) < GAP_MS - 1);
  expect(hasty).toEqual([]);
});

test("two copies and a sync to one store stay below its caps together, each request counted", async () => {
  east.putGenerated("source", "large/a", { size: 5 * PART });
  east.putGenerated("source", "large/b", { size: 5 * PART });
  for (let index = 0; index < 40; index++) east.putGenerated("source", `small/${index}`, { size: 1000 });
  // A part that is refused at first counts as often as it is sent.
  shared.fault(
    { operation: "UploadPart", partNumber: 3 },
    { kind: "answer", code: "InternalError" },
    { times: 2 },
  );
  const copy = async (key: string) =>
    await mesh.startCopy({
      source: `east:source/large/${key}`,
      destination: `shared:destination/large/${key}`,
      partSize: PART,
    });
  const ids = [await copy("a"), await copy("b")];
  const sync = await mesh.startSync({
    source: "east:source/small/",
    destination: "shared:destination/small/",
  });
  for (const id of ids) expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
  expect(await mesh.syncEnded(sync)).toMatchObject({ phase: "completed", objects: { copied: 40 } });
  const requests = shared.requests();
  expect(requests.length).toBeGreaterThan(40 + 10 + 6);
  expect(mostInASecond(requests.map(sentAtMs))).toBeLessThanOrEqual(SHARED.maxRequestsPerSecond);
  const transfers = requests.filter(
    ({ operation }) => operation === "UploadPart" || operation === "PutObject",
  );
  expect(mostAtOnce(transfers)).toBeLessThanOrEqual(SHARED.maxConcurrency);
});

test("a sync and the copy of its large object keep the sync's own limit at stores that have none", async () => {
  east.putGenerated("source", "own/large", { size: 7 * MIB });
  for (let index = 0; index < 30; index++) east.putGenerated("source", `own/small/${index}`, { size: 1000 });
  const status = await mesh.sync({
    source: "east:source/own/",
    destination: "free:destination/own/",
    limits: [{ maxRequestsPerSecond: PER_SECOND }],
  });
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 31 } });
  for (const store of [east, free]) {
    const sentMs = store.requests().map(sentAtMs);
    expect(sentMs.length).toBeGreaterThan(30);
    expect(mostInASecond(sentMs)).toBeLessThanOrEqual(PER_SECOND);
  }
});
