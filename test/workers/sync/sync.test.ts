import type { SyncStatus } from "../../../src/view/answers.ts";
import { expect, test } from "vitest";
import { type Answer, READ_TOKEN, storeSecret } from "../../mesh/mesh.ts";
import { MIB, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } }, (stores) => ({
  bindings: {
    // The same services under other names, and one that says that it lists in no order.
    STORE_ALIAS: storeSecret(stores.east, {
      endpoint: stores.east.endpoint.replace("127.0.0.1", "localhost"),
    }),
    STORE_LOCKED: storeSecret(stores.west, { readOnly: true }),
    STORE_UNORDERED: storeSecret(stores.west, { provider: "storj", style: "path" }),
  },
}));

const request = (prefix: string, more: Record<string, unknown> = {}) => ({
  source: `east:source/${prefix}`,
  destination: `west:destination/${prefix}`,
  ...more,
});

test("a prefix is copied: keys, bytes and attributes, each with a line in the report", async () => {
  east.put("source", "first/a", "A", { contentType: "text/plain", metadata: { author: "somebody" } });
  east.put("source", "first/b/", "");
  east.put("source", "first/b/c", "C");
  const status = await mesh.sync(request("first/"));
  expect(status, JSON.stringify(status, null, 1)).toMatchObject({
    phase: "completed",
    objects: { listed: 3, copied: 3, underWay: 0 },
  });
  expect(
    west
      .objects("destination")
      .map(({ key }) => key)
      .filter((key) => key.startsWith("first/")),
  ).toEqual(["first/a", "first/b/", "first/b/c"]);
  expect(west.bytes("destination", "first/b/c").toString()).toBe("C");
  expect(west.get("destination", "first/a")?.attributes).toMatchObject({
    contentType: "text/plain",
    metadata: { author: "somebody" },
  });
  const lines = await mesh.report(status.id);
  expect(lines.map(({ key, action, proof }) => [key, action, proof]).toSorted()).toEqual([
    ["first/a", "copied", "etag"],
    ["first/b/", "copied", "etag"],
    ["first/b/c", "copied", "etag"],
  ]);
  const again: SyncStatus = await mesh.sync(request("first/"));
  expect(again).toMatchObject({ phase: "completed", objects: { listed: 3, copied: 0, skipped: 3 } });
});

test("an object of more than 64 MiB goes whole if it was uploaded so, and in parts where that is refused", async () => {
  const size = 65 * MIB;
  for (const key of ["whole", "refused"])
    east.putGenerated("source", `large/${key}`, { size, computeEtag: true });
  west.swallow({ key: /^large\// });
  west.fault(
    { operation: "PutObject", key: "large/refused" },
    { kind: "answer", status: 413, code: "EntityTooLarge" },
  );
  const status = await mesh.sync(request("large/"));
  expect(status, JSON.stringify(status, null, 1)).toMatchObject({
    phase: "completed",
    objects: { copied: 2, failed: 0 },
  });
  const lines = await mesh.report(status.id);
  expect(lines.map(({ key, proof }) => [key, proof]).toSorted()).toEqual([
    ["large/refused", "part-md5"],
    ["large/whole", "etag"],
  ]);
  const sent = (key: string) => west.requests({ key }).map(({ operation }) => operation);
  expect(sent("large/whole")).toEqual(["PutObject"]);
  expect(sent("large/refused").filter((operation) => operation === "UploadPart")).toHaveLength(2);
});

interface Page {
  readonly syncs: readonly { readonly id: string; readonly phase: string; readonly source: string }[];
  readonly next: string | null;
}

const post = async (
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<SyncStatus & { code: string; detail: string }>> =>
  await mesh.call("POST", "/syncs", { body, headers });

test("POST /syncs answers 202 with the status and its Location, and takes a form as curl -d sends it", async () => {
  east.put("source", "form/a", "A");
  const answer = await post(
    "source=east:source/form/&destination=west:destination/form/&compare=size&delete=true&maxDeletes=5%25",
    {
      "content-type": "application/x-www-form-urlencoded",
    },
  );
  expect(answer.status).toBe(202);
  expect(answer.headers.get("location")).toBe(`/syncs/${answer.body.id}`);
  expect(answer.body).toMatchObject({ options: { compare: "size", delete: true, maxDeletes: "5%" } });
  expect(await mesh.syncEnded(answer.body.id)).toMatchObject({ phase: "completed", objects: { copied: 1 } });
});

test("one Idempotency-Key is one sync; with another body it is refused", async () => {
  east.put("source", "key/a", "A");
  const headers = { "idempotency-key": "once" };
  const first = await post(request("key/"), headers);
  const second = await post(request("key/"), headers);
  expect(second.body.id).toBe(first.body.id);
  expect(second.headers.get("idempotency-replayed")).toBe("true");
  expect((await post(request("other/"), headers)).body.code).toBe("idempotency_key_reused");
  // The keys of copies are others.
  const copy = { source: "east:source/key/a", destination: "west:destination/key-copy" };
  expect((await mesh.call("POST", "/copies", { body: copy, headers })).status).toBe(202);
  await mesh.syncEnded(first.body.id);
});

test("GET /syncs lists them newest first, a page at a time and by phase", async () => {
  east.put("source", "list/a", "A");
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.unshift((await mesh.sync(request("list/"))).id);
  const first = await mesh.call<Page>("GET", "/syncs?limit=2");
  expect(first.body.syncs.map(({ id }) => id)).toEqual(ids.slice(0, 2));
  const second = await mesh.call<Page>("GET", `/syncs?limit=1&cursor=${first.body.next}`);
  expect(second.body.syncs).toMatchObject([{ id: ids[2], phase: "completed", source: "east:source/list/" }]);
  expect((await mesh.call<Page>("GET", "/syncs?phase=failed")).body.syncs).toEqual([]);
  expect((await mesh.call<{ detail: string }>("GET", "/syncs?phase=done")).body.detail).toContain(
    "finished_with_errors",
  );
});

test("the reading token may read a sync and its report, and start or stop none", async () => {
  east.put("source", "read/a", "A");
  const { id } = await mesh.sync(request("read/"));
  const headers = { authorization: `Bearer ${READ_TOKEN}` };
  expect((await mesh.call("GET", `/syncs/${id}`, { headers })).status).toBe(200);
  const report = await mesh.call("GET", `/syncs/${id}/report`, { headers });
  expect(report.headers.get("content-type")).toBe("application/x-ndjson");
  expect(report.text).toContain('"read/a"');
  expect((await post(request("read/"), headers)).status).toBe(403);
  expect((await mesh.call("POST", `/syncs/${id}/cancel`, { headers })).status).toBe(403);
});

test.for(["01m88fs81nj1rapafydeta78zg", "nothing", "..%2f"])("there is no sync %s", async (id) => {
  const answer = await mesh.call<{ code: string }>("GET", `/syncs/${id}`);
  expect([answer.status, answer.body.code]).toEqual([404, "sync_not_found"]);
});

test.for([
  ["east:source/a/", "east:source/a/", "the same prefix"],
  ["east:source/a/", "east:source/a/b/", "lies under the source prefix"],
  ["east:source/a", "alias:source/ab", "lies under the source prefix"],
  ["east:source", "alias:source/a", "lies under the source prefix"],
] as const)(
  "a sync from %s to %s, which is one bucket, is refused",
  async ([source, destination, reason]) => {
    const answer = await post({ source, destination });
    expect([answer.status, answer.body.code]).toEqual([400, "overlapping_prefixes"]);
    expect(answer.body.detail).toContain(reason);
  },
);

test("a sync out of its own destination prefix is refused only if it deletes", async () => {
  east.put("source", "up/down/a", "A");
  const up = { source: "east:source/up/down/", destination: "alias:source/up/" };
  expect((await post({ ...up, delete: true })).body.code).toBe("overlapping_prefixes");
  expect(await mesh.sync(up)).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(east.bytes("source", "up/a").toString()).toBe("A");
});

test("a second sync to an overlapping destination prefix is refused while the first runs, and names it", async () => {
  east.put("source", "rival/a", "A");
  const gate = west.hold({ operation: "PutObject", key: "rival/a" }, "before-body");
  const first = await mesh.startSync(request("rival/"));
  await west.waitFor(() => gate.waiting.length === 1);
  for (const prefix of ["rival/", "rival/deeper", "riv", ""]) {
    const answer = await post({ source: "east:source/rival/", destination: `west:destination/${prefix}` });
    expect([answer.status, answer.body.code]).toEqual([409, "destination_in_use"]);
    expect(answer.body.detail).toContain(first);
  }
  // Another prefix is free, and a dry run disturbs nobody.
  expect(await mesh.sync({ ...request("rival/"), destination: "west:destination/rivals/" })).toMatchObject({
    phase: "completed",
  });
  expect(await mesh.sync(request("rival/", { dryRun: true }))).toMatchObject({ phase: "completed" });
  gate.release();
  expect(await mesh.syncEnded(first)).toMatchObject({ phase: "completed" });
  expect((await mesh.sync(request("rival/"))).phase).toBe("completed");
});

test.for([
  [{ source: "east:source/a", destination: "locked:destination/a" }, 403, "store_read_only"],
  [{ source: "nowhere:source/a", destination: "west:destination/a" }, 400, "unknown_store"],
  [{ source: "east", destination: "west:destination/a" }, 400, "invalid_request"],
  [
    { source: "east:source/a", destination: "west:destination/a", maxDeletes: "many" },
    400,
    "invalid_request",
  ],
  [
    { source: "east:source/a", destination: "west:destination/a", maxDeletes: "101%" },
    400,
    "invalid_request",
  ],
  [{ source: "east:source/a", destination: "west:destination/a", include: "a[" }, 400, "invalid_request"],
  [{ source: "east:source/a", destination: "west:destination/a", compare: "date" }, 400, "invalid_request"],
  [
    { source: "east:source/a", destination: "west:destination/a", minSize: "2MiB", maxSize: "1MiB" },
    400,
    "invalid_request",
  ],
  [{ source: "east:source/a", destination: "west:destination/a", partSize: "5MiB" }, 400, "invalid_request"],
] as const)("%o is refused with %i %s", async ([body, status, code]) => {
  const answer = await post(body);
  expect([answer.status, answer.body.code]).toEqual([status, code]);
});

test("include, exclude, sizes and classes choose the keys, and every key that is left out has its reason", async () => {
  east.put("source", "filter/a.jpg", "1234567890");
  east.put("source", "filter/b.txt", "1234567890");
  east.put("source", "filter/tmp/c.jpg", "1234567890");
  east.put("source", "filter/small.jpg", "1");
  east.put("source", "filter/cold.jpg", "1234567890", { storageClass: "STANDARD_IA" });
  const options = { include: ["**.jpg"], exclude: "tmp/**", minSize: 5, storageClasses: ["STANDARD"] };
  const status = await mesh.sync(request("filter/", options));
  expect(status).toMatchObject({
    phase: "completed",
    objects: { listed: 5, copied: 1, skipped: 4 },
    skippedBy: { not_included: 1, excluded: 1, too_small: 1, storage_class: 1 },
  });
  expect(west.objects("destination").filter(({ key }) => key.startsWith("filter/"))).toHaveLength(1);
  // The report may be read where the keys that were kept back must not be.
  expect((await mesh.report(status.id)).map(({ key }) => key)).toEqual(["filter/a.jpg"]);
  const told = await mesh.sync(request("filter/", { ...options, reportFiltered: true }));
  expect((await mesh.report(told.id)).map(({ key, reason }) => [key, reason]).toSorted()).toEqual([
    ["filter/a.jpg", "equal"],
    ["filter/b.txt", "not_included"],
    ["filter/cold.jpg", "storage_class"],
    ["filter/small.jpg", "too_small"],
    ["filter/tmp/c.jpg", "excluded"],
  ]);
});

test("a report goes into the bucket that the request names", async () => {
  east.put("source", "reported/a", "A");
  const status = await mesh.sync(request("reported/", { report: "east:source/reports" }));
  expect(status.report.storedAt).toBe(`east:source/reports/.bucket-brigade/syncs/${status.id}/`);
  expect(status.options["report"]).toEqual({ store: "east", bucket: "source", prefix: "reports/" });
  const stored = east.bytes("source", `reports/.bucket-brigade/syncs/${status.id}/report-000001.ndjson`);
  expect(JSON.parse(stored.toString())).toMatchObject({
    key: "reported/a",
    action: "copied",
    size: 1,
    attempts: 1,
  });
  expect(await mesh.report(status.id)).toHaveLength(1);
  // Whatever its place gives back instead of it is not passed on.
  east.fault({ operation: "GetObject", key: /report-000001/ }, { kind: "flip", direction: "out", at: 0 });
  await expect(mesh.report(status.id)).rejects.toThrow("terminated");
});

test("a destination without order is asked key by key, and what it has more is found and deleted", async () => {
  for (let n = 0; n < 30; n++) east.put("source", `chaos/${n}`, `object ${n}`);
  for (let n = 0; n < 10; n++) west.put("destination", `chaos/${n}`, `object ${n}`);
  west.put("destination", "chaos/extra", "x");
  const options = { destination: "unordered:destination/chaos/", delete: true };
  const status = await mesh.sync(request("chaos/", options));
  expect(status, JSON.stringify(status)).toMatchObject({
    phase: "completed",
    objects: { listed: 30, copied: 20, skipped: 10 },
    deletes: { extra: 1, deleted: 1 },
  });
  expect(await mesh.sync(request("chaos/", options))).toMatchObject({
    phase: "completed",
    objects: { listed: 30, copied: 0, skipped: 30 },
    deletes: { extra: 0 },
  });
});

test.for(["size", "size+mtime", "etag", "checksum", "auto"] as const)(
  "compared by %s, a second run copies nothing, and a new size is always copied",
  async (compare) => {
    const prefix = `compare-${compare}/`;
    for (const name of ["a", "b", "c"]) east.put("source", prefix + name, `object ${name}`);
    await mesh.sync(request(prefix, { compare }));
    expect(await mesh.sync(request(prefix, { compare }))).toMatchObject({
      objects: { copied: 0, skipped: 3 },
    });
    east.put("source", `${prefix}b`, "another size");
    expect(await mesh.sync(request(prefix, { compare }))).toMatchObject({
      objects: { copied: 1, skipped: 2 },
    });
    expect(west.bytes("destination", `${prefix}b`).toString()).toBe("another size");
  },
);
