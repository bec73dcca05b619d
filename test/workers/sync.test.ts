import { expect, test } from "vitest";
import type { SyncStatus } from "../mesh.ts";
import { openWorld } from "./world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

const request = (prefix: string, more: Record<string, unknown> = {}) => ({
  source: `east:source/${prefix}`,
  destination: `west:destination/${prefix}`,
  ...more,
});

test("a prefix is copied: keys, bytes and attributes, each with a line in the report", async () => {
  east.put("source", "first/a", "A", { contentType: "text/plain", metadata: { author: "somebody" } });
  east.put("source", "first/b/", "");
  east.put("source", "first/b/c", "C");
  const status = await mesh.sync(request("first/"));
  expect(status, JSON.stringify(status, null, 1)).toMatchObject({
    phase: "completed",
    objects: { listed: 3, copied: 3, underWay: 0 },
  });
  expect(
    west
      .objects("destination")
      .map(({ key }) => key)
      .filter((key) => key.startsWith("first/")),
  ).toEqual(["first/a", "first/b/", "first/b/c"]);
  expect(west.bytes("destination", "first/b/c").toString()).toBe("C");
  expect(west.get("destination", "first/a")?.attributes).toMatchObject({
    contentType: "text/plain",
    metadata: { author: "somebody" },
  });
  const lines = await mesh.report(status.id);
  expect(lines.map(({ key, action, proof }) => [key, action, proof]).toSorted()).toEqual([
    ["first/a", "copied", "etag"],
    ["first/b/", "copied", "etag"],
    ["first/b/c", "copied", "etag"],
  ]);
  const again: SyncStatus = await mesh.sync(request("first/"));
  expect(again).toMatchObject({ phase: "completed", objects: { listed: 3, copied: 0, skipped: 3 } });
});
