// `npm run smoke`: the acceptance test of a deployed mesh in one command, for anybody with an account.
// `--help` says how.
//
// With `--local` it tests the mesh of `npm run dev`, on a port of its own, and leaves nothing behind.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { LocalMesh, localSecrets, localStores, stopSignal } from "../mesh/local_mesh.ts";
import { claimPort, onOtherPorts } from "../store/ports.ts";
import { readFlags, readOptions, USAGE, UsageError, withSecrets } from "./options.ts";
import { runSmoke } from "./run.ts";

async function main(): Promise<number> {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) {
    console.log(USAGE);
    return 0;
  }
  const signal = stopSignal();
  if (flags.local) return await runLocally(flags.values, signal);
  const options = readOptions(flags.values, environment(flags.secretsFile));
  const fireCron = options.isLocal ? async (at: Date) => await fireLocalCron(options.mesh, at) : null;
  return await runSmoke(options, { print: console.log, signal, fireCron });
}

function environment(path: string | null): NodeJS.ProcessEnv {
  if (path === null) return process.env;
  try {
    return withSecrets(readFileSync(path, "utf8"), process.env);
  } catch (error) {
    throw new UsageError(
      `--secrets ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

async function runLocally(
  values: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<number> {
  const apiToken = randomBytes(16).toString("hex");
  const mesh = await onOtherPorts(async () => {
    const { port } = await claimPort();
    return await LocalMesh.start({ port, apiToken }, signal);
  });
  try {
    const { east, west } = localStores();
    const own = {
      mesh: mesh.origin,
      source: `${east.name}:${east.bucket}/smoke`,
      destination: `${west.name}:${west.bucket}/smoke`,
    };
    const options = readOptions({ ...values, ...own }, localSecrets(mesh.origin, apiToken));
    const ended = AbortSignal.any([signal, mesh.died]);
    const fireCron = async (at: Date) => await fireLocalCron(options.mesh, at);
    return await runSmoke(options, { print: console.log, signal: ended, fireCron });
  } finally {
    await mesh.stop();
  }
}

/** wrangler has no clock for Cron Triggers; it fires one on request. */
async function fireLocalCron(mesh: URL, at: Date): Promise<void> {
  const query = new URLSearchParams({ cron: "* * * * *", time: String(at.getTime()) });
  const response = await fetch(new URL(`/cdn-cgi/handler/scheduled?${query}`, mesh));
  const text = await response.text();
  if (!response.ok) throw new Error(`the Cron Trigger cannot be fired: ${response.status} ${text}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = isUsage ? 2 : 1;
}
