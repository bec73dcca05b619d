// The steps that only a comparison takes: a page of both sides becomes findings and work; and the end.

import type { Filter } from "../listing/filter.ts";
import type { FoundPage } from "../listing/lookup.ts";
import { meshFailure } from "../s3/failure.ts";
import type { Store } from "../store/stores.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import type { WholeLimits } from "../work/load.ts";
import { findingOf, planComparison } from "./comparison_plan.ts";
import type { ComparisonSpec } from "./comparison_spec.ts";
import { whyNothing } from "./decide.ts";
import { asideOf } from "./found_work.ts";
import { endOf, NOTHING_FOUND } from "./finding.ts";
import type { Renaming } from "./names.ts";
import type { RunCursor } from "./phase.ts";
import { quoted } from "./quote.ts";
import type { SyncRecord } from "./record.ts";
import { type Entry } from "./report.ts";
import { addTo } from "./sums.ts";

interface PageContext {
  readonly spec: ComparisonSpec;
  readonly filter: Filter;
  readonly source: Store;
  readonly destination: Store;
  readonly rename: Renaming | undefined;
  /** The largest objects that go whole. */
  readonly whole: WholeLimits;
}

/** Records a page with its cursor. @param add takes what the lanes have to ask about */
export function enterCompared(
  record: SyncRecord,
  page: FoundPage<RunCursor>,
  context: PageContext,
  add: (works: readonly ObjectWork[]) => void,
): void {
  record.transaction(() => {
    // Cancelled during the listing: these keys were never part of the run.
    if (!record.applyEvent({ type: "listed", cursor: page.cursor })) return;
    const plan = planComparison(page.pairs, context);
    const aside = page.aside === undefined ? [] : asideOf(page.aside).map(asFinding);
    const unreadable = [...unnamed(record, page.unreadable), ...aside];
    record.enter([], (counters) => quoted(counters, context.whole));
    record.enter([...plan.entries, ...unreadable], (counters) => ({
      ...counters,
      listed: addTo(counters.listed, plan.names + unreadable.length, plan.bytes),
      destination: addTo(counters.destination, plan.destinationKeys + page.known.length, 0),
    }));
    add(plan.works);
  });
}

/** A line that names no key fails a sync's copy, and is no finding about either side. */
function asFinding(entry: Entry): Entry {
  if (entry.action !== "failed") return entry;
  const { failure, attempts, work } = entry;
  return findingOf(work, { outcome: "unreadable", failure, attempts }, null);
}

/** Keys that no request can name, on either side. A page may show them twice. */
function unnamed(record: SyncRecord, keys: FoundPage<RunCursor>["unreadable"]): Entry[] {
  return keys.flatMap(({ side, shown }) => {
    if (record.hasFailed(shown, "unreadable_key")) return [];
    const message = `The ${side} has a key that is no UTF-8, listed as ${JSON.stringify(shown)}: no request can name it`;
    const failure = meshFailure("unreadable_key", message, "ListObjectsV2");
    const verdict = { outcome: "unreadable", failure, attempts: 1 } as const;
    return [findingOf({ key: shown, sizeBytes: 0, etag: null }, verdict, null)];
  });
}

/** Every listed key has its finding. */
export function conclude(record: SyncRecord): void {
  record.transaction(() => {
    const { spec, counters } = record.load();
    const found = counters.found ?? NOTHING_FOUND;
    // What only the destination has is listed with the source's keys.
    const listed = addTo(counters.listed, -(found.outcomes.extra?.objects ?? 0), 0);
    const nothing = whyNothing(spec, { ...counters, listed });
    if (nothing !== null) record.warn(nothing);
    record.applyEvent({ type: "concluded", end: endOf(found) });
  });
}
