// The registry admits everything, is scraped and is woken. Whatever it has kept, it reads rows, not tables.

import { beforeEach, expect, test, vi } from "vitest";
import { parseCopyRequest, resolveCopy } from "../../src/copy/spec.ts";
import { parseSchedule } from "../../src/schedule/spec.ts";
import { MAX_SCHEDULES } from "../../src/schedule/schedules.ts";
import { parseReplication, resolveReplication } from "../../src/replication/spec.ts";
import { parseSyncRequest, resolveSync } from "../../src/sync/spec.ts";
import type { AuditedCall } from "../../src/registry/audit.ts";
import type { JobNews, WorkCounters } from "../../src/view/news.ts";
import { memorySql, storageOver } from "./sqlite.ts";

vi.mock("cloudflare:workers", () => ({
  DurableObject: class {
    readonly ctx: unknown;
    readonly env: unknown;

    constructor(ctx: unknown, env: unknown) {
      this.ctx = ctx;
      this.env = env;
    }
  },
}));

const { Registry } = await import("../../src/registry.ts");

const STORE = {
  endpoint: "https://s3.example.com",
  region: "auto",
  accessKeyId: "id",
  secretAccessKey: "secret",
  maxConcurrency: 10,
};
const SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiAzMiBieXRlcyEhIQ==";
const RECEIVERS = JSON.stringify(
  ["ops", "sales"].map((name) => ({
    name,
    url: "https://hooks.example.com/",
    secrets: [SECRET],
    events: ["replication.*"],
  })),
);
const ENV = { STORE_EAST: JSON.stringify(STORE) };
const COPY = resolveCopy(parseCopyRequest({ source: "east:source/a", destination: "east:target/a" }), ENV);
const SYNC = resolveSync(parseSyncRequest({ source: "east:source/", destination: "east:target/s/" }), ENV);
const QUEUED = { kind: "copy", spec: { ...COPY, ifBusy: "queue" } } as const;
const news = (counters: WorkCounters, changes: Partial<JobNews> = {}): JobNews => ({
  phase: "completed",
  endedAtMs: Date.now(),
  orphans: 0,
  counters,
  glance: { bytes: {}, rate: {}, failure: null },
  webhook: null,
  ...changes,
});
const OF_COPY = {
  kind: "copy",
  bytes: 1,
  parts: 1,
  partAttempts: 1,
  failures: {},
  partsInFlight: 0,
  lanes: 1,
} as const;
const NO_KEYS = { bytes: 0, listed: 0, copied: 0, skipped: 0, failed: 0, deleted: 0 };
const OF_SYNC = { kind: "sync", ...NO_KEYS, batchesInFlight: 0, lanes: 1 } as const;
const OF_REPLICATION = {
  kind: "replication",
  bytes: 0,
  outcomes: { copied: 0, equal: 0, deleted: 0, kept: 0, lost: 0 },
  pending: 0,
  oldestSeconds: 0,
  p50Seconds: null,
  p99Seconds: null,
} as const;

let sql: SqlStorage;
let asked: Set<string>;
let removed: unknown[][];
let registry: InstanceType<typeof Registry>;

beforeEach(() => {
  sql = memorySql();
  asked = new Set();
  const watching: SqlStorage = {
    databaseSize: 0,
    exec: (query, ...values) => {
      asked.add(query);
      return sql.exec(query, ...values);
    },
  };
  const storage = storageOver(watching);
  const object = {
    create: async () => undefined,
    forget: async () => true,
    keepAwake: async () => undefined,
    recheckQueue: async () => undefined,
  };
  const objects = { getByName: () => object };
  removed = [];
  const replicator = {
    create: async () => undefined,
    update: async () => undefined,
    remove: async (...of: unknown[]) => void removed.push(of),
  };
  const Replicator = { getByName: () => replicator };
  const ctx = { storage, exports: { Coordinator: objects, Sync: objects, Replicator } };
  registry = Reflect.construct(Registry, [ctx, { ...ENV, NOTIFY: RECEIVERS }]);
});

const schedule = (cron: string) =>
  parseSchedule({ cron, copy: { source: "east:source/a", destination: "east:target/{yyyy}/a" } });

/** Every call that work, a scrape, an alarm or a Cron event makes. */
async function useAll(): Promise<void> {
  const key = { caller: "ops", key: "k", digest: "d" };
  const first = await registry.admit(QUEUED, key);
  const second = await registry.admit(QUEUED, key, null);
  const busy = await registry.admit({ kind: "copy", spec: { ...COPY, ifBusy: "fail" } }, null, "sync");
  expect([first.kind, second.kind, busy.kind]).toEqual(["new", "known", "taken"]);
  const sync = await registry.admit({ kind: "sync", spec: SYNC }, key);
  const rival = await registry.admit({ kind: "sync", spec: SYNC }, null);
  expect([sync.kind, rival.kind]).toEqual(["new", "taken"]);
  if (first.kind !== "new" || sync.kind !== "new") throw new Error("Nothing was admitted");
  await registry.putSchedule("s", schedule("* * * * *"));
  expect((await registry.tick(Date.now() + 120_000)).length).toBe(1);
  await registry.runSchedule("s", key);
  await registry.makeLink(key, 1);
  await registry.endLinks();
  await registry.beginCall(key);
  await registry.endCall(key, { status: 200, type: "text/plain", body: "" });
  const { notifications } = await registry.listNotifications({ state: null, receiver: null }, null, 10);
  await registry.redeliver(notifications[0]?.id ?? "");
  await registry.admitted("copy", first.work.id);
  await registry.alarm();
  await registry.whoIsAhead(first.work.id);
  await registry.share(first.work.id, [
    { store: "east", wants: { concurrency: 1, perSecond: 1 }, having: { concurrency: 0, perSecond: 0 } },
  ]);
  await registry.takeNews("copy", first.work.id, news(OF_COPY, { phase: "uploading", endedAtMs: null }));
  await registry.takeNews("sync", sync.work.id, news(OF_SYNC, { phase: "listing", endedAtMs: null }));
  await registry.metrics();
  await registry.takeNews("copy", first.work.id, news(OF_COPY, { orphans: 1 }));
  await registry.takeNews("copy", first.work.id, news(OF_COPY));
  await registry.takeNews("sync", sync.work.id, news(OF_SYNC));
  for (const phases of [[], ["completed"], ["completed", "failed"]]) {
    await registry.list("sync", { phases }, null, 10);
    for (const of of ["no-sync", "orphans", { sync: "x" }] as const)
      for (const before of [null, first.work.id]) await registry.list("copy", { phases, of }, before, 10);
  }
  await registry.keepAwake();
  const call: AuditedCall = {
    atMs: Date.now(),
    who: "full",
    method: "POST",
    route: "/copies",
    target: null,
    places: null,
    address: null,
    ray: null,
    status: 202,
    code: null,
  };
  await registry.audit(call);
  await registry.auditRefusals([{ call: { ...call, status: 401, code: "token_wrong" }, times: 2 }]);
  for (const before of [null, first.work.id])
    for (const who of [null, "full"]) await registry.listAudit({ who, sinceMs: 0 }, before, 10);
  await registry.beginCall({ ...key, key: "call" });
  await registry.endCall({ ...key, key: "call" }, null);
  for (const before of [null, first.work.id])
    for (const state of [null, "waiting"])
      for (const receiver of [null, "ops"]) await registry.listNotifications({ state, receiver }, before, 10);
  await registry.redeliver(first.work.id);
  await registry.forgetOld(Date.now() + 400 * 86_400_000);
  await registry.listSchedules(null, 10);
  await registry.deleteSchedule("s");
}

/** Tables with a row for each piece of work, call, refusal, or run of a schedule. */
const LARGE = "copies syncs counted idempotency calls runs audited refused".split(" ");

test("no call reads one of the large tables from end to end", async () => {
  await useAll();
  const partial = sql
    .exec("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'")
    .toArray()
    .map(({ name }) => String(name));
  const scans = [...asked]
    .filter((query) => /^\s*(?:SELECT|UPDATE|DELETE|INSERT INTO \w+ SELECT)\b/.test(query))
    .flatMap((query) =>
      sql
        .exec(`EXPLAIN QUERY PLAN ${query}`)
        .toArray()
        .map(({ detail }) => ({ query, detail: String(detail) })),
    )
    .filter(({ query, detail }) => {
      // The first rows of an index.
      if (/FROM \w+ (?:WHERE TRUE )?ORDER BY (?:id|seq) DESC LIMIT/.test(query)) return false;
      const [, table = "", index] = /^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?/.exec(detail) ?? [];
      return LARGE.includes(table) && !partial.includes(index ?? "");
    });
  expect(asked.size).toBeGreaterThan(40);
  expect(scans).toEqual([]);
});

test("a page of several phases is newest first, and goes on after its last row", async () => {
  const ids: string[] = [];
  for (const phase of ["completed", "failed", "completed", "sizing", "failed"]) {
    const admission = await registry.admit(QUEUED, null);
    if (admission.kind !== "new") throw new Error(admission.kind);
    const endedAtMs = phase === "sizing" ? null : Date.now();
    await registry.takeNews("copy", admission.work.id, news(OF_COPY, { phase, endedAtMs }));
    ids.unshift(admission.work.id);
  }
  const filter = { phases: ["completed", "failed"], of: "no-sync" } as const;
  const first = await registry.list("copy", filter, null, 3);
  const second = await registry.list("copy", filter, first.next, 3);
  const wanted = ids.filter((_, index) => index !== 1);
  expect([...first.rows, ...second.rows].map(({ id }) => id)).toEqual(wanted);
  expect([first.rows.length, second.next]).toEqual([3, null]);
});

test("there are so many schedules and no more, they are listed in pages, and all may be due at once", async () => {
  const paused = { ...schedule("* * * * *"), enabled: true };
  for (let n = 0; n < MAX_SCHEDULES; n++)
    expect(await registry.putSchedule(`s${String(n).padStart(3, "0")}`, paused)).toBe("created");
  expect(await registry.putSchedule("one-more", paused)).toBe("full");
  expect(await registry.putSchedule("s007", paused)).toBe("replaced");
  const names: string[] = [];
  for (let next: string | null = ""; next !== null;) {
    const page: Awaited<ReturnType<typeof registry.listSchedules>> = await registry.listSchedules(next, 200);
    names.push(...page.schedules.map(({ name }) => name));
    ({ next } = page);
  }
  expect(names).toEqual(Array.from({ length: MAX_SCHEDULES }, (_, n) => `s${String(n).padStart(3, "0")}`));
  // Ids alone: what each starts may be as long as a request.
  const started = await registry.tick(Date.now() + 120_000);
  expect(started.every((one) => Object.keys(one).join() === "kind,id")).toBe(true);
  await registry.deleteSchedule("s000");
  expect(await registry.putSchedule("one-more", paused)).toBe("created");
});

test("what a replication has started is known by its id and the name of its run, until it has ended", async () => {
  const copy = await registry.admit(QUEUED, null, "r1");
  await registry.admit({ ...QUEUED, spec: { ...QUEUED.spec } }, null, "r2");
  const run = { kind: "sync", name: "replication r1 0" } as const;
  const once = { caller: null, key: run.name, digest: run.name };
  const sync = await registry.admit({ kind: "sync", spec: SYNC }, once);
  if (copy.kind !== "new" || sync.kind !== "new") throw new Error("Nothing was admitted");
  const running = [
    { kind: "copy", id: copy.work.id },
    { kind: "sync", id: sync.work.id },
  ];
  // A replicator that has died after the request knows no id.
  expect(await registry.startedBy("r1", { ...run, id: null })).toEqual(running);
  expect(await registry.startedBy("r1", { ...run, id: sync.work.id })).toEqual(running);
  expect(await registry.startedBy("r1", { ...run, name: "replication r1 1", id: null })).toEqual([
    running[0],
  ]);
  await registry.takeNews("sync", sync.work.id, news(OF_SYNC, { phase: "cancelled" }));
  expect(await registry.startedBy("r1", { ...run, id: null })).toEqual([running[0]]);
  await registry.takeNews("copy", copy.work.id, news(OF_COPY, { phase: "cancelled" }));
  expect(await registry.startedBy("r1", { ...run, id: null })).toEqual([]);
});

test("a replication that is to go keeps its name and its place until its replicator says that it is gone", async () => {
  const request = parseReplication({ source: "east:source/", destination: "east:target/r/" });
  const spec = resolveReplication("r", request, ENV);
  const put = await registry.putReplication("r", spec);
  if (!("replication" in put)) throw new Error(put.kind);
  const { id } = put.replication;
  await registry.deleteReplication("r");
  await registry.deleteReplication("other");
  expect(removed).toEqual([["r", id]]);
  // News of before comes late.
  await registry.takeReplicationNews("r", id, {
    phase: "following",
    counters: OF_REPLICATION,
    webhook: null,
    alerts: [],
  });
  expect((await registry.findReplication("r"))?.phase).toBe("deleting");
  expect(await registry.putReplication("r", spec)).toEqual({ kind: "deleting" });
  expect(await registry.putReplication("s", spec)).toEqual({ kind: "taken", by: "r" });
  // The registry dies before the replicator has learnt of it: the alarm tells it.
  await registry.alarm();
  expect(removed).toEqual([
    ["r", id],
    ["r", id],
  ]);
  await registry.forgetReplication("r", id);
  await registry.alarm();
  expect([removed.length, await registry.findReplication("r")]).toEqual([2, null]);
  expect(await registry.putReplication("r", spec)).toMatchObject({ kind: "created" });
  await registry.forgetReplication("r", id);
  expect(await registry.findReplication("r")).not.toBe(null);
});

const told = async () => {
  const { notifications } = await registry.listNotifications({ state: null, receiver: null }, null, 50);
  return notifications.map(({ receiver, type }) => `${receiver} ${type}`).toSorted();
};

test("what a replication reports is told once, to the receivers that it names", async () => {
  const request = { source: "east:source/", destination: "east:target/r/" };
  const put = async (more: Record<string, unknown>) => {
    const spec = resolveReplication("r", parseReplication({ ...request, ...more }), ENV);
    const made = await registry.putReplication("r", spec);
    if (!("replication" in made)) throw new Error(made.kind);
    return made.replication.id;
  };
  const id = await put({ notify: ["sales"] });
  const event = (type: string) => ({ type, at: "2026-06-01T00:00:00.000Z", data: { id } });
  const alert = (seq: number, type: string) => ({ seq, webhook: event(`replication.${type}`) });
  const report = async (phase: string, ...alerts: ReturnType<typeof alert>[]) => {
    const webhook = phase === "blocked" ? event("replication.blocked") : null;
    await registry.takeReplicationNews("r", id, { phase, counters: OF_REPLICATION, webhook, alerts });
  };
  await report("following", alert(1, "backlog_full"));
  // The answer was lost.
  await report("following", alert(1, "backlog_full"), alert(2, "deletions_held"));
  await report("blocked", alert(2, "deletions_held"));
  await report("blocked");
  const first = [
    "sales replication.backlog_full",
    "sales replication.blocked",
    "sales replication.deletions_held",
  ];
  expect(await told()).toEqual(first);
  // Another spec does not make what was told new.
  await put({ notify: [] });
  await report("following", alert(2, "deletions_held"), alert(3, "not_ready"));
  expect(await told()).toEqual(first);
  await put({});
  await report("following", alert(4, "not_ready"));
  expect((await told()).filter((one) => !first.includes(one))).toEqual([
    "ops replication.not_ready",
    "sales replication.not_ready",
  ]);
});
