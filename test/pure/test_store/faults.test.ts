// Faults, gates, outages, rates and the journal over real HTTP.
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { namedFaults } from "../../store/named_faults.ts";
import { Pacer } from "../../store/pacing.ts";
import { startStore, type TestStore } from "../../store/store.ts";
import {
  call,
  complete,
  createUpload,
  partQuery,
  putPart,
  send,
  signedHeaders,
  tagText,
  tagTexts,
} from "./client.ts";

let store: TestStore;

beforeEach(async () => {
  store = await startStore({ buckets: ["bucket"], minPartBytes: 1 });
  store.put("bucket", "k", "0123456789");
});

afterEach(async () => {
  expect(store.failures).toEqual([]);
  await store.stop();
});

const get = async (headers: Record<string, string> = {}) => call(store, "GET", "/bucket/k", { headers });

async function seededRun(): Promise<number[]> {
  await using seeded = await startStore({ buckets: ["bucket"], seed: "fixed" });
  const rule = seeded.fault({}, { kind: "answer", code: "SlowDown" }, { probability: 0.3 });
  const seen: number[] = [];
  for (let i = 0; i < 40; i++) seen.push((await call(seeded, "HEAD", "/bucket")).status);
  expect(rule.hits).toBe(seen.filter((status) => status === 503).length);
  return seen;
}

const finish = async (id: string, etag: string) => complete(store, "/bucket/m", id, [[1, etag]]);

const begin = async () => {
  const id = await createUpload(store, "/bucket/m");
  return { id, etag: await putPart(store, "/bucket/m", id, 1, "x") };
};

describe("a rule", () => {
  test("answers with a code, headers and a body of its own", async () => {
    store.fault(
      { operation: "GetObject" },
      { kind: "answer", code: "SlowDown", headers: { "Retry-After": "7" } },
      { times: 1 },
    );
    const slow = await get();
    expect([slow.status, slow.code, slow.headers["retry-after"]]).toEqual([503, "SlowDown", "7"]);
    store.fault(
      {},
      { kind: "answer", status: 429, contentType: "text/html", body: "<h1>Too many</h1>" },
      { times: 1 },
    );
    const html = await get();
    expect([html.status, html.headers["content-type"], html.text]).toEqual([
      429,
      "text/html",
      "<h1>Too many</h1>",
    ]);
    store.fault({}, { kind: "answer", status: 500, body: "" }, { times: 1 });
    expect(await get()).toMatchObject({ status: 500, text: "" });
    expect((await get()).status).toBe(200);
  });

  test("picks by operation, key, part and lane, lets some pass, stops after some, and can be removed", async () => {
    const statuses = async (count: number) => {
      const seen: number[] = [];
      for (let i = 0; i < count; i++) seen.push((await get()).status);
      return seen;
    };
    const deny = { kind: "answer", code: "AccessDenied" } as const;
    const rule = store.fault({ operation: ["HeadObject", "GetObject"], key: /^k/ }, deny, {
      after: 1,
      times: 2,
    });
    expect(await statuses(5)).toEqual([200, 403, 403, 200, 200]);
    expect(rule.hits).toBe(2);
    store.fault({ key: "other" }, deny);
    store.fault({ partNumber: 2 }, deny);
    store.fault({ lane: "7", copy: "c" }, deny);
    expect((await get({ "user-agent": "x copy/c lane/8" })).status).toBe(200);
    expect((await get({ "user-agent": "x copy/c lane/7" })).status).toBe(403);
    const always = store.fault({}, deny);
    expect(await statuses(1)).toEqual([403]);
    always.remove();
    expect(await statuses(1)).toEqual([200]);
  });

  test("with a probability hits the same requests in every run of one seed", async () => {
    const first = await seededRun();
    expect(await seededRun()).toEqual(first);
    expect(first).toContain(503);
    expect(first).toContain(200);
  });

  test("does not hide a badly signed request", async () => {
    store.fault({}, { kind: "answer", code: "SlowDown" });
    const credentials = { ...store.credentials, secretAccessKey: "wrong" };
    expect((await call(store, "GET", "/bucket/k", { credentials })).code).toBe("SignatureDoesNotMatch");
  });

  test("answers before the body is read, after it, or after the work is done", async () => {
    const put = async (key: string) =>
      call(store, "PUT", `/bucket/${key}`, { body: Buffer.alloc(4_000_000, 1) });
    store.fault({ key: "early" }, { kind: "answer", code: "SlowDown" });
    store.fault({ key: "read" }, { kind: "answer", code: "SlowDown", stage: "before-work" });
    store.fault({ key: "done" }, { kind: "answer", code: "SlowDown", stage: "before-answer" });
    for (const key of ["early", "read", "done"]) expect((await put(key)).status).toBe(503);
    const received = ["early", "read", "done"].map((key) => store.requests({ key })[0]?.bytesReceived);
    expect(received).toEqual([0, 4_000_000, 4_000_000]);
    expect(store.objects("bucket").map((object) => object.key)).toEqual(["done", "k"]);
  });

  test("cuts the connection before or after the work", async () => {
    store.fault({ key: "before" }, { kind: "drop", stage: "before-work" });
    store.fault({ key: "after" }, { kind: "drop", stage: "before-answer" });
    for (const key of ["before", "after"]) {
      await expect(call(store, "PUT", `/bucket/${key}`, { body: "x" })).rejects.toThrow(
        /socket hang up|ECONNRESET/,
      );
    }
    expect(store.objects("bucket").map((object) => object.key)).toEqual(["after", "k"]);
    expect(store.requests({ key: "after" })[0]?.outcome).toBe("aborted");
  });

  test("runs an action of the test, such as replacing the source", async () => {
    const action = () => store.put("bucket", "k", "abcdefghij");
    store.fault(
      { operation: "GetObject" },
      { kind: "run", stage: "before-body", action },
      { after: 1, times: 1 },
    );
    const etag = store.get("bucket", "k")?.etag ?? "";
    expect((await get({ "if-match": etag })).status).toBe(200);
    expect((await get({ "if-match": etag })).status).toBe(412);
  });
});

describe("a faulty body", () => {
  test("ends early and clean, without a length to notice it by", async () => {
    store.fault({}, { kind: "truncate", missingBytes: 1, how: "clean" });
    const answer = await get({ range: "bytes=0-4" });
    expect([
      answer.status,
      answer.text,
      answer.headers["content-range"],
      answer.headers["content-length"],
    ]).toEqual([206, "0123", "bytes 0-4/10", undefined]);
  });

  test("is cut before its declared end", async () => {
    store.fault({}, { kind: "truncate", missingBytes: 1, how: "cut" });
    await expect(get()).rejects.toThrow("aborted");
  });

  test("is longer than asked for", async () => {
    store.fault({}, { kind: "oversize", extraBytes: 3 });
    expect((await get({ range: "bytes=0-4" })).text).toBe("01234...");
  });

  test("has one byte inverted, on the way out or on arrival", async () => {
    store.fault({ operation: "GetObject" }, { kind: "flip", direction: "out", at: 2 }, { times: 1 });
    expect([...(await get()).bytes]).toEqual([0x30, 0x31, 0xcd, ...Buffer.from("3456789")]);
    expect((await get()).text).toBe("0123456789");
    store.fault({ operation: "PutObject" }, { kind: "flip", direction: "in", at: 0 });
    await call(store, "PUT", "/bucket/flipped", { body: "0" });
    expect([...store.bytes("bucket", "flipped")]).toEqual([0xcf]);
  });

  test("comes with a wrong Content-Range, or whole, or in spite of a condition", async () => {
    store.fault({}, { kind: "content-range", start: -1, total: 1 }, { times: 1 });
    expect((await get({ range: "bytes=2-3" })).headers["content-range"]).toBe("bytes 1-2/11");
    store.fault({}, { kind: "ignore-range" }, { times: 1 });
    expect(await get({ range: "bytes=2-3" })).toMatchObject({ status: 200, text: "0123456789" });
    store.fault({}, { kind: "ignore-conditions" }, { times: 1 });
    expect((await get({ "if-match": '"other"' })).status).toBe(200);
  });

  test("stalls until the client gives up", async () => {
    store.fault({}, { kind: "stall", direction: "out", afterBytes: 4 });
    const headers = await signedHeaders(store, "GET", "/bucket/k");
    const text = Object.entries({ ...headers, host: new URL(store.endpoint).host }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    const socket = connect(store.port, "127.0.0.1");
    socket.write(`GET /bucket/k HTTP/1.1\r\n${text.join("")}\r\n`);
    let received = "";
    await new Promise<void>((resolve) => {
      socket.on("data", (chunk) => {
        received += chunk.toString();
        if (received.endsWith("\r\n\r\n0123")) resolve();
      });
    });
    expect(store.leakedBodies().map((record) => record.key)).toEqual(["k"]);
    socket.destroy();
    await store.waitFor((s) => s.openRequests().length === 0);
    expect(store.requests({ key: "k" })[0]?.outcome).toBe("aborted");
  });

  test("is not read any further after a stall on the way in", async () => {
    store.fault({}, { kind: "stall", direction: "in", afterBytes: 1 });
    const lost = call(store, "PUT", "/bucket/in", { body: "xy" }).catch((error: unknown) => error);
    await store.waitFor((s) => s.requests({ key: "in" })[0]?.operation === "PutObject");
    await store.outage();
    expect(await lost).toBeInstanceOf(Error);
    expect(store.get("bucket", "in")).toBeUndefined();
  });

  test("is held or cut in the middle, while the test does something", async () => {
    const seen: number[] = [];
    const look = (request: { bytesReceived: number; bytesSent: number }) =>
      seen.push(request.bytesReceived + request.bytesSent);
    const during = { kind: "during", share: 0.5, action: look } as const;
    store.fault({ operation: "GetObject" }, { ...during, direction: "out", after: "go-on" }, { times: 1 });
    store.fault({ operation: "PutObject" }, { ...during, direction: "in", after: "cut" }, { times: 1 });
    expect((await get()).text).toBe("0123456789");
    await expect(call(store, "PUT", "/bucket/k", { body: "ten bytes!" })).rejects.toThrow();
    expect(seen).toEqual([10, 10]);
    expect(store.bytes("bucket", "k").toString()).toBe("0123456789");
    const [put] = store.requests({ operation: "PutObject" });
    expect([put?.outcome, put?.workedAt]).toEqual(["aborted", undefined]);
    expect((await call(store, "PUT", "/bucket/k", { body: "whole" })).status).toBe(200);
    expect(store.requests({ operation: "PutObject" })[1]?.workedAt).toBeGreaterThan(0);
  });

  test("is throttled per connection without losing a byte", async () => {
    store.put("bucket", "throttled", Buffer.alloc(20_000, 5));
    store.fault({ key: "throttled" }, { kind: "throttle", direction: "out", bytesPerSecond: 400_000 });
    store.fault({ key: "throttled" }, { kind: "throttle", direction: "in", bytesPerSecond: 400_000 });
    expect((await call(store, "GET", "/bucket/throttled")).bytes.equals(Buffer.alloc(20_000, 5))).toBe(true);
    expect((await call(store, "PUT", "/bucket/throttled", { body: Buffer.alloc(20_000, 6) })).status).toBe(
      200,
    );
  });

  test("waits as long as its bytes take at the given rate", () => {
    expect(new Pacer(1000).account(500)).toBeCloseTo(500);
    expect(() => new Pacer(0)).toThrow("bytesPerSecond must be positive: 0");
  });
});

describe("a faulty multipart upload", () => {
  test("answers Complete with an error inside a 200, then succeeds", async () => {
    const { id, etag } = await begin();
    store.fault({}, { kind: "complete-error", code: "InternalError" }, { times: 1 });
    expect(await finish(id, etag)).toMatchObject({ status: 200, code: "InternalError" });
    expect(store.get("bucket", "m")).toBeUndefined();
    expect((await finish(id, etag)).text).toContain("CompleteMultipartUploadResult");
  });

  test("loses Complete's answer after the work, cuts it among spaces, or leaves it empty", async () => {
    const lost = await begin();
    store.fault({}, { kind: "drop", stage: "before-answer" }, { times: 1 });
    await expect(finish(lost.id, lost.etag)).rejects.toThrow(/hang up|ECONNRESET/);
    expect(store.get("bucket", "m")).toBeDefined();
    for (const work of [true, false]) {
      store.delete("bucket", "m");
      const cut = await begin();
      store.fault({ operation: "CompleteMultipartUpload" }, { kind: "complete-cut", work }, { times: 1 });
      await expect(finish(cut.id, cut.etag)).rejects.toThrow("aborted");
      expect(store.get("bucket", "m") !== undefined).toBe(work);
    }
    const empty = await begin();
    store.fault({ operation: "CompleteMultipartUpload" }, { kind: "empty-result" }, { times: 1 });
    expect(await finish(empty.id, empty.etag)).toMatchObject({ status: 200, text: "" });
  });

  test("repeats ListParts' marker, omits a part, drops an ETag", async () => {
    const { id } = await begin();
    await putPart(store, "/bucket/m", id, 2, "y");
    const list = async () => (await call(store, "GET", `/bucket/m?part-number-marker=0&uploadId=${id}`)).text;
    store.fault({}, { kind: "repeat-marker" }, { times: 1 });
    const stuck = await list();
    expect([tagText(stuck, "IsTruncated"), tagText(stuck, "NextPartNumberMarker")]).toEqual(["true", "0"]);
    store.fault({}, { kind: "omit-part", partNumber: 1 }, { times: 1 });
    expect(tagTexts(await list(), "PartNumber")).toEqual(["2"]);
    store.fault({}, { kind: "header", name: "etag", value: undefined }, { times: 1 });
    const bare = await call(store, "PUT", `/bucket/m${partQuery(id, 3)}`, { body: "z" });
    expect([bare.status, bare.headers.etag]).toEqual([200, undefined]);
  });

  test("lets an older attempt of a part land last, even after its client left", async () => {
    const id = await createUpload(store, "/bucket/m");
    const gate = store.hold({ operation: "UploadPart" }, "before-work", { times: 1 });
    const path = `/bucket/m${partQuery(id, 1)}`;
    const headers = await signedHeaders(store, "PUT", path);
    const text = Object.entries({
      ...headers,
      host: new URL(store.endpoint).host,
      "content-length": "3",
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = connect(store.port, "127.0.0.1");
    socket.write(`PUT ${path} HTTP/1.1\r\n${text.join("")}\r\nold`);
    await store.waitFor(() => gate.waiting.length === 1);
    await putPart(store, "/bucket/m", id, 1, "newer");
    expect(store.uploads()[0]?.parts.get(1)?.size).toBe(5);
    socket.destroy();
    await store.waitFor((s) => s.openRequests().length === 0);
    gate.release();
    await store.waitFor((s) => s.uploads()[0]?.parts.get(1)?.size === 3);
  });

  test("repeats a listing's token", async () => {
    for (const key of ["a", "b", "c"]) store.put("bucket", key, "");
    store.fault({ operation: "ListObjectsV2" }, { kind: "repeat-marker" }, { after: 1 });
    const first = (await call(store, "GET", "/bucket?list-type=2&max-keys=1")).text;
    const token = tagText(first, "NextContinuationToken") ?? "";
    const second = (
      await call(
        store,
        "GET",
        `/bucket?list-type=2&max-keys=1&continuation-token=${encodeURIComponent(token)}`,
      )
    ).text;
    expect(tagText(second, "NextContinuationToken")).toBe(token);
  });
});

describe("named faults", () => {
  test("come from the key, count per key, and reset nothing else", async () => {
    store.put("bucket", "x fault=throttle-twice.bin", "v");
    store.put("bucket", "y fault=throttle-twice.bin", "v");
    const status = async (key: string) =>
      (await call(store, "GET", `/bucket/${key}%20fault=throttle-twice.bin`)).status;
    expect([
      await status("x"),
      await status("y"),
      await status("x"),
      await status("x"),
      await status("y"),
    ]).toEqual([503, 503, 503, 200, 503]);
  });

  test("can be joined", async () => {
    store.put("bucket", "fault=throttle-twice,short-body", "12");
    const path = "/bucket/fault%3Dthrottle-twice%2Cshort-body";
    const answers = [
      await call(store, "GET", path),
      await call(store, "GET", path),
      await call(store, "GET", path),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([503, 503, 200]);
  });

  test("replace the source for the third reader", async () => {
    store.put("bucket", "fault=source-changed", "12345");
    const path = "/bucket/fault%3Dsource-changed";
    const { etag } = (await call(store, "HEAD", path)).headers;
    const statuses = [];
    for (let i = 0; i < 4; i++)
      statuses.push((await call(store, "GET", path, { headers: { "if-match": etag ?? "" } })).status);
    expect(statuses).toEqual([200, 200, 412, 412]);
    expect(store.get("bucket", "fault=source-changed")?.size).toBe(5);
  });

  test("all say what they do, and a name that does not exist is an error", async () => {
    for (const [name, { means }] of Object.entries(namedFaults))
      expect([name, means.length > 10]).toEqual([name, true]);
    const answer = await call(store, "GET", "/bucket/fault%3Dnonsense");
    expect([answer.status, tagText(answer.text, "Message")]).toEqual([
      500,
      "There is no fault called &quot;nonsense&quot;",
    ]);
  });
});

describe("the whole store", () => {
  test("can refuse connections or answer 503, and recovers on the same port with its contents", async () => {
    const { port } = store;
    await store.outage("refuse");
    await expect(get()).rejects.toThrow(/ECONNREFUSED|ECONNRESET|hang up/);
    await store.recover();
    expect([store.port, (await get()).text]).toEqual([port, "0123456789"]);
    await store.outage("503");
    expect((await get()).status).toBe(503);
    await store.recover();
    expect((await get()).status).toBe(200);
    await store.restart();
    expect([store.port, (await get()).status]).toEqual([port, 200]);
  });

  test("caps the rate of requests and counts those it turned away", async () => {
    const limit = store.limitRate(0.001, 2);
    const answers = [await get(), await get(), await get()];
    expect(answers.map((answer) => answer.code)).toEqual([undefined, undefined, "SlowDown"]);
    expect(limit.refused).toBe(1);
    store.clearFaults();
    expect((await get()).status).toBe(200);
  });
});

describe("the journal", () => {
  test("records exact requests with operation, part, lane and outcome", async () => {
    const id = await createUpload(store, "/bucket/j%20k");
    const path = `/bucket/j%20k${partQuery(id, 3)}`;
    await call(store, "PUT", path, { body: "12345", headers: { "user-agent": "brigade/1 copy/abc lane/4" } });
    const [record] = store.requests({ operation: "UploadPart", key: "j k" });
    expect(record).toMatchObject({
      method: "PUT",
      url: path,
      bucket: "bucket",
      partNumber: 3,
      uploadId: id,
      copy: "abc",
      lane: "4",
      status: 200,
      bytesReceived: 5,
      outcome: "answered",
    });
    expect(record?.headers["authorization"]).toMatch(/Credential=.*Signature=redacted$/);
    expect([store.count("UploadPart"), store.count("GetObject"), store.count()]).toEqual([1, 0, 2]);
  });

  test("gives the error code even where HEAD could not show it", async () => {
    await call(store, "HEAD", "/bucket/none");
    expect(store.requests({ operation: "HeadObject" })[0]?.errorCode).toBe("NoSuchKey");
  });

  test("knows peaks in all and per lane, and waits without polling", async () => {
    const id = await createUpload(store, "/bucket/peaks");
    const gate = store.hold({ operation: "UploadPart" });
    const lanes = ["1", "1", "2"];
    const parts = lanes.map(async (lane, i) =>
      call(store, "PUT", `/bucket/peaks${partQuery(id, i + 1)}`, {
        body: "x",
        headers: { "user-agent": `copy/c lane/${lane}` },
      }),
    );
    await store.waitFor(() => gate.waiting.length === 3);
    expect(store.openRequests().length).toBe(3);
    gate.release(1);
    await store.waitFor((s) => s.requests({ operation: "UploadPart", outcome: "answered" }).length === 1);
    gate.release();
    await Promise.all(parts);
    await putPart(store, "/bucket/peaks", id, 4, "x", { "user-agent": "copy/c lane/1" });
    expect(store.peaks()).toEqual({ requests: 3, uploadParts: 3 });
    expect(Object.fromEntries(store.peakUploadPartsPerLane())).toEqual({
      "copy/c lane/1": 2,
      "copy/c lane/2": 1,
    });
    expect(store.openRequests()).toEqual([]);
  });

  test("lets go what a test that has failed still holds, and holds nothing after it", async () => {
    store.put("bucket", "held", "x");
    const gate = store.hold({ operation: "HeadObject" });
    const asked = call(store, "HEAD", "/bucket/held");
    await store.waitFor(() => gate.waiting.length === 1);
    store.clearFaults();
    expect(store.openRequests()).toHaveLength(1);
    store.letGo();
    expect((await asked).status).toBe(200);
    expect((await call(store, "HEAD", "/bucket/held")).status).toBe(200);
    expect(gate.waiting).toEqual([]);
  });

  test("sees an answer that is neither read nor cancelled", async () => {
    store.putGenerated("bucket", "large", { size: 64 * 1024 * 1024 });
    const headers = await signedHeaders(store, "GET", "/bucket/large");
    const lines = Object.entries({ ...headers, host: new URL(store.endpoint).host }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    const socket = connect(store.port, "127.0.0.1").pause();
    socket.write(`GET /bucket/large HTTP/1.1\r\n${lines.join("")}\r\n`);
    await store.waitFor((s) => s.requests({ key: "large" })[0]?.operation === "GetObject");
    await call(store, "HEAD", "/bucket/k");
    expect(store.leakedBodies().map((record) => record.key)).toEqual(["large"]);
    socket.destroy();
    await store.waitFor((s) => s.leakedBodies().length === 0);
  });

  test("keeps counters exact when old records go", async () => {
    await using small = await startStore({ buckets: ["bucket"], journalLimit: 5 });
    for (let i = 0; i < 25; i++) await call(small, "HEAD", "/bucket");
    expect(small.count("HeadBucket")).toBe(25);
    expect(small.requests().length).toBeLessThanOrEqual(10);
  });

  test("records requests it could not understand", async () => {
    await send(store, "PATCH", "/bucket/k", {});
    expect(store.requests({ status: 405 })[0]).toMatchObject({ method: "PATCH", operation: undefined });
  });
});
