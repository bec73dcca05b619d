// From an admitted copy to its coordinator, for the routes that start copies and for the Cron event; and where it is placed.

import type { Admitted } from "./api.ts";
import type { Env } from "./env.ts";
import { type Location, locationFor, placedAt } from "./location.ts";
import { log } from "./log.ts";
import { readStores } from "./stores.ts";

type Mesh = Cloudflare.Exports;

/** Creates the coordinator of an admitted copy. If that fails now, the registry's alarm does it in a few seconds. */
export async function createCopy(mesh: Mesh, { id, spec, createdAtMs }: Admitted, env: Env): Promise<void> {
  try {
    // The first call to an object places it, beside its lanes.
    await mesh.Coordinator.getByName(id, placeOfWork(spec, env)).create(id, spec, createdAtMs);
  } catch (error) {
    log("error", "create_deferred", { copyId: id, detail: String(error) });
  }
}

/** Of a copy or sync and its lanes: where the request says, else near the destination. */
export function placeOfWork(
  spec: { readonly destination: { readonly store: string }; readonly location?: Location | null },
  env: Env,
): ReturnType<typeof placedAt> {
  const entry = readStores(env).get(spec.destination.store);
  return placedAt(locationFor(spec, entry?.ok === true ? entry.store : null));
}

/** The status a client gets with the 202; a coordinator that cannot answer yet does not undo the admission. */
export async function copyStatus(mesh: Mesh, id: string): Promise<unknown> {
  const response = await mesh.Coordinator.getByName(id).fetch(`https://coordinator/copies/${id}`);
  return response.ok ? await response.json() : { id, phase: "admitted" };
}
