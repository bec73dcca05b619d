// Vitest global setup of the project `interop`: starts the stores, finds out what they can do, and stops
// everything again.
//
// Ceph, Swift, local R2 and the test store are started here. With INTEROP_STORE and INTEROP_BUCKET set, a
// store of the user's own replaces Ceph and Swift: the first is what STORE_<NAME> would contain, the second a
// bucket, or a bucket and a prefix. Everything there happens below a prefix of this run, which is emptied at
// the end.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { MEMORY } from "../mesh/mesh.ts";
import { claimPort, onOtherPorts } from "../store/ports.ts";
import { CEPH_CREDENTIALS, Ceph } from "./ceph.ts";
import { curl } from "./clients.ts";
import { Daemon } from "./daemon.ts";
import { findFacts } from "./facts.ts";
import { localR2Store, startLocalR2 } from "./local_r2.ts";
import { type OwnStore, clearOwnStore, ownStore } from "./own_store.ts";
import { missingPrograms } from "./programs.ts";
import { type GatewayPlace, NO_FACTS, type StoreAccess } from "./stores.ts";
import { SWIFT_CREDENTIALS, Swift } from "./swift.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The stores of this run; not written by this project are all but the last. */
    stores: readonly StoreAccess[];
    /** By the names of stores: a second gateway, which a test may kill. */
    mortalGateways: Readonly<Record<string, GatewayPlace>>;
  }
}

const BUCKET = "interop";
const START_LIMIT_MS = 60_000;

interface Opened {
  readonly store: Omit<StoreAccess, "facts">;
  readonly mortalGateway: GatewayPlace | null;
  readonly close: () => Promise<void>;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const own = ownStore(process.env);
  const missing = missingPrograms({ servers: own === null });
  if (missing !== null) throw new Error(missing);
  const settled = await Promise.allSettled([
    ...(own === null ? [openCeph(), openSwift()] : [openOwn(own)]),
    openLocalR2(),
    openTestStore(),
  ]);
  const opened = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const close = async () => {
    for (const one of opened.splice(0)) await one.close();
  };
  try {
    for (const one of settled) if (one.status === "rejected") throw one.reason;
    const stores = await Promise.all(
      opened.map(async ({ store }): Promise<StoreAccess> => ({ ...store, facts: await findFacts(store) })),
    );
    project.provide("stores", stores);
    const gateways = opened.flatMap(({ store, mortalGateway }) =>
      mortalGateway === null ? [] : [[store.name, mortalGateway] as const],
    );
    project.provide("mortalGateways", Object.fromEntries(gateways));
    return close;
  } catch (error) {
    await close();
    throw error;
  }
}

async function openCeph(): Promise<Opened> {
  const ceph = await Ceph.start();
  const store = {
    name: "ceph",
    title: "Ceph",
    endpoint: ceph.endpoint,
    region: "us-east-1",
    ...CEPH_CREDENTIALS,
    bucket: BUCKET,
    prefix: "",
    fields: { provider: "ceph" },
  };
  return await withBucket({ store, mortalGateway: ceph.mortal, close: () => ceph.stop() });
}

async function openSwift(): Promise<Opened> {
  const swift = await Swift.start();
  const store = {
    name: "swift",
    title: "Swift",
    endpoint: swift.endpoint,
    region: "us-east-1",
    ...SWIFT_CREDENTIALS,
    bucket: BUCKET,
    prefix: "",
    fields: { provider: "swift" },
  };
  return await withBucket({ store, mortalGateway: swift.mortal, close: () => swift.stop() });
}

async function withBucket(opened: Opened): Promise<Opened> {
  const { store, close } = opened;
  try {
    const { status, text } = await curl({ ...store, facts: NO_FACTS }, { method: "PUT", name: "" });
    if (status !== 200) throw new Error(`${store.title} answered ${status} to CreateBucket: ${text}`);
    return opened;
  } catch (error) {
    await close();
    throw error;
  }
}

/** A user's own store, which is not started or stopped here. */
async function openOwn(own: OwnStore): Promise<Opened> {
  return { store: own, mortalGateway: null, close: () => clearOwnStore({ ...own, facts: NO_FACTS }) };
}

async function openLocalR2(): Promise<Opened> {
  const directory = mkdtempSync(join(MEMORY, "bucket-brigade-r2-"));
  const { daemon, place } = await onOtherPorts(async () => {
    const { port } = await claimPort();
    const where = { directory, port, bucket: BUCKET };
    return { daemon: await startLocalR2(where), place: where };
  });
  return { store: localR2Store(place), mortalGateway: null, close: () => end(daemon, directory) };
}

async function openTestStore(): Promise<Opened> {
  const directory = mkdtempSync(join(MEMORY, "bucket-brigade-store-"));
  const daemon = new Daemon({
    program: process.execPath,
    args: [join(import.meta.dirname, "../store/serve.ts"), "--dir", directory, "--bucket", BUCKET],
    directory,
  });
  await daemon.until("listening", START_LIMIT_MS, async () => daemon.lines.length > 0);
  const told = JSON.parse(daemon.lines[0] ?? "") as Pick<
    StoreAccess,
    "endpoint" | "region" | "accessKeyId" | "secretAccessKey"
  >;
  const store = {
    ...told,
    name: "test",
    title: "test store",
    bucket: BUCKET,
    prefix: "",
    // It behaves like AWS, but its host does not show that.
    fields: { profile: { conditionalPut: true, conditionalComplete: true } },
  };
  return { store, mortalGateway: null, close: () => end(daemon, directory) };
}

async function end(daemon: Daemon, directory: string): Promise<void> {
  await daemon.stop();
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
