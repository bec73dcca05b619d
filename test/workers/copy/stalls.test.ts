// Requests that stop moving: each is let go within its time, both its streams are ended, and the part is sent
// again. All scenes wait at once, since the shortest time is half a minute by the mesh's clock.

import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import type { FaultMatch, Operation, TestStore } from "../../store/store.ts";
import { MIB, openWorld } from "../world.ts";

const { mesh, stores } = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"] },
  },
  undefined,
  Clock.fast(3, "limits too"),
);
const { east, west } = stores;

interface Scene {
  readonly name: string;
  /** `auto` computes MD5s here, and every buffer is seen; with `off` the runtime alone moves the bytes. */
  readonly verify: "auto" | "off";
  readonly partSize?: number;
  /** The request that stops. */
  readonly at: readonly [store: TestStore, operation: Operation];
  /** @returns what lets it go on */
  readonly stop: (match: FaultMatch & { key: string }, store: TestStore) => () => void;
  /** What the timeline says of it. */
  readonly told: RegExp;
}

/** A share of a body passes, and nothing more until it is released. */
function stall(match: FaultMatch, store: TestStore, direction: "in" | "out", share = 0.5): () => void {
  const released = Promise.withResolvers<void>();
  const effect = { kind: "during", direction, share, action: () => released.promise } as const;
  store.fault(match, { ...effect, after: "go-on" }, { after: 1, times: 1 });
  return released.resolve;
}

/** Four times what the first part took, and half a minute at least. */
const NO_ANSWER = /nothing within ([3-9]\d|\d{3,})(\.\d+)? s/;

// Part 2: the first has shown how long a part takes.
const scenes: readonly Scene[] = [
  {
    name: "a source that stops in mid-body, seen",
    verify: "auto",
    at: [east, "GetObject"],
    stop: (match, store) => stall(match, store, "out"),
    told: /the source sent nothing for 30 s, after \d+ bytes/,
  },
  {
    name: "a destination that reads no more, seen",
    verify: "auto",
    // Nine tenths of it are more than the two sockets hold: Linux lets them grow to 32 MiB and 4 MiB.
    partSize: 48 * MIB,
    at: [west, "UploadPart"],
    stop: (match, store) => stall(match, store, "in", 0.1),
    // On a busy machine the part may have run out of its time before the sockets are full.
    told: /the destination took nothing for 30 s, after \d+ bytes|nothing within [3-9]\d(\.\d+)? s/,
  },
  {
    name: "a source that stops in mid-body, unseen",
    verify: "off",
    at: [east, "GetObject"],
    stop: (match, store) => stall(match, store, "out"),
    told: NO_ANSWER,
  },
  {
    name: "a destination that never answers, unseen",
    verify: "off",
    at: [west, "UploadPart"],
    stop: (match, store) => {
      const gate = store.hold(match, "before-answer", { after: 1, times: 1 });
      return () => gate.release();
    },
    told: NO_ANSWER,
  },
];

test(
  "a request that stops moving is let go, both its sides end, and its part is sent again",
  {
    timeout: 240_000,
  },
  async () => {
    await Promise.all(scenes.map(playScene));
  },
);

async function playScene(scene: Scene): Promise<void> {
  const {
    name,
    verify,
    partSize = 5 * MIB,
    at: [store, operation],
    stop,
    told,
  } = scene;
  east.putGenerated("source", name, { size: 3 * partSize, seed: name });
  const release = stop({ operation, key: name }, store);
  const id = await mesh.startCopy({
    source: `east:source/${name}`,
    destination: `west:destination/${name}`,
    partSize,
    lanes: 1,
    concurrency: 1,
    verify,
  });
  const status = await mesh.ended(id);
  expect(status.phase, `${name}: ${JSON.stringify(status.failure)}`).toBe("completed");
  const failed = status.timeline.filter(({ event }) => event === "part_failed");
  expect(failed.map(({ detail }) => detail)).toEqual([expect.stringMatching(told)]);
  expect(west.bytes("destination", name).equals(east.bytes("source", name)), name).toBe(true);
  // A store that reads no more cannot see that the other side has hung up: it is made to look again.
  release();
  const [, stopped] = store.requests({ operation, key: name });
  await store.waitFor(() => stopped?.endedAt !== undefined);
  expect(stopped?.outcome, name).toBe("aborted");
}
