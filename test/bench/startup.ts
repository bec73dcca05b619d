// `npm run bench -- startup`: how long it takes from nothing to the first answer, and how large the script
// is.
//
// For each attempt workerd is started with the mesh and, in turn, with a Worker that has the same Durable
// Object classes and nothing in them. The difference is what our script costs, which is what Cloudflare
// limits. The time is measured from the start of the process to the answer of GET /healthz. CPU time is that
// of the whole process, as a mean, because the system reports it in hundredths of a second.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { BareMesh } from "../mesh/bare_mesh.ts";
import { buildBundle } from "../mesh/build.ts";
import { result } from "./contest.ts";
import { cpuSecondsOf, median, spread } from "./measure.ts";
import { printTable } from "../results_page.ts";
import { CLASSES, textsBeside } from "../mesh/workerd.ts";

interface Start {
  readonly ms: number;
  readonly cpuMs: number;
}

export async function benchStartup(starts: number): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-bench-"));
  try {
    const mesh = buildBundle(directory);
    const empty = emptyBundle(join(directory, "empty"));
    const ours: Start[] = [];
    const others: Start[] = [];
    // The first start of each reads workerd itself from the disk.
    for (const path of [empty, mesh]) await start(path);
    for (let round = 0; round < starts; round++) {
      others.push(await start(empty));
      ours.push(await start(mesh));
    }
    const [ms, emptyMs] = [ours, others].map((all) => median(all.map((each) => each.ms))) as [number, number];
    const [cpuMs, emptyCpuMs] = [ours, others].map(meanCpuMs) as [number, number];
    const sizes = sizesOf(mesh);
    const table = printTable(
      ["", "first answer after, ms (min to max)", "of it CPU, ms", "script, KiB", "as gzip, KiB"],
      [
        ["mesh", spread(ours.map(msOf), 0), cpuMs.toFixed(0), sizes.kib.toFixed(0), sizes.gzipKib.toFixed(0)],
        ["empty Worker", spread(others.map(msOf), 0), emptyCpuMs.toFixed(0), "", ""],
      ],
    );
    result({ name: "startup", value: ms, unit: "ms", ratio: ms / emptyMs, against: "empty Worker" });
    result({ name: "startup_script", value: ms - emptyMs, unit: "ms" });
    result({ name: "startup_script_cpu", value: cpuMs - emptyCpuMs, unit: "ms" });
    result({ name: "script", value: sizes.kib, unit: "KiB" });
    result({ name: "script_gzip", value: sizes.gzipKib, unit: "KiB" });
    return `From the start of workerd, ${starts} times each:\n\n${table}`;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** From nothing to the first answer. */
async function start(bundlePath: string): Promise<Start> {
  const startedAt = performance.now();
  const worker = await BareMesh.start(bundlePath, {});
  try {
    const response = await fetch(new URL("/healthz", worker.url));
    if (!response.ok) throw new Error(`GET /healthz answered ${response.status}: ${await response.text()}`);
    await response.text();
    return { ms: performance.now() - startedAt, cpuMs: 1000 * cpuSecondsOf(worker.pid) };
  } finally {
    await worker.stop();
  }
}

/** A Worker that answers "ok" to everything, with the classes that the configuration names. */
function emptyBundle(directory: string): string {
  mkdirSync(directory);
  const path = join(directory, "empty.js");
  const classes = CLASSES.map((name) => `export class ${name} extends DurableObject {}`);
  const answer = 'export default { fetch: () => new Response("ok") };';
  writeFileSync(path, ['import { DurableObject } from "cloudflare:workers";', ...classes, answer].join("\n"));
  return path;
}

/** Of all modules, as wrangler uploads them. */
function sizesOf(bundlePath: string): { kib: number; gzipKib: number } {
  const all = Buffer.concat([bundlePath, ...textsBeside(bundlePath)].map((path) => readFileSync(path)));
  return { kib: all.length / 1024, gzipKib: gzipSync(all).length / 1024 };
}

function meanCpuMs(starts: readonly Start[]): number {
  return starts.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / starts.length;
}

function msOf({ ms }: Start): number {
  return ms;
}
