// `npm run bench`: what moving bytes costs, by kind of proof, beside the native limit in the same run.
//
// Two test stores run in processes of their own: the source makes its bytes, the destination swallows them. Each
// contestant copies one large object from the one to the other with the same part size and the same number of parts in
// flight: the mesh under every digest, and `curl` piped into `curl` by presigned URLs, which is what the machine can do.
// Rounds are interleaved, and the median and the spread are printed: a time alone means little on a shared machine.
//
// CPU is that of the contestant alone (workerd, or all curls), not of the stores. Options: --gib 2 --part-mib 16
// --parallel 10 --rounds 3.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { AwsClient } from "aws4fetch";
import { buildBundle } from "./build.ts";
import { Mesh, type Status } from "./mesh.ts";

const { values } = parseArgs({
  options: {
    gib: { type: "string", default: "2" },
    "part-mib": { type: "string", default: "16" },
    parallel: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
  },
});
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const SIZE = Number(values.gib) * GIB;
const PART = Number(values["part-mib"]) * MIB;
const PARALLEL = Number(values.parallel);
const ROUNDS = Number(values.rounds);
/** Ticks of /proc/<pid>/stat per second: fixed at 100 by Linux's interface to user space. */
const TICKS_PER_SECOND = 100;

interface Store {
  readonly process: ChildProcess;
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

interface Measure {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Peak memory of workerd; null where it is not one process. */
  readonly peakMib: number | null;
}

interface Contestant {
  readonly name: string;
  run(): Promise<Measure>;
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-bench-"));
  const stores: Store[] = [];
  const meshes: Mesh[] = [];
  try {
    const source = await startStore(["--generate", `source/object=${SIZE}`]);
    const destination = await startStore(["--bucket", "destination", "--swallow"]);
    stores.push(source, destination);
    const bundlePath = buildBundle(directory);
    const mesh = await Mesh.start({
      bundlePath,
      bindings: {
        STORE_EAST: storeSecret(source),
        ...Object.fromEntries(
          Object.entries(DESTINATIONS).map(([name, { profile }]) => [
            `STORE_${name.toUpperCase()}`,
            storeSecret(destination, { profile }),
          ]),
        ),
      },
    });
    meshes.push(mesh);
    const contestants: Contestant[] = [
      curlPipe(source, destination, directory),
      ...Object.entries(DESTINATIONS).map(([store, { name, verify }]) =>
        meshCopy(mesh, { name, store, verify }),
      ),
    ];
    await report(contestants);
  } finally {
    for (const mesh of meshes) await mesh.stop();
    for (const { process } of stores) process.kill("SIGTERM");
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The same destination under profiles that make the mesh choose each way of watching the bytes. */
const DESTINATIONS = {
  plain: { name: "mesh, no digest (verify off)", verify: "off", profile: {} },
  crc32: { name: "mesh, crc32 per part", verify: "auto", profile: { md5Etag: false, checksums: ["crc32"] } },
  crc32c: {
    name: "mesh, crc32c per part",
    verify: "auto",
    profile: { md5Etag: false, checksums: ["crc32c"] },
  },
  crc64: {
    name: "mesh, crc64nvme per part",
    verify: "auto",
    profile: { md5Etag: false, checksums: ["crc64nvme"] },
  },
  md5: { name: "mesh, MD5 per part", verify: "auto", profile: {} },
} as const;

async function report(contestants: readonly Contestant[]): Promise<void> {
  const cpu = cpus()[0]?.model ?? "unknown processor";
  console.log(
    `${cpu}, ${cpus().length} cores; ${SIZE / GIB} GiB in parts of ${PART / MIB} MiB, ${PARALLEL} at once`,
  );
  const measures = new Map<string, Measure[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 1; round <= ROUNDS; round++) {
    for (const { name, run } of contestants) {
      const measure = await run();
      measures.get(name)?.push(measure);
      console.log(`round ${round}  ${name.padEnd(32)} ${describe(measure)}`);
    }
  }
  console.log(
    `\n| contestant | MB/s (min to max) | CPU s per GiB (min to max) | peak workerd MiB |\n|---|---|---|---|`,
  );
  const results: string[] = [];
  const native = median((measures.get(contestants[0]?.name ?? "") ?? []).map(rateOf));
  for (const [name, list] of measures) {
    const rates = list.map(rateOf);
    const costs = list.map(({ cpuSeconds }) => (cpuSeconds * GIB) / SIZE);
    const peaks = list.map(({ peakMib }) => peakMib).filter((peak) => peak !== null);
    const peak = peaks.length === 0 ? "–" : Math.max(...peaks).toFixed(0);
    console.log(`| ${name} | ${spread(rates, 0)} | ${spread(costs, 2)} | ${peak} |`);
    const ratio = Number((median(rates) / native).toFixed(3));
    results.push(
      JSON.stringify({ name, value: Math.round(median(rates)), unit: "MB/s", ratio, against: "curl pipe" }),
    );
    results.push(JSON.stringify({ name, value: Number(median(costs).toFixed(2)), unit: "CPU s/GiB" }));
  }
  console.log();
  for (const result of results) console.log(`RESULT ${result}`);
}

function meshCopy(
  mesh: Mesh,
  { name, store, verify }: { name: string; store: string; verify: string },
): Contestant {
  return {
    name,
    async run() {
      const pid = workerdPid();
      writeFileSync(`/proc/${pid}/clear_refs`, "5"); // forget the peak of memory so far
      const before = cpuSecondsOf(pid);
      const startedAt = performance.now();
      const id = await mesh.startCopy({
        source: "east:source/object",
        destination: `${store}:destination/${store}`,
        partSize: PART,
        lanes: Math.ceil(PARALLEL / 5),
        concurrency: PARALLEL,
        verify,
      });
      const status = await ended(mesh, id);
      if (status.phase !== "completed")
        throw new Error(`The copy ended ${status.phase}: ${status.failure?.message}`);
      const seconds = (performance.now() - startedAt) / 1000;
      return { seconds, cpuSeconds: cpuSecondsOf(pid) - before, peakMib: peakMibOf(pid) };
    },
  };
}

async function ended(mesh: Mesh, id: string): Promise<Status> {
  for (;;) {
    const { body } = await mesh.call<Status>("GET", `/copies/${id}?wait=60`);
    if (["completed", "failed", "cancelled", "blocked"].includes(body.phase)) return body;
  }
}

/** `curl -r <range> <presigned GET> | curl -T - <presigned PUT>`, as many at once; bash adds up their CPU time. */
function curlPipe(source: Store, destination: Store, directory: string): Contestant {
  return {
    name: "curl piped into curl",
    async run() {
      const get = await presign(source, "GET", `${source.endpoint}/source/object`);
      const commands: string[] = [];
      for (let offset = 0, part = 1; offset < SIZE; offset += PART, part++) {
        const last = Math.min(offset + PART, SIZE) - 1;
        const put = await presign(destination, "PUT", `${destination.endpoint}/destination/curl-${part}`);
        const length = last - offset + 1;
        commands.push(
          `curl -sSf -r ${offset}-${last} '${get}' | curl -sSf -X PUT -H 'Expect:' -H 'Transfer-Encoding:' -H 'Content-Length: ${length}' -T - -o /dev/null '${put}'`,
        );
      }
      const list = join(directory, "commands");
      writeFileSync(list, commands.join("\n") + "\n");
      const startedAt = performance.now();
      const script = `xargs -P ${PARALLEL} -d '\\n' -n 1 bash -o pipefail -c < ${list}; code=$?; times; exit $code`;
      const { status, stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
      if (status !== 0) throw new Error(`curl failed: ${stderr}`);
      const children = stdout.trim().split("\n").at(-1) ?? "";
      const cpuSeconds = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
        (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
        0,
      );
      return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds, peakMib: null };
    },
  };
}

async function presign({ credentials, region }: Store, method: string, url: string): Promise<string> {
  const client = new AwsClient({ ...credentials, region, service: "s3" });
  return (await client.sign(url, { method, aws: { signQuery: true } })).url;
}

async function startStore(options: readonly string[]): Promise<Store> {
  const serve = join(import.meta.dirname, "store/serve.ts");
  // Opaque ETags: the stores' own hashing is not what is measured.
  const child = spawn(process.execPath, [serve, "--etags", "opaque", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const { endpoint, region, ...credentials } = JSON.parse(line) as {
    endpoint: string;
    region: string;
  } & Store["credentials"];
  return { process: child, endpoint, region, credentials };
}

function storeSecret({ endpoint, region, credentials }: Store, fields: Record<string, unknown> = {}): string {
  return JSON.stringify({ endpoint, region, ...credentials, ...fields });
}

/** The workerd that this process has started. */
function workerdPid(): number {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = readStat(Number(entry));
    if (stat !== null && stat.name.includes("workerd") && stat.parent === process.pid) return Number(entry);
  }
  throw new Error("Cannot find the workerd process that was started");
}

function cpuSecondsOf(pid: number): number {
  const stat = readStat(pid);
  if (stat === null) throw new Error(`Process ${pid} is gone`);
  return stat.cpuTicks / TICKS_PER_SECOND;
}

/** Name, parent and CPU time by proc(5): fields 2, 4, and 14 + 15; null when the process has just ended. */
function readStat(pid: number): { name: string; parent: number; cpuTicks: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const name = text.slice(text.indexOf("(") + 1, text.lastIndexOf(")"));
    return { name, parent: Number(fields[1]), cpuTicks: Number(fields[11]) + Number(fields[12]) };
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH"))
      return null;
    throw error;
  }
}

function peakMibOf(pid: number): number {
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(peak) / 1024;
}

function rateOf({ seconds }: Measure): number {
  return SIZE / 1e6 / seconds;
}

function describe(measure: Measure): string {
  const { seconds, cpuSeconds, peakMib } = measure;
  const peak = peakMib === null ? "" : `, peak ${peakMib.toFixed(0)} MiB`;
  return `${seconds.toFixed(1)} s, ${rateOf(measure).toFixed(0)} MB/s, ${cpuSeconds.toFixed(1)} s CPU${peak}`;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function spread(numbers: readonly number[], digits: number): string {
  const text = [median(numbers), Math.min(...numbers), Math.max(...numbers)].map((number) =>
    number.toFixed(digits),
  );
  return `${text[0]} (${text[1]} to ${text[2]})`;
}

await main();
