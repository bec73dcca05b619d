// What Prometheus is told, and what it costs: no copy is woken by a scrape.

import { expect, test } from "vitest";
import { READ_TOKEN } from "../../mesh/mesh.ts";
import { PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

const request = (key: string) => ({
  source: `east:source/${key}`,
  destination: `west:destination/${key}`,
  partSize: PART,
});

async function scrape(): Promise<Map<string, number>> {
  const { text } = await mesh.call("GET", "/metrics", { headers: { authorization: `Bearer ${READ_TOKEN}` } });
  const samples = new Map<string, number>();
  for (const line of text.split("\n").filter((each) => each !== "" && !each.startsWith("#"))) {
    const at = line.lastIndexOf(" ");
    samples.set(line.slice(0, at).replace("bucket_brigade_", ""), Number(line.slice(at + 1)));
  }
  return samples;
}

/** How much each counter has risen while something was done. */
async function risen(work: () => Promise<void>): Promise<Record<string, number>> {
  const before = await scrape();
  await work();
  const after = await scrape();
  const rises = [...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(rises.filter(([name, rise]) => name.includes("_total") && rise !== 0));
}

test("GET /metrics is Prometheus text: each family once, with help and type before its samples", async () => {
  const answer = await mesh.call("GET", "/metrics");
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const seen = new Set<string>();
  let family = "";
  let type = "";
  for (const line of answer.text.trimEnd().split("\n")) {
    const meta = /^# (HELP|TYPE) (bucket_brigade_[a-z_]+) (.+)$/.exec(line);
    if (meta?.[1] === "HELP") {
      family = meta[2] ?? "";
      expect(seen.has(family), line).toBe(false);
      seen.add(family);
    } else if (meta?.[1] === "TYPE") {
      expect(meta[2]).toBe(family);
      type = meta[3] ?? "";
      expect(["counter", "gauge"]).toContain(type);
      expect(family.endsWith("_total")).toBe(type === "counter");
    } else {
      expect(line).toMatch(
        /^bucket_brigade_[a-z_]+(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\})? \d+(\.\d+)?(e\+?\d+)?$/,
      );
      expect(line.split(/[{ ]/)[0]).toBe(family);
    }
  }
  expect(seen.size).toBeGreaterThan(10);
});

test("a copy is counted once, with its bytes, parts and failures by code, however often it reports", async () => {
  east.putGenerated("source", "counted", { size: 3 * PART + 1 });
  west.fault({ operation: "UploadPart", partNumber: 2 }, { kind: "answer", code: "SlowDown" }, { times: 2 });
  west.fault(
    { operation: "UploadPart", partNumber: 3 },
    { kind: "answer", code: "InternalError" },
    { times: 1 },
  );
  const rises = await risen(async () => {
    const id = await mesh.startCopy(request("counted"));
    await mesh.ended(id);
    await expect.poll(async () => (await mesh.call("GET", "/copies?phase=completed")).text).toContain(id);
  });
  expect(rises).toEqual({
    'copied_bytes_total{by="copies"}': 3 * PART + 1,
    'copies_ended_total{phase="completed"}': 1,
    'failed_attempts_total{code="destination_error"}': 1,
    'failed_attempts_total{code="destination_throttled"}': 2,
    parts_total: 4,
    part_attempts_total: 7,
    'throttled_total{side="destination"}': 2,
  });
});

test("what has not ended is told by phase, with the age of the oldest and the lanes at work", async () => {
  east.putGenerated("source", "running", { size: 2 * PART });
  const gate = west.hold({ operation: "UploadPart" });
  const id = await mesh.startCopy(request("running"));
  await west.waitFor(() => gate.waiting.length === 2);
  await expect.poll(async () => (await scrape()).get('copies{phase="uploading"}')).toBe(1);
  const samples = await scrape();
  expect(samples.get('copies_oldest_seconds{phase="uploading"}')).toBeGreaterThan(0);
  gate.release();
  await mesh.ended(id);
  await expect.poll(async () => (await scrape()).has('copies{phase="uploading"}')).toBe(false);
  expect((await scrape()).get('lanes{of="copies"}')).toBe(0);
});

test("a sync is counted by what became of its keys", async () => {
  for (const key of ["a", "b", "c"]) east.put("source", `counted/${key}`, key);
  west.put("destination", "counted/c", "c");
  const rises = await risen(async () => {
    const id = await mesh.startSync({
      source: "east:source/counted/",
      destination: "west:destination/counted/",
    });
    await mesh.syncEnded(id);
    await expect.poll(async () => (await mesh.call("GET", "/syncs?phase=completed")).text).toContain(id);
  });
  expect(rises).toEqual({
    'copied_bytes_total{by="syncs"}': 2,
    'sync_objects_total{action="copied"}': 2,
    'sync_objects_total{action="skipped"}': 1,
    'syncs_ended_total{phase="completed"}': 1,
  });
});

test("each line of the log is one JSON object with its event and the id of what it concerns", async () => {
  const { id } = await mesh.copy(request("no such key"));
  const linesOf = () => mesh.logged.map((line) => JSON.parse(line) as Record<string, unknown>);
  const eventsOf = () =>
    linesOf()
      .filter(({ copyId }) => copyId === id)
      .map(({ event }) => event);
  await expect.poll(eventsOf).toEqual(expect.arrayContaining(["created", "phase_failed"]));
  const lines = linesOf();
  expect(lines.filter(({ level, event }) => typeof level !== "string" || typeof event !== "string")).toEqual(
    [],
  );
  const ids = ["copyId", "syncId", "noticeId", "target"];
  expect(lines.filter((line) => !ids.some((name) => name in line))).toEqual([]);
});
