// A copy is cancelled or paused in each phase: afterwards there is no upload (checked after every test), no
// object unless it was whole before the cancel came, and nothing was aborted while a part was in flight.

import { expect, test } from "vitest";
import type { Status } from "../../mesh/mesh.ts";
import type { Operation, Stage, TestStore } from "../../store/store.ts";
import { PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west, ...tardies },
} = await openWorld({
  east: { buckets: ["source"] },
  west: { buckets: ["destination"] },
  tardy: { buckets: ["destination"], lateParts: "kept" },
  silent: { buckets: ["destination"], lateParts: "kept", without: ["listParts"] },
});

const { tardy } = tardies;

const SIZE = 2 * PART + 1;

async function startCopy(
  key: string,
  { size = SIZE, to = "west", ...more }: { size?: number; to?: string; lanes?: number } = {},
): Promise<string> {
  east.putGenerated("source", key, { size, seed: key });
  const destination = `${to}:destination/${key}`;
  return await mesh.startCopy({ source: `east:source/${key}`, destination, partSize: PART, ...more });
}

async function ask(id: string, verb: "cancel" | "pause" | "resume"): Promise<Status> {
  return (await mesh.call<Status>("POST", `/copies/${id}/${verb}`)).body;
}

const has = (store: TestStore, key: string) => store.get("destination", key) !== undefined;

/** Cancels a copy while `operation` stands at the store; lets it go after `until`, if given. */
async function cancelDuring(
  key: string,
  { operation, stage, size = SIZE }: { operation: Operation; stage: Stage; size?: number },
): Promise<{ asked: Status; end: Status }> {
  const gate = west.hold({ operation }, stage);
  const id = await startCopy(key, { size });
  await west.waitFor(() => gate.waiting.length === 1);
  const asked = await ask(id, "cancel");
  gate.release();
  return { asked, end: await mesh.ended(id) };
}

test("cancelled while sizing: nothing reaches the destination", async () => {
  const gate = east.hold({ operation: "HeadObject" });
  const id = await startCopy("sizing");
  await east.waitFor(() => gate.waiting.length === 1);
  expect((await ask(id, "cancel")).phase).toBe("cancelled");
  // The store has not answered by then.
  expect((await mesh.ended(id)).phase).toBe("cancelled");
  gate.release();
  expect(west.count()).toBe(0);
});

test.for<Stage>(["before-body", "before-answer"])(
  "cancelled while creating (%s): the upload that was made is aborted",
  async (stage) => {
    const { asked, end } = await cancelDuring(`creating ${stage}`, {
      operation: "CreateMultipartUpload",
      stage,
    });
    expect(asked.phase).toBe("aborting");
    expect(end.phase).toBe("cancelled");
    expect(west.count("AbortMultipartUpload")).toBe(1);
    expect(west.count("UploadPart")).toBe(0);
  },
);

test.for<Stage>(["before-work", "before-answer"])(
  "cancelled while uploading (parts held %s): the upload is aborted after the parts have settled",
  async (stage) => {
    const gate = west.hold({ operation: "UploadPart" }, stage);
    const id = await startCopy(`uploading ${stage}`);
    await west.waitFor(() => gate.waiting.length === 3);
    await ask(id, "cancel");
    const end = await mesh.ended(id);
    expect(end).toMatchObject({ phase: "cancelled", parts: { inFlight: 0 } });
    expect(has(west, `uploading ${stage}`)).toBe(false);
    const abortedAt = west.requests({ operation: "AbortMultipartUpload" })[0]?.startedAt;
    const parts = west.requests({ operation: "UploadPart" });
    expect(parts.map(({ outcome }) => outcome)).toEqual(["aborted", "aborted", "aborted"]);
    for (const { endedAt } of parts) expect(endedAt).toBeLessThan(abortedAt ?? 0);
    gate.release();
  },
);

test("cancelled while parts wait to be read: their connections are given up", async () => {
  const gate = west.hold({ operation: "UploadPart" });
  const id = await startCopy("unread");
  await west.waitFor(() => gate.waiting.length === 3);
  await ask(id, "cancel");
  expect((await mesh.ended(id)).phase).toBe("cancelled");
  gate.release();
  await west.waitFor(() => west.openRequests().length === 0);
  expect(west.requests({ operation: "UploadPart", status: 200 })).toEqual([]);
});

for (const [name, effect] of [
  ["stands still", { kind: "stall", direction: "out", afterBytes: 100_000 }],
  ["is slow", { kind: "throttle", direction: "out", bytesPerSecond: 20_000 }],
] as const) {
  test(`cancelled while the source ${name}: both transfers end at once, and nothing lands after the abort`, async () => {
    east.fault({ operation: "GetObject" }, effect);
    const id = await startCopy(name, { to: "tardy", size: 2 * PART });
    await tardy.waitFor(() => tardy.openRequests().length === 2);
    await ask(id, "cancel");
    expect((await mesh.ended(id)).phase).toBe("cancelled");
    await east.waitFor(() => east.openRequests().length === 0);
    await tardy.waitFor(() => tardy.openRequests().length === 0);
    const parts = tardy.requests({ operation: "UploadPart" });
    expect(parts.map(({ outcome }) => outcome)).toEqual(["aborted", "aborted"]);
    for (const { bytesReceived } of parts) expect(bytesReceived).toBeLessThan(PART);
  });
}

test.for([
  ["that lists it", "tardy"],
  ["that cannot list parts", "silent"],
] as const)("a part that lands after the abort is aborted as well at a store %s", async ([, name]) => {
  const store = tardies[name];
  const gate = store.hold({ operation: "UploadPart", partNumber: 2 }, "before-work");
  const land = async () => {
    gate.release();
    await store.waitFor(() => store.uploads().some(({ key, parts }) => key === name && parts.has(2)));
  };
  store.fault(
    { operation: "AbortMultipartUpload" },
    { kind: "run", stage: "before-answer", action: land },
    { times: 1 },
  );
  const id = await startCopy(name, { to: name });
  await store.waitFor(() => gate.waiting.length === 1);
  await ask(id, "cancel");
  expect((await mesh.ended(id)).phase).toBe("cancelled");
  expect(store.count("AbortMultipartUpload")).toBe(2);
});

test("cancelled between the last part and Complete: no object", async () => {
  const { end } = await cancelDuring("checking", { operation: "ListParts", stage: "before-body" });
  expect(end.phase).toBe("cancelled");
  expect(west.count("CompleteMultipartUpload")).toBe(0);
  expect(has(west, "checking")).toBe(false);
});

test.for<Stage>(["before-body", "before-work", "before-answer"])(
  "cancelled while completing (%s): a Complete under way is never aborted, and the object it made is kept",
  async (stage) => {
    const { asked, end } = await cancelDuring(`completing ${stage}`, {
      operation: "CompleteMultipartUpload",
      stage,
    });
    expect(asked.phase).toBe("completing");
    expect(end.phase).toBe("completed");
    expect(west.count("AbortMultipartUpload")).toBe(0);
    expect(west.bytes("destination", `completing ${stage}`).length).toBe(SIZE);
  },
);

test("cancelled while completing: a Complete that did not take place is not sent again", async () => {
  west.fault({ operation: "CompleteMultipartUpload" }, { kind: "drop", stage: "before-work" });
  const { end } = await cancelDuring("undone", {
    operation: "CompleteMultipartUpload",
    stage: "before-body",
  });
  expect(end.phase).toBe("cancelled");
  expect(west.count("CompleteMultipartUpload")).toBe(1);
  expect(has(west, "undone")).toBe(false);
});

test.for<[string, number]>([
  ["OperationAborted", 409],
  ["SlowDown", 429],
  ["AccessDenied", 403],
  ["InvalidPart", 400],
])(
  "cancelled while completing: a Complete that is refused (%s) is not sent again",
  async ([code, status]) => {
    const effect = { kind: "answer", code, status, stage: "before-work" } as const;
    west.fault({ operation: "CompleteMultipartUpload" }, effect, { times: 1 });
    const { end } = await cancelDuring(code, { operation: "CompleteMultipartUpload", stage: "before-body" });
    expect(end.phase).toBe("cancelled");
    expect(west.count("CompleteMultipartUpload")).toBe(1);
    expect(has(west, code)).toBe(false);
  },
);

test("cancelled while verifying: the object is there and whole, so the copy completes", async () => {
  const { asked, end } = await cancelDuring("verifying", { operation: "HeadObject", stage: "before-body" });
  expect(asked.phase).toBe("verifying");
  expect(end.phase).toBe("completed");
});

test("a small object cancelled during its PutObject is not there", async () => {
  const gate = west.hold({ operation: "PutObject" });
  const id = await startCopy("put", { size: 1000 });
  await west.waitFor(() => gate.waiting.length === 1);
  await ask(id, "cancel");
  expect((await mesh.ended(id)).phase).toBe("cancelled");
  gate.release();
  await west.waitFor(() => west.openRequests().length === 0);
  expect(has(west, "put")).toBe(false);
});

test("a small object whose PutObject took place before the cancel is completed", async () => {
  const { end } = await cancelDuring("put done", {
    operation: "PutObject",
    stage: "before-answer",
    size: 1000,
  });
  expect([end.phase, has(west, "put done")]).toEqual(["completed", true]);
});

test("cancelled while aborting after a failure: it stays failed", async () => {
  west.fault({ operation: "UploadPart" }, { kind: "answer", code: "EntityTooLarge" });
  const gate = west.hold({ operation: "AbortMultipartUpload" });
  const id = await startCopy("aborting");
  await west.waitFor(() => gate.waiting.length === 1);
  expect((await ask(id, "cancel")).phase).toBe("aborting");
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({
    phase: "failed",
    failure: { storeCode: "EntityTooLarge" },
  });
});

test("a paused copy hands out no parts, keeps what it has and goes on where it was", async () => {
  const gate = west.hold({ operation: "UploadPart" });
  const id = await startCopy("paused", { size: 8 * PART, lanes: 1 });
  await west.waitFor(() => gate.waiting.length === 5);
  expect(await ask(id, "pause")).toMatchObject({ phase: "paused", resumesIn: "uploading" });
  gate.release();
  const paused = await mesh.until(id, ({ parts }) => parts.inFlight === 0);
  expect(paused).toMatchObject({ phase: "paused", parts: { done: 5, total: 8 } });
  expect(west.uploads()).toHaveLength(1);
  expect(west.count("UploadPart")).toBe(5);
  await ask(id, "resume");
  expect((await mesh.ended(id)).phase).toBe("completed");
  expect(west.count("UploadPart")).toBe(8);
  expect(west.bytes("destination", "paused").equals(east.bytes("source", "paused"))).toBe(true);
});

test("a paused copy that is cancelled leaves nothing", async () => {
  const gate = west.hold({ operation: "UploadPart" });
  const id = await startCopy("paused, cancelled", { size: 8 * PART, lanes: 1 });
  await west.waitFor(() => gate.waiting.length === 5);
  await ask(id, "pause");
  await ask(id, "cancel");
  gate.release();
  expect((await mesh.ended(id)).phase).toBe("cancelled");
  expect(west.count("AbortMultipartUpload")).toBe(1);
});

test.for<[Operation, string, string, string]>([
  ["CreateMultipartUpload", "creating", "upload_created", "paused"],
  ["ListParts", "uploading", "parts_checked", "paused"],
  ["CompleteMultipartUpload", "completing", "upload_completed", "paused"],
  ["HeadObject", "verifying", "verified", "completed"],
])(
  "a copy paused while its %s is under way takes the answer, waits and goes on after resume",
  async ([operation, phase, event, then]) => {
    const gate = west.hold({ operation });
    const id = await startCopy(`pause ${operation}`);
    await west.waitFor(() => gate.waiting.length === 1);
    expect(await ask(id, "pause")).toMatchObject({ phase: "paused", resumesIn: phase });
    gate.release();
    const told = await mesh.until(id, ({ timeline }) => timeline.some((entry) => entry.event === event));
    expect(told.phase).toBe(then);
    expect(west.requests().at(-1)?.operation).toBe(operation);
    await ask(id, "resume");
    expect((await mesh.ended(id)).phase).toBe("completed");
    expect(west.requests({ operation })).toHaveLength(1);
  },
);
