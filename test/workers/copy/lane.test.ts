import { expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import { mostAtOnce } from "../../store/journal.ts";
import { acknowledgeUnread } from "../fidelity/unread_parts.ts";
import { MIB, PART, openWorld } from "../world.ts";

/** Parts of the store west: who sends how many at once is seen in small ones, too. */
const SMALL_PART = MIB / 4;

const {
  mesh,
  stores: { east, west, plain },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    // Spares the hashing of gigabytes: the bytes are compared with the pattern as they come in.
    west: { buckets: ["destination"], etags: "opaque", minPartBytes: 1, maxPageParts: 250 },
    plain: { buckets: ["destination"] },
  },
  (stores) => ({
    storeFields: { west: { profile: { minPartBytes: SMALL_PART } } },
    bindings: {
      STORE_NARROW: storeSecret(stores.plain, { maxConcurrency: 7 }),
      LANES: "40", // a copy begins with all that it asks for
    },
  }),
);

/** An event may have six connections waiting: five for parts, one for the coordinator. */
const FIVE = 5;

const ANSWERED = { operation: "UploadPart", outcome: "answered" } as const;

const request = (key: string, to = "west") => ({
  source: `east:source/${key}`,
  destination: `${to}:destination/${key}`,
  partSize: to === "west" ? SMALL_PART : PART,
});

/** UploadParts open at this moment, by lane. */
function openByLane(): number[] {
  const open = west.openRequests().filter(({ operation }) => operation === "UploadPart");
  return [...Map.groupBy(open, ({ lane }) => lane).values()].map((parts) => parts.length);
}

test("421 parts over 40 lanes: 200 at once, each part once, never more than five per lane", async () => {
  const size = 420 * SMALL_PART + 1;
  east.putGenerated("source", "large", { size });
  const gate = west.hold({ operation: "UploadPart" });
  acknowledgeUnread(west, "large", size, SMALL_PART);
  const id = await mesh.startCopy({ ...request("large"), lanes: 40, verify: "off" });
  await west.waitFor(() => gate.waiting.length === 200);
  expect(openByLane()).toEqual(Array.from({ length: 40 }, () => FIVE));
  expect((await mesh.status(id)).parts).toEqual({ total: 421, done: 0, inFlight: 200, failedAttempts: 0 });
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({
    phase: "completed",
    attempts: 421,
    parts: { total: 421, done: 421, inFlight: 0 },
  });
  expect(west.peaks().uploadParts).toBe(200);
  expect(Math.max(...west.peakUploadPartsPerLane().values())).toBe(FIVE);
  const sent = west.requests({ operation: "UploadPart" }).map(({ partNumber }) => partNumber ?? 0);
  const numbers = Array.from({ length: 421 }, (_, index) => index + 1);
  expect(sent.toSorted((a, b) => a - b)).toEqual(numbers);
  expect(
    west.requests({ operation: "ListParts" }).map(({ query }) => query.get("part-number-marker")),
  ).toEqual([undefined, "250"]);
  expect(west.count("CompleteMultipartUpload")).toBe(1);
  expect(west.get("destination", "large")?.parts.map((part) => part.size)).toEqual(
    numbers.map((partNumber) => (partNumber < 421 ? SMALL_PART : 1)),
  );
  const page = async (cursor: number) =>
    (
      await mesh.call<{ parts: unknown[]; next: string | null }>(
        "GET",
        `/copies/${id}/parts?limit=250&cursor=${cursor}`,
      )
    ).body;
  expect([(await page(0)).next, (await page(250)).next]).toEqual(["250", null]);
  expect((await page(250)).parts).toHaveLength(171);
});

test("a hundred parts at once arrive byte for byte", async () => {
  const size = 100 * SMALL_PART + 1;
  east.putGenerated("source", "bytes", { size });
  west.swallow({ key: "bytes", verifyAgainst: { seed: "seed", size } });
  const gate = west.hold({ operation: "UploadPart" });
  const id = await mesh.startCopy({ ...request("bytes"), lanes: 20, verify: "off" });
  await west.waitFor(() => gate.waiting.length === 100);
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed", bytes: { done: size } });
  expect(west.mismatches).toEqual([]);
  // The swallowed parts were recognised as the pattern's own ranges, so they can be read back in order.
  expect(west.get("destination", "bytes")?.body).toEqual({ kind: "generated", seed: "seed", start: 0, size });
});

test.for([
  [{ lanes: 1 }, 5],
  [{ lanes: 2, concurrency: 3 }, 3],
  [{ lanes: 8, concurrency: 1 }, 1],
  [{ lanes: 3, concurrency: 12 }, 12],
] as const)("%o: never more than %i parts at once, and as many as that", async ([options, most]) => {
  const key = JSON.stringify(options);
  east.putGenerated("source", key, { size: 15 * SMALL_PART });
  const gate = west.hold({ operation: "UploadPart" });
  const id = await mesh.startCopy({ ...request(key), ...options });
  await west.waitFor(() => gate.waiting.length === most);
  gate.release();
  expect((await mesh.ended(id)).phase).toBe("completed");
  expect(mostAtOnce(west.requests(ANSWERED))).toBe(most);
});

test("a store's maxConcurrency bounds a copy", async () => {
  east.putGenerated("source", "bounded", { size: 9 * PART });
  const gate = plain.hold({ operation: "UploadPart" });
  const id = await mesh.startCopy({ ...request("bounded", "narrow"), lanes: 9 });
  await plain.waitFor(() => gate.waiting.length === 7);
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed", concurrency: 7 });
  expect(mostAtOnce(plain.requests(ANSWERED))).toBe(7);
});

test("eight parts of one lane that fail at first with a page of 1 MB do not choke it", async () => {
  east.putGenerated("source", "choke", { size: 8 * SMALL_PART });
  const page = {
    kind: "answer",
    code: "SlowDown",
    body: "x".repeat(1_000_000),
    contentType: "text/html",
  } as const;
  for (let partNumber = 1; partNumber <= 8; partNumber++) {
    west.fault({ operation: "UploadPart", partNumber }, page, { times: 1 });
  }
  const status = await mesh.copy({ ...request("choke"), lanes: 1 });
  expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 8 } });
  expect(Math.max(...west.peakUploadPartsPerLane().values())).toBeLessThanOrEqual(FIVE);
});
