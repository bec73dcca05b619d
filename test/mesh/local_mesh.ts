// The local mesh that `npm run dev` and `npm run demo` start: `wrangler dev --env local`, which serves the
// Worker and, on the same port, two R2 buckets over S3. Copies between them use real HTTP and real
// signatures, without an account.
//
// What it needs: [env.local] of wrangler.toml, which names the buckets and their credentials. The secrets
// reach wrangler through an env file in a temporary folder, so none is ever written into the repository.
//
// Invariant: no process and no temporary folder is left behind, even if this process is killed. wrangler
// starts children (workerd, esbuild) that outlive it when it is killed, so it gets a process group of its
// own. Therefore a terminal's Ctrl-C does not reach it: the user of a LocalMesh must watch stopSignal() and
// call stop().

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { envFileOf } from "./own_variables.ts";
import { hireUndertaker } from "./undertaker.ts";

export interface LocalStore {
  /** As requests name objects: `east:source/key`. */
  readonly name: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

interface LocalMeshOptions {
  readonly port: number;
  readonly apiToken: string;
  /** Stores and variables beside the local ones (own_variables.ts). */
  readonly variables?: Readonly<Record<string, string>>;
  /** Where objects and Durable Objects are kept. Default: deleted with the mesh. */
  readonly stateDirectory?: string;
  /** Called for each line that wrangler writes once the mesh is up. */
  readonly onLine?: (line: string) => void;
}

/** The path, on its own origin, under which wrangler serves its local R2 buckets over S3. */
export const S3_PATH = "/cdn-cgi/local/r2/s3";

const ROOT = join(import.meta.dirname, "../..");
const START_LIMIT_MS = 90_000;
/** wrangler takes about 1.5 seconds to end its children. */
const END_LIMIT_MS = 8_000;
const TAIL_LINES = 25;
const PARENT_CHECK_MS = 250;

export class LocalMesh {
  readonly origin: string;
  /** Aborted if wrangler ends by itself. The reason says how, with the end of its log. */
  readonly died: AbortSignal;
  readonly #wrangler: ChildProcess;
  readonly #directory: string;
  readonly #tail: string[] = [];
  readonly #undertaker: ChildProcess;
  #isUp = false;
  #stopped: Promise<void> | null = null;

  private constructor({ port, apiToken, variables = {}, stateDirectory, onLine }: LocalMeshOptions) {
    this.origin = `http://127.0.0.1:${port}`;
    this.#directory = mkdtempSync(join(tmpdir(), "bucket-brigade-"));
    const envFile = join(this.#directory, "secrets.env");
    writeFileSync(envFile, envFileOf({ ...variables, ...localSecrets(this.origin, apiToken) }), {
      mode: 0o600,
    });
    const state = stateDirectory ?? join(this.#directory, "state");
    mkdirSync(state, { recursive: true });
    this.#wrangler = spawn(
      process.execPath,
      // prettier-ignore
      [
        join(ROOT, "node_modules/wrangler/bin/wrangler.js"), "dev", "--env", "local",
        "--ip", "127.0.0.1", "--port", String(port), "--persist-to", state, "--env-file", envFile,
        "--show-interactive-dev-session=false",
      ],
      {
        cwd: ROOT,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
        env: quietEnvironment(this.#directory),
      },
    );
    this.#undertaker = hireUndertaker(this.#wrangler.pid, this.#directory);
    const died = new AbortController();
    this.died = died.signal;
    this.#wrangler.once("error", (error) => died.abort(error));
    // "close" comes after the last line was read, unless a child that outlives wrangler keeps the pipe open.
    this.#wrangler.once("exit", (code, signal) => {
      this.#killGroup();
      this.#wrangler.once("close", () =>
        died.abort(new Error(this.#obituary(signal ?? `exit code ${code}`))),
      );
    });
    for (const stream of [this.#wrangler.stdout, this.#wrangler.stderr]) {
      let rest = "";
      stream?.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.#readLine(stripVTControlCharacters(line).trimEnd(), onLine);
      });
    }
  }

  /**
   * @param signal ends the start, too
   * @throws if the mesh does not come up, with the end of wrangler's log
   */
  static async start(options: LocalMeshOptions, signal: AbortSignal): Promise<LocalMesh> {
    const mesh = new LocalMesh(options);
    try {
      await mesh.#waitUntilUp(options.apiToken, signal);
      return mesh;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  /** Ends wrangler and all its children, and removes what they kept for this run. */
  async stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    await this.#stopped;
  }

  async #stop(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#wrangler;
    if (pid !== undefined && exitCode === null && signalCode === null) {
      const ended = once(this.#wrangler, "exit");
      // First to wrangler alone, which ends its children in order.
      this.#wrangler.kill("SIGTERM");
      await Promise.race([ended, delay(END_LIMIT_MS, undefined, { ref: false })]);
    }
    this.#killGroup();
    // Its processes may still write for a moment into the folder that is being removed.
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    this.#undertaker.kill("SIGKILL");
  }

  async #waitUntilUp(apiToken: string, signal: AbortSignal): Promise<void> {
    const late = AbortSignal.timeout(START_LIMIT_MS);
    const ended = AbortSignal.any([signal, this.died, late]);
    while (!ended.aborted) {
      try {
        // Not /healthz: another mesh on this port would answer that too.
        const response = await fetch(`${this.origin}/stores`, {
          headers: { authorization: `Bearer ${apiToken}` },
          signal: AbortSignal.any([ended, AbortSignal.timeout(5_000)]),
        });
        await response.body?.cancel();
        if (response.ok) {
          this.#isUp = true;
          return;
        }
      } catch {
        // Not listening yet. The loop's condition notices when wrangler ends.
      }
      await delay(100);
    }
    if (signal.aborted || this.died.aborted) throw ended.reason;
    throw new Error(`The local mesh did not come up in ${START_LIMIT_MS / 1000} s\n${this.logTail()}`);
  }

  #readLine(line: string, onLine: ((line: string) => void) | undefined): void {
    if (line === "") return;
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    if (this.#isUp && this.#stopped === null) onLine?.(line);
  }

  #obituary(how: string): string {
    return `wrangler has ended (${how})\n${this.logTail()}`;
  }

  /** The last lines that wrangler wrote, for the end of an error message. */
  logTail(): string {
    return `The end of wrangler's log:\n${this.#tail.map((line) => `  | ${line}`).join("\n")}`;
  }

  #killGroup(): void {
    const { pid } = this.#wrangler;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // ESRCH: no process of the group is left, which was the purpose.
    }
  }
}

/**
 * Aborted when this process is told to end: by Ctrl-C, by a signal, or because its parent or the reader of
 * its output has ended.
 */
export function stopSignal(): AbortSignal {
  const stopped = new AbortController();
  const stop = (how: string) => stopped.abort(new Error(`Stopped by ${how}`));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop(signal));
  process.stdout.on("error", () => stop("a closed output"));
  // npm passes a signal to the shell that runs the script, and that shell dies without informing this
  // process.
  if (process.env["npm_lifecycle_event"] !== undefined) {
    const shell = process.ppid;
    setInterval(() => process.ppid !== shell && stop("the end of npm"), PARENT_CHECK_MS).unref();
  }
  return stopped.signal;
}

/** The two stores that [env.local] describes: `east` to copy from, `west` to copy to. */
export function localStores(): { east: LocalStore; west: LocalStore } {
  const text = readFileSync(join(ROOT, "wrangler.toml"), "utf8");
  const find = (name: string): LocalStore => {
    const [, bucket, accessKeyId, secretAccessKey] =
      new RegExp(
        `^binding = "${name.toUpperCase()}"\\nbucket_name = "(.+)"\\n` +
          `local_dev = .*accessKeyId = "(.+)", secretAccessKey = "(.+)"`,
        "m",
      ).exec(text) ?? [];
    if (bucket === undefined || accessKeyId === undefined || secretAccessKey === undefined) {
      throw new Error(`Cannot find the local bucket ${name.toUpperCase()} in [env.local] of wrangler.toml`);
    }
    return { name, bucket, accessKeyId, secretAccessKey };
  };
  return { east: find("east"), west: find("west") };
}

/**
 * The commands to type against a mesh that `npm run dev` serves, as paragraphs of a heading and commands for
 * sh, bash or zsh. Each command can be pasted as it is, in this order.
 */
export function curlTour(origin: string, apiToken: string): { heading: string; commands: string }[] {
  const { east, west } = localStores();
  const source = `${east.name}:${east.bucket}/big.bin`;
  const destination = `${west.name}:${west.bucket}`;
  const idOf = `sed -n 's/^  "id": "\\(.*\\)",$/\\1/p'`;
  return [
    {
      heading: "An object for the source store, put there over S3:",
      commands: `
mesh=${origin}
auth="Authorization: Bearer ${apiToken}"
head -c 100000000 /dev/urandom > /tmp/big.bin
${signedCurl(east)} -T /tmp/big.bin $mesh${S3_PATH}/${east.bucket}/big.bin`,
    },
    {
      heading: "Start a copy, and wait up to 30 seconds for its end:",
      commands: `
id=$(curl -s -H "$auth" $mesh/copies -d source=${source} -d destination=${destination}/big.bin -d partSize=8MiB | ${idOf})
curl -H "$auth" "$mesh/copies/$id?wait=30"`,
    },
    {
      heading: "Its part table, all copies, and the copied object read back:",
      commands: `
curl -H "$auth" $mesh/copies/$id/parts
curl -H "$auth" $mesh/copies
${signedCurl(west)} -o /tmp/back.bin $mesh${S3_PATH}/${west.bucket}/big.bin
cmp /tmp/big.bin /tmp/back.bin && echo same`,
    },
    {
      heading: "Cancel a copy in mid-upload (this one is slow, one part at a time):",
      commands: `
id=$(curl -s -H "$auth" $mesh/copies -d source=${source} -d destination=${destination}/never.bin -d partSize=5MiB -d concurrency=1 | ${idOf})
sleep 2
curl -H "$auth" -X POST $mesh/copies/$id/cancel
curl -H "$auth" "$mesh/copies/$id?wait=30"`,
    },
    {
      heading: "Every night at three, UTC; and once right now:",
      commands: `
curl -H "$auth" -X PUT $mesh/schedules/nightly -d '{"cron": "0 3 * * *", "copy": {"source": "${source}", "destination": "${destination}/nightly.bin"}}'
curl -H "$auth" -X POST $mesh/schedules/nightly/run`,
    },
    {
      heading:
        "wrangler fires no Cron Trigger locally; do it by hand, for a schedule that is due every minute:",
      commands: `
curl -H "$auth" -X PUT $mesh/schedules/minutely -d '{"cron": "* * * * *", "copy": {"source": "${source}", "destination": "${destination}/minutely.bin"}}'
curl "$mesh/cdn-cgi/handler/scheduled?cron=*+*+*+*+*"
curl -H "$auth" $mesh/schedules/minutely
curl -H "$auth" -X DELETE $mesh/schedules/minutely`,
    },
  ];
}

// curl signs, but it must be told that the signature does not cover the body, and the store insists on that
// header.
function signedCurl({ accessKeyId, secretAccessKey }: LocalStore): string {
  const payload = '-H "x-amz-content-sha256: UNSIGNED-PAYLOAD"';
  return `curl --aws-sigv4 aws:amz:auto:s3 --user ${accessKeyId}:${secretAccessKey} ${payload}`;
}

/** What the local mesh has as its secrets, by name. */
export function localSecrets(origin: string, apiToken: string): Record<string, string> {
  const secrets: Record<string, string> = { API_TOKEN: apiToken };
  for (const { name, bucket, accessKeyId, secretAccessKey } of Object.values(localStores())) {
    const store = {
      endpoint: origin + S3_PATH,
      region: "auto",
      accessKeyId,
      secretAccessKey,
      provider: "r2",
      buckets: [bucket],
    };
    secrets[`STORE_${name.toUpperCase()}`] = JSON.stringify(store);
  }
  return secrets;
}

function quietEnvironment(directory: string): NodeJS.ProcessEnv {
  return {
    // wrangler keeps each trace span in a local store, which nearly halves its speed and grows without end.
    X_LOCAL_OBSERVABILITY: "false",
    ...process.env,
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_LOG_PATH: join(directory, "logs"),
    // Two meshes at once must not find each other.
    WRANGLER_REGISTRY_PATH: join(directory, "registry"),
    // No network request to look up request.cf, and no error without a network.
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
  };
}
