// The table of src/docs/security.md, a test for each row: who may do what, and what nobody may.

import { createServer, request as httpRequest } from "node:http";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { OPERATIONS } from "../../../src/front/operations.ts";
import { READ_TOKEN, TOKEN, storeSecret } from "../../mesh/mesh.ts";
import { openWorld } from "../world.ts";

/** Answers whatever it is asked with a redirect, and counts. */
const elsewhere: string[] = [];
const redirecting = createServer((request, response) => {
  elsewhere.push(request.url ?? "");
  response.writeHead(307, { location: `http://127.0.0.1:${portOf(redirecting)}/stolen` }).end();
}).listen(0, "127.0.0.1");
await once(redirecting, "listening");
afterAll(() => redirecting.close());

const {
  mesh,
  stores: { east, west },
} = await openWorld(
  { east: { buckets: ["source"] }, west: { buckets: ["destination", "other"] } },
  (stores) => ({
    bindings: {
      STORE_FENCED: storeSecret(stores.west, { buckets: ["destination"] }),
      STORE_ARCHIVE: storeSecret(stores.west, { readOnly: true }),
      STORE_ASTRAY: storeSecret(stores.east, { endpoint: `http://127.0.0.1:${portOf(redirecting)}` }),
    },
  }),
);

function portOf(server: { address(): unknown }): number {
  return (server.address() as { port: number }).port;
}

const good = { source: "east:source/a", destination: "west:destination/a" };
const ID = "01jzzzzzzzzzzzzzzzzzzzzzzz";
const routes = Object.entries(OPERATIONS).map(([route, { open }]) => {
  const [method = "", path = ""] = route.split(" ");
  const address = path.replace(":id", ID).replace(":name", "nobody");
  // Where a secret stands in the path, it counts, and a token does not.
  return { route, method, path: address, isOpen: open === true, isBySecret: path.endsWith("/:secret") };
});

test("without a token: the usage, the pages, liveness and the description of the API, and nothing else", async () => {
  for (const { method, path, isOpen, isBySecret, route } of routes) {
    const answer = await mesh.call(method, path, { headers: { authorization: "" } });
    expect([route, answer.status === 401], route).toEqual([route, !isOpen]);
    if (!isOpen) expect(answer.body["code"]).toBe(isBySecret ? "token_wrong" : "token_missing");
  }
});

test("with the reading token: every GET, and no call that changes anything", async () => {
  const headers = { authorization: `Bearer ${READ_TOKEN}` };
  for (const { method, path, isBySecret, route } of routes) {
    const answer = await mesh.call(method, path, { headers });
    const isRefused = method !== "GET" && !isBySecret;
    expect([route, answer.body["code"] === "token_read_only"]).toEqual([route, isRefused]);
    expect(answer.status === 401, route).toBe(isBySecret);
  }
});

test("a token in the address is no token: addresses are logged, bookmarked and sent on", async () => {
  for (const query of [`access_token=${TOKEN}`, `token=${TOKEN}`]) {
    const response = await fetch(new URL(`/copies?${query}`, mesh.url));
    expect(response.status).toBe(401);
    await response.body?.cancel();
  }
});

test("a link opens one status, its progress and its events, until it ends, and nothing else", async () => {
  east.put("source", "linked", "L");
  east.put("source", "other", "O");
  const { id } = await mesh.copy({ source: "east:source/linked", destination: "west:destination/linked" });
  const { id: other } = await mesh.copy({
    source: "east:source/other",
    destination: "west:destination/other",
  });
  const body = { expiresInSeconds: 3600 };
  const made = await mesh.call<Record<string, string>>("POST", `/copies/${id}/link`, { body });
  expect(made.status).toBe(201);
  const link = new URL(made.body["url"] ?? "");
  const open = async (method: string, path: string, search = link.search) =>
    await mesh.call(method, path + search, { headers: { authorization: "" } });
  const status = await open("GET", `/copies/${id}`);
  expect(status).toMatchObject({ status: 200, body: { id, phase: "completed" } });
  expect(status.headers.get("referrer-policy")).toBe("no-referrer");
  expect(status.headers.get("cache-control")).toBe("no-store");
  expect((await open("GET", `/copies/${id}/progress`)).text).toContain("completed");
  expect((await open("GET", `/copies/${id}/events`)).text).toContain("event: end");
  expect((await open("GET", `/copies/${id}`, `${link.search}&wait=1`)).status).toBe(200);
  for (const path of [`/copies/${other}`, `/syncs/${id}`])
    expect(await open("GET", path)).toMatchObject({ status: 403, body: { code: "link_invalid" } });
  const closed = [
    "/copies",
    `/copies/${id}/parts`,
    "/syncs",
    "/stores",
    "/metrics",
    "/schedules",
    "/notifications",
  ];
  for (const path of closed) expect([path, (await open("GET", path)).status]).toEqual([path, 401]);
  for (const verb of ["pause", "cancel", "retry", "link"])
    expect([verb, (await open("POST", `/copies/${id}/${verb}`)).status]).toEqual([verb, 401]);
  const expires = link.searchParams.get("expires") ?? "";
  const later = link.search.replace(expires, String(Number(expires) + 1));
  expect(await open("GET", `/copies/${id}`, later)).toMatchObject({ status: 403 });
  const past = link.search.replace(expires, "1700000000");
  expect(await open("GET", `/copies/${id}`, past)).toMatchObject({
    status: 410,
    body: { code: "link_expired" },
  });
  const reader = { authorization: `Bearer ${READ_TOKEN}` };
  expect((await mesh.call("POST", `/copies/${id}/link`, { headers: reader })).status).toBe(403);
  expect((await mesh.call("POST", `/copies/${ID}/link`)).status).toBe(404);
  expect((await mesh.call("DELETE", "/links")).status).toBe(204);
  expect(await open("GET", `/copies/${id}`)).toMatchObject({ status: 403, body: { code: "link_invalid" } });
  const sig = link.searchParams.get("sig") ?? "";
  expect(mesh.logged.join("\n")).not.toContain(sig);
});

test("a link opens a comparison as it opens a copy", async () => {
  const sides = { source: "east:source/compared/", destination: "west:destination/compared/" };
  const { id } = await mesh.compare(sides);
  const { body, status } = await mesh.call<Record<string, string>>("POST", `/comparisons/${id}/link`);
  expect(status).toBe(201);
  const { search } = new URL(body["url"] ?? "");
  const open = async (path: string) =>
    await mesh.call("GET", path + search, { headers: { authorization: "" } });
  expect(await open(`/comparisons/${id}`)).toMatchObject({
    status: 200,
    body: { id, phase: "inconclusive" },
  });
  expect((await open(`/comparisons/${id}/report`)).status).toBe(401);
  expect(await open(`/syncs/${id}`)).toMatchObject({ status: 403, body: { code: "link_invalid" } });
});

test("a link that is asked for again under its Idempotency-Key is the same link", async () => {
  east.put("source", "link again", "L");
  const { id } = await mesh.copy({ source: "east:source/link again", destination: "west:destination/again" });
  const ask = async (seconds: number) =>
    await mesh.call("POST", `/copies/${id}/link`, {
      body: { expiresInSeconds: seconds },
      headers: { "idempotency-key": "link-1" },
    });
  const [first, second] = [await ask(3600), await ask(3600)];
  expect(second.text).toBe(first.text);
  expect(second.headers.get("idempotency-replayed")).toBe("true");
  expect((await ask(3601)).status).toBe(422);
});

test("a token is compared as a whole: what is right of it makes no difference that could be timed", async () => {
  // Digests of both are compared, so a right beginning is as wrong as any other; of the answers nothing tells
  // them apart.
  const wrong = [TOKEN.slice(0, -1), `${TOKEN}x`, `${TOKEN.slice(0, -1)}x`, "x".repeat(TOKEN.length), "x"];
  const answers = await Promise.all(
    wrong.map((token) => mesh.call("GET", "/copies", { headers: { authorization: `Bearer ${token}` } })),
  );
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(answers[0]?.body["code"]).toBe("token_wrong");
});

test.for<[what: string, body: Record<string, unknown>]>([
  ["a URL as source", { ...good, source: "http://169.254.169.254/latest/meta-data" }],
  ["a URL as destination", { ...good, destination: "https://evil.example/bucket/key" }],
  ["a store that is a host", { ...good, source: { store: "127.0.0.1:80", bucket: "source", key: "a" } }],
  ["a store that is a property of every object", { ...good, source: "__proto__:source/a" }],
  ["an endpoint in the request", { ...good, endpoint: "http://169.254.169.254" }],
  [
    "an endpoint in the object",
    { ...good, source: { store: "east", bucket: "source", key: "a", endpoint: "http://x" } },
  ],
  [
    "a report at another host",
    { source: "east:source/", destination: "west:destination/", report: "http://x/y" },
  ],
])("no request chooses a host to talk to: %s is refused", async ([, body]) => {
  const before = east.count() + west.count();
  for (const path of ["/copies", "/syncs"]) {
    const answer = await mesh.call("POST", path, { body });
    expect(answer.status).toBe(400);
  }
  expect(east.count() + west.count()).toBe(before);
});

test("a store that redirects is not followed, and gets no second request signed", async () => {
  const status = await mesh.copy({ source: "astray:source/a", destination: "west:destination/astray" });
  expect(status.phase).not.toBe("completed");
  expect(elsewhere.filter((url) => url.startsWith("/stolen"))).toEqual([]);
  if (status.phase === "blocked") await mesh.cancel(status.id);
});

test.for<[what: string, destination: unknown, code: string]>([
  ["another bucket of a fenced store", "fenced:other/a", "bucket_not_allowed"],
  ["a bucket that climbs", { store: "fenced", bucket: "..", key: "other/a" }, "invalid_bucket"],
  [
    "a bucket with a path in it",
    { store: "fenced", bucket: "destination/../other", key: "a" },
    "invalid_bucket",
  ],
  [
    "a bucket with an encoded path",
    { store: "fenced", bucket: "destination%2F..%2Fother", key: "a" },
    "invalid_bucket",
  ],
  ["a store that is read only", "archive:destination/a", "store_read_only"],
])("a bucket is not left: %s is refused", async ([, destination, code]) => {
  const answer = await mesh.call("POST", "/copies", { body: { ...good, destination } });
  expect([answer.status, answer.body["code"]]).toEqual([code === "invalid_bucket" ? 400 : 403, code]);
});

test.for([
  "../other/climb",
  "a/../../other/climb",
  "./climb",
  "%2e%2e/other/climb",
  "//other/climb",
  "?versionId=x",
  "a#b",
])("the key %j stays a key of its bucket", async (key) => {
  east.put("source", "climber", "C");
  const status = await mesh.copy({
    source: "east:source/climber",
    destination: { store: "fenced", bucket: "destination", key },
  });
  expect(status.phase).toBe("completed");
  expect(west.bytes("destination", key).toString()).toBe("C");
  expect(west.objects("other")).toEqual([]);
});

test("an error names fields and codes, and neither a secret nor where in the code it was", async () => {
  const answers = [
    await mesh.call("POST", "/copies", { body: `{"source": "${TOKEN}`, headers: { "x-secret": TOKEN } }),
    await mesh.call("POST", "/copies", { body: { ...good, source: "nowhere:a/b" } }),
    await mesh.call("GET", "/nothing/at/all"),
    await mesh.call("GET", "/stores"),
  ].slice(1);
  for (const { text } of answers) {
    expect(text).not.toMatch(/\bat \w+ \(|\.ts:\d+|front\.js/);
    expect(text).not.toContain(east.credentials.secretAccessKey);
    expect(text).not.toContain(east.credentials.accessKeyId);
  }
});

test("what a store says of the request is told without what it was signed with", async () => {
  const { accessKeyId, secretAccessKey } = east.credentials;
  east.put("source", "loud", "L");
  east.fault(
    { operation: ["HeadObject", "GetObject"] },
    { kind: "answer", code: "SignatureDoesNotMatch", message: "The signature does not match" },
  );
  const status = await mesh.copy({ ...good, source: "east:source/loud" });
  expect(status.phase).toBe("blocked");
  expect(JSON.stringify(status)).not.toMatch(/X-Amz-Signature|AWS4-HMAC/);
  await mesh.cancel(status.id);
  // Every answer and every line of the log of every test is searched likewise, at the end of each test file.
  await expect.poll(() => mesh.logged.join()).toContain(status.id);
  const log = mesh.logged.join("\n");
  for (const secret of [TOKEN, READ_TOKEN, secretAccessKey, accessKeyId]) expect(log).not.toContain(secret);
});

test.for<[what: string, body: Uint8Array, detail: RegExp]>([
  [
    "a key that is not UTF-8",
    Buffer.from('{"source":"east:source/\xff","destination":"west:b/a"}', "latin1"),
    /UTF-8/,
  ],
  [
    "a field twice",
    Buffer.from('{"source":"east:source/a","source":"east:source/b"}'),
    /source.* is given twice/,
  ],
  ["a name that JavaScript keeps", Buffer.from('{"tags":{"__proto__":"x"}}'), /__proto__/],
])("%s in a body is refused", async ([, body, detail]) => {
  const answer = await fetch(new URL("/copies", mesh.url), {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    body: new Uint8Array(body),
  });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringMatching(detail)]);
  const query = await mesh.call("GET", "/copies?sync=%FF");
  expect([query.status, query.body["code"]]).toEqual([400, "invalid_request"]);
});

test("a body of more than 64 KiB is refused, whether it says so or not, and one that is kept above 8 KiB", async () => {
  for (const path of ["/schedules/big", "/stores/east/check", "/probe"]) {
    const method = path.startsWith("/schedules") ? "PUT" : "POST";
    const kept = await mesh.call(method, path, { body: { cron: "0".repeat(8 * 1024) } });
    expect([path, kept.status, kept.body["detail"]]).toEqual([
      path,
      413,
      "The body of this request may have at most 8192 bytes",
    ]);
  }
  const said = await mesh.call("POST", "/copies", { body: { ...good, more: "x".repeat(70_000) } });
  expect([said.status, said.body["code"]]).toEqual([413, "body_too_large"]);
  const chunks = Array.from({ length: 3 }, () => new Uint8Array(30_000).fill(0x20));
  const unsaid = await fetch(new URL("/copies", mesh.url), {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    body: ReadableStream.from(chunks),
    duplex: "half",
  });
  expect(unsaid.status).toBe(413);
});

test("a client that sends its request slowly, or reads its answer not at all, holds up nobody else", async () => {
  const slow = httpRequest(new URL("/copies", mesh.url), {
    method: "POST",
    headers: {
      authorization: `Bearer ${TOKEN}`,
      "content-type": "application/json",
      "content-length": "1000",
    },
  });
  slow.on("error", () => {}); // it is cut off below
  slow.write('{"source":');
  east.put("source", "quick", "Q");
  const gate = west.hold({ operation: "PutObject", key: "quick" });
  const id = await mesh.startCopy({ source: "east:source/quick", destination: "west:destination/quick" });
  await west.waitFor(() => gate.waiting.length === 1);
  const deaf = connect(Number(mesh.url.port), mesh.url.hostname);
  deaf.on("error", () => {});
  deaf.pause();
  deaf.write(`GET /copies/${id}/events HTTP/1.1\r\nHost: mesh\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
  slow.destroy();
  deaf.destroy();
});

test("the page may run its own script, talk to its own mesh, and nothing else, and stands in no frame", async () => {
  const { headers, text } = await mesh.call("GET", "/", {
    headers: { accept: "text/html", authorization: "" },
  });
  const policy = new Map(
    (headers.get("content-security-policy") ?? "").split("; ").map((directive) => {
      const [name = "", ...values] = directive.split(" ");
      return [name, values.join(" ")] as const;
    }),
  );
  expect(policy.get("default-src")).toBe("'none'");
  expect(policy.get("script-src")).toMatch(/^'sha256-[A-Za-z0-9+/]{43}='$/);
  expect(policy.get("style-src")).toMatch(/^'sha256-[A-Za-z0-9+/]{43}='$/);
  expect(policy.get("connect-src")).toBe("'self'");
  expect(policy.get("frame-ancestors")).toBe("'none'");
  expect(policy.get("base-uri")).toBe("'none'");
  expect(policy.get("form-action")).toBe("'none'");
  expect(policy.get("require-trusted-types-for")).toBe("'script'");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("referrer-policy")).toBe("no-referrer");
  expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
  expect(text).not.toMatch(/(?:src|href)="https?:/);
  // Preact knows innerHTML, which Trusted Types refuse it; the page's own files never ask for it.
  const sources = join(import.meta.dirname, "../../../src/dashboard");
  const scripts = readdirSync(sources).filter((name) => name.endsWith(".js"));
  expect(scripts.length).toBeGreaterThan(0);
  for (const name of scripts) {
    const script = readFileSync(join(sources, name), "utf8");
    expect(script, name).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write|\beval\(/i);
  }
});

test("another site's page can neither call nor read: no cookie counts, and no answer allows another origin", async () => {
  const site = { origin: "https://evil.example", cookie: `token=${TOKEN}` };
  for (const [method, headers] of [
    ["GET", site],
    ["POST", { ...site, "content-type": "text/plain" }],
    [
      "OPTIONS",
      { ...site, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
    ],
  ] as const) {
    const body = method === "POST" ? { body: JSON.stringify(good) } : {};
    const answer = await mesh.call(method, "/copies", {
      headers: { ...headers, authorization: "" },
      ...body,
    });
    expect(answer.status).toBe(401);
    expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
  }
  expect(east.count() + west.count()).toBe(0);
});

test("no answer is taken for something else than it says, or kept by anybody between", async () => {
  const { id } = await mesh.copy({ source: "east:source/none", destination: "west:destination/none" });
  for (const path of [
    "/copies",
    `/copies/${id}`,
    "/stores",
    "/metrics",
    `/copies/${id}/progress`,
    "/nothing",
  ]) {
    const { headers } = await mesh.call("GET", path);
    expect([path, headers.get("x-content-type-options")]).toEqual([path, "nosniff"]);
    expect([path, headers.get("cache-control")?.startsWith("no-store")]).toEqual([path, true]);
  }
});
