// `npm run bench -- listing`: what a sync of very many keys costs when there is nothing to copy, beside
// rclone. `npm run bench -- compare`: the same of a comparison, beside `rclone check`.
//
// Two stores that only list (listing_store.ts) run in processes of their own and have the same keys. Each
// contestant lists both and compares: the mesh, which also writes a report with a line per key, and `rclone
// copy --size-only` (of a comparison: `rclone check`) with and without --fast-list, of which the faster
// counts. Each does it once at a store that answers immediately, which shows the work, and once at a store
// that delays each page, which shows the waiting: real stores take 50 to 200 ms for a page. Listings are
// pages and probes; all other requests are for the report.

import type { BareMesh } from "../mesh/bare_mesh.ts";
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
import { type Store, spread } from "./measure.ts";
import { Stage } from "./stage.ts";
import { printTable } from "../results_page.ts";
import { storeSecret } from "../mesh/mesh.ts";

/** What is done with the keys: in the mesh, and by rclone. */
interface Task {
  readonly name: string;
  readonly run: (mesh: BareMesh, count: number) => Promise<void>;
  readonly rclone: readonly string[];
}

const PLACES = { source: "east:source/p/", destination: "west:destination/p/" };

const SYNC: Task = {
  name: "listing: nothing to do",
  run: async (mesh, count) => {
    const { objects } = await complete(mesh, "/syncs", PLACES);
    if (objects.listed !== count || objects.skipped !== count)
      throw new Error(`The sync has counted ${JSON.stringify(objects)}`);
  },
  rclone: ["copy", "--size-only"],
};

const COMPARISON: Task = {
  name: "compare: all equal",
  run: async (mesh, count) => {
    const { keys } = await complete(mesh, "/comparisons", PLACES);
    if (keys.listed !== count || keys.equal !== count)
      throw new Error(`The comparison has counted ${JSON.stringify(keys)}`);
  },
  rclone: ["check"],
};

/** @param counts how many keys, one bench after the other */
export async function benchListing(
  counts: readonly number[],
  delayMs: number,
  rounds: number,
): Promise<string> {
  const parts: string[] = [];
  for (const count of counts) parts.push(await benchTask(SYNC, count, delayMs, rounds));
  return parts.join("\n\n");
}

export async function benchCompare(count: number, delayMs: number, rounds: number): Promise<string> {
  return await benchTask(COMPARISON, count, delayMs, rounds);
}

async function benchTask(task: Task, count: number, delayMs: number, rounds: number): Promise<string> {
  const parts: string[] = [];
  for (const delay of [0, delayMs]) parts.push(await benchAt(task, count, delay, rounds));
  return parts.join("\n\n");
}

async function benchAt(task: Task, count: number, delayMs: number, rounds: number): Promise<string> {
  await using stage = new Stage();
  const options = ["--keys", String(count), "--delay-ms", String(delayMs)];
  const source = await stage.store(options, "bench/listing_store.ts");
  const destination = await stage.store(options, "bench/listing_store.ts");
  const mesh = await stage.mesh({
    STORE_EAST: storeSecret(source),
    STORE_WEST: storeSecret(destination),
  });
  const what = `${count} keys on both sides, nothing to do, each page after ${delayMs} ms`;
  console.log(`\n${what}\n`);
  const runs = await compete(
    [meshRun(task, mesh, count), ...(hasTool("rclone") ? rcloneRuns(task, source, destination) : [])],
    { rounds, stores: stage.stores },
    ({ seconds }) => `${(count / seconds).toFixed(0)} keys/s`,
  );
  return `${what}:\n\n${report(task, runs, count, delayMs)}`;
}

function meshRun({ run }: Task, mesh: BareMesh, count: number): Contestant {
  return { name: "mesh", run: async () => await measureWorkerd(mesh, async () => await run(mesh, count)) };
}

function rcloneRuns(
  { rclone: [verb = "", ...flags] }: Task,
  source: Store,
  destination: Store,
): Contestant[] {
  return [[], ["--fast-list"]].map((options) => ({
    name: ["rclone", ...options].join(" "),
    run: async () => {
      const command = ["EAST:source/p/", "WEST:destination/p/", ...flags, "--checkers", "16", ...options];
      return await measureTool(
        `rclone ${verb} "$@"`,
        command,
        rcloneRemotes({ EAST: source, WEST: destination }),
      );
    },
  }));
}

function report(
  task: Task,
  runs: ReadonlyMap<string, readonly Measured[]>,
  count: number,
  delayMs: number,
): string {
  const rate = ({ seconds }: Run) => count / seconds;
  const cost = ({ cpuSeconds }: Run) => (cpuSeconds * 1e6) / count;
  const table = printTable(
    [
      "contestant",
      "keys/s (min to max)",
      "CPU s per million (min to max)",
      "listings",
      "other requests",
      "peak MiB",
    ],
    Array.from(runs, ([name, list]) => {
      const listings = medianRequests(list, "ListObjectsV2");
      return [
        name,
        spread(list.map(rate), 0),
        spread(list.map(cost), 1),
        listings,
        medianRequests(list) - listings,
        Math.max(...list.map(({ peakMib }) => peakMib)).toFixed(0),
      ];
    }),
  );
  const what = `${task.name}, ${count} keys, ${delayMs} ms a page`;
  const rivals = [...runs].filter(([name]) => name.startsWith("rclone"));
  const best = Math.max(...rivals.map(([, list]) => medianOf(list, rate)));
  const value = medianOf(runs.get("mesh"), rate);
  result({
    name: what,
    value,
    unit: "keys/s",
    ...(rivals.length === 0
      ? {}
      : { ratio: value / best, against: `the best rclone ${task.rclone.join(" ")}` }),
  });
  const peakMib = Math.max(...(runs.get("mesh") ?? []).map((run) => run.peakMib));
  result({ name: what, value: peakMib, unit: "MiB at most" });
  return table;
}
