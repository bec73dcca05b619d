// A copy is interrupted in every phase that it can be in, in every way: the whole runtime is killed by
// SIGKILL, the copy's coordinator is aborted in the middle of what it does, it is evicted from memory while
// it waits, or the copy is cancelled. Afterwards it ends as it must, from what is on disk: no part that the
// store had is sent again, at most one Complete takes place, and no upload is left.
//
// All scenes are brought to their place at once and interrupted at once, since what wakes a dead object takes
// seconds.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { abortObject, instanceOf, makeAbortable } from "../../mesh/abortable.ts";
import { Mesh, type Status } from "../../mesh/mesh.ts";
import { type Operation, type Stage, type TestStore, startStore } from "../../store/store.ts";
import { PART } from "../world.ts";

const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-state-"));
const east = await startStore({ minPartBytes: PART, buckets: ["source"] });
// Random ETags spare the hashing; what arrived is compared byte for byte.
const west = await startStore({ minPartBytes: PART, buckets: ["destination"], etags: "opaque" });
const stores = { east, west };
const mortal = { bundlePath: inject("bundlePath"), stores, directory };
let killed = await Mesh.start(mortal);
const spared = await Mesh.start({ ...makeAbortable(inject("bundlePath")), stores });

const WAYS = ["killed", "aborted", "evicted", "cancelled"] as const;

/**
 * Where each phase meets a request, and how that request is made to wait: at the store, or in the mesh for a
 * retry.
 */
const PHASES = {
  queued: null,
  sizing: [east, "HeadObject", "before-body"],
  creating: [west, "CreateMultipartUpload", "before-answer"],
  uploading: [west, "UploadPart", "before-body"],
  completing: [west, "CompleteMultipartUpload", "before-answer"],
  verifying: [west, "HeadObject", "before-body"],
  aborting: [west, "AbortMultipartUpload", "before-body"],
  paused: [west, "UploadPart", "before-body"],
  blocked: [west, "UploadPart", "before-body"],
} as const satisfies Record<string, readonly [TestStore, Operation, Stage] | null>;
type Phase = keyof typeof PHASES;

const scenes = (Object.keys(PHASES) as Phase[]).flatMap((phase) => WAYS.map((way) => ({ phase, way })));
type Scene = (typeof scenes)[number];

const keyOf = ({ phase, way }: Scene) => `${way} while ${phase}`;
const meshOf = ({ way }: Scene) => (way === "killed" ? killed : spared);

const SIZE = PART + 1;
// Time enough to be evicted in. Evicting holds up this process, and with it the stores: a copy that asks one
// of them meanwhile would be waited for in vain. On a busy machine it takes some seconds until all are
// evicted.
const RETRY_AFTER_SECONDS = "20";

interface Placed {
  readonly id: string;
  /** Lets go what holds the copy in its place. */
  readonly release: () => void;
}
const placed = new Map<string, Placed>();
const idOf = (scene: Scene) => placed.get(keyOf(scene))?.id ?? "";

const ask = async (scene: Scene, id: string, verb: string) =>
  void (await meshOf(scene).call("POST", `/copies/${id}/${verb}`));

async function startCopy(scene: Scene, more: Record<string, unknown> = {}): Promise<string> {
  const key = keyOf(scene);
  east.putGenerated("source", key, { size: SIZE, seed: key });
  return await meshOf(scene).startCopy({
    source: `east:source/${key}`,
    destination: `west:destination/${key}`,
    partSize: PART,
    lanes: 1,
    ...more,
  });
}

/** Brings a copy into its phase and to the point where it is interrupted. */
async function place(scene: Scene): Promise<Placed> {
  const { phase, way } = scene;
  const key = keyOf(scene);
  switch (phase) {
    case "queued":
      return await placeInQueue(scene);
    case "paused": {
      const gate = west.hold({ operation: "UploadPart", key, partNumber: 2 });
      const id = await startCopy(scene);
      await west.waitFor(() => gate.waiting.length === 1);
      await meshOf(scene).until(id, ({ parts }) => parts.done === 1);
      await ask(scene, id, "pause");
      gate.release();
      await meshOf(scene).until(id, ({ parts }) => parts.inFlight === 0);
      return { id, release: () => {} };
    }
    case "blocked": {
      // Refused once the other part is through.
      const gate = west.hold({ operation: "UploadPart", key, partNumber: 2 });
      const effect = { kind: "answer", code: "ExpiredToken" } as const;
      const rule = west.fault({ operation: "UploadPart", key, partNumber: 2 }, effect);
      const id = await startCopy(scene);
      await meshOf(scene).until(id, ({ parts }) => parts.done === 1);
      gate.release();
      await meshOf(scene).until(id, (status) => status.phase === "blocked");
      return { id, release: () => rule.remove() };
    }
    case "aborting":
    case "sizing":
    case "creating":
    case "uploading":
    case "completing":
    case "verifying":
      return way === "evicted" ? await placeBeforeRetry(scene, phase) : await placeAtStore(scene, phase);
  }
}

/** Behind a copy to the same object that stands at its source. */
async function placeInQueue(scene: Scene): Promise<Placed> {
  const key = `before ${keyOf(scene)}`;
  east.put("source", key, key);
  const gate = east.hold({ operation: "GetObject", key });
  const destination = `west:destination/${keyOf(scene)}`;
  await meshOf(scene).startCopy({ source: `east:source/${key}`, destination });
  const id = await startCopy(scene, { ifBusy: "queue" });
  await meshOf(scene).until(id, ({ timeline }) => timeline.some(({ event }) => event === "queued_behind"));
  return { id, release: () => gate.release() };
}

type Asking = Exclude<Phase, "queued" | "paused" | "blocked">;

const matchOf = (phase: Asking, key: string) => ({
  operation: PHASES[phase][1],
  key,
  ...(phase === "uploading" ? { partNumber: 2 } : {}),
});

async function placeAtStore(scene: Scene, phase: Asking): Promise<Placed> {
  const [store, , stage] = PHASES[phase];
  const gate = store.hold(matchOf(phase, keyOf(scene)), stage);
  const id = await startAndAbort(scene, phase);
  await store.waitFor(() => gate.waiting.length === 1);
  if (phase === "uploading") await meshOf(scene).until(id, ({ parts }) => parts.done === 1);
  return { id, release: () => gate.release() };
}

async function placeBeforeRetry(scene: Scene, phase: Asking): Promise<Placed> {
  const [store] = PHASES[phase];
  const headers = { "retry-after": RETRY_AFTER_SECONDS };
  const effect = { kind: "answer", code: "SlowDown", headers } as const;
  // An abort is tried again after a second, whatever the store asks for.
  store.fault(matchOf(phase, keyOf(scene)), effect, { times: phase === "aborting" ? 2 : 1 });
  const id = await startAndAbort(scene, phase);
  await meshOf(scene).until(id, (status) =>
    phase === "uploading"
      ? status.parts.failedAttempts === 1 && status.parts.done === 1
      : events(status).includes("step_failed"),
  );
  return { id, release: () => {} };
}

/** A copy that is to be met while it aborts is cancelled as soon as its parts are under way. */
async function startAndAbort(scene: Scene, phase: Asking): Promise<string> {
  if (phase !== "aborting") return await startCopy(scene);
  const parts = west.hold({ operation: "UploadPart", key: keyOf(scene) });
  const id = await startCopy(scene);
  await west.waitFor(() => parts.waiting.length === 2);
  await ask(scene, id, "cancel");
  parts.release();
  return id;
}

const events = ({ timeline }: Status) => timeline.map(({ event }) => event);

/** Interrupts a copy of the mesh that lives on, and waits until its coordinator is another instance. */
async function interrupt(scene: Scene): Promise<void> {
  const id = idOf(scene);
  if (scene.way === "cancelled") return await ask(scene, id, "cancel");
  const before = await instanceOf(spared, "Coordinator", id);
  if (scene.way === "aborted") await abortObject(spared, "Coordinator", id);
  else await spared.evict("Coordinator", id);
  // An object that was aborted may refuse a call at first.
  const present = async () => await instanceOf(spared, "Coordinator", id).catch(() => before);
  while ((await present()) === before) await setTimeout(POLL_MS);
}

const POLL_MS = 50;

/** Thirty copies at once are brought to where they are interrupted: on a busy machine that takes its time. */
const HOOK_LIMIT_MS = 180_000;

beforeAll(async () => {
  await Promise.all(
    scenes.map(async (scene) => {
      placed.set(keyOf(scene), await place(scene));
      if (scene.way !== "killed") await interrupt(scene);
    }),
  );
  killed.kill();
  await killed.stop();
  for (const { release } of placed.values()) release();
  killed = await Mesh.start(mortal);
  for (const scene of scenes) {
    const waits = scene.phase === "paused" || scene.phase === "blocked";
    if (waits && scene.way !== "cancelled") await ask(scene, idOf(scene), "resume");
  }
}, HOOK_LIMIT_MS);

afterAll(async () => {
  await Promise.all([killed.stop(), spared.stop()]);
  for (const store of [east, west]) {
    await store.waitFor(() => store.openRequests().length === 0);
    expect(store.failures).toEqual([]);
    await store.stop();
  }
  rmSync(directory, { recursive: true, force: true });
});

const ENDED = new Set(["completed", "failed", "cancelled"]);

/** A Complete that has taken place, or an object that only waits to be verified, is past cancelling. */
function endOf({ phase, way }: Scene): string {
  if (phase === "aborting") return "cancelled";
  return way === "cancelled" && phase !== "completing" && phase !== "verifying" ? "cancelled" : "completed";
}

/** How often the store did what was asked, whatever became of the answer. */
function tookPlace(operation: Operation, key: string, partNumber?: number): number {
  const filter = { operation, key, ...(partNumber === undefined ? {} : { partNumber }) };
  return west.requests(filter).filter(({ workedAt }) => workedAt !== undefined).length;
}

for (const scene of scenes) {
  const { phase } = scene;
  const key = keyOf(scene);
  const end = endOf(scene);
  test(`${key}: the copy ends as ${end}, and nothing is left behind`, async () => {
    const status = await meshOf(scene).until(idOf(scene), (seen) => ENDED.has(seen.phase));
    expect({ phase: status.phase, failure: status.failure }).toEqual({ phase: end, failure: undefined });
    if (end === "completed")
      expect(west.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
    // What was queued behind another copy has found that one's object there.
    else if (phase !== "queued") expect(west.get("destination", key)).toBeUndefined();
    expect(west.uploads().filter((upload) => upload.key === key)).toEqual([]);
    expect(tookPlace("UploadPart", key, 1)).toBeLessThanOrEqual(1);
    expect(tookPlace("CompleteMultipartUpload", key)).toBe(end === "completed" ? 1 : 0);
  });
}
