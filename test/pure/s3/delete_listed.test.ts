// What is deleted is the object that was listed: by the store's condition, or by a look before.
import { afterEach, expect, test } from "vitest";
import { deleteListed } from "../../../src/s3/delete_listed.ts";
import { type TestStore, startStore } from "../../store/store.ts";
import { connectTo } from "../listed_store.ts";

const stores: TestStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) {
    expect(store.failures).toEqual([]);
    await store.waitFor(() => store.openRequests().length === 0);
    await store.stop();
  }
});

async function open(conditionalDelete: boolean, without: readonly "deleteObjects"[] = []) {
  const store = await startStore({ buckets: ["bucket"], without: [...without] });
  stores.push(store);
  const listed = ["kept\r", "gone", "changed", "kept"].map((key) => {
    const { etag } = store.put("bucket", key, "as listed");
    return { key, etag: `"${etag}"`, modifiedMs: null };
  });
  store.delete("bucket", "gone");
  store.put("bucket", "changed", "written since");
  return { store, listed, s3: connectTo(store, { profile: { conditionalDelete } }) };
}

const dated = (date: number | null) => [{ key: "kept", etag: null, modifiedMs: date }];
const keysOf = (store: TestStore) => store.objects("bucket").map(({ key }) => key);

test.each([
  ["a condition", true, []],
  ["a condition for each key", true, ["deleteObjects"]],
  ["a look before", false, []],
  ["a look before each key", false, ["deleteObjects"]],
] as const)("an object that was written since it was listed stays, by %s", async (_how, knows, without) => {
  const { store, listed, s3 } = await open(knows, without);
  const { deleted, refused } = await deleteListed(s3, "bucket", listed);
  expect([...deleted].toSorted()).toEqual(["gone", "kept", "kept\r"]);
  expect(refused).toMatchObject([{ key: "changed", code: "destination_changed" }]);
  expect(keysOf(store)).toEqual(["changed"]);
  // A condition costs no request where it holds.
  expect(store.requests({ operation: "HeadObject", key: "kept" })).toHaveLength(knows ? 0 : 1);
});

test("a store that answers 412 to the right ETag is asked again without it, after a look", async () => {
  const { store, listed, s3 } = await open(true, ["deleteObjects"]);
  const unmet = { kind: "answer", code: "PreconditionFailed" } as const;
  store.fault({ operation: "DeleteObject", where: ({ headers }) => "if-match" in headers }, unmet);
  const { deleted, refused } = await deleteListed(s3, "bucket", listed);
  expect([...deleted].toSorted()).toEqual(["gone", "kept", "kept\r"]);
  expect(refused.map(({ key, code }) => [key, code])).toEqual([["changed", "destination_changed"]]);
});

test("without an ETag in the listing the date decides; without either nothing goes", async () => {
  const { store, s3 } = await open(true);
  const [object] = store.objects("bucket").filter(({ key }) => key === "kept");
  const modifiedMs = Number(object?.lastModified);
  for (const other of [null, modifiedMs - 60_000]) {
    const { refused } = await deleteListed(s3, "bucket", dated(other));
    expect(refused).toMatchObject([{ code: "destination_changed" }]);
  }
  expect((await deleteListed(s3, "bucket", dated(modifiedMs))).deleted).toEqual(["kept"]);
});

test("what may not be looked at is not deleted; a store in trouble is asked no further", async () => {
  const { store, listed, s3 } = await open(false);
  const head = { operation: ["HeadObject", "GetObject"], key: "kept" } as const;
  const rule = store.fault(head, { kind: "answer", code: "AccessDenied" });
  const { refused } = await deleteListed(s3, "bucket", listed);
  expect(refused.map(({ key, code }) => [key, code])).toContainEqual(["kept", "AccessDenied"]);
  rule.remove();
  store.fault(head, { kind: "answer", code: "SlowDown" });
  await expect(deleteListed(s3, "bucket", listed)).rejects.toMatchObject({ status: 503 });
  expect(keysOf(store)).toContain("kept");
});
