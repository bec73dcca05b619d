// Webhooks, in the registry's SQLite: a row for each notice and receiver, first as it waits for delivery,
// then as a record of what came of it. The row is written in the transaction that records the event, and
// waits until the receiver has answered 2xx. So every event is delivered at least once, whatever dies.
//
// What it needs: the registry's alarm, which calls deliverDue(); its Cron event, which calls trim(); and
// webhook.ts, which sends.
//
// Invariants: a notice keeps its id and its body over all attempts and for all receivers. What is kept is
// bounded: a receiver that is never there again costs MAX_WAITING rows.

import { isoTime } from "../http/fields.ts";
import { toJson } from "../http/json.ts";
import { NOTIFICATION_STATES } from "../http/vocabulary.ts";
import { makeId } from "../http/id.ts";
import { log } from "../log.ts";
import type { Notification } from "../view/mesh_answers.ts";
import type { Webhook } from "../view/news.ts";
import { type Receiver, DEFAULT_RECEIVER } from "./receivers.ts";
import { type Delivery, type Notice, deliver } from "./webhook.ts";

type Settle = (outcome: "delivered" | "given_up", record: () => void) => void;

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

/** Of these to one receiver: one that does not answer must not keep the others waiting. */
const SENT_TO_ONE = 5;

/** How long, and how many to a receiver, deliveries that have come to an end can be seen and sent again. */
const KEPT_MS = 7 * 24 * HOUR_MS;

const MAX_KEPT = 1_000;

/** Beyond it, the oldest that wait for a receiver are given up. */
const MAX_WAITING = 10_000;

/** Counting reads all that is kept. */
const TRIM_EVERY_MS = HOUR_MS;

type Row = Readonly<Record<string, unknown>>;

export class Outbox {
  readonly #sql: SqlStorage;

  readonly #receivers: () => readonly Receiver[];
  #trimmedMs = 0;

  /** @param receivers as configured now */
  constructor(sql: SqlStorage, receivers: () => readonly Receiver[]) {
    this.#sql = sql;
    this.#receivers = receivers;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS notices (
        id TEXT PRIMARY KEY, body TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL, failed_attempts INTEGER NOT NULL, next_try_ms INTEGER NOT NULL
      );
      CREATE TABLE IF NOT EXISTS deliveries (
        id TEXT PRIMARY KEY,
        notice TEXT NOT NULL,            -- webhook-id, the same for all receivers
        receiver TEXT NOT NULL,
        type TEXT NOT NULL,
        work TEXT,                       -- the copy or sync
        body TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL,       -- ever
        failed_attempts INTEGER NOT NULL, -- since it was put here or sent again by hand
        next_try_ms INTEGER,             -- null: it has come to an end
        state TEXT NOT NULL DEFAULT 'waiting', -- waiting | delivered | given_up
        last_try_ms INTEGER,
        last_status INTEGER,
        last_problem TEXT
      );
      CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (next_try_ms) WHERE next_try_ms IS NOT NULL;
      CREATE INDEX IF NOT EXISTS deliveries_by_receiver ON deliveries (receiver, id);
      CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (state, id);
    `);
    this.#takeOver();
  }

  /** What an older deployment, which knew one receiver, still had to send. */
  #takeOver(): void {
    const old = this.#sql.exec("SELECT * FROM notices").toArray();
    for (const { id, body, created_at_ms: createdAtMs, failed_attempts: failed, next_try_ms: next } of old) {
      const { type, data } = JSON.parse(String(body)) as { type: string; data: { id?: string } };
      this.#insert(
        { notice: String(id), receiver: DEFAULT_RECEIVER, type, work: data.id ?? null },
        String(body),
        {
          now: Number(createdAtMs),
          failedAttempts: Number(failed),
          nextMs: Number(next),
        },
      );
      this.#sql.exec("DELETE FROM notices WHERE id = ?", id);
    }
  }

  /**
   * Call it in the transaction that records the event.
   *
   * @param only of the receivers that want it; null: all of them
   * @returns whether anybody is to be told
   */
  add({ type, at, data }: Webhook, now: number, only: readonly string[] | null = null): boolean {
    const receivers = this.#receivers().filter(
      ({ name, events }) => events.includes(type) && (only === null || only.includes(name)),
    );
    const notice = `msg_${crypto.randomUUID().replaceAll("-", "")}`;
    const body = toJson({ type, timestamp: at, data });
    const work = typeof data["id"] === "string" ? data["id"] : null;
    for (const { name } of receivers)
      this.#insert({ notice, receiver: name, type, work }, body, { now, failedAttempts: 0, nextMs: now });
    return receivers.length > 0;
  }

  #insert(
    of: { notice: string; receiver: string; type: string; work: string | null },
    body: string,
    { now, failedAttempts, nextMs }: { now: number; failedAttempts: number; nextMs: number },
  ): void {
    this.#sql.exec(
      `INSERT INTO deliveries
         (id, notice, receiver, type, work, body, created_at_ms, attempts, failed_attempts, next_try_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      makeId(now, crypto.getRandomValues(new Uint8Array(10))),
      of.notice,
      of.receiver,
      of.type,
      of.work,
      body,
      now,
      failedAttempts,
      failedAttempts,
      nextMs,
    );
  }

  /** When the next one is due, or null. */
  nextTryMs(): number | null {
    const next = this.#sql
      .exec("SELECT min(next_try_ms) AS next FROM deliveries WHERE next_try_ms IS NOT NULL")
      .one()["next"];
    return typeof next === "number" ? next : null;
  }

  waiting(): { count: number; oldestMs: number | null } {
    const row = this.#sql
      .exec(
        "SELECT count(*) AS n, min(created_at_ms) AS oldest FROM deliveries WHERE next_try_ms IS NOT NULL",
      )
      .one();
    return { count: Number(row["n"]), oldestMs: typeof row["oldest"] === "number" ? row["oldest"] : null };
  }

  /** Newest first. @param before the id to continue after, or null */
  list(
    filter: { readonly state: string | null; readonly receiver: string | null },
    before: string | null,
    limit: number,
  ): { notifications: Notification[]; next: string | null } {
    // Only what is asked for is a condition, so that an index can be used.
    const conditions = [
      ["state =", filter.state],
      ["receiver =", filter.receiver],
      ["id <", before],
    ].filter((condition): condition is [string, string] => condition[1] !== null);
    const where = ["TRUE", ...conditions.map(([condition]) => `${condition} ?`)].join(" AND ");
    const found = this.#sql
      .exec(
        `SELECT * FROM deliveries WHERE ${where} ORDER BY id DESC LIMIT ?`,
        ...conditions.map(([, value]) => value),
        limit + 1,
      )
      .toArray();
    const notifications = found.slice(0, limit).map(viewOf);
    return { notifications, next: found.length > limit ? (notifications.at(-1)?.id ?? null) : null };
  }

  #find(id: string): Notification | null {
    const row = this.#sql.exec("SELECT * FROM deliveries WHERE id = ?", id).toArray()[0];
    return row === undefined ? null : viewOf(row);
  }

  /**
   * Has it sent once more, at the next deliverDue(), and with all retries. The receiver knows the notice by
   * its id.
   *
   * @returns null if there is no such delivery
   */
  again(id: string, now: number): Notification | "no_receiver" | null {
    const found = this.#find(id);
    if (found === null) return null;
    if (!this.#receivers().some(({ name }) => name === found.receiver)) return "no_receiver";
    this.#sql.exec(
      "UPDATE deliveries SET next_try_ms = ?, failed_attempts = 0, state = 'waiting' WHERE id = ?",
      now,
      id,
    );
    return this.#find(id);
  }

  /**
   * Sends what is due.
   *
   * @param settle records an end in the transaction that takes the notice out of those that wait
   */
  async deliverDue(now: number, settle: Settle): Promise<void> {
    const receivers = this.#receivers();
    const due = this.#sql
      .exec(
        `SELECT id, notice, receiver, body, failed_attempts, next_try_ms FROM deliveries WHERE id IN (
           SELECT id FROM (
             SELECT id, row_number() OVER (PARTITION BY receiver ORDER BY next_try_ms, id) AS place
             FROM deliveries WHERE next_try_ms <= ?1
           ) WHERE place <= ?2 ORDER BY place, id LIMIT ?3
         )`,
        now,
        SENT_TO_ONE,
        SENT_AT_ONCE,
      )
      .toArray();
    await Promise.all(
      due.map(async (row) => {
        const notice = { id: String(row["notice"]), body: String(row["body"]) };
        const receiver = receivers.find(({ name }) => name === row["receiver"]) ?? null;
        const delivery = await deliver(notice, receiver, Date.now());
        this.#settleDelivery(row, notice, delivery, settle);
      }),
    );
  }

  #settleDelivery(row: Row, notice: Notice, delivery: Delivery, settle: Settle): void {
    const failedBefore = Number(row["failed_attempts"]);
    const fields = { noticeId: notice.id, receiver: String(row["receiver"]) };
    if (delivery.kind === "delivered")
      return settle("delivered", () => this.#note(row, delivery, { state: "delivered", nextMs: null }));
    const failedAttempts = failedBefore + 1;
    const waitMs = delivery.kind === "gone" ? undefined : RETRY_MS[failedBefore];
    if (waitMs === undefined) {
      log("error", "notice_given_up", { ...fields, failedAttempts, detail: delivery.reason });
      return settle("given_up", () => this.#note(row, delivery, { state: "given_up", nextMs: null }));
    }
    log("warn", "notice_failed", { ...fields, failedAttempts, detail: delivery.reason });
    const nextMs = Math.ceil(Date.now() + waitMs * (1 + JITTER * Math.random()));
    this.#note(row, delivery, { state: "waiting", nextMs });
  }

  #note(
    row: Row,
    delivery: Delivery,
    { state, nextMs }: { state: Notification["state"]; nextMs: number | null },
  ): void {
    this.#sql.exec(
      "UPDATE deliveries SET attempts = attempts + 1, last_try_ms = ?, last_status = ?, last_problem = ? WHERE id = ?",
      Date.now(),
      delivery.status,
      delivery.kind === "delivered" ? null : delivery.reason,
      row["id"],
    );
    // If a person asked meanwhile for it to be sent again, then it is.
    this.#sql.exec(
      `UPDATE deliveries SET failed_attempts = failed_attempts + 1, state = ?, next_try_ms = ?
       WHERE id = ? AND next_try_ms = ?`,
      state,
      nextMs,
      row["id"],
      row["next_try_ms"],
    );
  }

  /** Forgets what is too old or too much, from time to time. @returns how many were given up that way */
  trim(now: number): number {
    if (now - this.#trimmedMs < TRIM_EVERY_MS) return 0;
    this.#trimmedMs = now;
    const oldest = makeId(Math.max(0, now - KEPT_MS), new Uint8Array(10));
    this.#sql.exec("DELETE FROM deliveries WHERE id < ? AND next_try_ms IS NULL", oldest);
    const receivers = this.#sql.exec("SELECT DISTINCT receiver FROM deliveries").toArray();
    let givenUp = 0;
    for (const { receiver } of receivers) {
      const name = String(receiver);
      this.#sql.exec(BEYOND.replaceAll("{which}", "IS NULL"), name, MAX_KEPT);
      const tooMany = this.#sql
        .exec(BEYOND.replaceAll("{which}", "IS NOT NULL"), name, MAX_WAITING)
        .toArray();
      if (tooMany.length === 0) continue;
      givenUp += tooMany.length;
      const detail = `${tooMany.length} of the oldest: more than ${MAX_WAITING} wait`;
      log("error", "notice_given_up", { receiver: name, detail });
    }
    return givenUp;
  }
}

/** All but the newest of a receiver, among those that wait or those that do not. */
const BEYOND = `
  DELETE FROM deliveries WHERE receiver = ?1 AND next_try_ms {which} AND id <=
    (SELECT id FROM deliveries WHERE receiver = ?1 AND next_try_ms {which} ORDER BY id DESC LIMIT 1 OFFSET ?2)
  RETURNING id`;

function viewOf(row: Row): Notification {
  return {
    id: String(row["id"]),
    webhookId: String(row["notice"]),
    receiver: String(row["receiver"]),
    type: String(row["type"]),
    workId: textOf(row["work"]),
    state: NOTIFICATION_STATES.find((state) => state === row["state"]) ?? "waiting",
    attempts: Number(row["attempts"]),
    createdAt: isoTime(Number(row["created_at_ms"])),
    lastAttemptAt: timeOf(row["last_try_ms"]),
    nextAttemptAt: timeOf(row["next_try_ms"]),
    status: typeof row["last_status"] === "number" ? row["last_status"] : null,
    problem: textOf(row["last_problem"]),
  };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function timeOf(value: unknown): string | null {
  return typeof value === "number" ? isoTime(value) : null;
}
