// Both sides of a sync walked to their ends, against the HTTP test store: every name once, whatever the
// stores list like, however many ranges are listed at once, and wherever the walk dies.
import { afterEach, describe, expect, test, vi } from "vitest";
import { compareKeys } from "../../../src/listing/key_order.ts";
import { type Cursor, type WalkLimits, type WalkPage, FIRST_CURSOR } from "../../../src/listing/walk.ts";
import type { StoreOptions } from "../../store/store.ts";
import { seeded } from "../samples.ts";
import {
  type World,
  type Walked,
  expectAll,
  fill,
  mostRanges,
  open,
  SLOW,
  SMALL,
  specOf,
  stopAll,
  walkAll,
  walkFrom,
  walkToEnd,
} from "./walked.ts";

// A walk is some hundred requests, and a machine may have other work.
vi.setConfig({ testTimeout: 60_000 });

afterEach(stopAll);

// prettier-ignore
const PLAIN = ["a", "b", "Z", "0", "7", "-", "_", ".", "~", " ", "+", "%", "%2F", "é", "e\u0301", "日", "\ud7ff", "\ue000",
  "Ｚ", "\uffee", "😀", "\u{10ffff}", "/", "//", "dir/", "common/beginning/of/many/", "&", "<", "'", "\t", "\n", "\\", "?", "#"];
const CONTROL = ["\u0001", "\u007f", "\r", "\u0085"];

function namesOf(random: () => number, count: number, pieces: readonly string[]): Set<string> {
  const names = new Set<string>();
  const below = (limit: number) => Math.floor(random() * limit);
  // Some worlds are all under one beginning, some are numbers, some are anything.
  const beginning = pieces[below(pieces.length)] ?? "";
  while (names.size < count) {
    let name = below(3) === 0 ? beginning : "";
    for (let length = 1 + below(5); length > 0; length--) name += pieces[below(pieces.length)] ?? "";
    if (below(3) === 0) name += String(below(1000)).padStart(3, "0");
    names.add(name);
  }
  return names;
}

/** One walk that dies before its page is recorded, and one that dies after, for each page. */
async function killAtEach(
  pages: number,
  world: World,
  limits: WalkLimits,
  check: (walked: Walked) => void,
): Promise<void> {
  for (let at = 1; at <= pages; at++)
    for (const death of ["before", "after"] as const)
      check(await walkAll(world, (page) => (page === at ? death : null), limits));
}

describe("every name of both sides once, listed in many ranges at once and killed anywhere", () => {
  test.each<[string, StoreOptions, readonly string[]]>([
    ["a store like AWS", {}, [...PLAIN, ...CONTROL]],
    ["one that ignores encoding-type", { encodingType: "ignored" }, PLAIN],
    ["one without ListObjectsV2", { without: ["listObjectsV2"] }, [...PLAIN, ...CONTROL]],
    ["one that answers V2 as V1", { listType: "ignored" }, [...PLAIN, ...CONTROL]],
    ["one whose markers are inclusive", { markers: "inclusive" }, PLAIN],
    [
      "one without V2 whose markers are inclusive",
      { without: ["listObjectsV2"], markers: "inclusive" },
      PLAIN,
    ],
  ])("%s", async (what, options, pieces) => {
    const random = seeded(what.length * 7919);
    let ranges = 0;
    // One that is nearly equal, one without another side, two very different ones. The first has so many
    // pages that a cut is found long before its end, in whatever order the answers come.
    for (const [from, to, atSource, atDestination, leastKeys] of [
      ["", "copy/", 150, 150, 2],
      ["p/😀 +", "q", 100, 0, 4],
      ["x", "", 20, 100, 4],
    ] as const) {
      const all = [...namesOf(random, 200, pieces)];
      const source = new Set(all.slice(0, atSource));
      const destination = new Set(all.slice(200 - atDestination));
      const world: World = {
        source: await open({ ...options, maxPageKeys: leastKeys + Math.floor(random() * leastKeys) }),
        destination: await open({ ...options, maxPageKeys: leastKeys + Math.floor(random() * leastKeys) }),
        spec: specOf(from, to),
      };
      fill(world.source, from, source);
      fill(world.destination, to, destination);
      const dies = () => (random() < 0.1 ? "before" : random() < 0.1 ? "after" : null);
      for (const walked of [
        await walkAll(world),
        await walkAll(world, dies),
        await walkAll(world, () => null, SLOW),
        await walkAll(world, dies, SLOW),
      ]) {
        expectAll(walked, source, destination);
        ranges = Math.max(ranges, mostRanges(walked));
      }
    }
    expect(ranges).toBeGreaterThan(1);
  });

  test("at every single page, before and after it is recorded", async () => {
    const world: World = {
      source: await open({ maxPageKeys: 5 }),
      destination: await open({ maxPageKeys: 7 }),
      spec: specOf("", "x"),
    };
    const names = [...namesOf(seeded(3), 70, [...PLAIN, ...CONTROL])];
    const [source, destination] = [new Set(names.slice(0, 60)), new Set(names.slice(20))];
    fill(world.source, "", source);
    fill(world.destination, "x", destination);
    const pages = (await walkAll(world)).cursors.length;
    expect(pages).toBeGreaterThan(10);
    await killAtEach(pages, world, SMALL, (walked) => expectAll(walked, source, destination));
  });

  test("at every single page of a prefix that was cut at its folders", async () => {
    const world: World = {
      source: await open({ maxPageKeys: 5 }),
      destination: await open({ maxPageKeys: 7 }),
      spec: specOf("p/", "x"),
    };
    const names = Array.from({ length: 84 }, (_, n) => `${Math.floor(n / 12)}/${n % 12}`);
    const [source, destination] = [new Set(names.slice(0, 72)), new Set(names.slice(12))];
    fill(world.source, "p/", source);
    fill(world.destination, "x", destination);
    const quiet = await walkAll(world, () => null, SLOW);
    expect(mostRanges(quiet)).toBe(3);
    await killAtEach(quiet.cursors.length, world, SLOW, (walked) => expectAll(walked, source, destination));
  });

  test(
    "a store that refuses and drops at random is asked again from the cursor",
    { timeout: 60_000 },
    async () => {
      const world: World = {
        source: await open({ maxPageKeys: 5 }),
        destination: await open({ maxPageKeys: 5 }),
        spec: specOf("", "x"),
      };
      const names = namesOf(seeded(5), 200, PLAIN);
      fill(world.source, "", names);
      fill(world.destination, "x", names);
      for (const store of [world.source, world.destination]) {
        store.fault(
          { operation: "ListObjectsV2" },
          { kind: "answer", code: "SlowDown" },
          { probability: 0.1 },
        );
        store.fault(
          { operation: "ListObjectsV2" },
          { kind: "drop", stage: "before-answer" },
          { probability: 0.1 },
        );
      }
      const walked: Walked = { pairs: [], known: [], cursors: [FIRST_CURSOR] };
      let [walk, cursor] = [walkFrom(world, FIRST_CURSOR), FIRST_CURSOR];
      for (let failures = 0; ;) {
        const page = await walk.next().catch((error: unknown) => error);
        if (page instanceof Error) {
          failures += 1;
          walk = walkFrom(world, cursor);
          continue;
        }
        const { pairs, cursor: next } = page as WalkPage;
        walked.pairs.push(...pairs);
        if (next !== null) cursor = next;
        else {
          expect(failures).toBeGreaterThan(3);
          break;
        }
      }
      expectAll(walked, names, names);
    },
  );
});

describe("what cannot be believed ends the walk, and never as complete", () => {
  const names = Array.from({ length: 400 }, (_, n) => String(n).padStart(4, "0"));

  test.each(["repeat-marker", "circle", "missing-marker"] as const)(
    "%s, in the midst of many ranges, on either side",
    async (kind) => {
      for (const side of ["source", "destination"] as const) {
        const world: World = {
          source: await open({ maxPageKeys: 5 }),
          destination: await open({ maxPageKeys: 5 }),
          spec: specOf("", "x"),
        };
        fill(world.source, "", names);
        fill(world.destination, "x", names);
        world[side].fault({ operation: "ListObjectsV2" }, { kind }, { after: 60 });
        await expect(walkAll(world)).rejects.toMatchObject({ name: "S3Error", code: "bad_answer" });
      }
    },
  );

  test(
    "a store that lists as UTF-16 orders is caught, however it is cut and killed",
    { timeout: 60_000 },
    async () => {
      const random = seeded(17);
      let caught = 0;
      for (let round = 0; round < 24; round++) {
        const limits = round % 4 < 2 ? SMALL : SLOW;
        const pieces = ["a", "b", "c", "\ue000", "Ｚ", "😀", "\u{1f601}"];
        const some = namesOf(random, 80, round % 2 === 0 ? pieces : ["m", ...PLAIN]);
        const world: World = {
          source: await open({ maxPageKeys: 4, listingOrder: "utf16" }),
          destination: await open({ maxPageKeys: 5 }),
          spec: specOf("", "x"),
        };
        fill(world.source, "", some);
        fill(world.destination, "x", some);
        try {
          const walked = await walkAll(world, () => (random() < 0.1 ? "after" : null), limits);
          // Unsorted from its first page on: looked up one by one. Or in no order that made a difference.
          const given = walked.pairs.filter(({ source }) => source !== null).map(({ name }) => name);
          expect(given.toSorted(compareKeys)).toEqual([...some].toSorted(compareKeys));
          const extra = walked.pairs.filter(({ source }) => source === null).map(({ name }) => name);
          expect(extra).toEqual([]);
        } catch (error) {
          expect(error).toMatchObject({ code: "unsorted_listing" });
          caught++;
        }
      }
      expect(caught).toBeGreaterThan(4);
    },
  );
});

const rangesAt = (cut: string): Cursor => ({
  kind: "merge",
  ranges: [
    { afterName: null, untilName: cut, sourceAfter: null },
    { afterName: cut, untilName: null, sourceAfter: cut },
  ],
});

describe("a range must end with the key at which it was cut, or order is not what it seems", () => {
  test("a key that was deleted meanwhile is missed by nobody", async () => {
    const world: World = {
      source: await open({ maxPageKeys: 2 }),
      destination: await open(),
      spec: specOf("", "x"),
    };
    fill(world.source, "", ["a", "b", "d", "e", "f", "g", "h", "i"]);
    const walk = walkFrom(world, rangesAt("c"));
    const found: string[] = [];
    for (let cursor: Cursor | null = FIRST_CURSOR; cursor !== null;) {
      const page = await walk.next();
      found.push(...page.pairs.map(({ name }) => name));
      cursor = page.cursor;
    }
    expect(found.toSorted()).toEqual(["a", "b", "d", "e", "f", "g", "h", "i"]);
    expect(world.source.requests({ operation: "HeadObject" }).map(({ key }) => key)).toEqual(["c"]);
  });

  test("a key that is there and was passed unseen: the store has another order", async () => {
    const world: World = {
      source: await open({ maxPageKeys: 2, listingOrder: "utf16" }),
      destination: await open(),
      spec: specOf("", "x"),
    };
    fill(world.source, "", ["a", "😀", "Ｚ"]); // as UTF-16 orders; in UTF-8, Ｚ is before 😀
    await expect(walkToEnd(walkFrom(world, rangesAt("Ｚ")))).rejects.toMatchObject({
      code: "unsorted_listing",
      message: expect.stringContaining('set its "provider" to "storj"'),
    });
  });

  test("a key before the one after which the store was asked to begin: another order, too", async () => {
    const world: World = {
      source: await open({ listingOrder: "utf16" }),
      destination: await open(),
      spec: specOf("", "x"),
    };
    fill(world.source, "", ["a", "😀", "Ｚ"]);
    const after: Cursor = {
      kind: "merge",
      ranges: [{ afterName: "😀", untilName: null, sourceAfter: "😀" }],
    };
    await expect(walkToEnd(walkFrom(world, after))).rejects.toMatchObject({ code: "unsorted_listing" });
  });

  test("the source goes on after its own last key, not after one that the destination alone has", async () => {
    const world: World = {
      source: await open({ listingOrder: "utf16" }),
      destination: await open(),
      spec: specOf("", "x"),
    };
    fill(world.source, "", ["a", "😀"]);
    fill(world.destination, "x", ["\ue000"]); // between the two in UTF-8, behind both in UTF-16
    const after: Cursor = {
      kind: "merge",
      ranges: [{ afterName: "\ue000", untilName: null, sourceAfter: "a" }],
    };
    expect((await walkFrom(world, after).next()).pairs.map(({ name }) => name)).toEqual(["😀"]);
  });
});

describe("where a store keeps no order", () => {
  test("the source is listed in one go, and its keys are left to be looked up; then the destination's", async () => {
    const fields = { provider: "storj" };
    const world: World = {
      source: await open({ listingOrder: "none", maxPageKeys: 7 }),
      destination: await open({ listingOrder: "none", maxPageKeys: 7 }),
      spec: specOf("p/", "q/"),
      fields,
    };
    const names = Array.from({ length: 60 }, (_, n) => String(n));
    fill(world.source, "p/", names.slice(0, 50));
    fill(world.destination, "q/", names.slice(40));
    for (const dies of [() => null, (page: number) => (page % 3 === 0 ? ("after" as const) : null)]) {
      const { pairs, known } = await walkAll(world, dies);
      const sources = pairs.filter(({ source }) => source !== null);
      expect(sources.map(({ name }) => name).toSorted()).toEqual(names.slice(0, 50).toSorted());
      expect(new Set(sources.map(({ destination }) => destination))).toEqual(new Set(["unlisted"]));
      expect(
        pairs
          .filter(({ source }) => source === null)
          .map(({ name }) => name)
          .toSorted(),
      ).toEqual(names.slice(50).toSorted());
      expect(known.toSorted()).toEqual(
        names
          .slice(40, 50)
          .map((name) => `q/${name}`)
          .toSorted(),
      );
    }
  });

  test("a source that is not to be compared with what is extra at the destination is listed alone", async () => {
    const world: World = {
      source: await open({ listingOrder: "none" }),
      destination: await open(),
      spec: specOf("", "x", { delete: false }),
      fields: { provider: "storj" },
    };
    fill(world.source, "", ["a", "b"]);
    const { pairs } = await walkAll(world);
    expect(pairs).toHaveLength(2);
    expect(world.destination.requests()).toEqual([]);
  });
});
