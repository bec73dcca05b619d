// `npm run bench -- overhead`: what a part costs beside its bytes.
//
// 10,000 parts of a kilobyte go between two stores that answer immediately, so what workerd takes is the cost
// of requests, claims and rows. The coordinator's own share of it is measured on paper (simulated_copy.ts):
// the same code, in this process, over SQLite in memory, with lanes and stores that take no time.

import { complete, measureWorkerd, result } from "./contest.ts";
import { requestsOf } from "./measure.ts";
import { Stage } from "./stage.ts";
import { printTable } from "../results_page.ts";
import { SimulatedCopy } from "../simulate/simulated_copy.ts";
import { storeSecret } from "../mesh/mesh.ts";

const PARTS = 10_000;
const PART_BYTES = 1024;
const LANES = 40;

export async function benchOverhead(): Promise<string> {
  await using stage = new Stage();
  const source = await stage.store([
    "--etags",
    "opaque",
    "--generate",
    `source/object=${PARTS * PART_BYTES}`,
  ]);
  const least = ["--swallow", "--min-part-bytes", String(PART_BYTES)];
  const destination = await stage.store(["--etags", "opaque", "--bucket", "destination", ...least]);
  const mesh = await stage.mesh({
    STORE_EAST: storeSecret(source),
    STORE_WEST: storeSecret(destination, { profile: { minPartBytes: PART_BYTES } }),
  });
  const what = `${PARTS} parts of ${PART_BYTES} bytes, ${LANES} lanes, stores that answer at once`;
  console.log(`\n${what}\n`);
  const request = {
    source: "east:source/object",
    destination: "west:destination/object",
    partSize: PART_BYTES,
    lanes: LANES,
    verify: "off",
  };
  const run = await measureWorkerd(mesh, () => complete(mesh, "/copies", request));
  const requests = Object.values(await requestsOf(stage.stores)).reduce((sum, count) => sum + count, 0);
  const paper = onPaper();
  const all = (1000 * run.cpuSeconds) / PARTS;
  const table = printTable(
    ["of each part", ""],
    [
      ["CPU of the coordinator, on paper", `${paper.cpuMs.toFixed(3)} ms`],
      ["CPU of all workerd", `${all.toFixed(2)} ms`],
      ["rows written by the coordinator", paper.rows.toFixed(2)],
      ["requests to the stores", (requests / PARTS).toFixed(3)],
      ["parts per second", (PARTS / run.seconds).toFixed(0)],
    ],
  );
  result({ name: "overhead: coordinator", value: paper.cpuMs, unit: "CPU ms/part" });
  result({ name: "overhead: all of workerd", value: all, unit: "CPU ms/part" });
  result({ name: "overhead: rows written", value: paper.rows, unit: "rows/part" });
  result({ name: "overhead: requests to the stores", value: requests / PARTS, unit: "requests/part" });
  return `${what}:\n\n${table}`;
}

/** The second of two runs: the first warms up the compiler. */
function onPaper(): { cpuMs: number; rows: number } {
  simulate();
  return simulate();
}

/** Includes the simulator's own time. */
function simulate(): { cpuMs: number; rows: number } {
  const before = process.cpuUsage();
  const { parts, rowsWritten } = new SimulatedCopy(
    {
      sizeBytes: PARTS * 64 * 2 ** 20,
      lanes: LANES,
      streamMbPerSecond: 50,
      failureFraction: 0,
      deathsPerHour: 0,
    },
    1,
  ).run();
  const { user, system } = process.cpuUsage(before);
  return { cpuMs: (user + system) / 1000 / parts, rows: rowsWritten / parts };
}
