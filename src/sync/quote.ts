// What a run would send. A dry run foretells its sync: the lists and questions that the dry run itself has
// sent, which the sync sends again, and what each object that would be copied or deleted costs. A comparison
// foretells its repair. Pure.

import type { z } from "zod";
import { KEYS_PER_DELETE } from "./deletes.ts";
import type { Counters } from "./report.ts";
import { type RunSpec, isComparison, optionsOfRun } from "./comparison_spec.ts";
import { restoreWish } from "../object/archive.ts";
import { type Store, pricesAt } from "../store/stores.ts";
import { NOTHING_SENT } from "../store/sent.ts";
import type { Pace } from "../view/pace.ts";
import type { Quote } from "../view/quote_answer.ts";
import { describeQuote } from "../view/spent.ts";
import {
  type WholeLimits,
  leastSecondsFor,
  NO_LOAD,
  meshUseFor,
  sentFor,
  toleranceOf,
} from "../work/load.ts";
import { sentForRestores, withRestores } from "../work/restore_cost.ts";
import { type Spent, addSpent, NOTHING_SPENT } from "../work/spent.ts";

/** Counters that take in what would be sent. @param limits the largest objects that go whole */
export function quoted(counters: Counters, limits: WholeLimits): Counters {
  return { wouldSend: { load: NO_LOAD, ...limits }, ...counters };
}

/** @returns null: nothing is known yet, or a store is not configured any more */
export function quoteOf(
  spec: RunSpec,
  { wouldSend, wouldDelete, restores }: Counters,
  spent: Spent,
  sides: { readonly source: Store | null; readonly destination: Store | null },
  { pace, now }: { readonly pace: Pace; readonly now: number },
): z.infer<typeof Quote> | null {
  const { source, destination } = sides;
  if (wouldSend === undefined || source === null || destination === null) return null;
  const { load, markers = 0 } = wouldSend;
  const wish = isComparison(spec) ? null : restoreWish(spec);
  const byClass = restores?.byClass ?? {};
  const { tags } = optionsOfRun(spec);
  // Where the store does not compare the ETag itself, each key is asked for before it is deleted.
  const looks = destination.profile.conditionalDelete ? 0 : wouldDelete.objects;
  const deletes = Math.ceil(wouldDelete.objects / KEYS_PER_DELETE);
  const expected = [
    // A repair lists nothing.
    isComparison(spec) ? NOTHING_SPENT : spent,
    sentFor(load, { source, destination }, { tags: tags === "preserve" || tags === "require", asked: 0 }),
    { source: NOTHING_SENT, destination: { ...NOTHING_SENT, head: looks, delete: deletes + markers } },
    wish === null ? NOTHING_SPENT : sentForRestores(byClass, wish),
  ].reduce(addSpent);
  const quote = describeQuote(
    {
      spent: expected,
      objects: load.whole + load.large,
      storedBytes: load.bytes,
      mesh: meshUseFor(load),
      tolerance: toleranceOf({ source, destination }),
      leastSeconds: leastSecondsFor(expected, { source, destination }, spec, now),
      pace,
    },
    pricesAt(sides),
  );
  return withRestores(quote, byClass, wish, source);
}
