// What a copy or sync says that it has sent to both stores, against the books of the stores.

import { expect, test } from "vitest";
import type { CopyStatus } from "../../../src/view/answers.ts";
import type { TestStore } from "../../store/store.ts";
import { seededRandom } from "../fidelity/fidelity.ts";
import { storeSecret } from "../../mesh/mesh.ts";
import { MIB, PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west, few },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"] },
    few: { buckets: ["source"] },
  },
  (stores) => ({
    // Under a limit of bytes nothing is sent a second time because it is slow, as on a busy machine it is.
    storeFields: {
      east: { maxBytesPerSecond: 1e10 },
      west: { maxBytesPerSecond: 1e10, prices: { put: 0.0045, list: 0.0045, head: 0.00036 } },
    },
    bindings: {
      MAX_PART_MIB: "5",
      STORE_PRICED: storeSecret(stores.east, {
        maxBytesPerSecond: 1e10,
        prices: { get: 0.0004, head: 0.0004, list: 0.005, egressPerGb: 0.09 },
      }),
    },
  }),
);

type Requests = CopyStatus["spent"]["source"]["requests"];

/** By the classes of price lists, from the journal of the store. */
function billOf(store: TestStore): Requests {
  const bill = { put: 0, list: 0, get: 0, head: 0, delete: 0 };
  for (const { method, operation = "" } of store.requests()) {
    if (method === "DELETE" || operation === "DeleteObjects") bill.delete += 1;
    else if (method === "HEAD") bill.head += 1;
    else if (method !== "GET") bill.put += 1;
    else if (operation.startsWith("List")) bill.list += 1;
    else bill.get += 1;
  }
  return bill;
}

const requestsIn = (kinds: Requests) => Object.values(kinds).reduce((sum, count) => sum + count, 0);

test("a copy has counted each request and each byte, also those that were sent again", async () => {
  east.put("source", "large", Buffer.alloc(3 * PART + 1));
  west.fault(
    { operation: "UploadPart", partNumber: 2 },
    { kind: "answer", code: "InternalError" },
    { times: 1 },
  );
  const { spent, phase } = await mesh.copy({
    source: "east:source/large",
    destination: "west:destination/large",
    partSize: PART,
  });
  expect(phase).toBe("completed");
  expect([spent.source.requests, spent.destination.requests]).toEqual([billOf(east), billOf(west)]);
  expect(spent.source.bytes).toBe(4 * PART + 1);
});

test("a sync has counted its own requests, those of its batches and those of its large copies", async () => {
  for (let n = 0; n < 30; n++) east.put("source", `s/${n}`, `object ${n}`);
  east.put("source", "s/large", Buffer.alloc(20 * MIB));
  const sync = { source: "east:source/s/", destination: "west:destination/s/" };
  const dry = await mesh.sync({ ...sync, dryRun: true });
  expect([dry.spent.source.requests, dry.spent.destination.requests]).toEqual([billOf(east), billOf(west)]);
  for (const store of [east, west]) store.journal.clear();
  const { spent, phase } = await mesh.sync(sync);
  expect(phase).toBe("completed");
  expect([spent.source.requests, spent.destination.requests]).toEqual([billOf(east), billOf(west)]);
});

test.for([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
  "seed %i: what a dry run quotes is within its tolerance of what the sync is billed",
  async (seed) => {
    const dice = seededRandom(seed);
    const prefix = `quoted-${seed}/`;
    const objects = 15 + Math.floor(dice() * 30);
    for (let n = 0; n < objects; n++) {
      const large = dice() < 0.05;
      const size = Math.floor(dice() * (large ? 2 * PART : 20_000)) + (large ? PART + 1 : 0);
      const object = east.put("source", `${prefix}${n}`, Buffer.alloc(size, n));
      // Some are there already, and some keys only the destination has.
      if (dice() < 0.2) west.put("destination", `${prefix}${n}`, east.bytes("source", object.key));
      if (dice() < 0.1) west.put("destination", `${prefix}extra-${n}`, "x");
    }
    const sync = {
      source: `priced:source/${prefix}`,
      destination: `west:destination/${prefix}`,
      delete: true,
      maxDeletes: 1000,
    };
    const { quote } = await mesh.sync({ ...sync, dryRun: true });
    if (quote === undefined) throw new Error("A dry run without a quote");
    const asked = await mesh.call("POST", "/quotes", { body: { sync } });
    expect([asked.status, asked.body]).toEqual([200, quote]);
    for (const store of [east, west]) store.journal.clear();
    const { phase, spent } = await mesh.sync(sync);
    expect(phase).toBe("completed");
    for (const [side, store] of [
      ["source", east],
      ["destination", west],
    ] as const) {
      const [quoted, bill] = [requestsIn(quote[side].requests), requestsIn(billOf(store))];
      expect(Math.abs(quoted / bill - 1)).toBeLessThanOrEqual(quote.tolerance);
      expect(spent[side].requests).toEqual(billOf(store));
    }
    expect(quote.tolerance).toBe(0.05);
    expect(quote.source.bytes).toBe(spent.source.bytes);
    expect(Math.abs((quote.usd ?? 0) / (spent.usd ?? 1) - 1)).toBeLessThanOrEqual(0.05);
  },
);

test.for([1, 2, 3])(
  "seed %i: what a comparison quotes is within its tolerance of what its repair is billed",
  async (seed) => {
    const dice = seededRandom(100 + seed);
    const prefix = `repaired-${seed}/`;
    for (let n = 0; n < 30; n++) {
      const size = Math.floor(dice() * 20_000) + (n === 0 ? 2 * PART : 0);
      east.put("source", `${prefix}${n}`, Buffer.alloc(size, n));
      const isThere = dice();
      if (isThere < 0.4) west.put("destination", `${prefix}${n}`, Buffer.alloc(size, isThere < 0.2 ? n : 99));
    }
    const sides = { source: `priced:source/${prefix}`, destination: `west:destination/${prefix}` };
    const asked = await mesh.call<CopyStatus["spent"]>("POST", "/quotes", { body: { comparison: sides } });
    const { id, quote, spent: compared } = await mesh.compare(sides);
    if (quote === undefined) throw new Error("A comparison without a quote");
    expect([asked.status, asked.body]).toMatchObject([200, compared]);
    for (const store of [east, west]) store.journal.clear();
    const repair = await mesh.call<{ id: string }>("POST", `/comparisons/${id}/repair`);
    const { phase, spent } = await mesh.syncEnded(repair.body.id);
    expect([phase, quote.source.bytes]).toEqual(["completed", spent.source.bytes]);
    for (const [side, store] of [
      ["source", east],
      ["destination", west],
    ] as const) {
      const [quoted, bill] = [requestsIn(quote[side].requests), requestsIn(billOf(store))];
      expect([side, Math.abs(quoted / bill - 1) <= quote.tolerance, quoted, bill]).toEqual([
        side,
        true,
        quoted,
        bill,
      ]);
    }
    expect(quote.leastSeconds).toBe(1);
    // The repair is work between these two stores; what begins later is told its pace.
    const { body: later } = await mesh.call<typeof quote>("POST", "/quotes", {
      body: { ...sides, objects: 1_000_000, bytes: 1_000_000_000 },
    });
    expect([later.objects, (later.seconds ?? 0) >= 1]).toEqual([1_000_000, true]);
    const again = await mesh.compare({ ...sides, source: `${sides.source}1` });
    expect(again.quote?.seconds).toBeGreaterThanOrEqual(1);
  },
);

test("POST /quotes says what a copy is billed, whole and in parts, and starts nothing", async () => {
  for (const size of [1000, PART, 2 * PART + 1]) {
    east.put("source", "quoted", Buffer.alloc(size));
    const copy = { source: "priced:source/quoted", destination: `west:destination/quoted-${size}` };
    const { body: quote, status } = await mesh.call<CopyStatus["spent"]>("POST", "/quotes", { body: copy });
    expect(status).toBe(200);
    expect(west.requests()).toEqual([]);
    for (const store of [east, west]) store.journal.clear();
    const { spent } = await mesh.copy(copy);
    expect([size, quote.source.bytes]).toEqual([size, spent.source.bytes]);
    expect([quote.source.requests, quote.destination.requests]).toEqual([billOf(east), billOf(west)]);
    expect(quote.usd).toBe(spent.usd);
    for (const store of [east, west]) store.journal.clear();
  }
});

test("what the listings do not show is not quoted, and neither is what is asked for in two ways", async () => {
  for (let n = 0; n < 23_000; n++) few.put("source", `many/${n}`, "");
  const sides = { source: "few:source/many/", destination: "west:destination/many/" };
  for (const [body, status, said] of [
    [{ sync: sides }, 422, "more keys than are listed"],
    [{ sync: { ...sides, keys: ["many/a"] } }, 422, '"keys" needs more than the listings'],
    [{ sync: sides, comparison: sides }, 400, "not both"],
    [{ ...sides, objects: 5 }, 400, 'both "objects" and "bytes"'],
    [{ ...sides, objects: 1, bytes: "60TiB" }, 422, "Cannot copy"],
  ] as const) {
    const answer = await mesh.call("POST", "/quotes", { body });
    expect([answer.status, String(answer.body["detail"])]).toEqual([status, expect.stringContaining(said)]);
  }
  const sizes = {
    ...sides,
    sizes: [
      { objects: 1000, size: "1MiB" },
      { objects: 2, size: "12MiB" },
    ],
  };
  for (const store of [east, west]) store.journal.clear();
  const { body } = await mesh.call("POST", "/quotes", { body: sizes });
  // The tags of what goes in parts are asked for.
  expect(body).toMatchObject({
    source: { requests: { get: 1006 + 2, list: 2, head: 2 }, bytes: 1024 * MIB },
    destination: { requests: { put: 1010, list: 3 } },
    storedBytes: 1024 * MIB,
  });
  expect([...east.requests(), ...west.requests()]).toEqual([]);
});

test("what could not be copied is not quoted, and it is said why", async () => {
  const copy = { source: "east:source/absent", destination: "west:destination/absent" };
  const { status, body } = await mesh.call("POST", "/quotes", { body: copy });
  expect([status, body]).toMatchObject([422, { code: "not_quoted", failure: { code: "source_not_found" } }]);
  const wrong = await mesh.call("POST", "/quotes", { body: { ...copy, source: "nobody:source/a" } });
  expect([wrong.status, wrong.body["code"]]).toEqual([400, "unknown_store"]);
});
