// What the fidelity tests have in common: a place that forgets, equal bytes, the events of a status, hosts
// that no resolver knows, and randomness that can be repeated.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import type { Status } from "../../mesh/mesh.ts";
import type { TestStore } from "../../store/store.ts";

/**
 * A directory in memory where the system has one: a copy is three small databases, and a disk takes its time.
 */
export function memoryDirectory(): string {
  const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bucket-brigade-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** @throws unless both stores hold the same bytes under `key`, or the second under `newKey` */
export function expectSameBytes(source: TestStore, destination: TestStore, key: string, newKey = key): void {
  expect(destination.bytes("destination", newKey).equals(source.bytes("source", key))).toBe(true);
}

export function events({ timeline }: Status): string[] {
  return timeline.map(({ event }) => event);
}

/** The parts that a store has taken, by number, each as often as it came. */
export function partsTaken(store: TestStore): number[] {
  return store
    .requests({ operation: "UploadPart", status: 200 })
    .map(({ partNumber }) => partNumber ?? 0)
    .toSorted((a, b) => a - b);
}

/** `bucket.localhost` has no address where the resolver does not make one up. */
export function toLoopback(host: string): string {
  return host.replace(/^[^:]*/, "127.0.0.1");
}

/** Random numbers in [0, 1) that a seed determines (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
