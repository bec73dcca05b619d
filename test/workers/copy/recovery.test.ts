// The whole runtime dies by SIGKILL with its state on disk and starts again. (coordinator_death.test.ts does
// the same for each state of a copy, request by request.)

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { Mesh, type Status } from "../../mesh/mesh.ts";
import { type Gate, type TestStore, startStore } from "../../store/store.ts";
import { PART } from "../world.ts";

let east: TestStore;
let west: TestStore;
let mesh: Mesh;
let directory: string;

beforeAll(async () => {
  east = await startStore({ minPartBytes: PART, buckets: ["source"] });
  west = await startStore({ minPartBytes: PART, buckets: ["destination"] });
});
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "bucket-brigade-state-"));
  mesh = await startMesh();
});
afterEach(async () => {
  await mesh.stop();
  rmSync(directory, { recursive: true, force: true });
});
afterAll(async () => {
  await east.stop();
  await west.stop();
});

async function startMesh(bindings: Record<string, string> = {}): Promise<Mesh> {
  return await Mesh.start({ bundlePath: inject("bundlePath"), stores: { east, west }, directory, bindings });
}

async function startCopy(key: string, size: number): Promise<string> {
  east.putGenerated("source", key, { size, seed: key });
  return await mesh.startCopy({
    source: `east:source/${key}`,
    destination: `west:destination/${key}`,
    partSize: PART,
  });
}

/** Kills workerd as a power cut would, lets land what it has sent, and starts it again on the same state. */
async function killAndRestart(gates: readonly Gate[]): Promise<void> {
  mesh.kill();
  await mesh.stop();
  for (const gate of gates) gate.release();
  await west.waitFor(() => west.openRequests().length === 0);
  mesh = await startMesh();
}

async function expectWhole(id: string, key: string): Promise<Status> {
  const status = await mesh.ended(id);
  expect(status.phase, JSON.stringify(status.failure)).toBe("completed");
  expect(west.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
  return status;
}

test("killed, the copies go on: no finished part is sent again, and no upload is left that nobody knows", async () => {
  // So few that it is not known yet what is slow, and the one that is held is not sent once more for that.
  const parts = 4;
  const held = west.hold({ operation: "UploadPart", key: "long", partNumber: 3 }, "before-work");
  const creating = west.hold({ operation: "CreateMultipartUpload", key: "creating" }, "before-answer");
  const long = await startCopy("long", parts * PART);
  const created = await startCopy("creating", 2 * PART + 1);
  await west.waitFor(() => held.waiting.length === 1 && creating.waiting.length === 1);
  // A part whose report is still under way would have to be sent again.
  await mesh.until(long, (status) => status.parts.done === parts - 1);
  await killAndRestart([held, creating]);
  await expectWhole(long, "long");
  const sent = west
    .requests({ operation: "UploadPart", key: "long" })
    .map(({ partNumber }) => partNumber ?? 0);
  // The store had taken part 3, though nobody heard of it.
  expect(sent.filter((partNumber, index) => sent.indexOf(partNumber) !== index)).toEqual([]);
  // The upload whose CreateMultipartUpload was answered into the void has been found and aborted.
  const status = await expectWhole(created, "creating");
  expect(status.timeline.map(({ event }) => event)).toContain("stray_upload_aborted");
  expect(west.uploads()).toEqual([]);
});

test("a store whose secret is spoilt blocks its copies, and they go on with the parts they have when it is put right", async () => {
  const held = west.hold({ operation: "UploadPart", key: "spoilt", partNumber: 3 }, "before-work");
  const id = await startCopy("spoilt", 3 * PART);
  await west.waitFor(() => held.waiting.length === 1);
  await mesh.until(id, ({ parts }) => parts.done === 2);
  await mesh.stop();
  held.release();
  mesh = await startMesh({ STORE_WEST: "{" });
  const blocked = await mesh.until(id, ({ phase }) => phase === "blocked");
  expect(blocked.failure?.code).toBe("store_misconfigured");
  expect(blocked.parts.done).toBe(2);
  await mesh.stop();
  mesh = await startMesh();
  await mesh.call("POST", `/copies/${id}/resume`);
  await expectWhole(id, "spoilt");
});
