// A page of a listing that another event is asked for, because each has connections of its own. Plain data.

import type { Env } from "../env.ts";
import type { ListCursor, ListPage, ListRange } from "../listing/cursor.ts";
import { listPage } from "../listing/listing.ts";
import { S3Error } from "../s3/errors.ts";
import { connect } from "../s3/request.ts";
import { type StoreFacts, findKnownStore } from "../store/facts.ts";

export interface PageTask {
  readonly syncId: string;
  /** Of the events that list for the sync, from 1. */
  readonly event: number;
  readonly store: string;
  readonly range: ListRange;
  readonly cursor: ListCursor | null;
  readonly known: readonly StoreFacts[];
}

/** @returns null: the store refused. The sync asks itself then, and learns why. */
export async function runPageTask(
  env: Env,
  { syncId, event, store, range, cursor, known }: PageTask,
): Promise<ListPage | null> {
  const s3 = connect(
    findKnownStore(env, { store, bucket: range.bucket }, known),
    `bucket-brigade sync/${syncId} listing/${event}`,
  );
  try {
    return await listPage(s3, range, cursor);
  } catch (error) {
    if (error instanceof S3Error) return null;
    throw error;
  }
}
