// How much a walk asks at once, and for nothing.
import { afterEach, describe, expect, test, vi } from "vitest";
import { listPage } from "../../../src/listing/listing.ts";
import { type ListElsewhere, FIRST_CURSOR } from "../../../src/listing/walk.ts";
import { connectTo } from "../listed_store.ts";
import {
  type World,
  type Walked,
  SLOW,
  SMALL,
  expectAll,
  fill,
  mostAtOnce,
  mostRanges,
  open,
  specOf,
  stopAll,
  walkAll,
  walkFrom,
} from "./walked.ts";

// A walk is some hundred requests, and a machine may have other work.
vi.setConfig({ testTimeout: 60_000 });

afterEach(stopAll);

describe("how much is asked at once", () => {
  test("never more than five requests, also while cuts are looked for", async () => {
    const world: World = {
      source: await open({ maxPageKeys: 5 }),
      destination: await open({ maxPageKeys: 5 }),
      spec: specOf("", "x"),
    };
    const names = Array.from({ length: 600 }, (_, n) => String(n).padStart(4, "0"));
    fill(world.source, "", names);
    fill(world.destination, "x", names);
    const [peak] = await mostAtOnce(async () => {
      const walked = await walkAll(world);
      expectAll(walked, new Set(names), new Set(names));
      expect(mostRanges(walked)).toBeGreaterThan(1);
    });
    expect(peak).toBe(5);
  });

  test.each([
    ["folders", (n: number) => `${Math.floor(n / 50)}/${n}`, 8],
    ["folders within one folder", (n: number) => `all/of/it/${Math.floor(n / 50)}/${n}`, 8],
    ["no folders", (n: number) => String(n).padStart(4, "0"), 1],
  ] as const)(
    "slow pages of a prefix with %s are asked for by other events as well, hardly any for nothing",
    async (_, nameOf, ranges) => {
      const names = Array.from({ length: 500 }, (_name, n) => nameOf(n));
      const world: World = {
        source: await open({ maxPageKeys: 10 }),
        destination: await open({ maxPageKeys: 10 }),
        spec: specOf("a/", "b/"),
      };
      fill(world.source, "a/", names);
      fill(world.destination, "b/", names);
      // Slow enough for a dozen at once, on any machine.
      for (const store of [world.source, world.destination])
        store.fault({ operation: "ListObjectsV2" }, { kind: "delay", milliseconds: 100 });
      const events = new Map<number, number[]>();
      const elsewhere: ListElsewhere = async (event, side, range, cursor) => {
        const counts = events.get(event) ?? [0, 0];
        events.set(event, counts);
        counts[0] = (counts[0] ?? 0) + 1;
        counts[1] = Math.max(counts[0], counts[1] ?? 0);
        // Now and then another event cannot.
        const page = counts[1] === 3 ? null : await listPage(connectTo(world[side]), range, cursor);
        counts[0] -= 1;
        return page;
      };
      const [peak, requests] = await mostAtOnce(async () => {
        const walk = walkFrom(world, FIRST_CURSOR, { ...SMALL, slowMs: 50 }, elsewhere);
        const walked: Walked = { pairs: [], known: [], cursors: [] };
        for (let isOn = true; isOn;) {
          const page = await walk.next();
          walked.pairs.push(...page.pairs);
          if (page.cursor !== null) walked.cursors.push(page.cursor);
          isOn = page.cursor !== null;
        }
        expectAll(walked, new Set(names), new Set(names));
        expect(mostRanges(walked)).toBeGreaterThanOrEqual(ranges);
      });
      const most = ranges === 1 ? 6 : 20;
      expect(peak).toBeGreaterThan(ranges === 1 ? 1 : 5);
      expect(peak).toBeLessThanOrEqual(20);
      expect(Math.max(0, ...[...events.values()].map(([, atOnce]) => atOnce ?? 0))).toBeLessThanOrEqual(5);
      // 100 pages; each cut ends two listings within a page.
      if (ranges > 1) expect(requests).toBeLessThanOrEqual(120 + most);
    },
  );

  test("where pages are slow, a prefix of few pages takes one request more than these", async () => {
    const world: World = {
      source: await open({ maxPageKeys: 10 }),
      destination: await open(),
      spec: specOf("p/", "x"),
    };
    const names = new Set(Array.from({ length: 30 }, (_, n) => `${Math.floor(n / 4)}/${n}`));
    fill(world.source, "p/", names);
    expectAll(await walkAll(world, () => null, SLOW), names, new Set());
    const asked = world.source.requests().map(({ query }) => query.has("delimiter"));
    expect(asked.toSorted()).toEqual([false, false, false, true]);
  });

  test("a side that is empty leaves its share to the other", async () => {
    const world: World = {
      source: await open({ maxPageKeys: 5 }),
      destination: await open(),
      spec: specOf("", "x"),
    };
    const names = Array.from({ length: 2000 }, (_, n) => String(n).padStart(4, "0"));
    fill(world.source, "", names);
    const walked = await walkAll(world);
    expectAll(walked, new Set(names), new Set());
    expect(mostRanges(walked)).toBeGreaterThan(3);
  });

  test("a prefix that is not large is listed in one go: no request but its pages", async () => {
    const world: World = {
      source: await open({ maxPageKeys: 10 }),
      destination: await open(),
      spec: specOf("", "x"),
    };
    const names = new Set(Array.from({ length: 40 }, (_, n) => String(n)));
    fill(world.source, "", names);
    expectAll(await walkAll(world, () => null), names, new Set());
    expect(world.source.requests().map(({ operation }) => operation)).toEqual(
      Array.from({ length: 4 }, () => "ListObjectsV2"),
    );
    expect(world.destination.requests()).toHaveLength(1);
  });

  test("names that cannot be cut are listed in one go", async () => {
    const world: World = {
      source: await open({ maxPageKeys: 10 }),
      destination: await open(),
      spec: specOf("", "x"),
    };
    const names = new Set(Array.from({ length: 300 }, (_, n) => "a".repeat(n + 1)));
    fill(world.source, "", names);
    const walked = await walkAll(world);
    expectAll(walked, names, new Set());
  });
});
