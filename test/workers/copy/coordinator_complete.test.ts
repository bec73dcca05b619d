// CompleteMultipartUpload is the one request whose outcome can be unknown and whose second try can do harm.

import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import type { Status } from "../../mesh/mesh.ts";
import type { Effect, RequestRecord, TestStore } from "../../store/store.ts";
import { PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west, strict, bare, opaque, ceph },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"] },
    strict: { buckets: ["destination"], idempotentComplete: false },
    bare: { buckets: ["destination"], without: ["listParts"] },
    opaque: { buckets: ["destination"], etags: "opaque" },
    ceph: { buckets: ["destination"], completeEtag: "empty", completeSpaces: 4096 },
  },
  undefined,
  Clock.fast(),
);

const SIZE = 2 * PART + 1;

async function copyTo(store: string, key: string, more: Record<string, unknown> = {}): Promise<Status> {
  east.putGenerated("source", key, { size: SIZE, seed: key });
  const destination = `${store}:destination/${key}`;
  return await mesh.copy({ source: `east:source/${key}`, destination, partSize: PART, ...more });
}

const completes = (store: TestStore) => store.count("CompleteMultipartUpload");
const events = (status: Status) => status.timeline.map(({ event }) => event);

function expectEqualBytes(store: TestStore, key: string): void {
  expect(store.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
}

test.for(["InternalError", "SlowDown"])(
  "200 with %s inside is no success: Complete is sent again",
  async (code) => {
    west.fault({ operation: "CompleteMultipartUpload" }, { kind: "complete-error", code }, { times: 1 });
    const status = await copyTo("west", `inside-${code}`);
    expect(status.phase).toBe("completed");
    expect(completes(west)).toBe(2);
    expectEqualBytes(west, `inside-${code}`);
  },
);

const lost: readonly (readonly [string, Effect])[] = [
  ["its answer is lost", { kind: "drop", stage: "before-answer" }],
  ["its answer breaks off", { kind: "complete-cut", work: true }],
  ["its answer is empty", { kind: "empty-result" }],
  ["its answer is 500", { kind: "answer", code: "InternalError", stage: "before-answer" }],
  ["its answer is 503", { kind: "answer", code: "SlowDown", stage: "before-answer" }],
  ["its answer is a proxy's page", { kind: "answer", status: 200, body: "<html>", stage: "before-answer" }],
  ["its answer is 504", { kind: "answer", status: 504, body: "<html>", stage: "before-answer" }],
  ["its answer is NoSuchUpload", { kind: "answer", code: "NoSuchUpload", stage: "before-answer" }],
];

for (const [name, effect] of lost) {
  test.for(["west", "strict"] as const)(
    `a Complete that took place though ${name} is found by the copy ID and not sent again (%s)`,
    async (storeName) => {
      const store = storeName === "west" ? west : strict;
      store.fault({ operation: "CompleteMultipartUpload" }, effect, { times: 1 });
      const status = await copyTo(storeName, name);
      expect(status.phase).toBe("completed");
      expect(events(status)).toContain("object_found");
      expect(completes(store)).toBe(1);
      expect(store.count("AbortMultipartUpload")).toBe(0);
      expectEqualBytes(store, name);
    },
  );
}

const undone: readonly (readonly [string, Effect])[] = [
  ["never reached the store", { kind: "drop", stage: "before-body" }],
  ["broke off before its work", { kind: "complete-cut", work: false }],
];

test.for(undone)("a Complete that %s is sent again once no object is there", async ([name, effect]) => {
  west.put("destination", name, Buffer.alloc(SIZE, "old"));
  west.fault({ operation: "CompleteMultipartUpload" }, effect, { times: 1 });
  const status = await copyTo("west", name);
  expect(status.phase).toBe("completed");
  expect(completes(west)).toBe(2);
  expectEqualBytes(west, name);
});

test("an older object of equal size proves nothing when Complete had no answer and the upload is gone", async () => {
  const old = Buffer.alloc(SIZE, "old");
  west.put("destination", "older", old);
  const forget = ({ uploadId }: RequestRecord) => west.forgetUpload(uploadId ?? "");
  const match = { operation: "CompleteMultipartUpload" } as const;
  west.fault(match, { kind: "run", stage: "before-body", action: forget }, { times: 1 });
  west.fault(match, { kind: "drop", stage: "before-body" }, { times: 1 });
  const status = await copyTo("west", "older");
  expect(status).toMatchObject({ phase: "failed", failure: { operation: "CompleteMultipartUpload" } });
  expect(completes(west)).toBe(1);
  expect(west.bytes("destination", "older").equals(old)).toBe(true);
});

test("an older object of equal size proves nothing where parts cannot be listed either", async () => {
  const old = Buffer.alloc(SIZE, "old");
  bare.put("destination", "older", old);
  const forget = ({ uploadId }: RequestRecord) => bare.forgetUpload(uploadId ?? "");
  const match = { operation: "CompleteMultipartUpload" } as const;
  bare.fault(match, { kind: "run", stage: "before-body", action: forget }, { times: 1 });
  bare.fault(match, { kind: "drop", stage: "before-body" }, { times: 1 });
  const status = await copyTo("bare", "older");
  expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "NoSuchUpload" } });
  expect(bare.bytes("destination", "older").equals(old)).toBe(true);
});

/**
 * Gives a part of the upload that is being completed another ETag, as an older attempt does that lands last.
 */
function landLate(store: TestStore, partNumber: number): void {
  const action = ({ uploadId }: RequestRecord) => {
    const parts = store.uploads().find(({ id }) => id === uploadId)?.parts;
    const part = parts?.get(partNumber);
    if (part !== undefined) parts?.set(partNumber, { ...part, etag: "0123456789abcdef0123456789abcdef" });
  };
  store.fault(
    { operation: "CompleteMultipartUpload" },
    { kind: "run", stage: "before-body", action },
    { times: 1 },
  );
}

const partsSent = (store: TestStore) =>
  store
    .requests({ operation: "UploadPart", status: 200 })
    .map(({ partNumber }) => partNumber)
    .toSorted();

test("after InvalidPart a part that was sent twice is completed with the ETag that the store has", async () => {
  opaque.fault(
    { operation: "UploadPart", partNumber: 2 },
    { kind: "drop", stage: "before-answer" },
    { times: 1 },
  );
  landLate(opaque, 2);
  const status = await copyTo("opaque", "late");
  expect(status.phase).toBe("completed");
  expect(events(status)).toContain("parts_refused");
  expect(completes(opaque)).toBe(2);
  expect(partsSent(opaque)).toEqual([1, 2, 3]);
  expectEqualBytes(opaque, "late");
});

test("after InvalidPart a part that was sent once and has another ETag is sent again", async () => {
  landLate(west, 2);
  const status = await copyTo("west", "foreign");
  expect(status.phase).toBe("completed");
  expect(completes(west)).toBe(2);
  expect(partsSent(west)).toEqual([1, 2, 2, 3]);
  expectEqualBytes(west, "foreign");
});

test("after InvalidPart a part that is gone or short is sent again", async () => {
  const action = ({ uploadId }: RequestRecord) => {
    const parts = west.uploads().find(({ id }) => id === uploadId)?.parts;
    parts?.delete(1);
    const part = parts?.get(3);
    if (part !== undefined) parts?.set(3, { ...part, size: 0 });
  };
  west.fault(
    { operation: "CompleteMultipartUpload" },
    { kind: "run", stage: "before-body", action },
    { times: 1 },
  );
  const status = await copyTo("west", "gone");
  expect(status.phase).toBe("completed");
  expect(partsSent(west)).toEqual([1, 1, 2, 3, 3]);
  expectEqualBytes(west, "gone");
});

test("InvalidPart for ever fails the copy in the end and aborts the upload", async () => {
  west.fault({ operation: "CompleteMultipartUpload" }, { kind: "answer", code: "InvalidPart" });
  const status = await copyTo("west", "never");
  expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "InvalidPart" } });
  expect(west.count("AbortMultipartUpload")).toBe(1);
});

test("InvalidPart where parts cannot be listed fails the copy and aborts the upload", async () => {
  bare.fault({ operation: "CompleteMultipartUpload" }, { kind: "answer", code: "InvalidPart" });
  const status = await copyTo("bare", "unlisted");
  expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "InvalidPart" } });
  expect(bare.count("AbortMultipartUpload")).toBe(1);
});

test("a Complete that is refused for good fails the copy and aborts the upload", async () => {
  west.fault({ operation: "CompleteMultipartUpload" }, { kind: "answer", code: "InvalidRequest" });
  const status = await copyTo("west", "refused");
  expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "InvalidRequest" } });
  expect(completes(west)).toBe(1);
  expect(west.count("AbortMultipartUpload")).toBe(1);
  expect(west.get("destination", "refused")).toBeUndefined();
});

test("an empty ETag and leading spaces in Complete's answer are no failure", async () => {
  const status = await copyTo("ceph", "spaces");
  expect(status).toMatchObject({ phase: "completed", etag: `"${ceph.get("destination", "spaces")?.etag}"` });
  expect(completes(ceph)).toBe(1);
});

test("an object that becomes visible only after a while is waited for", async () => {
  west.fault({ operation: ["HeadObject", "GetObject"] }, { kind: "answer", code: "NoSuchKey" }, { times: 4 });
  const status = await copyTo("west", "eventual");
  expect(status.phase).toBe("completed");
  expect(completes(west)).toBe(1);
});

test("an object that somebody else writes over ours before it is verified fails the copy", async () => {
  const action = () => void west.put("destination", "raced", Buffer.alloc(SIZE, "other"));
  west.fault({ operation: "HeadObject" }, { kind: "run", stage: "before-body", action }, { times: 1 });
  const status = await copyTo("west", "raced");
  expect(status).toMatchObject({ phase: "failed", failure: { code: "verification_failed" } });
});

test("the copy ID tells two copies to one key apart", async () => {
  await copyTo("west", "twice");
  const first = west.get("destination", "twice")?.attributes.metadata["bucket-brigade-copy"];
  await copyTo("west", "twice");
  const second = west.get("destination", "twice")?.attributes.metadata["bucket-brigade-copy"];
  expect(first).toMatch(/^[0-9a-f-]{36}@[0-9a-f]{16}\//);
  expect(second).not.toBe(first);
});

/** The finished object has none of what CreateMultipartUpload was told. */
const FORGOTTEN: Effect = { kind: "header", name: "x-amz-meta-bucket-brigade-copy", value: undefined };

test("case 116: metadata that the destination forgets is a warning, for the ETag of Complete says whose object it is", async () => {
  west.fault({ operation: "HeadObject", key: "forgets" }, FORGOTTEN);
  const status = await copyTo("west", "forgets");
  expect(status).toMatchObject({ phase: "completed" });
  expect(status.warnings.join()).toContain("x-amz-meta-bucket-brigade-copy");
  expectEqualBytes(west, "forgets");
});

test("case 116: without metadata and without Complete's answer, the ETag that the parts predict is the object's", async () => {
  west.fault({ operation: "HeadObject", key: "silent" }, FORGOTTEN);
  west.fault(
    { operation: "CompleteMultipartUpload", key: "silent" },
    { kind: "drop", stage: "before-answer" },
  );
  const status = await copyTo("west", "silent");
  expect(status).toMatchObject({ phase: "completed" });
  expect(completes(west)).toBe(1);
  expectEqualBytes(west, "silent");
});

test("a ListParts that repeats itself ends no copy: what it shows is compared, and the rest is believed", async () => {
  west.fault({ operation: "ListParts" }, { kind: "repeat-marker" });
  expect(await copyTo("west", "repeats")).toMatchObject({ phase: "completed", parts: { failedAttempts: 0 } });
  expect(west.count("ListParts")).toBeLessThan(4);
  expectEqualBytes(west, "repeats");
});

test("a Complete that is refused for a part is mended where ListParts repeats itself: what it does not show is sent again", async () => {
  west.fault({ operation: "ListParts" }, { kind: "repeat-marker" });
  west.fault({ operation: "ListParts" }, { kind: "omit-part", partNumber: 2 });
  west.fault({ operation: "CompleteMultipartUpload" }, { kind: "answer", code: "InvalidPart" }, { times: 1 });
  expect(await copyTo("west", "repeats refused")).toMatchObject({ phase: "completed" });
  const sent = west.requests({ operation: "UploadPart" }).map(({ partNumber }) => partNumber);
  expect(sent.toSorted()).toEqual([1, 2, 2, 3]);
  expectEqualBytes(west, "repeats refused");
});
