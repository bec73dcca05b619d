// What a run that has not been started would send: its listings are read here, as far as a few pages go, and
// each key is decided as the run would decide it. Nothing is kept, and nothing but lists is sent.

import { Walk, FIRST_CURSOR } from "../listing/walk.ts";
import type { S3 } from "../s3/request.ts";
import { pricesAt } from "../store/stores.ts";
import type { Pace } from "../view/pace.ts";
import type { Quote } from "../view/quote_answer.ts";
import { describeQuote } from "../view/spent.ts";
import { type WholeLimits, leastSecondsFor, meshUseFor, NO_LOAD } from "../work/load.ts";
import { costOf } from "../work/object_cost.ts";
import { type Spent, addSpent, NOTHING_SPENT, SpentCount } from "../work/spent.ts";
import type { z } from "zod";
import { wholeLimitsAt } from "./batches.ts";
import { planComparison } from "./comparison_plan.ts";
import { type RunSpec, isComparison, optionsOfRun } from "./comparison_spec.ts";
import { planPage } from "./decide.ts";
import { quoted, quoteOf } from "./quote.ts";
import { type Counters, countEntries, NO_COUNTERS } from "./report.ts";
import { filterOf } from "./run_spec.ts";
import { addTo } from "./sums.ts";

/** Pages of both sides, of 1,000 keys each: some seconds of listing. */
const MOST_LISTS = 20;

/** What nobody knows before both sides are asked: whether a key that may be the same is copied. */
const UNSURE = 0.5;

interface Sides {
  readonly source: S3;
  readonly destination: S3;
}

interface Circumstances {
  readonly maxPartBytes: number;
  readonly pace: Pace;
  readonly now: number;
}

interface Foretold {
  readonly counters: Counters;
  /** The questions that the listings leave open, and all that may come of them. */
  readonly open: Spent;
  readonly openKeys: number;
}

/** @returns null: there are more keys than are listed for a quote */
export async function foretell(
  spec: RunSpec,
  connected: Sides,
  { maxPartBytes, pace, now }: Circumstances,
): Promise<z.infer<typeof Quote> | null> {
  const sent = new SpentCount();
  const s3 = {
    source: { ...connected.source, sent: sent.source },
    destination: { ...connected.destination, sent: sent.destination },
  };
  const sides = { source: s3.source.store, destination: s3.destination.store };
  const places = isComparison(spec) ? { ...spec, delete: true } : spec;
  const walk = new Walk(places, s3, FIRST_CURSOR);
  const whole = wholeLimitsAt(spec, sides.destination, maxPartBytes);
  let foretold: Foretold = { counters: quoted(NO_COUNTERS, whole), open: NOTHING_SPENT, openKeys: 0 };
  let listed = NOTHING_SPENT;
  for (;;) {
    const page = await walk.next();
    foretold = withPage(foretold, page, spec, { ...sides, whole, now });
    listed = addSpent(listed, sent.take());
    if (page.cursor === null) break;
    if (listed.source.list + listed.destination.list >= MOST_LISTS) return null;
  }
  const { counters, open, openKeys } = foretold;
  const spent = addSpent(listed, open);
  if (!isComparison(spec)) {
    const quote = quoteOf(spec, counters, spent, sides, { pace, now });
    return quote && (openKeys === 0 ? quote : { ...quote, tolerance: UNSURE });
  }
  // Not that of its repair: what the comparison itself asks.
  return describeQuote(
    {
      spent,
      objects: 0,
      storedBytes: 0,
      mesh: meshUseFor({ ...NO_LOAD, whole: openKeys }),
      tolerance: spec.deep ? UNSURE : 0.05,
      leastSeconds: leastSecondsFor(spent, sides, spec, now),
      pace,
    },
    pricesAt(sides),
  );
}

function withPage(
  { counters, open, openKeys }: Foretold,
  { pairs, known }: Awaited<ReturnType<Walk["next"]>>,
  spec: RunSpec,
  { source, destination, whole, now }: Context,
): Foretold {
  const context = { filter: filterOf(spec, now), source, destination, whole, rename: undefined };
  const sides = { source, destination };
  const options = { ...optionsOfRun(spec), compare: spec.compare };
  const costs = (works: readonly Parameters<typeof costOf>[0][]) =>
    works.map((work) => costOf(work, options, sides)).reduce(addSpent, open);
  if (isComparison(spec)) {
    const { works } = planComparison(pairs, { ...context, spec });
    return { counters, open: costs(works), openKeys: openKeys + works.length };
  }
  const { entries, small, extras } = planPage(pairs, known, { ...context, spec });
  const wouldDelete = spec.delete ? addTo(counters.wouldDelete, extras.length, 0) : counters.wouldDelete;
  return {
    counters: { ...countEntries(counters, entries), wouldDelete },
    open: costs(small.map((work) => ({ ...work, first: "look" as const }))),
    openKeys: openKeys + small.length,
  };
}

interface Context {
  readonly source: S3["store"];
  readonly destination: S3["store"];
  readonly whole: WholeLimits;
  readonly now: number;
}
