// `npm run bench -- profile`: where the CPU of a sync goes, by V8's sampling profiler: for small objects, for
// small objects inside one service, and for objects as a data lake has them. Beside it, what workerd alone
// takes for the same objects (bare_pipes.ts).
//
// A sample belongs to the first frame of its stack that is a row of AREAS, from the innermost outwards. The
// bundle names the file that each of its lines comes from. A first sync warms up, a second one tells the CPU,
// a third one is profiled, and a fourth one once more by its native code (native_profile.ts).

import { readFileSync } from "node:fs";
import { buildBundle } from "../mesh/build.ts";
import type { Inspector } from "../mesh/inspector.ts";
import { MeshClient, TOKEN } from "../mesh/mesh_client.ts";
import { storeSecret } from "../mesh/mesh.ts";
import { Workerd } from "../mesh/workerd.ts";
import { printTable } from "../results_page.ts";
import { runBarePipes } from "./bare_pipes.ts";
import { complete, hasTool, measureWorkerd } from "./contest.ts";
import { type NativeShares, NATIVE_PARTS, nativeShares } from "./native_profile.ts";
import { filledPipes, MESH_TRANSFERS } from "./pipes.ts";
import { Stage } from "./stage.ts";
import { checkBoth } from "./small.ts";

const KIB = 1024;

interface Frame {
  readonly functionName: string;
  /** From 0; below 0: it is native. */
  readonly lineNumber: number;
}

/** https://chromedevtools.github.io/devtools-protocol/v8/Profiler/#type-Profile */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: Frame;
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds between two samples. */
  readonly timeDeltas: readonly number[];
}

interface Place {
  readonly name: string;
  /** The file that it comes from; null: it is native. */
  readonly file: string | null;
}

const native =
  (...names: readonly string[]) =>
  ({ name, file }: Place) =>
    file === null && names.includes(name);
const within =
  (...files: readonly RegExp[]) =>
  ({ file }: Place) =>
    file !== null && files.some((pattern) => pattern.test(file));

const AREAS: readonly (readonly [name: string, holds: (place: Place) => boolean])[] = [
  ["workerd, outside of JavaScript", native("(program)")],
  ["garbage collection", native("(garbage collector)")],
  ["workerd: fetch", native("fetch")],
  ["workerd: digests of the bytes, reads and writes", within(/digest_stream/)],
  ["workerd: SQLite", native("exec", "one", "toArray", "transactionSync", "next")],
  ["signing (aws4fetch)", within(/aws4fetch/, /^src\/s3\/sign/)],
  ["XML (fast-xml-parser)", within(/fast-xml-parser/, /strnum/, /entities/, /^src\/s3\/.*xml/)],
  ["requests and answers (src/s3)", within(/^src\/s3\//)],
  ["attributes and proofs (src/object)", within(/^src\/object\//)],
  ["the run of a batch or part (src/work)", within(/^src\/work\//, /^src\/(?:object|part)_copier/)],
  ["lanes (src/lane.ts)", within(/^src\/lane/)],
  ["what a run hands out, counts and reports", within(/^src\//)],
];

/** In microseconds. */
type Shares = ReadonlyMap<string, number>;

const IDLE = "(idle)";
const OTHER = "other";

const HEAD = ["CPU of workerd", "small", "inside", "mixed"];

/** @param small how many objects @param mixed how many */
export async function benchProfile({
  small,
  mixed,
}: {
  readonly small: number;
  readonly mixed: number;
}): Promise<string> {
  const cases = [
    await profileOf(small, `source/p/=${small}:${20 * KIB}`, "fill"),
    await profileOf(small, `source/p/=${small}:${20 * KIB}`, "inside"),
    await profileOf(mixed, `source/p/=${mixed}:${SEED}`, "mix"),
  ];
  const row = (name: string, of: (one: Profiled) => string) => [name, ...cases.map(of)];
  const table = printTable(HEAD, [
    ...[...AREAS.map(([name]) => name), OTHER].map((name) => row(name, (one) => shareOf(one, name))),
    row("CPU of an object", ({ cpuMs }) => `${cpuMs.toFixed(2)} ms`),
    row("CPU of an object, workerd alone", ({ bareCpuMs }) => `${bareCpuMs.toFixed(2)} ms`),
    row("the one thread is busy for", ({ busy }) => percent(busy)),
  ]);
  const title = `${small} objects of 20 KiB, and ${mixed} as a data lake has them`;
  return `${title}:\n\n${table}\n\n${nativeTable(cases)}`;
}

function nativeTable(cases: readonly Profiled[]): string {
  const rows = NATIVE_PARTS.map((name) => [
    name,
    ...cases.map(({ byCode: shares }) => (shares === null ? "" : percent(shares.get(name) ?? 0))),
  ]);
  return `The same by native code:\n\n${printTable(HEAD, rows)}`;
}

const percent = (part: number) => `${(100 * part).toFixed(0)} %`;
const shareOf = ({ shares, busyUs }: Profiled, name: string) => percent((shares.get(name) ?? 0) / busyUs);

const SEED = 7;

interface Profiled {
  readonly shares: Shares;
  readonly busyUs: number;
  /** Of an object, without the profiler. */
  readonly cpuMs: number;
  readonly bareCpuMs: number;
  /** The part of the time in which the one thread did anything. */
  readonly busy: number;
  /** Null: perf is not installed. */
  readonly byCode: NativeShares | null;
}

async function profileOf(count: number, filled: string, how: "fill" | "inside" | "mix"): Promise<Profiled> {
  await using stage = new Stage();
  const isInside = how === "inside";
  const fill = [how === "mix" ? "--mix" : "--fill", filled];
  const source = await stage.store([...fill, ...(isInside ? ["--bucket", "destination"] : [])]);
  const destination = isInside ? source : await stage.store(["--bucket", "destination", "--swallow"]);
  const bundlePath = buildBundle(stage.directory, "readable");
  const workerd = await Workerd.start({
    bundlePath,
    bindings: { API_TOKEN: TOKEN, STORE_EAST: storeSecret(source), STORE_WEST: storeSecret(destination) },
    inspect: true,
  });
  try {
    const mesh = new MeshClient(workerd.url);
    if (isInside) await checkBoth(mesh);
    const sync = async (round: number) => {
      const request = { source: "east:source/p/", destination: `west:destination/mesh-${round}/` };
      await complete(mesh, "/syncs", request);
    };
    await sync(1);
    const plain = await measureWorkerd(workerd, async () => await sync(2));
    const inspector = await workerd.inspector();
    const profile = await profiled(inspector, async () => await sync(3));
    inspector.close();
    const looked = { pid: workerd.pid, directory: stage.directory };
    const byCode = hasTool("perf") ? await nativeShares(looked, async () => await sync(4)) : null;
    const shares = sharesOf(profile, filesOf(bundlePath));
    const all = sum(shares.values());
    const busyUs = all - (shares.get(IDLE) ?? 0);
    const sides = { source, destination, directory: stage.directory, parallel: MESH_TRANSFERS };
    const bare = await runBarePipes(filledPipes(count, "bare"), sides);
    console.log(`${how}: ${plain.seconds.toFixed(1)} s, ${plain.cpuSeconds.toFixed(1)} s CPU`);
    return {
      shares,
      busyUs,
      cpuMs: (1000 * plain.cpuSeconds) / count,
      bareCpuMs: (1000 * bare.cpuSeconds) / count,
      busy: busyUs / all,
      byCode,
    };
  } finally {
    await workerd.stop();
  }
}

async function profiled(inspector: Inspector, work: () => Promise<void>): Promise<Profile> {
  await inspector.call("Profiler.enable");
  await inspector.call("Profiler.setSamplingInterval", { interval: SAMPLE_US });
  await inspector.call("Profiler.start");
  await work();
  return (await inspector.call<{ profile: Profile }>("Profiler.stop")).profile;
}

const SAMPLE_US = 500;

/** Of each line of the bundle, from 0. */
function filesOf(bundlePath: string): readonly string[] {
  let file = "";
  return readFileSync(bundlePath, "utf8")
    .split("\n")
    .map((line) => (file = /^\/\/ ((?:src|node_modules)\/\S+)$/.exec(line)?.[1] ?? file));
}

function sharesOf({ nodes, samples, timeDeltas }: Profile, files: readonly string[]): Shares {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const places = new Map(
    nodes.map(({ id, callFrame: { functionName, lineNumber } }) => [
      id,
      { name: functionName, file: lineNumber < 0 ? null : (files[lineNumber] ?? null) },
    ]),
  );
  const areaOf = (leaf: number): string => {
    for (let id: number | undefined = leaf; id !== undefined; id = parents.get(id)) {
      const place = places.get(id);
      if (place === undefined) break;
      if (native(IDLE)(place)) return IDLE;
      const area = AREAS.find(([, holds]) => holds(place));
      if (area !== undefined) return area[0];
    }
    return OTHER;
  };
  const shares = new Map<string, number>();
  for (const [index, leaf] of samples.entries()) {
    const area = areaOf(leaf);
    shares.set(area, (shares.get(area) ?? 0) + (timeDeltas[index] ?? 0));
  }
  return shares;
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, number) => total + number, 0);
}
