// A contest: the mesh and other tools do the same work in turn, for several rounds. Each run measures wall
// time, the CPU time of all processes of the contestant, their peak memory, and the requests to the stores. A
// single time means little on a shared machine; the contestants of one round run under the same conditions.
//
// What it needs: Linux (/proc), bash, and the tools on the PATH. A missing tool is null.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { setInterval } from "node:timers";
import { type Requests, type Store, cpuSecondsOf, median, requestsOf } from "./measure.ts";
import { forgetPeak, peakBytes } from "../mesh/memory.ts";
import type { MeshClient, Status } from "../mesh/mesh_client.ts";
import type { SyncStatus } from "../../src/view/answers.ts";
import type { ComparisonStatus } from "../../src/view/comparison_answers.ts";

export interface Run {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMib: number;
}

/** A run, and the requests that it sent to the stores. */
export interface Measured extends Run {
  readonly requests: Requests;
}

export interface Contestant {
  readonly name: string;
  run(): Promise<Run>;
}

/** Runs every contestant once per round, in order. */
export async function compete(
  contestants: readonly Contestant[],
  { rounds, stores }: { readonly rounds: number; readonly stores: readonly Store[] },
  describe: (run: Run) => string,
): Promise<Map<string, Measured[]>> {
  const runs = new Map<string, Measured[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const { name, run } of contestants) {
      const before = await requestsOf(stores);
      const measured = { ...(await run()), requests: difference(await requestsOf(stores), before) };
      runs.get(name)?.push(measured);
      const { seconds, cpuSeconds, peakMib } = measured;
      const cost = `${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s CPU, peak ${peakMib.toFixed(0)} MiB`;
      console.log(`round ${round}  ${name.padEnd(40)} ${describe(measured)}, ${cost}`);
    }
  }
  return runs;
}

function difference(after: Requests, before: Requests): Requests {
  return Object.fromEntries(
    Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]),
  );
}

/** Requests of the median run, of one operation or of all. */
export function medianRequests(runs: readonly Measured[], operation?: string): number {
  const of = ({ requests }: Measured) =>
    operation === undefined
      ? Object.entries(requests).reduce((sum, [name, count]) => sum + (name === "refused" ? 0 : count), 0)
      : (requests[operation] ?? 0);
  return median(runs.map(of));
}

/** What a bench has found. `ratio` is the value divided by that of `against`. */
export interface Outcome {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly ratio?: number;
  readonly against?: string;
}

/** All that was found so far, for targets.ts. */
export const outcomes: Outcome[] = [];

/** Keeps it, and prints the line for machines. */
export function result(fields: Outcome): void {
  outcomes.push(fields);
  const rounded = Number(fields.value.toPrecision(4));
  const ratio = fields.ratio === undefined ? {} : { ratio: Number(fields.ratio.toFixed(3)) };
  console.log(`RESULT ${JSON.stringify({ ...fields, value: rounded, ...ratio })}`);
}

export function medianOf(runs: readonly Run[] | undefined, of: (run: Run) => number): number {
  return median((runs ?? []).map(of));
}

/** Whether this machine has the tool. Prints it if not, so that nobody overlooks an absent contestant. */
export function hasTool(name: string): boolean {
  const found = spawnSync("bash", ["-c", 'command -v "$0"', name]).status === 0;
  if (!found) console.log(`ABSENT ${name}: not installed, so not measured`);
  return found;
}

/** What workerd takes for one piece of work. */
export async function measureWorkerd(
  { pid }: { readonly pid: number },
  work: () => Promise<unknown>,
): Promise<Run> {
  forgetPeak(pid);
  const before = cpuSecondsOf(pid);
  const startedAt = performance.now();
  await work();
  const seconds = (performance.now() - startedAt) / 1000;
  return { seconds, cpuSeconds: cpuSecondsOf(pid) - before, peakMib: peakBytes(pid) / 2 ** 20 };
}

/** A copy or a sync from its start to its end. @throws if it does not complete */
export async function complete(
  mesh: MeshClient,
  path: "/copies",
  body: Record<string, unknown>,
): Promise<Status>;
export async function complete(
  mesh: MeshClient,
  path: "/syncs",
  body: Record<string, unknown>,
): Promise<SyncStatus>;
export async function complete(
  mesh: MeshClient,
  path: "/comparisons",
  body: Record<string, unknown>,
): Promise<ComparisonStatus>;
export async function complete(
  mesh: MeshClient,
  path: "/copies" | "/syncs" | "/comparisons",
  body: Record<string, unknown>,
): Promise<Status | SyncStatus | ComparisonStatus> {
  const id = await STARTS[path](mesh, body);
  for (;;) {
    const answer = await mesh.call<Status | SyncStatus | ComparisonStatus>("GET", `${path}/${id}?wait=60`);
    const { body: status } = answer;
    if (["completed", "equal", "different", "inconclusive"].includes(status.phase)) return status;
    if (["finished_with_errors", "failed", "cancelled", "blocked"].includes(status.phase))
      throw new Error(`${path}/${id} ended ${status.phase}: ${JSON.stringify(status)}`);
  }
}

const STARTS = {
  "/copies": async (mesh: MeshClient, body: Record<string, unknown>) => await mesh.startCopy(body),
  "/syncs": async (mesh: MeshClient, body: Record<string, unknown>) => await mesh.startSync(body),
  "/comparisons": async (mesh: MeshClient, body: Record<string, unknown>) => await mesh.startComparison(body),
};

const SAMPLE_MS = 100;

/**
 * What a shell script and all its children take. Their memory is sampled, so a short peak may be missed.
 *
 * @param env everything that the tools may see, beside PATH and HOME: settings in the environment are not the
 * bench's
 */
export async function measureTool(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const startedAt = performance.now();
  // Not spawnSync: it would keep this process from noticing that an idle connection to the mesh was closed.
  const child = spawn(
    "bash",
    ["-c", `set -o pipefail; ${script}; code=$?; times; exit $code`, "bench", ...args],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], LC_ALL: "C", ...env },
    },
  );
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => void (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => void (stderr = (stderr + text).slice(-2000)));
  let peakKib = 0;
  const { pid } = child;
  const sampling = setInterval(() => {
    if (pid !== undefined) peakKib = Math.max(peakKib, residentKibBelow(pid));
  }, SAMPLE_MS);
  const [status] = (await once(child, "close")) as [number | null];
  clearInterval(sampling);
  const seconds = (performance.now() - startedAt) / 1000;
  if (status !== 0) throw new Error(`The tool ended with ${status}: ${script}\n${stderr}`);
  // bash's `times`: its own, then that of its children, user and system.
  const children = stdout.trim().split("\n").at(-1) ?? "";
  const cpuSeconds = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, parts]) => sum + Number(minutes) * 60 + Number(parts),
    0,
  );
  return { seconds, cpuSeconds, peakMib: peakKib / 1024 };
}

/** Resident memory of a process and all its descendants. */
function residentKibBelow(root: number): number {
  const children = new Map<number, number[]>();
  const resident = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const status = statusOf(entry);
    if (status === null) continue;
    const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    resident.set(Number(entry), Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0));
  }
  let sum = 0;
  for (const queue = [root]; queue.length > 0;) {
    const pid = queue.pop() ?? root;
    sum += resident.get(pid) ?? 0;
    queue.push(...(children.get(pid) ?? []));
  }
  return sum;
}

function statusOf(entry: string): string | null {
  try {
    return readFileSync(`/proc/${entry}/status`, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH"))
      return null;
    throw error;
  }
}

/** S3 remotes for rclone, set by its environment. */
export function rcloneRemotes(stores: Readonly<Record<string, Store>>): Record<string, string> {
  const env: Record<string, string> = { RCLONE_CONFIG: "/dev/null" };
  for (const [name, { endpoint, region, credentials }] of Object.entries(stores)) {
    const remote = `RCLONE_CONFIG_${name}_`;
    Object.assign(env, {
      [`${remote}TYPE`]: "s3",
      [`${remote}PROVIDER`]: "Other",
      [`${remote}LIST_VERSION`]: "2",
      [`${remote}LIST_URL_ENCODE`]: "true",
      [`${remote}ENDPOINT`]: endpoint,
      [`${remote}REGION`]: region,
      [`${remote}ACCESS_KEY_ID`]: credentials.accessKeyId,
      [`${remote}SECRET_ACCESS_KEY`]: credentials.secretAccessKey,
    });
  }
  return env;
}
