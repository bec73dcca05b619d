// One workerd with the mesh in it and nothing else, so that what a request costs here is what the mesh costs.
//
// What it needs: the bundle that wrangler builds, and the workerd that wrangler installs. Compatibility date,
// flags and classes are those of wrangler.toml, so the Worker runs under the same rules as in production.
// Durable Objects keep their SQLite in a directory, and alarms are workerd's own. A second Worker, on a port
// of its own, does what Cloudflare does from outside: it fires the Cron Trigger and evicts Durable Objects.
//
// Invariant: no process and no temporary folder outlives stop(), and no process outlives this one. It knows
// nothing of the mesh's API.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { type Interface, createInterface } from "node:readline";
import { Readable } from "node:stream";
import { CF_HEADER } from "../edge/rules.ts";
import { Inspector } from "./inspector.ts";

export interface WorkerdOptions {
  /** The main module. */
  readonly bundlePath: string;
  /** Modules that the main module imports, beside it. */
  readonly modulePaths?: readonly string[];
  /** Secrets and variables. */
  readonly bindings: Readonly<Record<string, string>>;
  /** Where Durable Objects are kept from one mesh to the next. Default: in memory, lost with this one. */
  readonly directory?: string;
  /** The loopback port of a proxy for everything that the Workers fetch. Default: no proxy. */
  readonly proxyPort?: number;
  /** With an inspector of its V8 (inspector.ts). Default: without. */
  readonly inspect?: boolean;
}

// A copy is three small databases, and a disk is slow.
export const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

// The package has the path of the executable for this machine, but no types.
const { default: WORKERD } = createRequire(import.meta.url)("workerd") as { default: string };
const CONFIGURATION = readFileSync(join(import.meta.dirname, "../../wrangler.toml"), "utf8");
const COMPATIBILITY_DATE = /^compatibility_date = "(.*)"/m.exec(CONFIGURATION)?.[1] ?? "";
const COMPATIBILITY_FLAGS = listOf(/^compatibility_flags = (\[.*\])/m.exec(CONFIGURATION)?.[1]);
/** Durable Object classes that the configuration names. */
export const CLASSES: readonly string[] = [
  ...new Set(
    [...CONFIGURATION.matchAll(/^new_sqlite_classes = (\[.*\])/gm)].flatMap(([, names]) => listOf(names)),
  ),
];

/**
 * An isolate's memory on the platform (https://developers.cloudflare.com/workers/platform/limits/, 2026-11).
 * Here only its heap ends there, and workerd with it: buffers outside the heap are not counted.
 */
const ISOLATE_MIB = 128;

const CONTROL = `
import unsafe from "workerd:unsafe";
export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    try {
      if (pathname === "/evict") {
        await unsafe.evict(env[searchParams.get("class")].getByName(searchParams.get("name")));
        return new Response("ok");
      }
      if (pathname === "/queue") {
        const bodies = await request.json();
        const timestamp = new Date();
        const messages = bodies.map((body, index) => ({ id: String(index), timestamp, attempts: 1, body }));
        return Response.json(await env.MESH.queue(searchParams.get("name"), messages));
      }
      const scheduledTime = new Date(Number(searchParams.get("at")));
      return new Response((await env.MESH.scheduled({ scheduledTime, cron: searchParams.get("cron") })).outcome);
    } catch (error) {
      return new Response(String(error));
    }
  },
};
`;

/** The fields of workerd's own answer that are used here. */
export interface QueueResult {
  readonly outcome: string;
  readonly explicitAcks: readonly string[];
  readonly retryMessages: readonly { readonly msgId: string }[];
}

interface Started {
  readonly child: ChildProcess & { readonly pid: number };
  readonly ended: Promise<unknown>;
  readonly directory: string;
  readonly ports: Ports;
  readonly logged: readonly string[];
}

const SOCKETS = ["mesh", "control"] as const;
type Socket = (typeof SOCKETS)[number];
type Ports = Readonly<Record<Socket, string>> & { readonly inspector: string | null };

export class Workerd {
  readonly url: URL;
  readonly pid: number;
  /** What the Workers have logged, line by line. */
  readonly logged: readonly string[];
  readonly #started: Started;

  private constructor(started: Started) {
    this.url = new URL(`http://127.0.0.1:${started.ports.mesh}`);
    this.pid = started.child.pid;
    this.logged = started.logged;
    this.#started = started;
  }

  /** @throws Error if workerd ends instead, with its output */
  static async start(options: WorkerdOptions): Promise<Workerd> {
    const directory = mkdtempSync(join(MEMORY, "bucket-brigade-workerd-"));
    writeFileSync(join(directory, "workerd.capnp"), configurationOf(directory, options));
    writeFileSync(join(directory, "control.js"), CONTROL);
    const inspects = options.inspect === true ? ["--inspector-addr=127.0.0.1:0"] : [];
    const child = spawn(
      WORKERD,
      ["serve", "--experimental", "--control-fd=3", ...inspects, join(directory, "workerd.capnp")],
      { stdio: ["ignore", "pipe", "pipe", "pipe"], env: { ...process.env, TZ: "UTC" } },
    );
    const ended = once(child, "close");
    const logged: string[] = [];
    const [, output, errors, control] = child.stdio;
    for (const stream of [output, errors]) linesOf(stream).on("line", (line) => readLogLine(line, logged));
    const ports = await Promise.race([
      portsOf(linesOf(control), inspects.length > 0),
      ended.then(() => null),
    ]);
    const { pid } = child;
    if (ports === null || pid === undefined) throw new Error(`workerd did not start:\n${logged.join("\n")}`);
    const onExit = () => child.kill("SIGKILL");
    process.once("exit", onExit);
    void ended.finally(() => process.off("exit", onExit));
    return new Workerd({ child: Object.assign(child, { pid }), ended, directory, ports, logged });
  }

  /** As a power cut would. Afterwards call stop() and start a new one on the same directory. */
  kill(): void {
    this.#started.child.kill("SIGKILL");
  }

  async stop(): Promise<void> {
    const { ended, directory } = this.#started;
    this.kill();
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }

  /** Fires the Cron Trigger. @returns how the Worker's handler ended: "ok" or another outcome */
  async fireCron(at: Date, cron: string): Promise<string> {
    return await this.#control(`/cron?${new URLSearchParams({ at: String(at.getTime()), cron })}`);
  }

  /** Delivers messages as a Queue does. @returns what became of them, by their places in the list */
  async deliver(queue: string, bodies: readonly unknown[]): Promise<QueueResult> {
    const path = `/queue?${new URLSearchParams({ name: queue })}`;
    const text = await this.#control(path, { method: "POST", body: JSON.stringify(bodies) });
    if (!text.startsWith("{")) throw new Error(text);
    return JSON.parse(text) as QueueResult;
  }

  /** Evicts a Durable Object from memory. @returns "ok", or the reason why it stays */
  async evict(className: string, name: string): Promise<string> {
    return await this.#control(`/evict?${new URLSearchParams({ class: className, name })}`);
  }

  /** @throws Error if workerd was started without one */
  async inspector(): Promise<Inspector> {
    const { inspector } = this.#started.ports;
    if (inspector === null) throw new Error("This workerd was started without an inspector");
    return await Inspector.connect(inspector, "mesh");
  }

  async #control(path: string, init: RequestInit = {}): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.#started.ports.control}${path}`, init)).text();
  }
}

/** Files that a bundle imports as text: wrangler puts a digest in front of their names. */
export function textsBeside(bundlePath: string): string[] {
  const directory = dirname(bundlePath);
  const names = readdirSync(directory).filter((name) => /^[0-9a-f]{40}-/.test(name));
  return names.map((name) => join(directory, name));
}

function listOf(json: string | undefined): string[] {
  return json === undefined ? [] : (JSON.parse(json) as string[]);
}

/** A line is JSON with a log line of the mesh as its message, or a message of workerd's own. */
function readLogLine(line: string, logged: string[]): void {
  const { level, message } = line.startsWith("{")
    ? (JSON.parse(line) as { level: string; message: string })
    : { level: "says", message: line };
  logged.push(message);
  // A complaint of workerd's. It is printed, so that the person who runs the tests sees it.
  if (!message.startsWith("{")) console.log(`workerd ${level}: ${message}`);
}

function linesOf(input: unknown): Interface {
  if (!(input instanceof Readable)) throw new TypeError("workerd was started without this pipe");
  return createInterface({ input });
}

/** workerd reports on its control channel, in lines of JSON, on which ports it listens. */
async function portsOf(lines: Interface, inspects: boolean): Promise<Ports | null> {
  const found = new Map<string, string>();
  for await (const line of lines) {
    const { event, socket, port } = JSON.parse(line) as { event: string; socket?: string; port?: number };
    if (event === "listen" && socket !== undefined) found.set(socket, String(port));
    if (event === "listen-inspector") found.set("inspector", String(port));
    const [mesh, theControl] = SOCKETS.map((name) => found.get(name));
    const inspector = found.get("inspector") ?? null;
    if (inspects && inspector === null) continue;
    if (mesh !== undefined && theControl !== undefined) return { mesh, control: theControl, inspector };
  }
  return null;
}

function configurationOf(directory: string, options: WorkerdOptions): string {
  const { bundlePath, modulePaths = [] } = options;
  // As many as one process has use for.
  const bindings = { MAX_LANES: "8", ...options.bindings };
  const objects = options.directory ?? join(directory, "objects");
  mkdirSync(objects, { recursive: true });
  const modules = [
    ...[bundlePath, ...modulePaths].map((path) => ({ path, kind: "esModule" })),
    ...textsBeside(bundlePath).map((path) => ({ path, kind: "text" })),
  ].map(({ path, kind }) => {
    // Cap'n Proto embeds files from its own folder.
    copyFileSync(path, join(directory, basename(path)));
    return `(name = ${quote(basename(path))}, ${kind} = embed ${quote(basename(path))})`;
  });
  const namespaces = CLASSES.map(
    (name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`,
  );
  const texts = Object.entries(bindings).map(
    ([name, text]) => `(name = ${quote(name)}, text = ${quote(text)})`,
  );
  const controlled = CLASSES.map(
    (name) => `(name = "${name}", durableObjectNamespace = (className = "${name}", serviceName = "mesh"))`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "mesh", worker = .mesh),
    (name = "control", worker = .control),
    (name = "objects", disk = (path = ${quote(objects)}, writable = true)),
    (name = "internet", ${networkOf(options.proxyPort)}),
  ],
  sockets = ${list(SOCKETS.map((name) => `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`))},
  structuredLogging = true,
  v8Flags = ["--max-heap-size=${ISOLATE_MIB}"],
);
const mesh :Workerd.Worker = (
  modules = ${list(modules)},
  compatibilityDate = ${quote(COMPATIBILITY_DATE)},
  compatibilityFlags = ${list(COMPATIBILITY_FLAGS.map(quote))},
  durableObjectNamespaces = ${list(namespaces)},
  durableObjectStorage = (localDisk = "objects"),
  bindings = ${list(texts)},
);
const control :Workerd.Worker = (
  modules = [(name = "control.js", esModule = embed "control.js")],
  compatibilityDate = ${quote(COMPATIBILITY_DATE)},
  compatibilityFlags = ["unsafe_module", "service_binding_extra_handlers"],
  bindings = [(name = "MESH", service = "mesh"), ${controlled.join(", ")}],
);
`;
}

/** A proxied request names the whole URL and, beside it, what the Worker wants of the cache. */
function networkOf(proxyPort: number | undefined): string {
  return proxyPort === undefined
    ? 'network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))'
    : `external = (address = "127.0.0.1:${proxyPort}", http = (style = proxy, cfBlobHeader = "${CF_HEADER}"))`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function list(items: readonly string[]): string {
  return `[${items.join(", ")}]`;
}
