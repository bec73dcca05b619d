// The end of a run that ends early: what was never started gets its line and is counted.

import { isOfHistories } from "./comparison_spec.ts";
import { skipped } from "./outcome.ts";
import type { SyncRecord } from "./record.ts";
import { abandoned, abandonHistories } from "./version_steps.ts";

export function abandon(record: SyncRecord): void {
  record.transaction(() => {
    const { job, spec } = record.load();
    const reason = job.phase === "stopping" && job.ending.phase === "failed" ? "failed" : "cancelled";
    const small = record.batches.takePending();
    const large = record.large.waiting(-1);
    for (const { seq } of large) record.large.take(seq);
    const unread = small.filter(({ reading }) => reading === undefined || record.readings.take(reading.seq));
    const restores = record.restores.all();
    for (const { seq } of restores) record.restores.take(seq);
    const works = [...unread, ...large.map(({ work }) => work), ...restores.map(({ work }) => work)];
    record.enter(works.flatMap((work) => (work.stretch ? abandoned(work, reason) : [skipped(work, reason)])));
    if (isOfHistories(spec)) abandonHistories(record, reason);
    record.dropDeletions();
    record.applyEvent({ type: "stopped" });
  });
}
