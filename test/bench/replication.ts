// `npm run bench -- replication`: how far a destination lags behind a source that is written to so many times
// a second, each time another key of 1 KiB, with an event for each. The lag is the mesh's own: from the
// source's Last-Modified, which has whole seconds, to when the destination's answer is recorded. So it is up
// to a second too long. The destination is a process of its own; the source is here, beside the writer.

import { loadavg } from "node:os";
import { setTimeout } from "node:timers/promises";
import { storeSecret } from "../mesh/mesh.ts";
import { TOKEN } from "../mesh/mesh_client.ts";
import { printTable } from "../results_page.ts";
import { startStore } from "../store/store.ts";
import { result } from "./contest.ts";
import { Stage } from "./stage.ts";
import type { Replication } from "../../src/view/replication_answers.ts";

const TICK_MS = 20;

const PATH = "/replications/bench";

interface Lagged {
  readonly perSecond: number;
  readonly p50Seconds: number;
  readonly p99Seconds: number;
  /** Keys that waited when the last one was written. */
  readonly backlog: number;
  /** How long after that all was copied. */
  readonly drainSeconds: number;
}

/** @param rates writes a second @param seconds how long each of them goes on */
export async function benchReplication(rates: readonly number[], seconds: number): Promise<string> {
  const rows: Lagged[] = [];
  // On a machine with other work, the lag is that of whatever is left of it.
  const load = (loadavg()[0] ?? 0).toFixed(1);
  for (const perSecond of rates) rows.push(await lagAt(perSecond, seconds));
  for (const { perSecond, p99Seconds } of rows)
    result({ name: `replication: ${perSecond} writes/s`, value: p99Seconds, unit: "s of lag, p99" });
  const table = printTable(
    ["writes/s", "lag p50", "lag p99", "waiting at the last write", "done after it"],
    rows.map(({ perSecond, p50Seconds, p99Seconds, backlog, drainSeconds }) => [
      perSecond,
      `${p50Seconds.toFixed(1)} s`,
      `${p99Seconds.toFixed(1)} s`,
      backlog,
      `${drainSeconds.toFixed(1)} s`,
    ]),
  );
  const what = `Writes of 1 KiB for ${seconds} s, each of another key, all with an event`;
  return `${what}. The load of the machine was ${load} before:\n\n${table}`;
}

async function lagAt(perSecond: number, seconds: number): Promise<Lagged> {
  await using stage = new Stage();
  await using east = await startStore({ buckets: ["source"] });
  const west = await stage.store(["--bucket", "destination", "--swallow"]);
  const mesh = await stage.mesh({ STORE_EAST: storeSecret(east), STORE_WEST: storeSecret(west) });
  const status = async () => (await mesh.call<Replication>("GET", PATH)).body;
  const body = { source: "east:source/", destination: "west:destination/", repair: "off" };
  await mesh.call("PUT", PATH, { body });
  while ((await status()).phase !== "following") await setTimeout(100);
  const sender = east.sendEvents("source", {
    url: `${mesh.url.origin}${PATH}/events`,
    headers: { authorization: `Bearer ${TOKEN}` },
    perRequest: 100,
  });
  const count = perSecond * seconds;
  const content = "x".repeat(1024);
  const beganMs = Date.now();
  for (let written = 0; written < count; await setTimeout(TICK_MS)) {
    const due = Math.min(count, Math.ceil(((Date.now() - beganMs) * perSecond) / 1000));
    for (; written < due; written++) east.put("source", `key-${written}`, content);
  }
  const lastMs = Date.now();
  const backlog = count - (await status()).keys.copied;
  await sender.flush();
  while ((await status()).keys.copied < count) await setTimeout(100);
  const { p50Seconds, p99Seconds } = (await status()).lag;
  sender.stop();
  return {
    perSecond,
    p50Seconds: p50Seconds ?? 0,
    p99Seconds: p99Seconds ?? 0,
    backlog,
    drainSeconds: (Date.now() - lastMs) / 1000,
  };
}
