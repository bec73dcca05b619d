// Events come in from senders as they are: by their secret or a token, in the forms of S3, SNS, B2 and
// Queues. What is answered with 202 is stored.

import { createHash, createHmac } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, inject, test } from "vitest";
import { Mesh, digestOfToken } from "../../mesh/mesh.ts";
import { memoryDirectory } from "../fidelity/fidelity.ts";
import { openWorld } from "../world.ts";

const B2_SECRET = "a-signing-secret-of-a-rule-at-b2";
const directory = memoryDirectory();
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const tokenOf = (name: string) => `token-of-many-letters-for-${name}`;
const entry = (name: string, more: Record<string, unknown> = {}) => ({
  name,
  sha256: digestOfToken(tokenOf(name)),
  may: ["events"],
  ...more,
});

const { mesh, stores } = await openWorld(
  { east: { buckets: ["source", "other"] }, west: { buckets: ["destination"] } },
  () => ({
    directory,
    bindings: {
      BACKBLAZE_EVENTS_SECRET: `an-older-secret-of-it, ${B2_SECRET}`,
      API_TOKENS: JSON.stringify(
        [entry("sender"), entry("elsewhere", { source: ["east:other"] })].map((one) =>
          one.name === "sender" ? { ...one, name: "all" } : one,
        ),
      ),
    },
  }),
);

interface Taken {
  readonly taken: number;
  readonly ignored: number;
  readonly idle: number;
  readonly code: string;
}

const NOBODY = { authorization: "" };
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = (name: string, password: string) => ({ authorization: `Basic ${btoa(`${name}:${password}`)}` });
const ALL = bearer(tokenOf("sender"));

const send = async (path: string, body: unknown, headers: Record<string, string> = NOBODY) =>
  await mesh.call<Taken>("POST", path, { body, headers });
const counted = ({ status, body: { taken, ignored, idle } }: Awaited<ReturnType<typeof send>>) => [
  status,
  taken,
  ignored,
  idle,
];
const refused = ({ status, body }: { status: number; body: { code?: unknown } }) => [status, body.code];

async function replicate(name: string, source: string) {
  const body = { source, destination: `west:destination/${name}/`, repair: "off" };
  expect(await mesh.call("PUT", `/replications/${name}`, { body })).toMatchObject({ status: 201 });
}

async function secretOf(name: string, body: Record<string, unknown> = {}) {
  const answer = await mesh.call<{ secret: string; url: string; formerUntil: string | null }>(
    "POST",
    `/replications/${name}/secret`,
    { body },
  );
  expect(answer.status).toBe(201);
  return answer.body;
}

const record = (bucket: string, key: string) => ({
  eventVersion: "2.1",
  eventSource: "aws:s3",
  eventTime: "2026-11-01T10:00:00.000Z",
  eventName: "ObjectCreated:Put",
  s3: { bucket: { name: bucket }, object: { key } },
});

stores.east.put("source", "a/one", "1");
await replicate("first", "east:source/a/");
await replicate("second", "east:source/");
await replicate("foreign", "east:other/");
const { secret, url } = await secretOf("first");
const path = `/replications/first/events/${secret}`;

const at = (one: string) => `/replications/second/events/${one}`;

describe("the secret of a replication", () => {
  test("opens its events from the path, as bearer token and as password, and nothing else", async () => {
    expect(new URL(url).pathname).toBe(path);
    const body = { keys: ["a/one"] };
    const own = "/replications/first/events";
    expect(counted(await send(path, body))).toEqual([202, 1, 0, 0]);
    expect(counted(await send(own, body, bearer(secret)))).toEqual([202, 1, 0, 0]);
    expect(counted(await send(own, body, basic("anybody", secret)))).toEqual([202, 1, 0, 0]);
    // As Pub/Sub does, which sends a token of its own.
    expect(counted(await send(path, body, bearer("eyJhbGciOi.of.somebody")))).toEqual([202, 1, 0, 0]);
    const wrong = [401, "token_wrong"];
    expect(refused(await send("/replications/second/events", body, bearer(secret)))).toEqual(wrong);
    expect(refused(await send("/replications/nobody/events", body, bearer(secret)))).toEqual(wrong);
    expect(refused(await send("/events", body, bearer(secret)))).toEqual(wrong);
    expect(refused(await send(`/replications/second/events/${secret}`, body))).toEqual(wrong);
    expect(refused(await send(`${path.slice(0, -1)}~`, body))).toEqual(wrong);
    for (const other of ["/replications/first", "/copies", "/stores", own])
      expect((await mesh.call("GET", other, { headers: bearer(secret) })).status).toBe(401);
    const { status, text } = await mesh.call("GET", path);
    expect([status, text.includes(secret)]).toEqual([405, false]);
  });

  test("is changed for another, with the old one good for as long as was asked", async () => {
    const keys = { keys: ["k"] };
    const first = await secretOf("second");
    expect(first.formerUntil).toBe(null);
    const next = await secretOf("second");
    expect(Date.parse(next.formerUntil ?? "")).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    for (const one of [first, next]) expect((await send(at(one.secret), keys)).status).toBe(202);
    const last = await secretOf("second", { overlapSeconds: 0 });
    expect(last.formerUntil).toBe(null);
    for (const one of [first, next]) expect((await send(at(one.secret), keys)).status).toBe(401);
    expect((await send(at(last.secret), keys)).status).toBe(202);
    expect(
      refused(await mesh.call("POST", "/replications/second/secret", { body: { overlapSeconds: -1 } })),
    ).toEqual([400, "invalid_request"]);
  });

  test("is kept as its digest alone, and stands in no log and no audit", async () => {
    const kept = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file) => readFileSync(join(file.parentPath, file.name)).toString("latin1"));
    expect(kept.some((text) => text.includes(createHash("sha256").update(secret).digest("hex")))).toBe(true);
    expect(kept.some((text) => text.includes(secret))).toBe(false);
    expect(mesh.logged.some((line) => line.includes(secret))).toBe(false);
    const { text } = await mesh.call("GET", "/audit");
    expect(text).not.toContain(secret);
    expect(text).toContain("/replications/:name/secret");
    // Events that are taken leave no row each.
    expect(text).not.toContain('"status": 202');
  });
});

describe("a token with the right `events`", () => {
  test("hands in events, as bearer token and as password, within its places", async () => {
    const body = { keys: ["k"] };
    expect(counted(await send("/replications/second/events", body, ALL))).toEqual([202, 1, 0, 0]);
    expect(counted(await send("/replications/second/events", body, basic("x", tokenOf("sender"))))).toEqual([
      202, 1, 0, 0,
    ]);
    const elsewhere = bearer(tokenOf("elsewhere"));
    expect(refused(await send("/replications/second/events", body, elsewhere))).toEqual([
      404,
      "replication_not_found",
    ]);
    expect(counted(await send("/replications/foreign/events", body, elsewhere))).toEqual([202, 1, 0, 0]);
    expect(refused(await mesh.call("GET", "/replications/second", { headers: ALL }))).toEqual([
      403,
      "right_missing",
    ]);
    // Basic is for events alone.
    const { status } = await mesh.call("GET", "/copies", { headers: basic("x", tokenOf("sender")) });
    expect(status).toBe(401);
  });

  test("hands in those of a bucket, which go to each replication from it that the token may see", async () => {
    const body = {
      Records: [record("source", "a/1"), record("source", "b+2"), record("other", "o"), record("no", "n")],
    };
    const all = await mesh.call("POST", "/events", { body, headers: ALL });
    expect([all.status, all.body]).toEqual([
      202,
      {
        replications: [
          { name: "first", taken: 1, ignored: 0 },
          { name: "foreign", taken: 1, ignored: 0 },
          { name: "second", taken: 2, ignored: 0 },
        ],
        ignored: 1,
        idle: 0,
      },
    ]);
    const some = await mesh.call("POST", "/events", { body, headers: bearer(tokenOf("elsewhere")) });
    expect(some.body).toEqual({
      replications: [{ name: "foreign", taken: 1, ignored: 0 }],
      ignored: 3,
      idle: 0,
    });
    expect(refused(await mesh.call("POST", "/events", { body: { keys: ["a"] }, headers: ALL }))).toEqual([
      400,
      "invalid_request",
    ]);
  });
});

describe("of what is sent", () => {
  test("keys of another bucket and another prefix are counted and ignored, tests are idle", async () => {
    const records = ["source a/1", "source a/1", "source b/2", "other a/1"].map((text) => {
      const [bucket = "", key = ""] = text.split(" ");
      return record(bucket, key);
    });
    expect(counted(await send(path, { Records: records }))).toEqual([202, 1, 2, 0]);
    expect(counted(await send(path, { Service: "Amazon S3", Event: "s3:TestEvent" }))).toEqual([
      202, 0, 0, 1,
    ]);
    const status = await mesh.call<{ events: { ignored: number } }>("GET", "/replications/first");
    expect(status.body.events.ignored).toBeGreaterThanOrEqual(2);
  });

  test("an unknown form, a wrong key, no JSON and too much are refused", async () => {
    expect(refused(await send(path, { hello: "world" }))).toEqual([400, "unknown_event_form"]);
    expect(refused(await send(path, { Records: [record("source", "100%")] }))).toEqual([400, "invalid_key"]);
    expect(refused(await send(path, "not json"))).toEqual([400, "invalid_json"]);
    expect(refused(await send(path, { keys: ["a".repeat(64 * 1024)] }))).toEqual([413, "body_too_large"]);
  });

  test("events of B2 count with the signature of a secret that is configured", async () => {
    const body = JSON.stringify({
      events: [{ eventType: "b2:ObjectCreated:Upload", bucketName: "source", objectName: "a/b2" }],
    });
    const signature = (key: string) => `v1=${createHmac("sha256", key).update(body).digest("hex")}`;
    const header = "x-bz-event-notification-signature";
    expect(counted(await send(path, body, { ...NOBODY, [header]: signature(B2_SECRET) }))).toEqual([
      202, 1, 0, 0,
    ]);
    expect(refused(await send(path, body, { ...NOBODY, [header]: signature("forged") }))).toEqual([
      401,
      "signature_wrong",
    ]);
    expect(refused(await send(path, body))).toEqual([401, "signature_wrong"]);
  });

  test("a message that only looks like one of SNS makes the mesh call nobody", async () => {
    const { port } = stores.east;
    const message = {
      Type: "SubscriptionConfirmation",
      MessageId: "1",
      TopicArn: "arn:aws:sns:us-east-1:1:t",
      Message: "m",
      Timestamp: "2026-11-01T10:00:00.000Z",
      SignatureVersion: "1",
      Signature: "AAAA",
      SigningCertURL: `http://127.0.0.1:${port}/SimpleNotificationService-1.pem`,
      SubscribeURL: `http://127.0.0.1:${port}/?Action=ConfirmSubscription`,
      Token: "t",
    };
    expect(refused(await send(path, message))).toEqual([401, "signature_wrong"]);
    const called = stores.east.requests().filter((one) => /SimpleNotification|Confirm/.test(one.url));
    expect(called).toEqual([]);
  });
});

const r2 = (key: string) => ({
  account: "3f4b7e3dcab231cbfdaa90a6a28bd548",
  action: "PutObject",
  bucket: "source",
  object: { key, size: 1, eTag: "c846ff7a18f28c2e262116d6e8719ef0" },
  eventTime: "2026-11-01T10:00:00.000Z",
});

test("a Queue delivers events of R2: what is stored is acknowledged, what cannot be read is handed back", async () => {
  const { explicitAcks, retryMessages } = await mesh.deliver("events", [r2("a/1"), { odd: true }, r2("b/2")]);
  expect(explicitAcks).toEqual(["0", "2"]);
  expect(retryMessages.map(({ msgId }) => msgId)).toEqual(["1"]);
  await expect.poll(() => mesh.logged.some((line) => line.includes('"event_refused"'))).toBe(true);
});

test("what was answered with 202 outlives the mesh that answered", async () => {
  const own = memoryDirectory();
  const options = { bundlePath: inject("bundlePath"), stores, directory: own };
  const first = await Mesh.start(options);
  const body = { source: "east:other/", destination: "west:destination/mortal/", repair: "off" };
  await first.call("PUT", "/replications/mortal", { body });
  const phase = async () => (await first.call<{ phase: string }>("GET", "/replications/mortal")).body.phase;
  await expect.poll(phase).toBe("following");
  // Nobody looks at the key before the end of the mesh.
  const gate = stores.east.hold({ operation: ["HeadObject", "GetObject"], key: "late" });
  stores.east.put("other", "late", "L");
  const answer = await first.call("POST", "/replications/mortal/events", { body: { keys: ["late"] } });
  expect(answer.status).toBe(202);
  first.kill();
  await first.stop();
  gate.release();
  expect(stores.west.get("destination", "mortal/late")).toBe(undefined);
  const second = await Mesh.start(options);
  await stores.west.waitFor((store) => store.get("destination", "mortal/late") !== undefined);
  expect(stores.west.bytes("destination", "mortal/late").toString()).toBe("L");
  await second.stop();
  rmSync(own, { recursive: true, force: true });
});
