// Creates the Durable Object of an admitted copy or sync and fetches its status, for the routes and for the
// Cron event.

import type { Admitted } from "../copy/spec.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import type { Mesh } from "../mesh.ts";
import type { Started } from "../schedule/schedules.ts";
import { placeOfWork } from "../store/stores.ts";
import type { AdmittedSync } from "../sync/spec.ts";

/**
 * Creates the coordinator of an admitted copy. If this fails, the registry's alarm does it a few seconds
 * later.
 */
export async function createCopy(mesh: Mesh, { id, spec, createdAtMs }: Admitted, env: Env): Promise<void> {
  try {
    // The first call to an object decides where it runs: near its lanes.
    await mesh.Coordinator.getByName(id, placeOfWork(spec, env)).create(id, spec, createdAtMs);
  } catch (error) {
    log("error", "create_deferred", { copyId: id, detail: String(error) });
  }
}

/**
 * The status that the client gets with the 202. A coordinator that cannot answer yet does not undo the
 * admission.
 */
export async function fetchCopyStatus(mesh: Mesh, id: string): Promise<unknown> {
  const response = await mesh.Coordinator.getByName(id).fetch(`https://coordinator/copies/${id}`);
  return response.ok ? await response.json() : { id, phase: "admitted" };
}

/** Creates the Durable Object of a copy or sync that a schedule started. */
export async function createStarted(mesh: Mesh, started: Started, env: Env): Promise<void> {
  if (started.kind === "copy") await createCopy(mesh, started, env);
  else await createSync(mesh, started, env);
}

/**
 * Creates the object of an admitted sync. If this fails, the registry's alarm does it a few seconds later.
 */
export async function createSync(
  mesh: Mesh,
  { id, spec, createdAtMs }: AdmittedSync,
  env: Env,
): Promise<void> {
  try {
    // The first call to an object decides where it runs: near its lanes.
    await mesh.Sync.getByName(id, placeOfWork(spec, env)).create(id, spec, createdAtMs);
  } catch (error) {
    log("error", "create_deferred", { syncId: id, detail: String(error) });
  }
}

/**
 * The status that the client gets with the 202. A sync that cannot answer yet does not undo the admission.
 */
export async function fetchSyncStatus(mesh: Mesh, id: string): Promise<unknown> {
  const response = await mesh.Sync.getByName(id).fetch(`https://sync/syncs/${id}`);
  return response.ok ? await response.json() : { id, phase: "admitted" };
}
