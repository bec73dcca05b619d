// Walks over the HTTP test store, for the tests of what they find and of how much they ask at once.

import { expect, vi } from "vitest";
import { compareKeys } from "../../../src/listing/key_order.ts";
import type { Found } from "../../../src/listing/lookup.ts";
import type { SyncSpec } from "../../../src/sync/spec.ts";
import {
  type Cursor,
  type ListElsewhere,
  type WalkLimits,
  FIRST_CURSOR,
  Walk,
} from "../../../src/listing/walk.ts";
import { type StoreOptions, type TestStore, startStore } from "../../store/store.ts";
import { connectTo } from "../listed_store.ts";

const opened: TestStore[] = [];

/** Stops what a test has opened. */
export async function stopAll(): Promise<void> {
  vi.restoreAllMocks();
  for (const store of opened.splice(0)) {
    expect(store.failures).toEqual([]);
    await store.stop();
  }
}

export async function open(options: StoreOptions = {}): Promise<TestStore> {
  const store = await startStore({ buckets: ["bucket"], ...options });
  opened.push(store);
  return store;
}

/** A world so small that a few hundred names are many pages. */
export const SMALL: WalkLimits = {
  mostPairs: 10,
  mostRequests: 5,
  firstRequests: 2,
  pagesPerRequest: 2,
  pagesPerCut: 4,
  waitMs: 60_000,
  slowMs: Infinity,
  mostElsewhere: 20,
};

/** As if every page were slow: a prefix is cut at its folders after its first page. */
export const SLOW: WalkLimits = { ...SMALL, slowMs: 0 };

export interface World {
  readonly source: TestStore;
  readonly destination: TestStore;
  readonly spec: SyncSpec;
  readonly fields?: Readonly<Record<string, unknown>>;
}

export function specOf(from: string, to: string, changes: Partial<SyncSpec> = {}): SyncSpec {
  return {
    source: { store: "test", bucket: "bucket", prefix: from },
    destination: { store: "test", bucket: "bucket", prefix: to },
    delete: true,
    ...changes,
  } as SyncSpec;
}

export function walkFrom(
  { source, destination, spec, fields = {} }: World,
  cursor: Cursor,
  limits = SMALL,
  elsewhere: ListElsewhere | null = null,
): Walk {
  const stored = JSON.parse(JSON.stringify(cursor)) as Cursor;
  const stores = { source: connectTo(source, fields), destination: connectTo(destination, fields) };
  return new Walk(spec, stores, stored, { limits, elsewhere });
}

export interface Walked {
  readonly pairs: Found[];
  readonly known: string[];
  readonly cursors: Cursor[];
}

/**
 * Walks to the end. `dies` is asked after each page: "before" it was recorded (what it gave is lost with the
 * walk), or "after" (a new walk goes on from its cursor).
 */
export async function walkAll(
  world: World,
  dies: (page: number) => "before" | "after" | null = () => null,
  limits = SMALL,
): Promise<Walked> {
  const walked: Walked = { pairs: [], known: [], cursors: [FIRST_CURSOR] };
  let walk = walkFrom(world, FIRST_CURSOR, limits);
  for (let number = 1; ; number++) {
    const page = await walk.next();
    const death = dies(number);
    if (death !== "before") {
      walked.pairs.push(...page.pairs);
      walked.known.push(...page.known.map(({ key }) => key));
      if (page.cursor === null) return walked;
      walked.cursors.push(page.cursor);
    }
    if (death !== null) walk = walkFrom(world, walked.cursors.at(-1) ?? FIRST_CURSOR, limits);
  }
}

const order = (a: unknown[], b: unknown[]) => compareKeys(String(a[0]), String(b[0]));

/** What a walk must find, by the sets alone: each name of either side once, and which sides have it. */
export function expectAll({ pairs }: Walked, from: ReadonlySet<string>, to: ReadonlySet<string>): void {
  const found = pairs.map(({ name, source, destination }) => [name, source !== null, destination !== null]);
  expect(found.toSorted(order)).toEqual(
    [...new Set([...from, ...to])].map((name) => [name, from.has(name), to.has(name)]).toSorted(order),
  );
}

export async function walkToEnd(walk: Walk): Promise<void> {
  while ((await walk.next()).cursor !== null);
}

/** How many requests were under way at once, at most, and how many there were. */
export async function mostAtOnce(work: () => Promise<void>): Promise<[peak: number, requests: number]> {
  let [underWay, peak, requests] = [0, 0, 0];
  const real = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (...request) => {
    requests += 1;
    peak = Math.max(peak, ++underWay);
    try {
      return await real(...request);
    } finally {
      underWay -= 1;
    }
  });
  await work();
  return [peak, requests];
}

export const mostRanges = ({ cursors }: Walked) =>
  Math.max(...cursors.map((cursor) => (cursor.kind === "merge" ? cursor.ranges.length : 0)));

export function fill(store: TestStore, prefix: string, names: Iterable<string>): void {
  for (const name of names) store.put("bucket", prefix + name, name.endsWith("/") ? "" : "bytes");
}
