// `npm run bench -- throttled`: a store that answers SlowDown above a number of requests per second, beside
// the ideal.
//
// Small objects are copied to a store that accepts fewer PutObjects per second than the mesh could send. The
// ideal is the number of objects divided by that rate. Refusals count from the tenth second on, because
// before that the mesh has to find the rate. It runs twice: without being told, and with the same rate as
// `maxRequestsPerSecond` in the store's configuration.

import { setTimeout } from "node:timers/promises";
import type { BareMesh } from "../mesh/bare_mesh.ts";
import { complete, measureWorkerd, medianOf, type Run, result } from "./contest.ts";
import { type Store, median, requestsOf } from "./measure.ts";
import { Stage } from "./stage.ts";
import { printTable } from "../results_page.ts";
import { storeSecret } from "../mesh/mesh.ts";

const SETTLED_MS = 10_000;
const WAYS = [
  ["found out", "west"],
  ["told", "told"],
] as const;

interface Throttled extends Run {
  /** Of the requests after the first ten seconds. */
  readonly refusedFraction: number;
}

/** @param seconds how long the ideal takes */
export async function benchThrottled(perSecond: number, seconds: number, rounds: number): Promise<string> {
  await using stage = new Stage();
  const count = perSecond * seconds;
  const source = await stage.store(["--fill", `source/p/=${count}`]);
  const limited = ["--bucket", "destination", "--swallow", "--requests-per-second", String(perSecond)];
  const destination = await stage.store(limited);
  const mesh = await stage.mesh({
    STORE_EAST: storeSecret(source),
    STORE_WEST: storeSecret(destination),
    STORE_TOLD: storeSecret(destination, { maxRequestsPerSecond: perSecond }),
  });
  const what = `${count} objects to a store that takes ${perSecond} requests/s`;
  console.log(`\n${what}\n`);
  const runs = new Map<string, Throttled[]>();
  for (let round = 1; round <= rounds; round++) {
    for (const [way, store] of WAYS) {
      const run = await throttled(mesh, destination, `${store}:destination/${store}-${round}/`);
      runs.set(way, [...(runs.get(way) ?? []), run]);
      const refused = (100 * run.refusedFraction).toFixed(2);
      console.log(
        `round ${round}  ${way.padEnd(10)} ${run.seconds.toFixed(1)} s, ${refused} % refused after 10 s`,
      );
    }
  }
  const medians = Array.from(runs, ([way, list]) => ({
    name: `throttled: the rate is ${way}`,
    way,
    value: medianOf(list, (run) => run.seconds),
    refusedPercent: 100 * median(list.map(({ refusedFraction }) => refusedFraction)),
  }));
  const table = printTable(
    ["the rate is", "seconds", "ideal", "of the ideal", "refused after 10 s"],
    medians.map(({ way, value, refusedPercent }) => [
      way,
      value.toFixed(1),
      seconds,
      (seconds / value).toFixed(3),
      `${refusedPercent.toFixed(2)} %`,
    ]),
  );
  for (const { name, value, refusedPercent } of medians) {
    result({ name, value, unit: "s", ratio: seconds / value, against: "the ideal" });
    result({ name, value: refusedPercent, unit: "% refused after 10 s" });
  }
  return `${what}:\n\n${table}`;
}

async function throttled(mesh: BareMesh, destination: Store, prefix: string): Promise<Throttled> {
  const settled = setTimeout(SETTLED_MS).then(() => asked(destination));
  const run = await measureWorkerd(mesh, () =>
    complete(mesh, "/syncs", { source: "east:source/p/", destination: prefix, lanes: 16 }),
  );
  const early = await settled;
  const late = await asked(destination);
  return { ...run, refusedFraction: (late.refused - early.refused) / Math.max(1, late.all - early.all) };
}

async function asked(store: Store): Promise<{ all: number; refused: number }> {
  const { refused = 0, ...operations } = await requestsOf([store]);
  return { all: Object.values(operations).reduce((sum, count) => sum + count, 0), refused };
}
