// `npm run bench -- mixed`: a sync of objects as a data lake has them (test/store/mixed_sizes.ts), from a
// seed: most objects are small, most bytes are in large ones. Between stores that answer at once and stores
// that answer after 50 ms, beside rclone and curl as in `sizes`.

import { mixedSizes } from "../store/mixed_sizes.ts";
import { printTable } from "../results_page.ts";
import { filledKey } from "./pipes.ts";
import { contest } from "./syncs.ts";

const SEED = 18;

const DELAYS_MS = [0, 50];

export async function benchMixed(count: number, rounds: number): Promise<string> {
  const sizes = mixedSizes(count, SEED);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const rows: string[][] = [];
  for (const delayMs of DELAYS_MS) {
    const set = {
      fill: ["--mix", `source/p/=${count}:${SEED}`],
      objects: sizes.map((sizeBytes, index) => ({ key: filledKey(index), sizeBytes })),
      delayMs,
      piped: true,
    };
    const label = `${count} of ${(bytes / 1e9).toFixed(1)} GB, ${delayMs} ms`;
    rows.push(...(await contest("mixed", label, set, { rounds, unit: "MB/s", amount: bytes / 1e6 })));
  }
  return printTable(
    ["objects", "contestant", "MB/s (min to max)", "requests per object", "CPU s", "peak MiB"],
    rows,
  );
}
