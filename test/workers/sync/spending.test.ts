// What a copy or sync says that it has sent to both stores, against the books of the stores.

import { expect, test } from "vitest";
import type { CopyStatus } from "../../../src/view/answers.ts";
import type { TestStore } from "../../store/store.ts";
import { MIB, PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } }, () => ({
  bindings: { MAX_PART_MIB: "8" },
}));

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
