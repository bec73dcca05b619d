// What happens to an object that is at the destination already, or that appears there while the copy runs.

import { expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import type { TestStore } from "../../store/store.ts";
import { events, expectSameBytes, memoryDirectory } from "./fidelity.ts";
import { PART, openWorld } from "../world.ts";

const directory = memoryDirectory();
const conditional = { profile: { conditionalPut: true, conditionalComplete: true } };
const {
  mesh,
  stores: { east, west, without, deaf },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"] },
    without: { buckets: ["destination"], conditionalWrites: "501" },
    // It is believed to heed conditions, and does not.
    deaf: { buckets: ["destination"], conditionalWrites: "ignored" },
  },
  (stores) => ({
    directory,
    storeFields: { west: conditional, deaf: conditional },
    bindings: {
      // It takes a condition on the end of an upload alone, as Swift does.
      STORE_SWIFT: storeSecret(stores.west, {
        profile: { conditionalPut: false, conditionalComplete: true },
      }),
    },
  }),
);

const request = (key: string, to: string, more: Record<string, unknown>) => ({
  source: `east:source/${key}`,
  destination: `${to}:destination/${key}`,
  partSize: PART,
  ...more,
});

const storeOf = (name: "west" | "without" | "deaf"): TestStore => ({ west, without, deaf })[name];
const OLD = "somebody else's";

/** At a store with conditional writes and at one that refuses them, in one PutObject and in parts. */
const CASES = [
  ["west", "one PutObject", 1000],
  ["west", "parts", 2 * PART + 1],
  ["without", "one PutObject", 1000],
  ["without", "parts", 2 * PART + 1],
] as const;

const isCondition = (name: string) => name === "if-none-match" || name === "if-match";
const conditionsSent = (store: TestStore) =>
  store.requests().flatMap(({ operation, headers }) =>
    Object.keys(headers)
      .filter(isCondition)
      .map((name) => `${operation} ${name}: ${headers[name]}`),
  );

test.for(CASES)("skip and fail leave an object at %s as it is (%s)", async ([to, name, size]) => {
  const store = storeOf(to);
  const key = `there ${name}`;
  east.putGenerated("source", key, { size, computeEtag: true });
  store.put("destination", key, OLD);
  const skipped = await mesh.copy(request(key, to, { ifExists: "skip" }));
  expect(skipped).toMatchObject({ phase: "completed", skipped: true });
  expect(skipped.etag).toBeUndefined();
  const failed = await mesh.copy(request(key, to, { ifExists: "fail" }));
  expect(failed).toMatchObject({ phase: "failed", failure: { code: "destination_exists" } });
  expect(new Set(store.requests().map(({ operation }) => operation))).toEqual(new Set(["HeadObject"]));
  expect(store.bytes("destination", key).toString()).toBe(OLD);
});

test.for(CASES)("overwrite replaces an object at %s without a condition (%s)", async ([to, name, size]) => {
  const store = storeOf(to);
  const key = `over ${name}`;
  east.putGenerated("source", key, { size, computeEtag: true });
  store.put("destination", key, OLD);
  expect(await mesh.copy(request(key, to, { ifExists: "overwrite" }))).toMatchObject({ phase: "completed" });
  expectSameBytes(east, store, key);
  expect(conditionsSent(store)).toEqual([]);
});

test.for(CASES)("skip and fail copy where nothing is, to %s (%s)", async ([to, name, size]) => {
  const store = storeOf(to);
  for (const ifExists of ["skip", "fail"]) {
    const key = `new ${name} ${ifExists}`;
    east.putGenerated("source", key, { size, computeEtag: true });
    const status = await mesh.copy(request(key, to, { ifExists }));
    expect(status).toMatchObject({ phase: "completed", proof: expect.any(String) });
    expect(status).not.toHaveProperty("skipped");
    expectSameBytes(east, store, key);
  }
  const operation = size > PART ? "CompleteMultipartUpload" : "PutObject";
  expect(conditionsSent(store)).toEqual(to === "west" ? Array(2).fill(`${operation} if-none-match: *`) : []);
});

test.for([
  ["fail", { phase: "failed", failure: { code: "destination_exists" } }],
  ["skip", { phase: "completed", skipped: true }],
] as const)(
  "where only an upload can be told to keep what appears, a small object is one of one part (%s)",
  async ([ifExists, ending]) => {
    const key = `small ${ifExists}`;
    east.putGenerated("source", key, { size: 1000, computeEtag: true });
    const action = () => void west.put("destination", key, OLD);
    west.fault({ operation: "UploadPart", key }, { kind: "run", stage: "before-work", action }, { times: 1 });
    expect(await mesh.copy(request(key, "swift", { ifExists }))).toMatchObject(ending);
    expect(west.bytes("destination", key).toString()).toBe(OLD);
    // Nothing appears, and nothing is there: it arrives, proved. Without bytes it is no upload.
    for (const [name, size, operation, proof] of [
      ["some", 1000, "CompleteMultipartUpload", "part-md5"],
      ["none", 0, "PutObject", "etag"],
    ] as const) {
      west.journal.clear();
      east.putGenerated("source", `${key} ${name}`, { size, computeEtag: true });
      const arrived = await mesh.copy(request(`${key} ${name}`, "swift", { ifExists }));
      expect(arrived).toMatchObject({ phase: "completed", proof });
      expectSameBytes(east, west, `${key} ${name}`);
      expect(west.count(operation)).toBe(1);
    }
    west.journal.clear();
    // What may be replaced needs no condition.
    expect((await mesh.copy(request(key, "swift", {}))).phase).toBe("completed");
    expect([west.count("PutObject"), west.count("CreateMultipartUpload")]).toEqual([1, 0]);
  },
);

test.for([
  ["west", "fail", { phase: "failed", failure: { code: "destination_exists" } }],
  ["west", "skip", { phase: "completed", skipped: true }],
  ["without", "fail", { phase: "failed", failure: { code: "destination_exists" } }],
  ["without", "skip", { phase: "completed", skipped: true }],
  ["deaf", "fail", { phase: "failed", failure: { code: "destination_exists" } }],
  ["deaf", "skip", { phase: "completed", skipped: true }],
] as const)(
  "an object that appears at %s while part 3 runs is not touched (%s)",
  async ([to, ifExists, ending]) => {
    const store = storeOf(to);
    const key = `race ${ifExists}`;
    east.putGenerated("source", key, { size: 4 * PART });
    const action = () => void store.put("destination", key, OLD);
    store.fault(
      { operation: "UploadPart", partNumber: 3 },
      { kind: "run", stage: "before-work", action },
      { times: 1 },
    );
    const status = await mesh.copy(request(key, to, { ifExists }));
    expect(status).toMatchObject(ending);
    expect(store.bytes("destination", key).toString()).toBe(OLD);
    expect(store.count("AbortMultipartUpload")).toBe(1);
  },
);

test.for([
  ["fail", { phase: "failed", failure: { code: "destination_exists" } }],
  ["skip", { phase: "completed", skipped: true }],
] as const)(
  "an object that appears while a small one is read is not touched (%s)",
  async ([ifExists, ending]) => {
    const key = `small race ${ifExists}`;
    east.put("source", key, "x".repeat(OLD.length));
    const action = () => void west.put("destination", key, OLD);
    east.fault({ operation: "GetObject" }, { kind: "run", stage: "before-body", action }, { times: 1 });
    expect(await mesh.copy(request(key, "west", { ifExists }))).toMatchObject(ending);
    expect(west.bytes("destination", key).toString()).toBe(OLD);
  },
);

test.for([
  ["PutObject", 1000, "fail"],
  ["PutObject", 1000, "skip"],
  ["CompleteMultipartUpload", 2 * PART + 1, "fail"],
  ["CompleteMultipartUpload", 2 * PART + 1, "skip"],
] as const)(
  "our own %s whose answer was lost is no conflict (%i bytes, %s)",
  async ([operation, size, ifExists]) => {
    const key = `own ${operation} ${ifExists}`;
    east.putGenerated("source", key, { size, computeEtag: true });
    const rule = west.fault({ operation }, { kind: "drop", stage: "before-answer" }, { times: 1 });
    const status = await mesh.copy(request(key, "west", { ifExists }));
    expect(status).toMatchObject({ phase: "completed", etag: `"${west.get("destination", key)?.etag}"` });
    expect(status).not.toHaveProperty("skipped");
    expect(rule.hits).toBe(1);
    expect(events(status)).toContain("object_found");
    expectSameBytes(east, west, key);
  },
);

test("a Complete that meets another write (409) is tried again, not taken for a conflict", async () => {
  east.putGenerated("source", "conflict", { size: PART + 1 });
  const answer = { kind: "answer", code: "ConditionalRequestConflict", status: 409 } as const;
  west.fault({ operation: "CompleteMultipartUpload" }, answer, { times: 1 });
  expect(await mesh.copy(request("conflict", "west", { ifExists: "fail" }))).toMatchObject({
    phase: "completed",
  });
  expectSameBytes(east, west, "conflict");
});
