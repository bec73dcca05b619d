// What the platform gives one object, one event, one value: a copy stays below it however large it is.
// (lane.test.ts has the connections of one event, copier.test.ts the declared length of a streamed body.)

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, inject, test } from "vitest";
import { Mesh } from "../../mesh/mesh.ts";
import { type RequestRecord, startStore } from "../../store/store.ts";
import { holdUnread } from "../fidelity/unread_parts.ts";
import { MIB, PART } from "../world.ts";

/** An isolate has 128 MB. */
const ISOLATE_BYTES = 128_000_000;

test("parts of 95 MiB pass through a mesh that holds none of them", { timeout: 120_000 }, async () => {
  await using east = await startStore({ buckets: ["source"] });
  await using west = await startStore({ buckets: ["destination"], etags: "opaque" });
  const mesh = await Mesh.start({ bundlePath: inject("bundlePath"), stores: { east, west } });
  const size = 3 * 95 * MIB;
  east.putGenerated("source", "large", { size });
  west.swallow({ key: "large", verifyAgainst: { seed: "seed", size } });
  // The source is as fast as it can be: all that the destination does not take would pile up in the mesh.
  const slow = { kind: "throttle", direction: "in", bytesPerSecond: 30_000_000 } as const;
  west.fault({ operation: "UploadPart" }, slow);
  const request = { source: "east:source/large", destination: "west:destination/large", partSize: 95 * MIB };
  const gate = west.hold({ operation: "CreateMultipartUpload" });
  const id = await mesh.startCopy(request);
  await west.waitFor(() => gate.waiting.length === 1);
  const before = mesh.residentBytes();
  gate.release();
  let most = 0;
  const status = await mesh.until(id, ({ phase }) => {
    most = Math.max(most, mesh.residentBytes());
    return phase === "completed" || phase === "failed";
  });
  expect({ phase: status.phase, failure: status.failure }).toEqual({
    phase: "completed",
    failure: undefined,
  });
  expect(west.mismatches).toEqual([]);
  expect(west.peaks().uploadParts).toBe(3);
  // Less than one of the three parts, and than an isolate has.
  expect(most - before).toBeLessThan(Math.min(95 * MIB, ISOLATE_BYTES));
  await mesh.stop();
});

/** Durable Object storage holds values of 128 KiB at most, in its key-value form. */
const MAX_VALUE_BYTES = 131_072;

// Lanes that report each part as sent the moment they get it. The parts are put into the upload by the test.
const QUICK_LANES = `
import front, { Coordinator, PartCopier, Registry } from "./front.js";
import { DurableObject } from "cloudflare:workers";
export { Coordinator, PartCopier, Registry };
export default front;
export class Lane extends DurableObject {
  async wake(assignment) {
    this.ctx.storage.kv.put("assignment", assignment);
    await this.ctx.storage.setAlarm(Date.now());
  }
  async stop() {}
  async alarm() {
    const { copyId, lane } = this.ctx.storage.kv.get("assignment");
    const coordinator = this.ctx.exports.Coordinator.getByName(copyId);
    for (let finished = [], grant; ; ) {
      grant = await coordinator.claim({ lane, finished, running: [], wanted: 100 });
      if (grant.kind !== "work" || grant.tasks.length === 0) return;
      finished = grant.tasks.map(({ partNumber, attempt }) => ({
        partNumber,
        attempt,
        result: { ok: true, etag: '"' + ("e".repeat(70) + partNumber).slice(-70) + '"', encryptedWithKey: false, digests: {}, durationMs: 1 },
      }));
    }
  }
}
`;

test(
  "10,000 parts with ETags of 70 characters: no stored value grows with their number",
  { timeout: 120_000 },
  async () => {
    await using east = await startStore({ buckets: ["source"] });
    await using west = await startStore({ buckets: ["destination"], etags: "opaque" });
    const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-state-"));
    const bundlePath = inject("bundlePath");
    const quickPath = join(dirname(bundlePath), "quick_lanes.js");
    writeFileSync(quickPath, QUICK_LANES);
    const mesh = await Mesh.start({
      bundlePath: quickPath,
      modulePaths: [bundlePath],
      stores: { east, west },
      directory,
    });
    const parts = 10_000;
    const size = parts * PART;
    east.putGenerated("source", "many", { size });
    const action = ({ uploadId }: RequestRecord) => {
      for (let partNumber = 1; partNumber <= parts; partNumber++) {
        const etag = ("e".repeat(70) + partNumber).slice(-70);
        holdUnread(west, uploadId, { partNumber, size, etag });
      }
    };
    west.fault({ operation: "CreateMultipartUpload" }, { kind: "run", stage: "before-answer", action });
    const request = { source: "east:source/many", destination: "west:destination/many", partSize: PART };
    const id = await mesh.startCopy({ ...request, lanes: 40, verify: "off" });
    const status = await mesh.ended(id);
    expect({ phase: status.phase, failure: status.failure }).toEqual({
      phase: "completed",
      failure: undefined,
    });
    expect(status.parts).toEqual({ total: parts, done: parts, inFlight: 0, failedAttempts: 0 });
    expect(west.requests({ operation: "ListParts" })).toHaveLength(parts / 1000);
    expect(west.get("destination", "many")?.parts).toHaveLength(parts);
    const page = await mesh.call<{ parts: { etag: string }[] }>("GET", `/copies/${id}/parts?cursor=9999`);
    expect(page.body.parts.map(({ etag }) => etag)).toEqual([`"${"e".repeat(65)}10000"`]);
    await mesh.stop();

    const values = readdirSync(directory, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".sqlite"))
      .map((path) => largestValue(join(directory, path)));
    expect(values.length).toBeGreaterThan(1);
    expect(Math.max(...values.map(({ rows }) => rows))).toBe(parts);
    expect(Math.max(...values.map(({ bytes }) => bytes))).toBeLessThan(MAX_VALUE_BYTES / 4);
    rmSync(directory, { recursive: true, force: true });
  },
);

/** The largest value in any table of a database, and the most rows that a table has. */
function largestValue(path: string): { bytes: number; rows: number } {
  using database = new DatabaseSync(path, { readOnly: true });
  let [bytes, rows] = [0, 0];
  for (const { name } of database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all()) {
    rows = Math.max(rows, Number(database.prepare(`SELECT count(*) AS n FROM "${name}"`).get()?.["n"]));
    for (const column of database.prepare(`PRAGMA table_info("${name}")`).all()) {
      const length = `SELECT max(length(CAST("${column["name"]}" AS BLOB))) AS n FROM "${name}"`;
      bytes = Math.max(bytes, Number(database.prepare(length).get()?.["n"] ?? 0));
    }
  }
  return { bytes, rows };
}
