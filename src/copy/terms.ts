// What a copy may spend, and what its parts cost.

import { restoreWish } from "../object/archive.ts";
import { Account } from "../work/account.ts";
import type { Leased, LeaseContext } from "../parts/rows.ts";
import type { PartTable } from "../parts/table.ts";
import { type Amounts, budgetOf } from "../store/budget.ts";
import { type Store, pricesAt } from "../store/stores.ts";
import { NOTHING_SENT } from "../store/sent.ts";
import { type Spent, attemptOf, NOTHING_SPENT } from "../work/spent.ts";
import { type Job, type Prepared, isEnded, workOf } from "./phase.ts";
import type { Copy, CopyRecord } from "./record.ts";

/** @param storesOf as configured; null: not any more */
export function accountOf(
  record: CopyRecord,
  storesOf: (copy: Copy) => { source: Store | null; destination: Store | null },
): Account {
  return new Account(record.spent, () => {
    const copy = record.load();
    const stores = storesOf(copy);
    return {
      budget: budgetOf(copy.spec),
      prices: pricesAt(stores),
      keptBack: NOTHING_SPENT,
      restoring: restoreWish(copy.spec) === null ? null : stores.source,
      isEnding: isEnding(copy.job),
    };
  });
}

/** What is begun is taken back, or looked at for somebody who has cancelled it. */
function isEnding(job: Job): boolean {
  const work = workOf(job);
  return work.phase === "aborting" || isEnded(work) || ("wish" in work && work.wish === "cancel");
}

/**
 * Leases parts to a lane, as long as the budget has enough left for each.
 *
 * @returns `purses`: what each may spend
 */
export function leaseWithin(
  account: Account,
  parts: PartTable,
  {
    lane,
    wanted,
    leases: { costOf, ...context },
  }: {
    readonly lane: number;
    readonly wanted: number;
    readonly leases: LeaseContext & { readonly costOf: (lengthBytes: number) => Spent };
  },
): { leased: Leased[]; purses: readonly (Amounts | undefined)[] } {
  if (!account.isLimited) return { leased: parts.lease(lane, wanted, context), purses: [] };
  const leased: Leased[] = [];
  const purses: (Amounts | undefined)[] = [];
  const fits = (length: number, failedAttempts: number) =>
    context.fits?.(length, failedAttempts) !== false && account.affordable([costOf(length)]) > 0;
  while (leased.length < wanted) {
    const [part] = parts.lease(lane, 1, { ...context, fits });
    if (part === undefined) break;
    leased.push(part);
    const name = `${part.partNumber}/${part.attempt}`;
    purses.push(account.reserve(name, costOf(context.lengthOf(part.partNumber))));
  }
  return { leased, purses };
}

/** What one attempt at a part costs. */
export function partCost({ via }: Prepared, source: Store | null): (sizeBytes: number) => Spent {
  if (via === "stream") return attemptOf;
  // A service that ignores the condition on the source is asked afterwards.
  const rechecks = source?.profile.conditionalCopy === false ? 1 : 0;
  const inside = { ...attemptOf(0), source: { ...NOTHING_SENT, head: rechecks } };
  return () => inside;
}
