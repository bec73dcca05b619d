// `npm run bench -- --listing 1000000`: what a sync of so many keys costs that has nothing to do, beside rclone.
//
// Two stores that list and keep nothing (listing_store.ts) run in processes of their own and hold the same keys. Each
// contestant lists both and compares: the mesh, which writes a report with a line per key as well, and
// `rclone copy --size-only` with and without --fast-list, of which the faster counts. Once at a store that answers at
// once, which shows the work, and once at one that answers each page after --delay-ms, which shows the waiting: stores
// take 50 to 200 ms for a page. Requests are counted by the stores; memory is that of workerd, or of rclone.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { buildBundle } from "./build.ts";
import {
  type Store,
  cpuSecondsOf,
  median,
  peakMibOf,
  spread,
  startStore,
  storeSecret,
  workerdPid,
} from "./measure.ts";
import { Mesh, type SyncStatus } from "./mesh.ts";

const ENDED = ["completed", "finished_with_errors", "failed", "cancelled", "blocked"];

interface Run {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMib: number;
  /** Pages and probes asked of both stores. */
  readonly listings: number;
}

export async function benchListing(count: number, delayMs: number, rounds: number): Promise<void> {
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores; ${count} keys on both sides, nothing to do`);
  for (const delay of delayMs > 0 ? [0, delayMs] : [0]) await benchAt(count, delay, rounds);
}

async function benchAt(count: number, delayMs: number, rounds: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-bench-"));
  const stores: Store[] = [];
  let mesh: Mesh | null = null;
  try {
    const options = ["--keys", String(count), "--delay-ms", String(delayMs)];
    const source = await startStore(options, "listing_store.ts");
    stores.push(source);
    const destination = await startStore(options, "listing_store.ts");
    stores.push(destination);
    mesh = await Mesh.start({
      bundlePath: buildBundle(directory),
      bindings: { STORE_EAST: storeSecret(source), STORE_WEST: storeSecret(destination) },
    });
    const measures = new Map<string, Run[]>();
    const contestants: [string, () => Promise<Omit<Run, "listings">>][] = [
      ["mesh", async () => await meshSync(mesh as Mesh, count)],
      ["rclone", async () => await rclone(source, destination, [])],
      ["rclone --fast-list", async () => await rclone(source, destination, ["--fast-list"])],
    ];
    for (let round = 1; round <= rounds; round++) {
      for (const [name, run] of contestants) {
        const before = await listingsOf(stores);
        const measured = { ...(await run()), listings: (await listingsOf(stores)) - before };
        measures.set(name, [...(measures.get(name) ?? []), measured]);
        console.log(`${name.padEnd(20)} ${describe(measured, count)}`);
      }
    }
    report(measures, count, delayMs);
  } finally {
    await mesh?.stop();
    for (const { process } of stores) process.kill("SIGTERM");
    rmSync(directory, { recursive: true, force: true });
  }
}

async function meshSync(mesh: Mesh, count: number): Promise<Omit<Run, "listings">> {
  const pid = workerdPid();
  writeFileSync(`/proc/${pid}/clear_refs`, "5"); // forget the peak of memory so far
  const before = cpuSecondsOf(pid);
  const startedAt = performance.now();
  const id = await mesh.startSync({ source: "east:source/p/", destination: "west:destination/p/" });
  const status = await ended(mesh, id);
  const seconds = (performance.now() - startedAt) / 1000;
  const { phase, objects } = status;
  if (phase !== "completed" || objects.listed !== count || objects.skipped !== count) {
    throw new Error(`The sync ended ${phase} with ${JSON.stringify(objects)}`);
  }
  return { seconds, cpuSeconds: cpuSecondsOf(pid) - before, peakMib: peakMibOf(pid) };
}

async function ended(mesh: Mesh, id: string): Promise<SyncStatus> {
  for (;;) {
    const { body } = await mesh.call<SyncStatus>("GET", `/syncs/${id}?wait=60`);
    if (ENDED.includes(body.phase)) return body;
  }
}

async function rclone(
  source: Store,
  destination: Store,
  options: readonly string[],
): Promise<Omit<Run, "listings">> {
  const command = ["copy", "EAST:source/p/", "WEST:destination/p/", "--size-only", "--checkers", "16"];
  const startedAt = performance.now();
  // bash adds up the time of its children; what rclone held at most, the kernel tells while it still runs.
  const script =
    'rclone "$@" & pid=$!; peak=0; while grep VmHWM /proc/$pid/status 2>/dev/null; do sleep 0.2; done | tail -n 1; ' +
    "wait $pid; code=$?; times; exit $code";
  const child = spawn("bash", ["-c", script, "rclone", ...command, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      // Only what it needs: settings for AWS tools that stand in the environment are not the bench's.
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      RCLONE_CONFIG: "/dev/null",
      ...remote("EAST", source),
      ...remote("WEST", destination),
    },
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => void (stdout += text));
  const [status] = (await once(child, "close")) as [number | null];
  const seconds = (performance.now() - startedAt) / 1000;
  if (status !== 0) throw new Error(`rclone ended with ${status}`);
  const peak = /VmHWM:\s+(\d+) kB/.exec(stdout)?.[1];
  const children = stdout.trim().split("\n").at(-1) ?? "";
  const cpuSeconds = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, parts]) => sum + Number(minutes) * 60 + Number(parts),
    0,
  );
  return { seconds, cpuSeconds, peakMib: Number(peak) / 1024 };
}

/** An S3 remote of rclone, told by its environment. */
function remote(name: string, { endpoint, region, credentials }: Store): Record<string, string> {
  return {
    [`RCLONE_CONFIG_${name}_TYPE`]: "s3",
    [`RCLONE_CONFIG_${name}_PROVIDER`]: "Other",
    [`RCLONE_CONFIG_${name}_LIST_VERSION`]: "2",
    [`RCLONE_CONFIG_${name}_LIST_URL_ENCODE`]: "true",
    [`RCLONE_CONFIG_${name}_ENDPOINT`]: endpoint,
    [`RCLONE_CONFIG_${name}_REGION`]: region,
    [`RCLONE_CONFIG_${name}_ACCESS_KEY_ID`]: credentials.accessKeyId,
    [`RCLONE_CONFIG_${name}_SECRET_ACCESS_KEY`]: credentials.secretAccessKey,
  };
}

async function listingsOf(stores: readonly Store[]): Promise<number> {
  const counts = await Promise.all(
    stores.map(async ({ endpoint }) => (await (await fetch(`${endpoint}/requests`)).json()) as Requests),
  );
  return counts.reduce((sum, { listings }) => sum + listings, 0);
}

interface Requests {
  readonly listings: number;
}

function report(measures: ReadonlyMap<string, readonly Run[]>, count: number, delayMs: number): void {
  const rate = (runs: readonly Run[]) => runs.map(({ seconds }) => count / seconds);
  const rivals = [...measures].filter(([name]) => name !== "mesh").map(([, runs]) => median(rate(runs)));
  console.log(
    `\nEach page after ${delayMs} ms:\n\n| contestant | keys/s (min to max) | CPU s per million | listings | peak MiB |\n|---|---|---|---|---|`,
  );
  for (const [name, runs] of measures) {
    const costs = runs.map(({ cpuSeconds }) => (cpuSeconds * 1e6) / count);
    const peak = Math.max(...runs.map(({ peakMib }) => peakMib)).toFixed(0);
    const listings = median(runs.map((run) => run.listings));
    console.log(`| ${name} | ${spread(rate(runs), 0)} | ${spread(costs, 1)} | ${listings} | ${peak} |`);
  }
  console.log();
  const mesh = median(rate(measures.get("mesh") ?? []));
  const result = {
    name: `listing, nothing to do, ${delayMs} ms a page`,
    value: Math.round(mesh),
    unit: "keys/s",
    ratio: Number((mesh / Math.max(...rivals)).toFixed(3)),
    against: "the best rclone copy --size-only",
  };
  console.log(`RESULT ${JSON.stringify(result)}`);
}

function describe({ seconds, cpuSeconds, peakMib, listings }: Run, count: number): string {
  const rate = (count / seconds).toFixed(0);
  return `${seconds.toFixed(1)} s, ${rate} keys/s, ${cpuSeconds.toFixed(1)} s CPU, ${listings} listings, peak ${peakMib.toFixed(0)} MiB`;
}
