// `npm run bench -- manifest`: how fast a sync reads a manifest, and what workerd holds in memory meanwhile.
//
// A store of its own (manifest_store.ts) has lists of two lengths, as text and packed. None of their keys is
// below the source's prefix: each is read, decided and counted, and no object is asked for, which the other
// benches measure.

import { type Run, complete, measureWorkerd, medianOf, result } from "./contest.ts";
import { spread } from "./measure.ts";
import { Stage } from "./stage.ts";
import { printTable } from "../results_page.ts";
import { storeSecret } from "../mesh/mesh.ts";

/** @param counts of lines, the smallest first */
export async function benchManifest(counts: readonly number[], rounds: number): Promise<string> {
  const rows: string[][] = [];
  for (const lines of counts) {
    await using stage = new Stage();
    const store = await stage.store(["--lines", String(lines)], "bench/manifest_store.ts");
    for (const list of ["list.csv", "list.csv.gz"]) {
      const runs: Run[] = [];
      for (let round = 0; round < rounds; round++) {
        // A process keeps the memory that it has once had.
        const mesh = await stage.mesh({ STORE_EAST: storeSecret(store), STORE_WEST: storeSecret(store) });
        const run = await measureWorkerd(mesh, async () => {
          const { objects } = await complete(mesh, "/syncs", {
            source: "east:source/p/",
            destination: "west:destination/p/",
            manifest: `east:lists/${list}`,
          });
          if (objects.listed !== lines || objects.skipped !== lines)
            throw new Error(`The sync has counted ${JSON.stringify(objects)}`);
        }).finally(async () => await mesh.stop());
        console.log(
          `${lines} lines of ${list}: ${run.seconds.toFixed(1)} s, peak ${run.peakMib.toFixed(0)} MiB`,
        );
        runs.push(run);
      }
      const rate = ({ seconds }: Run) => lines / seconds;
      const peakMib = Math.max(...runs.map((run) => run.peakMib));
      const cost = runs.map(({ cpuSeconds }) => (cpuSeconds * 1e6) / lines);
      rows.push([list, String(lines), spread(runs.map(rate), 0), spread(cost, 1), peakMib.toFixed(0)]);
      result({ name: `manifest: ${list}, ${lines} lines`, value: medianOf(runs, rate), unit: "lines/s" });
      result({ name: `manifest: ${list}, ${lines} lines, memory`, value: peakMib, unit: "MiB at most" });
    }
  }
  const header = ["manifest", "lines", "lines/s (min to max)", "CPU s per million (min to max)", "peak MiB"];
  return `Lines that are read and counted, and name no object:\n\n${printTable(header, rows)}`;
}
