// What a call may spend that its owner has reserved for it: a part, a batch or a page of a listing. It holds
// across the whole call, and a request that it does not cover is not sent.

import { type Amounts, type SidePrices, amountsOf, covers, minusAmounts } from "../store/budget.ts";
import { meshError } from "../s3/errors.ts";
import { type ChargeAt, type Spent, NOTHING_SPENT } from "./spent.ts";

export class Purse {
  readonly #prices: SidePrices;
  #left: Amounts;
  #isShort = false;

  /** @param amounts Infinity: without a limit */
  constructor(amounts: Amounts, prices: SidePrices) {
    this.#left = amounts;
    this.#prices = prices;
  }

  /** Has it refused anything? Its owner reserves more the next time. */
  get isShort(): boolean {
    return this.#isShort;
  }

  /** For a SpentCount, which counts what is let through. */
  readonly charge: ChargeAt = (side, cost, isOwed) => {
    const amounts = amountsOf({ ...NOTHING_SPENT, [side]: cost }, this.#prices);
    if (!isOwed && !covers(this.#left, amounts)) {
      this.#isShort = true;
      throw meshError("budget_reached", "What was reserved for this call is spent", "budget");
    }
    this.#left = minusAmounts(this.#left, amounts);
    return false;
  };

  covers(cost: Spent): boolean {
    const isCovered = covers(this.#left, amountsOf(cost, this.#prices));
    this.#isShort ||= !isCovered;
    return isCovered;
  }
}
