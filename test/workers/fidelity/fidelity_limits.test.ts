// What fits and what does not is known when the source's size is, and said with the number that decides.

import { expect, test } from "vitest";
import type { Status } from "../../mesh/mesh.ts";
import { memoryDirectory } from "./fidelity.ts";
import { MIB, openWorld } from "../world.ts";

const GIB = 1024 * MIB;
const TIB = 1024 * GIB;
/** The smallest of most stores. */
const PART = 5 * MIB;
const directory = memoryDirectory();
const {
  mesh,
  stores: { east, aws, scaleway, r2, short },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    aws: { buckets: ["destination"], minPartBytes: PART },
    scaleway: { buckets: ["destination"], minPartBytes: PART },
    r2: { buckets: ["destination"], minPartBytes: PART },
    short: { buckets: ["destination"], minPartBytes: PART },
  },
  () => ({
    directory,
    bindings: { MAX_PART_MIB: "5120" },
    storeFields: {
      aws: { provider: "aws" },
      scaleway: { provider: "scaleway" },
      r2: { provider: "r2" },
      short: { profile: { maxKeyBytes: 10 } },
    },
  }),
);

const stores = { aws, scaleway, r2, short };
const request = (to: string, key = "large") => ({
  source: `east:source/${key}`,
  destination: `${to}:destination/${key}`,
});

/** Starts a copy, takes its plan, and cancels it before any part is sent. */
async function planOf(
  to: "aws" | "scaleway" | "r2",
  size: number,
  more: Record<string, unknown> = {},
): Promise<Status> {
  east.putGenerated("source", "large", { size });
  const gate = stores[to].hold({ operation: "CreateMultipartUpload" });
  const id = await mesh.startCopy({ ...request(to), ...more });
  await stores[to].waitFor(() => gate.waiting.length === 1);
  const status = await mesh.status(id);
  await mesh.call("POST", `/copies/${id}/cancel`);
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({ phase: "cancelled", parts: { done: 0 } });
  expect(stores[to].count("UploadPart")).toBe(0);
  return status;
}

test.for([
  ["aws", 10_000 * 5 * GIB, 5 * GIB, 10_000],
  ["aws", 10_000 * 5 * GIB - 1, 5 * GIB, 10_000],
  ["aws", 10_000 * 100 * MIB + 1, 101 * MIB, 9901],
  ["aws", 10_000 * 64 * MIB, 64 * MIB, 10_000],
  ["aws", 10_000 * 64 * MIB + 1, 65 * MIB, 9847],
  ["scaleway", 1_000 * 64 * MIB, 64 * MIB, 1_000],
  ["scaleway", 1_000 * 64 * MIB + 1, 65 * MIB, 985],
  ["r2", 5 * TIB - 5 * GIB, 524 * MIB, 9996],
] as const)(
  "to %s an object of %i bytes goes in parts of %i bytes, %i of them",
  async ([to, size, partSize, total]) => {
    expect(await planOf(to, size)).toMatchObject({ size, partSize, parts: { total } });
  },
);

test.for([
  ["aws", 10_000 * 5 * GIB + 1, "the destination (aws) allows objects of at most 53687091200000 bytes"],
  ["r2", 5 * TIB - 5 * GIB + 1, "the destination (r2) allows objects of at most 5492189429760 bytes"],
  ["scaleway", 5e12 + 1, "the destination (scaleway) allows objects of at most 5000000000000 bytes"],
] as const)("to %s an object of %i bytes is refused, and the limit named", async ([to, size, limit]) => {
  east.putGenerated("source", "large", { size });
  const status = await mesh.copy(request(to));
  expect(status).toMatchObject({ phase: "failed", failure: { code: "object_too_large" } });
  expect(status.failure?.message).toContain(limit);
  expect(stores[to].count()).toBe(0);
});

test("a part size that would take too many parts is refused, and the smallest that would do is named", async () => {
  east.putGenerated("source", "large", { size: 1_001 * PART });
  const status = await mesh.copy({ ...request("scaleway"), partSize: PART });
  expect(status).toMatchObject({ phase: "failed", failure: { code: "part_size_too_small" } });
  expect(status.failure?.message).toContain(`the smallest part size that fits is ${6 * MIB} bytes`);
  expect(scaleway.count()).toBe(0);
});

test("part boundaries of the source that the destination does not take are not kept", async () => {
  const parts = Array.from({ length: 1_001 }, () => PART);
  east.putGenerated("source", "large", { size: 1_001 * PART, parts });
  const gate = scaleway.hold({ operation: "UploadPart" });
  const id = await mesh.startCopy(request("scaleway"));
  const planned = await mesh.until(id, ({ size }) => size !== null);
  expect(planned).toMatchObject({ partSize: 64 * MIB, parts: { total: 79 } });
  await mesh.call("POST", `/copies/${id}/cancel`);
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({ phase: "cancelled" });
});

test.for([
  ["ten bytes", "é".repeat(5), "completed"],
  ["eleven bytes", `${"é".repeat(5)}x`, "failed"],
] as const)("a destination's limit of keys is counted in bytes: %s", async ([, key, phase]) => {
  east.put("source", key, "k");
  const status = await mesh.copy(request("short", key));
  expect(status.phase).toBe(phase);
  if (phase === "completed") return;
  expect(status.failure).toMatchObject({
    code: "key_too_long",
    message: "The key has 11 bytes; the destination allows 10",
  });
  expect(short.count()).toBe(0);
});
