// `npm run bench -- large`: one large object from store to store, beside other tools.
//
// Two test stores run in processes of their own: the source generates its bytes, the destination discards
// them. Contestants copy the object with the same part size and the same number of parts in flight: the mesh
// with each digest; `curl` piped into `curl` by presigned URLs, which is the limit of this machine; `rclone
// copyto` between two remotes; `aws s3 cp` from one store into the other through a pipe. Each tool also runs
// with its defaults.
//
// CPU and memory are those of the contestant alone (workerd, or all processes of the tool), without the
// stores.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BareMesh } from "../mesh/bare_mesh.ts";
import {
  type Contestant,
  type Run,
  compete,
  complete,
  hasTool,
  measureWorkerd,
  measureTool,
  medianOf,
  rcloneRemotes,
  result,
} from "./contest.ts";
import { NATIVE, runPipes } from "./curl_pipes.ts";
import { type Store, spread } from "./measure.ts";
import { Stage } from "./stage.ts";
import { printTable } from "../results_page.ts";
import { storeSecret } from "../mesh/mesh.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const RCLONE = "rclone copyto";

interface LargeOptions {
  readonly sizeBytes: number;
  readonly partBytes: number;
  readonly parallel: number;
  readonly rounds: number;
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

export async function benchLarge(options: LargeOptions): Promise<string> {
  const { sizeBytes, partBytes, parallel, rounds } = options;
  await using stage = new Stage();
  const source = await stage.store(["--etags", "opaque", "--generate", `source/object=${sizeBytes}`]);
  const destination = await stage.store(["--etags", "opaque", "--bucket", "destination", "--swallow"]);
  const secrets = Object.entries(DESTINATIONS).map(([name, { profile }]) => [
    `STORE_${name.toUpperCase()}`,
    storeSecret(destination, { profile }),
  ]);
  const startMesh = async () =>
    await stage.mesh({
      STORE_EAST: storeSecret(source),
      ...(Object.fromEntries(secrets) as Record<string, string>),
    });
  const what = `${sizeBytes / GIB} GiB in parts of ${partBytes / MIB} MiB, ${parallel} at once`;
  console.log(`\n${what}\n`);
  const runs = await compete(
    [
      ...(hasTool("curl") ? [curlPipe({ source, destination, directory: stage.directory, ...options })] : []),
      ...meshCopies(startMesh, options),
      ...(hasTool("rclone") ? rcloneCopies({ source, destination, ...options }) : []),
      ...(hasTool("aws") ? awsPipes({ source, destination, directory: stage.directory, ...options }) : []),
    ],
    { rounds, stores: stage.stores },
    ({ seconds }) => `${(sizeBytes / 1e6 / seconds).toFixed(0)} MB/s`,
  );
  return `${what}:\n\n${report(runs, sizeBytes)}`;
}

interface Sides {
  readonly source: Store;
  readonly destination: Store;
}

/** Each in a process of its own, as the tools are, so that it does not inherit the memory of another copy. */
function meshCopies(startMesh: () => Promise<BareMesh>, { partBytes, parallel }: LargeOptions): Contestant[] {
  const width = { partSize: partBytes, lanes: Math.ceil(parallel / 5), concurrency: parallel };
  const contestant = (name: string, store: string, request: Record<string, unknown>): Contestant => ({
    name,
    run: async () => {
      const mesh = await startMesh();
      try {
        return await measureWorkerd(mesh, () =>
          complete(mesh, "/copies", {
            source: "east:source/object",
            destination: `${store}:destination/${store}`,
            ...request,
          }),
        );
      } finally {
        await mesh.stop();
      }
    },
  });
  return [
    ...Object.entries(DESTINATIONS).map(([store, { name, verify }]) =>
      contestant(name, store, { ...width, verify }),
    ),
    contestant("mesh, verify off, its defaults", "plain", { verify: "off" }),
  ];
}

/** As the part copies of the mesh are: a ranged GET into a PUT. */
function curlPipe(sides: Sides & LargeOptions & { directory: string }): Contestant {
  const { sizeBytes, partBytes } = sides;
  const pipes = Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, index) => {
    const offset = index * partBytes;
    const length = Math.min(partBytes, sizeBytes - offset);
    return { from: "source/object", to: `destination/curl-${index + 1}`, offset, length };
  });
  return { name: NATIVE, run: async () => await runPipes(pipes, sides) };
}

/** Without what it can skip: it does not look for the bucket and sends no HEAD after the upload. */
function rcloneCopies({ source, destination, partBytes, parallel }: Sides & LargeOptions): Contestant[] {
  const env = rcloneRemotes({ EAST: source, WEST: destination });
  const least = ["--s3-no-check-bucket", "--s3-no-head", "--ignore-checksum", "--ignore-times"];
  const mib = `${partBytes / MIB}Mi`;
  // From 1.64 on rclone reads a large object by several ranges at once; before, by one.
  const flags = spawnSync("rclone", ["help", "flags"], { encoding: "utf8" }).stdout;
  const ranges = flags.includes("--multi-thread-chunk-size")
    ? [
        "--multi-thread-streams",
        String(parallel),
        "--multi-thread-chunk-size",
        mib,
        "--multi-thread-cutoff",
        "1Mi",
      ]
    : [];
  const alike = ["--s3-chunk-size", mib, "--s3-upload-concurrency", String(parallel), ...ranges];
  const contestant = (name: string, options: readonly string[]): Contestant => ({
    name,
    run: async () =>
      await measureTool(
        'rclone copyto "$@"',
        ["EAST:source/object", "WEST:destination/rclone", ...least, ...options],
        env,
      ),
  });
  return [contestant(RCLONE, alike), contestant(`${RCLONE}, its defaults`, [])];
}

function awsPipes({
  source,
  destination,
  directory,
  sizeBytes,
  partBytes,
  parallel,
}: Sides & LargeOptions & { directory: string }): Contestant[] {
  const contestant = (name: string, settings: string): Contestant => ({
    name,
    async run() {
      const config = join(directory, "aws-config");
      writeFileSync(
        config,
        `[default]\nregion = ${source.region}\ns3 =\n  addressing_style = path\n${settings}`,
      );
      return await measureTool(
        'AWS_ACCESS_KEY_ID="$1" AWS_SECRET_ACCESS_KEY="$2" aws --endpoint-url "$3" s3 cp s3://source/object - | ' +
          'AWS_ACCESS_KEY_ID="$4" AWS_SECRET_ACCESS_KEY="$5" aws --endpoint-url "$6" s3 cp - s3://destination/aws --expected-size "$7"',
        [...keyOf(source), source.endpoint, ...keyOf(destination), destination.endpoint, String(sizeBytes)],
        { AWS_CONFIG_FILE: config },
      );
    },
  });
  return [
    contestant(
      "aws s3 cp piped into aws s3 cp",
      `  multipart_chunksize = ${partBytes}\n  max_concurrent_requests = ${parallel}\n`,
    ),
    contestant("aws s3 cp piped, its defaults", ""),
  ];
}

function keyOf({ credentials }: Store): string[] {
  return [credentials.accessKeyId, credentials.secretAccessKey];
}

function report(runs: ReadonlyMap<string, readonly Run[]>, sizeBytes: number): string {
  const rate = ({ seconds }: Run) => sizeBytes / 1e6 / seconds;
  const cost = ({ cpuSeconds }: Run) => (cpuSeconds * GIB) / sizeBytes;
  const rows = Array.from(runs, ([name, list]) => {
    const peak = Math.max(...list.map(({ peakMib }) => peakMib)).toFixed(0);
    return [name, spread(list.map(rate), 0), spread(list.map(cost), 2), peak];
  });
  const table = printTable(
    ["contestant", "MB/s (min to max)", "CPU s per GiB (min to max)", "peak MiB"],
    rows,
  );
  for (const [name, list] of runs) {
    for (const against of [NATIVE, RCLONE]) {
      const rival = runs.get(against);
      if (name === against || rival === undefined || !name.startsWith("mesh")) continue;
      const value = medianOf(list, rate);
      result({ name: `large: ${name}`, value, unit: "MB/s", ratio: value / medianOf(rival, rate), against });
      const cpu = medianOf(list, cost);
      result({
        name: `large: ${name}`,
        value: cpu,
        unit: "CPU s/GiB",
        ratio: cpu / medianOf(rival, cost),
        against,
      });
      const peak = medianOf(list, ({ peakMib }) => peakMib);
      const theirs = medianOf(rival, ({ peakMib }) => peakMib);
      result({ name: `large: ${name}`, value: peak, unit: "MiB at most", ratio: peak / theirs, against });
    }
  }
  return table;
}
