// A Ceph Object Gateway on loopback from the system's packages: one monitor, one OSD that keeps its data in
// memory, and gateways in front of them. A production S3 server that this project has not written.
//
// What it needs: the programs in CEPH_PROGRAMS, and memory for the objects put there. It is ready in about 15
// seconds.
//
// Invariant: everything is in one folder and in processes that end with it.

import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ClaimedPort, claimPort, onOtherPorts } from "../store/ports.ts";
import { Daemon } from "./daemon.ts";
import type { GatewayPlace } from "./stores.ts";

export const CEPH_PROGRAMS = [
  "ceph",
  "ceph-authtool",
  "monmaptool",
  "ceph-mon",
  "ceph-osd",
  "radosgw",
  "radosgw-admin",
] as const;

export const CEPH_CREDENTIALS = { accessKeyId: "interop", secretAccessKey: "interop-secret" } as const;

/** Two gateways of one store: one that always runs, and one that tests may kill. */
const GATEWAYS = ["steady", "mortal"] as const;

/**
 * The listeners; the monitor speaks two versions of its protocol. The ports stay claimed while the cluster
 * runs.
 */
type PortUser = "steady" | "monitor" | "oldMonitor";

const DEVICE_BYTES = 12 * 2 ** 30;
const START_LIMIT_MS = 90_000;
const run = promisify(execFile);

export class Ceph {
  readonly #directory: string;
  readonly #daemons: Daemon[] = [];
  readonly #ports: Readonly<Record<PortUser, ClaimedPort>>;

  private constructor(directory: string, ports: Readonly<Record<PortUser, ClaimedPort>>) {
    this.#directory = directory;
    this.#ports = ports;
  }

  /** Of the steady gateway. */
  get endpoint(): string {
    return gatewayEndpoint(this.#ports.steady.port);
  }

  /** A gateway that tests start, kill and start again. */
  get mortal(): GatewayPlace {
    return { directory: this.#directory, name: "mortal" };
  }

  /** Starts the cluster and its steady gateway, and creates the user. */
  static async start(): Promise<Ceph> {
    return await onOtherPorts(async () => await Ceph.#startOnce());
  }

  static async #startOnce(): Promise<Ceph> {
    const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-ceph-"));
    const ceph = new Ceph(directory, {
      steady: await claimPort(),
      monitor: await claimPort(),
      oldMonitor: await claimPort(),
    });
    try {
      await ceph.#start();
      return ceph;
    } catch (error) {
      await ceph.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const daemon of this.#daemons.toReversed()) await daemon.stop();
    for (const port of Object.values(this.#ports)) port.release();
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  async #start(): Promise<void> {
    const directory = this.#directory;
    const fsid = randomUUID();
    const { monitor: v2, oldMonitor: v1 } = this.#ports;
    const address = `[v2:127.0.0.1:${v2.port},v1:127.0.0.1:${v1.port}]`;
    for (const name of ["run", "mon", "osd", "rgw"]) mkdirSync(join(directory, name));
    writeFileSync(join(directory, "ceph.conf"), configuration(directory, fsid, address));
    const keyring = join(directory, "keyring");
    const all = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"];
    const gateways = GATEWAYS.map((name) => `client.rgw.${name}`);
    for (const [index, name] of ["mon.", "client.admin", "osd.0", ...gateways].entries()) {
      const create = index === 0 ? ["--create-keyring"] : [];
      await run("ceph-authtool", [...create, keyring, "--gen-key", "-n", name, ...all]);
    }
    const monmap = join(directory, "monmap");
    await run("monmaptool", ["--create", "--addv", "a", address, "--fsid", fsid, monmap]);
    await this.#run("ceph-mon", ["--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring]);
    const monitor = this.#daemon("ceph-mon", ["-i", "a", "-f"]);
    await monitor.until("answering", START_LIMIT_MS, () => this.#asks("ceph", ["-s"]));

    // The monitor knows an OSD by this very ID. With another, or none, it stays "booting" forever.
    const osd = randomUUID();
    await this.#run("ceph", ["osd", "new", osd]);
    await this.#run("ceph-osd", ["-i", "0", "--mkfs", "--osd-uuid", osd]);
    const storage = this.#daemon("ceph-osd", ["-i", "0", "-f"]);
    await storage.until("up", START_LIMIT_MS, async () =>
      (await this.#run("ceph", ["osd", "stat"])).includes("1 up"),
    );

    // A gateway creates the store's pools, and no user can be created before them.
    const { steady } = this.#ports;
    this.#daemons.push(await startGateway({ directory, name: "steady" }, steady.port));
    const { accessKeyId, secretAccessKey } = CEPH_CREDENTIALS;
    const user = ["user", "create", "--uid=interop", "--display-name=interop"];
    const keys = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`];
    await this.#run("radosgw-admin", [...user, ...keys]);
  }

  #daemon(program: string, args: readonly string[]): Daemon {
    const daemon = new Daemon(cephCommand(this.#directory, program, args));
    this.#daemons.push(daemon);
    return daemon;
  }

  async #run(program: string, args: readonly string[]): Promise<string> {
    const { stdout } = await run(program, ["-c", join(this.#directory, "ceph.conf"), ...args]);
    return stdout;
  }

  async #asks(program: string, args: readonly string[]): Promise<boolean> {
    return await this.#run(program, args).then(
      () => true,
      () => false,
    );
  }
}

/** Starts a gateway and waits until it answers. */
export async function startGateway({ directory, name }: GatewayPlace, port: number): Promise<Daemon> {
  const listener = `--rgw_frontends=beast endpoint=127.0.0.1:${port}`;
  const gateway = new Daemon(cephCommand(directory, "radosgw", ["-n", `client.rgw.${name}`, "-f", listener]));
  try {
    await gateway.until("answering", START_LIMIT_MS, () =>
      fetch(gatewayEndpoint(port)).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  } catch (error) {
    await gateway.kill();
    throw error;
  }
  return gateway;
}

export function gatewayEndpoint(port: number): string {
  return `http://127.0.0.1:${port}`;
}

function cephCommand(directory: string, program: string, args: readonly string[]) {
  return { program, args: ["-c", join(directory, "ceph.conf"), ...args], directory };
}

function configuration(directory: string, fsid: string, address: string): string {
  const gateways = GATEWAYS.map(
    (name) => `
[client.rgw.${name}]
rgw_data=${directory}/rgw
rgw_dns_name=localhost
# What is deleted is freed by this collector alone, and a full device hangs.
rgw_gc_obj_min_wait=5
rgw_gc_processor_period=5
rgw_gc_processor_max_time=5
`,
  );
  return `[global]
fsid=${fsid}
mon_host=${address}
auth_cluster_required=cephx
auth_service_required=cephx
auth_client_required=cephx
keyring=${directory}/keyring
osd_pool_default_size=1
osd_pool_default_min_size=1
mon_allow_pool_size_one=true
osd_crush_chooseleaf_type=0
osd_pool_default_pg_num=8
osd_pool_default_pg_autoscale_mode=off
mon_max_pg_per_osd=1000
osd_objectstore=memstore
memstore_device_bytes=${DEVICE_BYTES}
memstore_page_set=true
run_dir=${directory}/run
admin_socket=${directory}/run/$name.asok
log_file=${directory}/$name.log
pid_file=${directory}/run/$name.pid
public_addr=127.0.0.1
[mon.a]
mon_data=${directory}/mon
[osd.0]
osd_data=${directory}/osd
${gateways.join("")}`;
}
