// What a run may spend, and what is done when nothing more fits into that.

import { restoreWish } from "../object/archive.ts";
import type { Failure, StoreSide } from "../s3/failure.ts";
import { type Amounts, budgetOf } from "../store/budget.ts";
import { NOTHING_SENT } from "../store/sent.ts";
import { pricesAt } from "../store/stores.ts";
import { Account } from "../work/account.ts";
import { type PageAnswer, UNTOLD_PAGE } from "../work/page_task.ts";
import { NOTHING_SPENT } from "../work/spent.ts";
import { isComparison, reportPlaceOf } from "./comparison_spec.ts";
import { isHandingOut } from "./job.ts";
import { isWorking } from "./phase.ts";
import type { SyncRecord } from "./record.ts";
import type { KnownSides } from "./sides.ts";
import type { SyncStep } from "./step.ts";

/** The last parts of a report that has a place of its own. */
const REPORT_PUTS = 2;

export function accountOf(record: SyncRecord, sides: KnownSides): Account {
  return new Account(record.spent, () => {
    const { spec, job } = record.load();
    const stores = sides.of(spec);
    const puts = reportPlaceOf(spec) === null ? 0 : REPORT_PUTS;
    return {
      budget: budgetOf(spec),
      prices: pricesAt(stores),
      restoring: isComparison(spec) || restoreWish(spec) === null ? null : stores.source,
      keptBack: { ...NOTHING_SPENT, destination: { ...NOTHING_SENT, put: puts } },
      isEnding: !isWorking(job.phase === "paused" || job.phase === "blocked" ? job.resume : job),
    };
  });
}

/** Records that a step could not be taken, or is not to be, because of the budget. */
export function stepFailed(record: SyncRecord, step: SyncStep["do"], failure: Failure): void {
  const { code, message, retryAfterMs } = failure;
  const label = code !== "budget_reached" ? "step_failed" : retryAfterMs === null ? code : null;
  const event = { type: "stepFailed", step, failure, now: Date.now(), random: Math.random() } as const;
  record.applyEvent(event, label, message);
}

/**
 * Pauses a run that wants to hand something out, has nothing under way, and can afford nothing of what waits.
 *
 * @param hasAffordable whether the budget has enough for any of it
 * @returns whether it is paused now
 */
export function stopAtBudget(record: SyncRecord, account: Account, hasAffordable: () => boolean): boolean {
  if (!account.isLimited || account.hasReserved || !isHandingOut(record.load().job)) return false;
  // What waits for its restore at the source wants nothing now.
  const { underWay, restoring } = record.counts();
  if (underWay === restoring || hasAffordable()) return false;
  stepFailed(record, "rest", account.failure());
  return true;
}

/**
 * Has another event list a page. Whatever ends that, the answer has none.
 *
 * @returns `sent`: what is not counted yet
 */
export async function pageWithin(
  account: Account,
  side: StoreSide,
  ask: (purse: Amounts | undefined) => Promise<PageAnswer>,
): Promise<PageAnswer> {
  const at = (sent: PageAnswer["sent"]) => ({ ...NOTHING_SPENT, [side]: sent });
  const answer = await account.spend(`page/${crypto.randomUUID()}`, at(UNTOLD_PAGE.sent), async (purse) => {
    const told = await ask(purse).catch(() => UNTOLD_PAGE);
    return { ...told, spent: at(told.sent) };
  });
  return account.isLimited ? { ...answer, sent: NOTHING_SENT } : answer;
}
