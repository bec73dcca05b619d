// Which lanes of a sync are to be woken, and the batches of those that have died.

import { PARTS_PER_LANE } from "../env.ts";
import { isHandingOut } from "./job.ts";
import type { SyncRecord } from "./record.ts";

/**
 * Frees the batches of lanes that have been silent too long.
 *
 * @param hungry lanes that work and could take more
 * @param most lanes that may be awake
 * @returns the lanes to wake: the hungry ones, and as many that are asleep as there are batches for
 */
export function lanesToWake(
  record: SyncRecord,
  { hungry, most }: { readonly hungry: ReadonlySet<number>; readonly most: number },
  now: number,
): number[] {
  const { batches, lanes, timeline } = record;
  return record.transaction(() => {
    for (const lane of lanes.takeSilent(now)) {
      batches.releaseLane(lane);
      timeline.add(now, "lane_lost", `lane ${lane}`);
    }
    const { pending } = batches.totals();
    if (!isHandingOut(record.load().job) || pending === 0) return [];
    const awake = new Set(lanes.live());
    const asleep = lanes.chooseAsleep(Math.ceil(pending / PARTS_PER_LANE), most, now);
    return [...[...hungry].filter((lane) => awake.has(lane)), ...asleep];
  });
}
