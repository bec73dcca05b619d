// The account of one piece of work: what it may spend, has spent, and has reserved for what is under way.
//
// What it needs: the table that keeps it. Without a budget it limits nothing and keeps no reservation.
//
// Invariants:
// - What may still be sent is reserved before it is handed out, and whoever has it can send no more than that
//   (purse.ts). So spent and reserved together never pass the budget, however many lanes run.
// - The owner's own requests are counted on disk before they are sent.
// - A reservation of a call that has died counts as spent: it may have sent as much. A report that comes
//   later is counted already.

import { Problem } from "../http/problem.ts";
import { parseWith } from "../http/fields.ts";
import { FailureError } from "../s3/errors.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import {
  type Amounts,
  type Budget,
  type SidePrices,
  amountsOf,
  budgetOf,
  covers,
  leftOf,
  ResumeRequestSchema,
  minusAmounts,
} from "../store/budget.ts";
import { type Store, pricesAt } from "../store/stores.ts";
import type { CopyStatus } from "../view/answers.ts";
import { knowsRestorePrices } from "./restore_cost.ts";
import {
  type ChargeAt,
  type Spent,
  type SpentTable,
  addSpent,
  attemptOf,
  NOTHING_SPENT,
  timesSpent,
} from "./spent.ts";

interface Terms {
  readonly budget: Budget;
  readonly prices: SidePrices;
  /** For what the work owes at its end. */
  readonly keptBack: Spent;
  /** The source, where it is to bring objects back from an archive. */
  readonly restoring: Pick<Store, "provider"> | null;
  /** It has ended or is ending: what it has begun is cleaned up, whatever that costs. */
  readonly isEnding: boolean;
}

/** Where others have reserved what is left, some of it may come back. */
const WAIT_MS = 1_000;

const MIB = 2 ** 20;

export class Account {
  readonly #table: SpentTable;
  readonly #terms: () => Terms;
  // A reservation that was too small is followed by larger ones. In memory only: it is learned again.
  #factor = 1;
  // Names of reservations whose call this event waits for.
  readonly #own = new Set<string>();

  constructor(table: SpentTable, terms: () => Terms) {
    this.#table = table;
    this.#terms = terms;
  }

  get isLimited(): boolean {
    return Object.keys(this.#terms().budget).length > 0;
  }

  /** Is anything under way that may still spend? */
  get hasReserved(): boolean {
    return [...this.#table.reserved().keys()].some((name) => !name.startsWith(IDLE));
  }

  /** For the owner's own requests. */
  readonly charge: ChargeAt = (side, cost, isOwed) => {
    if (!this.isLimited) return false;
    const { isEnding, prices } = this.#terms();
    const spent = { ...NOTHING_SPENT, [side]: cost };
    if (!isOwed && !isEnding && !covers(this.#left(), amountsOf(spent, prices)))
      throw new FailureError(this.failure());
    this.#table.add(spent);
    return true;
  };

  /** How many of these, from the first on, may be handed out together. */
  affordable(costs: readonly Spent[]): number {
    if (!this.isLimited) return costs.length;
    const { prices } = this.#terms();
    let left = this.#left();
    for (const [index, cost] of costs.entries()) {
      const amounts = amountsOf(this.#scaled(cost), prices);
      if (!covers(left, amounts)) return index;
      left = minusAmounts(left, amounts);
    }
    return costs.length;
  }

  /**
   * Reserves what a call may cost. The caller has asked affordable().
   *
   * @returns what the call may spend; undefined: as much as it likes
   */
  reserve(name: string, cost: Spent): Amounts | undefined {
    if (!this.isLimited) return undefined;
    const spent = this.#scaled(cost);
    this.#table.reserve(name, spent);
    return this.#limited(amountsOf(spent, this.#terms().prices));
  }

  /** Of a call that was begun before; undefined: nothing. */
  reservedFor(name: string): Amounts | undefined {
    const spent = this.#table.reserved().get(name);
    return spent && this.#limited(amountsOf(spent, this.#terms().prices));
  }

  /** It has stopped with what it had: no more than it has spent is reserved for it. */
  idle(name: string, spent: Spent): void {
    if (this.#table.release(name) !== null) this.#table.reserve(IDLE + name, spent);
  }

  /**
   * Gives what is idle more, if the budget has that much.
   *
   * @param spent all that it may have spent then
   * @returns the same as amounts; null: the budget has less
   */
  revive(name: string, spent: Spent): Amounts | null {
    const { prices } = this.#terms();
    const before = this.#table.reserved().get(IDLE + name) ?? NOTHING_SPENT;
    const amounts = amountsOf(spent, prices);
    const more = minusAmounts(amounts, amountsOf(before, prices));
    if (!covers(this.#left(), more)) return null;
    this.#table.release(IDLE + name);
    this.#table.reserve(name, spent);
    return this.#limited(amounts);
  }

  /**
   * Takes in what a call has sent.
   *
   * @param spent undefined: nobody knows, and it counts as all that was reserved
   * @returns false: there is no budget, and it is not counted here
   */
  settle(name: string, spent: Spent | undefined): boolean {
    if (!this.isLimited) return false;
    const reserved = this.#table.release(name) ?? this.#table.release(IDLE + name);
    if (reserved !== null) this.#table.add(spent ?? reserved);
    return true;
  }

  /** Settles what was reserved for calls that nobody waits for any more. @param isAlive by name */
  settleLost(isAlive: (name: string) => boolean): void {
    if (!this.isLimited) return;
    for (const name of this.#table.reserved().keys())
      if (!this.#own.has(name) && !isAlive(name)) this.settle(name, undefined);
  }

  /** A call of this event, with a reservation of its own. @throws {FailureError} if too little is left */
  async spend<T extends { readonly spent: Spent }>(
    name: string,
    cost: Spent,
    call: (purse: Amounts | undefined) => Promise<T>,
  ): Promise<T> {
    if (this.affordable([cost]) === 0) throw new FailureError(this.failure());
    this.#own.add(name);
    try {
      const answer = await call(this.reserve(name, cost));
      this.settle(name, answer.spent);
      return answer;
    } finally {
      this.#own.delete(name);
    }
  }

  /** A call has met the end of its reservation. */
  wasShort(): void {
    this.#factor *= 2;
  }

  /** Why nothing more is sent. With a wait, if some of what is reserved may come back. */
  failure(): Failure {
    const { budget, prices } = this.#terms();
    const [spent, reserved] = this.#used(prices);
    const limits = Object.entries(budget).map(([name, most]) => {
      const unit = UNITS[name as keyof Budget];
      return `"${name}" is ${most}, ${told(spent[unit])} are spent and ${told(reserved[unit])} reserved`;
    });
    const message = `The budget is reached: ${limits.join("; ")}. POST …/resume with a higher one goes on`;
    const failure = meshFailure("budget_reached", message, "budget");
    return { ...failure, retryAfterMs: this.hasReserved ? WAIT_MS : null };
  }

  /**
   * The budget after POST …/resume.
   *
   * @param body of that call
   * @param isHeld the work has stopped at its budget
   * @throws {Problem} 400, 409 if it could not go on with it
   */
  raised(body: unknown, isHeld: boolean): Budget {
    const raise = budgetOf(parseWith(ResumeRequestSchema, body));
    const { budget, prices, restoring } = this.#terms();
    const names = Object.keys(raise) as (keyof Budget)[];
    if (names.length > 0 && !this.isLimited)
      throw new Problem(400, "invalid_request", `${quoted(names)}: this work was started without a budget`);
    checkPriced(raise, prices);
    checkRestorePriced(raise, restoring);
    if (names.length === 0 && isHeld) throw new Problem(409, "budget_reached", this.failure().message);
    const [spent, reserved] = this.#used(prices);
    for (const name of names) {
      const used = spent[UNITS[name]] + reserved[UNITS[name]];
      if ((raise[name] ?? 0) > used) continue;
      const message = `"${name}" must be above ${told(used)}, which is spent or reserved already, not ${raise[name]}`;
      throw new Problem(409, "budget_reached", message);
    }
    return { ...budget, ...raise };
  }

  /** For the status; null: there is no budget. */
  describe(): NonNullable<CopyStatus["budget"]> | null {
    if (!this.isLimited) return null;
    const { budget, prices } = this.#terms();
    const [spent, reserved] = this.#used(prices).map(({ usd, ...amounts }) => ({
      ...amounts,
      usd: Number.isFinite(usd) ? Math.round(usd * 1e9) / 1e9 : null,
    })) as [Shown, Shown];
    return { ...budget, spent, reserved };
  }

  #used(prices: SidePrices): [spent: Amounts, reserved: Amounts] {
    const reserved = [...this.#table.reserved().values()].reduce(addSpent, NOTHING_SPENT);
    return [amountsOf(this.#table.all(), prices), amountsOf(reserved, prices)];
  }

  #left(): Amounts {
    const { budget, prices, keptBack } = this.#terms();
    return leftOf(budget, [...this.#used(prices), amountsOf(keptBack, prices)]);
  }

  /** What the budget does not limit, no reservation limits. */
  #limited({ usd, bytes, requests }: Amounts): Amounts {
    const { maxUsd, maxBytes, maxRequests } = this.#terms().budget;
    return {
      usd: maxUsd === undefined ? Infinity : usd,
      bytes: maxBytes === undefined ? Infinity : bytes,
      requests: maxRequests === undefined ? Infinity : requests,
    };
  }

  #scaled(cost: Spent): Spent {
    if (this.#factor === 1) return cost;
    return addSpent(timesSpent(cost, this.#factor), timesSpent(attemptOf(MIB), this.#factor));
  }
}

type Shown = NonNullable<CopyStatus["budget"]>["spent"];

/** Before the name of what has stopped. */
const IDLE = "idle ";

const UNITS = { maxUsd: "usd", maxBytes: "bytes", maxRequests: "requests" } as const satisfies Record<
  keyof Budget,
  keyof Amounts
>;

/** The budget of a request. @throws {Problem} 400 if dollars are limited that nobody can count */
export function pricedBudgetOf(
  request: Parameters<typeof budgetOf>[0],
  stores: Parameters<typeof pricesAt>[0],
): Budget {
  const budget = budgetOf(request);
  checkPriced(budget, pricesAt(stores));
  return budget;
}

/** @throws {Problem} 400 */
function checkPriced({ maxUsd }: Budget, prices: SidePrices): void {
  if (maxUsd === undefined) return;
  const sides = (["source", "destination"] as const).filter((side) => prices[side] === null);
  if (sides.length === 0) return;
  const message = `"maxUsd" needs the prices of both stores, and none are known of the ${sides.join(" and the ")}: set "prices" in the store's secret, or use "maxBytes" and "maxRequests"`;
  throw new Problem(400, "invalid_request", message);
}

/** @param restoring the source, where it restores anything @throws {Problem} 400 */
export function checkRestorePriced(
  { maxUsd }: { readonly maxUsd?: unknown },
  restoring: Pick<Store, "provider"> | null,
): void {
  if (maxUsd === undefined || restoring === null || knowsRestorePrices(restoring)) return;
  const message = `"maxUsd" cannot bound what a restore costs: its prices are known of aws, and not of ${restoring.provider}. Leave "maxUsd" out, or "ifArchived", and restore the objects where they lie`;
  throw new Problem(400, "invalid_request", message);
}

function told(amount: number): string {
  return Number.isInteger(amount) ? String(amount) : String(Math.round(amount * 1e9) / 1e9);
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}
