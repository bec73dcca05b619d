// Creates the Durable Object of an admitted copy or sync and fetches its status, for the routes and for the
// Cron event.

import type { Env } from "../env.ts";
import { log } from "../log.ts";
import type { Mesh } from "../mesh.ts";
import type { Started } from "../schedule/schedules.ts";
import { placeOfWork } from "../store/stores.ts";

export type WorkKind = Started["kind"];

/**
 * Creates the object of an admitted copy or sync. If this fails, the registry's alarm does it a few seconds
 * later.
 */
export async function createWork(mesh: Mesh, work: Started, env: Env): Promise<void> {
  const { kind, id, createdAtMs } = work;
  // The first call to an object decides where it runs: near its lanes.
  const place = placeOfWork(work.spec, env);
  try {
    if (work.kind === "copy") await mesh.Coordinator.getByName(id, place).create(id, work.spec, createdAtMs);
    else await mesh.Sync.getByName(id, place).create(id, work.spec, createdAtMs);
  } catch (error) {
    log("error", "create_deferred", { [`${kind}Id`]: id, detail: String(error) });
  }
}

export function objectsOf(mesh: Mesh, kind: WorkKind): Mesh["Coordinator"] | Mesh["Sync"] {
  return kind === "copy" ? mesh.Coordinator : mesh.Sync;
}

/**
 * The status that the client gets with the 202. An object that cannot answer yet does not undo the admission.
 */
export async function fetchStatus(mesh: Mesh, kind: WorkKind, id: string): Promise<unknown> {
  const path = kind === "copy" ? `copies/${id}` : `syncs/${id}`;
  const response = await objectsOf(mesh, kind).getByName(id).fetch(`https://${kind}/${path}`);
  return response.ok ? await response.json() : { id, phase: "admitted" };
}
