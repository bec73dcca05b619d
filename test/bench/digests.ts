// `npm run bench -- digests`: what a digest takes in one isolate, by the number of parts in flight.
//
// Each number of streams gets a mesh of its own, because a process keeps the memory that it has once had. One
// workerd is one isolate, so all the streams share one budget of buffers (src/work/digest_buffers.ts). The
// peak is that of the whole process, with what its connections hold.

import { type Run, complete, measureWorkerd, medianOf, result } from "./contest.ts";
import { spread } from "./measure.ts";
import { Stage } from "./stage.ts";
import { printTable } from "../results_page.ts";
import { storeSecret } from "../mesh/mesh.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const PART_BYTES = 8 * MIB;
const STREAMS = [8, 40, 200];

export async function benchDigests(sizeBytes: number, rounds: number): Promise<string> {
  await using stage = new Stage();
  const source = await stage.store(["--etags", "opaque", "--generate", `source/object=${sizeBytes}`]);
  const destination = await stage.store(["--etags", "opaque", "--bucket", "destination", "--swallow"]);
  const what = `${sizeBytes / GIB} GiB in parts of ${PART_BYTES / MIB} MiB, with the MD5 of each part`;
  console.log(`\n${what}\n`);
  const runs = new Map<number, Run[]>(STREAMS.map((streams) => [streams, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [streams, list] of runs) {
      const mesh = await stage.mesh({
        STORE_EAST: storeSecret(source),
        STORE_WEST: storeSecret(destination),
      });
      const run = await measureWorkerd(mesh, () =>
        complete(mesh, "/copies", {
          source: "east:source/object",
          destination: "west:destination/object",
          partSize: PART_BYTES,
          lanes: Math.ceil(streams / 5),
          concurrency: streams,
          verify: "auto",
        }),
      ).finally(async () => await mesh.stop());
      list.push(run);
      const cost = `${run.cpuSeconds.toFixed(1)} s CPU, peak ${run.peakMib.toFixed(0)} MiB`;
      console.log(`round ${round}  ${streams} streams: ${run.seconds.toFixed(1)} s, ${cost}`);
    }
  }
  return `${what}:\n\n${report(runs, sizeBytes)}`;
}

function report(runs: ReadonlyMap<number, readonly Run[]>, sizeBytes: number): string {
  const cost = ({ cpuSeconds }: Run) => (cpuSeconds * GIB) / sizeBytes;
  const rows = Array.from(runs, ([streams, list]) => [
    streams,
    spread(
      list.map(({ seconds }) => sizeBytes / 1e6 / seconds),
      0,
    ),
    spread(list.map(cost), 2),
    Math.max(...list.map(({ peakMib }) => peakMib)).toFixed(0),
  ]);
  for (const [streams, list] of runs) {
    const name = `digests: ${streams} streams`;
    result({ name, value: medianOf(list, cost), unit: "CPU s/GiB" });
    result({ name, value: medianOf(list, ({ peakMib }) => peakMib), unit: "MiB at most" });
  }
  return printTable(["streams", "MB/s (min to max)", "CPU s per GiB (min to max)", "peak MiB"], rows);
}
