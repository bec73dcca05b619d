// The stand-in over real HTTP: a server behind it, and a client that speaks to it as workerd does.

import { once } from "node:events";
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  createServer,
  request,
} from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { brotliDecompressSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Edge, type EdgeOptions } from "../../edge/edge.ts";
import { CF_HEADER } from "../../edge/rules.ts";

let store: Server;
let origin: string;
let edge: Edge;
let now = 0;
let seen: { readonly method: string; readonly path: string; readonly headers: IncomingHttpHeaders }[] = [];
/** What the server answers, by path; a path that is not here is answered with `plain`. */
let answers: Record<string, { headers?: Record<string, string>; body: Buffer }> = {};
const plain = Buffer.from("0123456789");

beforeEach(async () => {
  now = 0;
  seen = [];
  answers = {};
  store = createServer(({ method = "", url = "", headers }, response) => {
    seen.push({ method, path: url, headers });
    const { headers: told = {}, body } = answers[url] ?? { body: plain };
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "");
    const part = range === null ? body : body.subarray(Number(range[1]), Number(range[2]) + 1);
    response.writeHead(range === null ? 200 : 206, { etag: '"e"', "content-length": part.length, ...told });
    response.end(method === "HEAD" ? undefined : part);
  }).listen(0, "127.0.0.1");
  await once(store, "listening");
  origin = `http://127.0.0.1:${portOf(store)}`;
  edge = await Edge.start({ now: () => now });
});

afterEach(async () => {
  await edge.stop();
  store.closeAllConnections();
  store.close();
});

async function restartEdge(options: EdgeOptions): Promise<void> {
  await edge.stop();
  edge = await Edge.start({ now: () => now, ...options });
}

/** Answers requests otherwise. */
function answerBy(handler: Parameters<typeof createServer>[1] & object): void {
  store.removeAllListeners("request");
  store.on("request", handler);
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as { port: number }).port;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request as workerd sends it to a proxy. */
async function ask(
  method: string,
  url: string,
  {
    headers = {},
    cf,
    pieces = [],
  }: { headers?: Record<string, string>; cf?: object; pieces?: Buffer[] } = {},
): Promise<Answer> {
  const blob = cf === undefined ? {} : { [CF_HEADER]: JSON.stringify(cf) };
  const target = { host: "127.0.0.1", port: edge.port, method, path: url, headers: { ...headers, ...blob } };
  const outgoing = request(target);
  const [first, ...rest] = pieces;
  // One piece is sent with its length, several are not.
  if (rest.length === 0) outgoing.end(first);
  else for (const piece of pieces) outgoing.write(piece);
  if (rest.length > 0) outgoing.end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  outgoing.on("error", () => undefined);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}

const BYPASS = { cacheTtl: -1, cacheLevel: "bypass", cacheControl: "no-store" };

test("the path and the query arrive as they were sent, under the store's own Host", async () => {
  const path = "/b//d%2Fe/..%2Ff/./g/../a+b%20c?x=%7e&y";
  await ask("GET", origin + path);
  expect(seen).toMatchObject([{ method: "GET", path, headers: { host: new URL(origin).host } }]);
});

test("HEAD of a cached extension is a GET without range and conditions; no-store leaves it as it is", async () => {
  const headers = { range: "bytes=0-3", "if-match": '"e"', authorization: "AWS4" };
  const converted = await ask("HEAD", `${origin}/a.zip`, { headers });
  const bypassing = await ask("HEAD", `${origin}/a.zip`, { headers, cf: BYPASS });
  const dynamic = await ask("HEAD", `${origin}/a.dat`, { headers });
  expect(seen.map(({ method, headers: sent }) => [method, sent.range, sent["if-match"]])).toEqual([
    ["GET", undefined, undefined],
    ["HEAD", "bytes=0-3", '"e"'],
    ["HEAD", "bytes=0-3", '"e"'],
  ]);
  expect([converted, bypassing, dynamic].map(({ status }) => status)).toEqual([200, 206, 206]);
  expect(converted.headers["content-length"]).toBe("10");
  expect(converted.body.length).toBe(0);
  expect(edge.records.map(({ cache }) => cache)).toEqual(["eligible", "bypass", "dynamic"]);
});

test("a range that the cache is in the way of comes whole", async () => {
  const answer = await ask("GET", `${origin}/a.zip`, { headers: { range: "bytes=0-3" } });
  expect([answer.status, answer.body.toString()]).toEqual([200, "0123456789"]);
});

test("an object for everybody is answered from memory the second time, until its time is over", async () => {
  answers["/a.zip"] = { headers: { "cache-control": "public, max-age=60" }, body: plain };
  const headers = { authorization: "AWS4" };
  expect((await ask("HEAD", `${origin}/a.zip`, { headers })).headers["cf-cache-status"]).toBe("MISS");
  answers["/a.zip"] = { headers: { etag: '"new"' }, body: Buffer.from("newer") };
  now = 30_000;
  const hit = await ask("GET", `${origin}/a.zip`, { headers: { ...headers, range: "bytes=2-4" } });
  expect([hit.status, hit.body.toString(), hit.headers.etag]).toEqual([206, "234", '"e"']);
  expect([hit.headers["content-range"], hit.headers["age"]]).toEqual(["bytes 2-4/10", "30"]);
  const past = await ask("GET", `${origin}/a.zip`, { headers, cf: BYPASS });
  expect(past.body.toString()).toBe("newer");
  expect(seen).toHaveLength(2);
  now = 60_000;
  expect((await ask("GET", `${origin}/a.zip`, { headers })).body.toString()).toBe("newer");
});

test("an object that is private, or says nothing and was asked for with credentials, is not kept", async () => {
  answers["/p.zip"] = { headers: { "cache-control": "private, max-age=60" }, body: plain };
  for (const path of ["/p.zip", "/p.zip", "/q.zip", "/q.zip"])
    await ask("GET", origin + path, { headers: { authorization: "AWS4" } });
  expect(seen).toHaveLength(4);
});

test("a zone's own cache does not ask what the Worker wants", async () => {
  await restartEdge({ caching: () => true });
  await ask("HEAD", `${origin}/a.zip`, { cf: BYPASS });
  expect(seen.map(({ method }) => method)).toEqual(["GET"]);
});

test("what a client does not accept is unpacked, without a length, under a weak ETag; HEAD says so", async () => {
  const packed = gzipSync(plain);
  answers["/g"] = { headers: { "content-encoding": "gzip" }, body: packed };
  const headers = { "accept-encoding": "identity" };
  const got = await ask("GET", `${origin}/g`, { headers, cf: BYPASS });
  expect(got.body.toString()).toBe("0123456789");
  for (const answer of [got, await ask("HEAD", `${origin}/g`, { headers, cf: BYPASS })]) {
    expect(answer.headers.etag).toBe('W/"e"');
    expect(answer.headers["content-length"]).toBeUndefined();
    expect(answer.headers["content-encoding"]).toBeUndefined();
  }
  const accepted = await ask("GET", `${origin}/g`, { headers: { "accept-encoding": "gzip, br" } });
  expect(accepted.body.equals(packed)).toBe(true);
  expect(accepted.headers["content-length"]).toBe(String(packed.length));
  const range = await ask("GET", `${origin}/g`, { headers: { ...headers, range: "bytes=0-3" } });
  expect([range.status, range.body.equals(packed.subarray(0, 4))]).toEqual([206, true]);
  expect(new Set(seen.map(({ headers: sent }) => sent["accept-encoding"]))).toEqual(new Set(["gzip, br"]));
});

test("an empty object with a Content-Encoding is unpacked to nothing", async () => {
  answers["/g"] = { headers: { "content-encoding": "gzip" }, body: Buffer.alloc(0) };
  const { status, body } = await ask("GET", `${origin}/g`);
  expect([status, body.length]).toEqual([200, 0]);
});

test("bytes that are not what their Content-Encoding says break off", async () => {
  answers["/g"] = { headers: { "content-encoding": "gzip" }, body: plain };
  await expect(ask("GET", `${origin}/g`)).rejects.toThrow();
});

test("a host behind Cloudflare's proxy packs text on the fly", async () => {
  await restartEdge({ packing: () => true });
  const text = Buffer.from("text ".repeat(100));
  answers["/t"] = { headers: { "content-type": "text/plain" }, body: text };
  const { headers, body } = await ask("GET", `${origin}/t`, { headers: { "accept-encoding": "gzip, br" } });
  expect([headers["content-encoding"], headers["content-length"]]).toEqual(["br", undefined]);
  expect(headers.etag).toBe('W/"e"');
  expect(brotliDecompressSync(body).equals(text)).toBe(true);
});

test("a body above the limit is refused by Cloudflare, with and without a length", async () => {
  await restartEdge({ maxBodyBytes: 9 });
  for (const pieces of [[Buffer.alloc(10)], [Buffer.alloc(5), Buffer.alloc(5)]]) {
    const answer = await ask("PUT", `${origin}/x`, { pieces });
    expect(answer).toMatchObject({ status: 413, headers: { server: "cloudflare" } });
    expect(answer.headers["cf-ray"]).toMatch(/-TST$/);
  }
  expect((await ask("PUT", `${origin}/x`, { pieces: [Buffer.alloc(9)] })).status).toBe(200);
});

test("a store that is away is 521, a name that is none 530, both in Cloudflare's words", async () => {
  const away = createTcpServer().listen(0, "127.0.0.1");
  await once(away, "listening");
  const port = portOf(away);
  away.close();
  await once(away, "close");
  const refused = await ask("GET", `http://127.0.0.1:${port}/x`);
  expect([refused.status, refused.body.toString()]).toEqual([521, "error code: 521"]);
  expect(refused.headers["server"]).toBe("cloudflare");
  const unknown = await ask("PUT", "http://no-such-host.invalid/x", { pieces: [plain] });
  expect([unknown.status, unknown.body.toString()]).toEqual([530, "error code: 1016"]);
});

test("a connection that is cut before an answer is 520; one cut in an answer cuts the answer", async () => {
  answerBy((incoming, response) => {
    if (incoming.url === "/early") return void response.destroy();
    response.writeHead(200, { "content-length": 10 });
    response.write("01234", () => response.destroy());
  });
  expect((await ask("GET", `${origin}/early`)).status).toBe(520);
  expect((await ask("PUT", `${origin}/early`, { pieces: [plain] })).status).toBe(520);
  await expect(ask("GET", `${origin}/half`)).rejects.toThrow(/aborted/);
});

test("a store that has the whole request and does not answer is 524", async () => {
  await restartEdge({ answerLimitMs: 20 });
  answerBy((incoming) => void incoming.resume());
  expect((await ask("PUT", `${origin}/x`, { pieces: [plain] })).status).toBe(524);
});

test("an address as host is 1003 when that is asked for", async () => {
  await restartEdge({ refusesAddresses: true, resolve: () => new URL(origin).host });
  const refused = await ask("GET", `${origin}/x`);
  expect([refused.status, refused.body.toString()]).toEqual([403, "error code: 1003"]);
  expect((await ask("GET", "http://store.example/x")).status).toBe(200);
});

const askAs = async (lane: number) =>
  await ask("GET", `${origin}/x`, { headers: { "user-agent": `bucket-brigade copy/1 lane/${lane}` } });

test("six requests of a lane are at the store, and the seventh when one of them is answered", async () => {
  const held: (() => void)[] = [];
  let arrived = Promise.withResolvers<void>();
  answerBy((_incoming, response) => {
    held.push(() => response.end("ok"));
    arrived.resolve();
  });
  const until = async (count: number) => {
    while (held.length < count) {
      arrived = Promise.withResolvers();
      await arrived.promise;
    }
  };
  const asked = Array.from({ length: 7 }, () => askAs(3));
  await until(6);
  asked.push(askAs(4));
  await until(7); // the other lane's: the seventh of this one waits
  expect([...edge.waited]).toEqual([["bucket-brigade copy/1 lane/3", 1]]);
  held[0]?.();
  await until(8);
  for (const answer of held) answer();
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(asked.map(() => 200));
});

test("a client that goes away takes its request to the store with it", async () => {
  const cut = Promise.withResolvers<void>();
  answerBy((incoming) => void incoming.once("close", cut.resolve));
  const socket = connect(edge.port, "127.0.0.1");
  socket.write(`PUT ${origin}/x HTTP/1.1\r\ncontent-length: 10\r\n\r\n01234`);
  await once(store, "request");
  socket.destroy();
  await cut.promise;
});

test("an answer that comes before the body was sent is passed on", async () => {
  answerBy((_incoming, response) => void response.writeHead(503, { connection: "close" }).end("slow down"));
  const answer = await ask("PUT", `${origin}/x`, { pieces: [Buffer.alloc(64 * 1024)] });
  expect([answer.status, answer.body.toString()]).toEqual([503, "slow down"]);
});

test("in front of one server it passes on what is for itself, under the Host that the client used", async () => {
  await restartEdge({ inFrontOf: new URL(origin) });
  const answer = await ask("GET", "/b/a.zip?x", { headers: { host: edge.url.host, pragma: "no-cache" } });
  expect(answer.status).toBe(200);
  expect(seen).toMatchObject([{ path: "/b/a.zip?x", headers: { host: edge.url.host } }]);
  expect(edge.records[0]?.cache).toBe("bypass");
});

test("answers in a store's place, and hosts that no resolver knows", async () => {
  await restartEdge({
    resolve: (host) => (host === "east.example:81" ? new URL(origin).host : null),
    intercept: ({ pathname }) => (pathname === "/moved" ? { status: 307, headers: { location: "/" } } : null),
  });
  const moved = await ask("GET", "http://east.example:81/moved");
  expect([moved.status, moved.headers.location]).toEqual([307, "/"]);
  expect((await ask("GET", "http://east.example:81/here")).status).toBe(200);
  expect(seen).toMatchObject([{ path: "/here", headers: { host: "east.example:81" } }]);
});
