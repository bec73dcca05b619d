// `npm run bench -- events`: how many events a second one mesh takes in, by the secret of a replication, each
// answered when it is stored. The replication is paused, so that nothing is looked at meanwhile: what that
// costs, the requests to the stores decide.

import { setTimeout } from "node:timers/promises";
import { result } from "./contest.ts";
import { cpuSecondsOf } from "./measure.ts";
import { Stage } from "./stage.ts";
import { storeSecret } from "../mesh/mesh.ts";
import type { MeshClient } from "../mesh/mesh_client.ts";
import { printTable } from "../results_page.ts";

/** Senders, each of which waits for an answer before it sends again. */
const AT_ONCE = 32;

export async function benchEvents(events: number): Promise<string> {
  await using stage = new Stage();
  const source = await stage.store(["--bucket", "source"]);
  const destination = await stage.store(["--bucket", "destination"]);
  const mesh = await stage.mesh({
    STORE_EAST: storeSecret(source),
    STORE_WEST: storeSecret(destination),
  });
  const body = { source: "east:source/", destination: "west:destination/", repair: "off" };
  await mesh.call("PUT", "/replications/bench", { body });
  const { body: made } = await mesh.call<{ url: string }>("POST", "/replications/bench/secret");
  while ((await phaseOf(mesh)) !== "following") await setTimeout(100);
  await mesh.call("POST", "/replications/bench/pause");
  const rows: string[][] = [];
  for (const perRequest of [1, 10, 100]) {
    const cpuBefore = cpuSecondsOf(mesh.pid);
    const { seconds, latenciesMs } = await send(made.url, events, perRequest);
    const cpuMs = (1000 * (cpuSecondsOf(mesh.pid) - cpuBefore)) / events;
    const rate = events / seconds;
    const p99 = latenciesMs.toSorted((a, b) => a - b)[Math.floor(0.99 * latenciesMs.length)] ?? Number.NaN;
    rows.push([String(perRequest), rate.toFixed(0), p99.toFixed(0), cpuMs.toFixed(2)]);
    result({ name: `events: taken, ${perRequest} a request`, value: rate, unit: "events/s" });
  }
  const table = printTable(["events a request", "events/s", "p99 of the answer, ms", "CPU ms of each"], rows);
  return `${events} events, each of another key, from ${AT_ONCE} senders at once:\n\n${table}`;
}

async function phaseOf(mesh: MeshClient): Promise<string> {
  return (await mesh.call<{ phase: string }>("GET", "/replications/bench")).body.phase;
}

async function send(url: string, events: number, perRequest: number) {
  const latenciesMs: number[] = [];
  let sent = 0;
  const sender = async () => {
    while (sent < events) {
      const first = sent;
      sent += perRequest;
      const keys = Array.from({ length: perRequest }, (_, index) => `${perRequest}/${first + index}`);
      const begun = performance.now();
      const response = await fetch(url, { method: "POST", body: JSON.stringify({ keys }) });
      const text = await response.text();
      if (response.status !== 202) throw new Error(`An event was answered ${response.status}: ${text}`);
      latenciesMs.push(performance.now() - begun);
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  return { seconds: (performance.now() - begun) / 1000, latenciesMs };
}
