// Listing over HTTP, at stores of every dialect: each key once, in order where there is one, and an error
// where a listing cannot be believed.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ListCursor, ListRange } from "../../../src/listing/cursor.ts";
import { expectedOrder, firstKey, listPage } from "../../../src/listing/listing.ts";
import type { ListedObject } from "../../../src/s3/listing_xml.ts";
import { compareKeys } from "../../../src/listing/key_order.ts";
import type { S3 } from "../../../src/s3/request.ts";
import { type StoreOptions, type TestStore, startStore } from "../../store/store.ts";
import { connectTo } from "../listed_store.ts";

const AWKWARD = [
  "a b.txt",
  "a+b.txt",
  "a&b<c>.txt",
  "a%20b",
  "a%2Bb",
  "/x",
  "//x",
  "a//b",
  "a/b",
  "abc",
  "abc/",
  "é",
  "e\u0301",
  "Ｚ",
  "😀a",
  "..",
  "a/../b",
  "\\",
  "line\nbreak",
  "tab\t",
  "'\"&amp;",
  " ",
  "__proto__",
  "007",
];
const CONTROL = ["\u0001", "a\rb", "del\u007f", "nul\0"];

const stores: TestStore[] = [];

async function open(options: StoreOptions = {}): Promise<{ store: TestStore; s3: S3 }> {
  const store = await startStore({ buckets: ["bucket"], ...options });
  stores.push(store);
  return { store, s3: connectTo(store) };
}

afterEach(async () => {
  for (const store of stores.splice(0)) {
    expect(store.failures).toEqual([]);
    await store.waitFor(() => store.openRequests().length === 0);
    await store.stop();
  }
});

const RANGE: ListRange = { bucket: "bucket", prefix: "", afterKey: null, untilKey: null };

/** Reads a listing to its end, the cursor put away as JSON after each page. */
async function readAll(
  s3: S3,
  range: Partial<ListRange> = {},
  options: { maxKeys?: number; delimiter?: string } = {},
): Promise<{ objects: ListedObject[]; keys: string[]; prefixes: string[]; order: string; pages: number }> {
  const objects: ListedObject[] = [];
  const prefixes: string[] = [];
  let cursor: ListCursor | null = null;
  for (let pages = 1; ; pages++) {
    const page = await listPage(s3, { ...RANGE, ...range }, cursor, options);
    objects.push(...page.objects);
    prefixes.push(...page.commonPrefixes);
    if (page.next === null) {
      return { objects, keys: objects.map(({ key }) => key), prefixes, order: page.order, pages };
    }
    cursor = JSON.parse(JSON.stringify(page.next)) as ListCursor;
  }
}

const fill = (store: TestStore, keys: readonly string[]) => {
  for (const key of keys) store.put("bucket", key, "bytes");
};

describe("every key once, in UTF-8 order, whatever the page size", () => {
  test.each<[string, StoreOptions, readonly string[]]>([
    ["a store like AWS", {}, [...AWKWARD, ...CONTROL]],
    ["one that ignores encoding-type", { encodingType: "ignored" }, AWKWARD],
    ["one without ListObjectsV2", { without: ["listObjectsV2"] }, [...AWKWARD, ...CONTROL]],
    ["one that answers V2 as V1", { listType: "ignored" }, [...AWKWARD, ...CONTROL]],
    [
      "one that answers V2 as V1 and encodes nothing",
      { listType: "ignored", encodingType: "ignored" },
      AWKWARD,
    ],
    [
      "one without V2 whose markers are inclusive",
      { without: ["listObjectsV2"], markers: "inclusive" },
      AWKWARD,
    ],
  ])("%s", async (_what, options, keys) => {
    const { store, s3 } = await open(options);
    fill(store, keys);
    const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const maxKeys of [2, 3, 7, 1000]) {
      expect(await readAll(s3, {}, { maxKeys })).toMatchObject({ keys: sorted, order: "utf8" });
    }
    const inA = sorted.filter((key) => key.startsWith("a"));
    expect((await readAll(s3, { prefix: "a" }, { maxKeys: 2 })).keys).toEqual(inA);
    for (const afterKey of [...sorted, "a", "b", "zz"]) {
      const untilKey = "é";
      const inside = sorted.filter(
        (key) => compareKeys(key, afterKey) > 0 && compareKeys(key, untilKey) <= 0,
      );
      expect((await readAll(s3, { afterKey, untilKey }, { maxKeys: 5 })).keys).toEqual(inside);
    }
  });

  test("a space and a plus are two keys, honoured option or not", async () => {
    for (const encodingType of ["honoured", "ignored"] as const) {
      const { store, s3 } = await open({ encodingType });
      store.put("bucket", "a+b", "PLUS");
      store.put("bucket", "a b", "SPACES");
      const { objects } = await readAll(s3);
      expect(objects.map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual([
        ["a b", 6],
        ["a+b", 4],
      ]);
    }
  });

  test("a prefix and a delimiter with characters that a query must encode", async () => {
    const { store, s3 } = await open({ canonicalQuery: "raw" });
    fill(store, ["my dir/~x*1", "my dir/~x*2/+", "my dir/~x+", "my+dir/~x*"]);
    expect((await readAll(s3, { prefix: "my dir/~x*" })).keys).toEqual(["my dir/~x*1", "my dir/~x*2/+"]);
    const folded = await readAll(s3, { prefix: "my " }, { delimiter: "~x" });
    expect([folded.keys, folded.prefixes]).toEqual([[], ["my dir/~x"]]);
  });

  test("directory markers, with and without bytes, are objects like any other", async () => {
    const { store, s3 } = await open();
    store.put("bucket", "abc", "file");
    store.put("bucket", "abc/", "");
    store.put("bucket", "abd/", "5 byt");
    store.put("bucket", "abd/x", "x");
    const { objects } = await readAll(s3, { prefix: "ab" });
    expect(objects.map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual([
      ["abc", 4],
      ["abc/", 0],
      ["abd/", 5],
      ["abd/x", 1],
    ]);
    expect((await readAll(s3, { prefix: "abd/" })).keys).toEqual(["abd/", "abd/x"]);
  });
});

test("an entry carries size, ETag, time and storage class", async () => {
  const nowMs = Date.now();
  const { store, s3 } = await open({ clock: () => nowMs });
  store.put("bucket", "cold", "bytes", { storageClass: "GLACIER" });
  store.put("bucket", "warm", "", { parts: [] });
  expect((await readAll(s3)).objects).toEqual([
    {
      key: "cold",
      sizeBytes: 5,
      etag: '"4b3a6218bb3e3a7303e8a171a60fcf92"',
      lastModifiedMs: Math.floor(nowMs / 1000) * 1000, // as S3 tells times
      storageClass: "GLACIER",
      isRestored: false,
    },
    expect.objectContaining({ key: "warm", sizeBytes: 0, etag: '"d41d8cd98f00b204e9800998ecf8427e"' }),
  ]);
});

test("an empty prefix and an empty bucket are complete listings of nothing", async () => {
  const { store, s3 } = await open();
  expect(await readAll(s3)).toMatchObject({ keys: [], pages: 1 });
  fill(store, ["a"]);
  expect(await readAll(s3, { prefix: "b" })).toMatchObject({ keys: [], pages: 1 });
});

test.each<[string, StoreOptions]>([
  ["encodes nothing", { encodingType: "ignored" }],
  ["encodes nothing and has no V2", { encodingType: "ignored", without: ["listObjectsV2"] }],
])("a key that XML cannot carry, at a store that %s, is an error that shows it", async (_what, options) => {
  const { store, s3 } = await open(options);
  fill(store, ["fine", "x\u0001y"]);
  await expect(readAll(s3)).rejects.toMatchObject({
    name: "S3Error",
    code: "unreadable_key",
    message: expect.stringMatching(/cannot be read reliably: XML cannot carry its control characters/),
  });
});

describe("V1 instead of V2", () => {
  test("is asked for once, then known", async () => {
    const { store, s3 } = await open({ without: ["listObjectsV2"] });
    fill(store, ["a", "b", "c"]);
    expect((await readAll(s3, {}, { maxKeys: 1 })).keys).toEqual(["a", "b", "c"]);
    await readAll(s3);
    expect(store.requests({ operation: "ListObjectsV2" })).toHaveLength(1);
    expect(store.requests({ operation: "ListObjects" })).toHaveLength(4);
  });

  test.each([
    ["InvalidArgument", 400],
    ["MethodNotAllowed", 405],
    ["NotImplemented", 501],
  ])("is tried where V2 is refused with %s", async (code, status) => {
    const { store, s3 } = await open();
    fill(store, ["a"]);
    store.fault({ operation: "ListObjectsV2" }, { kind: "answer", code, status });
    expect((await readAll(s3)).keys).toEqual(["a"]);
  });

  test.each([
    ["AccessDenied", 403],
    ["NoSuchBucket", 404],
    ["SlowDown", 503],
    ["ExpiredToken", 400],
  ])("is no way round %s", async (code, status) => {
    const { store, s3 } = await open();
    store.fault({ operation: "ListObjectsV2" }, { kind: "answer", code, status });
    await expect(readAll(s3)).rejects.toMatchObject({ operation: "ListObjectsV2", code, status });
    expect(store.requests({ operation: "ListObjects" })).toEqual([]);
  });

  test("is no way round a refusal in the midst of V2", async () => {
    const { store, s3 } = await open();
    fill(store, ["a", "b"]);
    store.fault({ operation: "ListObjectsV2" }, { kind: "answer", code: "InvalidArgument" }, { after: 1 });
    await expect(readAll(s3, {}, { maxKeys: 1 })).rejects.toMatchObject({ code: "InvalidArgument" });
    expect(store.requests({ operation: "ListObjects" })).toEqual([]);
  });

  test("where both are refused, the first refusal is told", async () => {
    const { store, s3 } = await open();
    store.fault(
      { operation: "ListObjectsV2" },
      { kind: "answer", code: "InvalidArgument", message: "no such prefix" },
    );
    store.fault({ operation: "ListObjects" }, { kind: "answer", code: "NotImplemented" });
    await expect(readAll(s3)).rejects.toMatchObject({
      operation: "ListObjectsV2",
      message: expect.stringContaining("no such prefix"),
    });
  });
});

describe("a listing that cannot be believed is an error, never a short listing", () => {
  let store: TestStore;
  let s3: S3;
  beforeEach(async () => {
    ({ store, s3 } = await open());
    fill(store, ["a", "b", "c", "d", "e"]);
  });

  test("truncated, without a token", async () => {
    store.fault({ operation: "ListObjectsV2" }, { kind: "missing-marker" });
    await expect(readAll(s3)).rejects.toMatchObject({
      code: "bad_answer",
      message:
        'ListObjectsV2 of "bucket": the list is truncated but has no NextContinuationToken to continue with',
    });
  });

  test("the same token twice", async () => {
    store.fault({ operation: "ListObjectsV2" }, { kind: "repeat-marker" }, { after: 1 });
    await expect(readAll(s3, {}, { maxKeys: 2 })).rejects.toMatchObject({
      code: "bad_answer",
      message: expect.stringMatching(/its next token is the one just sent/),
    });
    expect(store.requests({ operation: "ListObjectsV2" })).toHaveLength(2);
  });

  test("a token that leads back to the beginning", async () => {
    store.fault({ operation: "ListObjectsV2" }, { kind: "circle" }, { after: 1 });
    await expect(readAll(s3, {}, { maxKeys: 2 })).rejects.toMatchObject({ code: "bad_answer" });
    expect(store.requests({ operation: "ListObjectsV2" }).length).toBeLessThan(5);
  });

  test("V1 that does not move on", async () => {
    const old = await open({ without: ["listObjectsV2"] });
    fill(old.store, ["a", "b", "c"]);
    old.store.fault({ operation: "ListObjects" }, { kind: "repeat-marker" }, { after: 2 });
    await expect(readAll(old.s3, {}, { maxKeys: 1 })).rejects.toMatchObject({
      operation: "ListObjects",
      code: "bad_answer",
    });
  });

  test("a page that is no listing, or half of one", async () => {
    const half =
      "<ListBucketResult><KeyCount>2</KeyCount><IsTruncated>false</IsTruncated>" +
      "<Contents><Key>a</Key><Size>1</Size></Contents><Contents><Key>b</Key>";
    for (const body of ["<html></html>", half, ""]) {
      store.fault({ operation: "ListObjectsV2" }, { kind: "answer", status: 200, body }, { times: 1 });
      await expect(readAll(s3)).rejects.toMatchObject({ code: "bad_answer" });
    }
  });

  test("a page that breaks off", async () => {
    store.fault({ operation: "ListObjectsV2" }, { kind: "drop", stage: "before-answer" }, { times: 1 });
    await expect(readAll(s3)).rejects.toMatchObject({ code: "network" });
  });

  test("a page that is refused; the cursor before it goes on", async () => {
    const first = await listPage(s3, RANGE, null, { maxKeys: 2 });
    store.fault({ operation: "ListObjectsV2" }, { kind: "answer", code: "AccessDenied" }, { times: 1 });
    await expect(listPage(s3, RANGE, first.next, { maxKeys: 2 })).rejects.toMatchObject({ status: 403 });
    const second = await listPage(s3, RANGE, first.next, { maxKeys: 2 });
    expect(second.objects.map(({ key }) => key)).toEqual(["c", "d"]);
  });
});

describe("stores without order", () => {
  const keys = Array.from({ length: 50 }, (_, index) => `key ${index}`);

  test.each([["none"], ["utf16"]] as const)(
    "order %s: every key once, and said to be unsorted",
    async (listingOrder) => {
      const { store, s3 } = await open({ listingOrder });
      const all = [...keys, "Ｚ", "😀a"];
      fill(store, all);
      for (const maxKeys of [3, 10, 1000]) {
        const listing = await readAll(s3, {}, { maxKeys });
        expect(listing.order).toBe("unsorted");
        expect(listing.keys.toSorted(compareKeys)).toEqual(all.toSorted(compareKeys));
      }
    },
  );

  test("are never asked to start after a key when it is known before", async () => {
    const { store } = await open({ listingOrder: "none" });
    const s3 = connectTo(store, { provider: "storj" });
    fill(store, keys);
    expect(expectedOrder(s3.store, "bucket")).toBe("unsorted");
    const listing = await readAll(s3, { afterKey: "key 2", untilKey: "key 4" }, { maxKeys: 7 });
    expect(listing.keys.toSorted()).toEqual(keys.filter((key) => key > "key 2" && key <= "key 4").toSorted());
  });

  test("directory buckets are known by their names", async () => {
    const { s3 } = await open();
    expect(expectedOrder(s3.store, "data--use1-az4--x-s3")).toBe("unsorted");
    expect(expectedOrder(s3.store, "data")).toBe("utf8");
  });
});

describe("firstKey()", () => {
  const range = { ...RANGE, prefix: "p/" };

  test.each<[string, StoreOptions]>([
    ["a store like AWS", {}],
    ["one without ListObjectsV2", { without: ["listObjectsV2"] }],
    ["one that answers V2 as V1", { listType: "ignored" }],
    ["one whose markers are inclusive", { markers: "inclusive" }],
  ])("is the first key of a range, or null: %s", async (_what, options) => {
    const { store, s3 } = await open(options);
    fill(store, ["p/a", "p/b", "q"]);
    expect(await firstKey(s3, range)).toBe("p/a");
    expect(await firstKey(s3, { ...range, afterKey: "p/a" })).toBe("p/b");
    expect(await firstKey(s3, { ...range, afterKey: "p/a", untilKey: "p/aa" })).toBeNull();
    expect(await firstKey(s3, { ...range, afterKey: "p/b" })).toBeNull();
    expect(store.requests().length).toBeLessThan(10);
  });

  test("is not looked for at a store that does not begin where it is asked to", async () => {
    const { store, s3 } = await open({ listingOrder: "utf16" });
    fill(store, ["p/a", "p/😀", "p/Ｚ"]);
    await expect(firstKey(s3, { ...range, afterKey: "p/😀" })).rejects.toMatchObject({
      code: "bad_answer",
      message: expect.stringContaining('the list does not begin after "p/😀"'),
    });
  });
});

test("only AWS is asked for restored copies", async () => {
  const { store, s3 } = await open();
  await readAll(s3);
  await readAll(connectTo(store, { provider: "aws" }));
  expect(
    store
      .requests({ operation: "ListObjectsV2" })
      .map(({ headers }) => headers["x-amz-optional-object-attributes"]),
  ).toEqual([undefined, "RestoreStatus"]);
});
