// Comparisons: what each key ends as, by which proof, and what both stores are asked for it.
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SyncStatus } from "../../../src/view/answers.ts";
import type { ComparisonStatus } from "../../../src/view/comparison_answers.ts";
import { expect, test } from "vitest";
import { READ_TOKEN, storeSecret } from "../../mesh/mesh.ts";
import { MIB, openWorld } from "../world.ts";

const SIGNING = generateKeyPairSync("ed25519");

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } }, (stores) => ({
  bindings: {
    REPORT_KEY: SIGNING.privateKey.export({ type: "pkcs8", format: "der" }).toString("base64"),
    STORE_LOCKED: storeSecret(stores.west, { readOnly: true }),
    STORE_UNORDERED: storeSecret(stores.west, { provider: "storj", style: "path" }),
  },
}));

const request = (prefix: string, more: Record<string, unknown> = {}) => ({
  source: `east:source/${prefix}`,
  destination: `west:destination/${prefix}`,
  ...more,
});

const found = async ({ id }: ComparisonStatus) =>
  (await mesh.findings(id)).map(({ key, outcome, proof, reason }) => [key, outcome, proof ?? reason]);

test("each key ends as what is known of it, and nothing is written", async () => {
  east.put("source", "all/same", "SAME");
  west.put("destination", "all/same", "SAME");
  east.put("source", "all/empty", "", { etag: "not-an-md5" });
  west.put("destination", "all/empty", "");
  east.put("source", "all/longer", "LONGER");
  west.put("destination", "all/longer", "SHORT");
  east.put("source", "all/other", "ONE");
  west.put("destination", "all/other", "TWO");
  east.put("source", "all/parts", "PARTS", { parts: 2 });
  west.put("destination", "all/parts", "PARTS");
  east.put("source", "all/odd", "ODD", { etag: "opaque-1" });
  west.put("destination", "all/odd", "ODD", { etag: "opaque-2" });
  east.put("source", "all/gone", "GONE");
  west.put("destination", "all/more", "MORE");
  east.put("source", "all/denied", "DENIED", { etag: "opaque" });
  west.put("destination", "all/denied", "DENIED");
  west.fault(
    { operation: ["HeadObject", "GetObject"], key: "all/denied" },
    { kind: "answer", code: "AccessDenied" },
  );
  const status = await mesh.compare(request("all/"));
  expect(await found(status)).toEqual([
    ["all/denied", "unreadable", "destination_access_denied"],
    ["all/empty", "equal", "size"],
    ["all/gone", "missing", undefined],
    ["all/longer", "different", "size"],
    ["all/more", "extra", undefined],
    ["all/odd", "unknown", "no_common_value"],
    ["all/other", "different", "etag"],
    ["all/parts", "unknown", "parts"],
    ["all/same", "equal", "etag"],
  ]);
  expect(status, JSON.stringify(status, null, 1)).toMatchObject({
    phase: "different",
    keys: { listed: 9, equal: 2, different: 2, unknown: 2, missing: 1, extra: 1, unreadable: 1, underWay: 0 },
    bytes: { listed: 35, equal: 4, extra: 4 },
    proofs: { etag: { keys: 1, bytes: 4 }, size: { keys: 1, bytes: 0 } },
    reasons: { size: 1, etag: 1, parts: 1, no_common_value: 1 },
    unreadable: [{ key: "all/denied", code: "destination_access_denied" }],
  });
  for (const store of [east, west])
    expect(store.requests({}).filter(({ method }) => !["GET", "HEAD"].includes(method))).toEqual([]);
  const { text } = await mesh.call("GET", `/comparisons/${status.id}/progress`);
  expect(text).toContain("different: equal 2, different 2, unknown 2, missing 1, extra 1, unreadable 1");
  const page = await mesh.call<{ comparisons: unknown[] }>("GET", "/comparisons?phase=different&limit=1");
  expect(page.body.comparisons).toMatchObject([{ id: status.id, keys: { equal: 2 }, deep: false }]);
});

test("what both listings prove costs no other request, and ends as equal", async () => {
  for (const n of [1, 2, 3]) {
    east.put("source", `listed/${n}`, `object ${n}`);
    west.put("destination", `listed/${n}`, `object ${n}`);
  }
  const status = await mesh.compare(request("listed/"));
  expect(status).toMatchObject({ phase: "equal", keys: { listed: 3, equal: 3 } });
  for (const store of [east, west])
    expect(new Set(store.requests({}).map(({ operation }) => operation))).toEqual(new Set(["ListObjectsV2"]));
});

test("what nothing decides leaves it inconclusive, and so does nothing at all", async () => {
  east.put("source", "open/a", "A", { etag: "opaque-1" });
  west.put("destination", "open/a", "A", { etag: "opaque-2" });
  expect(await mesh.compare(request("open/"))).toMatchObject({ phase: "inconclusive", keys: { unknown: 1 } });
  const nothing = await mesh.compare(request("nothing/"));
  expect(nothing.phase).toBe("inconclusive");
  expect(nothing.warnings.join()).toContain("The source has no key under east:source/nothing/");
});

test("the filter leaves keys out on both sides, and they are counted and not named", async () => {
  east.put("source", "filter/a.jpg", "A");
  west.put("destination", "filter/a.jpg", "A");
  east.put("source", "filter/b.tmp", "B");
  west.put("destination", "filter/c.tmp", "C");
  const status = await mesh.compare(request("filter/", { exclude: "*.tmp" }));
  expect(status).toMatchObject({
    phase: "equal",
    keys: { equal: 1, skipped: 1 },
    skippedBy: { excluded: 1 },
  });
  expect(await found(status)).toEqual([["filter/a.jpg", "equal", "etag"]]);
});

test("a destination without order is asked key by key, and what it has more is found", async () => {
  east.put("source", "unordered/a", "A");
  west.put("destination", "unordered/a", "A");
  east.put("source", "unordered/b", "B");
  west.put("destination", "unordered/c", "C");
  const status = await mesh.compare(
    request("unordered/", { destination: "unordered:destination/unordered/" }),
  );
  expect(await found(status)).toEqual([
    ["unordered/a", "equal", "etag"],
    ["unordered/b", "missing", undefined],
    ["unordered/c", "extra", undefined],
  ]);
});

test("what changes after the listing is judged as it is then, and a key that is gone is not equal", async () => {
  east.put("source", "late/a", "BEFORE", { etag: "opaque" });
  west.put("destination", "late/a", "AFTER!");
  east.put("source", "late/b", "GONE", { etag: "opaque" });
  west.put("destination", "late/b", "GONE");
  east.put("source", "late/c", "HERE", { etag: "opaque" });
  west.put("destination", "late/c", "HERE");
  const gate = west.hold({ operation: "HeadObject" }, "before-work");
  const id = await mesh.startComparison(request("late/"));
  await west.waitFor(() => gate.waiting.length > 0);
  east.put("source", "late/a", "AFTER!");
  east.delete("source", "late/b");
  west.delete("destination", "late/c");
  gate.release();
  expect(await found(await mesh.comparisonEnded(id))).toEqual([
    ["late/a", "equal", "etag"],
    ["late/b", "unknown", "source_changed"],
    ["late/c", "missing", undefined],
  ]);
});

test("a source that does not list, or a bucket that is not there, is no key that is missing", async () => {
  east.put("source", "broken/a", "A");
  west.fault({ operation: "ListObjectsV2" }, { kind: "answer", code: "AccessDenied" });
  const denied = await mesh.compare(request("broken/"));
  expect(denied).toMatchObject({ phase: "failed", keys: { equal: 0, missing: 0 } });
  expect(denied.failure?.code).toBe("destination_access_denied");
});

test("stores that are read only are compared, and the reading token sees it and starts and steers none", async () => {
  east.put("source", "read/a", "A");
  west.put("destination", "read/a", "A");
  const headers = { authorization: `Bearer ${READ_TOKEN}` };
  const body = request("read/", { destination: "locked:destination/read/" });
  const status = await mesh.compare(body);
  expect(status.phase).toBe("equal");
  const path = `/comparisons/${status.id}`;
  expect((await mesh.call("GET", `${path}/report`, { headers })).status).toBe(200);
  expect((await mesh.call("POST", `${path}/cancel`, { headers })).status).toBe(403);
  expect((await mesh.call("POST", "/comparisons", { body, headers })).status).toBe(403);
});

test("a comparison is no sync: its id, its list and its destination are its own", async () => {
  east.put("source", "own/a", "A");
  const gate = west.hold({ operation: "PutObject", key: "own/a" }, "before-work");
  const sync = await mesh.startSync(request("own/"));
  await west.waitFor(() => gate.waiting.length === 1);
  const status = await mesh.compare(request("own/"));
  expect(status).toMatchObject({ phase: "different", keys: { missing: 1 } });
  gate.release();
  expect((await mesh.syncEnded(sync)).phase).toBe("completed");
  expect((await mesh.call("GET", `/syncs/${status.id}`)).body).toMatchObject({ code: "sync_not_found" });
  expect((await mesh.call("GET", `/comparisons/${sync}`)).body).toMatchObject({
    code: "comparison_not_found",
  });
});

test("one Idempotency-Key is one comparison", async () => {
  const headers = { "idempotency-key": "one-comparison" };
  const body = request("key/");
  const first = await mesh.call<ComparisonStatus>("POST", "/comparisons", { body, headers });
  const second = await mesh.call<ComparisonStatus>("POST", "/comparisons", { body, headers });
  expect(second.body.id).toBe(first.body.id);
  await mesh.comparisonEnded(first.body.id);
});

test.each([
  [{ source: "east:source/x/", destination: "east:source/x/" }, 400, /same place, east:source\/x\//],
  [request("x/", { delete: true }), 400, /delete/],
  [request("x/", { deep: true, compare: "size" }), 400, /"deep".*"compare": "size"/],
  [request("x/", { compare: "md5" }), 400, /compare/],
  [request("x/", { minSize: 2, maxSize: 1 }), 400, /"minSize" must not be above "maxSize"/],
  [request("x/", { source: "nowhere:b/x/" }), 400, /nowhere/],
])("a request that cannot work is refused: %o", async (body, status, detail) => {
  const answer = await mesh.call<{ detail: string }>("POST", "/comparisons", { body });
  expect([answer.status, answer.body.detail]).toEqual([status, expect.stringMatching(detail)]);
});

test("paused, it asks for nothing more; resumed, it goes on; cancelled, it ends", async () => {
  for (let n = 0; n < 50; n++) {
    east.put("source", `held/${n}`, "X", { etag: `opaque-${n}` });
    west.put("destination", `held/${n}`, "X");
  }
  const gate = west.hold({ operation: "HeadObject" }, "before-work");
  const id = await mesh.startComparison(request("held/", { lanes: 1, concurrency: 1 }));
  await west.waitFor(() => gate.waiting.length === 1);
  const paused = await mesh.call<ComparisonStatus>("POST", `/comparisons/${id}/pause`);
  expect(paused.body).toMatchObject({ phase: "paused", changed: true });
  gate.release();
  await mesh.call("POST", `/comparisons/${id}/resume`);
  expect(await mesh.comparisonEnded(id)).toMatchObject({ phase: "inconclusive", keys: { unknown: 50 } });
  const again = west.hold({ operation: "HeadObject" }, "before-work");
  const other = await mesh.startComparison(request("held/", { lanes: 1, concurrency: 1 }));
  await west.waitFor(() => again.waiting.length === 1);
  await mesh.call("POST", `/comparisons/${other}/cancel`);
  again.release();
  const cancelled = await mesh.comparisonEnded(other);
  const { listed, equal, unknown, skipped, underWay } = cancelled.keys;
  expect([cancelled.phase, equal, underWay, unknown + skipped]).toEqual(["cancelled", 0, 0, listed]);
});

test("deep reads what nothing else decides, and what is listed equal is not read", async () => {
  east.put("source", "deep/same", "SAME", { etag: "one" });
  west.put("destination", "deep/same", "SAME", { etag: "two" });
  east.put("source", "deep/other", "ONE", { etag: "one" });
  west.put("destination", "deep/other", "TWO", { etag: "two" });
  east.put("source", "deep/known", "KNOWN");
  west.put("destination", "deep/known", "KNOWN");
  const status = await mesh.compare(request("deep/", { deep: true }));
  expect(await found(status)).toEqual([
    ["deep/known", "equal", "etag"],
    ["deep/other", "different", "bytes"],
    ["deep/same", "equal", "bytes"],
  ]);
  expect(status).toMatchObject({ phase: "different", deep: true, proofs: { bytes: { keys: 1, bytes: 4 } } });
  for (const store of [east, west]) {
    const reads = store.requests({ operation: "GetObject" }).map(({ key }) => key);
    expect(reads.toSorted()).toEqual(["deep/other", "deep/same"]);
  }
});

test("a larger object is read in ranges, pinned to what its HEAD has shown", async () => {
  const size = 70 * MIB;
  east.putGenerated("source", "wide/a", { size, seed: "wide", etag: "one" });
  west.putGenerated("destination", "wide/a", { size, seed: "wide", etag: "two" });
  expect(await found(await mesh.compare(request("wide/", { deep: true })))).toEqual([
    ["wide/a", "equal", "bytes"],
  ]);
  const reads = east.requests({ operation: "GetObject" }).map(({ headers }) => headers);
  expect(reads.map(({ range }) => range)).toEqual([
    `bytes=0-${64 * MIB - 1}`,
    `bytes=${64 * MIB}-${size - 1}`,
  ]);
  expect(new Set(reads.map((headers) => headers["if-match"]))).toEqual(new Set(['"one"']));
  west.fault(
    { operation: "GetObject", key: "wide/a" },
    { kind: "flip", direction: "out", at: 5 },
    { times: 1 },
  );
  const differs = await mesh.compare(request("wide/", { deep: true }));
  expect(await found(differs)).toEqual([["wide/a", "different", "bytes"]]);
  expect(differs.keys).toMatchObject({ listed: 1, different: 1, underWay: 0 });
});

test("a body that is cut short is read again, and an object that changes meanwhile is unknown", async () => {
  for (const key of ["cut", "changed"]) {
    east.put("source", `liar/${key}`, "BYTES", { etag: `one-${key}` });
    west.put("destination", `liar/${key}`, "BYTES", { etag: `two-${key}` });
  }
  east.fault(
    { operation: "GetObject", key: "liar/cut" },
    { kind: "truncate", missingBytes: 1, how: "cut" },
    { times: 1 },
  );
  const gate = east.hold({ operation: "GetObject", key: "liar/changed" }, "before-work");
  const id = await mesh.startComparison(request("liar/", { deep: true }));
  await east.waitFor(() => gate.waiting.length === 1);
  east.put("source", "liar/changed", "OTHER", { etag: "three" });
  gate.release();
  expect(await found(await mesh.comparisonEnded(id))).toEqual([
    ["liar/changed", "unknown", "source_changed"],
    ["liar/cut", "equal", "bytes"],
  ]);
});

test("a schedule runs a comparison, and its runs tell how it ended", async () => {
  east.put("source", "nightly/a", "A");
  west.put("destination", "nightly/a", "A");
  const body = { cron: "0 3 * * *", comparison: request("nightly/") };
  const put = await mesh.call<{ comparison: unknown; detail: string }>("PUT", "/schedules/check", { body });
  expect([put.status, put.body.detail]).toEqual([201, undefined]);
  const run = await mesh.call<ComparisonStatus>("POST", "/schedules/check/run");
  expect(run.headers.get("location")).toBe(`/comparisons/${run.body.id}`);
  expect((await mesh.comparisonEnded(run.body.id)).phase).toBe("equal");
  const both = { ...body, sync: request("nightly/") };
  const refused = await mesh.call<{ detail: string }>("PUT", "/schedules/both", { body: both });
  expect([refused.status, refused.body.detail]).toEqual([
    400,
    expect.stringContaining('either "copy", "sync" or "comparison"'),
  ]);
  const shown = await mesh.call<{ lastRun: unknown; comparison: unknown }>("GET", "/schedules/check");
  expect(shown.body.lastRun).toMatchObject({ outcome: "started", comparisonId: run.body.id, syncId: null });
  expect((await mesh.call("DELETE", "/schedules/check")).status).toBe(204);
});

const unequal = (prefix: string) => {
  east.put("source", `${prefix}same`, "SAME");
  west.put("destination", `${prefix}same`, "SAME");
  east.put("source", `${prefix}other`, "ONE");
  west.put("destination", `${prefix}other`, "TWO");
  east.put("source", `${prefix}odd`, "ODD", { etag: "opaque-1" });
  west.put("destination", `${prefix}odd`, "ODD", { etag: "opaque-2" });
  east.put("source", `${prefix}gone`, "GONE");
  west.put("destination", `${prefix}more`, "MORE");
};

type Refusal = Readonly<Record<"code" | "detail", string>>;

test("a repair copies exactly the keys that were not equal, and the same call again is the same sync", async () => {
  unequal("repair/");
  const status = await mesh.compare(request("repair/"));
  const path = `/comparisons/${status.id}/repair`;
  // What is not equal only now is not this repair's.
  east.put("source", "repair/later", "LATER");
  const first = await mesh.call<SyncStatus>("POST", path, { headers: { "idempotency-key": "repair-1" } });
  expect([first.status, first.headers.get("location")]).toEqual([202, `/syncs/${first.body.id}`]);
  const sync = await mesh.syncEnded(first.body.id);
  expect(sync, JSON.stringify(sync)).toMatchObject({
    phase: "completed",
    repairs: status.id,
    objects: { listed: 3, copied: 3 },
    deletes: { extra: 1, deleted: 0 },
  });
  const lines = await mesh.report(sync.id);
  expect(lines.map(({ key, action }) => [key, action]).toSorted()).toEqual([
    ["repair/gone", "copied"],
    ["repair/odd", "copied"],
    ["repair/other", "copied"],
  ]);
  const again = await mesh.call<SyncStatus>("POST", path);
  expect([again.body.id, again.headers.get("idempotency-replayed")]).toEqual([sync.id, "true"]);
  const other = await mesh.call<Refusal>("POST", path, { body: { delete: true } });
  expect([other.status, other.body.code]).toEqual([409, "repair_exists"]);
  expect((await mesh.comparisonEnded(status.id)).repairSyncId).toBe(sync.id);
  const after = await mesh.compare(request("repair/", { exclude: "later" }));
  expect(await found(after)).toEqual([
    ["repair/gone", "equal", "etag"],
    ["repair/more", "extra", undefined],
    ["repair/odd", "equal", "record"],
    ["repair/other", "equal", "etag"],
    ["repair/same", "equal", "etag"],
  ]);
});

test("a repair that may delete deletes what only the destination had, and nothing that came back", async () => {
  unequal("purge/");
  west.put("destination", "purge/back", "BACK");
  const status = await mesh.compare(request("purge/"));
  east.put("source", "purge/back", "BACK");
  const body = { delete: true, maxDeletes: 5 };
  const { body: begun } = await mesh.call<SyncStatus>("POST", `/comparisons/${status.id}/repair`, { body });
  const sync = await mesh.syncEnded(begun.id);
  expect(sync.deletes, JSON.stringify(sync)).toMatchObject({ extra: 2, deleted: 1, failed: 1 });
  const keys = west.objects("destination").map(({ key }) => key);
  expect(keys.filter((key) => key.startsWith("purge/"))).toEqual(
    ["back", "gone", "odd", "other", "same"].map((name) => `purge/${name}`),
  );
});

test("what cannot be repaired is refused, and says why", async () => {
  east.put("source", "well/a", "A");
  west.put("destination", "well/a", "A");
  const repair = async (id: string, body?: unknown, headers?: Record<string, string>) => {
    const answer = await mesh.call<Refusal>("POST", `/comparisons/${id}/repair`, {
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    });
    return [answer.status, answer.body.code, answer.body.detail];
  };
  const well = await mesh.compare(request("well/"));
  expect(await repair(well.id)).toEqual([
    409,
    "nothing_to_repair",
    expect.stringMatching(/every key is equal/),
  ]);
  west.put("destination", "well/b", "B");
  const more = await mesh.compare(request("well/"));
  expect(await repair(more.id)).toEqual([
    409,
    "nothing_to_repair",
    expect.stringMatching(/"delete": true deletes the 1 that only the destination has/),
  ]);
  expect(await repair(more.id, { include: "a" })).toEqual([
    400,
    "invalid_request",
    expect.stringMatching(/include/),
  ]);
  const headers = { authorization: `Bearer ${READ_TOKEN}` };
  expect((await repair(more.id, {}, headers))[0]).toBe(403);
  const locked = await mesh.compare(request("well/", { destination: "locked:destination/well/" }));
  expect(await repair(locked.id, { delete: true })).toEqual([
    403,
    "store_read_only",
    expect.stringMatching(/"locked": it is set readOnly/),
  ]);
});

const PAGE = readFileSync(join(import.meta.dirname, "../../../src/docs/compare.md"), "utf8");

test("the page's transcript is what a comparison says", async () => {
  east.put("source", "page/2026/a.jpg", "a view");
  west.put("destination", "page/2026/a.jpg", "a view");
  east.put("source", "page/2026/b.jpg", "retouched");
  west.put("destination", "page/2026/b.jpg", "as before");
  east.put("source", "page/2026/c.jpg", "forgotten");
  west.put("destination", "page/2026/d.jpg", "deleted at the source");
  const { id } = await mesh.compare(request("page/"));
  const { text: report } = await mesh.call("GET", `/comparisons/${id}/report`);
  const { text: progress } = await mesh.call("GET", `/comparisons/${id}/progress?plain`);
  const said = `${report}${progress.split("\n").slice(-3).join("\n")}`
    .replaceAll("page/", "")
    .replaceAll(id, "$id")
    .replaceAll(/"\d{4}-[^"]+Z"/g, '"2026-11-28T09:30:00.000Z"')
    .replaceAll(/ in [\d.]+ s/g, " in 0.4 s");
  const shown = /```text\n([^]*?)```/.exec(PAGE)?.[1] ?? "";
  expect(shown.replaceAll(/^\$ .*\n/gm, "")).toBe(said);
});

/** The page's own script, run by the page's own command. */
function verifier(directory: string): (files: Record<string, string>, publicKey: string) => string {
  const script = /```js\n([^]*?)```/.exec(PAGE)?.[1] ?? "";
  expect(script.trim().split("\n").length).toBeLessThanOrEqual(14);
  writeFileSync(join(directory, "verify.mjs"), script);
  return (files, publicKey) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const command = ["verify.mjs", "digest.json", "report.ndjson", publicKey];
    return execFileSync(process.execPath, command, { cwd: directory, encoding: "utf8", stdio: "pipe" });
  };
}

test("the documented script verifies the signed digest of a report, and nothing else", async ({
  onTestFinished,
}) => {
  const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-digest-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const run = verifier(directory);
  for (const prefix of ["digest-1/", "digest-2/"]) unequal(prefix);
  const [one, two] = [await mesh.compare(request("digest-1/")), await mesh.compare(request("digest-2/"))];
  const answer = await mesh.call<{ statement: string; lines: number; publicKey: string }>(
    "GET",
    `/comparisons/${one.id}/digest`,
  );
  const { text: report } = await mesh.call("GET", `/comparisons/${one.id}/report`);
  const { x = "" } = SIGNING.publicKey.export({ format: "jwk" });
  expect([answer.body.lines, answer.body.publicKey]).toEqual([5, x]);
  expect(JSON.parse(answer.body.statement)).toMatchObject({
    comparison: one.id,
    phase: "different",
    keys: { equal: 1, different: 1, unknown: 1, missing: 1, extra: 1 },
  });
  const right = { "digest.json": answer.text, "report.ndjson": report };
  expect(run(right, x).trim()).toBe(answer.body.statement);
  const forged = answer.text.replace("different", "equal");
  const other = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }).x ?? "";
  const { text: foreign } = await mesh.call("GET", `/comparisons/${two.id}/report`);
  const flipped = report.replace('"outcome":"different"', '"outcome":"equal"');
  const shorter = report.split("\n").slice(1).join("\n");
  expect(() => run({ ...right, "digest.json": forged }, x)).toThrow("not signed by this key");
  expect(() => run(right, other)).toThrow("not signed by this key");
  for (const wrong of [foreign, flipped, shorter, ""])
    expect(() => run({ ...right, "report.ndjson": wrong }, x)).toThrow("another report");
});

test("a comparison that goes on has no digest yet", async () => {
  east.put("source", "soon/a", "A", { etag: "opaque" });
  west.put("destination", "soon/a", "A");
  const gate = west.hold({ operation: "HeadObject" }, "before-work");
  const id = await mesh.startComparison(request("soon/"));
  await west.waitFor(() => gate.waiting.length === 1);
  const early = await mesh.call<Refusal>("GET", `/comparisons/${id}/digest`);
  expect([early.status, early.body.code]).toEqual([409, "work_running"]);
  gate.release();
  await mesh.comparisonEnded(id);
});
