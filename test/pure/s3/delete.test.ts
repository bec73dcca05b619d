// Deleting over HTTP: every key accounted for, by batch or one by one.
import { afterEach, describe, expect, test } from "vitest";
import type { S3 } from "../../../src/s3/request.ts";
import { deleteObjects } from "../../../src/s3/delete.ts";
import { type StoreOptions, type TestStore, startStore } from "../../store/store.ts";
import { connectTo } from "../listed_store.ts";
import { DELETE_FIELDS } from "./fields.ts";

const stores: TestStore[] = [];

async function open(
  keys: readonly string[],
  options: StoreOptions = {},
): Promise<{ store: TestStore; s3: S3 }> {
  const store = await startStore({ buckets: ["bucket"], ...options });
  stores.push(store);
  for (const key of keys) store.put("bucket", key, "bytes");
  return { store, s3: connectTo(store) };
}

afterEach(async () => {
  for (const store of stores.splice(0)) {
    expect(store.failures).toEqual([]);
    await store.waitFor(() => store.openRequests().length === 0);
    await store.stop();
  }
});

const keysOf = (store: TestStore) => store.objects("bucket").map(({ key }) => key);

const AWKWARD = ["a b", "a+b", "a&b<c>'\"", "abc/", "é😀", " ", "..", "line\nbreak", "&amp;"];
const UNFIT = ["cr\rlf", "\u0001"];

describe("deleteObjects()", () => {
  test("deletes exactly what is named, in one request; keys that XML cannot carry one by one", async () => {
    const { store, s3 } = await open([...AWKWARD, ...UNFIT, "a", "abc", "stays"]);
    const outcome = await deleteObjects(s3, "bucket", [...AWKWARD, ...UNFIT]);
    expect(outcome).toEqual({ deleted: [...AWKWARD, ...UNFIT], refused: [] });
    expect(keysOf(store)).toEqual(["a", "abc", "stays"]);
    expect(store.requests({ operation: "DeleteObjects" })).toHaveLength(1);
    expect(store.requests({ operation: "DeleteObject" })).toHaveLength(UNFIT.length);
  });

  test("a key that is gone already is deleted", async () => {
    const { s3 } = await open([]);
    expect(await deleteObjects(s3, "bucket", ["never", "\u0001"])).toEqual({
      deleted: ["never", "\u0001"],
      refused: [],
    });
  });

  test("gives each refusal with the store's reason; what the answer names as deleted is deleted", async () => {
    const { store, s3 } = await open(["a", "b", "c\r"]);
    const body =
      "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code>" +
      "<Message>Locked</Message></Error></DeleteResult>";
    store.fault({ operation: "DeleteObjects" }, { kind: "answer", status: 200, body });
    store.fault({ operation: "DeleteObject" }, { kind: "answer", code: "AccessDenied" });
    const outcome = await deleteObjects(s3, "bucket", ["a", "b", "c\r"]);
    expect(outcome.deleted).toEqual(["a"]);
    expect(outcome.refused).toEqual([
      { key: "b", code: "AccessDenied", message: "Locked", status: null, retryAfterMs: null },
      {
        key: "c\r",
        code: "AccessDenied",
        message: expect.stringContaining("403 AccessDenied"),
        status: 403,
        retryAfterMs: null,
      },
    ]);
  });

  test("a key of which the answer says nothing, or both, counts as what a look afterwards finds", async () => {
    const { store, s3 } = await open(["here", "twice"]);
    const error = "<Error><Key>twice</Key><Code>InternalError</Code></Error>";
    const body = `<DeleteResult><Deleted><Key>twice</Key></Deleted>${error}</DeleteResult>`;
    store.fault({ operation: "DeleteObjects" }, { kind: "answer", status: 200, body });
    const outcome = await deleteObjects(s3, "bucket", ["gone", "here", "twice"]);
    expect(outcome.deleted).toEqual(["gone"]);
    expect(outcome.refused.map(({ key, code }) => [key, code])).toEqual([
      ["here", "delete_unconfirmed"],
      ["twice", "delete_unconfirmed"],
    ]);
  });

  test.each([
    [400, "NotImplemented", 1],
    [400, "MethodNotAllowed", 1],
    [405, "MethodNotAllowed", 1],
    [501, "NotImplemented", 1],
    // One of the keys may be to blame: the next ones are asked for in a batch again.
    [400, "InvalidArgument", 2],
  ])("case 112: DeleteObjects refused with %i %s: one by one", async (status, code, batches) => {
    const { store, s3 } = await open(["a", "b", "c", "stays"]);
    store.fault({ operation: "DeleteObjects" }, { kind: "answer", status, code });
    expect(await deleteObjects(s3, "bucket", ["a", "b"])).toEqual({ deleted: ["a", "b"], refused: [] });
    expect(await deleteObjects(s3, "bucket", ["c"])).toEqual({ deleted: ["c"], refused: [] });
    expect(keysOf(store)).toEqual(["stays"]);
    expect(store.count("DeleteObjects")).toBe(batches);
  });

  test.each([
    [400, "MalformedXML"],
    [403, "AccessDenied"],
  ])("case 112: refused with %i %s, it is no matter of single keys", async (status, code) => {
    const { store, s3 } = await open(["a"]);
    store.fault({ operation: "DeleteObjects" }, { kind: "answer", status, code });
    await expect(deleteObjects(s3, "bucket", ["a"])).rejects.toMatchObject({ code, status });
    expect(store.count("DeleteObject")).toBe(0);
  });

  test("goes one by one at a store without DeleteObjects, and does not ask again", async () => {
    const keys = Array.from({ length: 11 }, (_, index) => `key ${index}`);
    const { store, s3 } = await open([...keys, "more", "stays"], { without: ["deleteObjects"] });
    expect(await deleteObjects(s3, "bucket", keys)).toEqual({ deleted: keys, refused: [] });
    await deleteObjects(s3, "bucket", ["more"]);
    expect(keysOf(store)).toEqual(["stays"]);
    expect(store.requests({ operation: "DeleteObjects" })).toHaveLength(1);
  });

  test.each([
    ["SlowDown", 503],
    ["AccessDenied", 403],
  ])("throws where the whole request is refused with %s", async (code, status) => {
    const { store, s3 } = await open(["a"]);
    store.fault({ operation: "DeleteObjects" }, { kind: "answer", code }, { times: 1 });
    await expect(deleteObjects(s3, "bucket", ["a"])).rejects.toMatchObject({ code, status });
    expect(keysOf(store)).toEqual(["a"]);
  });

  test("throws where a single delete meets a throttle, which is no refusal of that key", async () => {
    const { store, s3 } = await open(["a\r"]);
    store.fault({ operation: "DeleteObject" }, { kind: "answer", code: "SlowDown" }, { times: 1 });
    await expect(deleteObjects(s3, "bucket", ["a\r"])).rejects.toMatchObject({ code: "SlowDown" });
  });

  test.each([
    ["is none", "<html></html>"],
    [
      "refuses a key that was not asked for",
      "<DeleteResult><Error><Key>x</Key><Code>A</Code></Error></DeleteResult>",
    ],
    [
      "deletes a key that was not asked for",
      "<DeleteResult><Deleted><Key>a</Key></Deleted><Deleted><Key>x</Key></Deleted></DeleteResult>",
    ],
    ["names no key", "<DeleteResult><Deleted/></DeleteResult>"],
    ["refuses no key", "<DeleteResult><Error><Code>AccessDenied</Code></Error></DeleteResult>"],
  ])("throws where the answer %s", async (_what, body) => {
    const { store, s3 } = await open(["a"]);
    store.fault({ operation: "DeleteObjects" }, { kind: "answer", status: 200, body });
    await expect(deleteObjects(s3, "bucket", ["a"])).rejects.toMatchObject({ code: "bad_answer" });
  });

  test("takes 1,000 keys and not one more", async () => {
    const keys = Array.from({ length: 1001 }, (_, index) => `${index}`);
    const { store, s3 } = await open(keys);
    await expect(deleteObjects(s3, "bucket", keys)).rejects.toThrow(
      new RangeError("Cannot delete 1001 keys at once: S3 takes at most 1000"),
    );
    expect((await deleteObjects(s3, "bucket", keys.slice(1))).deleted).toHaveLength(1000);
    expect(keysOf(store)).toEqual(["0"]);
  });

  test("asks nothing for no keys", async () => {
    const { store, s3 } = await open([]);
    expect(await deleteObjects(s3, "bucket", [])).toEqual({ deleted: [], refused: [] });
    expect(store.requests()).toEqual([]);
  });

  test.each(DELETE_FIELDS)("an answer with $what", async ({ xml, deleted }) => {
    const { store, s3 } = await open(["a", "b"]);
    const body = `<DeleteResult>${xml}</DeleteResult>`;
    store.fault({ operation: "DeleteObjects" }, { kind: "answer", status: 200, body });
    const outcome = deleteObjects(s3, "bucket", ["a", "b"]);
    if (deleted === "bad_answer") await expect(outcome).rejects.toMatchObject({ code: deleted });
    else expect((await outcome).deleted).toEqual(deleted);
  });
});
