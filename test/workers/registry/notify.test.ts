// Webhooks: verified by the library of the specification, over real HTTP, at a receiver that can be told to
// misbehave.

import { type Server, type ServerResponse, createServer } from "node:http";
import { once } from "node:events";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeEach, expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import { PART, openWorld } from "../world.ts";

const SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiAzMiBieXRlcyEhIQ==";

const NEXT_SECRET = "whsec_bmV4dCBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcyEh";
const FAILURES_SECRET = "whsec_c2VjcmV0IG9mIHRoZSByZWNlaXZlciBvZiBmYWlsdXJlcw==";

interface Received {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const received: Received[] = [];
const failures: Received[] = [];
let answer: (response: ServerResponse, attempt: number) => void = ok;
const receiver: Server = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8").on("data", (text: string) => (body += text));
  request.on("end", () => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const one = { path, headers: request.headers as Record<string, string>, body };
    if (path === "/failures") {
      failures.push(one);
      return void ok(response);
    }
    received.push(one);
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
    bindings: {
      NOTIFY_URL: `http://127.0.0.1:${port}/hook?token=of-the-receiver`,
      NOTIFY_SECRET: `${SECRET} ${NEXT_SECRET}`,
      NOTIFY: JSON.stringify([
        {
          name: "failures",
          url: `http://127.0.0.1:${port}/failures?token=of-the-receiver`,
          secrets: [FAILURES_SECRET],
          events: ["*.failed"],
        },
      ]),
    },
  }),
  Clock.fast(),
);

beforeEach(() => {
  received.length = 0;
  failures.length = 0;
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
function verified({ headers, body }: Received, secret = SECRET): Notice {
  return new Webhook(secret).verify(body, headers) as Notice;
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
  expect(received.map((one) => verified(one)).map(({ type, data }) => [type, data["id"]])).toEqual([
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
  received.map((one) => verified(one));
  const { text } = await mesh.call("GET", "/metrics");
  await expect.poll(async () => (await mesh.call("GET", "/metrics")).text).toContain("notices_waiting 0");
  expect(text).toContain('notices_total{outcome="delivered"}');
});

test("each of several secrets signs, and a receiver is told of what it has chosen alone", async () => {
  const { id } = await mesh.copy(request("nothing here"));
  await expect.poll(() => [received.length, failures.length]).toEqual([1, 1]);
  const [[toAll], [toFailures]] = [received, failures];
  if (toAll === undefined || toFailures === undefined) throw new Error("nothing received");
  expect(verified(toAll, NEXT_SECRET)).toEqual(verified(toAll, SECRET));
  expect(toAll.headers["webhook-signature"]).toMatch(/^v1,\S+ v1,\S+$/);
  expect(verified(toFailures, FAILURES_SECRET)).toMatchObject({ type: "copy.failed", data: { id } });
  expect(toFailures.headers["webhook-id"]).toBe(toAll.headers["webhook-id"]);
  east.put("source", "chosen", "C");
  await mesh.copy(request("chosen"));
  await expect.poll(() => received.length).toBe(2);
  await expect.poll(async () => (await mesh.call("GET", "/metrics")).text).toContain("notices_waiting 0");
  expect(failures).toHaveLength(1);
});

interface Notification {
  readonly id: string;
  readonly [field: string]: unknown;
}

async function notifications(query: string): Promise<Notification[]> {
  const { body } = await mesh.call<{ notifications: Notification[] }>("GET", `/notifications${query}`);
  return body.notifications;
}

test("a receiver that is gone gets no second try: that is listed, and the notice is sent again on request, under the same id", async () => {
  answer = (response) => response.writeHead(410).end();
  east.put("source", "listed", "L");
  const { id } = await mesh.copy(request("listed"));
  const ofThis = async () => (await notifications("?receiver=default")).find(({ workId }) => workId === id);
  await expect.poll(async () => (await ofThis())?.["state"]).toBe("given_up");
  const given = await ofThis();
  expect(given).toMatchObject({
    receiver: "default",
    type: "copy.completed",
    attempts: 1,
    status: 410,
    problem: "the receiver answered 410 Gone",
    nextAttemptAt: null,
  });
  expect((await notifications("?state=given_up")).map((one) => one.id)).toContain(given?.id);
  const { text } = await mesh.call("GET", "/metrics");
  expect(text).toContain('bucket_brigade_notices_total{outcome="given_up"} 1');
  expect(received).toHaveLength(1);
  answer = ok;
  const again = await mesh.call("POST", `/notifications/${given?.id}/redeliver`);
  expect(again).toMatchObject({ status: 202, body: { id: given?.id, state: "waiting" } });
  await expect.poll(async () => (await ofThis())?.["state"]).toBe("delivered");
  expect(await ofThis()).toMatchObject({ attempts: 2, status: 204, problem: null });
  expect(received.map(({ headers }) => headers["webhook-id"])).toEqual([
    given?.["webhookId"],
    given?.["webhookId"],
  ]);
  const unknown = await mesh.call("POST", "/notifications/00000000000000000000000000/redeliver");
  expect(unknown).toMatchObject({ status: 404, body: { code: "notification_not_found" } });
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

test("GET /stores names the receivers, and neither a URL nor a secret", async () => {
  const { body, text } = await mesh.call("GET", "/stores");
  const host = `127.0.0.1:${port}`;
  expect(body["notify"]).toMatchObject([
    { name: "default", state: "on", host, secrets: 2 },
    {
      name: "failures",
      state: "on",
      host,
      secrets: 1,
      events: ["copy.failed", "sync.failed", "comparison.failed"],
    },
  ]);
  expect(text).not.toContain("of-the-receiver");
  expect(text).not.toContain(SECRET.slice(6));
});
