// How the cap of a store is divided among the jobs that use it. Pure.
//
// Max-min fair: nobody gets more than he asks for, and nobody could get more without taking it from one who has less.
// Shares are whole numbers, since two halves of a request per second could both fall into one second. Where there are more
// jobs than units, those go first that have waited longest.

/**
 * @param cap units there are; below 1 (a request every few seconds) it is one unit, and one job has it
 * @param demands by job, in the order in which they are served when there is not enough for all
 */
export function fairShares(cap: number, demands: ReadonlyMap<string, number>): Map<string, number> {
  const unit = Math.min(1, cap);
  let left = Math.floor(cap / unit);
  const shares = new Map<string, number>();
  const hungry = new Map([...demands].filter(([, demand]) => demand > 0));
  for (const job of demands.keys()) shares.set(job, 0);
  while (left > 0 && hungry.size > 0) {
    const each = Math.floor(left / hungry.size);
    const modest = [...hungry].filter(([, demand]) => Math.ceil(demand / unit) <= each);
    if (modest.length === 0) {
      // All want more than an equal part: they get that, and the first of them one unit of what remains.
      const more = left - each * hungry.size;
      for (const [index, job] of [...hungry.keys()].entries())
        shares.set(job, (each + (index < more ? 1 : 0)) * unit);
      return shares;
    }
    for (const [job, demand] of modest) {
      const units = Math.ceil(demand / unit);
      shares.set(job, units * unit);
      left -= units;
      hungry.delete(job);
    }
  }
  return shares;
}

/** What one job holds of one store, as the one who hands it out remembers it. */
export interface Holding {
  readonly job: string;
  readonly wants: number;
  /** What the job may be using, at most. */
  readonly counted: number;
}

/**
 * What a job may have from now on. Never so much that the sum of what all may be using comes above the cap: who is to
 * have more waits until those who are to have less have said that they have it no longer.
 *
 * @param holdings of all jobs, this one too, those first that have waited longest
 */
export function shareFor(cap: number, job: string, holdings: readonly Holding[]): number {
  const demands = new Map(holdings.map((holding) => [holding.job, holding.wants]));
  const fair = fairShares(cap, demands).get(job) ?? 0;
  const taken = holdings.reduce((sum, holding) => sum + (holding.job === job ? 0 : holding.counted), 0);
  const free = Math.max(0, cap - taken);
  if (free >= fair) return fair;
  return cap < 1 ? 0 : Math.floor(free);
}
