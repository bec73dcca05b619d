// How work of every kind begins, and what keeps it from that.

import { expect, test } from "vitest";
import { parseCopyRequest, resolveCopy } from "../../../src/copy/spec.ts";
import { AllWork } from "../../../src/registry/all_work.ts";
import { CheckTable } from "../../../src/registry/check_table.ts";
import { ReplicationRows } from "../../../src/registry/replication_rows.ts";
import type { Work } from "../../../src/schedule/kinds.ts";
import { parseSyncRequest, resolveSync } from "../../../src/sync/spec.ts";
import { memorySql } from "../sqlite.ts";

const STORE = {
  endpoint: "https://s3.example.com",
  region: "auto",
  accessKeyId: "id",
  secretAccessKey: "secret",
};
const ENV = { STORE_EAST: JSON.stringify(STORE) };
const CALLER = { schedule: null, sync: null };
const workOf = (sql: SqlStorage, env: Record<string, string>) => {
  const checks = new CheckTable(sql);
  const replications = new ReplicationRows(sql);
  const work = new AllWork(sql, env, checks, replications);
  for (const one of [checks, replications, work]) one.createTables();
  return work;
};
const copyTo = (key: string): Work => {
  const request = parseCopyRequest({ source: "east:source/a", destination: `east:target/${key}` });
  return { kind: "copy", spec: resolveCopy(request, ENV) };
};
const syncTo = (prefix: string, dryRun = false): Work => {
  const request = { source: "east:source/", destination: `east:target/${prefix}`, dryRun };
  return { kind: "sync", spec: resolveSync(parseSyncRequest(request), ENV) };
};

test("what runs is counted against MAX_RUNNING: copies and syncs, but not the copies of a sync, nor what has ended", () => {
  const sql = memorySql();
  const under = (most?: string) => workOf(sql, most === undefined ? ENV : { ...ENV, MAX_RUNNING: most });
  const own = under().begin(copyTo("x"), CALLER, 1);
  if (own.kind !== "new") throw new Error(own.kind);
  expect(under("2").begin(copyTo("y"), { schedule: null, sync: "s" }, 2).kind).toBe("new");
  expect(under("2").begin(syncTo("z/"), CALLER, 3).kind).toBe("new");
  expect(under("2").begin(copyTo("a"), CALLER, 4)).toEqual({ kind: "full", most: 2 });
  expect(under("2").begin(copyTo("b"), { schedule: null, sync: "s" }, 5).kind).toBe("new");
  expect(under("2").beginScheduled(copyTo("a"), "nightly", 6)).toBe("as much runs as MAX_RUNNING allows, 2");
  expect(() => under("0").begin(copyTo("a"), CALLER, 7)).toThrow(/MAX_RUNNING must be a whole number from 1/);
  under()
    .of("copy")
    .takeNews(own.work.id, {
      phase: "completed",
      endedAtMs: 8,
      orphans: 0,
      glance: { bytes: {}, rate: {}, failure: null },
    });
  expect(under("2").begin(copyTo("a"), CALLER, 9).kind).toBe("new");
  for (const most of [undefined, ""])
    expect(under(most).begin(copyTo("c"), CALLER, 10).kind).toBe(most === undefined ? "new" : "taken");
});

test("of two that write to one place the second is told which is there, but for a dry run", () => {
  const work = workOf(memorySql(), ENV);
  const copy = work.begin(copyTo("x"), CALLER, 1);
  const sync = work.begin(syncTo("s/"), { schedule: "nightly", sync: null }, 2);
  if (copy.kind !== "new" || sync.kind !== "new") throw new Error("Nothing began");
  expect(work.begin(copyTo("x"), CALLER, 3)).toEqual({ kind: "taken", id: copy.work.id });
  expect(work.begin(syncTo("s/deep/"), CALLER, 4)).toEqual({ kind: "taken", id: sync.work.id });
  expect(work.begin(syncTo("s/", true), CALLER, 5).kind).toBe("new");
  expect(work.beginScheduled(copyTo("x"), "n", 6)).toBe(`copy ${copy.work.id} writes the same object`);
  expect(work.beginScheduled(syncTo(""), "n", 7)).toBe(`sync ${sync.work.id} is writing there`);
  expect(work.runningOf("nightly")).toBe(`sync ${sync.work.id} is still going`);
  expect(work.admitted("sync", sync.work.id)).toEqual(sync.work);
  expect(work.uncreated().map(({ kind }) => kind)).toEqual(["copy", "sync", "sync"]);
  const listed = work.list("copy", { phases: [], of: "no-sync" }, null, 10);
  expect(listed.rows).toMatchObject([{ source: "east:source/a", destination: "east:target/x" }]);
});
