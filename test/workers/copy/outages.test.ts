// Stores that throttle, or are down: for a while, or from the start. What they cannot answer now is asked for
// again, not sooner than they say, not by everybody at once, and not for ever.

import { expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import { claimPort } from "../../store/ports.ts";
import type { RequestRecord } from "../../store/store.ts";
import { acknowledgeUnread } from "../fidelity/unread_parts.ts";
import { PART, openWorld } from "../world.ts";

/** Where nobody listens. */
const endpoint = `http://127.0.0.1:${(await claimPort()).port}`;

const {
  mesh,
  stores: { east, west },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"], etags: "opaque", minPartBytes: 1 },
  },
  (stores) => ({ bindings: { STORE_DEAD: storeSecret(stores.west, { endpoint }) } }),
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
  const slowDown = { kind: "answer", code: "SlowDown", headers: { "retry-after": "1" } } as const;
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
        expect(next.startedAt - before.endedAt).toBeGreaterThan(990);
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
    const freeAtMs = performance.timeOrigin + (parts[index]?.endedAt ?? Number.NaN);
    expect(signedAtMs(part)).toBeGreaterThanOrEqual(Math.floor(freeAtMs / 1000) * 1000 - 1000);
  }
});

test(
  "of a store that is down one part at a time finds out, not all of them again and again",
  { timeout: 120_000 },
  async () => {
    const parts = 120;
    const size = parts * PART;
    east.putGenerated("source", "down", { size });
    let isDown = true;
    const where = () => isDown;
    const rule = west.fault(
      { operation: "UploadPart", key: "down", where },
      { kind: "answer", code: "ServiceUnavailable" },
    );
    acknowledgeUnread(west, "down", size);
    const id = await mesh.startCopy(requestOf("down", { lanes: parts / 5, verify: "off" }));
    await west.waitFor(() => rule.hits >= 16);
    // As long as two rounds of every part would take.
    const since = performance.now();
    await mesh.until(id, () => performance.now() - since > 4_000);
    const askedWhileDown = rule.hits;
    isDown = false;
    const status = await mesh.ended(id);
    expect(status).toMatchObject({ phase: "completed", parts: { done: parts } });
    expect(askedWhileDown).toBeLessThan(1.5 * parts);
  },
);

test("a store that is down when a copy begins ends it soon: nothing has been done that would be lost", async () => {
  expect(await mesh.ended(toTheDead)).toMatchObject({
    phase: "failed",
    failure: { code: "destination_unreachable", storeCode: "network" },
    parts: { done: 0 },
  });
  expect(await mesh.ended(fromTheDead)).toMatchObject({
    phase: "failed",
    failure: { code: "source_unreachable", storeCode: "network" },
  });
});
