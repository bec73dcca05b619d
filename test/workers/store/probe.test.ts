// POST /probe: what it measures is what the store sees, and nothing of it stays. Here it runs on one machine,
// and says so.

import { expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import { MIB, openWorld } from "../world.ts";

const {
  mesh,
  stores: { west },
} = await openWorld({ west: { buckets: ["destination"] } }, ({ west: store }) => ({
  bindings: { STORE_LOCKED: storeSecret(store, { readOnly: true }) },
}));

interface Probed {
  readonly byWorker: readonly { readonly ok: boolean; readonly sizeMib: number; readonly message?: string }[];
  readonly byObject: readonly { readonly ok: boolean; readonly sizeMib: number }[];
  readonly oneEvent: { readonly streams: number; readonly asked: number };
  readonly lanes: readonly { readonly streams: number }[];
  readonly isLocal: boolean;
  readonly advice: Readonly<Record<string, number | null>>;
  readonly notes: readonly string[];
  readonly code?: string;
}

const probe = async (body: Record<string, unknown>, headers: Record<string, string> = {}) =>
  await mesh.call<Probed>("POST", "/probe", { body, headers });
const request = { store: "west", bucket: "destination", sizesMib: [2, 1], lanes: 2 };

test("bodies pass in rising sizes by both ways, and as many are in flight as the store sees", async () => {
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, west.openRequests().length)), 20);
  const { status, body } = await probe(request);
  clearInterval(watch);
  expect(status).toBe(200);
  for (const sent of [body.byWorker, body.byObject])
    expect(sent.map(({ ok, sizeMib }) => [ok, sizeMib])).toEqual([
      [true, 1],
      [true, 2],
    ]);
  // This workerd has no limit of connections, so all that were asked for are in flight.
  expect(body.oneEvent).toMatchObject({ streams: 30, asked: 30 });
  expect(body.lanes.map(({ streams }) => streams)).toEqual([30, 30]);
  expect(most).toBe(60);
  expect(body.advice).toEqual({ MAX_PART_MIB: 5, streamsPerLane: 5, LANES: 8 });
  expect(body.isLocal).toBe(true);
  expect(body.notes.join()).toMatch(/none of these numbers says anything about Cloudflare/);
  expect(west.objects("destination")).toEqual([]);
});

test("a size that does not pass ends the row, and the advice stays below it", async () => {
  west.fault(
    { operation: "UploadPart", where: ({ headers }) => Number(headers["content-length"]) > 8 * MIB },
    { kind: "answer", code: "EntityTooLarge", close: true },
  );
  const { body } = await probe({ ...request, sizesMib: [8, 9, 10], lanes: 1 });
  expect(body.byWorker.map(({ ok, sizeMib }) => [ok, sizeMib])).toEqual([
    [true, 8],
    [false, 9],
  ]);
  expect(body.advice["MAX_PART_MIB"]).toBe(7);
  expect(body.notes.join()).toMatch(/A Worker could not send a body of 9 MiB/);
});

test("curl gets it as text when it asks for that", async () => {
  const { text } = await probe({ ...request, sizesMib: [1], lanes: 1 }, { accept: "text/plain" });
  expect(text).toMatch(/^A body sent by a Worker:\n +1 MiB {2}passed in/);
  expect(text).toMatch(/Safe: MAX_PART_MIB = 5, 5 streams a lane, LANES = 8 for 40 streams\n/);
});

test("a store that may not be written to, or refuses, is not probed", async () => {
  expect((await probe({ ...request, store: "locked" })).body.code).toBe("store_read_only");
  expect((await probe({ ...request, bucket: "missing" })).body.code).toBe("store_refused");
  expect((await probe({ store: "west" })).body.code).toBe("invalid_request");
});
