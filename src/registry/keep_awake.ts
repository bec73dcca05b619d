// Asks running work whether it still has its alarm: some of it at each Cron event, all of it in turn. The
// platform has lost alarms (work/alarm.ts), an object without one does nothing until it is called, and nobody
// else would notice.

import { log } from "../log.ts";
import type { Mesh } from "../mesh.ts";
import type { AllWork } from "./all_work.ts";
import type { ReplicationRows } from "./replication_rows.ts";
import { WORK_KINDS, objectsOf } from "../schedule/kinds.ts";

export async function keepAwake(
  mesh: Mesh,
  work: AllWork,
  replications: Pick<ReplicationRows, "all">,
): Promise<void> {
  for (const { name } of replications.all()) await ask(name, mesh.Replicator.getByName(name));
  for (const kind of WORK_KINDS)
    for (const id of work.of(kind).nextWorking()) await ask(id, objectsOf(mesh, kind).getByName(id));
}

async function ask(id: string, object: { keepAwake(): Promise<unknown> }): Promise<void> {
  try {
    await object.keepAwake();
  } catch (error) {
    log("error", "not_kept_awake", { id, detail: String(error) });
  }
}
