// What a list on the page knows after each page that it has read, and how its rows come on the screen.

import { expect, test } from "vitest";

interface Row {
  readonly id: string;
  readonly phase: string;
}
interface Known {
  readonly rows: readonly Row[];
  readonly next: string | null;
  readonly isLong: boolean;
}
type Page = Omit<Known, "isLong">;
interface Group {
  readonly number: number;
  readonly rows: readonly string[];
}

// The page's modules are JavaScript, which this project's compiler does not read.
const path = "../../../src/dashboard/paging.js";
const { kept, withPage, withMore } = (await import(path)) as {
  kept: (before: unknown, now: unknown) => unknown;
  withPage: (known: Known | null, cursor: string | null, page: Page) => Known | null;
  withMore: (
    rows: readonly string[],
    keyOf: (row: string) => string,
    shown: ReadonlyMap<string, number>,
    most: number,
  ) => readonly Group[];
};

const row = (id: string, phase = "completed"): Row => ({ id, phase });
const rows = (ids: string) => [...ids].map((id) => row(id));
const ids = (known: Known | null) => known?.rows.map(({ id }) => id).join("");
/** Ids are letters, of which the last is the newest. */
const page = (letters: string, next: string | null): Page => ({ rows: rows(letters), next });
const read = (...pages: readonly (readonly [cursor: string | null, Page])[]) =>
  pages.reduce<Known | null>((known, [cursor, one]) => withPage(known, cursor, one), null);

test("an older page follows the newest, and the same answer twice changes nothing", () => {
  const known = read([null, page("zyx", "x")], ["x", page("wvu", "u")]);
  expect([ids(known), known?.next]).toEqual(["zyxwvu", "u"]);
  expect(withPage(known, "x", page("wvu", "u"))).toBe(known);
  expect(withPage(known, null, page("zyx", "x"))).toBe(known);
});

test("what the newest page has no room for any more stays, once older rows were asked for", () => {
  const known = read([null, page("xwv", "v")], ["v", page("uts", "s")], [null, page("zyx", "x")]);
  expect([ids(known), known?.next]).toEqual(["zyxwvuts", "s"]);
  expect(ids(read([null, page("xwv", "v")], [null, page("zyx", "x")]))).toBe("zyx");
});

test("where more has begun than a page holds, nothing is shown as if it followed", () => {
  const known = read([null, page("fed", "d")], ["d", page("cba", null)], [null, page("zyx", "x")]);
  expect([ids(known), known?.next]).toEqual(["zyx", "x"]);
  // Nor is a late answer from before put below the gap.
  expect(withPage(known, "d", page("cba", null))).toBe(known);
});

test("a page decides which rows are between its cursor and its next, and leaves the others as they are", () => {
  const known = read([null, page("zyx", "x")], ["x", page("wvu", "u")]);
  const changed = withPage(known, "x", { rows: [row("w"), row("u", "failed")], next: "u" });
  expect(changed?.rows.map(({ id, phase }) => `${id} ${phase}`)).toEqual([
    "z completed",
    "y completed",
    "x completed",
    "w completed",
    "u failed",
  ]);
  expect(changed?.rows[3]).toBe(known?.rows[3]);
  expect(ids(withPage(known, null, page("zx", null)))).toBe("zx");
  // A search that finds nothing in what it has looked at goes on from there.
  expect(ids(withPage(known, "x", page("", "v")))).toBe("zyxu");
});

test("an older page of nothing yet is not taken for the newest", () => {
  expect(withPage(null, "x", page("wvu", "u"))).toBe(null);
});

const same = (key: string) => key;
const numbers = (groups: readonly Group[]) =>
  new Map(groups.flatMap(({ number, rows: keys }) => keys.map((key) => [key, number] as const)));
const keysOf = (groups: readonly Group[]) => groups.flatMap((group) => group.rows);

/** Frame by frame, until all are shown. */
function frames(keys: readonly string[], shown: ReadonlyMap<string, number> = new Map()) {
  const all: (readonly Group[])[] = [];
  for (let last = shown; last.size < keys.length || all.length === 0; last = numbers(all.at(-1) ?? []))
    all.push(withMore(keys, same, last, 10));
  return all;
}

const many = (count: number, name = "row") =>
  Array.from({ length: count }, (_, n) => `${name}-${String(count - n).padStart(4, "0")}`);

test("of 1,000 rows ten come in a frame, in their order, and all of them in the end", () => {
  const keys = many(1_000);
  const all = frames(keys);
  expect(all.map((groups) => keysOf(groups).length)).toEqual(
    Array.from({ length: 100 }, (_, n) => 10 * (n + 1)),
  );
  const last = all.at(-1) ?? [];
  expect(keysOf(last)).toEqual(keys);
  expect(Math.max(...last.map((group) => group.rows.length))).toBe(30);
  expect(last.length).toBe(34);
});

test("what is shown stays where there is room for no more", () => {
  const shown = numbers(withMore(many(5), same, new Map(), 10));
  expect(keysOf(withMore(many(9), same, shown, 0))).toEqual(many(9).filter((key) => shown.has(key)));
});

test("a row that is shown stays in its group, whatever comes above, below and between", () => {
  let keys = many(100, "m");
  let shown = numbers(frames(keys).at(-1) ?? []);
  for (let round = 0; round < 20; round++) {
    keys = [
      ...many(7, `z${String(99 - round)}`),
      ...keys.slice(0, 50),
      `between-${round}`,
      ...keys.slice(50),
      ...many(3, `a${round}`),
    ];
    for (const groups of frames(keys, shown)) {
      const now = numbers(groups);
      expect([...shown].filter(([key, number]) => now.get(key) !== number)).toEqual([]);
      expect(new Set(groups.map(({ number }) => number)).size).toBe(groups.length);
      expect(keysOf(groups)).toEqual(keys.filter((key) => now.has(key)));
      shown = now;
    }
  }
  expect(shown.size).toBe(100 + 20 * 11);
});

test("rows in another order are all there, and no group is there twice", () => {
  const keys = many(90);
  const shown = numbers(frames(keys).at(-1) ?? []);
  const turned = keys.toReversed().toSorted((one, other) => one.slice(-1).localeCompare(other.slice(-1)));
  const groups = withMore(turned, same, shown, 10);
  expect(keysOf(groups)).toEqual(turned);
  expect(new Set(groups.map(({ number }) => number)).size).toBe(groups.length);
});

test.each([
  { id: 1, tags: ["a", null, { b: [] }] },
  [
    { name: "one", runs: [] },
    { name: "two", runs: [{ at: 3 }] },
  ],
  { none: undefined },
  null,
  "text",
])("of an answer that is the same, %j, the object stays", (answer) => {
  expect(kept(answer, structuredClone(answer))).toBe(answer);
});

test("of a list with a new row above, the others stay the same objects", () => {
  const before = { rows: [{ id: "b", phase: "queued" }, { id: "a" }], next: null };
  const now = { rows: [{ id: "c" }, { id: "b", phase: "failed" }, { id: "a" }], next: null };
  const made = kept(before, now) as typeof now;
  expect(made).toEqual(now);
  expect(made.rows[2]).toBe(before.rows[1]);
});

test.each([
  ["a row less", [{ id: "a" }, { id: "b" }], [{ id: "a" }]],
  ["another order", [{ id: "a" }, { id: "b" }], [{ id: "b" }, { id: "a" }]],
  ["a field less", { a: 1, b: 2 }, { a: 1 }],
  ["a field more", { a: 1 }, { a: 1, b: undefined }],
  ["a list that was an object", { 0: "a" }, ["a"]],
  ["an object that was none", null, { a: 1 }],
  [
    "a name that is there twice",
    [{ name: "a", of: 1 }],
    [
      { name: "a", of: 1 },
      { name: "a", of: 2 },
    ],
  ],
  [
    "names that were there twice",
    [
      { name: "a", of: 1 },
      { name: "a", of: 2 },
    ],
    [{ name: "a", of: 2 }],
  ],
])("what has changed is what came: %s", (_what, before, now) => {
  expect(kept(before, now)).toStrictEqual(now);
});
