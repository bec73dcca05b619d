// `npm run dev [-- --port 8787]`: the whole mesh on this machine, with two stores to copy between and those
// of your own that the shell or a `.env` file names, until Ctrl-C.
//
// Prints the curl commands to try, then wrangler's log. The state (objects, copies, schedules) is kept in
// .wrangler/dev/<port> between runs. There is one per port, because two meshes must never share a folder and
// the stores' endpoints contain the port.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readArguments } from "./command_line.ts";
import { LocalMesh, curlTour, localSecrets, localStores, stopSignal } from "./mesh/local_mesh.ts";
import { ownVariables } from "./mesh/own_variables.ts";
import { claim } from "./store/ports.ts";

const DEFAULT_PORT = 8787;
const PORTS_TRIED = 20;
const ROOT = join(import.meta.dirname, "..");

const HELP = `npm run dev [-- --port 8787]

Runs the whole mesh on this machine, with two local stores, until Ctrl-C. No account is needed.

  --port <number>  Default: the variable PORT, or the first free port from ${DEFAULT_PORT} on
  --help           This text

Stores of your own work beside the local ones, from the shell or from a file .env in this folder:

  STORE_AWS='{"endpoint": "https://s3.eu-central-1.amazonaws.com", "region": "eu-central-1",
    "accessKeyId": "…", "secretAccessKey": "…"}' npm run dev

Any other variable of the mesh may stand in .env. Each start makes another API token and prints it.`;

async function main(): Promise<number> {
  const { values } = readArguments(HELP, { options: { port: { type: "string" } } });
  const own = ownVariables(process.env, envFile(), Object.keys(localSecrets("", "")));
  const port = await choosePort(values.port ?? process.env["PORT"]);
  const stopped = stopSignal();
  const state = join(".wrangler/dev", String(port));
  // Another one each time: a page that has made its name lead here knows it no better than anybody.
  const apiToken = randomBytes(24).toString("base64url");
  const mesh = await LocalMesh.start(
    {
      port,
      apiToken,
      variables: own.variables,
      stateDirectory: join(ROOT, state),
      onLine: (line) => console.log(line),
    },
    stopped,
  );
  try {
    const origin = `http://localhost:${port}`;
    const stores = Object.values(localStores()).map(({ name, bucket }) => `${name} (bucket ${bucket})`);
    console.log(`Bucket Brigade runs at ${origin} with the stores ${stores.join(" and ")}.`);
    for (const name of own.stores) {
      console.log(
        `Your store ${name} is there, too. Try it: curl -X POST -H "$auth" $mesh/stores/${name}/check`,
      );
    }
    for (const name of own.ignored) console.log(`${name} of .env is not used: each start makes another one.`);
    console.log(`Its state is kept in ${state}. Ctrl-C ends it. In another terminal:`);
    for (const { heading, commands } of curlTour(origin, apiToken)) console.log(`\n${heading}\n${commands}`);
    console.log();
    const ended = AbortSignal.any([stopped, mesh.died]);
    if (!ended.aborted) await new Promise((resolve) => ended.addEventListener("abort", resolve));
    if (!stopped.aborted) throw ended.reason;
    return 0;
  } finally {
    await mesh.stop();
  }
}

/** The text of `.env`, or null if there is none. */
function envFile(): string | null {
  try {
    return readFileSync(join(ROOT, ".env"), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** The port given, or the first free one from 8787 on. @throws if the given port is taken */
async function choosePort(asked: string | undefined): Promise<number> {
  if (asked !== undefined && !isPortNumber(asked)) {
    throw new RangeError(`The port must be a number from 1 to 65535, not "${asked}"`);
  }
  const first = asked === undefined ? DEFAULT_PORT : Number(asked);
  let port = first;
  while ((await claim(port)) === null) {
    port += 1;
    if (port === first + PORTS_TRIED) throw new Error(`Ports ${first} to ${port - 1} are all in use`);
  }
  if (port === first) return port;
  if (asked !== undefined) {
    throw new Error(`Port ${first} is in use; a free one is ${port}: npm run dev -- --port ${port}`);
  }
  console.log(`Port ${first} is in use, so this mesh takes port ${port} (and has its own state).\n`);
  return port;
}

function isPortNumber(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
