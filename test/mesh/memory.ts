// What a process holds in memory, from /proc. Linux.

import { readFileSync, writeFileSync } from "node:fs";

/** What it holds now. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** From now on peakBytes() tells of what comes. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** The most that it has held since forgetPeak(): the kernel's own account, which misses no moment. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

function statusBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
}
