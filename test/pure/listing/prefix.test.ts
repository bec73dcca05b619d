// A prefix is a string: exact replacement, keys that cannot be, and pairs of prefixes that eat each other.
import { describe, expect, test } from "vitest";
import { destinationKey, nameOf, overlapOf } from "../../../src/listing/prefix.ts";
import type { PrefixRef } from "../../../src/store/address.ts";

test.each([
  ["logs/", "old/", "logs/a", "old/a"],
  ["logs/", "old/", "logs/", "old/"],
  ["logs", "old", "logs-2/b", "old-2/b"],
  ["logs", "old", "logs", "old"],
  ["logs", "old/", "logs/a", "old//a"],
  ["logs/", "old", "logs/a", "olda"],
  ["", "old/", "/x", "old//x"],
  ["logs/", "", "logs/a", "a"],
  ["a/", "b/", "a/a/x", "b/a/x"],
])("%j to %j: %j is copied to %j", (from, to, key, expected) => {
  expect(destinationKey(to, nameOf(key, from))).toEqual({ ok: true, key: expected });
});

test("a key outside its prefix has no name", () => {
  expect(() => nameOf("other/a", "logs/")).toThrow('The key "other/a" does not begin with "logs/"');
});

test("an object that is called like the prefix cannot go to an empty destination prefix", () => {
  expect(destinationKey("", nameOf("logs/", "logs/"))).toMatchObject({ ok: false, code: "empty_key" });
});

test("a destination key over 1,024 bytes of UTF-8 is found before anything is sent", () => {
  expect(destinationKey("p/", "x".repeat(1022)).ok).toBe(true);
  expect(destinationKey("p/", "x".repeat(1023))).toEqual({
    ok: false,
    code: "key_too_long",
    message: "the destination key would have 1025 bytes, more than the 1024 that the store accepts",
  });
  expect(destinationKey("", "é".repeat(512)).ok).toBe(true);
  expect(destinationKey("", "é".repeat(513))).toMatchObject({ code: "key_too_long" });
  expect(destinationKey("", "x".repeat(900), 850)).toMatchObject({ code: "key_too_long" });
});

const at = (prefix: string): PrefixRef => ({ store: "s", bucket: "b", prefix });

const overlap = (from: string, to: string, deletes = false, isSameBucket = true) =>
  overlapOf(at(from), at(to), { isSameBucket, deletes });

describe("prefixes of one bucket", () => {
  test.each([
    ["foo/", "foo/sub/"],
    ["", "foo/"],
    ["foo", "foobar/"],
    ["foo/", "foo/foo/"],
  ])("%j into its own subtree %j is refused", (from, to) => {
    expect(overlap(from, to)).toMatch(/lies under the source prefix .* endlessly$/);
  });

  test("a prefix onto itself is refused", () => {
    expect(overlap("foo/", "foo/")).toMatch(/^source and destination are the same prefix "foo\/"/);
    expect(overlap("", "")).toMatch(/same prefix/);
  });

  test("a prefix up to one that holds it is refused when what is missing is deleted, which would be the source", () => {
    expect(overlap("foo/sub/", "foo/", true)).toMatch(/would delete the source$/);
    expect(overlap("foo/sub/", "foo/")).toBeNull();
  });

  test("prefixes beside each other, and other buckets, are fine", () => {
    expect(overlap("foo/", "foobar/", true)).toBeNull();
    expect(overlap("foo/", "foo", false)).toBeNull();
    expect(overlap("foo/", "foo/sub/", true, false)).toBeNull();
    expect(overlap("foo/", "foo/", true, false)).toBeNull();
  });
});
