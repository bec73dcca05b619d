// `npm run bench -- memory`: what workerd holds in memory while 40 parts are in flight, by part size.
//
// Each size gets a mesh of its own, because a process keeps the memory that it has once had. Each runs with
// and without digests: without, the runtime alone moves the bytes; with them, every buffer passes through
// digest_stream.ts.

import { complete, measureWorkerd, result } from "./contest.ts";
import { Stage } from "./stage.ts";
import { printTable } from "../results_page.ts";
import { storeSecret } from "../mesh/mesh.ts";

const MIB = 2 ** 20;
const STREAMS = 40;
const LEAST_BYTES = 2 ** 31;
const WAYS = [
  ["no digest", "off"],
  ["MD5 per part", "auto"],
] as const;

export async function benchMemory(partMibs: readonly number[]): Promise<string> {
  await using stage = new Stage();
  const peaks: { readonly way: string; readonly partMib: number; readonly peakMib: number }[] = [];
  const objects = partMibs.flatMap((partMib) => [
    "--generate",
    `source/${partMib}=${Math.max(LEAST_BYTES, STREAMS * partMib * MIB)}`,
  ]);
  const source = await stage.store(["--etags", "opaque", ...objects]);
  const destination = await stage.store(["--etags", "opaque", "--bucket", "destination", "--swallow"]);
  console.log(`\n${STREAMS} parts in flight\n`);
  for (const [way, verify] of WAYS) {
    for (const partMib of partMibs) {
      const mesh = await stage.mesh({
        MAX_PART_MIB: String(Math.max(95, partMib)),
        STORE_EAST: storeSecret(source),
        STORE_WEST: storeSecret(destination),
      });
      const { peakMib, seconds } = await measureWorkerd(mesh, () =>
        complete(mesh, "/copies", {
          source: `east:source/${partMib}`,
          destination: "west:destination/object",
          partSize: partMib * MIB,
          lanes: STREAMS / 5,
          verify,
        }),
      ).finally(async () => await mesh.stop());
      console.log(
        `${way}, parts of ${partMib} MiB: peak ${peakMib.toFixed(0)} MiB in ${seconds.toFixed(0)} s`,
      );
      peaks.push({ way, partMib, peakMib });
    }
  }
  const rows = WAYS.map(([way]) => [
    way,
    ...peaks.filter((peak) => peak.way === way).map(({ peakMib }) => `${peakMib.toFixed(0)} MiB`),
  ]);
  const table = printTable(["digest", ...partMibs.map((partMib) => `parts of ${partMib} MiB`)], rows);
  for (const { way, partMib, peakMib } of peaks) {
    const least = peaks.find((peak) => peak.way === way)?.peakMib ?? peakMib;
    result({
      name: `memory: ${way}, parts of ${partMib} MiB`,
      value: peakMib,
      unit: "MiB at most",
      ratio: peakMib / least,
      against: `parts of ${partMibs[0]} MiB`,
    });
  }
  return `Peak of workerd with ${STREAMS} parts in flight:\n\n${table}`;
}
