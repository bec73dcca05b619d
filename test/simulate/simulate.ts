// `npm run simulate`: what copies take and cost on paper, for sizes that no test can move. The real decisions
// of the mesh (simulated_copy.ts, simulated_sync.ts) run over simulated lanes and stores, at the prices of
// prices.ts. The seed is fixed, so two runs are equal. What digests and small objects take of CPU is read
// from the page of the benches. USAGE says how it is called.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkName, readArguments } from "../command_line.ts";
import { printTable, writePart } from "../results_page.ts";
import { meshDollars } from "../../src/store/prices.ts";
import { type DigestCost, cpuMsPerObject, digestCosts, storeDollars } from "./prices.ts";
import { type Case, type Outcome, SimulatedCopy } from "./simulated_copy.ts";
import { type SyncCase, type SyncOutcome, SimulatedSync } from "./simulated_sync.ts";

const USAGE = `npm run simulate [-- NAME... --write]

Prints what copies and syncs take and cost on paper: all tables, or those that are named.

  --write  The tables go into test/simulate/RESULTS.md, with the command and the day
  --help   This text`;

const GB = 1e9;
const TB = 1e12;

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

const many = (
  objects: number,
  lanes: number,
  objectMs: number,
  { equalFraction = 0, objectBytes = 20_000 } = {},
): SyncCase => ({ objects, objectBytes, lanes, objectMs, equalFraction });

const SYNC_CASES: readonly SyncCase[] = [
  many(100_000, 1, 60),
  many(100_000, 8, 60),
  many(100_000, 8, 120),
  many(100_000, 40, 120),
  many(1_000_000, 100, 120),
  // Of a billion, the first two million: the rest is like the second.
  many(2_000_000, 250, 120, { objectBytes: 10_000 }),
  many(1_000_000, 100, 60, { equalFraction: 0.99 }),
  many(1_000_000, 100, 60, { equalFraction: 1 }),
];

async function main(): Promise<void> {
  const { values, positionals } = readArguments(USAGE, {
    allowPositionals: true,
    options: { write: { type: "boolean", default: false } },
  });
  const benches = readFileSync(join(import.meta.dirname, "../bench/RESULTS.md"), "utf8");
  console.info = () => undefined; // the mesh's own log of each copy
  const digests = digestCosts(benches);
  const tables: Readonly<Record<string, () => string>> = {
    table: () => copiesTable(digests),
    petabyte: petabyteTable,
    digests: () => digestsTable(digests),
    small: () => smallTable(cpuMsPerObject(benches)),
  };
  const names = positionals.length === 0 ? Object.keys(tables) : positionals;
  for (const name of names) checkName("table", name, Object.keys(tables));
  for (const name of names) {
    const text = tables[name]?.() ?? "";
    const command = `npm run simulate -- ${name} --write`;
    if (values.write) await writePart({ page: "simulate/RESULTS.md", name, command, text });
  }
}

function copiesTable(digests: readonly DigestCost[]): string {
  const md5 = digests.find(({ digest }) => digest === "MD5")?.dollarsPerTb ?? Number.NaN;
  return printTable(
    HEAD,
    Array.from(CASES.entries(), ([index, [name, each]]) =>
      rowOf(name, each, new SimulatedCopy(each, 1 + index).run(), md5),
    ),
  );
}

/**
 * A sync of a petabyte of objects of 300 MiB: each is a copy of five parts, and as many run at once as there
 * are lanes for them.
 */
function petabyteTable(): string {
  const sizeBytes = 300 * 2 ** 20;
  const objects = 1e15 / sizeBytes;
  const runs = Array.from({ length: 20 }, (_, index) =>
    new SimulatedCopy(one(sizeBytes, 1, 50), index + 1).run(),
  );
  const mean = (of: (outcome: Outcome) => number) =>
    runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  const seconds = mean((outcome) => outcome.seconds);
  const dollars = mean((outcome) => meshDollars({ ...outcome, cpuMs: outcome.parts * CPU_MS_PER_PART }));
  return printTable(
    ["lanes", "objects per second", "rate", "time", "mesh, $ per TB"],
    [8, 40, 100, 250].map((lanes) => [
      lanes,
      (lanes / seconds).toFixed(1),
      `${((lanes / seconds) * (sizeBytes / GB)).toFixed(2)} GB/s`,
      timeOf((objects / lanes) * seconds),
      ((dollars * TB) / sizeBytes).toFixed(3),
    ]),
  );
}

function digestsTable(digests: readonly DigestCost[]): string {
  return printTable(
    ["digest computed on the way", "CPU s per GiB", "mesh, $ per TB more"],
    digests.map(({ digest, cpuSecondsPerGib, dollarsPerTb }) => [
      digest,
      cpuSecondsPerGib.toFixed(2),
      dollarsPerTb.toFixed(3),
    ]),
  );
}

function smallTable(cpuMs: ReturnType<typeof cpuMsPerObject>): string {
  const rows = SYNC_CASES.map((each, index) =>
    syncRowOf(each, new SimulatedSync(each, 1 + index).run(), cpuMs),
  );
  return printTable(SYNC_HEAD, rows);
}

const SYNC_HEAD = [
  "keys",
  "there already",
  "lanes",
  "ms per object",
  "keys per second",
  "Durable Object requests",
  "rows",
  "mesh, $",
  "R2, $",
];

/** Per million keys. */
function syncRowOf(
  each: SyncCase,
  outcome: SyncOutcome,
  cpuMs: ReturnType<typeof cpuMsPerObject>,
): (string | number)[] {
  const { seconds, copied, storeReads, storeWrites, objectRequests, rowsWritten } = outcome;
  const perMillion = (count: number) => (count * 1e6) / each.objects;
  const whole = (count: number) => Math.round(perMillion(count)).toLocaleString("en");
  const used = { ...outcome, cpuMs: copied * cpuMs.copied + (each.objects - copied) * cpuMs.skipped };
  return [
    each.objects.toLocaleString("en"),
    `${each.equalFraction * 100} %`,
    each.lanes,
    each.objectMs,
    Math.round(each.objects / seconds).toLocaleString("en"),
    whole(objectRequests),
    whole(rowsWritten),
    perMillion(meshDollars(used)).toFixed(3),
    perMillion(storeDollars(storeWrites, storeReads)).toFixed(2),
  ];
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
  "with MD5, $ per TB",
  "R2, $ per TB",
];

function rowOf(name: string, each: Case, outcome: Outcome, md5PerTb: number): (string | number)[] {
  const { parts, seconds, storeReads, storeWrites, objectRequests, rowsWritten } = outcome;
  const perPart = (count: number) => (count / parts).toFixed(2);
  const perTb = (dollars: number) => (dollars * TB) / each.sizeBytes;
  const meshPerTb = perTb(meshDollars({ ...outcome, cpuMs: parts * CPU_MS_PER_PART }));
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
    meshPerTb.toFixed(3),
    (meshPerTb + md5PerTb).toFixed(3),
    perTb(storeDollars(storeWrites, storeReads)).toFixed(3),
  ];
}

function timeOf(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

await main();
