// A mesh that finds the state of the version before: it goes on where that one was killed. And a mesh that
// finds the state of a later one: it changes nothing.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { Mesh, type Status } from "../../mesh/mesh.ts";
import { createUpload, putPart } from "../../pure/test_store/client.ts";
import { KEYS, LONG, PART, type Recording, openStores, readRelease } from "../../releases/stage.ts";
import { dumpState, restoreState } from "../../releases/state.ts";
import type { TestStore } from "../../store/store.ts";

const { state, recording } = readRelease("0.1.0");
const { running, ended, answers } = recording;

let east: TestStore;
let west: TestStore;
let directory: string;
let mesh: Mesh;

beforeAll(async () => {
  ({ east, west } = await openStores());
  await putBack(recording);
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "bucket-brigade-state-"));
});
afterEach(async () => {
  await mesh.stop();
  rmSync(directory, { recursive: true, force: true });
});
afterAll(async () => {
  await Promise.all([east.stop(), west.stop()]);
});

/** The destination as it was when the release was killed: its objects, and the upload with its parts. */
async function putBack({ objects }: Recording): Promise<void> {
  const path = `/destination/${LONG.key}`;
  const upload = await createUpload(west, path);
  const bytes = east.bytes("source", LONG.key);
  for (let number = 1; number <= LONG.parts; number++)
    if (number !== LONG.held)
      await putPart(west, path, upload, number, bytes.subarray((number - 1) * PART, number * PART));
  for (const { key, of, metadata } of objects)
    west.put("destination", key, east.bytes("source", of), { metadata });
  west.journal.clear();
}

async function start(): Promise<void> {
  mesh = await Mesh.start({
    bundlePath: inject("bundlePath"),
    stores: { east, west },
    directory,
    bindings: { RETENTION_DAYS: "3650" },
  });
}

/** As the state of a version that does not exist yet. @param of the databases of these classes */
function ofLaterVersion(dump: string, of: readonly string[]): string {
  const stamp = `CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL, version TEXT NOT NULL);
    INSERT INTO state VALUES (1, 9, '9.0.0');`;
  return of.reduce(
    (text, name) =>
      text.replaceAll(new RegExp(`^-- database ${name}/[0-9a-f]{64}\\.sqlite$`, "gm"), `$&\n${stamp}`),
    dump,
  );
}

test("a state of a later version is refused in words, and nothing in it is changed", async () => {
  const later = ofLaterVersion(state, ["Registry", "Coordinator", "Sync"]);
  restoreState(later, directory);
  const before = dumpState(directory);
  await start();
  for (const path of [`/copies/${running.copy}`, `/syncs/${running.sync}`, "/copies", "/overview"]) {
    const { status, body } = await mesh.call("GET", path);
    expect([path, status, body["code"]]).toEqual([path, 503, "state_too_new"]);
    expect(body["detail"]).toMatch(/^This state was written by version 9\.0\.0 in format 9, and version \d/);
  }
  const fired = await mesh.fireCron(new Date()).catch(String);
  expect(fired).toContain("ended with");
  await expect.poll(() => mesh.logged.some((line) => line.includes("state_refused"))).toBe(true);
  mesh.kill();
  await mesh.stop();
  expect(linesOf(dumpState(directory))).toEqual(linesOf(before));
  expect(west.requests()).toEqual([]);
});

test("work that 0.1.0 has begun goes on to its end, and what has ended is as it was", async () => {
  restoreState(state, directory);
  await start();
  const copy: Status = await mesh.ended(running.copy);
  expect(copy.phase, JSON.stringify(copy.failure)).toBe("completed");
  expect(west.bytes("destination", LONG.key).equals(east.bytes("source", LONG.key))).toBe(true);
  // Its upload and the parts that were there have served.
  expect(west.count("CreateMultipartUpload")).toBe(0);
  expect(west.requests({ operation: "UploadPart" }).map(({ partNumber }) => partNumber)).toEqual([LONG.held]);

  const sync = await mesh.syncEnded(running.sync);
  expect(sync.phase, JSON.stringify(sync)).toBe("completed");
  const copied = KEYS.map((key) => west.get("destination", key.replace("small/", "half/"))?.etag);
  expect(copied).toEqual(KEYS.map((key) => east.get("source", key)?.etag));
  const report = await mesh.report(running.sync);
  expect(report.map(({ key }) => key).toSorted()).toEqual(KEYS);

  for (const [path, answer] of Object.entries(answers)) {
    if (path.startsWith("/stores") || path.startsWith("/audit")) continue;
    const { body, text } = await mesh.call("GET", path);
    // What has come since may be there as well.
    if (typeof answer === "string") expect([path, text]).toEqual([path, answer]);
    else expect([path, body]).toMatchObject([path, expectedOf(answer)]);
  }
  // Rows of lists, too, as that version has reported them.
  for (const path of ["/copies", "/syncs", "/comparisons", "/schedules", "/overview"])
    expect([path, (await mesh.call("GET", path)).status]).toEqual([path, 200]);
  const { body } = await mesh.call("GET", "/audit?limit=200");
  expect(idsIn(body)).toEqual(idsIn(answers["/audit?limit=200"]));

  const run = await mesh.call<{ id: string }>("POST", "/schedules/nightly/run");
  expect((await mesh.syncEnded(run.body.id)).phase).toBe("completed");
  const again = await mesh.call<{ id: string }>("POST", `/copies/${ended.copies[1]}/retry`);
  expect([again.status, (await mesh.ended(again.body.id)).failure?.code]).toEqual([202, "source_not_found"]);
});

/** The objects' own, without what the runtime keeps: its alarms, and a database for each class. */
function linesOf(dump: string): string[] {
  const own = dump.split(/^(?=-- database )/m).filter((database) => !/^.*metadata\.sqlite$/m.test(database));
  return own.flatMap((database) => database.split("\n")).filter((line) => !/_cf_/.test(line));
}

function idsIn(audit: unknown): string[] {
  return (audit as { calls: { id: string }[] }).calls.map(({ id }) => id);
}

/** But for what changes with time. */
function expectedOf(answer: unknown): unknown {
  if (typeof answer !== "object" || answer === null) return answer;
  const isDue = "nextRunAt" in answer && answer.nextRunAt !== null;
  return isDue ? { ...answer, nextRunAt: expect.any(String) } : answer;
}
