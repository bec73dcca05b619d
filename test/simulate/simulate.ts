// `npm run simulate`: what copies take and cost on paper, for sizes that no test can move. The real decisions
// of the mesh (simulated_copy.ts) run over simulated lanes and stores. Prints the table; `--write` also puts
// it into RESULTS.md. The seed is fixed, so two runs are equal.
//
// Prices are list prices of 2026-11, beyond what the plan includes: Workers Paid
// (https://developers.cloudflare.com/workers/platform/pricing/,
// https://developers.cloudflare.com/durable-objects/platform/pricing/) and R2 as the destination
// (https://developers.cloudflare.com/r2/pricing/). The source's charge for its bytes is extra.

import { parseArgs } from "node:util";
import { printTable, writePart } from "../results_page.ts";
import { type Case, type Outcome, SimulatedCopy } from "./simulated_copy.ts";

const GB = 1e9;
const TB = 1e12;

/** Dollars per million. */
const PRICES = {
  objectRequests: 0.15,
  objectGbSeconds: 12.5,
  rows: 1,
  cpuMs: 0.02,
  classA: 4.5,
  classB: 0.36,
};
const OBJECT_GB = 0.128;
/** CPU of a part in coordinator, lane and copier, if the bytes pass without JavaScript. */
const CPU_MS_PER_PART = 2;

const one = (size: number, lanes: number, rate: number, failures = 0.01, deathsPerHour = 0.1): Case => ({
  sizeBytes: size,
  lanes,
  streamMbPerSecond: rate,
  failureFraction: failures,
  deathsPerHour,
});

const CASES: readonly (readonly [string, Case])[] = [
  ["120 GB", one(120 * GB, 1, 50)],
  ["120 GB", one(120 * GB, 8, 10)],
  ["120 GB", one(120 * GB, 8, 50)],
  ["120 GB", one(120 * GB, 8, 90)],
  ["120 GB", one(120 * GB, 40, 50)],
  ["120 GB", one(120 * GB, 250, 10)],
  ["120 GB", one(120 * GB, 250, 50, 0, 0)],
  ["120 GB", one(120 * GB, 250, 50)],
  ["120 GB", one(120 * GB, 250, 50, 0.05, 1)],
  ["5 TB", one(5 * TB, 8, 50)],
  ["5 TB", one(5 * TB, 250, 50)],
  ["5 TB", one(5 * TB, 250, 90, 0.05, 1)],
  ["48.8 TiB", one(10_000 * 5 * 2 ** 30, 40, 50)],
  ["48.8 TiB", one(10_000 * 5 * 2 ** 30, 250, 90, 0.05, 1)],
];

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { write: { type: "boolean", default: false } } });
  console.info = () => undefined; // the mesh's own log of each copy
  const rows = Array.from(CASES.entries(), ([index, [name, each]]) =>
    rowOf(name, each, new SimulatedCopy(each, 1 + index).run()),
  );
  const text = printTable(HEAD, rows);
  const command = "npm run simulate -- --write";
  if (values.write) await writePart({ page: "simulate/RESULTS.md", name: "table", command, text });
}

const HEAD = [
  "object",
  "lanes",
  "MB/s per stream",
  "failed attempts",
  "lane deaths",
  "parts",
  "of them sent twice for their slowness",
  "time",
  "rate",
  "requests to the stores per part",
  "Durable Object requests per part",
  "rows per part",
  "mesh, $ per TB",
  "R2, $ per TB",
];

function rowOf(name: string, each: Case, outcome: Outcome): (string | number)[] {
  const { parts, seconds, storeReads, storeWrites, objectRequests, rowsWritten, objectSeconds } = outcome;
  const perPart = (count: number) => (count / parts).toFixed(2);
  const meshDollars =
    (objectRequests * PRICES.objectRequests +
      objectSeconds * OBJECT_GB * PRICES.objectGbSeconds +
      rowsWritten * PRICES.rows +
      parts * CPU_MS_PER_PART * PRICES.cpuMs) /
    1e6;
  const storeDollars = (storeWrites * PRICES.classA + storeReads * PRICES.classB) / 1e6;
  const perTb = (dollars: number) => ((dollars * TB) / each.sizeBytes).toFixed(3);
  return [
    name,
    each.lanes,
    each.streamMbPerSecond,
    `${each.failureFraction * 100} %`,
    outcome.lanesLost,
    parts.toLocaleString("en"),
    outcome.raced,
    timeOf(seconds),
    `${(each.sizeBytes / GB / seconds).toFixed(2)} GB/s`,
    perPart(storeReads + storeWrites),
    perPart(objectRequests),
    perPart(rowsWritten),
    perTb(meshDollars),
    perTb(storeDollars),
  ];
}

function timeOf(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

await main();
