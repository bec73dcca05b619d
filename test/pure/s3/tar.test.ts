// Archives: what is in the blocks of an entry, byte by byte, and which keys and attributes can travel so.
import { expect, test } from "vitest";
import {
  areTarAttributes,
  isTarName,
  TAR_BLOCK_BYTES,
  TAR_END,
  tarHeaders,
  tarPadding,
} from "../../../src/s3/tar.ts";

const text = (block: Uint8Array, from: number, to: number) =>
  new TextDecoder().decode(block.subarray(from, to)).replace(/\0+$/, "");

const PLAIN = { key: "a/b.txt", sizeBytes: 1234, headers: {}, modifiedMs: 1_700_000_000_001 };

test("the header of an entry has POSIX's fields: name, octal size and whole seconds, and a checksum that adds up", () => {
  const header = tarHeaders(PLAIN);
  expect(header.length).toBe(TAR_BLOCK_BYTES);
  expect(text(header, 0, 100)).toBe("a/b.txt");
  expect(text(header, 100, 108)).toBe("0000644");
  expect(Number.parseInt(text(header, 124, 136), 8)).toBe(1234);
  expect(Number.parseInt(text(header, 136, 148), 8)).toBe(1_700_000_001);
  expect(text(header, 156, 157)).toBe("0");
  expect([...header.subarray(257, 265)]).toEqual([...new TextEncoder().encode("ustar\u000000")]);
  const blank = Uint8Array.from(header).fill(0x20, 148, 156);
  expect(Number.parseInt(text(header, 148, 154), 8)).toBe(blank.reduce((sum, byte) => sum + byte, 0));
});

test("attributes are records of their own, before the header, each with a length that counts itself", () => {
  const headers = { "content-type": "text/plain", "x-amz-meta-note": "n".repeat(80) };
  const blocks = tarHeaders({ ...PLAIN, headers });
  expect(blocks.length).toBe(3 * TAR_BLOCK_BYTES);
  expect(text(blocks, 156, 157)).toBe("x");
  const size = Number.parseInt(text(blocks, 124, 136), 8);
  const type = "42 minio.metadata.content-type=text/plain\n";
  const note = `116 minio.metadata.x-amz-meta-note=${"n".repeat(80)}\n`;
  expect([type.length, note.length]).toEqual([42, 116]);
  expect(text(blocks, 512, 512 + size)).toBe(type + note);
  expect(text(blocks, 1024, 1124)).toBe("a/b.txt");
});

test.each(["é", "x".repeat(101), `${"é".repeat(50)}`])(
  "a name that no header holds has a record: %s",
  (key) => {
    const blocks = tarHeaders({ ...PLAIN, key });
    const size = Number.parseInt(text(blocks, 124, 136), 8);
    const record = text(blocks, 512, 512 + size);
    expect(record).toBe(`${new TextEncoder().encode(record).length} path=${key}\n`);
  },
);

test("a record whose length grows by counting itself is right as well", () => {
  for (let length = 80; length < 120; length++) {
    const blocks = tarHeaders({ ...PLAIN, headers: { a: "v".repeat(length) } });
    const record = text(blocks, 512, 512 + Number.parseInt(text(blocks, 124, 136), 8));
    expect(Number.parseInt(record, 10)).toBe(record.length);
  }
});

test("bytes end with a full block, and an archive with two empty ones", () => {
  expect([0, 1, 511, 512, 513].map((size) => tarPadding(size).length)).toEqual([0, 511, 1, 0, 511]);
  expect([TAR_END.length, ...new Set(TAR_END)]).toEqual([1024, 0]);
});

test.each([
  ["a", true],
  ["a/b c+é😀", true],
  ["a\nb", true],
  ["a/.b/..c", true],
  ["/a", false],
  ["a/", false],
  ["a//b", false],
  ["./a", false],
  ["a/..", false],
  ["a\0b", false],
  ["a\ud800", false],
])("the key %j can be the name of an entry: %s", (key, can) => expect(isTarName(key)).toBe(can));

test("only printable ASCII travels as an attribute", () => {
  expect(areTarAttributes({ "content-type": "text/plain", "x-amz-meta-a": "b c" })).toBe(true);
  expect(areTarAttributes({ "cache-control": "é" })).toBe(false);
  expect(areTarAttributes({ "x-amz-meta-a": "" })).toBe(false);
  expect(areTarAttributes({ "x-amz-meta-a": "a\nb" })).toBe(false);
});
