// A page of a listing that another event is asked for, because each has connections of its own. Plain data.

import type { Env } from "../env.ts";
import type { ListCursor, ListPage, ListRange } from "../listing/cursor.ts";
import { listPage } from "../listing/listing.ts";
import { FailureError, S3Error } from "../s3/errors.ts";
import { connect } from "../s3/request.ts";
import type { Amounts } from "../store/budget.ts";
import { type Sent, NOTHING_SENT, SentCount } from "../store/sent.ts";
import { type StoreFacts, findKnownStore } from "../store/facts.ts";
import { pricesAt } from "../store/stores.ts";
import { Purse } from "./purse.ts";

export interface PageTask {
  readonly syncId: string;
  /** Of the events that list for the sync, from 1. */
  readonly event: number;
  readonly store: string;
  readonly range: ListRange;
  readonly cursor: ListCursor | null;
  readonly known: readonly StoreFacts[];
  /** What it may spend; absent: as much as it likes. */
  readonly purse?: Amounts | undefined;
}

/** A page, or null: the store refused. The sync asks itself then, and learns why. */
export interface PageAnswer {
  readonly page: ListPage | null;
  readonly sent: Sent;
}

/** Of an event that broke: it may have asked. */
export const UNTOLD_PAGE: PageAnswer = { page: null, sent: { ...NOTHING_SENT, list: 1 } };

export async function runPageTask(
  env: Env,
  { syncId, event, store: name, range, cursor, known, purse: amounts }: PageTask,
): Promise<PageAnswer> {
  const store = findKnownStore(env, { store: name, bucket: range.bucket }, known);
  const purse = amounts && new Purse(amounts, pricesAt({ source: store, destination: null }));
  const sent = new SentCount(purse === undefined ? null : (...cost) => purse.charge("source", ...cost));
  const s3 = connect(store, `bucket-brigade sync/${syncId} listing/${event}`);
  try {
    return { page: await listPage({ ...s3, sent }, range, cursor), sent: sent.take() };
  } catch (error) {
    if (error instanceof S3Error || error instanceof FailureError) return { page: null, sent: sent.take() };
    throw error;
  }
}
