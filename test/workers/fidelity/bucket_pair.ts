// A seeded generator of bucket pairs for sync tests: a source prefix and a destination prefix in every
// relation that two objects can have, under names that S3 allows and tools get wrong. And what a sync must
// make of them, worked out here from the rules alone, so that a test compares two independent answers.

import { createHash } from "node:crypto";
import type { TestStore } from "../../store/store.ts";

/** `extra`: only at the destination. `archived`: the source must be restored first. */
const RELATIONS = ["equal", "changed", "grown", "missing", "extra", "archived"] as const;
type Relation = (typeof RELATIONS)[number];

/** What the sync is to do with each name. */
interface Expected {
  readonly copied: ReadonlySet<string>;
  readonly equal: ReadonlySet<string>;
  readonly archived: ReadonlySet<string>;
  readonly extra: ReadonlySet<string>;
  /** SHA-256 of each object at the destination after a sync that deletes, by name. */
  readonly contents: ReadonlyMap<string, string>;
}

interface PairOptions {
  readonly seed: string;
  readonly keys: number;
  readonly sourcePrefix: string;
  readonly destinationPrefix: string;
  /** Objects above the size up to which they go in batches. */
  readonly large: number;
}

const LARGE_BYTES = 8 * 2 ** 20 + 1;

/** Fills `source/…` of one store and `destination/…` of the other. */
export function fillPair(source: TestStore, destination: TestStore, options: PairOptions): Expected {
  const random = new SeededRandom(options.seed);
  const names = namesOf(random, options);
  const sets: Record<Relation, Set<string>> = {
    equal: new Set(),
    changed: new Set(),
    grown: new Set(),
    missing: new Set(),
    extra: new Set(),
    archived: new Set(),
  };
  const contents = new Map<string, string>();
  let large = options.large;
  for (const name of names) {
    const relation = random.pick(WEIGHTED);
    sets[relation].add(name);
    const isMarker = name.endsWith("/") && random.below(2) === 0;
    const isLarge = relation === "missing" && !isMarker && large > 0;
    if (isLarge) large -= 1;
    // A change that keeps the size needs a byte to change.
    const least = relation === "changed" ? 1 : 0;
    const bytes = random.bytes(isLarge ? LARGE_BYTES : isMarker ? least : least + random.below(3000));
    const from = options.sourcePrefix + name;
    const to = options.destinationPrefix + name;
    if (relation !== "extra") {
      const archived = relation === "archived" ? { storageClass: "GLACIER" } : {};
      source.put("source", from, bytes, archived);
    }
    const held = heldOf(relation, bytes, random);
    if (held !== null) destination.put("destination", to, held);
    if (relation === "extra") continue;
    if (relation !== "archived") contents.set(name, digestOf(bytes));
    else if (held !== null) contents.set(name, digestOf(held));
  }
  return {
    copied: new Set([...sets.changed, ...sets.grown, ...sets.missing]),
    equal: sets.equal,
    archived: sets.archived,
    extra: sets.extra,
    contents,
  };
}

/** What is at the destination, by name, read without any code of the mesh. */
export function contentsOf(store: TestStore, bucket: string, prefix: string): Map<string, string> {
  return new Map(
    store
      .objects(bucket)
      .filter(({ key }) => key.startsWith(prefix))
      .map(({ key }) => [key.slice(prefix.length), digestOf(store.bytes(bucket, key))]),
  );
}

const WEIGHTED: readonly Relation[] = [
  ...Array.from({ length: 12 }, () => "equal" as const),
  "changed",
  "grown",
  "missing",
  "missing",
  "missing",
  "extra",
  "extra",
  "archived",
];

function heldOf(relation: Relation, bytes: Buffer, random: SeededRandom): Buffer | null {
  switch (relation) {
    case "equal":
    case "extra":
      return bytes;
    case "changed": {
      const other = Buffer.from(bytes);
      const at = random.below(other.length);
      other[at] = (other[at] ?? 0) ^ 0xff;
      return other;
    }
    case "grown":
      return Buffer.concat([bytes, Buffer.from("more")]);
    case "missing":
      return null;
    case "archived":
      return random.below(2) === 0 ? null : Buffer.from("an older one");
  }
}

/**
 * Pieces of names: what differs in UTF-16 and UTF-8 order, in form and percent encoding, in XML and in URLs.
 */
const PIECES = [
  "a",
  "b",
  "Z",
  "0",
  " ",
  "+",
  "%2F",
  "%",
  "&",
  "<x>",
  "'",
  '"',
  "é",
  "e\u0301",
  "Ｚ",
  "😀",
  "\u{10ffff}",
  "\uffee",
  "\t",
  "\r",
  "\n",
  "\u0001",
  "\\",
  "?x=1",
  "#",
  "*",
  "[1]",
  "~",
  ":",
  "//",
  "/",
  "/../",
  "/./",
  "..",
  ".",
] as const;

function namesOf(random: SeededRandom, { keys, sourcePrefix, destinationPrefix }: PairOptions): Set<string> {
  const names = new Set(["/", "dir/", "dir", "dir/x", "dir//", " ", "+", "a b", "a+b", "Ｚ", "😀a"]);
  // The longest name that both prefixes leave room for.
  names.add("k".repeat(900));
  // The prefixes themselves are keys, if they are not empty.
  if (sourcePrefix !== "" && destinationPrefix !== "") names.add("");
  for (let number = 0; names.size < keys; number++) {
    let name = "";
    for (let pieces = 1 + random.below(4); pieces > 0; pieces--) name += random.pick(PIECES);
    names.add(random.below(3) === 0 ? `${name}${number}` : `${random.pick(PIECES)}${number}${name}`);
  }
  return names;
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

class SeededRandom {
  #state: number;

  constructor(seed: string) {
    this.#state = createHash("sha256").update(seed).digest().readUInt32LE(0) || 1;
  }

  /** A whole number from 0 to below `limit` (xorshift32). */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % limit;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new RangeError("Cannot pick from an empty list");
    return item;
  }

  bytes(length: number): Buffer {
    if (length === 0) return Buffer.alloc(0);
    const block = createHash("sha512")
      .update(String(this.below(2 ** 31)))
      .digest();
    return Buffer.alloc(length, block);
  }
}
