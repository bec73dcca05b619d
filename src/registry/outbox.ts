// Webhooks waiting for delivery, in the registry's SQLite. A notice is written in the transaction that
// records the event, and deleted when the receiver has answered 2xx. So every event is delivered at least
// once, whatever dies.
//
// What it needs: the registry's alarm, which calls deliverDue(), and webhook.ts, which sends.
//
// Invariant: a notice keeps its id and its body over all attempts.

import { toJson } from "../http/json.ts";
import { log } from "../log.ts";
import { type Delivery, type Notice, type Receiver, deliver } from "./webhook.ts";
import type { Webhook } from "../view/news.ts";

type Settle = (outcome: "delivered" | "given_up", takeOut: () => void) => void;

// The waits that the specification suggests. After the last one the notice is given up, about three days
// after the first attempt.
const HOUR_MS = 3600_000;

const RETRY_MS = [
  5_000,
  5 * 60_000,
  30 * 60_000,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];

/**
 * Spreads retries by up to this fraction of the wait, so that notices that failed together are not retried
 * together.
 */
const JITTER = 0.2;

const SENT_AT_ONCE = 10;

export class Outbox {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS notices (
        id TEXT PRIMARY KEY, body TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL, failed_attempts INTEGER NOT NULL, next_try_ms INTEGER NOT NULL
      );
      CREATE INDEX IF NOT EXISTS notices_by_time ON notices (next_try_ms);
    `);
  }

  add({ type, at, data }: Webhook, now: number): void {
    const id = `msg_${crypto.randomUUID().replaceAll("-", "")}`;
    const body = toJson({ type, timestamp: at, data });
    this.#sql.exec("INSERT INTO notices VALUES (?, ?, ?, 0, ?)", id, body, now, now);
  }

  /** When the next one is due, or null. */
  nextTryMs(): number | null {
    const next = this.#sql.exec("SELECT min(next_try_ms) AS next FROM notices").one()["next"];
    return typeof next === "number" ? next : null;
  }

  waiting(): { count: number; oldestMs: number | null } {
    const row = this.#sql.exec("SELECT count(*) AS n, min(created_at_ms) AS oldest FROM notices").one();
    return { count: Number(row["n"]), oldestMs: typeof row["oldest"] === "number" ? row["oldest"] : null };
  }

  /**
   * Sends what is due.
   *
   * @param settle records a final outcome in the transaction that deletes the notice
   */
  async deliverDue(receiver: Receiver, now: number, settle: Settle): Promise<void> {
    const due = this.#sql
      .exec(
        "SELECT id, body, failed_attempts FROM notices WHERE next_try_ms <= ? ORDER BY created_at_ms LIMIT ?",
        now,
        SENT_AT_ONCE,
      )
      .toArray();
    await Promise.all(
      due.map(async (row) => {
        const notice = { id: String(row["id"]), body: String(row["body"]) };
        const delivery = await deliver(notice, receiver, Date.now());
        this.#settleDelivery(notice, Number(row["failed_attempts"]), delivery, settle);
      }),
    );
  }

  #settleDelivery({ id }: Notice, failedBefore: number, delivery: Delivery, settle: Settle): void {
    const takeOut = () => void this.#sql.exec("DELETE FROM notices WHERE id = ?", id);
    if (delivery.kind === "delivered") return settle("delivered", takeOut);
    const failedAttempts = failedBefore + 1;
    const waitMs = delivery.kind === "gone" ? undefined : RETRY_MS[failedBefore];
    const reason = delivery.kind === "gone" ? "the receiver answered 410 Gone" : delivery.reason;
    if (waitMs === undefined) {
      log("error", "notice_given_up", { noticeId: id, failedAttempts, detail: reason });
      return settle("given_up", takeOut);
    }
    log("warn", "notice_failed", { noticeId: id, failedAttempts, detail: reason });
    this.#sql.exec(
      "UPDATE notices SET failed_attempts = ?, next_try_ms = ? WHERE id = ?",
      failedAttempts,
      Math.ceil(Date.now() + waitMs * (1 + JITTER * Math.random())),
      id,
    );
  }
}
