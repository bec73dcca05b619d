// Stores that throttle, or are down: for a while, or from the start. What they cannot answer now is asked for
// again, not sooner than they say, not by everybody at once, and not for ever.

import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import { storeSecret } from "../../mesh/mesh.ts";
import { claimPort } from "../../store/ports.ts";
import type { RequestRecord } from "../../store/store.ts";
import { acknowledgeUnread } from "../fidelity/unread_parts.ts";
import { PART, openWorld } from "../world.ts";

/** Where nobody listens. */
const endpoint = `http://127.0.0.1:${(await claimPort()).port}`;

const clock = Clock.fast();
const {
  mesh,
  stores: { east, west },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"], etags: "opaque", minPartBytes: 1 },
  },
  (stores) => ({ bindings: { STORE_DEAD: storeSecret(stores.west, { endpoint }) } }),
  clock,
);

const requestOf = (key: string, more: Record<string, unknown> = {}) => ({
  source: `east:source/${key}`,
  destination: `west:destination/${key}`,
  partSize: PART,
  ...more,
});

// They take their time, so they begin now.
east.putGenerated("source", "to the dead", { size: PART + 1 });
const toTheDead = await mesh.startCopy(requestOf("to the dead", { destination: "dead:destination/x" }));
const fromTheDead = await mesh.startCopy(requestOf("from the dead", { source: "dead:source/x" }));

const aimOf = ({ operation, partNumber, headers }: RequestRecord) =>
  `${operation} ${partNumber ?? headers["range"] ?? ""}`;

/** Requests for the same thing, in the order in which they came. */
function attemptsOf(requests: readonly RequestRecord[]): RequestRecord[][] {
  return [...Map.groupBy(requests, aimOf).values()];
}

function signedAtMs(request: RequestRecord | undefined): number {
  const date = request?.headers["x-amz-date"] ?? "";
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
}

test("every third request of any kind answered 503: the copy completes, and nothing comes back sooner than asked", async () => {
  const size = 5 * PART + 1;
  east.putGenerated("source", "throttled", { size, seed: "throttled" });
  const slowDown = { kind: "answer", code: "SlowDown", headers: { "retry-after": "2" } } as const;
  let asked = 0;
  const where = () => asked++ % 3 === 0;
  const rules = [east, west].map((store) => store.fault({ key: "throttled", where }, slowDown));
  const status = await mesh.copy(requestOf("throttled", { verify: "off" }));
  expect({ phase: status.phase, failure: status.failure }).toEqual({
    phase: "completed",
    failure: undefined,
  });
  expect(west.bytes("destination", "throttled").equals(east.bytes("source", "throttled"))).toBe(true);
  expect(rules.reduce((sum, { hits }) => sum + hits, 0)).toBeGreaterThan(0);
  let compared = 0;
  for (const store of [east, west]) {
    for (const attempts of attemptsOf(store.requests({ key: "throttled" }))) {
      for (const [index, next] of attempts.slice(1).entries()) {
        const before = attempts[index];
        if (before?.status !== 503 || before.endedAt === undefined) continue;
        expect((next.startedAt - before.endedAt) * clock.rate).toBeGreaterThan(1_950);
        compared += 1;
      }
    }
  }
  expect(compared).toBeGreaterThan(0);
});

test("a request is signed when it is sent, not when it is queued or first tried", async () => {
  east.putGenerated("source", "dates", { size: 2 * PART + 1 });
  const slowDown = { kind: "answer", code: "SlowDown", headers: { "retry-after": "3" } } as const;
  west.fault({ operation: "UploadPart", key: "dates", partNumber: 1 }, slowDown, { times: 1 });
  expect((await mesh.copy(requestOf("dates", { concurrency: 1, verify: "off" }))).phase).toBe("completed");
  const parts = west.requests({ operation: "UploadPart", key: "dates" });
  const [first, again] = parts.filter(({ partNumber }) => partNumber === 1);
  expect(signedAtMs(again) - signedAtMs(first)).toBeGreaterThanOrEqual(2_000);
  // One after the other: each later part has waited for the one before it. The signature tells whole seconds.
  for (const [index, part] of parts.slice(1).entries()) {
    const freeAtMs = clock.at(parts[index]?.endedAt ?? Number.NaN);
    expect(signedAtMs(part)).toBeGreaterThanOrEqual(Math.floor(freeAtMs / 1000) * 1000 - 1000);
  }
});

/** Waits for as long by the mesh's own clock: a copy is let wait that long by its source. */
async function meshWaits(seconds: number): Promise<void> {
  const key = `a wait of ${seconds} s`;
  east.put("source", key, key);
  const busy = { kind: "answer", code: "SlowDown", headers: { "retry-after": String(seconds) } } as const;
  east.fault({ operation: "HeadObject", key }, busy, { times: 1 });
  expect((await mesh.copy(requestOf(key))).phase).toBe("completed");
}

/** So many failures in a row use up the budget of retries. */
const RETRIES = 100;

test("of a store that is down one part at a time finds out, not all of them again and again", async () => {
  const parts = 120;
  const size = parts * PART;
  east.putGenerated("source", "down", { size });
  let isDown = true;
  const upload = { operation: "UploadPart", key: "down" } as const;
  const gate = west.hold({ ...upload, where: () => rule.hits >= RETRIES });
  const refusal = { kind: "answer", code: "ServiceUnavailable" } as const;
  const rule = west.fault({ ...upload, where: () => isDown }, refusal);
  acknowledgeUnread(west, "down", size);
  const id = await mesh.startCopy(requestOf("down", { lanes: parts / 5, verify: "off" }));
  await west.waitFor(() => rule.hits >= RETRIES);
  // Whatever was under way by then has come when the wait is over, and is refused as well.
  await meshWaits(10);
  gate.release(gate.waiting.length);
  await west.waitFor(() => gate.waiting.length > 0);
  // With the streams that the governor alone would let run, all others would have come by the end of this.
  await meshWaits(10);
  expect(gate.waiting).toHaveLength(1);
  isDown = false;
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed", parts: { done: parts } });
});

test("a store that is down when a copy begins ends it soon: nothing has been done that would be lost", async () => {
  expect(await mesh.ended(toTheDead)).toMatchObject({
    phase: "failed",
    failure: { code: "destination_unreachable", storeCode: "http_521" },
    parts: { done: 0 },
  });
  expect(await mesh.ended(fromTheDead)).toMatchObject({
    phase: "failed",
    failure: { code: "source_unreachable", storeCode: "http_521" },
  });
});

test.for([
  ["one PutObject", 1000, "PutObject"],
  ["parts", 2 * PART, "UploadPart"],
] as const)(
  "a server's fault that comes back at once while the store answers others ends the copy (%s)",
  async ([name, size, operation]) => {
    const key = `permanent ${name}`;
    east.putGenerated("source", key, { size, computeEtag: true });
    west.fault({ operation }, { kind: "answer", code: "InternalError" });
    const status = await mesh.copy(requestOf(key));
    expect(status).toMatchObject({ phase: "failed", failure: { code: "destination_error", status: 500 } });
    expect(west.count(operation)).toBeLessThanOrEqual(9 * (status.parts.total ?? 0));
  },
);

test("a limit that the store names as the reason of its fault ends the copy at once, in the store's words", async () => {
  east.put("source", "limit", "x", { metadata: { k: "v".repeat(257) } });
  const reason = "Metadata value longer than 256: x-object-meta-K";
  const body =
    "<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message>" +
    `<Reason>${reason}</Reason></Error>`;
  west.fault({ operation: "PutObject" }, { kind: "answer", status: 500, body });
  const status = await mesh.copy(requestOf("limit"));
  expect(status).toMatchObject({
    phase: "failed",
    failure: { code: "destination_error", storeCode: "over_limit" },
    parts: { failedAttempts: 1 },
  });
  expect(status.failure?.message).toContain(reason);
});
