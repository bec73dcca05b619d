// What waits for delivery and what came of it, over SQLite; the receivers are a function.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Outbox } from "../../../src/registry/outbox.ts";
import { type Receiver, readReceivers } from "../../../src/registry/receivers.ts";
import { memorySql } from "../sqlite.ts";

const SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiAzMiBieXRlcyEhIQ==";
const HOUR_MS = 3600_000;
const START = Date.parse("2026-06-01T00:00:00Z");
const named = (...names: string[]): readonly Receiver[] =>
  readReceivers({
    NOTIFY: JSON.stringify(
      names.map((name) => ({ name, url: `https://${name}.example.com/`, secrets: [SECRET] })),
    ),
  });
const webhook = (id: string) => ({ type: "copy.completed", at: "2026-06-01T00:00:00.000Z", data: { id } });

let sql: SqlStorage;
let configured: readonly Receiver[];
let outbox: Outbox;
let answers: (host: string) => number;
let sent: string[];
let settled: string[];

beforeEach(() => {
  vi.useFakeTimers({ now: START, toFake: ["Date"] });
  sql = memorySql();
  configured = [];
  outbox = new Outbox(sql, () => configured);
  outbox.createTables();
  [sent, settled] = [[], []];
  answers = () => 204;
  vi.stubGlobal("fetch", async (url: string) => {
    sent.push(new URL(url).host);
    return new Response(null, { status: answers(new URL(url).host) });
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const count = (where: string) => sql.exec(`SELECT count(*) AS n FROM deliveries WHERE ${where}`).one()["n"];

function add(id: string, receivers: readonly Receiver[], now: number): void {
  configured = receivers;
  outbox.add(webhook(id), now);
}

const theOnly = () => outbox.list({ state: null, receiver: null }, null, 1).notifications[0];

async function deliverDue(receivers: readonly Receiver[]): Promise<void> {
  configured = receivers;
  await outbox.deliverDue(Date.now(), (outcome, record) => {
    settled.push(outcome);
    record();
  });
}

test("a notice waits for each receiver by itself, under one webhook-id", async () => {
  const receivers = named("up", "down");
  answers = (host) => (host.startsWith("down") ? 500 : 204);
  add("c1", receivers, START);
  await deliverDue(receivers);
  const { notifications } = outbox.list({ state: null, receiver: null }, null, 10);
  expect(new Set(notifications.map(({ webhookId }) => webhookId)).size).toBe(1);
  expect(
    Object.fromEntries(notifications.map(({ receiver, state, status }) => [receiver, [state, status]])),
  ).toEqual({ up: ["delivered", 204], down: ["waiting", 500] });
  expect(outbox.waiting().count).toBe(1);
});

test("after ten attempts within four days it is given up, and can be sent again with as many", async () => {
  const receivers = named("down");
  answers = () => 503;
  add("c1", receivers, START);
  const untilEnd = async () => {
    for (let next = outbox.nextTryMs(); next !== null; next = outbox.nextTryMs()) {
      vi.setSystemTime(Math.max(next, Date.now()));
      await deliverDue(receivers);
    }
  };
  await untilEnd();
  expect(sent).toHaveLength(10);
  expect(settled).toEqual(["given_up"]);
  expect(Date.now() - START).toBeGreaterThan(2.9 * 24 * HOUR_MS);
  expect(Date.now() - START).toBeLessThan(4 * 24 * HOUR_MS);
  const [one] = outbox.list({ state: "given_up", receiver: "down" }, null, 10).notifications;
  expect(one).toMatchObject({ attempts: 10, status: 503, problem: "answered 503", nextAttemptAt: null });
  outbox.again(one?.id ?? "", Date.now());
  await untilEnd();
  expect(theOnly()).toMatchObject({ attempts: 20, state: "given_up" });
});

test("a receiver with a backlog takes half of what is sent at once, and no more", async () => {
  const receivers = named("backlog", "other");
  const [backlog = [], other = []] = [receivers.slice(0, 1), receivers.slice(1)];
  for (let n = 0; n < 30; n++) add(`b${n}`, backlog, START);
  for (let n = 0; n < 5; n++) add(`o${n}`, other, START + 1);
  vi.setSystemTime(START + 1);
  await deliverDue(receivers);
  expect(sent.filter((host) => host.startsWith("other"))).toHaveLength(5);
  expect(sent).toHaveLength(10);
});

test("what waits for a receiver that is configured no more is given up, and says so", async () => {
  add("c1", named("gone"), START);
  await deliverDue(named("other"));
  expect(sent).toEqual([]);
  expect(outbox.list({ state: null, receiver: null }, null, 10).notifications).toMatchObject([
    { state: "given_up", problem: "no receiver of that name is configured any more" },
  ]);
});

test("what is sent again while it is being sent is sent twice", async () => {
  const receivers = named("slow");
  add("c1", receivers, START);
  const [one] = outbox.list({ state: null, receiver: null }, null, 1).notifications;
  answers = () => {
    vi.setSystemTime(START + 500);
    outbox.again(one?.id ?? "", START + 500);
    return 204;
  };
  await deliverDue(receivers);
  expect(theOnly()).toMatchObject({ state: "waiting", attempts: 1 });
  answers = () => 204;
  await deliverDue(receivers);
  expect(theOnly()).toMatchObject({ state: "delivered", attempts: 2 });
});

test("kept are the last thousand that have ended, for a week, and ten thousand that wait", async () => {
  const receivers = named("down");
  const insert = (n: number, outcome: string | null, atMs: number) => {
    add(`${n}`, receivers, atMs);
    if (outcome !== null)
      sql.exec("UPDATE deliveries SET state = ?, next_try_ms = NULL WHERE work = ?", outcome, `${n}`);
  };
  insert(0, "delivered", START - 8 * 24 * HOUR_MS);
  for (let n = 1; n <= 1_010; n++) insert(n, "delivered", START + n);
  for (let n = 2_000; n < 12_003; n++) insert(n, null, START + n);
  expect(outbox.trim(START + 20_000)).toBe(3);
  expect(count("next_try_ms IS NULL")).toBe(1_000);
  expect(count("next_try_ms IS NOT NULL")).toBe(10_000);
  expect(count("work IN ('0', '10', '2000', '2002')")).toBe(0);
  expect(count("work IN ('11', '1010', '2003', '12002')")).toBe(4);
});

test("what an older deployment still had to send goes to the receiver of NOTIFY_URL", () => {
  const body = JSON.stringify({ type: "copy.failed", timestamp: "t", data: { id: "c9" } });
  sql.exec("INSERT INTO notices VALUES (?, ?, ?, ?, ?)", "msg_old", body, START, 2, START + 5);
  new Outbox(sql, () => []).createTables();
  const { notifications } = outbox.list({ state: null, receiver: null }, null, 10);
  expect(notifications).toMatchObject([
    {
      webhookId: "msg_old",
      receiver: "default",
      type: "copy.failed",
      workId: "c9",
      attempts: 2,
      state: "waiting",
    },
  ]);
  expect(outbox.nextTryMs()).toBe(START + 5);
  expect(sql.exec("SELECT * FROM notices").toArray()).toEqual([]);
});
