// Stores of kind https: a web server as the source of copies, syncs and comparisons, and what becomes of them
// when the server does not do as RFC 9110 says.
import { createHash, randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, expect, test } from "vitest";
import type { Answer } from "../../mesh/mesh.ts";
import { WebServer } from "../../store/web_server.ts";
import { openWorld, PART } from "../world.ts";

const server = await WebServer.start();
const mirror = await WebServer.start();
const TOKEN = "Bearer a-token-that-nobody-may-read";
const QUERY = "sv=2024-11-04&sig=a-signature-that-nobody-may-read";

const {
  mesh,
  stores: { west },
} = await openWorld({ west: { buckets: ["target"] } }, () => ({
  bindings: {
    MAX_PART_MIB: "5",
    STORE_PUB: JSON.stringify({ kind: "https", endpoint: `${server.origin}/pub/` }),
    STORE_CDN: JSON.stringify({
      kind: "https",
      endpoint: `${server.origin}/pub`,
      profile: { md5Etag: true },
    }),
    STORE_MEMBERS: JSON.stringify({
      kind: "https",
      endpoint: `${server.origin}/pub`,
      headers: { Authorization: TOKEN },
      query: QUERY,
      redirects: [mirror.origin],
    }),
  },
}));

afterEach(() => {
  server.reset();
  mirror.reset();
});
afterAll(async () => {
  await Promise.all([server.stop(), mirror.stop()]);
});

const md5 = (text: string) => createHash("md5").update(text).digest("hex");

const large = (): Buffer => randomBytes(2 * PART + 1);

const copy = async (key: string, more: Record<string, unknown> = {}) =>
  await mesh.copy({ source: `pub:./${key}`, destination: `west:target/${key}`, ...more });

const inParts = { partSize: "1MiB" };

const ranges = () => server.requests.map(({ headers }) => headers.range);

test("an object of several parts is pinned to its strong ETag, and keeps what the file is", async () => {
  const bytes = large();
  const headers = { "content-type": "video/mp4", "content-language": "de", "cache-control": "no-store" };
  server.put("/pub/a%20b/%C3%A9%3F%23%25%2B.bin", bytes, { etag: '"v1"', headers });
  const status = await copy("a b/é?#%+.bin", inParts);
  expect(status).toMatchObject({ phase: "completed", proof: "part-md5" });
  expect(west.bytes("target", "a b/é?#%+.bin")).toEqual(bytes);
  const { attributes } = west.get("target", "a b/é?#%+.bin") ?? {};
  expect(attributes).toMatchObject({ contentType: "video/mp4", headers: { "content-language": "de" } });
  expect(attributes?.headers).not.toHaveProperty("cache-control");
  expect(server.requests.every(({ method }) => method === "GET")).toBe(true);
  expect(server.requests.filter((asked) => asked.headers["if-match"] === '"v1"')).toHaveLength(3);
});

test("an object without a strong ETag is pinned to its Last-Modified", async () => {
  const bytes = large();
  server.put("/pub/a", bytes, { etag: 'W/"v1"' });
  const { phase, timeline } = await copy("a", inParts);
  expect([phase, JSON.stringify(timeline)]).toEqual([
    "completed",
    expect.stringContaining("pinned by Last-Modified"),
  ]);
  expect(west.bytes("target", "a")).toEqual(bytes);
  const since = server.requests.map(({ headers }) => headers["if-unmodified-since"]);
  expect(since.filter((time) => time === "Sun, 01 Nov 2026 12:00:00 GMT")).toHaveLength(3);
});

test("empty, and of one request: whole", async () => {
  server.put("/pub/empty", "");
  server.put("/pub/one", "1");
  expect(await copy("empty")).toMatchObject({ phase: "completed", bytes: { total: 0 } });
  expect(await copy("one")).toMatchObject({ phase: "completed", bytes: { total: 1 } });
  expect(west.bytes("target", "one").toString()).toBe("1");
});

test.each([
  ["another ETag, which the server's condition shows", { etag: '"v2"' }, /If-Match|ETag|412/],
  [
    "another length under the same ETag",
    { bytes: Buffer.alloc(3 * PART) },
    /had \d+ bytes .* and has 3145728 now/,
  ],
])("a file that changes between two parts fails the copy: %s", async (_words, change, message) => {
  const file = server.put("/pub/changing", large(), { etag: '"v1"' });
  server.change = (_answer, { headers }) => {
    if (headers.range?.startsWith("bytes=0-1048575") === true) Object.assign(file, change);
  };
  const status = await copy("changing", { ...inParts, lanes: 1, concurrency: 1 });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "source_changed" } });
  expect(status.failure?.message).toMatch(message);
  expect(west.get("target", "changing")).toBeUndefined();
});

test("a file whose Last-Modified moves is copied anew where the request says so, even past a deaf condition", async () => {
  const file = server.put("/pub/a", large(), { etag: null });
  const after = large();
  server.isDeaf = true;
  server.change = (answer, { headers }) => {
    if (headers.range?.startsWith("bytes=0-1048575") !== true || file.bytes === after) return;
    Object.assign(file, { bytes: after, modified: new Date("2026-11-02T12:00:00Z") });
    expect(answer.status).toBe(206);
  };
  const asked = { ...inParts, lanes: 1, concurrency: 1, ifSourceChanges: "restart" };
  expect(await copy("a", asked)).toMatchObject({ phase: "completed" });
  expect(west.bytes("target", "a")).toEqual(after);
});

test("a server without ranges: what fits one request is copied whole, more is refused", async () => {
  const bytes = large();
  server.put("/pub/small", bytes);
  server.put("/pub/large", randomBytes(6 * PART));
  server.change = (answer, { url }) => {
    const { bytes: all = Buffer.alloc(0) } = server.files.get(url) ?? {};
    delete answer.headers["content-range"];
    Object.assign(answer, { status: 200, body: all });
  };
  expect(await copy("small", inParts)).toMatchObject({ phase: "completed", parts: { total: 1 } });
  expect(west.bytes("target", "small")).toEqual(bytes);
  const refused = await copy("large", { partSize: "5MiB" });
  expect(refused).toMatchObject({ phase: "failed", failure: { code: "source_without_ranges" } });
  expect(refused.failure?.message).toContain("MAX_PART_MIB");
  expect(west.count("CreateMultipartUpload")).toBe(0);
});

test("what has no validator, or no length, is refused before anything is written", async () => {
  server.put("/pub/weak", "weak", { etag: 'W/"1"', modified: null });
  server.put("/pub/fresh", "fresh", { etag: null, modified: new Date(Date.now() + 60_000) });
  server.put("/pub/endless", "endless");
  server.change = (answer, { url }) => {
    if (!url.startsWith("/pub/endless")) return;
    const { "content-range": _range, ...headers } = answer.headers;
    Object.assign(answer, { status: 200, headers: { ...headers, "transfer-encoding": "chunked" } });
  };
  const [weak, fresh] = [await copy("weak"), await copy("fresh")];
  expect(weak.failure).toMatchObject({ code: "source_without_validator" });
  expect((await copy("endless")).failure).toMatchObject({ code: "source_without_length" });
  expect(weak.failure?.message).toContain("a weak ETag and no Last-Modified");
  expect(fresh.failure?.message).toContain("a Last-Modified that is not past");
  expect(west.count("PutObject")).toBe(0);
});

test("bytes that the server compresses unasked stay as they come, and say so", async () => {
  server.put("/pub/a.txt", "not really gzip", { headers: { "content-encoding": "gzip" } });
  expect(await copy("a.txt")).toMatchObject({ phase: "completed", bytes: { total: 15 } });
  expect(west.bytes("target", "a.txt").toString()).toBe("not really gzip");
  expect(west.get("target", "a.txt")?.attributes.headers).toMatchObject({ "content-encoding": "gzip" });
});

test("what the server, or the way, compresses for whoever takes it is copied as it is", async () => {
  const bytes = Buffer.from("The same line again.\n".repeat(100));
  server.put("/pub/a.txt", bytes, { etag: '"v1"' });
  // As nginx does with `gzip on`: ranges stay as they are. Cloudflare's network accepts gzip for a Worker.
  server.change = (answer, { headers }) => {
    if (answer.status !== 200 || headers["accept-encoding"]?.includes("gzip") !== true) return;
    const { "accept-ranges": _ranges, ...rest } = answer.headers;
    answer.headers = { ...rest, etag: 'W/"v1"', "content-encoding": "gzip" };
    answer.body = gzipSync(bytes);
  };
  expect(await copy("a.txt")).toMatchObject({ phase: "completed", bytes: { total: bytes.length } });
  expect(west.bytes("target", "a.txt")).toEqual(bytes);
  expect(west.get("target", "a.txt")?.attributes.headers).not.toHaveProperty("content-encoding");
  const keys = { source: "pub:./", destination: "west:target/sync/", keys: ["a.txt"] };
  expect(await mesh.sync(keys)).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(west.bytes("target", "sync/a.txt")).toEqual(bytes);
  expect(server.requests.some(({ headers }) => headers["accept-encoding"]?.includes("gzip") === true)).toBe(
    true,
  );
});

test("an answer that breaks off or announces too much is asked for again", async () => {
  const bytes = large();
  server.put("/pub/a", bytes);
  let broken = 0;
  server.change = (answer, { headers }) => {
    if (headers.range === "bytes=0-0" || broken > 1) return;
    if (broken++ === 0) answer.breaksAfter = 1000;
    else answer.body = answer.body.subarray(1);
  };
  expect(await copy("a", inParts)).toMatchObject({ phase: "completed" });
  expect(west.bytes("target", "a")).toEqual(bytes);
});

test("ETags that are MD5s by the word of the secret prove the copy, and one that is none claims less", async () => {
  server.put("/pub/md5", "bytes", { etag: `"${md5("bytes")}"` });
  server.put("/pub/other", "bytes", { etag: `"${md5("other bytes")}"` });
  for (const [key, proof] of [
    ["md5", "etag"],
    ["other", "part-md5"],
  ])
    expect(await mesh.copy({ source: `cdn:./${key}`, destination: `west:target/${key}` })).toMatchObject({
      phase: "completed",
      proof,
    });
});

test("a quote counts what is then sent", async () => {
  server.put("/pub/a", large());
  server.put("/pub/one", "1");
  for (const key of ["a", "one"]) {
    const body = { source: `pub:./${key}`, destination: `west:target/q/${key}`, ...inParts };
    const quote = await mesh.call<{ source: object }>("POST", "/quotes", { body });
    const { spent } = await mesh.copy(body);
    expect(quote.body.source).toMatchObject({ requests: spent?.source.requests });
  }
});

test("a slow part does not hold up the others", async () => {
  const bytes = large();
  server.put("/pub/a", bytes);
  const { promise: until, resolve: last } = Promise.withResolvers<void>();
  server.change = (answer, { headers }) => {
    if (headers.range === "bytes=0-1048575") answer.until = until;
    if (headers.range === "bytes=2097152-2097152") last();
  };
  expect(await copy("a", inParts)).toMatchObject({ phase: "completed" });
  expect(west.bytes("target", "a")).toEqual(bytes);
});

const go = async (store: string, key: string) =>
  await mesh.copy({ source: `${store}:./a`, destination: `west:target/${key}` });

test("a redirect is followed within the service and to named hosts, and the secrets stay at home", async () => {
  server.put("/elsewhere/a", "A");
  mirror.put("/a", "M");
  const to = (location: string) => {
    server.change = (answer, { url }) => {
      if (url.startsWith("/pub/")) Object.assign(answer, { status: 302, headers: { location } });
    };
  };
  to("/elsewhere/a");
  expect(await go("members", "own")).toMatchObject({ phase: "completed" });
  expect(server.requests.every(({ headers }) => headers.authorization === TOKEN)).toBe(true);
  expect(server.requests[0]?.url).toBe(`/pub/a?${QUERY}`);
  to(`${mirror.origin}/a`);
  expect(await go("members", "named")).toMatchObject({ phase: "completed" });
  expect(west.bytes("target", "named").toString()).toBe("M");
  expect(mirror.requests.map(({ url, headers }) => [url, headers.authorization])).toContainEqual([
    "/a",
    undefined,
  ]);
  expect(
    mirror.requests.some(({ url, headers }) => url.includes("sig") || headers.authorization !== undefined),
  ).toBe(false);
  const before = mirror.requests.length;
  const refused = await go("pub", "foreign");
  expect(refused).toMatchObject({
    phase: "failed",
    failure: { code: "source_error", storeCode: "redirect_refused" },
  });
  expect(refused.failure?.message).toContain(`add "${mirror.origin}" to "redirects"`);
  for (const location of ["http://169.254.169.254/latest/meta-data", "https://10.0.0.1/a", "/pub/a"]) {
    to(location);
    expect((await go("pub", "private")).failure).toMatchObject({ storeCode: "redirect_refused" });
  }
  expect(mirror.requests).toHaveLength(before);
});

test("a sync makes a copy of its own of a large file", async () => {
  const bytes = randomBytes(6 * PART);
  server.put("/pub/l/large", bytes, { etag: null });
  const sides = { source: "pub:./l/", destination: "west:target/l/", keys: ["l/large"] };
  const sync = await mesh.sync(sides);
  expect(sync).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(west.count("CompleteMultipartUpload")).toBe(1);
  expect(west.bytes("target", "l/large")).toEqual(bytes);
  expect(await mesh.sync(sides)).toMatchObject({ objects: { copied: 0, skipped: 1 } });
});

test("a sync and a comparison of named keys; a second run copies nothing", async () => {
  server.put("/pub/s/one", "1");
  server.put("/pub/s/two", "22", { etag: null });
  server.put("/pub/list.txt", "s/one\ns/two\ns/none\n");
  const sides = { source: "pub:./s/", destination: "west:target/s/" };
  const first = await mesh.sync({ ...sides, manifest: "pub:./list.txt" });
  expect(first).toMatchObject({ phase: "finished_with_errors", objects: { copied: 2 } });
  expect((await mesh.report(first.id)).find(({ key }) => key === "s/none")).toMatchObject({
    action: "failed",
  });
  const keys = ["s/one", "s/two"];
  expect(await mesh.sync({ ...sides, keys })).toMatchObject({
    phase: "completed",
    objects: { copied: 0, skipped: 2 },
  });
  server.put("/pub/s/one", "2");
  const compared = await mesh.compare({ ...sides, keys, deep: true });
  expect(compared).toMatchObject({ phase: "different" });
  const repair = await mesh.call<{ id: string }>("POST", `/comparisons/${compared.id}/repair`);
  expect(await mesh.syncEnded(repair.body.id)).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  expect(west.bytes("target", "s/one").toString()).toBe("2");
});

const check = async (
  body: Record<string, unknown>,
): Promise<Answer<{ ok: boolean; findings: { check: string; outcome: string; detail: string }[] }>> =>
  await mesh.call("POST", "/stores/pub/check", { body });

test("the check asks what one key can show, and says what it cannot know", async () => {
  server.put("/pub/a", "abc", { etag: null });
  const { body } = await check({ key: "a" });
  expect(body.ok).toBe(true);
  expect(body.findings.map(({ check: name, outcome }) => [name, outcome])).toEqual([
    ["get", "yes"],
    ["validator", "yes"],
    ["range", "yes"],
    ["condition", "yes"],
    ["encoding", "yes"],
    ["list", "skipped"],
    ["other keys", "skipped"],
  ]);
  server.change = (answer) => {
    answer.status = 401;
  };
  const refused = await mesh.call("POST", "/stores/members/check", { body: { key: "a" } });
  expect(refused.body).toMatchObject({
    ok: false,
    findings: [{ check: "get", outcome: "refused" }, {}, {}],
    advice: [/"headers" or "query" of STORE_MEMBERS/].map((words) => expect.stringMatching(words) as string),
  });
  expect(ranges()).toContain("bytes=0-0");
});

const words = (text: string) => expect.stringContaining(text) as string;

test("bad input is refused at the door", async () => {
  const post = async (path: string, body: Record<string, unknown>) => {
    const answer = await mesh.call<{ code: string; detail: string }>("POST", path, { body });
    return [answer.status, answer.body.code, answer.body.detail];
  };
  const to = "west:target/a";
  expect(await post("/copies", { source: "west:target/a", destination: "pub:./a" })).toEqual([
    400,
    "invalid_request",
    words("serves objects and takes none"),
  ]);
  expect(await post("/copies", { source: "pub:folder/a", destination: to })).toEqual([
    400,
    "invalid_bucket",
    words('has one bucket, ".", not "folder"'),
  ]);
  expect(await post("/copies", { source: "pub:./a/../b", destination: to })).toEqual([
    400,
    "invalid_key",
    words('resolves its segment "." or ".."'),
  ]);
  const sides = { source: "pub:./", destination: "west:target/" };
  expect(await post("/syncs", sides)).toEqual([
    400,
    "invalid_request",
    words('"keys", or with a "manifest"'),
  ]);
  expect(await post("/comparisons", sides)).toEqual([400, "invalid_request", words("has no listing")]);
  expect(await post("/stores/pub/check", {})).toEqual([400, "invalid_request", words('"key" is missing')]);
  const { body } = await mesh.call<{ stores: Record<string, unknown>[] }>("GET", "/stores");
  expect(body.stores.find(({ name }) => name === "members")).toMatchObject({
    kind: "https",
    endpoint: `${server.origin}/pub`,
    readOnly: true,
    headers: ["authorization"],
    redirects: [mirror.origin],
  });
});
