// The objects that the smoke test copies one by one: sizes around a part, encodings, keys. Pure.

import { gzipSync } from "node:zlib";
import { type Content, fixed, generated } from "./content.ts";

/** The smallest part that every store accepts. */
export const PART_BYTES = 5 * 2 ** 20;

export interface ObjectCase {
  /** The row of the table that it counts in. */
  readonly row: string;
  /** Below the folder of the run. */
  readonly key: string;
  readonly content: Content;
  readonly headers: Readonly<Record<string, string>>;
}

const ATTRIBUTES = {
  "content-type": "text/x-smoke",
  "cache-control": "public, max-age=3600",
  "x-amz-meta-smoke": "a b",
};

const AWKWARD_KEYS = [
  "é +~*'()!&=@:$,;/a..b",
  "two//slashes",
  "ends with a slash/",
  "%2F%20 is no escape",
  "日本語/😀.txt",
  'quote " and backslash \\',
  " leading and trailing ",
  "?query=1#fragment",
  "<xml>&amp;",
  `${"long/".repeat(150)}end`,
];

const gzip = (row: string, key: string, unpacked: Buffer): ObjectCase => ({
  row,
  key,
  content: fixed(gzipSync(unpacked)),
  headers: { ...ATTRIBUTES, "content-encoding": "gzip" },
});

/** @param runId gives each run bytes of its own, so that what is compared was written by this run */
export function objectCases(runId: string): ObjectCase[] {
  const sized = (row: string, key: string, sizeBytes: number): ObjectCase => ({
    row,
    key,
    content: generated(`${runId} ${key}`, sizeBytes),
    headers: ATTRIBUTES,
  });
  return [
    sized("0 B", "0.bin", 0),
    sized("1 B", "1.bin", 1),
    sized("part - 1", "part-minus-1", PART_BYTES - 1),
    sized("part", "part", PART_BYTES),
    sized("part + 1", "part-plus-1", PART_BYTES + 1),
    sized("a .zip, in one and in parts", "small.zip", 1000),
    sized("a .zip, in one and in parts", "large.zip", 2 * PART_BYTES + 7),
    gzip("gzip-encoded, both ways", "small.txt", Buffer.from("smoke\n".repeat(1000))),
    // Incompressible bytes, so that the compressed object has more than one part, too.
    gzip("gzip-encoded, both ways", "large.txt", generated(runId, PART_BYTES + 1000).slice(0, Infinity)),
    ...AWKWARD_KEYS.map((key, index) => sized("awkward keys", `keys/${key}`, index + 1)),
  ];
}

export interface Difference {
  readonly key: string;
  readonly what: string;
}

/** How an object's headers differ from what was written, or null. */
export function headerDifference(
  expected: Readonly<Record<string, string>>,
  sizeBytes: number,
  found: Readonly<Record<string, string | string[] | undefined>>,
): string | null {
  const length = found["content-length"];
  // A chunked body has no length; its bytes are counted anyway.
  if (length !== undefined && length !== String(sizeBytes))
    return `content-length is ${String(length)}, not ${sizeBytes}`;
  for (const [name, value] of Object.entries(expected)) {
    if (found[name] !== value)
      return `${name} is ${JSON.stringify(found[name] ?? null)}, not ${JSON.stringify(value)}`;
  }
  return null;
}
