// What work costs: list prices of 2026-11, beyond what the plan includes. Workers Paid
// (https://developers.cloudflare.com/workers/platform/pricing/,
// https://developers.cloudflare.com/durable-objects/platform/pricing/) and R2 as the destination
// (https://developers.cloudflare.com/r2/pricing/). The source's charge for its bytes is extra. Pure.

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

interface Used {
  readonly objectRequests: number;
  /** Seconds that Durable Objects were in memory, all together. */
  readonly objectSeconds: number;
  readonly rowsWritten: number;
  readonly cpuMs: number;
}

export function meshDollars({ objectRequests, objectSeconds, rowsWritten, cpuMs }: Used): number {
  return (
    (objectRequests * PRICES.objectRequests +
      objectSeconds * OBJECT_GB * PRICES.objectGbSeconds +
      rowsWritten * PRICES.rows +
      cpuMs * PRICES.cpuMs) /
    1e6
  );
}

/** What R2 asks for requests of its classes. */
export function storeDollars(classA: number, classB: number): number {
  return (classA * PRICES.classA + classB * PRICES.classB) / 1e6;
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
