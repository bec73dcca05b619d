// The whole mesh is killed with copies in every state and started again from its disk. One death serves all
// the states, since the spare alarms take their time: half a minute for a coordinator, a minute for a lane.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { Mesh } from "../../mesh/mesh.ts";
import { type Gate, type Operation, type Stage, type TestStore, startStore } from "../../store/store.ts";
import { PART } from "../world.ts";

const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-mesh-"));
const east = await startStore({ minPartBytes: PART, buckets: ["source"] });
const west = await startStore({ minPartBytes: PART, buckets: ["destination"] });
const options = { bundlePath: inject("bundlePath"), stores: { east, west }, directory };
let mesh = await Mesh.start(options);

interface Scene {
  /** The request that stands at the store when the mesh dies. */
  readonly at: readonly [store: TestStore, operation: Operation, stage: Stage];
  readonly size: number;
  /** Cancelled before, so that it dies while it aborts. */
  readonly cancelled?: boolean;
  readonly end: "completed" | "cancelled";
  /** What the destination is asked after the death. */
  readonly asked: readonly Operation[];
  /**
   * The most parts that are sent beside that, where it depends on how much of them had left the dead process.
   */
  readonly resends?: number;
}

const SEND: readonly Operation[] = ["UploadPart", "UploadPart"];
const FINISH: readonly Operation[] = ["ListParts", "CompleteMultipartUpload", "HeadObject"];
const scenes: Readonly<Record<string, Scene>> = {
  sizing: {
    at: [east, "HeadObject", "before-body"],
    size: PART + 1,
    end: "completed",
    asked: ["CreateMultipartUpload", ...SEND, ...FINISH],
  },
  checking: { at: [west, "ListParts", "before-body"], size: PART + 1, end: "completed", asked: FINISH },
  // It took place and nobody has heard of it: found by the copy ID, not sent again.
  completing: {
    at: [west, "CompleteMultipartUpload", "before-answer"],
    size: PART + 1,
    end: "completed",
    asked: ["HeadObject", "HeadObject"],
  },
  verifying: {
    at: [west, "HeadObject", "before-body"],
    size: PART + 1,
    end: "completed",
    asked: ["HeadObject"],
  },
  aborting: {
    at: [west, "AbortMultipartUpload", "before-body"],
    size: PART + 1,
    cancelled: true,
    end: "cancelled",
    asked: ["AbortMultipartUpload", "ListParts"],
  },
  // Two of seven parts are through and are not sent again; of the other five the store tells which it has
  // got.
  uploading: {
    at: [west, "UploadPart", "before-body"],
    size: 7 * PART,
    end: "completed",
    asked: ["ListParts", ...FINISH],
    resends: 5,
  },
  "putting a small object": {
    at: [west, "PutObject", "before-body"],
    size: 1000,
    end: "completed",
    asked: ["PutObject", "HeadObject"],
  },
};

const ids = new Map<string, string>();
const id = (name: string) => ids.get(name) ?? "";
const ENDED = new Set(["completed", "failed", "cancelled"]);

beforeAll(async () => {
  const gates: Gate[] = [];
  for (const [name, scene] of Object.entries(scenes)) gates.push(await play(name, scene));
  await mesh.stop();
  for (const gate of gates) gate.release();
  await Promise.all([east, west].map((store) => store.waitFor(() => store.openRequests().length === 0)));
  west.journal.clear();
  mesh = await Mesh.start(options);
});

/** Brings a copy to where its mesh dies. @returns what holds it there */
async function play(
  name: string,
  { at: [store, operation, stage], size, cancelled = false }: Scene,
): Promise<Gate> {
  east.putGenerated("source", name, { size, seed: name, computeEtag: true });
  const uploading = operation === "UploadPart";
  const parts = cancelled ? west.hold({ operation: "UploadPart", key: name }) : null;
  const gate = store.hold({ operation, key: name }, stage, { after: uploading ? 2 : 0 });
  const destination = `west:destination/${name}`;
  ids.set(
    name,
    await mesh.startCopy({ source: `east:source/${name}`, destination, partSize: PART, lanes: 1 }),
  );
  if (parts !== null) {
    await west.waitFor(() => parts.waiting.length === 2);
    await mesh.call("POST", `/copies/${id(name)}/cancel`);
  }
  await store.waitFor(() => gate.waiting.length === (uploading ? 5 : 1));
  parts?.release();
  return gate;
}

afterAll(async () => {
  await mesh.stop();
  await Promise.all([east.stop(), west.stop()]);
  rmSync(directory, { recursive: true, force: true });
});

test.for(Object.entries(scenes))(
  "killed while %s: the copy goes on from what is stored",
  { timeout: 120_000 },
  async ([name, { end, asked, size, resends }]) => {
    const status = await mesh.until(id(name), ({ phase }) => ENDED.has(phase));
    expect(status.phase).toBe(end);
    const requests = west.requests({ key: name }).map(({ operation }) => operation);
    const sent = requests.filter((operation) => operation === "UploadPart").length;
    expect(requests.filter((operation) => resends === undefined || operation !== "UploadPart")).toEqual(
      asked,
    );
    if (resends !== undefined) expect(sent).toBeLessThanOrEqual(resends);
    if (end === "completed")
      expect(west.bytes("destination", name).equals(east.bytes("source", name))).toBe(true);
    else expect(west.get("destination", name)).toBeUndefined();
    expect(status.size).toBe(size);
    expect(west.uploads().filter(({ key }) => key === name)).toEqual([]);
  },
);
