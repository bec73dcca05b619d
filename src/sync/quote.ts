// What a sync would send, as its dry run foretells it: the lists and questions that the dry run itself has
// sent, which the sync sends again, and what each object that would be copied or deleted costs. Pure.

import type { z } from "zod";
import { KEYS_PER_DELETE } from "./deletes.ts";
import type { Counters } from "./report.ts";
import type { SyncSpec } from "./spec.ts";
import { type Store, pricesAt } from "../store/stores.ts";
import { NOTHING_SENT } from "../store/sent.ts";
import type { Quote } from "../view/answers.ts";
import { describeQuote } from "../view/spent.ts";
import { NO_LOAD, meshUseFor, sentFor, toleranceOf } from "../work/load.ts";
import { type Spent, addSpent } from "../work/spent.ts";

/** Counters that take in what would be sent. @param wholeBytes the largest object that goes whole */
export function quoted(counters: Counters, wholeBytes: number): Counters {
  return { wouldSend: { load: NO_LOAD, wholeBytes }, ...counters };
}

/** @returns null: nothing is known yet, or a store is not configured any more */
export function quoteOf(
  spec: SyncSpec,
  { wouldSend, wouldDelete }: Counters,
  spent: Spent,
  sides: { readonly source: Store | null; readonly destination: Store | null },
): z.infer<typeof Quote> | null {
  const { source, destination } = sides;
  if (wouldSend === undefined || source === null || destination === null) return null;
  const { load, markers = 0 } = wouldSend;
  // Where the store does not compare the ETag itself, each key is asked for before it is deleted.
  const looks = destination.profile.conditionalDelete ? 0 : wouldDelete.objects;
  const deletes = Math.ceil(wouldDelete.objects / KEYS_PER_DELETE);
  const expected = [
    spent,
    sentFor(
      load,
      { source, destination },
      { tags: spec.tags === "preserve" || spec.tags === "require", asked: 0 },
    ),
    { source: NOTHING_SENT, destination: { ...NOTHING_SENT, head: looks, delete: deletes + markers } },
  ].reduce(addSpent);
  return describeQuote(
    {
      spent: expected,
      storedBytes: load.bytes,
      mesh: meshUseFor(load),
      tolerance: toleranceOf({ source, destination }),
    },
    pricesAt(sides),
  );
}
