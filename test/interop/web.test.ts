// What a store has, served by a web server that others have written (`rclone serve http`), and copied from
// there to every other store. That server has ranges and Last-Modified, and no ETags.

import { randomBytes } from "node:crypto";
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { claimPort } from "../store/ports.ts";
import { ownEnvironment, rclone, rcloneSettings, remote } from "./clients.ts";
import { Daemon } from "./daemon.ts";
import { type StoreAccess, place } from "./stores.ts";
import { feature } from "./table.ts";
import { expectSameBytes, openMesh, openWorkshop, pairs, stores } from "./world.ts";

const START_LIMIT_MS = 30_000;
const FOLDER = "web/source/";
/** One of several parts, and one whose name a URL has to spell. */
const FILES = { large: randomBytes(12_000_003), "a+b é 100% [1]": Buffer.from("small") };

const workshop = openWorkshop();
const servers = await Promise.all(
  stores.map(async (store) => ({ store, name: `web_${store.name}`, ...(await claimPort()) })),
);
const mesh = await openMesh(
  Object.fromEntries(
    servers.map(({ name, port }) => [
      `STORE_${name.toUpperCase()}`,
      JSON.stringify({ kind: "https", endpoint: `http://127.0.0.1:${port}` }),
    ]),
  ),
);

const daemons: Daemon[] = [];
afterAll(async () => {
  for (const daemon of daemons) await daemon.stop();
});

async function serve(store: StoreAccess, port: number): Promise<void> {
  const daemon = new Daemon({
    program: "rclone",
    args: ["serve", "http", "--addr", `127.0.0.1:${port}`, "--read-only", remote(store, FOLDER)],
    env: { ...ownEnvironment(), ...rcloneSettings([store]) },
    directory: workshop.path("web"),
  });
  daemons.push(daemon);
  const answers = async () =>
    await fetch(`http://127.0.0.1:${port}/`).then(
      async (response) => (await response.arrayBuffer()).byteLength > 0,
      () => false,
    );
  await daemon.until("serving", START_LIMIT_MS, answers);
}

beforeAll(async () => {
  const directory = workshop.path("web");
  mkdirSync(directory);
  for (const [name, bytes] of Object.entries(FILES)) {
    writeFileSync(join(directory, name), bytes);
    // A Last-Modified that is not past would pin nothing.
    utimesSync(join(directory, name), new Date("2026-01-01"), new Date("2026-01-01"));
  }
  for (const { store, port } of servers) {
    await rclone([store], ["copy", directory, remote(store, FOLDER)]);
    await serve(store, port);
  }
}, 200_000);

describe.each(pairs)("$title", (pair) => {
  feature("from a web server", pair.title, "what `rclone serve http` serves arrives as it is", async () => {
    const to = `web/${pair.source.name}/`;
    for (const name of Object.keys(FILES)) {
      const status = await mesh.copy({
        source: `web_${pair.source.name}:./${name}`,
        destination: place(pair.destination, to + name),
        partSize: "5MiB",
      });
      expect(status, JSON.stringify(status.failure)).toMatchObject({ phase: "completed" });
    }
    await expectSameBytes(pair, FOLDER, to, Object.keys(FILES));
  });
});
