// The mesh under test: the built bundle in real workerd, through the Miniflare class, with its stores configured as
// secrets. Calls go in over HTTP as curl's would, and the bytes go over real loopback HTTP to the test stores.

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import type { TestStore } from "./store/store.ts";

export const TOKEN = "test-token";
export const READ_TOKEN = "test-read-token";

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

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON. */
  readonly body: T;
}

/** A status, as far as tests look into it. */
export interface Status {
  readonly id: string;
  readonly phase: string;
  readonly size: number | null;
  readonly partSize: number | null;
  readonly parts: {
    readonly total: number | null;
    readonly done: number;
    readonly inFlight: number;
    readonly failedAttempts: number;
  };
  readonly bytes: { readonly done: number; readonly total: number | null };
  readonly attempts: number;
  readonly proof?: string;
  readonly etag?: string;
  readonly failure?: { readonly code: string; readonly message: string; readonly storeCode?: string };
  readonly warnings: readonly string[];
  readonly timeline: readonly { readonly event: string; readonly detail?: string }[];
}

/** A status of a sync, as far as tests look into it. */
export interface SyncStatus {
  readonly id: string;
  readonly phase: string;
  readonly objects: Readonly<
    Record<"listed" | "copied" | "skipped" | "failed" | "wouldCopy" | "underWay", number>
  >;
  readonly bytes: Readonly<Record<"listed" | "copied", number>>;
  readonly skippedBy: Readonly<Record<string, number>>;
  readonly deletes: {
    readonly destinationObjects: number;
    readonly extra: number;
    readonly deleted: number;
    readonly failed: number;
    readonly wouldDelete?: number;
  };
  readonly inFlight: {
    readonly batches: number;
    readonly largeRunning: number;
    readonly largeWaiting: number;
  };
  readonly failures: readonly { readonly key: string; readonly code: string; readonly attempts: number }[];
  readonly warnings: readonly string[];
  readonly failure?: { readonly code: string; readonly message: string };
  readonly report: { readonly parts: number; readonly bytes: number; readonly storedAt: string };
  readonly timeline: readonly { readonly event: string; readonly detail?: string }[];
}

/** A line of a sync's report. */
export interface ReportLine {
  readonly key: string;
  readonly action: string;
  readonly reason?: string;
  readonly size: number;
  readonly proof?: string;
  readonly etag?: string;
  readonly attempts?: number;
  readonly warnings?: readonly string[];
}

/** What STORE_<NAME> holds for a test store. */
export function storeSecret(store: TestStore, fields: Readonly<Record<string, unknown>> = {}): string {
  const { endpoint, region, credentials } = store;
  return JSON.stringify({ endpoint, region, ...credentials, ...fields });
}

const POLL_MS = 20;
// A copy is three small databases, and a disk takes its time.
export const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
// The Worker runs under the same rules here and in production.
const CONFIGURATION = readFileSync(join(import.meta.dirname, "../wrangler.toml"), "utf8");
const COMPATIBILITY_DATE = /^compatibility_date = "(.*)"/m.exec(CONFIGURATION)?.[1];
const COMPATIBILITY_FLAGS = /^compatibility_flags = (\[.*\])/m.exec(CONFIGURATION)?.[1] ?? "[]";

export class Mesh {
  readonly #miniflare: Miniflare;
  readonly #ownDirectory: string | null;
  readonly #pids: readonly number[];
  readonly url: URL;

  private constructor(
    miniflare: Miniflare,
    { url, ownDirectory, pids }: { url: URL; ownDirectory: string | null; pids: readonly number[] },
  ) {
    this.#miniflare = miniflare;
    this.#ownDirectory = ownDirectory;
    this.#pids = pids;
    this.url = url;
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
    const miniflare = new Miniflare({
      ...convertV4MiniflareOptions({
        name: "bucket-brigade",
        modules: [options.bundlePath, ...(options.modulePaths ?? [])].map((path) => ({
          type: "ESModule" as const,
          path,
        })),
        modulesRoot: join(options.bundlePath, ".."),
        ...(COMPATIBILITY_DATE === undefined ? {} : { compatibilityDate: COMPATIBILITY_DATE }),
        compatibilityFlags: JSON.parse(COMPATIBILITY_FLAGS) as string[],
        durableObjects: {
          COORDINATOR: { className: "Coordinator", useSQLite: true },
          LANE: { className: "Lane", useSQLite: true },
          REGISTRY: { className: "Registry", useSQLite: true },
          SYNC: { className: "Sync", useSQLite: true },
        },
        bindings,
        ...(options.outbound === undefined ? {} : { outboundService: { node: options.outbound } }),
      }),
      resourcePersistencePath: directory,
    });
    const url = await miniflare.ready;
    const pids = workerdPids().filter((pid) => !others.has(pid));
    return new Mesh(miniflare, {
      url,
      ownDirectory: options.directory === undefined ? directory : null,
      pids,
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

  /** Evicts a Durable Object from memory once it has nothing to do. */
  async evict(className: string, name: string): Promise<void> {
    await this.#miniflare.unsafeEvictDurableObject("bucket-brigade", className, { name });
  }

  async stop(): Promise<void> {
    await this.#miniflare.dispose();
    if (this.#ownDirectory !== null) rmSync(this.#ownDirectory, { recursive: true, force: true });
  }

  /** One HTTP call with the full token, unless `headers` says otherwise. */
  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer<T>> {
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: {
        authorization: `Bearer ${TOKEN}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get("content-type") ?? "");
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (isJson ? JSON.parse(text) : {}) as T,
    };
  }

  /** Starts a copy. @returns its id */
  async startCopy(body: Record<string, unknown>): Promise<string> {
    const answer = await this.call<Status>("POST", "/copies", { body });
    if (answer.status !== 202) throw new Error(`POST /copies answered ${answer.status}: ${answer.text}`);
    return answer.body.id;
  }

  async status(id: string): Promise<Status> {
    return (await this.call<Status>("GET", `/copies/${id}`)).body;
  }

  /** The status at the end of a copy, or when it waits for a person. */
  async ended(id: string): Promise<Status> {
    return (await this.call<Status>("GET", `/copies/${id}?wait=50`)).body;
  }

  /** Asks for the status until `predicate` holds. */
  async until(id: string, predicate: (status: Status) => boolean): Promise<Status> {
    for (;;) {
      const status = await this.status(id);
      if (predicate(status)) return status;
      await setTimeout(POLL_MS);
    }
  }

  /** Ends a copy that waits for a person. */
  async cancel(id: string): Promise<Status> {
    await this.call("POST", `/copies/${id}/cancel`);
    return await this.ended(id);
  }

  async copy(body: Record<string, unknown>): Promise<Status> {
    return await this.ended(await this.startCopy(body));
  }

  /** Starts a sync. @returns its id */
  async startSync(body: Record<string, unknown>): Promise<string> {
    const answer = await this.call<SyncStatus>("POST", "/syncs", { body });
    if (answer.status !== 202) throw new Error(`POST /syncs answered ${answer.status}: ${answer.text}`);
    return answer.body.id;
  }

  async syncStatus(id: string): Promise<SyncStatus> {
    return (await this.call<SyncStatus>("GET", `/syncs/${id}`)).body;
  }

  /** The status at the end of a sync. */
  async syncEnded(id: string): Promise<SyncStatus> {
    return (await this.call<SyncStatus>("GET", `/syncs/${id}?wait=50`)).body;
  }

  /** Asks for a sync's status until `predicate` holds. */
  async untilSync(id: string, predicate: (status: SyncStatus) => boolean): Promise<SyncStatus> {
    for (;;) {
      const status = await this.syncStatus(id);
      if (predicate(status)) return status;
      await setTimeout(POLL_MS);
    }
  }

  async sync(body: Record<string, unknown>): Promise<SyncStatus> {
    return await this.syncEnded(await this.startSync(body));
  }

  async report(id: string): Promise<ReportLine[]> {
    const { text } = await this.call("GET", `/syncs/${id}/report`);
    if (text !== "" && !text.endsWith("\n")) throw new Error("The report ends in the middle of a line");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as ReportLine);
  }

  async fireCron(at: Date): Promise<void> {
    const worker = await this.#miniflare.getWorker();
    await worker.scheduled({ scheduledTime: at, cron: "* * * * *" });
  }
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
