// Which objects of a batch go as an archive, and what is listed to see what has become of it.
import { expect, test } from "vitest";
import { compareKeys } from "../../../src/listing/key_order.ts";
import { resolveOptions } from "../../../src/object/options.ts";
import { type Store, findStore } from "../../../src/store/stores.ts";
import { archivesOf, justBefore, sharedPrefix } from "../../../src/work/archive_plan.ts";
import type { ObjectWork } from "../../../src/work/batch_task.ts";

const storeOf = (host: string, fields: Record<string, unknown> = {}): Store => {
  const secret = {
    region: "us-east-1",
    accessKeyId: "id",
    secretAccessKey: "s",
    endpoint: `https://${host}`,
  };
  return findStore({ STORE_A: JSON.stringify({ ...secret, ...fields }) }, "a");
};
const SOURCE = storeOf("source.test");
const UNPACKS = storeOf("unpacking.test", { profile: { unpacksTar: true } });

const workOf = (name: string, more: Partial<ObjectWork> = {}): ObjectWork => ({
  key: name,
  to: name,
  sizeBytes: 1000,
  etag: '"0cc175b9c0f1b6a831c399e269772661"',
  storageClass: null,
  failedAttempts: 0,
  first: "copy",
  ...more,
});
const FIVE = ["a", "b", "c", "d", "e"].map((name) => workOf(name));
const ALL = [[0, 1, 2, 3, 4]];

const plan = (
  objects: readonly ObjectWork[],
  options: Parameters<typeof resolveOptions>[0] & { compare?: "auto" | "size+mtime" } = {},
  [source, destination] = [SOURCE, UNPACKS],
) => {
  const { compare = "auto", ...asked } = options;
  return archivesOf({ objects, options: { ...resolveOptions(asked), compare } }, source, destination);
};

test("a batch of small objects is one archive, where the destination unpacks it", () => {
  expect(plan(FIVE)).toEqual(ALL);
  expect(plan(FIVE, {}, [SOURCE, storeOf("plain.test")])).toEqual([]);
  expect(plan(FIVE.slice(0, 3))).toEqual([]);
});

test.each([
  ["not small", { sizeBytes: 200_000 }],
  ["uploaded in parts", { etag: '"0cc175b9c0f1b6a831c399e269772661-2"' }],
  ["of an ETag that is no MD5", { etag: '"a"' }],
  ["listed without an ETag", { etag: null }],
  ["of another class", { storageClass: "GLACIER_IR" }],
  ["to be looked for first", { first: "look" as const }],
  ["one that has failed", { failedAttempts: 1 }],
  ["one that no archive can name", { to: "c//c" }],
  ["one whose key is too long for the archive's own", { to: "c".repeat(1000) }],
])("by itself goes what is %s", (_what, more) => {
  expect(plan(FIVE.with(2, workOf("c", more)))).toEqual([[0, 1, 3, 4]]);
});

test.each([
  ["a class", { storageClass: "STANDARD_IA" }, undefined],
  ["tags of its own", { tags: { a: "b" } }, undefined],
  ["tags that must be proved", { tags: "require" as const }, undefined],
  ["a comparison that a listing does not show", { compare: "size+mtime" as const }, undefined],
  [
    "an opaque ETag at the source",
    {},
    [storeOf("s.test", { profile: { md5Etag: false } }), UNPACKS] as const,
  ],
  [
    "an encryption",
    {},
    [SOURCE, storeOf("e.test", { profile: { unpacksTar: true }, encryption: { kind: "AES256" } })] as const,
  ],
  ["a service that copies by itself", {}, [UNPACKS, UNPACKS] as const],
])("no archive with %s", (_what, options, stores) => {
  expect(plan(FIVE, options, stores === undefined ? undefined : [stores[0], stores[1]])).toEqual([]);
});

test("archives are bounded, and every place is in one of them", () => {
  const many = Array.from({ length: 100 }, (_, index) => workOf(`k${index}`, { sizeBytes: 100_000 }));
  const archives = plan(many);
  expect(archives.flat()).toEqual(many.map((_, index) => index));
  expect(Math.max(...archives.map(({ length }) => length))).toBe(20);
});

test("what all keys begin with, whole characters", () => {
  expect(sharedPrefix(["a/1", "a/12", "a/2"])).toBe("a/");
  expect(sharedPrefix(["a", "b"])).toBe("");
  expect(sharedPrefix(["x😀", "x😁"])).toBe("x");
  expect(sharedPrefix(["same"])).toBe("same");
});

test.each(["a/0001", "a", "é", "😀", "a ", "a\u0080", "\ue000", "~"])(
  "%j is listed behind the key just before it, and its neighbours are not",
  (key) => {
    expect(compareKeys(justBefore(key), key)).toBeLessThan(0);
    expect(justBefore(key).isWellFormed()).toBe(true);
  },
);

test("little is between: not the children of the key before", () => {
  expect(compareKeys("a/0000/child", justBefore("a/0001"))).toBeLessThan(0);
});
