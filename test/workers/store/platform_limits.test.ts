// What the platform gives one object, one isolate, one event, one value: a copy stays below it however large
// it is.
// (lane.test.ts has the connections of one event, copier.test.ts the declared length of a streamed body.)

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, inject, test, vi } from "vitest";
import { MIN_BUFFER_BYTES } from "../../../src/work/digest_buffers.ts";
import { forgetPeak, peakBytes, residentBytes } from "../../mesh/memory.ts";
import { Mesh, type MeshOptions } from "../../mesh/mesh.ts";
import { type RequestRecord, startStore } from "../../store/store.ts";
import { holdUnread } from "../fidelity/unread_parts.ts";
import { MIB, PART } from "../world.ts";

/** A module in front of the bundle. */
function wrapped(name: string, source: string): Pick<MeshOptions, "bundlePath" | "modulePaths"> {
  const bundlePath = inject("bundlePath");
  const path = join(dirname(bundlePath), `${name}.js`);
  writeFileSync(path, source);
  return { bundlePath: path, modulePaths: [bundlePath] };
}

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
  const before = residentBytes(mesh.pid);
  forgetPeak(mesh.pid);
  gate.release();
  const status = await mesh.ended(id);
  const grown = peakBytes(mesh.pid) - before;
  expect({ phase: status.phase, failure: status.failure }).toEqual({
    phase: "completed",
    failure: undefined,
  });
  expect(west.mismatches).toEqual([]);
  expect(west.peaks().uploadParts).toBe(3);
  // All three parts were under way at once, and workerd has grown by less than one of them.
  expect(grown).toBeLessThan(95 * MIB);
  await mesh.stop();
});

const hoarder = (mib: number) => `
  export * from "./front.js";
  export default {
    fetch() {
      const hoard = [];
      while (hoard.length < ${mib}) hoard.push(Array.from({ length: 131072 }, (_, index) => index + 0.5));
      return new Response(String(hoard.length));
    },
  };`;

/** @returns how much a mesh has hoarded; null: it did not live to tell */
async function hoard(mib: number): Promise<string | null> {
  const mesh = await Mesh.start(wrapped(`hoard_${mib}`, hoarder(mib)));
  const answer = await fetch(mesh.url)
    .then(async (response) => await response.text())
    .catch(() => null);
  await mesh.stop();
  return answer;
}

// The heap of an isolate ends here where it ends on the platform (test/mesh/workerd.ts). Buffers are not part
// of it: the next test counts them.
test("an isolate whose heap outgrows 128 MiB is ended, as on the platform", async () => {
  // workerd's last words, which are those of V8.
  const quiet = vi.spyOn(console, "log").mockImplementation(() => undefined);
  expect(await hoard(64)).toBe("64");
  expect(await hoard(192)).toBeNull();
  quiet.mockRestore();
});

const COUNTED_BUFFERS = `
import front from "./front.js";
export * from "./front.js";
export default front;
globalThis.ArrayBuffer = class extends ArrayBuffer {
  constructor(bytes, options) {
    super(bytes, options);
    console.log(JSON.stringify({ event: "buffer_made", bytes }));
  }
};
`;

test("200 parts whose MD5s are computed in one isolate have less than 100 MiB of buffers", async () => {
  await using east = await startStore({ minPartBytes: PART, buckets: ["source"] });
  await using west = await startStore({ minPartBytes: PART, buckets: ["destination"] });
  const mesh = await Mesh.start({
    ...wrapped("counted_buffers", COUNTED_BUFFERS),
    stores: { east, west },
    bindings: { LANES: "40" }, // all from the first moment
  });
  east.putGenerated("source", "wide", { size: 200 * PART });
  // Each part has begun to come in, and none goes on: no stream has ended, none has changed its buffer.
  east.fault({ operation: "GetObject" }, { kind: "stall", direction: "out", afterBytes: 1000 });
  const id = await mesh.startCopy({
    source: "east:source/wide",
    destination: "west:destination/wide",
    partSize: PART,
    lanes: 40,
  });
  const buffers = () =>
    mesh.logged
      .filter((line) => line.includes('"buffer_made"'))
      .map((line) => (JSON.parse(line) as { bytes: number }).bytes)
      .filter((bytes) => bytes >= MIN_BUFFER_BYTES);
  await expect.poll(() => buffers().length).toBeGreaterThanOrEqual(200);
  const first = buffers().slice(0, 200);
  expect(first.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(100 * MIB);
  await mesh.cancel(id);
  expect((await mesh.ended(id)).phase).toBe("cancelled");
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
    await using east = await startStore({ minPartBytes: PART, buckets: ["source"] });
    await using west = await startStore({ minPartBytes: PART, buckets: ["destination"], etags: "opaque" });
    const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-state-"));
    const mesh = await Mesh.start({
      ...wrapped("quick_lanes", QUICK_LANES),
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
