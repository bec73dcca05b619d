// What the benches share: stores in processes of their own, CPU time and memory of a process from /proc,
// medians. Linux.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface Store {
  readonly process: ChildProcess;
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** How often each operation was requested, and as `refused` what a limited rate has turned away. */
export type Requests = Readonly<Record<string, number>>;

/** Ticks of /proc/<pid>/stat per second: fixed at 100 by Linux's interface to user space. */
const TICKS_PER_SECOND = 100;

/** A test store in a process of its own. @param program below test/, which prints where it listens */
export async function startStore(options: readonly string[], program = "store/serve.ts"): Promise<Store> {
  const serve = join(import.meta.dirname, "..", program);
  const child = spawn(process.execPath, [serve, ...options], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  if (child.stdout === null) throw new Error(`${program} has no standard output`);
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const { endpoint, region, ...credentials } = JSON.parse(line) as {
    endpoint: string;
    region: string;
  } & Store["credentials"];
  return { process: child, endpoint, region, credentials };
}

/** The requests to the stores so far, in total. */
export async function requestsOf(stores: readonly Store[]): Promise<Requests> {
  const sums: Record<string, number> = {};
  for (const { process: child } of new Set(stores)) {
    const answered = once(child, "message") as Promise<[Requests]>;
    child.send("requests");
    for (const [operation, count] of Object.entries((await answered)[0]))
      sums[operation] = (sums[operation] ?? 0) + count;
  }
  return sums;
}

export function cpuSecondsOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // proc(5): the name, in parentheses, may contain anything; utime and stime are fields 14 and 15.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const [low = NaN, high = NaN] = [(sorted.length - 1) / 2, sorted.length / 2].map(
    (middle) => sorted[Math.floor(middle)] ?? Number.NaN,
  );
  return (low + high) / 2;
}

export function spread(numbers: readonly number[], digits: number): string {
  const text = [median(numbers), Math.min(...numbers), Math.max(...numbers)].map((number) =>
    number.toFixed(digits),
  );
  return `${text[0]} (${text[1]} to ${text[2]})`;
}
