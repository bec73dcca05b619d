// Webhooks: verified by the library of the specification, over real HTTP, at a receiver that can be told to
// misbehave.

import { type Server, type ServerResponse, createServer } from "node:http";
import { once } from "node:events";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeEach, expect, inject, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import { Mesh } from "../../mesh/mesh.ts";
import { PART, openWorld } from "../world.ts";

const SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiAzMiBieXRlcyEhIQ==";

interface Received {
  readonly headers: Record<string, string>;
  readonly body: string;
}

const received: Received[] = [];
let answer: (response: ServerResponse, attempt: number) => void = ok;
const receiver: Server = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8").on("data", (text: string) => (body += text));
  request.on("end", () => {
    received.push({ headers: request.headers as Record<string, string>, body });
    answer(response, received.length);
  });
}).listen(0, "127.0.0.1");
await once(receiver, "listening");
const address = receiver.address();
const port = typeof address === "object" ? address?.port : null;

function ok(response: ServerResponse): void {
  response.writeHead(204).end();
}

const {
  mesh,
  stores: { east, west },
} = await openWorld(
  { east: { buckets: ["source"] }, west: { buckets: ["destination"] } },
  () => ({
    bindings: { NOTIFY_URL: `http://127.0.0.1:${port}/hook?token=of-the-receiver`, NOTIFY_SECRET: SECRET },
  }),
  Clock.fast(),
);

beforeEach(() => {
  received.length = 0;
  answer = ok;
});
afterAll(() => receiver.close());

const request = (key: string) => ({
  source: `east:source/${key}`,
  destination: `west:destination/${key}`,
  partSize: PART,
});

interface Notice {
  readonly type: string;
  readonly timestamp: string;
  readonly data: Record<string, unknown>;
}

/** What a receiver makes of it. @throws when the signature is not right */
function verified({ headers, body }: Received): Notice {
  return new Webhook(SECRET).verify(body, headers) as Notice;
}

test("a completed copy is told with a signature that the specification's own library accepts", async () => {
  east.put("source", "told", "T");
  const { id } = await mesh.copy(request("told"));
  await expect.poll(() => received.length).toBe(1);
  const [first] = received;
  if (first === undefined) throw new Error("nothing received");
  const notice = verified(first);
  expect(notice.type).toBe("copy.completed");
  expect(notice.data).toMatchObject({ id, phase: "completed", size: 1, proof: "etag" });
  expect(notice.data).not.toHaveProperty("timeline");
  expect(Date.parse(notice.timestamp)).toBeGreaterThan(0);
  expect(first.headers["webhook-id"]).toMatch(/^msg_[0-9a-f]{32}$/);
  const forged = { ...first, body: first.body.replace("completed", "failed") };
  expect(() => verified(forged)).toThrow("No matching signature");
});

test("failed, blocked and finished_with_errors are told, and nothing else is", async () => {
  const failed = await mesh.copy(request("no such key"));
  await expect.poll(() => received.length).toBe(1);
  east.putGenerated("source", "blocked", { size: 2 * PART });
  west.fault({ operation: "UploadPart" }, { kind: "answer", code: "AccessDenied" });
  const blocked = await mesh.copy(request("blocked"));
  await expect.poll(() => received.length).toBe(2);
  west.clearFaults();
  await mesh.cancel(blocked.id);
  east.put("source", "some/a", "a");
  west.fault({ operation: "PutObject", key: "some/a" }, { kind: "answer", code: "InvalidRequest" });
  const sync = await mesh.sync({ source: "east:source/some/", destination: "west:destination/some/" });
  await expect.poll(() => received.length).toBe(3);
  expect(received.map(verified).map(({ type, data }) => [type, data["id"]])).toEqual([
    ["copy.failed", failed.id],
    ["copy.blocked", blocked.id],
    ["sync.finished_with_errors", sync.id],
  ]);
  expect(verified(received[0] as Received).data["failure"]).toMatchObject({ code: "source_not_found" });
});

test("a notice that was not taken comes again with the same id and body, and once it was taken no more", async () => {
  answer = (response, attempt) => {
    if (attempt === 1) response.writeHead(500).end();
    else ok(response);
  };
  east.put("source", "again", "A");
  await mesh.copy(request("again"));
  await expect.poll(() => received.length).toBe(2);
  const [first, second] = received;
  expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"]);
  expect(second?.body).toBe(first?.body);
  received.map(verified);
  const { text } = await mesh.call("GET", "/metrics");
  await expect.poll(async () => (await mesh.call("GET", "/metrics")).text).toContain("notices_waiting 0");
  expect(text).toContain('notices_total{outcome="delivered"}');
});

test("a redirect is not followed: the operator said where", async () => {
  answer = (response, attempt) => {
    if (attempt === 1) response.writeHead(302, { location: `http://127.0.0.1:${port}/elsewhere` }).end();
    else ok(response);
  };
  east.put("source", "redirected", "R");
  await mesh.copy(request("redirected"));
  await expect.poll(() => received.length).toBe(2);
  expect(received[0]?.headers["webhook-id"]).toBe(received[1]?.headers["webhook-id"]);
});

test("a receiver that is gone gets no second try", async () => {
  answer = (response) => response.writeHead(410).end();
  east.put("source", "gone", "G");
  await mesh.copy(request("gone"));
  await expect
    .poll(async () => (await mesh.call("GET", "/metrics")).text)
    .toContain('bucket_brigade_notices_total{outcome="given_up"} 1');
  expect(received).toHaveLength(1);
});

test("a receiver that does not answer keeps no copy from its end", async () => {
  let held: ServerResponse | null = null;
  answer = (response) => {
    held = response;
  };
  east.put("source", "slow", "S");
  expect(await mesh.copy(request("slow"))).toMatchObject({ phase: "completed" });
  await expect.poll(() => held).not.toBeNull();
  east.put("source", "next", "N");
  expect(await mesh.copy(request("next"))).toMatchObject({ phase: "completed" });
  answer = ok;
  if (held !== null) ok(held);
  await expect.poll(() => received.length).toBeGreaterThan(1);
});

test("neither the receiver's URL nor its secret is in the log", () => {
  expect(mesh.logged.join("\n")).not.toContain("of-the-receiver");
  expect(mesh.logged.join("\n")).not.toContain(SECRET.slice(6));
});

test.for<[name: string, bindings: Record<string, string>, shown: Record<string, unknown>]>([
  ["none", {}, { state: "off" }],
  [
    "a good one",
    { NOTIFY_URL: "https://hooks.example.com/token-in-path", NOTIFY_SECRET: SECRET },
    { state: "on", host: "hooks.example.com" },
  ],
  [
    "http",
    { NOTIFY_URL: "http://hooks.example.com/", NOTIFY_SECRET: SECRET },
    { state: "misconfigured", error: "NOTIFY_URL must begin with https://" },
  ],
  [
    "an address",
    { NOTIFY_URL: "https://203.0.113.7/hook", NOTIFY_SECRET: SECRET },
    {
      state: "misconfigured",
      error: "NOTIFY_URL has an IP address for a host, and a Worker reaches no IP address: use a name",
    },
  ],
  [
    "a password",
    { NOTIFY_URL: "https://me:pass@hooks.example.com/", NOTIFY_SECRET: SECRET },
    { state: "misconfigured", error: "NOTIFY_URL must not contain a user name or password" },
  ],
  [
    "no secret",
    { NOTIFY_URL: "https://hooks.example.com/" },
    { state: "misconfigured", error: expect.stringContaining("NOTIFY_SECRET must be") as string },
  ],
  [
    "a short secret",
    { NOTIFY_URL: "https://hooks.example.com/", NOTIFY_SECRET: "whsec_c2hvcnQ=" },
    { state: "misconfigured", error: expect.stringContaining("24 to 64 random bytes") as string },
  ],
])("GET /stores says of a receiver: %s", async ([, bindings, shown]) => {
  const other = await Mesh.start({ bundlePath: inject("bundlePath"), bindings });
  try {
    const { body, text } = await other.call("GET", "/stores");
    expect(body["notify"]).toEqual(shown);
    expect(text).not.toContain("token-in-path");
  } finally {
    await other.stop();
  }
});
