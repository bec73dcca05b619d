// `npm run bench -- small` and `inside`: what many small objects cost, beside rclone and the AWS CLI.
//
// `small`: two test stores in processes of their own; the source generates its bytes (1 to 64 KiB per
// object), the destination discards them and answers with their MD5. `inside`: one store with both buckets,
// which copies server-side. Only there can `aws s3 sync` take part, because it copies between two buckets of
// one endpoint. `small` measures the mesh once more into a store that unpacks archives.
//
// Each contestant copies the whole prefix to a new one: the mesh with its default lanes, and `rclone copy`
// with several values of --transfers, of which the best counts. rclone runs without what it can skip: it does
// not look for the bucket, sends no HEAD after an upload and keeps no modification time. A second run of the
// mesh, with nothing to copy, is measured too.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BARE, runBarePipes } from "./bare_pipes.ts";
import type { BareMesh } from "../mesh/bare_mesh.ts";
import type { MeshClient } from "../mesh/mesh_client.ts";
import {
  type Contestant,
  type Measured,
  type Run,
  compete,
  complete,
  hasTool,
  measureWorkerd,
  measureTool,
  medianOf,
  medianRequests,
  rcloneRemotes,
  result,
} from "./contest.ts";
import { type Store, median, spread } from "./measure.ts";
import { filledPipes, MESH_TRANSFERS } from "./pipes.ts";
import { Stage } from "./stage.ts";
import { printTable } from "../results_page.ts";
import { storeSecret } from "../mesh/mesh.ts";

const TRANSFERS = [8, 16, 32, 64];
const MESH = "mesh";
const AGAIN = "mesh, nothing to do";

export async function benchSmall(where: "small" | "inside", count: number, rounds: number): Promise<string> {
  await using stage = new Stage();
  const filled = ["--fill", `source/p/=${count}`];
  const source = await stage.store(where === "small" ? filled : [...filled, "--bucket", "destination"]);
  const destination =
    where === "small" ? await stage.store(["--bucket", "destination", "--swallow", "--unpack"]) : source;
  const mesh = await stage.mesh({
    STORE_EAST: storeSecret(source),
    STORE_WEST: storeSecret(destination),
    STORE_UNPACKING: storeSecret(destination, { profile: { unpacksTar: true } }),
  });
  // As its owner would: what a check has seen of a service decides what a copy inside it costs.
  if (where === "inside") await checkBoth(mesh);
  const what = `${count} objects of 1 to 64 KiB${where === "inside" ? ", inside one service" : ""}`;
  console.log(`\n${what}\n`);
  const sides = { source, destination, directory: stage.directory };
  const runs = await compete(
    [
      ...meshSyncs(mesh, count),
      ...(where === "small" ? [archivingSync(mesh, count)] : []),
      ...(hasTool("rclone") ? rcloneCopies(sides) : []),
      bare(sides, count),
      ...(where === "inside" && hasTool("aws") ? [awsSync(sides)] : []),
    ],
    { rounds, stores: stage.stores },
    ({ seconds }) => `${(count / seconds).toFixed(0)} objects/s`,
  );
  return `${what}:\n\n${report(where, runs, count)}`;
}

/** The first thing that an owner does: it decides what a copy inside a service costs. */
export async function checkBoth(mesh: MeshClient): Promise<void> {
  for (const [store, bucket] of [
    ["east", "source"],
    ["west", "destination"],
  ]) {
    const { status } = await mesh.call("POST", `/stores/${store}/check`, { body: { bucket } });
    if (status !== 200) throw new Error(`The check of ${store}:${bucket} answered ${status}`);
  }
}

function meshSyncs(mesh: BareMesh, count: number): Contestant[] {
  let round = 0;
  const sync = async (copied: number) => {
    const request = { source: "east:source/p/", destination: `west:destination/mesh-${round}/` };
    const { objects } = await complete(mesh, "/syncs", request);
    if (objects.copied !== copied) throw new Error(`The sync has copied ${JSON.stringify(objects)}`);
  };
  return [
    {
      name: MESH,
      run: async () => {
        round += 1;
        return await measureWorkerd(mesh, async () => await sync(count));
      },
    },
    { name: AGAIN, run: async () => await measureWorkerd(mesh, async () => await sync(0)) },
  ];
}

/** Into the same store, as one that a check has seen to unpack archives. */
function archivingSync(mesh: BareMesh, count: number): Contestant {
  let round = 0;
  return {
    name: "mesh, as archives",
    run: async () => {
      round += 1;
      const request = { source: "east:source/p/", destination: `unpacking:destination/archives-${round}/` };
      return await measureWorkerd(mesh, async () => {
        const { objects } = await complete(mesh, "/syncs", request);
        if (objects.copied !== count) throw new Error(`The sync has copied ${JSON.stringify(objects)}`);
      });
    },
  };
}

interface Sides {
  readonly source: Store;
  readonly destination: Store;
  readonly directory: string;
}

function rcloneCopies({ source, destination }: Sides): Contestant[] {
  // One remote if it is one service: between two, rclone would not copy server-side.
  const to = source === destination ? "EAST" : "WEST";
  const least = ["--s3-no-check-bucket", "--s3-no-head", "--no-update-modtime", "--fast-list", "--checksum"];
  return TRANSFERS.map((transfers) => {
    let round = 0;
    const many = ["--transfers", String(transfers), "--checkers", String(transfers)];
    return {
      name: `rclone copy --transfers ${transfers}`,
      run: async () => {
        round += 1;
        const sides = ["EAST:source/p/", `${to}:destination/rclone-${transfers}-${round}/`];
        const env = rcloneRemotes({ EAST: source, WEST: destination });
        return await measureTool('rclone copy "$@"', [...sides, ...many, ...least], env);
      },
    };
  });
}

function bare(sides: Sides, count: number): Contestant {
  let round = 0;
  return {
    name: BARE,
    run: async () => {
      round += 1;
      const pipes = filledPipes(count, `bare-${round}`);
      return await runBarePipes(pipes, { ...sides, parallel: MESH_TRANSFERS });
    },
  };
}

function awsSync({ source, directory }: Sides): Contestant {
  let round = 0;
  return {
    name: "aws s3 sync",
    run: async () => {
      round += 1;
      const config = join(directory, "aws-config");
      const lines = ["[default]", `region = ${source.region}`, "s3 =", "  addressing_style = path"];
      writeFileSync(config, lines.join("\n") + "\n");
      const { accessKeyId, secretAccessKey } = source.credentials;
      return await measureTool(
        'aws --endpoint-url "$1" s3 sync --only-show-errors s3://source/p/ "$2"',
        [source.endpoint, `s3://destination/aws-${round}/`],
        {
          AWS_CONFIG_FILE: config,
          AWS_ACCESS_KEY_ID: accessKeyId,
          AWS_SECRET_ACCESS_KEY: secretAccessKey,
        },
      );
    },
  };
}

function report(where: string, runs: ReadonlyMap<string, readonly Measured[]>, count: number): string {
  const rate = ({ seconds }: Run) => count / seconds;
  const cost = ({ cpuSeconds }: Run) => (cpuSeconds * 1000) / count;
  const table = printTable(
    [
      "contestant",
      "objects/s (min to max)",
      "CPU ms per object (min to max)",
      "requests per object",
      "peak MiB",
    ],
    Array.from(runs, ([name, list]) => [
      name,
      spread(list.map(rate), 0),
      spread(list.map(cost), 2),
      (medianRequests(list) / count).toFixed(3),
      Math.max(...list.map(({ peakMib }) => peakMib)).toFixed(0),
    ]),
  );
  const rivals = [...runs].filter(([name]) => name.startsWith("rclone"));
  const best = Math.max(...rivals.map(([, list]) => median(list.map(rate))));
  for (const [name, list] of runs) {
    const value = medianOf(list, rate);
    // Finding nothing to copy is different work from copying, so it has no ratio.
    const compared =
      name === AGAIN || rivals.length === 0 ? {} : { ratio: value / best, against: "the best rclone" };
    if (name.startsWith("rclone")) continue;
    result({ name: `${where}: ${name}`, value, unit: "objects/s", ...compared });
    const alone = medianOf(runs.get(BARE), rate);
    if (name === MESH)
      result({ name: `${where}: ${name}`, value, unit: "objects/s", ratio: value / alone, against: BARE });
    const peakMib = Math.max(...list.map((run) => run.peakMib));
    if (name.startsWith("mesh")) result({ name: `${where}: ${name}`, value: peakMib, unit: "MiB at most" });
  }
  return table;
}
