import { describe, expect, test } from "vitest";
import { formatOf, readerOf } from "../../../src/listing/manifest_lines.ts";

const NOTHING = { actions: null, columns: null };
const key = (name: string, more: Record<string, unknown> = {}) => ({
  kind: "key",
  bucket: null,
  key: name,
  versionId: null,
  ...more,
});
const bad = (why: RegExp) => ({ kind: "bad", why: expect.stringMatching(why) });

test.each([
  ["csv", "photos,a/b.jpg", key("a/b.jpg", { bucket: "photos" })],
  ["csv", '"photos","a+b%2Bc%20%C3%A9","v1"', key("a b+c é", { bucket: "photos", versionId: "v1" })],
  ["csv", 'photos,"a,""b""",', key('a,"b"', { bucket: "photos" })],
  ["csv", "photos", bad(/1 fields; expected are bucket,key or bucket,key,version/)],
  ["csv", "photos,a,v,x", bad(/4 fields/)],
  ["csv", 'photos,"a', bad(/quotation mark/)],
  ["csv", 'photos,"a"b', bad(/quotation mark/)],
  ["csv", "photos,50%", bad(/"50%" is not URL-encoded UTF-8: a % that is meant is written %25/)],
  ["csv", "photos,%E9", bad(/not URL-encoded UTF-8/)],
  ["csv", "photos,", bad(/key is empty/)],
  ["keys", "a,b %20+", key("a,b %20+")],
  ["keys", "  ", { kind: "nothing" }],
  ["ndjson", '"a b"', key("a b")],
  ["ndjson", '{"key":"a","versionId":"v","bucket":"photos"}', key("a", { versionId: "v", bucket: "photos" })],
  ["ndjson", '{"key":"a","action":"copied","size":1}', key("a")],
  ["ndjson", '{"key":"old/a","action":"deleted"}', { kind: "nothing" }],
  ["ndjson", '{"key":"a","outcome":"missing"}', key("a")],
  [
    "ndjson",
    '{"key":"a","versionId":"v","deleteMarker":true,"action":"copied"}',
    { kind: "not_current", key: "a" },
  ],
  ["ndjson", '{"key":"old/a","outcome":"extra"}', { kind: "nothing" }],
  ["ndjson", '{"name":"a"}', bad(/neither a text nor an object with "key"/)],
  ["ndjson", '{"key":7}', bad(/"key" is no text/)],
  ["ndjson", "{", bad(/neither/)],
] as const)("%s: %s", (format, line, expected) => {
  expect(readerOf(format, NOTHING)(line)).toEqual(expected);
});

test("of a report only the actions that are asked for count", () => {
  const read = readerOf("ndjson", { actions: ["failed", "skipped"], columns: null });
  expect(read('{"key":"a","action":"failed"}')).toEqual(key("a"));
  expect(read('{"key":"a","action":"copied"}')).toEqual({ kind: "nothing" });
  expect(read('{"key":"a"}')).toEqual({ kind: "nothing" });
});

test("of an inventory, versions of before and delete markers are no keys", () => {
  const columns = { bucket: 0, key: 1, versionId: 2, isLatest: 3, isDeleteMarker: 4 };
  const read = readerOf("inventory", { actions: null, columns });
  expect(read('"b","a%2Bb","v","true","false","12"')).toEqual(key("a+b", { bucket: "b" }));
  expect(read('"b","a","v","false","false","12"')).toEqual({ kind: "not_current", key: "a" });
  expect(read('"b","a","v","true","true",""')).toEqual({ kind: "not_current", key: "a" });
  expect(read('"b","a"')).toEqual(bad(/2 fields; the columns need 5/));
});

describe("the format by the ending of the key:", () => {
  test.each([
    ["list.csv", "csv"],
    ["list.CSV.gz", "csv"],
    ["x/report-000001.ndjson", "ndjson"],
    ["keys.jsonl.gz", "ndjson"],
    ["keys.txt", "keys"],
    ["keys", "keys"],
    ["x/2026-11-29T01-00Z/manifest.json", "inventory"],
  ])("%s is %s", (name, format) => {
    expect(formatOf(name)).toBe(format);
  });
});
