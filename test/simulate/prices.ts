// What the simulation's work costs: by the prices that the mesh quotes with (src/store/prices.ts), and by
// what the benches have measured. R2 is the destination; the source's charge for its bytes is extra. Pure.

import { dollarsOf, meshDollars, pricesOf } from "../../src/store/prices.ts";
import { NOTHING_SENT } from "../../src/store/sent.ts";

/** What R2 asks for requests of its classes. */
export function storeDollars(classA: number, classB: number): number {
  const prices = pricesOf("r2", undefined);
  if (prices === null) throw new Error("R2 has no list prices");
  return dollarsOf({ ...NOTHING_SENT, put: classA, get: classB }, prices);
}

export interface DigestCost {
  readonly digest: string;
  /** More than a copy without a digest takes. */
  readonly cpuSecondsPerGib: number;
  readonly dollarsPerTb: number;
}

/** @param page test/bench/RESULTS.md, whose part "large" measures each digest beside none */
export function digestCosts(page: string): DigestCost[] {
  const rows = [...page.matchAll(/^\| mesh, (no digest|\w+ per part)[^|]*\|[^|]*\| +([\d.]+) /gm)];
  const seconds = new Map(rows.map(([, name = "", value]) => [name.replace(" per part", ""), Number(value)]));
  const none = seconds.get("no digest");
  if (none === undefined || seconds.size < 2)
    throw new Error("test/bench/RESULTS.md does not measure digests: npm run bench -- large --write");
  return [...seconds]
    .filter(([digest]) => digest !== "no digest")
    .map(([digest, value]) => {
      const cpuSecondsPerGib = value - none;
      const cpuMsPerTb = cpuSecondsPerGib * 1000 * (1e12 / 2 ** 30);
      const used = { objectRequests: 0, objectSeconds: 0, rowsWritten: 0, cpuMs: cpuMsPerTb };
      return { digest, cpuSecondsPerGib, dollarsPerTb: meshDollars(used) };
    });
}

/** CPU of all workerd for each small object, as the part "small" of the same page measures it. */
export function cpuMsPerObject(page: string): { copied: number; skipped: number } {
  const cpuOf = (contestant: string) =>
    new RegExp(`^\\| ${contestant} +\\|[^|]*\\| +([\\d.]+) `, "m").exec(page)?.[1];
  const [copied, skipped] = [cpuOf("mesh"), cpuOf("mesh, nothing to do")];
  if (copied === undefined || skipped === undefined)
    throw new Error("test/bench/RESULTS.md does not measure small objects: npm run bench -- small --write");
  return { copied: Number(copied), skipped: Number(skipped) };
}
