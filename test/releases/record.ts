// Records the state of this version, for the versions that come after it to read:
// `node test/releases/record.ts` writes <version>.sql and <version>.json beside this file. It is run once, on
// the commit that is released.
//
// The mesh has a copy and a sync half-way, each held by a store in the middle of a request, schedules, a
// checked store, and one of everything that ends. Then it is killed, as by a power cut.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBundle } from "../mesh/build.ts";
import { Mesh } from "../mesh/mesh.ts";
import type { TestStore } from "../store/store.ts";
import { KEYS, LONG, PART, type Recording, openStores, writeRelease } from "./stage.ts";
import { dumpState } from "./state.ts";

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as {
  version: string;
};

const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-release-"));
const bundle = mkdtempSync(join(tmpdir(), "bucket-brigade-release-bundle-"));
try {
  await record();
} finally {
  for (const path of [directory, bundle]) rmSync(path, { recursive: true, force: true });
}

async function record(): Promise<void> {
  const { east, west } = await openStores();
  const mesh = await Mesh.start({ bundlePath: buildBundle(bundle), stores: { east, west }, directory });
  try {
    const copy = await copyHalfWay(mesh, west);
    const ended = await workThatEnds(mesh);
    await settings(mesh);
    const sync = await syncHalfWay(mesh, west);
    const paths = [
      ...Object.entries(ended).flatMap(([plural, ids]) => ids.map((id) => `/${plural}/${id}`)),
      ...ended.syncs.map((id) => `/syncs/${id}/report`),
      "/schedules/nightly",
      "/schedules/resting",
      "/stores",
      "/audit?limit=200",
    ];
    const answers: Record<string, unknown> = {};
    for (const path of paths) {
      const { body, text } = await mesh.call("GET", path);
      answers[path] = path.endsWith("/report") ? text : body;
    }
    mesh.kill();
    await mesh.stop();
    const recording = { version, running: { copy, sync }, ended, answers, objects: objectsOf(east, west) };
    writeRelease(dumpState(directory), recording);
    console.log(
      `Recorded ${version}: ${Object.keys(answers).length} answers, ${recording.objects.length} objects`,
    );
  } finally {
    await mesh.stop();
    await Promise.all([east.stop(), west.stop()]);
  }
}

async function copyHalfWay(mesh: Mesh, west: TestStore): Promise<string> {
  const { key, parts, held } = LONG;
  const gate = west.hold({ operation: "UploadPart", key, partNumber: held }, "before-work");
  const copy = { source: `east:source/${key}`, destination: `west:destination/${key}`, partSize: PART };
  const id = await mesh.startCopy(copy);
  await west.waitFor(() => gate.waiting.length === 1);
  await mesh.until(id, (status) => status.parts.done === parts - 1);
  return id;
}

async function workThatEnds(mesh: Mesh): Promise<Recording["ended"]> {
  const copies = [
    await mesh.copy({ source: "east:source/one", destination: "west:destination/one" }),
    await mesh.copy({ source: "east:source/absent", destination: "west:destination/absent" }),
  ];
  const places = { source: "east:source/ended/", destination: "west:destination/ended/" };
  const sync = await mesh.sync(places);
  const comparison = await mesh.compare(places);
  return { copies: copies.map(({ id }) => id), syncs: [sync.id], comparisons: [comparison.id] };
}

async function settings(mesh: Mesh): Promise<void> {
  const sync = { source: "east:source/ended/", destination: "west:destination/nightly/" };
  const copy = { source: "east:source/one", destination: "west:destination/again" };
  await mesh.call("PUT", "/schedules/nightly", {
    body: { cron: "0 3 * * *", timezone: "Europe/Berlin", sync },
  });
  await mesh.call("PUT", "/schedules/resting", { body: { cron: "*/5 * * * *", enabled: false, copy } });
  const { body } = await mesh.call<{ id: string }>("POST", "/schedules/resting/run");
  await mesh.ended(body.id);
  await mesh.call("POST", "/stores/west/check", { body: { bucket: "destination" } });
}

async function syncHalfWay(mesh: Mesh, west: TestStore): Promise<string> {
  const key = (KEYS.at(-5) ?? "").replace("small/", "half/");
  const gate = west.hold({ operation: "PutObject", key }, "before-work");
  const id = await mesh.startSync({
    source: "east:source/small/",
    destination: "west:destination/half/",
    concurrency: 2,
  });
  await west.waitFor(() => gate.waiting.length === 1);
  await mesh.untilSync(id, ({ objects }) => objects.copied > 0);
  return id;
}

/** Each is a copy of the one at the source that has its ETag. */
function objectsOf(east: TestStore, west: TestStore): Recording["objects"] {
  const keys = new Map(east.objects("source").map(({ key, etag }) => [etag, key]));
  return west.objects("destination").map(({ key, etag, attributes }) => ({
    key,
    of: keys.get(etag) ?? "",
    metadata: attributes.metadata,
  }));
}
