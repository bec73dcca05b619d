// What an attacker or a careless owner tries at the door: each is refused as what it is. Nothing is started,
// nothing is changed, and nothing ends in an error that nobody foresaw.

import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { READ_TOKEN, TOKEN } from "../../mesh/mesh.ts";
import { PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

/** Bytes as they are; the answers are those of one connection. @returns the statuses */
async function raw(bytes: string | Buffer): Promise<number[]> {
  const socket = connect(Number(mesh.url.port), mesh.url.hostname);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.end(bytes);
  await new Promise((resolve) => socket.once("close", resolve));
  const text = Buffer.concat(chunks).toString("latin1");
  return Array.from(text.matchAll(/^HTTP\/1\.1 (\d{3})/gm), ([, status]) => Number(status));
}

const get = async (path: string, ...headers: string[]) =>
  await raw(
    Buffer.from(
      `GET ${path} HTTP/1.1\r\nHost: mesh\r\n${headers.map((line) => `${line}\r\n`).join("")}Connection: close\r\n\r\n`,
      "latin1",
    ),
  );

const bearer = (token: string) => `Authorization: Bearer ${token}`;

const refused = (statuses: number[]) => statuses.every((status) => status >= 400 && status < 500);

const post = async (path: string, body: string | Buffer, type = "application/json") => {
  const response = await fetch(new URL(path, mesh.url), {
    method: path.startsWith("/schedules/") ? "PUT" : "POST",
    headers: { authorization: `Bearer ${TOKEN}`, ...(type === "" ? {} : { "content-type": type }) },
    body: new Uint8Array(Buffer.from(body)),
  });
  return { status: response.status, text: await response.text() };
};

const started = async () =>
  (await mesh.call("GET", "/copies")).text +
  (await mesh.call("GET", "/syncs")).text +
  (await mesh.call("GET", "/schedules")).text;

test.for([
  [],
  ["Authorization:"],
  ["Authorization: Bearer"],
  [`Authorization: Bearer ${" ".repeat(7_000)}`],
  [`Authorization: Bearer ${" ".repeat(7_000)}x ${TOKEN}`],
  [`Authorization: Basic ${btoa(`api:${TOKEN}`)}`],
  [`Authorization: Bearer\t${TOKEN}`],
  [bearer("undefined")],
  [bearer("null")],
  [bearer(`Bearer ${TOKEN}`)],
  [bearer(`\u00a0${TOKEN}`)],
  [bearer(`${TOKEN}\u0000`)],
  [bearer(TOKEN.slice(0, -1))],
  [bearer(`${TOKEN}x`)],
  [bearer(TOKEN.toUpperCase())],
  [bearer("a".repeat(7_000))],
  [bearer("a".repeat(60_000))],
  [`Authorization: Bearer\r\n ${TOKEN}`],
  [`X-Api-Key: ${TOKEN}`],
  [`Proxy-Authorization: Bearer ${TOKEN}`],
  [`Cookie: token=${TOKEN}; Authorization=Bearer ${TOKEN}`],
  [bearer("wrong"), bearer(TOKEN)],
  [bearer(TOKEN), bearer("wrong")],
  [bearer(TOKEN), bearer(TOKEN)],
])("%# no token in any other form is one", async (headers) => {
  for (const path of ["/copies", `/copies?token=${TOKEN}`])
    expect(refused(await get(path, ...headers))).toBe(true);
});

test.for([
  ..."/.env /.git/config //healthz /healthz/../copies /HEALTHZ /Docs /openapi.json/../stores".split(" "),
  ..."/docs/../metrics /./copies /copies; /copies%00 /%2e%2e/copies /cdn-cgi/trace /admin /registry".split(
    " ",
  ),
])("%s is no way past the token", async (path) => {
  expect(refused(await get(path))).toBe(true);
});

test("a token that may only read cancels nothing, by whatever method, header or spelling", async () => {
  east.putGenerated("source", "held", { size: PART });
  const gate = west.hold({ operation: "PutObject" });
  const id = await mesh.startCopy({ source: "east:source/held", destination: "west:destination/held" });
  await west.waitFor(() => gate.waiting.length === 1);
  const path = `/copies/${id}/cancel`;
  for (const method of ["POST", "PATCH", "PUT", "DELETE", "OPTIONS", "PROPFIND", "QUERY"])
    for (const header of ["X: x", "X-HTTP-Method-Override: GET", "X-HTTP-Method: GET"]) {
      const request = `${method} ${path} HTTP/1.1\r\nHost: mesh\r\n${bearer(READ_TOKEN)}\r\n${header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
      expect(refused(await raw(request))).toBe(true);
    }
  const end = `/copies/${id}/`;
  const spellings =
    "cancel %63ancel cancel/ ./cancel parts/../cancel %2e/cancel cancel%20 cancel; Cancel cancel%00 ;/cancel /cancel".split(
      " ",
    );
  for (const spelling of [...spellings, "\\cancel", "%5ccancel", "%2Fcancel", "?/../cancel"])
    for (const header of ["X: x", "X-HTTP-Method-Override: POST", "X-Method-Override: POST", "_method: POST"])
      await get(end + spelling, bearer(READ_TOKEN), header);
  await get(`${path}?_method=POST`, bearer(READ_TOKEN));
  expect(await mesh.status(id)).toMatchObject({ phase: "uploading" });
  gate.release();
  expect((await mesh.ended(id)).phase).toBe("completed");
});

test("two readings of one request are none, and what is no HTTP starts nothing", async () => {
  const before = await started();
  const body = "source=east:source/held&destination=west:destination/smuggled";
  const head = `POST /copies HTTP/1.1\r\nHost: mesh\r\n${bearer(TOKEN)}\r\nContent-Type: application/x-www-form-urlencoded\r\n`;
  for (const framing of [
    `Content-Length: 3\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    `Content-Length: -1\r\n\r\n${body}`,
    `Content-Length: +${body.length}\r\n\r\n${body}`,
    `Content-Length: 0x${body.length.toString(16)}\r\n\r\n${body}`,
    `Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${body}`,
    `Transfer-Encoding: xchunked\r\n\r\n${body}`,
  ])
    expect(refused(await raw(head + framing))).toBe(true);
  expect(await raw(`GET /copies\r\n\r\n`)).not.toContain(200);
  expect(await started()).toBe(before);
});

test.for([
  ..."00000000000000000000000000 7zzzzzzzzzzzzzzzzzzzzzzzzz 8zzzzzzzzzzzzzzzzzzzzzzzzz short".split(" "),
  ..."01K0000000000000000000000A 01k000000000000000000000000 registry __proto__ constructor %00 ..%2fstores".split(
    " ",
  ),
])("nothing has the id %s", async (id) => {
  for (const path of [`/copies/${id}`, `/copies/${id}/parts`, `/syncs/${id}`, `/syncs/${id}/report`])
    expect([path, (await mesh.call("GET", path)).status]).toEqual([path, 404]);
});

const GOOD = { source: "east:source/held", destination: "west:destination/tried" };
const json = (change: object) => JSON.stringify({ ...GOOD, ...change });
const nested = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth);

test.for<[what: string, body: string | Buffer, type?: string]>([
  ["nothing", ""],
  ["no type and no JSON", "hello", ""],
  [
    "multipart",
    '--b\r\nContent-Disposition: form-data; name="source"\r\n\r\nx\r\n--b--',
    "multipart/form-data; boundary=b",
  ],
  ["UTF-16", Buffer.from(json({}), "utf16le")],
  ["gzip", gzipSync(json({}))],
  ["null", "null"],
  ["a list", "[]"],
  ["text", '"x"'],
  ["a number", "1e999"],
  [
    "__proto__",
    '{"__proto__":{"verify":"off"},"source":"east:source/held","destination":"west:destination/tried"}',
  ],
  ["constructor", json({ constructor: { prototype: {} } })],
  ["deep lists", nested(30_000, "[", "]")],
  ["deep objects", `{"source":${'{"a":'.repeat(9_000)}1${"}".repeat(9_000)}}`],
  ["a deep field", `{"location":${nested(30_000, "[", "]")}}`],
  [
    "thousands of fields",
    JSON.stringify(Object.fromEntries(Array.from({ length: 4_000 }, (_, n) => [`f${n}`, 1]))),
  ],
  ["a key of 60 KB", json({ source: `east:source/${"k".repeat(60_000)}` })],
  ["a key of 1,025 bytes", json({ destination: `west:destination/${"k".repeat(1_025)}` })],
  [
    "half a surrogate in a key",
    String.raw`{"source":"east:source/\ud800","destination":"west:destination/x"}`,
  ],
  [
    "half a surrogate in a version",
    String.raw`{"source":{"store":"east","bucket":"source","key":"held","versionId":"\ud800"},"destination":"west:destination/x"}`,
  ],
  ["half a surrogate in a tag", json({ tags: { "a\ud800": "x" } })],
  ["a header in a header", json({ attributes: { meta: { a: "x\r\nX-Evil: 1" } } })],
  ["a header in a name", json({ attributes: { meta: { "a\r\nX-Evil": "1" } } })],
  ["a header in a type", json({ attributes: { contentType: "text/plain\r\nX-Evil: 1" } })],
  ["an escape in a type", json({ attributes: { contentType: "text/\u001b[31m" } })],
  ["a header in a class", json({ storageClass: "STANDARD\r\nX-Evil: 1" })],
  ["a path as store", json({ source: "../east:source/held" })],
  ["a prototype as store", json({ source: "constructor:source/held" })],
  ["a prototype as store", json({ source: "__proto__:source/held" })],
  ["dots as bucket", json({ source: "east:../held" })],
  ["a path as bucket", json({ source: { store: "east", bucket: "source/held", key: "k" } })],
  ["an encoded path as bucket", json({ source: "east:%2e%2e/held" })],
  ["a line break in a bucket", json({ source: { store: "east", bucket: "sou\nrce", key: "k" } })],
  ...[
    "1e400",
    "-1",
    "0",
    '"NaN"',
    '"Infinity"',
    "1e21",
    "9007199254740993",
    '"1e6"',
    '"10000000000000000000000TiB"',
    '"0x10"',
    '"5\\u0000"',
    '"٥"',
    '"1.5"',
    "true",
    "{}",
    "[]",
    `"${"9".repeat(50_000)}"`,
  ].map((value): [string, string] => [
    `partSize ${value.slice(0, 30)}`,
    `{"source":"east:source/held","destination":"west:destination/tried","partSize":${value}}`,
  ]),
  ...["0", "-1", "251", "1.5", "1e400", '"8 "', '"٨"', "true", "null"].map((value): [string, string] => [
    `lanes ${value}`,
    `{"source":"east:source/held","destination":"west:destination/tried","lanes":${value}}`,
  ]),
])("POST /copies with %s is refused, and starts nothing", async ([, body, type]) => {
  const before = await started();
  const answer = await post("/copies", body, type);
  expect([answer.status, answer.text]).toEqual([
    expect.toSatisfy((status: number) => status === 400 || status === 403),
    expect.stringContaining('"code"'),
  ]);
  expect(answer.text.length).toBeLessThan(4_000);
  expect(await started()).toBe(before);
});

const SYNC = { source: "east:source/", destination: "west:destination/tried/" };

test.for<[path: string, body: object]>([
  ["/syncs", { ...SYNC, source: { store: "east", bucket: "source", prefix: "a\ud800" } }],
  ["/syncs", { ...SYNC, destination: { store: "west", bucket: "destination", prefix: "\udc00" } }],
  ["/syncs", { ...SYNC, tags: { "a\ud800": "x" } }],
  ["/syncs", { ...SYNC, report: `west:destination/${"r".repeat(960)}` }],
  ["/syncs", { ...SYNC, source: `east:source/${"p".repeat(2_000)}` }],
  ["/syncs", { ...SYNC, include: Array(60).fill("{a,b}".repeat(8) + "x".repeat(980)) }],
  ["/syncs", { ...SYNC, include: Array(101).fill("x") }],
  ["/syncs", { ...SYNC, exclude: `${"{".repeat(500)}a${"}".repeat(501)}x{` }],
  ["/syncs", { ...SYNC, maxDeletes: "101%" }],
  ["/syncs", { ...SYNC, maxDeletes: "1e400" }],
  ["/syncs", { ...SYNC, minAgeSeconds: -1 }],
  ["/syncs", { ...SYNC, storageClasses: ["s".repeat(65)] }],
  ["/schedules/x", { cron: "0 0 30 2 *", copy: GOOD }],
  ["/schedules/x", { cron: "*/0 * * * *", copy: GOOD }],
  ["/schedules/x", { cron: "* * * * * *", copy: GOOD }],
  ["/schedules/x", { cron: "@yearly", copy: GOOD }],
  ["/schedules/x", { cron: `${"1,".repeat(200)}1 * * * *`, copy: GOOD }],
  ["/schedules/x", { cron: "* * * * *", timezone: "../../etc/passwd", copy: GOOD }],
  ["/schedules/x", { cron: "* * * * *", timezone: "constructor", copy: GOOD }],
  ["/schedules/x", { cron: "* * * * *", copy: { ...GOOD, destination: "west:destination/{constructor}" } }],
  [
    "/schedules/x",
    { cron: "* * * * *", copy: { ...GOOD, destination: `west:destination/${"{yyyy}".repeat(300)}` } },
  ],
  ["/schedules/__proto__", { cron: "* * * * *", copy: GOOD }],
  ["/schedules/..%2fstores", { cron: "* * * * *", copy: GOOD }],
  [`/schedules/${"s".repeat(64)}`, { cron: "* * * * *", copy: GOOD }],
])("%s with %j is refused, and starts nothing", async ([path, body]) => {
  const before = await started();
  const { status, text } = await post(path, JSON.stringify(body));
  expect([status, text]).toEqual([400, expect.stringContaining('"code"')]);
  expect(await started()).toBe(before);
});

test.for([
  "cursor=' OR 1=1--",
  "cursor=%00",
  "cursor=%FF",
  "cursor=%zz",
  "cursor[]=1",
  "limit=0",
  "limit=-1",
  "limit=501",
  "limit=1e2",
  "limit=",
  "limit=1&limit=2",
  "phase=done'",
  "phase=__proto__",
  "phase=constructor",
  "orphans=maybe",
  "orphans&sync=01k00000000000000000000000",
  "unknown=1",
])("GET /copies?%s is refused", async (query) => {
  expect((await mesh.call("GET", `/copies?${query}`)).status).toBe(400);
});

test.for(["a b", "\u00fc", "k".repeat(256), "a\tb"])("%j is no Idempotency-Key", async (key) => {
  const before = await started();
  const body = json({});
  const request = `POST /copies HTTP/1.1\r\nHost: mesh\r\n${bearer(TOKEN)}\r\nContent-Type: application/json\r\nIdempotency-Key: ${key}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
  expect(await raw(Buffer.from(request, "latin1"))).toEqual([400]);
  expect(await started()).toBe(before);
});

test("control characters and line breaks in a key are of the key", async () => {
  for (const key of [
    "a\r\nX-Evil: 1",
    "a\u0000b",
    "a\u2028b",
    "\u001b[31m",
    "a?b#c",
    "a//b",
    "..",
    "%2e%2e",
  ]) {
    east.put("source", key, key);
    const object = (store: string, bucket: string) => ({ store, bucket, key });
    const status = await mesh.copy({
      source: object("east", "source"),
      destination: object("west", "destination"),
    });
    expect([key, status.phase]).toEqual([key, "completed"]);
    expect(west.bytes("destination", key).toString()).toBe(key);
  }
});

test("nothing of all this was an error that nobody foresaw", () => {
  expect(mesh.logged.filter((line) => /crashed|internal_error/.test(line))).toEqual([]);
});
