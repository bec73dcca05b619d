// Stores that may be killed in the middle of a copy and started again with what they had, beside those that
// all tests share.
//
// Ceph and Swift: a second gateway of the same cluster. Local R2: a workerd of its own, with its objects in a
// folder. The test store keeps its index in memory, so its connections are cut and refused instead. Of a
// user's own store only the line to it can be cut.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, inject } from "vitest";
import { MEMORY } from "../mesh/mesh.ts";
import { claimPort, onOtherPorts } from "../store/ports.ts";
import { gatewayEndpoint, startGateway } from "./ceph.ts";
import type { Daemon } from "./daemon.ts";
import { Line } from "./line.ts";
import { localR2Store, startLocalR2 } from "./local_r2.ts";
import type { StoreAccess } from "./stores.ts";
import { startProxy } from "./swift.ts";

export interface MortalStore {
  readonly store: StoreAccess;
  /** Between the mesh and the store. Null if TLS forbids a line, and then the store cannot be interrupted. */
  readonly line: Line | null;
  kill(): Promise<void>;
  revive(): Promise<void>;
}

export async function makeMortal(store: StoreAccess): Promise<MortalStore> {
  const gateway = inject("mortalGateways")[store.name];
  if (gateway !== undefined)
    return await mortalDaemon(async (port) => ({
      daemon: await (store.name === "ceph" ? startGateway : startProxy)(gateway, port),
      store: { ...store, endpoint: gatewayEndpoint(port) },
    }));
  if (store.name === "r2") {
    const directory = mkdtempSync(join(MEMORY, "bucket-brigade-r2-"));
    const mortal = await mortalDaemon(async (port) => {
      const place = { directory, port, bucket: store.bucket };
      return { daemon: await startLocalR2(place), store: { ...localR2Store(place), facts: store.facts } };
    });
    afterAll(() => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
    return mortal;
  }
  return await cutOff(store);
}

/** Its port stays the same, and claimed, in all its lives. */
async function mortalDaemon(
  live: (port: number) => Promise<{ daemon: Daemon; store: StoreAccess }>,
): Promise<MortalStore> {
  const { claimed, store, ...first } = await onOtherPorts(async () => {
    const claim = await claimPort();
    return { claimed: claim, ...(await live(claim.port)) };
  });
  let { daemon } = first;
  const line = await Line.to(store);
  afterAll(async () => {
    await line[Symbol.asyncDispose]();
    await daemon.stop();
  });
  const kill = async () => await daemon.kill();
  const revive = async () => void ({ daemon } = await live(claimed.port));
  return { store, line, kill, revive };
}

async function cutOff(store: StoreAccess): Promise<MortalStore> {
  if (!Line.reaches(store)) {
    return { store, line: null, kill: () => Promise.resolve(), revive: () => Promise.resolve() };
  }
  const line = await Line.to(store);
  afterAll(() => line[Symbol.asyncDispose]());
  return { store, line, kill: () => line.cut(), revive: () => line.mend() };
}
