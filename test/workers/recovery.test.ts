// The whole runtime dies by SIGKILL in every phase of a copy, with its state on disk, and starts again: each copy ends as
// if nothing had happened, and no part that the destination had is sent again.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { Mesh, type Status } from "../mesh.ts";
import { type Operation, type TestStore, startStore } from "../store/store.ts";
import { PART } from "./world.ts";

let east: TestStore;
let west: TestStore;
let mesh: Mesh;
let directory: string;

beforeAll(async () => {
  east = await startStore({ buckets: ["source"] });
  west = await startStore({ buckets: ["destination"] });
});
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "bucket-brigade-state-"));
  mesh = await startMesh();
});
afterEach(async () => {
  await mesh.stop();
  rmSync(directory, { recursive: true, force: true });
  west.journal.clear();
});
afterAll(async () => {
  await east.stop();
  await west.stop();
});

async function startMesh(): Promise<Mesh> {
  return await Mesh.start({ bundlePath: inject("bundlePath"), stores: { east, west }, directory });
}

async function startCopy(key: string, size: number): Promise<string> {
  east.putGenerated("source", key, { size, seed: key });
  return await mesh.startCopy({
    source: `east:source/${key}`,
    destination: `west:destination/${key}`,
    partSize: PART,
  });
}

/** Kills workerd as a power cut would, and starts it again on the same state. */
async function killAndRestart(): Promise<void> {
  for (const pid of workerdPids()) process.kill(pid, "SIGKILL");
  await mesh.stop();
  mesh = await startMesh();
}

function workerdPids(): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        return (
          stat.includes("(workerd)") &&
          Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === process.pid
        );
      } catch (error) {
        if (error instanceof Error && "code" in error) return false; // ended while we looked
        throw error;
      }
    })
    .map(Number);
}

async function expectWhole(id: string, key: string): Promise<Status> {
  const status = await mesh.ended(id);
  expect(status.phase, JSON.stringify(status.failure)).toBe("completed");
  expect(west.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
  return status;
}

test("killed in each phase, every copy ends whole and leaves no upload", async () => {
  const size = 2 * PART + 1;
  const phases: readonly (readonly [phase: string, store: TestStore, operation: Operation])[] = [
    ["sizing", east, "HeadObject"],
    ["creating", west, "CreateMultipartUpload"],
    ["uploading", west, "UploadPart"],
    ["checking", west, "ListParts"],
    ["completing", west, "CompleteMultipartUpload"],
    ["verifying", west, "HeadObject"],
  ];
  const gates = phases.map(([phase, store, operation]) =>
    store.hold({ operation, key: phase }, "before-answer"),
  );
  const ids: string[] = [];
  for (const [phase] of phases) ids.push(await startCopy(phase, size));
  for (const [index, [, store]] of phases.entries()) {
    await store.waitFor(() => (gates[index]?.waiting.length ?? 0) > 0);
  }
  await killAndRestart();
  for (const gate of gates) gate.release();
  for (const [index, [phase]] of phases.entries()) await expectWhole(ids[index] ?? "", phase);
  // Also the upload whose CreateMultipartUpload was answered into the void.
  expect(west.uploads()).toEqual([]);
});

test("killed in mid-upload, the parts that the destination has are not sent again", async () => {
  const parts = 24;
  const held = west.hold({ operation: "UploadPart", partNumber: 20 }, "before-work");
  const id = await startCopy("long", parts * PART);
  await west.waitFor(() => held.waiting.length === 1 && west.count("UploadPart") === parts);
  await west.waitFor(() => west.openRequests().length === 1);
  await killAndRestart();
  held.release();
  await expectWhole(id, "long");
  const sent = west.requests({ operation: "UploadPart" }).map(({ partNumber }) => partNumber ?? 0);
  const again = sent.filter((partNumber, index) => sent.indexOf(partNumber) !== index);
  // What was in flight, and what was done while its report was under way.
  expect(new Set(again).size).toBeLessThanOrEqual(5);
  expect(again).toContain(20);
});

test("cancelled, then killed while the abort is under way, nothing is left", async () => {
  const gate = west.hold({ operation: "AbortMultipartUpload" }, "before-work");
  const parts = west.hold({ operation: "UploadPart" }, "before-work");
  const id = await startCopy("ending", 2 * PART + 1);
  await west.waitFor(() => parts.waiting.length === 3);
  await mesh.call("POST", `/copies/${id}/cancel`);
  parts.release();
  await west.waitFor(() => gate.waiting.length === 1);
  await killAndRestart();
  gate.release();
  expect((await mesh.ended(id)).phase).toBe("cancelled");
  expect(west.uploads().filter(({ key }) => key === "ending")).toEqual([]);
  expect(west.get("destination", "ending")).toBeUndefined();
});
