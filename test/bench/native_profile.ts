// Where the CPU of a process goes by its native code, as `perf` samples it (Debian: linux-perf): what is the
// runtime's own, below all JavaScript. A sample belongs to the first row of PARTS that knows its symbol.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

interface Sample {
  /** The file that the code is in; what V8 has compiled is in none. */
  readonly object: string;
  readonly symbol: string;
  readonly inKernel: boolean;
}

const named =
  (pattern: RegExp) =>
  ({ symbol }: Sample) =>
    pattern.test(symbol);

const PARTS: readonly (readonly [name: string, holds: (sample: Sample) => boolean])[] = [
  ["kernel: sockets, timers", ({ inKernel }) => inKernel],
  ["compiled JavaScript", ({ object }) => object.startsWith("[JIT]")],
  ["MD5 and other digests", named(/md5|sha256|sha512|crc/i)],
  ["bytes copied from buffer to buffer", named(/memmove|memcpy|Blocked(?:Write|Read)/)],
  ["SQLite", named(/sqlite/i)],
  ["HTTP (hyper, tokio)", named(/hyper|tokio|httparse|kj_rs|<http/)],
  ["memory taken and given back", named(/tcmalloc/i)],
  [
    "V8: garbage collection",
    named(/Scaveng|HeapTracer|cppgc|Sweep|Mark(?:ing|er)|GlobalHandles|internal::Heap::/),
  ],
  ["V8: builtins and runtime", named(/^Builtins_|v8::/)],
  ["workerd: its objects, streams, events", named(/workerd|kj|capnp/)],
];

export const NATIVE_PARTS: readonly string[] = PARTS.map(([name]) => name);

/** Of all samples, by part; what is left out of 1 has no part. */
export type NativeShares = ReadonlyMap<string, number>;

/** @throws Error if perf may not look at the process */
export async function nativeShares(
  { pid, directory }: { readonly pid: number; readonly directory: string },
  work: () => Promise<void>,
): Promise<NativeShares> {
  const file = join(directory, "perf.data");
  const perf = spawn("perf", ["record", "-q", "-F", "499", "-p", String(pid), "-o", file], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = once(perf, "exit");
  await work();
  perf.kill("SIGINT");
  await ended;
  return sharesOf(reportOf(file));
}

/** Lines of ` 1.25%|workerd   |[.] symbol`. */
function reportOf(file: string): string {
  const form = ["--no-children", "--sort", "dso,sym", "-F", "overhead,dso,sym", "-t", "|", "--stdio", "-q"];
  return execFileSync("perf", ["report", "-i", file, ...form], {
    encoding: "utf8",
    maxBuffer: 64 * 2 ** 20,
    stdio: ["ignore", "pipe", "ignore"],
  });
}

function sharesOf(report: string): NativeShares {
  const shares = new Map<string, number>();
  for (const line of report.split("\n")) {
    const [percent = "", object = "", place = ""] = line.split("|").map((field) => field.trim());
    const found = /^\[(.)\]\s+(.*)$/.exec(place);
    if (found === null) continue;
    const [, mode, symbol = ""] = found;
    const sample = { object, symbol, inKernel: mode === "k" };
    const part = PARTS.find(([, holds]) => holds(sample))?.[0];
    if (part !== undefined) shares.set(part, (shares.get(part) ?? 0) + Number.parseFloat(percent) / 100);
  }
  return shares;
}
