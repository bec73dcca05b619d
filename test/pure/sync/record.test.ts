// The record of a sync over a real SQLite: what it says of the sync is what stands in the table, whatever has
// become of a transaction.
import { expect, test } from "vitest";
import { SyncRecord } from "../../../src/sync/record.ts";
import { parseSyncRequest, resolveSync } from "../../../src/sync/spec.ts";
import { memorySql, storageOver } from "../sqlite.ts";

const STORE = JSON.stringify({
  endpoint: "https://s3.example.com",
  region: "auto",
  accessKeyId: "id",
  secretAccessKey: "secret",
});

function open(): { record: SyncRecord; sql: SqlStorage } {
  const sql = memorySql();
  const record = new SyncRecord(storageOver(sql));
  const request = { source: "east:in/", destination: "west:out/", maxRequests: 10 };
  const spec = resolveSync(parseSyncRequest(request), { STORE_EAST: STORE, STORE_WEST: STORE });
  expect(record.find()).toBeNull();
  record.create("sync-1", spec, 5);
  return { record, sql };
}

test("a sync is found once it was made, and each change of it is seen at once", () => {
  const { record } = open();
  expect(record.find()).toMatchObject({ id: "sync-1", createdAtMs: 5, startedAtMs: null, reported: null });
  record.markStarted(7);
  record.markReported("copying");
  record.changeBudget({ maxRequests: 20 });
  expect(record.load()).toMatchObject({ startedAtMs: 7, reported: "copying", spec: { maxRequests: 20 } });
  expect(record.applyEvent({ type: "pause" })).toBe(true);
  expect(record.load().job.phase).toBe("paused");
});

test("a transaction that fails has changed nothing, though it has read what it wrote", () => {
  const { record } = open();
  const failing = () =>
    record.transaction(() => {
      record.markStarted(7);
      expect(record.load().startedAtMs).toBe(7);
      throw new Error("half-way");
    });
  expect(failing).toThrow("half-way");
  expect(record.load().startedAtMs).toBeNull();
});

test("an inner transaction that fails leaves what the outer one has written before", () => {
  const { record } = open();
  record.transaction(() => {
    record.markStarted(7);
    const inner = () =>
      record.transaction(() => {
        record.markReported("copying");
        expect(record.load().reported).toBe("copying");
        throw new Error("half-way");
      });
    expect(inner).toThrow("half-way");
  });
  expect(record.load()).toMatchObject({ startedAtMs: 7, reported: null });
});

test("once all is removed there is no sync", () => {
  const { record, sql } = open();
  expect(record.find()).not.toBeNull();
  record.forget();
  sql.exec("DROP TABLE sync");
  expect(record.find()).toBeNull();
});
