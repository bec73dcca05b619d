// From an admitted copy to its coordinator, for the routes that start copies and for the Cron event.

import { log } from "./log.ts";
import type { Admitted } from "./registry.ts";

type Mesh = Cloudflare.Exports;

/** Creates the coordinator of an admitted copy. If that fails now, the registry's alarm does it in a few seconds. */
export async function createCopy(mesh: Mesh, { id, spec, createdAtMs }: Admitted): Promise<void> {
  try {
    await mesh.Coordinator.getByName(id).create(id, spec, createdAtMs);
  } catch (error) {
    log("error", "create_deferred", { copyId: id, detail: String(error) });
  }
}

/** The status a client gets with the 202; a coordinator that cannot answer yet does not undo the admission. */
export async function copyStatus(mesh: Mesh, id: string): Promise<unknown> {
  const response = await mesh.Coordinator.getByName(id).fetch(`https://coordinator/copies/${id}`);
  return response.ok ? await response.json() : { id, phase: "admitted" };
}
