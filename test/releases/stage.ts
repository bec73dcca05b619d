// What a release was recorded with: two stores, what was in them, and what the mesh had begun. record.ts
// plays it with the release, a test puts both stores back as they were then.
//
// Invariant: the stores give the same ETags and the same upload ID each time, since their seed is the same
// and the upload is the first thing that takes a number from it.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestStore, startStore } from "../store/store.ts";

export const PART = 1024 * 1024;

/** The copy that is half-way: this many parts, of which this one is under way. */
export const LONG = { key: "long", parts: 4, held: 3 };

/** The keys of the sync that is half-way. */
export const KEYS = Array.from({ length: 60 }, (_, index) => `small/${String(index).padStart(3, "0")}`);

/** What a recording has beside the state. */
export interface Recording {
  readonly version: string;
  /** Ids of what was under way. */
  readonly running: { readonly copy: string; readonly sync: string };
  /** Ids of what had ended. */
  readonly ended: Readonly<Record<"copies" | "syncs" | "comparisons", readonly string[]>>;
  /** What the release answered, by path. */
  readonly answers: Readonly<Record<string, unknown>>;
  /** The destination's objects: each is a copy of a key of the source, with the user metadata it got. */
  readonly objects: readonly {
    readonly key: string;
    readonly of: string;
    readonly metadata: Readonly<Record<string, string>>;
  }[];
}

export async function openStores(): Promise<{ east: TestStore; west: TestStore }> {
  const options = { minPartBytes: PART, seed: "release" };
  const east = await startStore({ ...options, buckets: ["source"] });
  const west = await startStore({ ...options, buckets: ["destination"] });
  east.putGenerated("source", LONG.key, { size: LONG.parts * PART, seed: LONG.key, computeEtag: true });
  for (const key of [...KEYS, "one", "ended/a", "ended/b"]) east.put("source", key, `bytes of ${key}`);
  return { east, west };
}

/** Of a release that was recorded, by its version. */
export function readRelease(version: string): { state: string; recording: Recording } {
  const [state, recording] = pathsOf(version);
  return {
    state: readFileSync(state, "utf8"),
    recording: JSON.parse(readFileSync(recording, "utf8")) as Recording,
  };
}

export function writeRelease(state: string, recording: Recording): void {
  const paths = pathsOf(recording.version);
  writeFileSync(paths[0], state);
  writeFileSync(paths[1], `${JSON.stringify(recording, null, 2)}\n`);
}

function pathsOf(version: string): [state: string, recording: string] {
  const start = join(import.meta.dirname, version);
  return [`${start}.sql`, `${start}.json`];
}
