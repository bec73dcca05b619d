// Named tokens, and people who come through Cloudflare Access: each does what the entries say, in the places
// that they name, and sees no other.

import { createSign, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { type IncomingMessage, createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { afterAll, expect, test } from "vitest";
import { MEMORY, TOKEN, digestOfToken, storeSecret } from "../../mesh/mesh.ts";
import { openWorld } from "../world.ts";

const RIGHTS = ["read", "start", "steer", "delete", "schedules", "stores", "events"];
const tokenOf = (name: string) => `token-of-many-letters-for-${name}`;
const entry = (name: string, may: readonly string[], more: Record<string, unknown> = {}) => {
  const sha256 = digestOfToken(tokenOf(name));
  return { name, sha256, may, ...more };
};
const allBut = (right: string) => RIGHTS.filter((one) => one !== right);
const without = (right: string) => entry(`no-${right}`, allBut(right));
const CI = { source: ["east:source/ci/"], destination: ["west:destination/ci/"] };

/** The keys of a team of Cloudflare Access. */
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const team = createServer((_request, response) => {
  const keys = [{ ...publicKey.export({ format: "jwk" }), kid: "one", alg: "RS256", use: "sig" }];
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys }));
}).listen(0, "127.0.0.1");
await once(team, "listening");
afterAll(() => {
  team.close();
  rmSync(directory, { recursive: true, force: true });
});
const ISSUER = `http://127.0.0.1:${(team.address() as AddressInfo).port}`;

const directory = mkdtempSync(join(MEMORY, "bucket-brigade-state-"));

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } }, (stores) => ({
  directory,
  bindings: {
    STORE_NORTH: storeSecret(stores.west),
    STORE_TWICE: storeSecret(stores.east),
    STORE_twice: storeSecret(stores.west),
    API_TOKENS: JSON.stringify([
      ...RIGHTS.map(without),
      entry("ci", ["read", "start", "steer", "schedules", "stores"], CI),
      entry("north", RIGHTS, { source: ["north"], destination: ["north"] }),
      entry("old", ["read"], { notAfter: "2020-01-01" }),
      entry("wrong", ["fly"]),
      { email: "*@example.com", may: ["read"] },
      { group: "ops", may: ["start"], destination: ["west:destination/ops/"] },
      { email: "former@example.com", may: RIGHTS, notAfter: "2020-01-01" },
    ]),
    ACCESS_TEAM: ISSUER,
    ACCESS_AUD: "the-audience",
    MAX_RUNNING: "3",
    LOOPBACK_ONLY: "true",
  },
}));

const as = (name: string) => ({ authorization: `Bearer ${tokenOf(name)}` });
const ask = async (name: string, method: string, path: string, body?: unknown) =>
  await mesh.call(method, path, { headers: as(name), ...(body === undefined ? {} : { body }) });
const saying = ({ status, body }: { status: number; body: Record<string, unknown> }) => [
  status,
  body["code"],
];

const { body: described } = await mesh.call<{ paths: Record<string, Record<string, { security?: [] }>> }>(
  "GET",
  "/openapi.json",
);
/** Of the app itself, without those that are open, or that a secret in their path opens. */
const routes = Object.entries(described.paths).flatMap(([path, methods]) =>
  Object.entries(methods)
    .filter(([, { security }]) => security === undefined && !path.endsWith("/{secret}"))
    .map(([method]) => ({ method: method.toUpperCase(), path })),
);

const RIGHT_OF: Readonly<Record<string, string>> = {
  "POST /copies": "start",
  "POST /syncs": "start",
  "POST /quotes": "start",
  "POST /comparisons": "start",
  "POST /comparisons/{id}/repair": "start",
  "POST /copies/{id}/retry": "start",
  "POST /schedules/{name}/run": "start",
  "PUT /replications/{name}": "start",
  "POST /replications/{name}/secret": "start",
  "POST /replications/{name}/events": "events",
  "POST /events": "events",
  "PUT /schedules/{name}": "schedules",
  "PATCH /schedules/{name}": "schedules",
  "DELETE /schedules/{name}": "schedules",
  "POST /stores/{name}/check": "stores",
  "DELETE /stores/{name}/check": "stores",
  "POST /probe": "stores",
  "POST /probe/cancel": "stores",
};

east.put("source", "ci/a", "A");
east.put("source", "other", "B");
const ours = await mesh.copy({ source: "east:source/ci/a", destination: "west:destination/ci/a" });
const theirs = await mesh.copy({ source: "east:source/other", destination: "west:destination/other" });

test("without the right of its route no call passes, whatever other rights there are; with it each does", async () => {
  for (const { method, path } of routes) {
    const right = RIGHT_OF[`${method} ${path}`] ?? (method === "GET" ? "read" : "steer");
    const address = path.replace("{id}", "01jzzzzzzzzzzzzzzzzzzzzzzz").replace("{name}", "nobody");
    for (const other of RIGHTS) {
      const answer = await ask(`no-${other}`, method, address);
      const isMissing = answer.body["code"] === "right_missing";
      expect([method, path, other, isMissing]).toEqual([method, path, other, other === right]);
      expect(answer.status).not.toBe(500);
    }
  }
});

test("who may use another store only finds nothing of it: no work, no list, no store, no metrics", async () => {
  await mesh.call("PUT", "/schedules/theirs", {
    body: {
      cron: "0 3 1 1 *",
      copy: { source: "east:source/other", destination: "west:destination/{yyyy}" },
    },
  });
  const values: Readonly<Record<string, string>> = {
    "/copies": theirs.id,
    "/syncs": "01jzzzzzzzzzzzzzzzzzzzzzzz",
    "/comparisons": "01jzzzzzzzzzzzzzzzzzzzzzzz",
    "/schedules": "theirs",
    "/replications": "nobody",
    "/stores": "west",
  };
  for (const { method, path } of routes) {
    const value = values[/^\/\w+/.exec(path)?.[0] ?? ""] ?? "";
    const body = path === "/probe" ? { store: "west", bucket: "destination" } : { cron: "0 3 1 1 *" };
    const answer = await ask(
      "north",
      method,
      path.replace(/\{\w+\}/, value),
      ["POST", "PUT", "PATCH"].includes(method) ? body : undefined,
    );
    if (answer.status === 200)
      expect(answer.text).not.toMatch(/"(?:east|west|theirs)"|:source\/|us-east-1",\s*"name": "(?!north)/);
    else expect([method, path, answer.status]).toEqual([method, path, expect.toBeOneOf([400, 403, 404])]);
  }
  expect(saying(await ask("north", "GET", "/metrics"))).toEqual([403, "out_of_scope"]);
  expect(saying(await ask("north", "GET", `/copies/${theirs.id}`))).toEqual([404, "copy_not_found"]);
  expect(saying(await ask("north", "DELETE", "/schedules/theirs"))).toEqual([404, "schedule_not_found"]);
  expect((await mesh.call("GET", "/schedules/theirs")).status).toBe(200);
  await mesh.call("DELETE", "/schedules/theirs");
});

test("within its prefixes a token does its work, and sees it", async () => {
  const started = await ask("ci", "POST", "/copies", {
    source: "east:source/ci/a",
    destination: "west:destination/ci/",
  });
  expect(started.status).toBe(202);
  const id = String(started.body["id"]);
  await mesh.ended(id);
  expect(west.bytes("destination", "ci/a").toString()).toBe("A");
  expect((await ask("ci", "GET", `/copies/${id}/parts`)).status).toBe(200);
  const { copies } = (await ask("ci", "GET", "/copies?limit=500")).body as { copies: { id: string }[] };
  expect(copies.map((copy) => copy.id)).toEqual([id, ours.id]);
  expect(copies).toMatchObject([{ startedBy: "ci" }, { startedBy: "full" }]);
  expect((await ask("ci", "GET", `/copies/${id}`)).body).toMatchObject({ startedBy: "ci" });
  expect((await ask("ci", "POST", `/copies/${id}/cancel`)).body["changed"]).toBe(false);
  expect(saying(await ask("ci", "POST", `/copies/${theirs.id}/cancel`))).toEqual([404, "copy_not_found"]);
  expect(saying(await ask("ci", "POST", `/copies/${theirs.id}/retry`))).toEqual([404, "copy_not_found"]);
  const { stores, access } = (await ask("ci", "GET", "/stores")).body as {
    stores: { name: string }[];
    access?: [];
  };
  expect([stores.map(({ name }) => name), access]).toEqual([["east", "west"], undefined]);
});

test.for<[what: string, path: string, body: Record<string, unknown>]>([
  ["another source", "/copies", { source: "east:source/other", destination: "west:destination/ci/x" }],
  ["another destination", "/copies", { source: "east:source/ci/a", destination: "west:destination/x" }],
  ["a folder above", "/copies", { source: "east:source/ci/a", destination: "west:destination/" }],
  [
    "the same place by another name",
    "/copies",
    { source: "east:source/ci/a", destination: "north:destination/ci/a" },
  ],
  [
    "a store that is not there",
    "/copies",
    { source: "south:source/ci/a", destination: "west:destination/ci/a" },
  ],
  ["all of the bucket", "/syncs", { source: "east:source/", destination: "west:destination/ci/" }],
  [
    "a report elsewhere",
    "/syncs",
    { source: "east:source/ci/", destination: "west:destination/ci/", report: "west:destination/reports/" },
  ],
])("outside of them it starts nothing: %s", async ([, path, body]) => {
  const before = east.count() + west.count();
  const answer = await ask("ci", "POST", path, body);
  expect(saying(answer)).toEqual([403, "out_of_scope"]);
  const cron = { cron: "0 3 1 1 *", [path === "/copies" ? "copy" : "sync"]: body };
  expect(saying(await ask("ci", "PUT", "/schedules/sly", cron))).toEqual([403, "out_of_scope"]);
  expect(east.count() + west.count()).toBe(before);
});

test("who may not delete starts no sync that deletes, and makes and runs no such schedule; a dry run it may", async () => {
  const sync = { source: "east:source/ci/", destination: "west:destination/ci/", delete: true };
  expect(saying(await ask("ci", "POST", "/syncs", sync))).toEqual([403, "right_missing"]);
  const schedule = { cron: "0 3 1 1 *", sync };
  expect(saying(await ask("ci", "PUT", "/schedules/nightly", schedule))).toEqual([403, "right_missing"]);
  expect((await mesh.call("PUT", "/schedules/nightly", { body: schedule })).status).toBe(201);
  expect(saying(await ask("ci", "POST", "/schedules/nightly/run"))).toEqual([403, "right_missing"]);
  expect(saying(await ask("ci", "PATCH", "/schedules/nightly", { enabled: false }))).toEqual([
    403,
    "right_missing",
  ]);
  expect((await ask("ci", "DELETE", "/schedules/nightly")).status).toBe(204);
  const dry = await ask("ci", "POST", "/syncs", { ...sync, dryRun: true });
  expect(dry.status).toBe(202);
  const { body } = await mesh.call("GET", `/syncs/${String(dry.body["id"])}?wait=30`);
  expect(body).toMatchObject({ phase: "completed", startedBy: "ci" });
});

test("a schedule that lies elsewhere is not replaced by its name", async () => {
  const theirWork = { source: "east:source/other", destination: "west:destination/{yyyy}" };
  await mesh.call("PUT", "/schedules/shared", { body: { cron: "0 3 1 1 *", copy: theirWork } });
  const ourWork = { source: "east:source/ci/a", destination: "west:destination/ci/{yyyy}" };
  const put = await ask("ci", "PUT", "/schedules/shared", { cron: "0 3 1 1 *", copy: ourWork });
  expect(saying(put)).toEqual([403, "out_of_scope"]);
  await mesh.call("DELETE", "/schedules/shared");
  expect((await ask("ci", "PUT", "/schedules/shared", { cron: "0 3 1 1 *", copy: ourWork })).status).toBe(
    201,
  );
  expect((await ask("ci", "GET", "/schedules")).body).toMatchObject({
    schedules: [{ name: "shared", startedBy: "ci" }],
  });
  const run = await mesh.call("POST", "/schedules/shared/run");
  expect(run.body).toMatchObject({ startedBy: "full" });
  await mesh.ended(String(run.body["id"]));
  expect((await ask("ci", "DELETE", "/schedules/shared")).status).toBe(204);
});

test("a token that has ended is told so; one whose entry is wrong is told which, and the full one shows all", async () => {
  const old = await ask("old", "GET", "/copies");
  expect(saying(old)).toEqual([401, "token_expired"]);
  expect(old.headers.get("www-authenticate")).toMatch(/invalid_token/);
  const wrong = await ask("wrong", "GET", "/copies");
  expect(saying(wrong)).toEqual([401, "token_wrong"]);
  expect(wrong.body["detail"]).toMatch(
    /none of those configured\. Entry 11 of API_TOKENS: "may.0" must be one of/,
  );
  const { body, text } = await mesh.call<{ access: unknown[]; stores: { name: string; error?: string }[] }>(
    "GET",
    "/stores",
  );
  expect(body.access).toHaveLength(14);
  expect(text).not.toMatch(/[0-9a-f]{64}/);
  expect(body.stores.find(({ name }) => name === "twice")?.error).toMatch(
    /^STORE_TWICE and STORE_twice are both the store "twice"/,
  );
  expect((await mesh.call("GET", "/copies", { headers: { authorization: `Bearer ${TOKEN}` } })).status).toBe(
    200,
  );
});

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** As Access sends it on. */
function person(claims: Record<string, unknown>): Record<string, string> {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const text = `${encode({ alg: "RS256", kid: "one" })}.${encode({ iss: ISSUER, aud: ["the-audience"], exp, ...claims })}`;
  const signature = createSign("RSA-SHA256").update(text).sign(privateKey).toString("base64url");
  return { authorization: "", "cf-access-jwt-assertion": `${text}.${signature}` };
}

test("a person who has signed in by Access does what the entries of address and group say, together", async () => {
  const ann = person({ email: "Ann@Example.com" });
  expect((await mesh.call("GET", "/copies", { headers: ann })).status).toBe(200);
  const copy = { source: "east:source/ci/a", destination: "west:destination/ops/a" };
  expect(saying(await mesh.call("POST", "/copies", { headers: ann, body: copy }))).toEqual([
    403,
    "right_missing",
  ]);
  const bob = person({ email: "bob@example.com", groups: ["ops"] });
  const started = await mesh.call("POST", "/copies", { headers: bob, body: copy });
  expect(started.status).toBe(202);
  await mesh.ended(String(started.body["id"]));
  const elsewhere = { ...copy, destination: "west:destination/other" };
  expect(saying(await mesh.call("POST", "/copies", { headers: bob, body: elsewhere }))).toEqual([
    403,
    "out_of_scope",
  ]);
});

test("nobody comes in by Access without an entry, or with a JWT that is not for this mesh", async () => {
  for (const [claims, status, code] of [
    [{ email: "eve@evil.example" }, 403, "right_missing"],
    [{ email: "eve@sub.example.com" }, 403, "right_missing"],
    [{ email: "eve@evil@example.com.evil" }, 403, "right_missing"],
    [{ email: "ann@example.com", aud: ["another"] }, 401, "assertion_wrong"],
    [{ email: "ann@example.com", exp: 1 }, 401, "assertion_wrong"],
  ] as const)
    expect(saying(await mesh.call("GET", "/copies", { headers: person(claims) }))).toEqual([status, code]);
  const torn = { ...person({ email: "ann@example.com" }), authorization: "Bearer nonsense" };
  expect(saying(await mesh.call("GET", "/copies", { headers: torn }))).toEqual([401, "token_wrong"]);
});

test("with a person's sign-in another site's page changes nothing; the mesh's own page and programs do", async () => {
  const bob = person({ email: "bob@example.com", groups: ["ops"] });
  const post = async (headers: Record<string, string>) =>
    saying(await mesh.call("POST", "/copies", { headers: { ...bob, ...headers }, body: {} }));
  expect(await post({ origin: "https://evil.example" })).toEqual([403, "foreign_origin"]);
  expect(await post({ origin: "null" })).toEqual([403, "foreign_origin"]);
  expect(await post({ origin: mesh.url.origin, "sec-fetch-site": "same-site" })).toEqual([
    403,
    "foreign_origin",
  ]);
  expect(await post({ origin: mesh.url.origin })).toEqual([400, "invalid_request"]);
  expect(await post({})).toEqual([400, "invalid_request"]);
});

test("the dashboard asks nobody for a token whom Access has let in", async () => {
  const accept = "text/html";
  const known = await mesh.call("GET", "/", { headers: { ...person({ email: "ann@example.com" }), accept } });
  expect(known.text).toContain('<html lang="en" data-person>');
  const unknown = await mesh.call("GET", "/", { headers: { authorization: "", accept } });
  expect(unknown.text).toContain('<html lang="en">');
});

interface AuditPage {
  readonly calls: readonly Record<string, unknown>[];
  readonly next: string | null;
}

const auditOf = async (query: string) => (await mesh.call<AuditPage>("GET", `/audit?${query}`)).body.calls;

test("what changes something is in the audit when it is answered: who, what, where, from where", async () => {
  const body = { source: "east:source/ci/a", destination: "west:destination/ci/audited" };
  const headers = { ...as("ci"), "cf-connecting-ip": "192.0.2.7", "cf-ray": "8a-FRA" };
  const { body: started } = await mesh.call("POST", "/copies", { headers, body });
  await mesh.ended(String(started["id"]));
  const [row] = await auditOf("who=ci&limit=1");
  expect(row).toMatchObject({
    who: "ci",
    method: "POST",
    route: "/copies",
    target: started["id"],
    places: "from east:source/ci/a to west:destination/ci/audited",
    address: "192.0.2.7",
    ray: "8a-FRA",
    status: 202,
    code: null,
    times: 1,
  });
  await ask("ci", "POST", `/copies/${String(started["id"])}/cancel`);
  expect(await auditOf("who=ci&limit=1")).toMatchObject([
    { route: "/copies/:id/cancel", target: started["id"] },
  ]);
  await ask("ci", "GET", "/copies");
  expect(await auditOf("who=ci&limit=1")).toMatchObject([{ route: "/copies/:id/cancel" }]);
  const lines = () =>
    mesh.logged.filter((line) => line.includes('"api_call"') && line.includes(String(started["id"])));
  await expect.poll(lines).toHaveLength(2);
  expect(lines()[0]).toContain('"who":"ci"');
});

test("a refusal is in the audit and in the metrics, with who was refused what", async () => {
  await ask("ci", "GET", "/metrics");
  const wrong = { authorization: "Bearer nobody-has-this-token", "cf-connecting-ip": "192.0.2.99" };
  const none = { authorization: "", "cf-connecting-ip": "192.0.2.98" };
  for (let tries = 0; tries < 3; tries++) await mesh.call("GET", "/stores", { headers: none });
  await mesh.call("DELETE", "/schedules/x", { headers: wrong });
  await expect
    .poll(async () => (await auditOf("limit=500")).some((row) => row["address"] === "192.0.2.99"))
    .toBe(true);
  const rows = await auditOf("limit=500");
  expect(rows.find((row) => row["who"] === "ci" && row["route"] === "/metrics")).toMatchObject({
    code: "out_of_scope",
    places: null,
    status: 403,
  });
  const missing = rows.filter((row) => row["address"] === "192.0.2.98");
  expect(missing.reduce((sum, row) => sum + Number(row["times"]), 0)).toBe(3);
  const { text } = await mesh.call("GET", "/metrics");
  expect(text).toMatch(/bucket_brigade_refused_calls_total\{code="token_missing"\} \d+/);
  expect(mesh.logged.join()).not.toContain("nobody-has-this-token");
});

test.for(["since=yesterday", "since=2026-13-01", "who=a&who=b", "cursor=x", "limit=501"])(
  "GET /audit?%s is refused",
  async (query) => {
    expect(saying(await mesh.call("GET", `/audit?${query}`))).toEqual([400, "invalid_request"]);
  },
);

const from = (address: string, token: string) => ({
  authorization: `Bearer ${token}`,
  "cf-connecting-ip": address,
});

test("after twenty wrong tokens an address waits; whoever was let in before is let in, and so are others", async () => {
  const known = from("2001:db8:7::1", tokenOf("ci"));
  expect((await mesh.call("GET", "/copies", { headers: known })).status).toBe(200);
  const codes: unknown[] = [];
  for (let tries = 0; tries < 25; tries++) {
    const answer = await mesh.call("GET", "/copies", {
      headers: from(`2001:db8:7::${tries}`, `wrong-token-number-${tries}`),
    });
    codes.push(answer.body["code"]);
    if (answer.status !== 429) continue;
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(Number(answer.headers.get("retry-after"))).toBeLessThanOrEqual(60);
  }
  expect(codes).toEqual([...Array(20).fill("token_wrong"), ...Array(5).fill("too_many_guesses")]);
  expect((await mesh.call("GET", "/copies", { headers: known })).status).toBe(200);
  const right = from("2001:db8:7::1", tokenOf("no-stores"));
  expect(
    saying(await mesh.call("GET", "/copies", { headers: from("2001:db8:7::1", tokenOf("never-used")) }))[1],
  ).toBe("too_many_guesses");
  expect(
    (await mesh.call("GET", "/copies", { headers: { ...right, "cf-connecting-ip": "2001:db8:8::1" } }))
      .status,
  ).toBe(200);
  const { text } = await mesh.call("GET", "/metrics");
  expect(text).toMatch(/refused_calls_total\{code="token_wrong"\} \d+/);
});

test("a Host that is no host is refused as such", async () => {
  for (const host of ["a b", "[::1"]) {
    const socket = connect(Number(mesh.url.port), mesh.url.hostname);
    socket.end(`GET /copies HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const answer = (await socket.toArray()).join("");
    expect([host, answer.split("\r\n")[0]]).toEqual([host, "HTTP/1.1 400 Bad Request"]);
  }
});

const copyTo = (n: number) => ({ source: "east:source/other", destination: `west:destination/running-${n}` });

test("while as much runs as MAX_RUNNING allows nothing more is begun; what was begun is still found by its key", async () => {
  const gate = west.hold({ operation: "PutObject" });
  const begun: string[] = [];
  const key = { "idempotency-key": "running-1" };
  for (const n of [1, 2, 3]) {
    const { body } = await mesh.call("POST", "/copies", { body: copyTo(n), headers: n === 1 ? key : {} });
    begun.push(String(body["id"]));
  }
  const more = await mesh.call("POST", "/copies", { body: copyTo(4) });
  expect([...saying(more), more.headers.get("retry-after")]).toEqual([429, "too_many_running", "30"]);
  const sync = { source: "east:source/", destination: "west:destination/s/" };
  expect(saying(await mesh.call("POST", "/syncs", { body: sync }))).toEqual([429, "too_many_running"]);
  await mesh.call("PUT", "/schedules/full", { body: { cron: "0 3 1 1 *", copy: copyTo(5) } });
  const run = await mesh.call("POST", "/schedules/full/run");
  expect(saying(run)).toEqual([409, "run_skipped"]);
  expect(run.body["detail"]).toContain("MAX_RUNNING");
  await mesh.call("DELETE", "/schedules/full");
  expect((await mesh.call("POST", "/copies", { body: copyTo(1), headers: key })).body["id"]).toBe(begun[0]);
  gate.release();
  for (const id of begun) expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
  await expect.poll(async () => (await mesh.call("GET", "/copies?phase=active")).body["copies"]).toEqual([]);
  const next = await mesh.call("POST", "/copies", { body: copyTo(4) });
  expect(next.status).toBe(202);
  await mesh.ended(String(next.body["id"]));
});

const objects = () => ["Coordinator", "Sync"].flatMap((name) => readdirSync(join(directory, name)));

test("an id that is nobody's wakes no object: nothing of it is on the disk", async () => {
  const before = new Set(objects());
  for (const last of ["1", "2", "3"])
    for (const path of [`/copies/${"0".repeat(25)}${last}`, `/syncs/${"0".repeat(25)}${last}`]) {
      expect((await mesh.call("GET", path)).status).toBe(404);
      expect((await mesh.call("POST", `${path}/cancel`)).status).toBe(404);
      expect((await mesh.call("POST", `${path}/retry`)).status).toBe(404);
    }
  expect(before.size).toBeGreaterThan(0);
  // Lanes that have ended meanwhile may be gone.
  expect(objects().filter((name) => !before.has(name))).toEqual([]);
});

test.each(["evil.example", "127.0.0.1.evil.example", "10.0.0.1"])(
  "a mesh for its own machine alone refuses a call as %s, whatever token it has",
  async (host) => {
    for (const path of ["/", "/healthz", "/copies"]) {
      const asking = request(new URL(path, mesh.url), {
        headers: { host, authorization: `Bearer ${TOKEN}` },
      });
      asking.end();
      const [answer] = (await once(asking, "response")) as [IncomingMessage];
      const body = (await readText(answer)).replaceAll(/\s+/g, " ");
      expect([path, answer.statusCode, body]).toEqual([path, 421, expect.stringContaining(`not as ${host}`)]);
    }
  },
);
