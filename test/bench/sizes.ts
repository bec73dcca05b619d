// `npm run bench -- sizes`: a sync of objects that all have one size, for one size after the other, between
// stores that answer at once and stores that answer after 50 ms; beside rclone with as many transfers, with
// its best number of them, and, where starting processes does not decide, beside curl piped into curl.
//
// The source generates its bytes, and the destination discards them and answers with their MD5.

import { printTable } from "../results_page.ts";
import { filledKey } from "./pipes.ts";
import { contest } from "./syncs.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

const SIZES = [KIB, 20 * KIB, MIB, 8 * MIB, 16 * MIB, 64 * MIB, 200 * MIB];

const DELAYS_MS = [0, 50];

const LEAST_PIPED_BYTES = 8 * MIB;

const HEAD = ["objects", "contestant", "objects/s (min to max)", "requests per object", "CPU s", "peak MiB"];

export async function benchSizes(quick: boolean, rounds: number): Promise<string> {
  const bytes = quick ? 400 * MIB : 1600 * MIB;
  const most = quick ? 1000 : 4000;
  const rows: string[][] = [];
  for (const delayMs of DELAYS_MS) {
    for (const sizeBytes of SIZES) {
      const count = Math.max(6, Math.min(most, Math.round(bytes / sizeBytes)));
      const size = sizeBytes < MIB ? `${sizeBytes / KIB} KiB` : `${sizeBytes / MIB} MiB`;
      const set = {
        fill: ["--fill", `source/p/=${count}:${sizeBytes}`],
        objects: Array.from({ length: count }, (_, index) => ({ key: filledKey(index), sizeBytes })),
        delayMs,
        piped: sizeBytes >= LEAST_PIPED_BYTES,
      };
      const measured = { rounds, unit: "objects/s", amount: count };
      rows.push(...(await contest("sizes", `${count} of ${size}, ${delayMs} ms`, set, measured)));
    }
  }
  return printTable(HEAD, rows);
}
