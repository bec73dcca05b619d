// Work with a budget stops before it passes it, by the journals of the stores, however many lanes run, and
// goes on with a higher one.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";
import { MEMORY, Mesh } from "../../mesh/mesh.ts";
import { type TestStore, startStore } from "../../store/store.ts";
import { ENDED_PHASES } from "../../../src/http/vocabulary.ts";
import type { CopyStatus } from "../../../src/view/answers.ts";
import { MIB, PART, openWorld } from "../world.ts";

const SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiAzMiBieXRlcyEhIQ==";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } }, () => ({
  storeFields: {
    east: { prices: { get: 0.4, head: 0.4, list: 5, egressPerGb: 90 } },
    west: { prices: { put: 4.5, list: 4.5, head: 0.36 } },
  },
  bindings: { MAX_PART_MIB: "5", NOTIFY_URL: "http://127.0.0.1:9/nobody", NOTIFY_SECRET: SECRET },
}));

const ENDED: readonly string[] = [...ENDED_PHASES, "blocked"];

type Work = Pick<CopyStatus, "id" | "phase" | "reason" | "budget" | "spent">;

/** What the stores have seen of some work, by its id in the User-Agent, from their journals. */
function billOf(id: string, ...stores: readonly TestStore[]): { requests: number; bytes: number } {
  const seen = stores.flatMap((store) => store.requests());
  const requests = seen.filter(({ userAgent }) => userAgent.includes(id));
  const bytes = requests.filter(({ operation, status }) => operation === "GetObject" && (status ?? 0) < 300);
  return { requests: requests.length, bytes: bytes.reduce((sum, { bytesSent }) => sum + bytesSent, 0) };
}

const requestsIn = ({ spent: { source, destination } }: Pick<Work, "spent">) =>
  [source, destination]
    .flatMap(({ requests }) => Object.values(requests))
    .reduce((sum, count) => sum + count, 0);

/** Until it has stopped at its budget, or ended. */
async function atBudget(path: string, by: Mesh = mesh): Promise<Work> {
  for (;;) {
    const { body } = await by.call<Work>("GET", `${path}?wait=50`);
    if (body.reason === "budget_reached" || ENDED.includes(body.phase)) return body;
  }
}

/** The webhooks about it, the newest first. */
async function toldOf(id: string): Promise<string[]> {
  const { body } = await mesh.call<{ notifications: { type: string; workId: string }[] }>(
    "GET",
    "/notifications?limit=500",
  );
  return body.notifications.filter(({ workId }) => workId === id).map(({ type }) => type);
}

async function resume(path: string, body: Record<string, unknown>) {
  return await mesh.call<Work & { changed: boolean; code: string; detail: string }>(
    "POST",
    `${path}/resume`,
    { body },
  );
}

test("a copy by parts stops before its budget of bytes, says so, and goes on with a higher one", async () => {
  east.put("source", "parts", Buffer.alloc(6 * PART));
  const id = await mesh.startCopy({
    source: "east:source/parts",
    destination: "west:destination/parts",
    partSize: PART,
    lanes: 2,
    maxBytes: "3.5MiB",
  });
  const paused = await mesh.until(id, ({ phase }) => phase === "paused");
  expect(paused).toMatchObject({ reason: "budget_reached", resumesIn: "uploading", parts: { done: 3 } });
  expect(paused.budget).toMatchObject({
    maxBytes: 3.5 * MIB,
    spent: { bytes: 3 * PART },
    reserved: { bytes: 0, requests: 0 },
  });
  expect(requestsIn(paused)).toBe(billOf("", east, west).requests);
  await expect.poll(() => toldOf(id)).toEqual(["copy.budget_reached"]);
  const path = `/copies/${id}`;
  expect(await resume(path, {})).toMatchObject({ status: 409, body: { code: "budget_reached" } });
  const low = await resume(path, { maxBytes: "3MiB" });
  expect(low).toMatchObject({ status: 409, body: { code: "budget_reached" } });
  expect(low.body.detail).toContain(`must be above ${3 * PART}`);
  expect(await resume(path, { maxBytes: "much" })).toMatchObject({ status: 400 });
  const result = await mesh.call("GET", `${path}/result`);
  expect(result).toMatchObject({ status: 409, body: { code: "work_paused" } });
  const many = await mesh.call("POST", "/copies/resume?store=east");
  expect(many.body).toMatchObject({ changed: [], unchanged: [id], failed: [] });
  expect((await mesh.call("POST", "/copies/resume?phase=paused")).body).toMatchObject({
    failed: [{ id, code: "budget_reached" }],
  });
  expect(await resume(path, { maxBytes: "6MiB" })).toMatchObject({ status: 200, body: { changed: true } });
  const done = await mesh.ended(id);
  expect(done).toMatchObject({ phase: "completed", budget: { spent: { bytes: 6 * PART } } });
  expect(requestsIn(done)).toBe(billOf("", east, west).requests);
});

test("syncs of small objects stop before their budgets, whatever is limited, with many lanes", async () => {
  for (let n = 0; n < 60; n++) east.put("source", `small/${n}`, Buffer.alloc(1000, n));
  // What all of it costs: 120 requests and two lists, 60,000 bytes, 60 × (0.4 + 4.5) / 1,000 dollars.
  const limits = [
    ["maxRequests", 50, 1000],
    ["maxBytes", 25_500, "1MiB"],
    ["maxUsd", 0.15, "2.5"],
  ] as const;
  const run = async ([limit, most, higher]: (typeof limits)[number]) => {
    const destination = `west:destination/${limit}/`;
    const id = await mesh.startSync({ source: "east:source/small/", destination, lanes: 10, [limit]: most });
    const path = `/syncs/${id}`;
    const paused = await atBudget(path);
    expect([limit, paused.phase, paused.reason]).toEqual([limit, "paused", "budget_reached"]);
    const bill = billOf(id, east, west);
    expect(requestsIn(paused)).toBe(bill.requests);
    const spent = { maxRequests: bill.requests, maxBytes: bill.bytes, maxUsd: paused.spent.usd ?? Infinity };
    expect(spent[limit]).toBeLessThanOrEqual(most);
    expect(spent[limit]).toBeGreaterThan(most * 0.9);
    expect(await resume(path, { [limit]: higher })).toMatchObject({ status: 200, body: { changed: true } });
    expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 60 } });
  };
  await Promise.all(limits.map(run));
});

test("the large objects of a sync have shares of its budget, and it stops when none is left for another", async () => {
  for (let n = 0; n < 3; n++) east.put("source", `large/${n}`, Buffer.alloc(11 * MIB, n));
  for (let n = 0; n < 5; n++) east.put("source", `large/small-${n}`, "x");
  const id = await mesh.startSync({
    source: "east:source/large/",
    destination: "west:destination/large/",
    lanes: 10,
    maxBytes: "25MiB",
  });
  const paused = await atBudget(`/syncs/${id}`);
  expect(paused).toMatchObject({ phase: "paused", budget: { spent: { bytes: 22 * MIB + 5 } } });
  expect(requestsIn(paused)).toBe(billOf("", east, west).requests);
  expect(await resume(`/syncs/${id}`, { maxBytes: "100MiB" })).toMatchObject({ status: 200 });
  const done = await mesh.syncEnded(id);
  expect(done).toMatchObject({ phase: "completed", budget: { spent: { bytes: 33 * MIB + 5 } } });
});

test("a large object that costs more than was expected gets more of the budget, as far as there is any", async () => {
  east.put("source", "dear/one", Buffer.alloc(11 * MIB, 1));
  west.fault(
    { operation: "UploadPart", partNumber: 3 },
    { kind: "answer", code: "InternalError" },
    { times: 1 },
  );
  const sides = { source: "east:source/dear/", destination: "west:destination/dear/" };
  const id = await mesh.startSync({ ...sides, maxBytes: "11.5MiB" });
  const paused = await atBudget(`/syncs/${id}`);
  expect(paused.phase).toBe("paused");
  expect(billOf("", east).bytes).toBeLessThanOrEqual(11.5 * MIB);
  expect(await resume(`/syncs/${id}`, { maxBytes: "60MiB" })).toMatchObject({ status: 200 });
  expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(billOf("", east).bytes).toBeLessThanOrEqual(60 * MIB);
  // Its share of the budget is the sync's own business.
  const [child] = (await mesh.call<{ copies: Work[] }>("GET", `/copies?sync=${id}`)).body.copies;
  await expect.poll(() => toldOf(id)).toEqual(["sync.completed", "sync.budget_reached"]);
  await expect.poll(() => toldOf(child?.id ?? "")).toEqual(["copy.completed"]);
});

test("a comparison stops before its budget, and a schedule's work has the schedule's", async () => {
  for (let n = 0; n < 30; n++) {
    east.put("source", `c/${n}`, "x", { etag: `one-${n}` });
    west.put("destination", `c/${n}`, "x", { etag: `two-${n}` });
  }
  const sides = { source: "east:source/c/", destination: "west:destination/c/" };
  const schedule = { cron: "0 3 1 1 *", comparison: { ...sides, deep: true }, maxRequests: 50 };
  await mesh.call("PUT", "/schedules/spare", { body: schedule });
  const { id } = (await mesh.call<{ id: string }>("POST", "/schedules/spare/run")).body;
  const path = `/comparisons/${id}`;
  const paused = await atBudget(path);
  expect(paused).toMatchObject({ reason: "budget_reached", budget: { maxRequests: 50 } });
  expect(billOf("", east, west).requests).toBeLessThanOrEqual(50);
  expect(await resume(path, { maxRequests: 500 })).toMatchObject({ status: 200 });
  expect((await mesh.comparisonEnded(id)).phase).toBe("equal");
});

test("a budget that cannot be kept or is none is refused, and says what to do", async () => {
  const copy = { source: "east:source/a", destination: "west:destination/b" };
  for (const [field, value, said] of [
    ["maxUsd", 0, "must be dollars above 0"],
    ["maxBytes", "0", "must be bytes above 0"],
    ["maxRequests", 0.5, "must be a whole number from 1"],
  ] as const) {
    const { status, body } = await mesh.call("POST", "/copies", { body: { ...copy, [field]: value } });
    expect([status, String(body["detail"])]).toEqual([400, expect.stringContaining(said)]);
  }
});

test("killed in the middle, a sync has counted what it may have spent, and stops before its budget", async () => {
  const directory = mkdtempSync(join(MEMORY, "bucket-brigade-state-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  await using from = await startStore({ buckets: ["source"] });
  await using to = await startStore({ buckets: ["destination"], minPartBytes: PART });
  for (let n = 0; n < 200; n++) from.put("source", `k/${n}`, `object ${n}`);
  from.put("source", "parts", Buffer.alloc(12 * PART));
  const start = async () => {
    const started = await Mesh.start({
      bundlePath: inject("bundlePath"),
      stores: { from, to },
      directory,
    });
    onTestFinished(async () => await started.stop());
    return started;
  };
  const gate = to.hold({ operation: "PutObject" }, "before-work", { after: 40 });
  const parts = to.hold({ operation: "UploadPart" }, "before-work", { after: 2 });
  const killed = await start();
  const copy = await killed.startCopy({
    source: "from:source/parts",
    destination: "to:destination/parts",
    partSize: PART,
    maxBytes: 9 * PART,
  });
  const id = await killed.startSync({
    source: "from:source/k/",
    destination: "to:destination/k/",
    lanes: 4,
    maxRequests: 250,
  });
  await to.waitFor(() => gate.waiting.length >= 5 && parts.waiting.length >= 3);
  killed.kill();
  await killed.stop();
  gate.release();
  parts.release();
  for (const each of [from, to]) await each.waitFor(() => each.openRequests().length === 0);
  const again = await start();
  const paused = await atBudget(`/syncs/${id}`, again);
  expect(paused.phase).toBe("paused");
  const held = await atBudget(`/copies/${copy}`, again);
  expect(held.budget).toMatchObject({ reserved: { bytes: 0 } });
  const isOfCopy = ({ userAgent }: { readonly userAgent: string }) => userAgent.includes(`copy/${copy}`);
  const ofCopy = [from, to].flatMap((store) => store.requests()).filter(isOfCopy);
  const read = ofCopy.filter(({ operation }) => operation === "GetObject");
  expect(read.reduce((sum, { bytesSent }) => sum + bytesSent, 0)).toBeLessThanOrEqual(9 * PART);
  expect(requestsIn(held)).toBeGreaterThanOrEqual(ofCopy.length);
  const bill = billOf("", from, to).requests - ofCopy.length;
  expect(bill).toBeLessThanOrEqual(250);
  expect(requestsIn(paused)).toBeGreaterThanOrEqual(bill);
  expect(requestsIn(paused)).toBeLessThanOrEqual(250);
  expect((await again.cancel(copy)).phase).toBe("cancelled");
});
