// `npm run bench -- soak`: does anything stay behind? One workerd with the mesh makes copies, syncs and fired
// schedules, thousand after thousand: for ten copies a sync, for a hundred a schedule. After each fifth it
// rests, and then is shown what lives in its heap after a full collection, how many of its Durable Objects
// live, and what an ended copy leaves on the disk. Each must be as in the fifth before.
//
// What it needs: workerd's inspector. Durable Objects without work leave the memory by themselves, and their
// files stay: of an ended copy until its retention is over, and of a lane, which deletes what is in it, as an
// empty database. On the platform an empty Durable Object is none.

import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { buildBundle } from "../mesh/build.ts";
import type { Inspector } from "../mesh/inspector.ts";
import { residentBytes } from "../mesh/memory.ts";
import { MeshClient, TOKEN } from "../mesh/mesh_client.ts";
import { MEMORY, Workerd } from "../mesh/workerd.ts";
import { storeSecret } from "../mesh/mesh.ts";
import { printTable } from "../results_page.ts";
import { result } from "./contest.ts";
import { Stage } from "./stage.ts";

const FIFTHS = 5;

const AT_ONCE = 8;

/** V8 knows no name of a Durable Object; each copy and each sync has one of these. */
const RECORDS = ["CopyRecord", "SyncRecord"];

/** workerd evicts a Durable Object ten seconds after its last event. */
const REST_MS = 20_000;

interface Look {
  readonly copies: number;
  readonly heapBytes: number;
  readonly residentBytes: number;
  /** Copies and syncs whose Durable Objects are in memory. */
  readonly live: number;
  /** On the disk, of the copies of this fifth, by copy. */
  readonly bytesPerCopy: number;
  readonly lanesPerCopy: number;
  readonly objects: ReadonlyMap<string, number>;
}

export async function benchSoak(copies: number): Promise<string> {
  const directory = mkdtempSync(join(MEMORY, "bucket-brigade-soak-"));
  try {
    await using stage = new Stage();
    const source = await stage.store(["--fill", "source/p/=1:2048", "--fill", "source/s/=5:2048"]);
    const destination = await stage.store(["--bucket", "destination", "--swallow"]);
    const workerd = await Workerd.start({
      bundlePath: buildBundle(stage.directory, "readable"),
      bindings: { API_TOKEN: TOKEN, STORE_EAST: storeSecret(source), STORE_WEST: storeSecret(destination) },
      directory,
      inspect: true,
    });
    try {
      return await soak(workerd, directory, copies);
    } finally {
      await workerd.stop();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function soak(workerd: Workerd, directory: string, copies: number): Promise<string> {
  const mesh = new MeshClient(workerd.url);
  const inspector = await workerd.inspector();
  const each = Math.ceil(copies / FIFTHS);
  const looks: Look[] = [];
  let before = onDisk(directory);
  for (let fifth = 1; fifth <= FIFTHS; fifth++) {
    const startedAt = performance.now();
    await work(mesh, workerd, { fifth, each });
    console.log(`${fifth * each} copies, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    await setTimeout(REST_MS);
    const now = onDisk(directory);
    looks.push(await look(workerd, inspector, { copies: fifth * each, each, before, now }));
    before = now;
  }
  inspector.close();
  return report(looks);
}

/** A fifth of all work, from its start to its end. */
async function work(
  mesh: MeshClient,
  workerd: Workerd,
  { fifth, each }: { readonly fifth: number; readonly each: number },
): Promise<void> {
  await inParallel(each, async (index) => {
    const destination = `west:destination/copies/${fifth}-${index}`;
    const id = await mesh.startCopy({ source: "east:source/p/00/0000000", destination });
    await expectEnd(mesh, `/copies/${id}`);
  });
  await inParallel(Math.ceil(each / 10), async (index) => {
    const destination = `west:destination/syncs/${fifth}-${index}/`;
    const id = await mesh.startSync({ source: "east:source/s/", destination });
    await expectEnd(mesh, `/syncs/${id}`);
  });
  const names = Array.from({ length: Math.ceil(each / 100) }, (_, index) => `s${fifth}-${index}`);
  for (const name of names) {
    const sync = { source: "east:source/s/", destination: `west:destination/schedules/${name}/` };
    await mesh.call("PUT", `/schedules/${name}`, { body: { cron: "* * * * *", sync } });
  }
  await workerd.fireCron(new Date(Date.now() + 60_000), "* * * * *");
  for (const name of names) {
    await expectRun(mesh, name);
    await mesh.call("DELETE", `/schedules/${name}`);
  }
}

async function inParallel(count: number, run: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (next < count) await run(next++);
    }),
  );
}

async function expectEnd(mesh: MeshClient, path: string): Promise<void> {
  const { body } = await mesh.call<{ phase: string }>("GET", `${path}?wait=60`);
  if (body.phase !== "completed") throw new Error(`${path} is ${JSON.stringify(body)}`);
}

async function expectRun(mesh: MeshClient, name: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const { body } = await mesh.call<{ lastRun: { syncId: string | null } | null }>(
      "GET",
      `/schedules/${name}`,
    );
    const id = body.lastRun?.syncId ?? null;
    if (id !== null) return await expectEnd(mesh, `/syncs/${id}`);
    await setTimeout(100);
  }
  throw new Error(`The schedule ${name} was not fired`);
}

async function look(
  workerd: Workerd,
  inspector: Inspector,
  at: { copies: number; each: number; before: Disk; now: Disk },
): Promise<Look> {
  const { objects, heapBytes } = await inspector.living();
  const grown = (name: string, of: keyof Disk[string]) =>
    ((at.now[name]?.[of] ?? 0) - (at.before[name]?.[of] ?? 0)) / at.each;
  return {
    copies: at.copies,
    heapBytes,
    residentBytes: residentBytes(workerd.pid),
    live: RECORDS.reduce((sum, name) => sum + (objects.get(name) ?? 0), 0),
    bytesPerCopy: grown("Coordinator", "bytes"),
    lanesPerCopy: grown("Lane", "files"),
    objects,
  };
}

/** Databases of each class. */
type Disk = Readonly<Record<string, { readonly files: number; readonly bytes: number }>>;

function onDisk(directory: string): Disk {
  const classes = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return Object.fromEntries(
    classes.map(({ name }) => {
      const files = readdirSync(join(directory, name));
      const bytes = files.reduce((sum, file) => sum + statSync(join(directory, name, file)).size, 0);
      return [name, { files: files.filter((file) => file.endsWith(".sqlite")).length, bytes }];
    }),
  );
}

function report(looks: readonly Look[]): string {
  const table = printTable(
    [
      "copies so far",
      "heap after collection, MiB",
      "live Durable Objects",
      "KiB on disk per ended copy",
      "empty lanes per copy",
      "resident MiB",
    ],
    looks.map((one) => [
      one.copies,
      mib(one.heapBytes),
      one.live,
      (one.bytesPerCopy / 1024).toFixed(1),
      one.lanesPerCopy.toFixed(2),
      mib(one.residentBytes),
    ]),
  );
  const [first, last] = [looks[0], looks.at(-1)];
  if (first === undefined || last === undefined) return table;
  const flat = (name: string, of: (one: Look) => number, least: number) =>
    result({
      name: `soak: ${name}`,
      value: of(last),
      unit: "last thousand",
      // Few are not many because they were fewer before.
      ratio: Math.max(least, of(last)) / Math.max(least, of(first)),
      against: "the first",
    });
  flat("heap bytes after collection", ({ heapBytes }) => heapBytes, 1);
  flat("live Durable Objects", ({ live }) => live, 4);
  flat("bytes on disk per ended copy", ({ bytesPerCopy }) => bytesPerCopy, 1);
  const grown = [...last.objects]
    .map(([name, count]) => [name, count - (first.objects.get(name) ?? 0)] as const)
    .filter(([, count]) => count > (last.copies - first.copies) / 10)
    .map(([name, count]) => `${name} (${count} more)`);
  const kept = grown.length === 0 ? "Nothing is kept of a copy." : `Kept in memory: ${grown.join(", ")}.`;
  console.log(kept);
  return `${table}\n\n${kept}`;
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
