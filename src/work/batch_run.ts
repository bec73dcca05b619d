// The run of one batch: what its objects share, and when it starts no further object. It sends nothing.
//
// A batch ends early when it is cancelled, its time is over, its requests are used up, or a store is
// overloaded or refuses the credentials: that store gets no request for the next object.

import type { Amounts } from "../store/budget.ts";
import { pricesAt } from "../store/stores.ts";
import { ByteBucket } from "../throttle/byte_bucket.ts";
import { Sender } from "../throttle/sender.ts";
import { keyVerdictOf } from "../s3/retry.ts";
import {
  type BatchOutcome,
  type BatchPace,
  type BatchTask,
  type ObjectOutcome,
  type ObjectWork,
  bytesOf,
  isAsking,
  READ_BYTES,
} from "./batch_task.ts";
import { transferLimitMs, Watchdog } from "./limits.ts";
import { Patience } from "./patience.ts";
import { Purse } from "./purse.ts";
import { attemptOf, SpentCount } from "./spent.ts";

/** A call may stay pending for 15 minutes. After this long, the batch starts no further object. */
const BATCH_LIMIT_MS = 5 * 60_000;

export class BatchRun {
  readonly watchdog: Watchdog;
  readonly patience: Patience;
  readonly #purse: Amounts | undefined;
  #purseNow: Purse | null = null;
  #sent = new SpentCount();
  /** When the batch must stop. */
  readonly stop: AbortSignal;
  /**
   * One pace for the whole batch, whatever the number of requests per object. Requests that were not foreseen
   * (tags, a second try) use up those booked for the objects at the end, which are then left.
   */
  readonly source: Sender;
  readonly destination: Sender;
  /** How fast the bytes of all objects may pass. */
  readonly bucket: ByteBucket | null;
  readonly #untilMs: number;
  readonly #endsAtMs: number;
  #goesOn = true;

  constructor(task: BatchTask, stop: AbortSignal, now: number) {
    this.stop = stop;
    this.watchdog = new Watchdog(stop);
    this.patience = new Patience(isCalm(task));
    this.#purse = task.purse;
    const { source, destination } = sendersOf(task.pace);
    this.source = source;
    this.destination = destination;
    this.bucket = task.rate === undefined ? null : new ByteBucket(task.rate);
    this.#untilMs = Math.min(now + BATCH_LIMIT_MS, task.pace?.untilMs ?? Infinity);
    this.#endsAtMs = task.endsAtMs ?? Infinity;
  }

  /** The count of its requests, which are refused beyond what it may spend. */
  countFor(stores: Parameters<typeof pricesAt>[0]): SpentCount {
    if (this.#purse === undefined) return this.#sent;
    this.#purseNow = new Purse(this.#purse, pricesAt(stores));
    this.#sent = new SpentCount(this.#purseNow.charge);
    return this.#sent;
  }

  /** At the end: what it has sent, and whether that was all that it may. */
  spending(): Pick<BatchOutcome, "spent" | "isShort"> {
    return { spent: this.#sent.take(), ...(this.#purseNow?.isShort === true ? { isShort: true } : {}) };
  }

  /** May this object be started? Once one may not, none may. */
  mayStart(work: ObjectWork, now: number): boolean {
    this.#goesOn &&= !this.stop.aborted && now < this.#untilMs;
    this.#goesOn &&= !this.source.isSpent && !this.destination.isSpent;
    this.#goesOn &&= isAsking(work) || this.#purseNow?.covers(attemptOf(work.sizeBytes)) !== false;
    this.#goesOn &&=
      now +
        transferLimitMs(Math.min(bytesOf(work), work.reading === undefined ? Infinity : 2 * READ_BYTES)) <=
      this.#endsAtMs;
    return this.#goesOn;
  }

  /** Takes in what came of an object. @returns the outcome to report */
  took(outcome: ObjectOutcome): ObjectOutcome {
    if (outcome.kind !== "failed") return outcome;
    const isLeft =
      this.stop.aborted || this.bucket?.handedBack === true || outcome.failure.code === "budget_reached";
    // What fails for this object alone fails no other.
    this.#goesOn &&= !isLeft && ["retry", "fatal"].includes(keyVerdictOf(outcome.failure));
    return isLeft ? { kind: "left" } : outcome;
  }
}

/**
 * A batch without a pace goes to stores that ask for no fewer requests, and none waits for its turn. What is
 * reserved of a budget pays for one try.
 */
function isCalm({ pace, rate, purse }: BatchTask): boolean {
  return pace === null && rate === undefined && purse === undefined;
}

function sendersOf(pace: BatchPace | null): Record<"source" | "destination", Sender> {
  if (pace?.kind === "one") {
    const both = new Sender(pace.both);
    return { source: both, destination: both };
  }
  return { source: new Sender(pace?.source ?? null), destination: new Sender(pace?.destination ?? null) };
}
