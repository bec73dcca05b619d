// OpenStack Swift with its S3 API on loopback, from the system's packages: one device, one replica, and the
// four servers that a request needs. It shares no line with Ceph, with R2 or with this project.
//
// What it needs: the programs in SWIFT_PROGRAMS, and a folder in memory whose files take 8 KiB of extended
// attributes, in which Swift keeps metadata (tmpfs does since Linux 6.6). It is ready in about six seconds.
//
// Invariant: everything is in one folder and in processes that end with it. The hash and the storage policy
// alone come from /etc/swift/swift.conf, wherever a server looks for the rest; the package's own will do.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { MEMORY } from "../mesh/mesh.ts";
import { type ClaimedPort, claimPort, onOtherPorts } from "../store/ports.ts";
import { Daemon } from "./daemon.ts";
import type { GatewayPlace } from "./stores.ts";

export const SWIFT_PROGRAMS = [
  "swift-ring-builder",
  "swift-account-server",
  "swift-container-server",
  "swift-object-server",
  "swift-proxy-server",
] as const;

/** Swift's access keys are `account:user`. */
export const SWIFT_CREDENTIALS = { accessKeyId: "test:tester", secretAccessKey: "testing" } as const;

const REGION = "us-east-1";
const BACKENDS = ["account", "container", "object"] as const;
type Backend = (typeof BACKENDS)[number];
type Ports = Readonly<Record<Backend | "steady", ClaimedPort>>;

const START_LIMIT_MS = 60_000;
const run = promisify(execFile);

export class Swift {
  readonly #directory: string;
  readonly #daemons: Daemon[] = [];
  readonly #ports: Ports;

  private constructor(directory: string, ports: Ports) {
    this.#directory = directory;
    this.#ports = ports;
  }

  /** Of the steady proxy. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.#ports.steady.port}`;
  }

  /** A proxy that tests start, kill and start again. */
  get mortal(): GatewayPlace {
    return { directory: this.#directory, name: "mortal" };
  }

  static async start(): Promise<Swift> {
    if (!existsSync("/etc/swift/swift.conf"))
      throw new Error("Swift reads its hash from /etc/swift/swift.conf, which its Debian packages bring");
    return await onOtherPorts(async () => await Swift.#startOnce());
  }

  static async #startOnce(): Promise<Swift> {
    const directory = mkdtempSync(join(MEMORY, "bucket-brigade-swift-"));
    const swift = new Swift(directory, {
      account: await claimPort(),
      container: await claimPort(),
      object: await claimPort(),
      steady: await claimPort(),
    });
    try {
      await swift.#start();
      return swift;
    } catch (error) {
      await swift.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#daemons.map((daemon) => daemon.stop()));
    for (const port of Object.values(this.#ports)) port.release();
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  async #start(): Promise<void> {
    const directory = this.#directory;
    mkdirSync(join(directory, "devices", "d1"), { recursive: true });
    await Promise.all(BACKENDS.map(async (kind) => await this.#makeRing(kind)));
    for (const kind of BACKENDS) {
      const { port } = this.#ports[kind];
      writeFileSync(join(directory, `${kind}.conf`), backendConfiguration(directory, kind, port));
      this.#daemons.push(new Daemon(command(directory, kind, `${kind}.conf`)));
    }
    for (const [index, kind] of BACKENDS.entries())
      await this.#daemons[index]?.until("listening", START_LIMIT_MS, () => listens(this.#ports[kind].port));
    this.#daemons.push(await startProxy({ directory, name: "steady" }, this.#ports.steady.port));
  }

  /** A ring tells the proxy where a server is: 2^4 partitions, one replica, no rest between moves. */
  async #makeRing(kind: Backend): Promise<void> {
    const builder = join(this.#directory, `${kind}.builder`);
    const device = `r1z1-127.0.0.1:${this.#ports[kind].port}/d1`;
    for (const args of [["create", "4", "1", "0"], ["add", device, "1"], ["rebalance"]])
      await run("swift-ring-builder", [builder, ...args]);
  }
}

/** Starts a proxy, the server that speaks S3, and waits until it answers. */
export async function startProxy({ directory, name }: GatewayPlace, port: number): Promise<Daemon> {
  const file = `${name}.conf`;
  writeFileSync(join(directory, file), proxyConfiguration(directory, port));
  const proxy = new Daemon(command(directory, "proxy", file));
  try {
    await proxy.until("listening", START_LIMIT_MS, () => listens(port));
  } catch (error) {
    await proxy.kill();
    throw error;
  }
  return proxy;
}

function command(directory: string, kind: Backend | "proxy", file: string) {
  // Verbose means: to the console, not to syslog.
  return { program: `swift-${kind}-server`, args: [join(directory, file), "-v"], directory };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const connected = new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  });
  return await connected.finally(() => socket.destroy());
}

function common(directory: string, port: number): string {
  return `[DEFAULT]
swift_dir = ${directory}
devices = ${directory}/devices
mount_check = false
bind_ip = 127.0.0.1
bind_port = ${port}
user = ${userInfo().username}
workers = 0
backlog = 1024
disable_fallocate = true
fallocate_reserve = 0
db_preallocation = off
conn_timeout = 10
node_timeout = 60
`;
}

/**
 * An object server waits this long until the listing knows a new key. With its default of one second a busy
 * machine lists it later, by a daemon that does not run here.
 */
function backendConfiguration(directory: string, kind: Backend, port: number): string {
  return `${common(directory, port)}container_update_timeout = 60
[pipeline:main]
pipeline = ${kind}-server
[app:${kind}-server]
use = egg:swift#${kind}
replication_server = false
`;
}

/**
 * `cache` finds no memcached and goes without. With one replica, a server that is left out for its errors
 * would be an outage.
 */
function proxyConfiguration(directory: string, port: number): string {
  const { accessKeyId, secretAccessKey } = SWIFT_CREDENTIALS;
  return `${common(directory, port)}client_timeout = 60
[pipeline:main]
pipeline = catch_errors cache s3api tempauth bulk copy slo dlo versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 10
node_timeout = 60
recoverable_node_timeout = 60
error_suppression_limit = 1000000
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
error_suppression_limit = 1
error_suppression_interval = 3600
set log_level = CRITICAL
[filter:s3api]
use = egg:swift#s3api
location = ${REGION}
s3_acl = false
allow_multipart_uploads = true
max_upload_part_num = 1000
[filter:tempauth]
use = egg:swift#tempauth
user_${accessKeyId.replace(":", "_")} = ${secretAccessKey} .admin
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 1000
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
`;
}
