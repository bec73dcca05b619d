// `npm run bench -- --small 20000`: what many small objects cost, beside rclone in the same run.
//
// Two test stores run in processes of their own: the source makes its bytes (1 to 64 KiB an object), the destination
// swallows them and answers with their MD5. Each contestant copies the whole prefix to a new one: the mesh with its
// default lanes, and `rclone copy` with several values of --transfers, of which the best counts. rclone is spared what it
// can do without: it does not look for the bucket, asks no HEAD after an upload and keeps no modification time. Rounds
// are interleaved. A second run of the mesh, with nothing to do, is measured too.
//
// `aws s3 sync` cannot take part: it copies between two buckets of one endpoint only.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { buildBundle } from "./build.ts";
import { type Store, cpuSecondsOf, median, peakMibOf, spread, startStore, storeSecret } from "./measure.ts";
import { BareMesh } from "./bare_mesh.ts";
import type { SyncStatus } from "./mesh_client.ts";

const TRANSFERS = [8, 16, 32, 64];

interface Run {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMib: number | null;
}

export async function benchSmall(count: number, rounds: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-bench-"));
  const stores: Store[] = [];
  let mesh: BareMesh | null = null;
  try {
    const source = await startStore(["--fill", `source/p/=${count}`]);
    stores.push(source);
    const destination = await startStore(["--bucket", "destination", "--swallow"]);
    stores.push(destination);
    mesh = await BareMesh.start(buildBundle(directory), {
      STORE_EAST: storeSecret(source),
      STORE_WEST: storeSecret(destination),
    });
    console.log(`${cpus()[0]?.model}, ${cpus().length} cores; ${count} objects of 1 to 64 KiB`);
    const measures = new Map<string, Run[]>();
    const note = (name: string, run: Run) => {
      measures.set(name, [...(measures.get(name) ?? []), run]);
      console.log(`${name.padEnd(28)} ${describe(run, count)}`);
    };
    for (let round = 1; round <= rounds; round++) {
      note("mesh", await meshSync(mesh, `m${round}/`, { copied: count }));
      note("mesh, nothing to do", await meshSync(mesh, `m${round}/`, { copied: 0 }));
      for (const transfers of TRANSFERS) {
        const run = await rclone(source, destination, `r${round}-${transfers}/`, transfers);
        note(`rclone --transfers ${transfers}`, run);
      }
    }
    report(measures, count);
  } finally {
    await mesh?.stop();
    for (const { process } of stores) process.kill("SIGTERM");
    rmSync(directory, { recursive: true, force: true });
  }
}

async function meshSync(mesh: BareMesh, prefix: string, expected: { copied: number }): Promise<Run> {
  const { pid } = mesh;
  writeFileSync(`/proc/${pid}/clear_refs`, "5"); // forget the peak of memory so far
  const before = cpuSecondsOf(pid);
  const startedAt = performance.now();
  const id = await mesh.startSync({ source: "east:source/p/", destination: `west:destination/${prefix}` });
  const status = await ended(mesh, id);
  const seconds = (performance.now() - startedAt) / 1000;
  if (status.phase !== "completed" || status.objects.copied !== expected.copied) {
    throw new Error(`The sync ended ${status.phase} with ${JSON.stringify(status.objects)}`);
  }
  return { seconds, cpuSeconds: cpuSecondsOf(pid) - before, peakMib: peakMibOf(pid) };
}

async function ended(mesh: BareMesh, id: string): Promise<SyncStatus> {
  for (;;) {
    const { body } = await mesh.call<SyncStatus>("GET", `/syncs/${id}?wait=60`);
    if (["completed", "finished_with_errors", "failed", "cancelled", "blocked"].includes(body.phase))
      return body;
  }
}

async function rclone(source: Store, destination: Store, prefix: string, transfers: number): Promise<Run> {
  const options = [
    "--s3-no-check-bucket",
    "--s3-no-head",
    "--no-update-modtime",
    "--fast-list",
    "--checksum",
  ];
  const many = ["--transfers", String(transfers), "--checkers", String(transfers)];
  const command = ["copy", "EAST:source/p/", `WEST:destination/${prefix}`, ...many, ...options];
  const startedAt = performance.now();
  const script = 'rclone "$@"; code=$?; times; exit $code';
  // Not spawnSync: it would keep this process from noticing that an idle connection to the mesh was closed.
  const child = spawn("bash", ["-c", script, "rclone", ...command], {
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
  if (status !== 0) throw new Error(`rclone ended with ${status}`);
  const children = stdout.trim().split("\n").at(-1) ?? "";
  const cpuSeconds = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  );
  return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds, peakMib: null };
}

/** An S3 remote of rclone, told by its environment. */
function remote(name: string, { endpoint, region, credentials }: Store): Record<string, string> {
  return {
    [`RCLONE_CONFIG_${name}_TYPE`]: "s3",
    [`RCLONE_CONFIG_${name}_PROVIDER`]: "Other",
    [`RCLONE_CONFIG_${name}_ENDPOINT`]: endpoint,
    [`RCLONE_CONFIG_${name}_REGION`]: region,
    [`RCLONE_CONFIG_${name}_ACCESS_KEY_ID`]: credentials.accessKeyId,
    [`RCLONE_CONFIG_${name}_SECRET_ACCESS_KEY`]: credentials.secretAccessKey,
  };
}

function report(measures: ReadonlyMap<string, readonly Run[]>, count: number): void {
  const rate = (runs: readonly Run[]) => runs.map(({ seconds }) => count / seconds);
  const best = Math.max(
    ...[...measures].filter(([name]) => name.startsWith("rclone")).map(([, runs]) => median(rate(runs))),
  );
  console.log(
    "\n| contestant | objects/s (min to max) | CPU ms per object | peak workerd MiB |\n|---|---|---|---|",
  );
  for (const [name, runs] of measures) {
    const costs = runs.map(({ cpuSeconds }) => (cpuSeconds * 1000) / count);
    const peaks = runs.map(({ peakMib }) => peakMib).filter((peak) => peak !== null);
    const peak = peaks.length === 0 ? "–" : Math.max(...peaks).toFixed(0);
    console.log(`| ${name} | ${spread(rate(runs), 0)} | ${spread(costs, 2)} | ${peak} |`);
  }
  console.log();
  for (const [name, runs] of measures) {
    const value = Math.round(median(rate(runs)));
    // Finding nothing to do is another work than copying: it has no ratio.
    const compared = name.includes("nothing")
      ? {}
      : { ratio: Number((median(rate(runs)) / best).toFixed(3)), against: "the best rclone" };
    console.log(`RESULT ${JSON.stringify({ name, value, unit: "objects/s", ...compared })}`);
  }
}

function describe({ seconds, cpuSeconds, peakMib }: Run, count: number): string {
  const peak = peakMib === null ? "" : `, peak ${peakMib.toFixed(0)} MiB`;
  return `${seconds.toFixed(1)} s, ${(count / seconds).toFixed(0)} objects/s, ${cpuSeconds.toFixed(1)} s CPU${peak}`;
}
