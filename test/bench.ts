// `npm run bench`: what moving bytes costs, by kind of proof, beside the native limit in the same run.
//
// Two test stores run in processes of their own: the source makes its bytes, the destination swallows them. Each
// contestant copies one large object from the one to the other with the same part size and the same number of parts in
// flight: the mesh under every digest, and `curl` piped into `curl` by presigned URLs, which is what the machine can do.
// Rounds are interleaved, and the median and the spread are printed: a time alone means little on a shared machine.
//
// CPU is that of the contestant alone (workerd, or all curls), not of the stores. Options: --gib 2 --part-mib 16
// --parallel 10 --rounds 3. With --small 20000 another bench runs: so many small objects, see bench_small.ts. With
// --listing 1000000, a third: so many keys and nothing to do, see bench_listing.ts.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AwsClient } from "aws4fetch";
import { buildBundle } from "./build.ts";
import { benchListing } from "./bench_listing.ts";
import { benchSmall } from "./bench_small.ts";
import { type Store, cpuSecondsOf, median, peakMibOf, spread, startStore, storeSecret } from "./measure.ts";
import { BareMesh } from "./bare_mesh.ts";
import type { Status } from "./mesh.ts";

const { values } = parseArgs({
  options: {
    gib: { type: "string", default: "2" },
    "part-mib": { type: "string", default: "16" },
    parallel: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
    small: { type: "string" },
    listing: { type: "string" },
    "delay-ms": { type: "string", default: "100" },
  },
});
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const SIZE = Number(values.gib) * GIB;
const PART = Number(values["part-mib"]) * MIB;
const PARALLEL = Number(values.parallel);
const ROUNDS = Number(values.rounds);

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
  if (values.small !== undefined) return await benchSmall(Number(values.small), ROUNDS);
  if (values.listing !== undefined) {
    return await benchListing(Number(values.listing), Number(values["delay-ms"]), ROUNDS);
  }
  const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-bench-"));
  const stores: Store[] = [];
  const meshes: BareMesh[] = [];
  try {
    const source = await startStore(["--etags", "opaque", "--generate", `source/object=${SIZE}`]);
    const destination = await startStore(["--etags", "opaque", "--bucket", "destination", "--swallow"]);
    stores.push(source, destination);
    const bundlePath = buildBundle(directory);
    const mesh = await BareMesh.start(bundlePath, {
      STORE_EAST: storeSecret(source),
      ...Object.fromEntries(
        Object.entries(DESTINATIONS).map(([name, { profile }]) => [
          `STORE_${name.toUpperCase()}`,
          storeSecret(destination, { profile }),
        ]),
      ),
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
  mesh: BareMesh,
  { name, store, verify }: { name: string; store: string; verify: string },
): Contestant {
  return {
    name,
    async run() {
      const { pid } = mesh;
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

async function ended(mesh: BareMesh, id: string): Promise<Status> {
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

function rateOf({ seconds }: Measure): number {
  return SIZE / 1e6 / seconds;
}

function describe(measure: Measure): string {
  const { seconds, cpuSeconds, peakMib } = measure;
  const peak = peakMib === null ? "" : `, peak ${peakMib.toFixed(0)} MiB`;
  return `${seconds.toFixed(1)} s, ${rateOf(measure).toFixed(0)} MB/s, ${cpuSeconds.toFixed(1)} s CPU${peak}`;
}

await main();
