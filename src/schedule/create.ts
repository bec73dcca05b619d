// How the Durable Object of admitted work comes to be, whether a request or a schedule has started it.

import type { Env } from "../env.ts";
import { log } from "../log.ts";
import type { Mesh } from "../mesh.ts";
import type { Started } from "./kinds.ts";
import { placeOfWork } from "../store/stores.ts";

/**
 * Creates the object of an admitted copy or sync; a second time changes nothing. If this fails, the
 * registry's alarm does it a few seconds later.
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
