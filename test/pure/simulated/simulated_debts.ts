// What a simulated copy owes its destination after an abort that was broken off, in memory. It mirrors the
// ledger of debts.ts, and uses its rules of what is owed and when it is tried again.

import { type OwedDebt, debtsOf, nextTryMs } from "../../../src/copy/debts.ts";
import type { Failure } from "../../../src/s3/failure.ts";
import type { Aborting } from "../../../src/copy/phase.ts";
import { Refusal } from "./simulated_store.ts";

export class SimulatedDebts {
  #owed: OwedDebt[] = [];
  #serial = 0;

  get count(): number {
    return this.#owed.length;
  }

  /** How many there ever were. */
  get made(): number {
    return this.#serial;
  }

  /** The time of the next try, or null when there is none to come. */
  get nextTryMs(): number | null {
    const times = this.#owed.map((owed) => owed.nextTryMs).filter((ms) => ms !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  add(aborting: Aborting, what: Failure, now: number, random: number): void {
    for (const debt of debtsOf(aborting)) {
      const next = nextTryMs(now, 0, now, random);
      this.#serial += 1;
      this.#owed.push({
        id: this.#serial,
        debt,
        sinceMs: now,
        failedAttempts: 0,
        nextTryMs: next,
        failure: what,
      });
    }
  }

  /** Tries what is due; what cannot be paid stays. */
  pay(now: number, random: () => number, pay: (owed: OwedDebt) => void): void {
    for (const owed of this.#owed) {
      if (owed.nextTryMs === null || owed.nextTryMs > now) continue;
      try {
        pay(owed);
        this.#owed = this.#owed.filter((other) => other !== owed);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        const failedAttempts = owed.failedAttempts + 1;
        const next = nextTryMs(owed.sinceMs, failedAttempts, now, random());
        const still = { ...owed, failedAttempts, nextTryMs: next, failure: error.failure };
        this.#owed = this.#owed.map((other) => (other === owed ? still : other));
      }
    }
  }

  /** Will an upload that began then be found when the debts are paid? */
  covers(uploadId: string, begunMs: number): boolean {
    return this.#owed.some(
      ({ debt, sinceMs }) =>
        (debt.kind === "upload" && debt.uploadId === uploadId) ||
        (debt.kind === "stray" && begunMs >= debt.sentAtMs && begunMs <= sinceMs),
    );
  }
}
