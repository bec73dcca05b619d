// Two sorted listings become one row of pairs, whatever the pages are like and wherever the merge is broken
// off.
import { describe, expect, test } from "vitest";
import { compareKeys } from "../../../src/listing/key_order.ts";
import { type Pair, listedOfHead, mergePages, pairingOf } from "../../../src/listing/merge.ts";
import type { ListedObject } from "../../../src/s3/listing_xml.ts";
import { seeded } from "../samples.ts";

const listed = (key: string): ListedObject => ({
  key,
  sizeBytes: key.length,
  etag: null,
  lastModifiedMs: null,
  storageClass: null,
  isRestored: false,
});

const nothing = { pairedUntil: null, limit: 1000 };

const shape = (pairs: readonly Pair[]) =>
  pairs.map(({ name, source, destination }) => [name, source?.key ?? null, destination?.key ?? null]);

const side = (prefix: string, keys: readonly string[], isComplete = true) => ({
  prefix,
  objects: keys.map(listed),
  isComplete,
});

describe("mergePages()", () => {
  test("pairs by the name below the prefixes", () => {
    const merged = mergePages(side("p/", ["p/", "p/a", "p/c"]), side("q", ["q", "qb", "qc"]), nothing);
    expect(shape(merged.pairs)).toEqual([
      ["", "p/", "q"],
      ["a", "p/a", null],
      ["b", null, "qb"],
      ["c", "p/c", "qc"],
    ]);
    expect(merged).toMatchObject({ needs: "nothing", pairedUntil: "c", source: [], destination: [] });
  });

  test("a key and its directory marker are two names", () => {
    const keys = ["abc", "abc/", "abc/x"];
    expect(shape(mergePages(side("", keys), side("", ["abc", "abc/x"]), nothing).pairs)).toEqual([
      ["abc", "abc", "abc"],
      ["abc/", "abc/", null],
      ["abc/x", "abc/x", "abc/x"],
    ]);
  });

  test("both sides of keys beyond U+FFFF agree: nothing is missing anywhere", () => {
    const keys = ["Ｚ", "😀a"];
    const { pairs } = mergePages(side("", keys), side("", keys), nothing);
    expect(pairs.filter(({ source, destination }) => source === null || destination === null)).toEqual([]);
    expect(pairs).toHaveLength(2);
  });

  test("takes no name for missing while a page of that side may still bring it", () => {
    const open = mergePages(side("", ["b"]), side("", ["a"], false), nothing);
    expect(shape(open.pairs)).toEqual([["a", null, "a"]]);
    expect(open).toMatchObject({ needs: "destination", pairedUntil: "a" });
    expect(open.source.map(({ key }) => key)).toEqual(["b"]);
    expect(mergePages(side("", [], false), side("", ["a"]), nothing)).toMatchObject({
      pairs: [],
      needs: "source",
      pairedUntil: null,
    });
  });

  test("an empty side that is complete makes every name of the other one alone", () => {
    expect(shape(mergePages(side("", ["a"]), side("", []), nothing).pairs)).toEqual([["a", "a", null]]);
    expect(shape(mergePages(side("", []), side("", ["a"]), nothing).pairs)).toEqual([["a", null, "a"]]);
    expect(mergePages(side("", []), side("", []), nothing)).toMatchObject({ pairs: [], needs: "nothing" });
  });

  test("stops at the limit and keeps the rest", () => {
    const merged = mergePages(side("", ["a", "b", "c"]), side("", ["b"]), { pairedUntil: null, limit: 2 });
    expect(merged).toMatchObject({ needs: "limit", pairedUntil: "b" });
    expect(merged.source.map(({ key }) => key)).toEqual(["c"]);
    expect(merged.destination).toEqual([]);
  });
});

/** A store that lists in pages of random length, beginning anew after any key. */
class Listing {
  readonly #keys: readonly string[];
  readonly #prefix: string;
  readonly #random: () => number;
  #at: number;
  objects: readonly ListedObject[] = [];

  constructor(prefix: string, names: readonly string[], after: string | null, random: () => number) {
    this.#prefix = prefix;
    this.#keys = names.map((name) => prefix + name).toSorted(compareKeys);
    this.#random = random;
    this.#at = after === null ? 0 : this.#keys.findIndex((key) => compareKeys(key, prefix + after) > 0);
    if (this.#at < 0) this.#at = this.#keys.length;
  }

  get side() {
    return { prefix: this.#prefix, objects: this.objects, isComplete: this.#at >= this.#keys.length };
  }

  more(): void {
    const page = this.#keys.slice(this.#at, this.#at + Math.floor(this.#random() * 4)); // also empty ones
    this.#at += page.length;
    this.objects = [...this.objects, ...page.map(listed)];
  }
}

test("every name of either side is in exactly one pair, in order, wherever the merge dies and goes on", () => {
  const random = seeded(5);
  const characters = ["a", "b", "/", "//", "Ｚ", "😀", "\u0001", "é", "~"];
  const randomName = () =>
    Array.from(
      { length: Math.floor(random() * 5) },
      () => characters[Math.floor(random() * characters.length)],
    ).join("");
  for (let round = 0; round < 300; round++) {
    const all = [...new Set(Array.from({ length: 60 }, randomName))];
    const [left, right] = [all.filter(() => random() < 0.6), all.filter(() => random() < 0.6)];
    const pairs: Pair[] = [];
    let pairedUntil: string | null = null;
    let source = new Listing("from/", left, null, random);
    let destination = new Listing("to😀", right, null, random);
    for (let needs = "limit"; needs !== "nothing";) {
      const merged = mergePages(source.side, destination.side, { pairedUntil, limit: 7 });
      pairs.push(...merged.pairs);
      ({ needs, pairedUntil } = merged);
      source.objects = merged.source;
      destination.objects = merged.destination;
      if (random() < 0.2) {
        source = new Listing("from/", left, pairedUntil, random);
        destination = new Listing("to😀", right, pairedUntil, random);
      } else if (needs === "source") source.more();
      else if (needs === "destination") destination.more();
    }
    const expected = all
      .filter((name) => left.includes(name) || right.includes(name))
      .toSorted(compareKeys)
      .map((name) => [
        name,
        left.includes(name) ? `from/${name}` : null,
        right.includes(name) ? `to😀${name}` : null,
      ]);
    expect(shape(pairs)).toEqual(expected);
  }
});

test("without order on either side there is no merge", () => {
  expect(pairingOf("utf8", "utf8")).toBe("merge");
  expect(pairingOf("utf8", "unsorted")).toBe("lookup");
  expect(pairingOf("unsorted", "utf8")).toBe("lookup");
});

test("an object that was looked up is told like a listed one", () => {
  const headers = new Headers({
    "content-length": "5",
    etag: '"abc"',
    "last-modified": "Wed, 25 Nov 2026 10:00:00 GMT",
    "x-amz-storage-class": "GLACIER",
    "x-amz-restore": 'ongoing-request="false", expiry-date="Fri, 27 Nov 2026 00:00:00 GMT"',
  });
  expect(listedOfHead("k", headers)).toEqual({
    key: "k",
    sizeBytes: 5,
    etag: '"abc"',
    lastModifiedMs: Date.UTC(2026, 10, 25, 10),
    storageClass: "GLACIER",
    isRestored: true,
  });
  expect(listedOfHead("k", new Headers({ "content-length": "0" }))).toMatchObject({
    etag: null,
    isRestored: false,
  });
});
