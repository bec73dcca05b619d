// The mesh under test: the built bundle in real workerd, through the Miniflare class, with its stores configured as
// secrets. Calls go in over HTTP as curl's would, and the bytes go over real loopback HTTP to the test stores.

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { checkAnswer } from "./api_answers.ts";
import { type Answer, MeshClient, READ_TOKEN, TOKEN } from "./mesh_client.ts";
import type { TestStore } from "./store/store.ts";

export {
  type Answer,
  READ_TOKEN,
  type ReportLine,
  type Status,
  type SyncStatus,
  TOKEN,
} from "./mesh_client.ts";

export interface MeshOptions {
  /** The main module. */
  readonly bundlePath: string;
  /** Modules beside it that it imports. */
  readonly modulePaths?: readonly string[];
  readonly stores?: Readonly<Record<string, TestStore>>;
  /** Fields of STORE_<NAME> beside endpoint and credentials. */
  readonly storeFields?: Readonly<Record<string, Record<string, unknown>>>;
  /** Bindings that win over the default ones; null removes one. */
  readonly bindings?: Readonly<Record<string, string | null>>;
  /** Where the Durable Objects are kept between two meshes; default: in memory, gone with this one. */
  readonly directory?: string;
  /** Answers all that the Workers fetch, in place of the network: for host names that no resolver knows. */
  readonly outbound?: (request: IncomingMessage, response: ServerResponse) => void;
}

/** What STORE_<NAME> holds for a test store. */
export function storeSecret(store: TestStore, fields: Readonly<Record<string, unknown>> = {}): string {
  const { endpoint, region, credentials } = store;
  return JSON.stringify({ endpoint, region, ...credentials, ...fields });
}

// A copy is three small databases, and a disk takes its time.
export const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
// The Worker runs under the same rules here and in production.
const CONFIGURATION = readFileSync(join(import.meta.dirname, "../wrangler.toml"), "utf8");
const COMPATIBILITY_DATE = /^compatibility_date = "(.*)"/m.exec(CONFIGURATION)?.[1];
const COMPATIBILITY_FLAGS = /^compatibility_flags = (\[.*\])/m.exec(CONFIGURATION)?.[1] ?? "[]";

/** Each waits for some seconds. */
const EVICTION_TRIES = 5;

export class Mesh extends MeshClient {
  readonly #miniflare: Miniflare;
  readonly #ownDirectory: string | null;
  readonly #pids: readonly number[];
  readonly #secrets: readonly string[];
  /** What the Workers have logged, line by line. */
  readonly logged: readonly string[];

  private constructor(
    miniflare: Miniflare,
    {
      url,
      ownDirectory,
      pids,
      secrets,
      logged,
    }: {
      url: URL;
      ownDirectory: string | null;
      pids: readonly number[];
      secrets: readonly string[];
      logged: readonly string[];
    },
  ) {
    super(url);
    this.#miniflare = miniflare;
    this.#ownDirectory = ownDirectory;
    this.#pids = pids;
    this.#secrets = secrets;
    this.logged = logged;
  }

  static async start(options: MeshOptions): Promise<Mesh> {
    const bindings: Record<string, string> = { API_TOKEN: TOKEN, API_TOKEN_READ: READ_TOKEN };
    for (const [name, store] of Object.entries(options.stores ?? {})) {
      bindings[`STORE_${name.toUpperCase()}`] = storeSecret(store, options.storeFields?.[name]);
    }
    for (const [name, value] of Object.entries(options.bindings ?? {})) {
      if (value === null) delete bindings[name];
      else bindings[name] = value;
    }
    const directory = options.directory ?? mkdtempSync(join(MEMORY, "bucket-brigade-mesh-"));
    const others = new Set(workerdPids());
    const logged: string[] = [];
    const miniflare = new Miniflare({
      ...convertV4MiniflareOptions({
        name: "bucket-brigade",
        modules: [
          ...[options.bundlePath, ...(options.modulePaths ?? [])].map((path) => ({
            type: "ESModule" as const,
            path,
          })),
          ...textsBeside(options.bundlePath).map((path) => ({ type: "Text" as const, path })),
        ],
        modulesRoot: join(options.bundlePath, ".."),
        ...(COMPATIBILITY_DATE === undefined ? {} : { compatibilityDate: COMPATIBILITY_DATE }),
        compatibilityFlags: JSON.parse(COMPATIBILITY_FLAGS) as string[],
        durableObjects: {
          COORDINATOR: { className: "Coordinator", useSQLite: true },
          LANE: { className: "Lane", useSQLite: true },
          PROBE: { className: "Probe", useSQLite: true },
          REGISTRY: { className: "Registry", useSQLite: true },
          SYNC: { className: "Sync", useSQLite: true },
        },
        bindings,
        ...(options.outbound === undefined ? {} : { outboundService: { node: options.outbound } }),
      }),
      resourcePersistencePath: directory,
      handleStructuredLogs: ({ level, message }) => {
        logged.push(message);
        // What is not a line of ours is a complaint of workerd's: whoever runs the tests should see it.
        if (!message.startsWith("{")) console.log(`workerd ${level}: ${message}`);
      },
    });
    const url = await miniflare.ready;
    const pids = workerdPids().filter((pid) => !others.has(pid));
    return new Mesh(miniflare, {
      url,
      ownDirectory: options.directory === undefined ? directory : null,
      pids,
      secrets: secretsOf(bindings),
      logged,
    });
  }

  /** Kills workerd as a power cut would. What is left to do is stop(), and a new start on the same directory. */
  kill(): void {
    for (const pid of this.#pids) process.kill(pid, "SIGKILL");
  }

  /** What workerd holds in memory at this moment. */
  residentBytes(): number {
    const statuses = this.#pids.map((pid) => readFileSync(`/proc/${pid}/status`, "utf8"));
    return statuses.reduce((sum, status) => sum + 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]), 0);
  }

  /** Evicts a Durable Object from memory once it has nothing to do, which on a busy machine may take a while. */
  async evict(className: string, name: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#miniflare.unsafeEvictDurableObject("bucket-brigade", className, { name });
      } catch (error) {
        if (tries === EVICTION_TRIES || !String(error).includes("active references")) throw error;
      }
    }
  }

  /** @throws Error when a secret of the configuration stands in the log */
  async stop(): Promise<void> {
    await this.#miniflare.dispose();
    if (this.#ownDirectory !== null) rmSync(this.#ownDirectory, { recursive: true, force: true });
    for (const line of this.logged) this.#checkSecrets("The log", line);
  }

  /** A call whose answer is as the API describes itself, and without a secret. */
  override async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    request: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer<T>> {
    const answer = await super.call<T>(method, path, request);
    checkAnswer(method, path, answer);
    this.#checkSecrets(`${method} ${path}`, answer.text);
    return answer;
  }

  #checkSecrets(where: string, text: string): void {
    if (this.#secrets.some((secret) => text.includes(secret)))
      throw new Error(`${where} tells a secret: ${text}`);
  }

  async fireCron(at: Date): Promise<void> {
    const worker = await this.#miniflare.getWorker();
    await worker.scheduled({ scheduledTime: at, cron: "* * * * *" });
  }
}

/** What a bundle imports as text: wrangler puts a digest before their names. */
export function textsBeside(bundlePath: string): string[] {
  const directory = dirname(bundlePath);
  const names = readdirSync(directory).filter((name) => /^[0-9a-f]{40}-/.test(name));
  return names.map((name) => join(directory, name));
}

/** What must never be read anywhere: tokens, and what signs. */
function secretsOf(bindings: Readonly<Record<string, string>>): string[] {
  const found: string[] = [];
  for (const [name, value] of Object.entries(bindings)) {
    if (/^(?:API_TOKEN|API_TOKEN_READ|NOTIFY_SECRET)$/.test(name)) found.push(value);
    if (!name.startsWith("STORE_")) continue;
    for (const [, secret] of value.matchAll(/"(?:secretAccessKey|sessionToken)":\s*"([^"]{8,})"/g)) {
      if (secret !== undefined) found.push(secret);
    }
  }
  return found.filter((secret) => secret.length >= 8);
}

/** The workerd processes that this process has started and that live. */
function workerdPids(): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return stat.includes("(workerd)") && Number(parent) === process.pid && state !== "Z";
      } catch (error) {
        if (error instanceof Error && "code" in error) return false; // ended while we looked
        throw error;
      }
    });
}
