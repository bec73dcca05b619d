// Ranges that are listed at the same time: each name exactly once, however names are spread, and cuts that
// are worth it.
import { describe, expect, test } from "vitest";
import { compareKeys } from "../../../src/listing/key_order.ts";
import { type NameRange, type FirstNameIn, ALL_NAMES, cutAt, findCut } from "../../../src/listing/ranges.ts";
import { seeded } from "../samples.ts";

/** Names in order, as a store would find them. */
class Names {
  readonly sorted: readonly string[];
  asked = 0;

  constructor(names: Iterable<string>) {
    this.sorted = [...new Set(names)].toSorted(compareKeys);
  }

  /** Index of the first name behind one. */
  #behind(name: string | null): number {
    let [low, high] = [0, name === null ? 0 : this.sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.sorted[middle] ?? "", name ?? "") <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  page({ afterName, untilName }: NameRange, length: number): string[] {
    const from = this.#behind(afterName);
    const to = untilName === null ? this.sorted.length : this.#behind(untilName);
    return this.sorted.slice(from, Math.min(from + length, to));
  }

  count(range: NameRange): number {
    return this.page(range, Infinity).length;
  }

  readonly firstNameIn: FirstNameIn = async (range) => {
    this.asked++;
    return this.page(range, 1)[0] ?? null;
  };
}

const random = seeded(7);
const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
const text = (characters: readonly string[], length: number) =>
  Array.from({ length: Math.floor(random() * length) }, () => pick(characters)).join("");
const many = (make: (index: number) => string, count = 3000) =>
  Array.from({ length: count }, (_, index) => make(index));

const HEX = [..."0123456789abcdef"];
const WILD = [
  ..."ab/!~0\0\u0001\u007f\u0080é日\ud7ff\ue000Ｚ\uffff",
  "😀",
  "\u{10ffff}",
  "\u{10ffff}\u{10ffff}",
];

const DISTRIBUTIONS: readonly [string, readonly string[]][] = [
  ["hashes", many(() => text(HEX, 12))],
  ["numbers", many((index) => String(index))],
  ["padded numbers", many((index) => String(index).padStart(12, "0"))],
  ["dates", many((index) => `logs/2026/${String((index % 12) + 1).padStart(2, "0")}/${index}.gz`)],
  ["one deep folder", many((index) => `a/very/long/way/down/to/where/all/of/it/is/${index}`)],
  ["almost all under one beginning", [...many((index) => `m/${index}`), "a", "b", "z", "~", "é"]],
  ["two far clusters", [...many((index) => `0${index}`, 1500), ...many((index) => `😀${index}`, 1500)]],
  ["names that are beginnings of each other", many((index) => "a".repeat(index % 900))],
  [
    "folders and their markers",
    many((index) => pick([`d${index % 50}/`, `d${index % 50}/${index}`, `d${index % 50}`])),
  ],
  ["awkward characters", many(() => text(WILD, 6))],
  ["the last character there is", many((index) => "\u{10ffff}".repeat(index % 5) + String(index % 7))],
  ["around the surrogates", many(() => text(["\ud7fe", "\ud7ff", "\ue000", "\ue001"], 7))],
  ["names as long as can be", many((index) => "x".repeat(1016) + String(index).padStart(8, "0"))],
  ["one name", ["a"]],
  ["the name of the prefix itself", [""]],
  ["two names", ["a", "b"]],
  ["nothing", []],
];

describe.each(DISTRIBUTIONS)("%s", (_what, list) => {
  const names = new Names(list);

  test("a cut is one of the names, with others before it", async () => {
    const cut = await findCut(ALL_NAMES, names.firstNameIn);
    if (cut === null) return;
    expect(names.sorted).toContain(cut);
    expect(names.count({ afterName: null, untilName: cut })).toBeGreaterThan(1);
  });

  test("listers that cut each other's ranges under way take each name exactly once", async () => {
    const taken: string[] = [];
    let open: NameRange[] = [ALL_NAMES];
    let listed = 0;
    while (open.length > 0) {
      const at = Math.floor(random() * open.length);
      const range = open[at] ?? ALL_NAMES;
      if (random() < 0.3 && open.length < 12) {
        // While the cut is looked for, the range may be listed on, even past the cut.
        const cut = await findCut(range, names.firstNameIn);
        const reached = random() < 0.5 ? range : take(range);
        const halves = cut === null || reached === null ? null : cutAt(reached, cut);
        open = open.flatMap((other, index) => (index === at ? (halves ?? reached ?? []) : other));
      } else {
        open = open.flatMap((other, index) => (index === at ? (take(range) ?? []) : other));
      }
    }
    expect(taken.toSorted(compareKeys)).toEqual(names.sorted);
    expect(listed).toBeGreaterThan(0);

    function take(range: NameRange): NameRange | null {
      const page = names.page(range, 1 + Math.floor(random() * 40));
      listed++;
      taken.push(...page);
      const last = page.at(-1);
      return last === undefined ? null : { ...range, afterName: last };
    }
  });
});

test.each(DISTRIBUTIONS.slice(0, 7))(
  "%s: eight parts are found with few requests, and none is nearly all",
  async (what, list) => {
    const names = new Names(list);
    let parts: readonly NameRange[] = [ALL_NAMES];
    while (parts.length < 8) {
      const [largest = ALL_NAMES, ...others] = parts.toSorted((a, b) => names.count(b) - names.count(a));
      const cut = await findCut(largest, names.firstNameIn);
      const halves = cut === null ? null : cutAt(largest, cut);
      expect(halves).not.toBeNull();
      parts = [...others, ...(halves ?? [])];
    }
    expect(names.asked).toBeLessThan(7 * 25);
    if (what !== "almost all under one beginning") {
      expect(Math.max(...parts.map((part) => names.count(part)))).toBeLessThan(names.sorted.length * 0.4);
    }
  },
);

test("nothing is asked for that is longer than a key may be", async () => {
  for (const length of [1000, 1010, 1015, 1016]) {
    const names = new Names(many((index) => "x".repeat(length) + String(index).padStart(8, "0"), 100));
    const asked: string[] = [];
    const cut = await findCut(ALL_NAMES, async (range) => {
      asked.push(range.afterName ?? "");
      return await names.firstNameIn(range);
    });
    expect(asked.filter((name) => Buffer.byteLength(name) > 1024)).toEqual([]);
    expect(Buffer.byteLength(cut ?? "")).toBeLessThanOrEqual(1024);
    expect(cut === null).toBe(length > 1010);
  }
});

describe("cutAt()", () => {
  test("makes two ranges that are the one", () => {
    expect(cutAt({ afterName: "a", untilName: "z" }, "m")).toEqual([
      { afterName: "a", untilName: "m" },
      { afterName: "m", untilName: "z" },
    ]);
    expect(cutAt(ALL_NAMES, "m")).toEqual([
      { afterName: null, untilName: "m" },
      { afterName: "m", untilName: null },
    ]);
  });

  test.each(["a", "A", "z", "zz"])(
    "is nothing at %j, which the range does not hold inside or has passed",
    (cut) => {
      expect(cutAt({ afterName: "a", untilName: "z" }, cut)).toBeNull();
    },
  );
});
