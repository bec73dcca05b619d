// What comes twice and must not be done twice: a request whose answer was lost or whose client has gone, two
// copies to one object, a word of a turn, an alarm. (front.test.ts has the Idempotency-Key as the API
// describes it, registry.test.ts the Cron event.)

import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, inject, test } from "vitest";
import { Mesh, type Status, TOKEN, digestOfToken, storeSecret } from "../../mesh/mesh.ts";
import { type Gate, startStore } from "../../store/store.ts";
import { PART } from "../world.ts";

const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-state-"));
const east = await startStore({ minPartBytes: PART, buckets: ["source"] });
const west = await startStore({ minPartBytes: PART, buckets: ["destination"] });
// The same service under another name in the configuration, with other credentials spelt out and a path at
// its end.
const alias = storeSecret(west, { endpoint: `${west.endpoint}/` });
const OTHER = "token-of-many-letters-for-another";
const other = {
  name: "other",
  sha256: digestOfToken(OTHER),
  may: ["start", "steer", "read"],
};
const options = {
  bundlePath: inject("bundlePath"),
  stores: { east, west },
  bindings: { STORE_ALIAS: alias, API_TOKENS: JSON.stringify([other]) },
  directory,
};
let mesh = await Mesh.start(options);

afterEach(async () => {
  west.clearFaults();
  east.clearFaults();
  await west.waitFor(() => west.openRequests().length === 0);
  expect([...west.failures, ...east.failures]).toEqual([]);
  expect(west.uploads()).toEqual([]);
});
afterAll(async () => {
  await mesh.stop();
  await Promise.all([east.stop(), west.stop()]);
  rmSync(directory, { recursive: true, force: true });
});

const requestOf = (key: string, { to = "west", from = key, ...more }: Record<string, unknown> = {}) => {
  east.put("source", String(from), `bytes of ${String(from)}`);
  return { source: `east:source/${String(from)}`, destination: `${String(to)}:destination/${key}`, ...more };
};

/** Holds a copy at its destination's request, so that others find it there. */
async function occupy(key: string, more: Record<string, unknown> = {}): Promise<{ id: string; gate: Gate }> {
  const gate = west.hold({ operation: "PutObject", key }, "before-body", { times: 1 });
  const id = await mesh.startCopy(requestOf(key, more));
  await west.waitFor(() => gate.waiting.length === 1);
  return { id, gate };
}

/** POST /copies by a client that reads no answer, and goes away once `hasBegun`. */
async function postAndLeave(
  body: unknown,
  headers: Readonly<Record<string, string>>,
  hasBegun: Promise<void>,
): Promise<void> {
  const text = JSON.stringify(body);
  const lines = Object.entries({
    host: mesh.url.host,
    authorization: `Bearer ${TOKEN}`,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(text)),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  const client = connect(Number(mesh.url.port), mesh.url.hostname).pause();
  client.on("error", () => {}); // what is unread when it leaves is an error to the other side
  client.write(`POST /copies HTTP/1.1\r\n${lines.join("")}\r\n${text}`);
  await hasBegun;
  client.destroy();
}

test("a request whose answer was lost is the same copy when it is sent again under its Idempotency-Key", async () => {
  const headers = { "idempotency-key": "lost-answer" };
  const body = requestOf("lost answer");
  const gate = east.hold({ operation: "HeadObject", key: "lost answer" });
  await postAndLeave(
    body,
    headers,
    east.waitFor(() => gate.waiting.length === 1),
  );
  const started = async () =>
    (await mesh.call<{ copies: { id: string; source: string }[] }>("GET", "/copies")).body.copies
      .filter(({ source }) => source === body.source)
      .map(({ id }) => id);
  expect(await started()).toHaveLength(1);
  const again = await mesh.call<Status>("POST", "/copies", { body, headers });
  expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([202, "true"]);
  gate.release();
  expect((await mesh.ended(again.body.id)).phase).toBe("completed");
  expect(await started()).toEqual([again.body.id]);
  expect(west.requests({ operation: "PutObject", key: "lost answer" })).toHaveLength(1);
});

test("a copy goes on when the client that waits for it goes away", async () => {
  const { id, gate } = await occupy("client gone");
  const leave = new AbortController();
  const waiting = fetch(new URL(`/copies/${id}?wait=50`, mesh.url), {
    headers: { authorization: `Bearer ${TOKEN}` },
    signal: leave.signal,
  });
  expect((await mesh.status(id)).phase).toBe("uploading");
  leave.abort();
  await expect(waiting).rejects.toThrow("abort");
  gate.release();
  expect((await mesh.ended(id)).phase).toBe("completed");
});

const keyedPrefixes = (n: number) => ({
  source: "east:source/keyed/",
  destination: `west:destination/keyed-${n}/`,
});

test("two callers with the same Idempotency-Key begin work of their own, and each finds its own again", async () => {
  const copy = requestOf("keyed/a");
  const { id } = await mesh.copy(copy);
  await mesh.call("PUT", "/schedules/keyed", { body: { cron: "0 3 1 1 *", copy } });
  const posts: ((n: number) => { path: string; body?: object })[] = [
    (n) => ({ path: "/copies", body: { ...copy, destination: `west:destination/keyed-${n}` } }),
    (n) => ({ path: "/syncs", body: keyedPrefixes(n) }),
    (n) => ({ path: "/comparisons", body: keyedPrefixes(n) }),
    () => ({ path: "/schedules/keyed/run" }),
    (n) => ({ path: `/copies/${id}/link`, body: { expiresInSeconds: 100 * n } }),
  ];
  for (const post of posts) {
    const send = async (n: number, token: string) => {
      const { path, ...body } = post(n);
      const headers = { authorization: `Bearer ${token}`, "idempotency-key": "nightly" };
      const answer = await mesh.call("POST", path, { headers, ...body });
      expect([path, answer.status]).toEqual([path, path.endsWith("/link") ? 201 : 202]);
      const { id: begun, url } = answer.body;
      if (begun !== undefined) await mesh.call("GET", `${answer.headers.get("location")}/result?wait=50`);
      const isReplayed = answer.headers.get("idempotency-replayed") === "true";
      return { began: String(begun ?? url), isReplayed };
    };
    const ours = await send(1, TOKEN);
    const theirs = await send(2, OTHER);
    expect([ours.isReplayed, theirs.isReplayed, ours.began === theirs.began]).toEqual([false, false, false]);
    expect(await send(1, TOKEN)).toEqual({ ...ours, isReplayed: true });
    expect(await send(2, OTHER)).toEqual({ ...theirs, isReplayed: true });
  }
  await mesh.call("DELETE", "/schedules/keyed");
});

test("the same Idempotency-Key in racing requests, with a copy at the destination already, is refused once and for all", async () => {
  const { id, gate } = await occupy("race");
  const send = () =>
    mesh.call("POST", "/copies", {
      body: requestOf("race", { from: "race-2" }),
      headers: { "idempotency-key": "race" },
    });
  for (const answer of await Promise.all([send(), send(), send()]))
    expect([answer.status, answer.body["code"]]).toEqual([409, "destination_busy"]);
  gate.release();
  await mesh.ended(id);
  // A refusal used nothing up: the key is free for the copy that can run now.
  const now = await send();
  expect(now.status).toBe(202);
  await mesh.ended(String(now.body["id"]));
});

test.for([
  ["by the same name", "west"],
  ["by another store of the configuration that is the same service", "alias"],
])(
  "a second copy to an object that is being written is refused, %s, and the first is named",
  async ([, to]) => {
    const key = `busy ${to}`;
    const { id, gate } = await occupy(key);
    const answer = await mesh.call("POST", "/copies", { body: requestOf(key, { to, from: "other" }) });
    expect([answer.status, answer.body["code"]]).toEqual([409, "destination_busy"]);
    expect(answer.body["detail"]).toContain(id);
    expect(west.requests({ key })).toHaveLength(1);
    gate.release();
    await mesh.ended(id);
    // Once the first has ended, the object is nobody's.
    const status = await mesh.copy(requestOf(key, { to, from: "other" }));
    expect(status.phase).toBe("completed");
    expect(west.bytes("destination", key).toString()).toBe("bytes of other");
  },
);

test("copies to other keys, buckets or services are not in each other's way", async () => {
  const { id, gate } = await occupy("a");
  expect((await mesh.copy(requestOf("a/b"))).phase).toBe("completed");
  expect((await mesh.copy(requestOf("A"))).phase).toBe("completed");
  gate.release();
  await mesh.ended(id);
});

test("queued copies to one object write one after the other, in the order in which they came", async () => {
  const { id: first, gate } = await occupy("queue");
  const ids = [first];
  for (const from of ["second", "third"])
    ids.push(await mesh.startCopy(requestOf("queue", { from, ifBusy: "queue", to: "alias" })));
  const waiting = await mesh.until(ids[2] ?? "", ({ timeline }) =>
    timeline.some(({ event }) => event === "queued_behind"),
  );
  expect(waiting).toMatchObject({ phase: "queued", queuedBehind: first });
  expect(west.requests({ key: "queue" })).toHaveLength(1);
  gate.release();
  for (const id of ids) expect((await mesh.ended(id)).phase).toBe("completed");
  const puts = west.requests({ operation: "PutObject", key: "queue" });
  expect(puts.map(({ copy }) => copy)).toEqual(ids);
  for (const [index, put] of puts.slice(1).entries())
    expect(put.startedAt).toBeGreaterThan(puts[index]?.endedAt ?? Infinity);
  expect(west.bytes("destination", "queue").toString()).toBe("bytes of third");
});

test("a queued copy can be cancelled and paused, and neither holds up those behind it for ever", async () => {
  const { id: first, gate } = await occupy("line");
  const queue = async (from: string) => await mesh.startCopy(requestOf("line", { from, ifBusy: "queue" }));
  const [cancelled, paused, last] = [await queue("cancelled"), await queue("paused"), await queue("last")];
  expect((await mesh.call<Status>("POST", `/copies/${cancelled}/cancel`)).body.phase).toBe("cancelled");
  expect((await mesh.call<Status>("POST", `/copies/${paused}/pause`)).body).toMatchObject({
    phase: "paused",
    resumesIn: "queued",
  });
  gate.release();
  await mesh.ended(first);
  // It keeps its place while it rests.
  expect((await mesh.status(last)).phase).toBe("queued");
  await mesh.call("POST", `/copies/${paused}/resume`);
  expect((await mesh.ended(paused)).phase).toBe("completed");
  expect((await mesh.ended(last)).phase).toBe("completed");
  expect(west.requests({ operation: "PutObject", key: "line" }).map(({ copy }) => copy)).toEqual([
    first,
    paused,
    last,
  ]);
});

test(
  "after SIGKILL the queue is the same, and whoever was first goes on first",
  { timeout: 120_000 },
  async () => {
    const { id: first, gate } = await occupy("killed");
    const second = await mesh.startCopy(requestOf("killed", { from: "killed-2", ifBusy: "queue" }));
    await mesh.until(second, ({ queuedBehind }) => queuedBehind === first);
    mesh.kill();
    await mesh.stop();
    gate.release();
    await west.waitFor(() => west.openRequests().length === 0);
    mesh = await Mesh.start(options);
    for (const id of [first, second]) expect((await mesh.ended(id)).phase).toBe("completed");
    const puts = west.requests({ operation: "PutObject", key: "killed", status: 200 });
    expect(puts.at(-1)?.copy).toBe(second);
    expect(puts.slice(0, -1).every(({ copy }) => copy === first)).toBe(true);
    expect(west.bytes("destination", "killed").toString()).toBe("bytes of killed-2");
  },
);

test("an alarm or a word of a turn that comes twice starts nothing twice", async () => {
  // Each resume sets the alarm to now; each report of an ended copy gives the word.
  east.putGenerated("source", "twice", { size: PART + 1, seed: "twice" });
  const gate = west.hold({ operation: "CreateMultipartUpload", key: "twice" });
  const destination = "west:destination/twice";
  const id = await mesh.startCopy({ source: "east:source/twice", destination, partSize: PART });
  await west.waitFor(() => gate.waiting.length === 1);
  await Promise.all(Array.from({ length: 8 }, () => mesh.call("POST", `/copies/${id}/resume`)));
  gate.release();
  await Promise.all(Array.from({ length: 8 }, () => mesh.call("POST", `/copies/${id}/resume`)));
  expect((await mesh.ended(id)).phase).toBe("completed");
  const asked = Map.groupBy(
    west.requests({ key: "twice" }),
    ({ operation, partNumber }) => `${operation}${partNumber ?? ""}`,
  );
  expect(Object.fromEntries([...asked].map(([what, times]) => [what, times.length]))).toEqual({
    CreateMultipartUpload: 1,
    UploadPart1: 1,
    UploadPart2: 1,
    ListParts: 1,
    CompleteMultipartUpload: 1,
    HeadObject: 1,
  });
});
