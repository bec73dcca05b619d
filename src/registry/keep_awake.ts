// Asks running work whether it still has its alarm: some of it at each Cron event, all of it in turn. The
// platform has lost alarms (work/alarm.ts), an object without one does nothing until it is called, and nobody
// else would notice.

import { log } from "../log.ts";
import type { Mesh } from "../mesh.ts";

interface Rows {
  nextWorking(): string[];
}

export async function keepAwake(
  { Coordinator, Sync }: Pick<Mesh, "Coordinator" | "Sync">,
  copies: Rows,
  syncs: Rows,
): Promise<void> {
  for (const id of copies.nextWorking()) await ask(id, Coordinator.getByName(id));
  for (const id of syncs.nextWorking()) await ask(id, Sync.getByName(id));
}

async function ask(id: string, object: { keepAwake(): Promise<unknown> }): Promise<void> {
  try {
    await object.keepAwake();
  } catch (error) {
    log("error", "not_kept_awake", { id, detail: String(error) });
  }
}
