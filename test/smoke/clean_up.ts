// The end of a smoke run, however it came about: what still runs is cancelled, and what was put is deleted.
//
// Invariant: nothing is deleted outside the folders of smoke runs. What could not be deleted is reported.

import { setTimeout as delay } from "node:timers/promises";
import { reasonOf } from "./mesh.ts";
import type { Side } from "./options.ts";
import { type S3Client, inParallel } from "./s3.ts";
import { type Stage, FOLDER } from "./stage.ts";

const CANCEL_LIMIT_MS = 5 * 60_000;

const TRIES = 3;

/** A run this old has died. */
const OLD_MS = 24 * 3_600_000;

/** A name that sorts by time and contains it. */
export function runIdAt(now: Date, random: string): string {
  return `${now
    .toISOString()
    .replace(/[-:]|\.\d+/g, "")
    .toLowerCase()}-${random}`;
}

/** When the run started that left this key or schedule. Null: it belongs to no run. */
export function startOf(name: string): number | null {
  const match = /(?:^|\/|-)(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)z-[0-9a-f]+(?:\/|$)/.exec(name);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match.map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
}

/** @returns what could not be deleted, a line each */
export async function cleanUp(stage: Stage, signal: AbortSignal): Promise<string[]> {
  const left: string[] = [];
  const attempt = async (what: string, step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      left.push(`${what}: ${reasonOf(error)}`);
    }
  };
  const mesh = stage.mesh.under(signal);
  for (const path of stage.schedules)
    await attempt(path, async () => {
      const { status } = await mesh.ask("DELETE", path);
      if (status >= 300 && status !== 404) throw new Error(`DELETE answered ${status}`);
    });
  for (const { kind, id } of mesh.started)
    await attempt(`${kind}/${id}`, async () => {
      await mesh.call("POST", `/${kind}/${id}/cancel`);
      await mesh.ended(kind, id, CANCEL_LIMIT_MS);
    });
  if (stage.probes)
    await attempt("the probe", async () => {
      await mesh.call("POST", "/probe/cancel");
      const untilMs = Date.now() + CANCEL_LIMIT_MS;
      for (let endedAt: unknown = null; endedAt === null;) {
        ({ endedAt } = await mesh.call("GET", "/probe?wait=25"));
        if (endedAt === null && Date.now() > untilMs) throw new Error("it has not ended");
      }
    });
  const { source, destination } = stage.options;
  for (const [side, client] of [
    [source, stage.source.under(signal)],
    [destination, stage.destination.under(signal)],
  ] as const) {
    await attempt(placeOf(side, stage), async () => await empty(client, side, stage));
    client.close();
  }
  return left;
}

/**
 * Deletes what runs that died a day ago or longer have left. @returns how many objects and schedules were
 * deleted
 */
export async function removeOld(stage: Stage, now: number): Promise<number> {
  const isOld = (name: string) => now - (startOf(name) ?? now) > OLD_MS;
  let count = 0;
  const { source, destination } = stage.options;
  for (const [side, client] of [
    [source, stage.source],
    [destination, stage.destination],
  ] as const) {
    const keys = (await client.list(side.prefix + FOLDER)).filter((key) =>
      isOld(key.slice(side.prefix.length)),
    );
    await inParallel(8, keys, async (key) => await client.remove(key));
    count += keys.length;
  }
  const { schedules } = await stage.mesh.call("GET", "/schedules");
  for (const { name } of schedules as readonly { name: string }[])
    if (name.startsWith("smoke-") && isOld(name.slice("smoke-".length))) {
      await stage.mesh.call("DELETE", `/schedules/${name}`);
      count += 1;
    }
  return count;
}

async function empty(client: S3Client, side: Side, stage: Stage): Promise<void> {
  const folder = stage.folder(side);
  for (const key of stage.multipartKeys)
    for (const uploadId of (await client.uploads(folder + key)) ?? [])
      await client.abort(folder + key, uploadId);
  let keys: string[] = [];
  for (let tries = 0; tries < TRIES; tries++) {
    keys = await client.list(folder);
    if (keys.length === 0) return;
    await inParallel(8, keys, async (key) => await client.remove(key));
    // A listing may lag behind the objects.
    await delay(tries * 2_000);
  }
  keys = await client.list(folder);
  if (keys.length > 0)
    throw new Error(`${keys.length} objects are still there, such as ${JSON.stringify(keys[0])}`);
}

function placeOf(side: Side, stage: Stage): string {
  return `${side.store.name}:${side.bucket}/${stage.folder(side)}`;
}
