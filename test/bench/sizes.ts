// `npm run bench -- sizes`: a sync of objects that all have one size, for one size after the other, between
// stores that answer at once and stores that answer after 50 ms; beside rclone with as many transfers, with
// its best number of them, and, where starting processes does not decide, beside curl piped into curl.
//
// The source generates its bytes, and the destination discards them and answers with their MD5. Each
// contestant is a process of its own in each round, so that none inherits memory.

import { printTable } from "../results_page.ts";
import {
  type Contestant,
  type Measured,
  compete,
  complete,
  hasTool,
  measureMesh,
  measureTool,
  medianOf,
  medianRequests,
  rcloneRemotes,
  result,
} from "./contest.ts";
import { runPipes } from "./curl_pipes.ts";
import { type Store, median, spread } from "./measure.ts";
import { Stage } from "./stage.ts";
import { storeSecret } from "../mesh/mesh.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** The mesh's own defaults: 8 lanes of 5. */
const TRANSFERS = 40;
const FEWER = 16;

/** Starting two processes costs about as much as moving this. */
const LEAST_PIPED_BYTES = 8 * MIB;

const MESH = "mesh";
const NATIVE = "curl piped into curl";

interface Case {
  readonly sizeBytes: number;
  readonly count: number;
  readonly delayMs: number;
}

export async function benchSizes(quick: boolean, rounds: number): Promise<string> {
  const bytes = quick ? 400 * MIB : 1600 * MIB;
  const sizes = [KIB, 20 * KIB, MIB, 8 * MIB, 16 * MIB, 64 * MIB, 200 * MIB];
  const cases = [0, 50].flatMap((delayMs) =>
    sizes.map((sizeBytes) => {
      const most = quick ? 1000 : 4000;
      return { sizeBytes, count: Math.max(6, Math.min(most, Math.round(bytes / sizeBytes))), delayMs };
    }),
  );
  const rows: (readonly string[])[] = [];
  const missed: string[] = [];
  for (const one of cases) {
    const { lines, miss } = await benchOne(one, rounds);
    rows.push(...lines);
    missed.push(...miss);
  }
  const summary =
    missed.length === 0
      ? "Every target is met."
      : `Below the best rclone and 0.95 of curl: ${missed.join("; ")}.`;
  console.log(summary);
  const head = [
    "objects",
    "contestant",
    "objects/s (min to max)",
    "requests per object",
    "CPU s",
    "peak MiB",
  ];
  return `${printTable(head, rows)}\n\n${summary}`;
}

async function benchOne(one: Case, rounds: number): Promise<{ lines: string[][]; miss: string[] }> {
  const { sizeBytes, count, delayMs } = one;
  const label = `${count} of ${sizeBytes < MIB ? `${sizeBytes / KIB} KiB` : `${sizeBytes / MIB} MiB`}, ${delayMs} ms`;
  console.log(`\n${label}\n`);
  const delay = delayMs === 0 ? [] : ["--delay-ms", String(delayMs)];
  await using stage = new Stage();
  const source = await stage.store(["--fill", `source/p/=${count}:${sizeBytes}`, ...delay]);
  const destination = await stage.store(["--bucket", "destination", "--swallow", ...delay]);
  const sides = { source, destination, stage, ...one };
  const runs = await compete(
    [
      meshSync(sides),
      ...(hasTool("rclone") ? [FEWER, TRANSFERS].map((transfers) => rclone(sides, transfers)) : []),
      ...(sizeBytes >= LEAST_PIPED_BYTES && hasTool("curl") ? [curl(sides)] : []),
    ],
    { rounds, stores: stage.stores },
    ({ seconds }) => `${(count / seconds).toFixed(1)} objects/s`,
  );
  return report(label, runs, count);
}

interface Sides extends Case {
  readonly source: Store;
  readonly destination: Store;
  readonly stage: Stage;
}

function meshSync({ source, destination, stage, count }: Sides): Contestant {
  let round = 0;
  return {
    name: MESH,
    run: async () => {
      round += 1;
      const mesh = await stage.mesh({
        STORE_EAST: storeSecret(source),
        STORE_WEST: storeSecret(destination),
      });
      try {
        return await measureMesh(mesh, async () => {
          const request = { source: "east:source/p/", destination: `west:destination/mesh-${round}/` };
          const { objects } = await complete(mesh, "/syncs", request);
          if (objects.copied !== count) throw new Error(`The sync has copied ${JSON.stringify(objects)}`);
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
    name: `rclone copy --transfers ${transfers}`,
    run: async () => {
      round += 1;
      const places = ["EAST:source/p/", `WEST:destination/rclone-${transfers}-${round}/`];
      const env = rcloneRemotes({ EAST: source, WEST: destination });
      return await measureTool('rclone copy "$@"', [...places, ...many, ...least], env);
    },
  };
}

function curl({ source, destination, stage, count, sizeBytes }: Sides): Contestant {
  let round = 0;
  return {
    name: NATIVE,
    run: async () => {
      round += 1;
      const pipes = Array.from({ length: count }, (_, n) => ({
        from: `source/p/${String(n % 100).padStart(2, "0")}/${String(n).padStart(7, "0")}`,
        to: `destination/curl-${round}/${n}`,
        offset: 0,
        length: sizeBytes,
      }));
      return await runPipes(pipes, { source, destination, directory: stage.directory, parallel: TRANSFERS });
    },
  };
}

function report(
  label: string,
  runs: ReadonlyMap<string, readonly Measured[]>,
  count: number,
): { lines: string[][]; miss: string[] } {
  const rate = ({ seconds }: Measured) => count / seconds;
  const lines = Array.from(runs, ([name, list]) => [
    label,
    name,
    spread(list.map(rate), 1),
    (medianRequests(list) / count).toFixed(2),
    median(list.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
    Math.max(...list.map(({ peakMib }) => peakMib)).toFixed(0),
  ]);
  const ours = medianOf(runs.get(MESH), ({ seconds }) => count / seconds);
  const rivals = [...runs]
    .filter(([name]) => name.startsWith("rclone"))
    .map(([, list]) => median(list.map(rate)));
  const native = runs.get(NATIVE);
  const againstRclone = rivals.length === 0 ? null : ours / Math.max(...rivals);
  const againstCurl = native === undefined ? null : ours / median(native.map(rate));
  const name = `sizes: ${label}`;
  if (againstRclone === null) result({ name, value: ours, unit: "objects/s" });
  else result({ name, value: ours, unit: "objects/s", ratio: againstRclone, against: "the best rclone" });
  if (againstCurl !== null)
    result({ name, value: ours, unit: "objects/s", ratio: againstCurl, against: NATIVE });
  const isMet = (againstRclone ?? 1) >= 1 || (againstCurl ?? 0) >= 0.95;
  return { lines, miss: isMet ? [] : [`${label} (${(againstRclone ?? 0).toFixed(2)} × rclone)`] };
}
