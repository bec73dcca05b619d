// The mesh in workerd and nothing else, for measuring: under Miniflare every request to a store passes through a Worker
// of Miniflare's own, which production does not have and which costs about as much as one of ours.
//
// What it needs: the bundle that wrangler builds, and the workerd that wrangler brings. Durable Objects keep their SQLite
// under /dev/shm, alarms are workerd's own.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { MEMORY } from "./mesh.ts";
import { MeshClient, TOKEN } from "./mesh_client.ts";

// The package tells the path of the executable for this machine; it has no types.
const { default: WORKERD } = createRequire(import.meta.url)("workerd") as { default: string };
const CONFIGURATION = readFileSync(join(import.meta.dirname, "../wrangler.toml"), "utf8");
const COMPATIBILITY_DATE = /^compatibility_date = "(.*)"/m.exec(CONFIGURATION)?.[1] ?? "";
const CLASSES = [
  ...new Set(
    [...CONFIGURATION.matchAll(/^new_sqlite_classes = (\[.*\])/gm)].flatMap(
      ([, names = "[]"]) => JSON.parse(names) as string[],
    ),
  ),
];

export class BareMesh extends MeshClient {
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly pid: number;

  private constructor(url: URL, child: ChildProcess, directory: string) {
    super(url);
    if (child.pid === undefined) throw new Error("workerd has no process ID");
    this.#process = child;
    this.#directory = directory;
    this.pid = child.pid;
  }

  /** @param bundlePath as buildBundle() answers it @param bindings secrets and variables beside API_TOKEN */
  static async start(bundlePath: string, bindings: Readonly<Record<string, string>>): Promise<BareMesh> {
    const directory = mkdtempSync(join(MEMORY, "bucket-brigade-bare-"));
    mkdirSync(join(directory, "objects"));
    // Cap'n Proto embeds files from beside its own.
    cpSync(dirname(bundlePath), directory, { recursive: true });
    const configuration = join(directory, "workerd.capnp");
    writeFileSync(configuration, configurationOf(directory, { API_TOKEN: TOKEN, ...bindings }));
    const child = spawn(WORKERD, ["serve", "--experimental", "--control-fd=3", configuration], {
      stdio: ["ignore", "inherit", "ignore", "pipe"],
    });
    const control = child.stdio[3] as Readable;
    const port = await Promise.race([
      portOf(control),
      once(child, "exit").then(() => Promise.reject(new Error("workerd has ended"))),
    ]);
    return new BareMesh(new URL(`http://127.0.0.1:${port}`), child, directory);
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** workerd tells on its control channel, in JSON, on which port it listens. */
async function portOf(control: Readable): Promise<string> {
  let text = "";
  for await (const chunk of control.setEncoding("utf8")) {
    text += String(chunk);
    const port = /"port":(\d+)/.exec(text)?.[1];
    if (port !== undefined) return port;
  }
  throw new Error(`workerd listens nowhere: ${text}`);
}

function configurationOf(directory: string, bindings: Readonly<Record<string, string>>): string {
  const modules = readdirSync(directory)
    .filter((name) => isText(name) || name.endsWith(".js"))
    .toSorted((a, b) => Number(b === "front.js") - Number(a === "front.js"))
    .map((name) => `(name = ${quote(name)}, ${isText(name) ? "text" : "esModule"} = embed ${quote(name)})`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "mesh", worker = .mesh),
    (name = "objects", disk = (path = ${quote(join(directory, "objects"))}, writable = true)),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "mesh")],
);
const mesh :Workerd.Worker = (
  modules = ${list(modules)},
  compatibilityDate = ${quote(COMPATIBILITY_DATE)},
  durableObjectNamespaces = ${list(CLASSES.map((name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`))},
  durableObjectStorage = (localDisk = "objects"),
  bindings = ${list(Object.entries(bindings).map(([name, text]) => `(name = ${quote(name)}, text = ${quote(text)})`))},
);
`;
}

/** Wrangler puts a digest before the names of what a bundle imports as text. */
function isText(name: string): boolean {
  return /^[0-9a-f]{40}-/.test(name);
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function list(items: readonly string[]): string {
  return `[${items.join(", ")}]`;
}
