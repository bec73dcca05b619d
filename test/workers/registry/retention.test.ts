// What has ended long ago is forgotten, by the Cron event; what could still matter never is.

import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import type { Status } from "../../mesh/mesh.ts";
import { openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld(
  { east: { buckets: ["source"] }, west: { buckets: ["destination"] } },
  () => ({
    bindings: { RETENTION_DAYS: "7" },
  }),
  Clock.fast(),
);

const DAY_MS = 24 * 3_600_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);
const copyOf = (key: string) => ({ source: `east:source/${key}`, destination: `west:destination/${key}` });
const listed = async (what: "copies" | "syncs") =>
  (await mesh.call<Record<string, { id: string }[]>>("GET", `/${what}`)).body[what]?.map(({ id }) => id) ??
  [];
const answerOf = async (path: string) => (await mesh.call("GET", path)).status;

/** The registry learns of an end a moment after the copy's own status does. */
async function untilEnded(what: "copies" | "syncs", id: string): Promise<void> {
  const end = async () =>
    (await mesh.call<Record<string, { id: string; endedAt: string | null }[]>>("GET", `/${what}`)).body[
      what
    ]?.find((row) => row.id === id)?.endedAt;
  await expect.poll(end).not.toBeNull();
}

test("copies and syncs that ended longer ago than RETENTION_DAYS are gone, with all that their objects held", async () => {
  east.put("source", "old/a", "A");
  const id = await mesh.startCopy(copyOf("old/a"));
  await mesh.ended(id);
  await untilEnded("copies", id);
  const sync = await mesh.sync({ source: "east:source/old/", destination: "west:destination/synced/" });
  await untilEnded("syncs", sync.id);

  await mesh.fireCron(inDays(6.9));
  expect([await listed("copies"), await listed("syncs")]).toEqual([[id], [sync.id]]);

  await mesh.fireCron(inDays(7.1));
  expect([await listed("copies"), await listed("syncs")]).toEqual([[], []]);
  expect(await answerOf(`/copies/${id}`)).toBe(404);
  expect(await answerOf(`/syncs/${sync.id}`)).toBe(404);
  expect(west.bytes("destination", "old/a").toString()).toBe("A");
  // The counters go on: they are totals of the mesh.
  expect((await mesh.call("GET", "/metrics")).text).toMatch(/copies_ended_total\{phase="completed"\} [1-9]/);
});

test("what has not ended is kept, however old, and so is its Idempotency-Key", async () => {
  east.put("source", "paused/a", "A");
  const gate = east.hold({ operation: "GetObject" });
  const headers = { "idempotency-key": "paused" };
  const { body } = await mesh.call<Status>("POST", "/copies", { body: copyOf("paused/a"), headers });
  await mesh.call("POST", `/copies/${body.id}/pause`);
  await mesh.fireCron(inDays(400));
  expect(await answerOf(`/copies/${body.id}`)).toBe(200);
  const again = await mesh.call<Status>("POST", "/copies", { body: copyOf("paused/a"), headers });
  expect(again.body.id).toBe(body.id);
  gate.release();
  await mesh.cancel(body.id);
});

test("a copy that may have left something behind is kept until that is settled", async () => {
  east.putGenerated("source", "orphan", { size: 11 * 2 ** 20 });
  const rule = west.fault({ operation: "AbortMultipartUpload" }, { kind: "answer", code: "AccessDenied" });
  const gate = east.hold({ operation: "GetObject" });
  const id = await mesh.startCopy({ ...copyOf("orphan"), partSize: 5 * 2 ** 20 });
  await west.waitFor(() => west.uploads().length === 1);
  await mesh.call("POST", `/copies/${id}/cancel`);
  gate.release();
  const orphans = async () =>
    (await mesh.call<{ copies: { id: string }[] }>("GET", "/copies?orphans")).body.copies.map(
      (copy) => copy.id,
    );
  await expect.poll(orphans).toEqual([id]);
  await untilEnded("copies", id);

  await mesh.fireCron(inDays(100));
  expect(await answerOf(`/copies/${id}`)).toBe(200);

  rule.remove();
  await mesh.call("POST", `/copies/${id}/resume`);
  await expect.poll(orphans).toEqual([]);
  await mesh.fireCron(inDays(100));
  expect(await answerOf(`/copies/${id}`)).toBe(404);
});
