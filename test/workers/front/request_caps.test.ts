// maxRequestsPerSecond of a store, operation by operation: whatever a copy, a sync or a check asks it for has
// its turn.
import { expect, test } from "vitest";
import { mostInASecond } from "../../pure/window.ts";
import { PART, openWorld } from "../world.ts";

const PER_SECOND = 12;
const GAP_MS = 1000 / PER_SECOND;

const {
  mesh,
  stores: { capped },
} = await openWorld({ capped: { buckets: ["source", "destination"] } }, () => ({
  storeFields: { capped: { maxRequestsPerSecond: PER_SECOND } },
}));

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
      });
      expect(status).toMatchObject({ phase: "completed", objects: { copied: 6 }, deletes: { deleted: 1 } });
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
    ...request,
  });
  expect(await mesh.ended(id)).toMatchObject({ phase });
}

test.each(Object.keys(WORK))("%s waits for the store's cap before each of its requests", async (name) => {
  await WORK[name]?.run();
  const requests = capped.requests();
  const gapsMs = new Map<string, number[]>();
  let lastAt = -Infinity;
  for (const { operation = "unknown", startedAt } of requests.toSorted((a, b) => a.startedAt - b.startedAt)) {
    gapsMs.set(operation, [...(gapsMs.get(operation) ?? []), startedAt - lastAt]);
    lastAt = startedAt;
  }
  expect([...gapsMs.keys()]).toEqual(expect.arrayContaining([...(WORK[name]?.asks ?? [])]));
  // One that nobody counts follows the one before within a moment, each time.
  const hasty = [...gapsMs].filter(([, gaps]) => median(gaps) < GAP_MS / 2).map(([operation]) => operation);
  expect(hasty).toEqual([]);
  expect(mostInASecond(requests.map(({ startedAt }) => startedAt))).toBeLessThanOrEqual(PER_SECOND * 1.2);
});

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
