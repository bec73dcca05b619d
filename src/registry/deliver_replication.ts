// How a replicator learns what it is to do, whether a request or the registry's alarm tells it.

import { log } from "../log.ts";
import type { Mesh } from "../mesh.ts";
import type { Replication } from "./replication_rows.ts";

/** A second time changes nothing. If this fails, the registry's alarm does it a few seconds later. */
export async function deliverReplication(mesh: Mesh, replication: Replication): Promise<void> {
  const { name, id, spec, phase, createdAtMs } = replication;
  const replicator = mesh.Replicator.getByName(name);
  try {
    if (phase === "deleting") return await replicator.remove(name, id);
    await replicator.create({ name, id, spec, createdAtMs });
    await replicator.update(spec);
  } catch (error) {
    log("error", phase === "deleting" ? "removal_deferred" : "create_deferred", {
      replication: name,
      detail: String(error),
    });
  }
}
