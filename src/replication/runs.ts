// The runs that a replication starts: syncs that backfill and catch up, comparisons that repair and decide a
// cutover. This file starts them, asks how they have ended, and reads what their reports say.
//
// What it needs: the classes Registry and Sync.
//
// Invariant: every call may be made twice. A run is requested under a name that stands for its number, so a
// replicator that dies after the request finds the same run again.

import type { Env } from "../env.ts";
import { type Mesh, ownKey, registryOf } from "../mesh.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { createWork } from "../schedule/create.ts";
import { type Work, PLURALS } from "../schedule/kinds.ts";
import { type ComparisonSpec, resolveComparison } from "../sync/comparison_spec.ts";
import type { EqualPage, RepairBasis } from "../sync/repair.ts";
import type { ReportedPage } from "../sync/repair_walk.ts";
import { limitsOf } from "../store/limits.ts";
import type { SyncStatus } from "../view/answers.ts";
import type { Child, Place } from "./job.ts";
import type { ReplicationRecord } from "./record.ts";
import { reasonsOf } from "./settle.ts";
import { runNameOf } from "./started.ts";

/** Nothing is started now, because other work is in the way: later. */
export const LATER = "later";

export class Runs {
  readonly #record: ReplicationRecord;
  readonly #mesh: Mesh;
  readonly #env: Env;

  constructor(record: ReplicationRecord, mesh: Mesh, env: Env) {
    this.#record = record;
    this.#mesh = mesh;
    this.#env = env;
  }

  /** @returns LATER if it cannot begin now */
  async start({ kind, seq }: Child): Promise<typeof LATER | null> {
    const { id } = this.#record.load();
    const name = runNameOf(id, seq);
    const work: Work =
      kind === "sync"
        ? { kind, spec: this.#record.load().spec.sync }
        : { kind, spec: comparisonOf(this.#record, this.#env) };
    const admission = await registryOf(this.#mesh).admit(work, ownKey(name));
    if (admission.kind === "taken" || admission.kind === "full") return LATER;
    if (admission.kind === "key_reused") throw new Error(`The registry knows another "${name}"`);
    const runId = admission.kind === "new" ? admission.work.id : admission.id;
    // What was dropped before is among the keys that the sync will list.
    this.#record.transaction(() => {
      if (!this.#record.apply({ type: "started", seq, id: runId })) return;
      if (kind === "sync") this.#record.note({ overflow: false });
      this.#record.noteCutover({ comparisonId: kind === "comparison" ? runId : null });
      this.#record.timeline.add(Date.now(), `${kind}_started`, runId);
    });
    if (admission.kind === "new") await createWork(this.#mesh, admission.work, this.#env);
    return null;
  }

  /** @returns whether it has ended */
  async poll({ kind, seq, id }: Child): Promise<boolean> {
    if (id === null) return false;
    const response = await this.#ask(kind, id, "GET", "");
    if (!response.ok) return false; // admitted and not created yet: the registry takes care of it
    const status: Pick<SyncStatus, "failure" | "objects"> & { phase: string } = await response.json();
    const failure = failureOf(status);
    if (failure === "running") return false;
    const { nextSeq } = this.#record.notes();
    this.#record.transaction(() => {
      if (kind === "sync" && failure === null) {
        // Failed keys are found again, and what was deleted meanwhile.
        this.#record.note({
          repairWanted: this.#record.job().phase === "following" || status.phase !== "completed",
        });
        this.#record.note({ destinationKeys: status.objects.listed });
      }
      if (failure !== null)
        this.#record.noteCutover({
          state: "not_ready",
          atMs: Date.now(),
          reasons: { comparison_failed: 1 },
        });
      this.#record.apply({ type: "ended", seq, failure, nextSeq }, failure?.message ?? null);
    });
    return true;
  }

  /** One page of its report: of a sync what is equal is known, of a comparison what is not is looked at. */
  async read(child: Child, from: Place): Promise<void> {
    const run = this.#mesh.Sync.getByName(child.id ?? "");
    if (child.kind === "sync") {
      const page = (await run.equalPage(from)) as EqualPage | null;
      this.#record.transaction(() => {
        for (const { key, etag } of page?.keys ?? []) this.#record.know(key, etag);
        this.#record.apply({ type: "read", seq: child.seq, next: page?.next ?? null });
      });
      return;
    }
    const basis = (await run.repairBasis()) as RepairBasis | null;
    const page = (await run.repairPage(from)) as ReportedPage | null;
    this.#record.transaction(() => this.#takeFindings(child, page, basis));
  }

  #takeFindings(child: Child, page: ReportedPage | null, basis: RepairBasis | null): void {
    const { spec } = this.#record.load();
    const isEmptySource = basis !== null && basis.sourceKeys === 0 && !spec.allowEmptySource;
    const { source, destination } = spec.sync;
    const keys = (page?.keys ?? []).filter(({ isExtra }) => !isExtra || (spec.deletes && !isEmptySource));
    const hints = keys.map(({ key, isExtra }) => ({
      // Extra keys are named as they are at the destination.
      key: isExtra ? source.prefix + key.slice(destination.prefix.length) : key,
      atMs: null,
    }));
    const now = Date.now();
    this.#record.queue.take(hints, "repair", now);
    this.#record.limitBacklog(now);
    const unequal = keys.filter(({ isExtra }) => !isExtra).map(({ key }) => key);
    this.#record.noteCutover({ keys: unequal });
    if (page === null || page.next === null) {
      if (basis !== null) this.#record.note({ destinationKeys: basis.destinationKeys });
      const found = basis === null ? 0 : basis.unequal + basis.extra;
      this.#record.note({ lastRepair: { comparisonId: child.id ?? "", atMs: now, found } });
    }
    this.#record.apply({ type: "read", seq: child.seq, next: page?.next ?? null });
  }

  /** May the caller cut over? Decided by what the comparison has found, and by what has changed since. */
  async judge(child: Child, changesBefore: number): Promise<void> {
    const basis = (await this.#mesh.Sync.getByName(child.id ?? "").repairBasis()) as RepairBasis | null;
    this.#record.transaction(() => {
      const { failed, held } = this.#record.queue.counts();
      const { copied, deleted } = this.#record.totals();
      const reasons = reasonsOf({ failed, held, changed: copied + deleted - changesBefore }, basis);
      const ready = Object.keys(reasons).length === 0;
      const state = ready ? "ready" : "not_ready";
      const keys = this.#record.queue.failures(20).map(({ key }) => key);
      this.#record.noteCutover({ state, atMs: Date.now(), reasons, keys });
      this.#record.apply({ type: "judged", ready }, ready ? null : Object.keys(reasons).join(", "));
    });
  }

  /** Pauses or resumes the run that is under way. */
  async steer({ kind, id }: Child, action: "pause" | "resume"): Promise<void> {
    if (id !== null) await this.#ask(kind, id, "POST", `/${action}`);
  }

  async #ask(kind: Child["kind"], id: string, method: string, action: string): Promise<Response> {
    return await this.#mesh.Sync.getByName(id).fetch(`https://sync/${PLURALS[kind]}/${id}${action}`, {
      method,
    });
  }
}

function comparisonOf(record: ReplicationRecord, env: Env): ComparisonSpec {
  const { sync } = record.load().spec;
  const {
    source,
    destination,
    compare,
    include,
    exclude,
    lanes,
    concurrency,
    location,
    known = [],
    startedBy,
  } = sync;
  const request = {
    source,
    destination,
    compare,
    include: [...include],
    exclude: [...exclude],
    lanes,
    concurrency,
  };
  const resolved = resolveComparison(request, env);
  const by = startedBy === undefined ? {} : { startedBy };
  return { ...resolved, location, known, ...by, ...limitsOf(sync) };
}

/** `running`: it has not ended. Null: it has ended well. */
function failureOf({
  phase,
  failure,
}: {
  readonly phase: string;
  readonly failure?: SyncStatus["failure"];
}): Failure | null | "running" {
  switch (phase) {
    case "completed":
    case "finished_with_errors":
    case "equal":
    case "different":
    case "inconclusive":
      return null;
    case "failed":
    case "cancelled": {
      const { code = "cancelled", message = "It was cancelled", operation = "sync" } = failure ?? {};
      return meshFailure(code, message, operation);
    }
    default:
      return "running";
  }
}
