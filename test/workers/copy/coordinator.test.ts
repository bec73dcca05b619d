import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import type { Status } from "../../mesh/mesh.ts";
import type { TestStore } from "../../store/store.ts";
import { MIB, PART, openWorld } from "../world.ts";

const clock = Clock.fast();
const {
  mesh,
  stores: { east, west, r2, bare },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"] },
    r2: {
      buckets: ["destination"],
      equalParts: true,
      uploadIds: "symbols",
      canonicalQuery: "raw",
      etagCase: "upper",
    },
    bare: { buckets: ["destination"], without: ["listParts"], etagQuotes: "unquoted", completeEtag: "empty" },
  },
  undefined,
  clock,
);

const request = (key: string, store = "west") => ({
  source: `east:source/${key}`,
  destination: `${store}:destination/${key}`,
  partSize: PART,
});

const events = (status: Status) => status.timeline.map(({ event }) => event);

function expectEqualBytes(store: TestStore, key: string): void {
  expect(store.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
}

const ATTRIBUTES = {
  contentType: "text/csv; charset=utf-8",
  headers: {
    "cache-control": "max-age=60",
    "content-disposition": 'attachment; filename="a b.csv"',
    "content-language": "de-CH",
    expires: "Wed, 21 Oct 2026 07:28:00 GMT",
  },
  metadata: { owner: "=?UTF-8?Q?gr=C3=BC=C3=9Fe?=", "two-words": "a, b; c=d" },
};

const sizes: [string, number][] = [
  ["0 bytes", 0],
  ["1 byte", 1],
  ["a part less one byte", PART - 1],
  ["a part", PART],
  ["a part and one byte", PART + 1],
  ["two parts", 2 * PART],
  ["three parts", 3 * PART],
  ["three parts and one byte", 3 * PART + 1],
];

test.for(sizes)("an object of %s arrives whole, with its attributes", async ([name, size]) => {
  east.putGenerated("source", name, { size, seed: name, ...ATTRIBUTES, computeEtag: true });
  const status = await mesh.copy(request(name));
  expect(status).toMatchObject({
    phase: "completed",
    size,
    bytes: { done: size, total: size },
    warnings: [],
  });
  const partCount = Math.max(1, Math.ceil(size / PART));
  expect(status.parts).toEqual({ total: partCount, done: partCount, inFlight: 0, failedAttempts: 0 });
  expectEqualBytes(west, name);
  const object = west.get("destination", name);
  expect(object?.attributes.contentType).toBe(ATTRIBUTES.contentType);
  expect(object?.attributes.headers).toEqual(ATTRIBUTES.headers);
  expect(object?.attributes.metadata).toMatchObject(ATTRIBUTES.metadata);
  expect(object?.parts.map(({ size: partSize }) => partSize)).toEqual(
    partCount === 1 ? [] : Array.from({ length: partCount }, (_, i) => Math.min(PART, size - i * PART)),
  );
  expect(status.etag).toBe(`"${object?.etag}"`);
});

test("an object that fits one part is one PutObject, and an empty one is not read", async () => {
  east.put("source", "empty", "");
  east.put("source", "small", "small");
  await mesh.copy(request("empty"));
  await mesh.copy(request("small"));
  expect(west.requests().map(({ operation, key }) => `${operation} ${key}`)).toEqual([
    "PutObject empty",
    "HeadObject empty",
    "PutObject small",
    "HeadObject small",
  ]);
  expect(
    east.requests({ operation: "GetObject" }).map(({ key, headers }) => [key, headers["range"]]),
  ).toEqual([["small", undefined]]);
});

test("a multipart copy makes each request once and in order", async () => {
  east.putGenerated("source", "order", { size: 2 * PART + 1 });
  await mesh.copy(request("order"));
  const asked = west.requests().map(({ operation, partNumber }) => [operation, partNumber ?? null]);
  expect(asked.slice(0, 1)).toEqual([["CreateMultipartUpload", null]]);
  expect(asked.slice(1, 4).toSorted()).toEqual([
    ["UploadPart", 1],
    ["UploadPart", 2],
    ["UploadPart", 3],
  ]);
  expect(asked.slice(4)).toEqual([
    ["ListParts", null],
    ["CompleteMultipartUpload", null],
    ["HeadObject", null],
  ]);
});

test("a store that wants equal parts and issues upload ids full of symbols gets what it wants", async () => {
  east.putGenerated("source", "country_iso=ETH/a@b!'(c)*.pmtiles", { size: 3 * PART + 7 });
  const status = await mesh.copy(request("country_iso=ETH/a@b!'(c)*.pmtiles", "r2"));
  expect(status.phase).toBe("completed");
  expectEqualBytes(r2, "country_iso=ETH/a@b!'(c)*.pmtiles");
});

test("a store without ListParts, with bare ETags and an empty ETag at Complete is copied to all the same", async () => {
  east.putGenerated("source", "bare", { size: 2 * PART + 1 });
  const status = await mesh.copy(request("bare", "bare"));
  expect(status).toMatchObject({ phase: "completed", etag: bare.get("destination", "bare")?.etag });
  expectEqualBytes(bare, "bare");
  expect(bare.count("CompleteMultipartUpload")).toBe(1);
});

test("without partSize parts are 64 MiB", async () => {
  const removal = west.swallow({ key: "default", verifyAgainst: { seed: "seed", size: 64 * MIB + 1 } });
  east.putGenerated("source", "default", { size: 64 * MIB + 1 });
  const status = await mesh.copy({ ...request("default"), partSize: undefined });
  expect(status).toMatchObject({ phase: "completed", partSize: 64 * MIB, parts: { total: 2, done: 2 } });
  expect(west.mismatches).toEqual([]);
  removal.remove();
});

test("a part that the store has lost by the end is sent again", async () => {
  east.putGenerated("source", "lost", { size: 2 * PART + 1 });
  west.fault({ operation: "ListParts" }, { kind: "omit-part", partNumber: 2 }, { times: 1 });
  const status = await mesh.copy(request("lost"));
  expect(status.phase).toBe("completed");
  expect(events(status)).toContain("parts_missing");
  expect(
    west
      .requests({ operation: "UploadPart" })
      .map(({ partNumber }) => partNumber)
      .toSorted(),
  ).toEqual([1, 2, 2, 3]);
  expectEqualBytes(west, "lost");
});

test("a source that is replaced in mid-copy fails the copy and leaves no upload", async () => {
  east.putGenerated("source", "moving", { size: 5 * PART, seed: "before" });
  const replace = () => void east.putGenerated("source", "moving", { size: 5 * PART, seed: "after" });
  east.fault(
    { operation: "GetObject" },
    { kind: "run", stage: "before-body", action: replace },
    { after: 2, times: 1 },
  );
  const status = await mesh.copy({ ...request("moving"), concurrency: 1 });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "source_changed" } });
  expect(west.count("AbortMultipartUpload")).toBe(1);
  expect(west.objects("destination").some(({ key }) => key === "moving")).toBe(false);
});

test("a source that is replaced is noticed though its store ignores If-Match", async () => {
  east.putGenerated("source", "deaf", { size: 3 * PART, seed: "before" });
  east.fault({ operation: "GetObject" }, { kind: "ignore-conditions" });
  const replace = () => void east.putGenerated("source", "deaf", { size: 3 * PART, seed: "after" });
  east.fault(
    { operation: "GetObject" },
    { kind: "run", stage: "before-body", action: replace },
    { after: 1, times: 1 },
  );
  const status = await mesh.copy({ ...request("deaf"), concurrency: 1 });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "source_changed" } });
});

test("a small source that is replaced between HEAD and GET fails the copy", async () => {
  east.put("source", "quick", "before");
  const gate = east.hold({ operation: "GetObject", key: "quick" });
  const id = await mesh.startCopy(request("quick"));
  await east.waitFor(() => gate.waiting.length === 1);
  east.put("source", "quick", "after!");
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({ phase: "failed", failure: { code: "source_changed" } });
  expect(west.get("destination", "quick")).toBeUndefined();
});

test("a part that is refused for good aborts the upload", async () => {
  east.putGenerated("source", "fatal", { size: 3 * PART });
  const entityTooLarge = { kind: "answer", code: "EntityTooLarge" } as const;
  west.fault({ operation: "UploadPart", partNumber: 2 }, entityTooLarge);
  const status = await mesh.copy(request("fatal"));
  expect(status).toMatchObject({
    phase: "failed",
    failure: { code: "destination_error", storeCode: "EntityTooLarge", operation: "UploadPart", status: 400 },
  });
  expect(west.requests({ operation: "UploadPart", partNumber: 2 })).toHaveLength(1);
  expect(west.count("AbortMultipartUpload")).toBe(1);
});

test("an upload is aborted even when the store is away just then", async () => {
  east.putGenerated("source", "outage", { size: 2 * PART });
  west.fault({ operation: "UploadPart", partNumber: 2 }, { kind: "answer", code: "EntityTooLarge" });
  const away = west.fault(
    { operation: "AbortMultipartUpload" },
    { kind: "drop", stage: "before-body" },
    { times: 2 },
  );
  const status = await mesh.copy(request("outage"));
  expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "EntityTooLarge" } });
  expect(away.hits).toBe(2);
  expect(west.count("AbortMultipartUpload")).toBe(3);
});

test("bursts of SlowDown are waited out, for at least as long as Retry-After says", async () => {
  east.putGenerated("source", "slow", { size: 4 * PART });
  const slowDown = { kind: "answer", code: "SlowDown", headers: { "retry-after": "5" } } as const;
  const rule = west.fault({ operation: "UploadPart" }, slowDown, { times: 4 });
  const status = await mesh.copy(request("slow"));
  expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 4 } });
  expect(rule.hits).toBe(4);
  const byPart = Map.groupBy(west.requests({ operation: "UploadPart" }), ({ partNumber }) => partNumber);
  for (const [first, second] of byPart.values()) {
    if (second === undefined) continue;
    expect((second.startedAt - (first?.endedAt ?? 0)) * clock.rate).toBeGreaterThan(4_900);
  }
  expectEqualBytes(west, "slow");
});

test("503 and 429 on every operation, with error pages of any kind, only delay a copy", async () => {
  east.putGenerated("source", "pages", { size: 2 * PART + 1 });
  const html = {
    kind: "answer",
    status: 429,
    contentType: "text/html",
    body: "<html><p>429</html>",
  } as const;
  const empty = { kind: "answer", status: 503, body: "" } as const;
  const large = {
    kind: "answer",
    status: 500,
    contentType: "text/plain",
    body: "x".repeat(1_000_000),
  } as const;
  const rules = [
    east.fault({ operation: "HeadObject" }, html, { times: 1 }),
    east.fault({ operation: "GetObject" }, html, { after: 1, times: 1 }),
    east.fault({ operation: "GetObject" }, large, { times: 1 }),
    west.fault({ operation: "CreateMultipartUpload" }, empty, { times: 1 }),
    west.fault({ operation: "UploadPart", partNumber: 1 }, large, { times: 1 }),
    west.fault({ operation: "UploadPart", partNumber: 3 }, empty, { times: 1 }),
    west.fault({ operation: "ListParts" }, html, { times: 1 }),
    west.fault({ operation: "CompleteMultipartUpload" }, html, { times: 1 }),
    west.fault({ operation: "HeadObject" }, empty, { times: 1 }),
  ];
  const status = await mesh.copy(request("pages"));
  expect(status.phase).toBe("completed");
  expect(rules.map(({ hits }) => hits)).toEqual(rules.map(() => 1));
  expectEqualBytes(west, "pages");
});

test("connections that are cut anywhere only delay a copy", async () => {
  east.putGenerated("source", "cuts", { size: 3 * PART });
  for (const [store, operation] of [
    [east, "HeadObject"],
    [east, "GetObject"],
    [west, "UploadPart"],
    [west, "ListParts"],
    [west, "HeadObject"],
  ] as const) {
    store.fault({ operation }, { kind: "drop", stage: "before-answer" }, { times: 1 });
  }
  east.fault({ operation: "GetObject" }, { kind: "truncate", missingBytes: 1000, how: "cut" }, { times: 1 });
  const status = await mesh.copy(request("cuts"));
  expect(status.phase).toBe("completed");
  expectEqualBytes(west, "cuts");
});

test("an expired token blocks the copy, and new credentials finish it with the parts it has", async () => {
  east.putGenerated("source", "token", { size: 8 * PART });
  const rule = west.fault(
    { operation: "UploadPart" },
    { kind: "answer", code: "ExpiredToken" },
    { after: 3 },
  );
  const id = await mesh.startCopy({ ...request("token"), concurrency: 1 });
  const blocked = await mesh.until(id, ({ phase }) => phase === "blocked");
  expect(blocked).toMatchObject({
    parts: { done: 3 },
    failure: { code: "destination_credentials_refused", storeCode: "ExpiredToken" },
  });
  rule.remove();
  await mesh.call("POST", `/copies/${id}/resume`);
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
  const sent = west.requests({ operation: "UploadPart", status: 200 }).map(({ partNumber }) => partNumber);
  expect(sent.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expectEqualBytes(west, "token");
});

test("a blocked copy is shown as blocked in the list", async () => {
  east.putGenerated("source", "listed", { size: 2 * PART });
  west.fault({ operation: "UploadPart" }, { kind: "answer", code: "ExpiredToken" });
  const id = await mesh.startCopy({ ...request("listed"), concurrency: 1 });
  await mesh.until(id, ({ phase }) => phase === "blocked");
  const listed = async () =>
    (await mesh.call<{ copies: { id: string }[] }>("GET", "/copies?phase=blocked")).body.copies.map(
      (copy) => copy.id,
    );
  await expect.poll(listed).toContain(id);
  await mesh.call("POST", `/copies/${id}/cancel`);
  expect(await mesh.ended(id)).toMatchObject({ phase: "cancelled" });
});

test("a status is served while both stores are down, and the copy goes on when they are back", async () => {
  east.putGenerated("source", "down", { size: 3 * PART });
  const gate = east.hold({ operation: "GetObject" });
  const id = await mesh.startCopy(request("down"));
  await east.waitFor(() => gate.waiting.length === 3);
  await Promise.all([east.outage(), west.outage()]);
  gate.release();
  const status = await mesh.until(id, ({ parts }) => parts.failedAttempts >= 3);
  expect(status).toMatchObject({ phase: "uploading", size: 3 * PART, parts: { done: 0, total: 3 } });
  expect((await mesh.call("GET", `/copies/${id}/parts`)).status).toBe(200);
  await Promise.all([east.recover(), west.recover()]);
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
  expectEqualBytes(west, "down");
});
