// What the benches share: stores in processes of their own, CPU time and memory of a process by /proc, medians. Linux.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface Store {
  readonly process: ChildProcess;
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Ticks of /proc/<pid>/stat per second: fixed at 100 by Linux's interface to user space. */
const TICKS_PER_SECOND = 100;

/** A test store in a process of its own. @param program below test/, which prints where it listens */
export async function startStore(options: readonly string[], program = "store/serve.ts"): Promise<Store> {
  const serve = join(import.meta.dirname, program);
  const child = spawn(process.execPath, [serve, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const { endpoint, region, ...credentials } = JSON.parse(line) as {
    endpoint: string;
    region: string;
  } & Store["credentials"];
  return { process: child, endpoint, region, credentials };
}

export function storeSecret(
  { endpoint, region, credentials }: Store,
  fields: Record<string, unknown> = {},
): string {
  return JSON.stringify({ endpoint, region, ...credentials, ...fields });
}

/** The workerd that this process has started. */
export function workerdPid(): number {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = readStat(Number(entry));
    if (stat !== null && stat.name.includes("workerd") && stat.parent === process.pid) return Number(entry);
  }
  throw new Error("Cannot find the workerd process that was started");
}

export function cpuSecondsOf(pid: number): number {
  const stat = readStat(pid);
  if (stat === null) throw new Error(`Process ${pid} is gone`);
  return stat.cpuTicks / TICKS_PER_SECOND;
}

/** Name, parent and CPU time by proc(5): fields 2, 4, and 14 + 15; null when the process has just ended. */
function readStat(pid: number): { name: string; parent: number; cpuTicks: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const name = text.slice(text.indexOf("(") + 1, text.lastIndexOf(")"));
    return { name, parent: Number(fields[1]), cpuTicks: Number(fields[11]) + Number(fields[12]) };
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH"))
      return null;
    throw error;
  }
}

export function peakMibOf(pid: number): number {
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(peak) / 1024;
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function spread(numbers: readonly number[], digits: number): string {
  const text = [median(numbers), Math.min(...numbers), Math.max(...numbers)].map((number) =>
    number.toFixed(digits),
  );
  return `${text[0]} (${text[1]} to ${text[2]})`;
}
