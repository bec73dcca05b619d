// The contestants that copy a set of objects from one store to another: the mesh, rclone with several numbers
// of transfers, and two that only pipe, workerd alone and curl into curl; and what is reported of them. Each
// is a process of its own in each round, so that none inherits memory.

import {
  type Contestant,
  type Measured,
  compete,
  complete,
  hasTool,
  measureWorkerd,
  measureTool,
  medianRequests,
  rcloneRemotes,
  result,
} from "./contest.ts";
import { BARE, runBarePipes } from "./bare_pipes.ts";
import { NATIVE, runPipes } from "./curl_pipes.ts";
import { MESH_TRANSFERS } from "./pipes.ts";
import { type Store, median, spread } from "./measure.ts";
import { Stage } from "./stage.ts";
import { storeSecret } from "../mesh/mesh.ts";

const FEWER = 16;

const MESH = "mesh";

interface MeshKind {
  /** In the names of results; empty: as it is by default. */
  readonly suffix: string;
  readonly bindings: Readonly<Record<string, string>>;
}

const BY_DEFAULT: MeshKind = { suffix: "", bindings: {} };

/** On an account that lets larger bodies pass, which `POST /probe` finds out. */
const LARGER_BODIES: MeshKind = { suffix: ", MAX_PART_MIB 256", bindings: { MAX_PART_MIB: "256" } };

/** Above the default of MAX_PART_MIB no object goes whole. */
const MOST_WHOLE_BYTES = 95 * 2 ** 20;

/** Objects of one prefix, as a store is told to hold them. */
interface ObjectSet {
  /** The option of the store that fills it. */
  readonly fill: readonly string[];
  /** Below the prefix. */
  readonly objects: readonly { readonly key: string; readonly sizeBytes: number }[];
  readonly delayMs: number;
  /** Does curl take part? Starting two processes costs as much as moving some MiB. */
  readonly piped: boolean;
}

/** @param name of the results @param measure.of how fast a run was, from objects and seconds */
export async function contest(
  name: string,
  label: string,
  set: ObjectSet,
  { rounds, unit, amount }: { readonly rounds: number; readonly unit: string; readonly amount: number },
): Promise<string[][]> {
  console.log(`\n${label}\n`);
  const delay = set.delayMs === 0 ? [] : ["--delay-ms", String(set.delayMs)];
  await using stage = new Stage();
  const source = await stage.store([...set.fill, ...delay]);
  const destination = await stage.store(["--bucket", "destination", "--swallow", ...delay]);
  const sides = { source, destination, stage, ...set };
  const isLarge = set.objects.some(({ sizeBytes }) => sizeBytes > MOST_WHOLE_BYTES);
  const kinds = isLarge ? [BY_DEFAULT, LARGER_BODIES] : [BY_DEFAULT];
  const runs = await compete(
    [
      ...kinds.map((kind) => meshSync(sides, kind)),
      ...(hasTool("rclone") ? [FEWER, MESH_TRANSFERS].map((transfers) => rclone(sides, transfers)) : []),
      piping(BARE, runBarePipes, sides),
      ...(set.piped && hasTool("curl") ? [piping(NATIVE, runPipes, sides)] : []),
    ],
    { rounds, stores: stage.stores },
    ({ seconds }) => `${(amount / seconds).toFixed(1)} ${unit}`,
  );
  for (const kind of kinds) tell(`${name}: ${label}`, kind, runs, { unit, amount });
  return rowsOf(label, runs, { amount, count: set.objects.length });
}

interface Sides extends ObjectSet {
  readonly source: Store;
  readonly destination: Store;
  readonly stage: Stage;
}

function meshSync(
  { source, destination, stage, objects }: Sides,
  { suffix, bindings }: MeshKind,
): Contestant {
  let round = 0;
  return {
    name: MESH + suffix,
    run: async () => {
      round += 1;
      const mesh = await stage.mesh({
        ...bindings,
        STORE_EAST: storeSecret(source),
        STORE_WEST: storeSecret(destination),
      });
      try {
        return await measureWorkerd(mesh, async () => {
          const request = {
            source: "east:source/p/",
            destination: `west:destination/mesh${suffix}-${round}/`,
          };
          const status = await complete(mesh, "/syncs", request);
          if (status.objects.copied !== objects.length)
            throw new Error(`The sync has copied ${JSON.stringify(status.objects)}`);
        });
      } finally {
        await mesh.stop();
      }
    },
  };
}

function rclone({ source, destination }: Sides, transfers: number): Contestant {
  let round = 0;
  const least = ["--s3-no-check-bucket", "--s3-no-head", "--no-update-modtime", "--fast-list", "--checksum"];
  const many = ["--transfers", String(transfers), "--checkers", String(transfers)];
  return {
    name: rcloneName(transfers),
    run: async () => {
      round += 1;
      const places = ["EAST:source/p/", `WEST:destination/rclone-${transfers}-${round}/`];
      const env = rcloneRemotes({ EAST: source, WEST: destination });
      return await measureTool('rclone copy "$@"', [...places, ...many, ...least], env);
    },
  };
}

function rcloneName(transfers: number): string {
  return `rclone copy --transfers ${transfers}`;
}

function piping(name: string, run: typeof runPipes, sides: Sides): Contestant {
  const { source, destination, stage, objects } = sides;
  let round = 0;
  return {
    name,
    run: async () => {
      round += 1;
      const folder = name.replaceAll(" ", "-");
      const pipes = objects.map(({ key, sizeBytes }, index) => ({
        from: `source/p/${key}`,
        to: `destination/${folder}-${round}/${index}`,
        offset: 0,
        length: sizeBytes,
      }));
      return await run(pipes, { source, destination, directory: stage.directory, parallel: MESH_TRANSFERS });
    },
  };
}

type Runs = ReadonlyMap<string, readonly Measured[]>;

const peakOf = (list: readonly Measured[]) => Math.max(...list.map(({ peakMib }) => peakMib));

/** Of each contestant: label, name, rate, requests per object, CPU, peak. */
function rowsOf(label: string, runs: Runs, of: { amount: number; count: number }): string[][] {
  return Array.from(runs, ([name, list]) => [
    label,
    name,
    spread(
      list.map(({ seconds }) => of.amount / seconds),
      1,
    ),
    (medianRequests(list) / of.count).toFixed(2),
    median(list.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
    peakOf(list).toFixed(0),
  ]);
}

/** The lines for machines: speed and memory beside rclone, speed beside curl. */
function tell(
  measure: string,
  { suffix }: MeshKind,
  runs: Runs,
  { unit, amount }: { unit: string; amount: number },
): void {
  const name = measure + suffix;
  const rateOf = (list: readonly Measured[]) => median(list.map(({ seconds }) => amount / seconds));
  const ours = runs.get(MESH + suffix) ?? [];
  const value = rateOf(ours);
  const rivals = [...runs].filter(([rival]) => rival.startsWith("rclone")).map(([, list]) => rateOf(list));
  if (rivals.length === 0) result({ name, value, unit });
  else result({ name, value, unit, ratio: value / Math.max(...rivals), against: "the best rclone" });
  for (const against of [BARE, NATIVE]) {
    const other = runs.get(against);
    if (other !== undefined) result({ name, value, unit, ratio: value / rateOf(other), against });
  }
  const alike = runs.get(rcloneName(MESH_TRANSFERS));
  const peak = { name, value: peakOf(ours), unit: "MiB at most" };
  if (alike === undefined) result(peak);
  else result({ ...peak, ratio: peak.value / peakOf(alike), against: rcloneName(MESH_TRANSFERS) });
}
