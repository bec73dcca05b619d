// A copy that has rested and goes on. Whether its source is still the one it began with is asked first:
// otherwise every part would be asked for and refused. What the destination has of it stays good.

import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import type { Status } from "../../mesh/mesh.ts";
import { PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"], etags: "opaque" },
  },
  undefined,
  Clock.fast(),
);

const PARTS = 3;
const SIZE = (PARTS - 1) * PART + 1;

/** A copy that was paused, or blocked, with one part through and the others not begun. */
async function rest(
  key: string,
  phase: "paused" | "blocked",
  more: Record<string, unknown> = {},
): Promise<string> {
  east.putGenerated("source", key, { size: SIZE, seed: key });
  const source = `east:source/${key}`;
  const destination = `west:destination/${key}`;
  const request = { source, destination, partSize: PART, concurrency: 1, ...more };
  if (phase === "blocked") {
    const rule = west.fault(
      { operation: "UploadPart", key, partNumber: 2 },
      { kind: "answer", code: "ExpiredToken" },
    );
    const id = await mesh.startCopy(request);
    await mesh.until(id, (status) => status.phase === "blocked");
    rule.remove();
    return id;
  }
  const gate = west.hold({ operation: "UploadPart", key, partNumber: 1 });
  const id = await mesh.startCopy(request);
  await west.waitFor(() => gate.waiting.length === 1);
  await ask(id, "pause");
  gate.release();
  const paused = await mesh.until(id, ({ parts }) => parts.inFlight === 0);
  expect(paused).toMatchObject({ phase: "paused", resumesIn: "uploading", parts: { done: 1 } });
  return id;
}

const ask = async (id: string, verb: "pause" | "resume" | "cancel") =>
  (await mesh.call<Status>("POST", `/copies/${id}/${verb}`)).body;

const sent = (key: string) =>
  west.requests({ operation: "UploadPart", key, status: 200 }).map(({ partNumber }) => partNumber);

for (const phase of ["paused", "blocked"] as const) {
  test(`a ${phase} copy whose source is the same goes on after one HEAD, with the parts it has`, async () => {
    const key = `same, ${phase}`;
    const id = await rest(key, phase);
    const heads = east.requests({ operation: "HeadObject", key }).length;
    await ask(id, "resume");
    expect((await mesh.ended(id)).phase).toBe("completed");
    expect(east.requests({ operation: "HeadObject", key })).toHaveLength(heads + 1);
    expect(sent(key).toSorted()).toEqual([1, 2, 3]);
    expect(west.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
  });

  test(`a ${phase} copy whose source has changed fails before any part of it is asked for`, async () => {
    const key = `changed, ${phase}`;
    const id = await rest(key, phase);
    const gets = east.requests({ operation: "GetObject", key }).length;
    east.putGenerated("source", key, { size: SIZE, seed: "changed" });
    await ask(id, "resume");
    expect(await mesh.ended(id)).toMatchObject({ phase: "failed", failure: { code: "source_changed" } });
    expect(east.requests({ operation: "GetObject", key })).toHaveLength(gets);
    expect(west.requests({ operation: "AbortMultipartUpload", key })).toHaveLength(1);
    expect(west.get("destination", key)).toBeUndefined();
  });

  test(`a ${phase} copy whose source has changed begins again if the request says so, and mixes nothing`, async () => {
    const key = `anew, ${phase}`;
    const id = await rest(key, phase, { ifSourceChanges: "restart" });
    const gets = east.requests({ operation: "GetObject", key }).length;
    const { etag } = east.putGenerated("source", key, { size: SIZE, seed: "anew" });
    await ask(id, "resume");
    expect((await mesh.ended(id)).phase).toBe("completed");
    const since = east.requests({ operation: "GetObject", key }).slice(gets);
    expect(since.map(({ headers }) => headers["if-match"])).toEqual(since.map(() => `"${etag}"`));
    expect(since).toHaveLength(PARTS);
    expect(west.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
  });
}

test("a resumed copy whose source is gone fails and leaves nothing", async () => {
  const id = await rest("gone", "paused");
  east.delete("source", "gone");
  await ask(id, "resume");
  expect(await mesh.ended(id)).toMatchObject({ phase: "failed", failure: { code: "source_not_found" } });
  expect(west.get("destination", "gone")).toBeUndefined();
});

test("a resumed copy whose source does not answer just then keeps its parts and waits", async () => {
  const id = await rest("away", "paused");
  const slowDown = { kind: "answer", code: "SlowDown" } as const;
  const rule = east.fault({ operation: "HeadObject", key: "away" }, slowDown, { times: 2 });
  await ask(id, "resume");
  expect((await mesh.ended(id)).phase).toBe("completed");
  expect(rule.hits).toBe(2);
  expect(sent("away").toSorted()).toEqual([1, 2, 3]);
});

test("an upload that the store has lost while the copy rested is begun anew, a few times at most", async () => {
  const id = await rest("lost", "paused");
  for (const { id: uploadId } of west.uploads()) west.forgetUpload(uploadId);
  await ask(id, "resume");
  expect((await mesh.ended(id)).phase).toBe("completed");
  expect(west.requests({ operation: "CreateMultipartUpload", key: "lost" })).toHaveLength(2);
  expect(west.bytes("destination", "lost").equals(east.bytes("source", "lost"))).toBe(true);
});

test("a store that loses every upload ends the copy after its fourth, and the status says why", async () => {
  east.putGenerated("source", "forgetful", { size: SIZE });
  west.fault({ operation: "UploadPart", key: "forgetful" }, { kind: "answer", code: "NoSuchUpload" });
  const source = "east:source/forgetful";
  const status = await mesh.copy({ source, destination: "west:destination/forgetful", partSize: PART });
  expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "NoSuchUpload" } });
  expect(west.requests({ operation: "CreateMultipartUpload", key: "forgetful" })).toHaveLength(4);
});
