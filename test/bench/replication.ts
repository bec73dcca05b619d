// `npm run bench -- replication`: how far a destination lags behind a source that is written to so many times
// a second, each time another key, with an event for each. The lag of a key is from when the source has stored
// it to when the destination has, by the stores' own clocks. Both stores and the writer run in this process,
// beside the mesh.

import { setTimeout } from "node:timers/promises";
import { BareMesh } from "../mesh/bare_mesh.ts";
import { buildBundle } from "../mesh/build.ts";
import { storeSecret } from "../mesh/mesh.ts";
import { TOKEN } from "../mesh/mesh_client.ts";
import { printTable } from "../results_page.ts";
import { startStore } from "../store/store.ts";
import { result } from "./contest.ts";
import { Stage } from "./stage.ts";

const TICK_MS = 20;

const PATH = "/replications/bench";

interface Lagged {
  readonly perSecond: number;
  readonly p50Seconds: number;
  readonly p99Seconds: number;
  /** How long after the last write all was copied. */
  readonly drainSeconds: number;
}

/** @param rates writes a second @param seconds how long each of them goes on */
export async function benchReplication(rates: readonly number[], seconds: number): Promise<string> {
  const rows: Lagged[] = [];
  for (const perSecond of rates) rows.push(await lagAt(perSecond, seconds));
  for (const { perSecond, p99Seconds } of rows)
    result({ name: `replication: ${perSecond} writes/s`, value: p99Seconds, unit: "s of lag, p99" });
  const table = printTable(
    ["writes/s", "lag p50", "lag p99", "done after the last write"],
    rows.map(({ perSecond, p50Seconds, p99Seconds, drainSeconds }) => [
      perSecond,
      `${p50Seconds.toFixed(2)} s`,
      `${p99Seconds.toFixed(2)} s`,
      `${drainSeconds.toFixed(1)} s`,
    ]),
  );
  return `Writes of 1 KiB for ${seconds} s, each of another key, all with an event:\n\n${table}`;
}

async function lagAt(perSecond: number, seconds: number): Promise<Lagged> {
  await using stage = new Stage();
  await using east = await startStore({ buckets: ["source"] });
  await using west = await startStore({ buckets: ["destination"] });
  const secrets = { STORE_EAST: storeSecret(east), STORE_WEST: storeSecret(west) };
  const mesh = await BareMesh.start(buildBundle(stage.directory), secrets);
  try {
    const body = { source: "east:source/", destination: "west:destination/", repair: "off" };
    await mesh.call("PUT", PATH, { body });
    while ((await mesh.call("GET", PATH)).body["phase"] !== "following") await setTimeout(100);
    const sender = east.sendEvents("source", {
      url: `${mesh.url.origin}${PATH}/events`,
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    const count = perSecond * seconds;
    const content = "x".repeat(1024);
    const beganMs = Date.now();
    for (let written = 0; written < count; await setTimeout(TICK_MS)) {
      const due = Math.min(count, Math.ceil(((Date.now() - beganMs) * perSecond) / 1000));
      for (; written < due; written++) east.put("source", `key-${written}`, content);
    }
    const lastMs = Date.now();
    await sender.flush();
    while (west.objects("destination").length < count) await setTimeout(100);
    const lags = west
      .objects("destination")
      .map(({ key, lastModified }) => (lastModified - (east.get("source", key)?.lastModified ?? 0)) / 1000)
      .toSorted((a, b) => a - b);
    const at = (fraction: number) => lags[Math.ceil(lags.length * fraction) - 1] ?? 0;
    sender.stop();
    return {
      perSecond,
      p50Seconds: at(0.5),
      p99Seconds: at(0.99),
      drainSeconds: (Date.now() - lastMs) / 1000,
    };
  } finally {
    await mesh.stop();
  }
}
