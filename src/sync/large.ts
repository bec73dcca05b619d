// The large objects of a sync: each becomes a copy with its own coordinator, as many at once as use the
// transfers of the sync. This file starts them, polls how they end, and pauses, resumes and cancels them with
// their sync.
//
// What it needs: the classes Registry and Coordinator.
//
// Invariant: every call may be made twice. A copy is requested under a name that stands for its row, so a
// sync that dies after the request finds the same copy again. The sync polls how a copy ended and is not
// notified, so no lost message can matter.

import { planCopy } from "../copy/plan.ts";
import { type CopySpec, resolveCopy } from "../copy/spec.ts";
import { type Env, PARTS_PER_LANE, planLimits } from "../env.ts";
import { MIB } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { type Mesh, ownKey, registryOf } from "../mesh.ts";
import { optionsOf } from "../object/options.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { partCountOf } from "../s3/digest.ts";
import type { Amounts, Budget } from "../store/budget.ts";
import { findKnownStore } from "../store/facts.ts";
import { type Store, placeOfWork } from "../store/stores.ts";
import { keepsParts } from "./batches.ts";
import { limitsOf } from "../store/limits.ts";
import { isHandingOut } from "./job.ts";
import type { LargeRow } from "./large_table.ts";
import { copied, failed, skipped } from "./outcome.ts";
import type { SyncRecord } from "./record.ts";
import { takeArchived } from "./restore_steps.ts";
import { FRACTION, needOf, transfersOf } from "./large_need.ts";
import type { Entry } from "./report.ts";
import { asSync } from "./comparison_spec.ts";
import type { RunBase } from "./run_spec.ts";
import type { SyncSpec } from "./spec.ts";
import { largeEnded } from "./version_steps.ts";
import type { CopyStatus } from "../view/answers.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import type { Account } from "../work/account.ts";
import { addObject, NO_LOAD, sentFor } from "../work/load.ts";
import { type Spent, addSpent, NOTHING_SPENT, timesSpent } from "../work/spent.ts";

export class LargeCopies {
  readonly #record: SyncRecord;
  readonly #mesh: Mesh;
  readonly #env: Env;
  readonly #transfers: () => number;
  // Transfers that each running copy still needs, by its row. In memory only: one that was not polled yet
  // needs all that it may have.
  #needs: Map<number, number> | null = null;
  readonly #account: Account;
  // How often a copy has got more of the budget than was expected. In memory only: it is learned again.
  readonly #revived = new Map<number, number>();
  // Copies that have been told. In memory only: telling them twice does no harm.
  readonly #cancelled = new Set<string>();

  /** @param transfers of the whole sync that run at once now */
  constructor(record: SyncRecord, mesh: Mesh, env: Env, transfers: () => number, account: Account) {
    this.#account = account;
    this.#transfers = transfers;
    this.#record = record;
    this.#mesh = mesh;
    this.#env = env;
  }

  /** Transfers that are left for the batches. */
  smallTransfers(): number {
    return Math.max(0, this.#transfers() - this.#taken());
  }

  /** Transfers that the running copies use, and that those which wait could: all are taken for the first. */
  use(): { readonly running: number; readonly waiting: number } {
    const { waiting } = this.#record.large.counts();
    const [first] = waiting === 0 ? [] : this.#record.large.waiting(1);
    const each = first === undefined ? 0 : this.#transfersOf(first.work);
    return { running: this.#taken(), waiting: waiting * each };
  }

  /** A copy begins with few lanes, whatever it may have later, and so counts for no more than its share. */
  #taken(): number {
    const share = this.#share();
    return [...this.#known().values()].reduce((sum, need) => sum + Math.min(share, need), 0);
  }

  #share(): number {
    return Math.max(1, Math.floor(this.#transfers() * FRACTION));
  }

  #known(): Map<number, number> {
    this.#needs ??= new Map(
      this.#record.large.running().map(({ seq, work }) => [seq, this.#transfersOf(work)]),
    );
    return this.#needs;
  }

  #transfersOf(work: ObjectWork): number {
    return transfersOf(this.#record.load().spec, work, planLimits(this.#env).maxPartBytes);
  }

  /** May this one run beside the others? One always may. */
  #fits(need: number): boolean {
    const transfers = this.#transfers();
    const forBatches = this.#record.batches.totals().objects === 0 ? 0 : Math.ceil(transfers * FRACTION);
    const isRoom = this.#taken() + Math.min(this.#share(), need) <= transfers - forBatches;
    return this.#known().size === 0 || isRoom;
  }

  /** Starts as many as may run. */
  async start(): Promise<void> {
    for (;;) {
      const { id, spec, job } = this.#record.load();
      const [row] = isHandingOut(job) ? this.#record.large.waiting(1) : [];
      if (row === undefined || !this.#fits(this.#transfersOf(row.work)) || !this.#isAffordable(row)) return;
      const resolved = resolve(id, asSync(spec), row.work, { env: this.#env, share: this.#share() });
      if ("entry" in resolved) {
        this.#end(row, resolved.entry);
        continue;
      }
      const purse = this.#reserve(row);
      const copy = { ...resolved.copy, ...(purse === undefined ? {} : budgetWith(purse)) };
      const name = `sync ${id} ${row.seq}`;
      const admission = await registryOf(this.#mesh).admit({ kind: "copy", spec: copy }, ownKey(name), id);
      if (admission.kind !== "new" && admission.kind !== "known")
        throw new Error(`The registry knows another "${name}"`);
      const copyId = admission.kind === "new" ? admission.work.id : admission.id;
      this.#record.large.markStarted(row.seq, copyId);
      this.#known().set(row.seq, this.#transfersOf(row.work));
      if (admission.kind === "new") {
        const { createdAtMs } = admission.work;
        // If this fails, the registry does it in a few seconds.
        const coordinator = this.#mesh.Coordinator.getByName(copyId, placeOfWork(copy, this.#env));
        await coordinator.create(copyId, copy, createdAtMs);
      }
    }
  }

  /** Polls the running ones. @returns whether one has ended, or goes on with more of the budget */
  async poll(): Promise<boolean> {
    let ended = false;
    for (const row of this.#record.large.running()) {
      const { copyId, work } = row;
      if (copyId === null) continue;
      const response = await this.#call(copyId, "GET", "");
      if (!response.ok) continue; // admitted and not created yet: the registry takes care of it
      const status: CopyStatus = await response.json();
      this.#known().set(row.seq, needOf(status, this.#transfersOf(work)));
      if (status.phase === "blocked") {
        const { code = "" } = status.failure ?? {};
        if (this.#cancelled.has(copyId)) {
          // It cannot find out whether its object exists. The sync does not wait for the person who will.
          const entry = failed(work, failureOf(status), work.failedAttempts + 1);
          ended = this.#end(row, entry, status) || ended;
        } else if (code === "source_archived" || code.endsWith("_access_denied")) {
          // The copy would wait for a person, and one key of many is not worth that.
          await this.#call(copyId, "POST", "/cancel");
          ended = this.#endBlocked(row, status) || ended;
        } else {
          this.#blocked(row, status);
        }
        continue;
      }
      const entry = entryOf(work, status);
      if (entry !== null) ended = this.#end(row, entry, status) || ended;
      else if (status.reason === "budget_reached") ended = (await this.#revive(row, status)) || ended;
    }
    return ended;
  }

  /** Has the budget enough for one of those that wait? */
  get hasAffordable(): boolean {
    return this.#record.large.waiting(1).some((row) => this.#isAffordable(row));
  }

  #isAffordable(row: LargeRow): boolean {
    if (!this.#account.isLimited || this.#account.reservedFor(reservationOf(row)) !== undefined) return true;
    return this.#account.affordable([this.#costOf(row)]) > 0;
  }

  #reserve(row: LargeRow): Amounts | undefined {
    const name = reservationOf(row);
    return this.#account.reservedFor(name) ?? this.#account.reserve(name, this.#costOf(row));
  }

  #costOf({ work }: LargeRow): Spent {
    const { spec } = this.#record.load();
    const side = (ref: RunBase["source"]) => findKnownStore(this.#env, ref, spec.known);
    const sides = { source: side(spec.source), destination: side(spec.destination) };
    return largeCost(work, asSync(spec), sides, planLimits(this.#env));
  }

  /** It has stopped at its share of the budget, of which it gets more each time, as far as there is more. */
  async #revive(row: LargeRow, status: CopyStatus): Promise<boolean> {
    const { seq, copyId } = row;
    if (copyId === null || !isHandingOut(this.#record.load().job)) return false;
    const name = reservationOf(row);
    const times = (this.#revived.get(seq) ?? 1) * 2;
    const spent = spentBy(status);
    const purse = this.#record.transaction(() => {
      this.#account.idle(name, spent);
      return this.#account.revive(name, addSpent(spent, timesSpent(this.#costOf(row), times)));
    });
    if (purse === null) return false;
    this.#revived.set(seq, times);
    const raise = Object.entries(budgetWith(purse)).filter(([, most]) => most > 0);
    const response = await this.#call(copyId, "POST", "/resume", Object.fromEntries(raise));
    await response.body?.cancel();
    if (response.ok) this.#record.large.markPaused(seq, false);
    return response.ok;
  }

  /** Pauses the running ones with their sync, and resumes them with it. */
  async follow(): Promise<void> {
    const { phase } = this.#record.load().job;
    const hold = phase === "paused" || phase === "blocked";
    for (const { seq, copyId, paused } of this.#record.large.running()) {
      if (copyId === null || paused === hold) continue;
      const response = await this.#call(copyId, "POST", hold ? "/pause" : "/resume");
      await response.body?.cancel();
      if (response.ok) this.#record.large.markPaused(seq, hold);
    }
  }

  async cancel(): Promise<void> {
    for (const { copyId } of this.#record.large.running()) {
      if (copyId === null || this.#cancelled.has(copyId)) continue;
      const response = await this.#call(copyId, "POST", "/cancel");
      await response.body?.cancel();
      if (response.ok) this.#cancelled.add(copyId);
    }
  }

  #blocked({ seq }: LargeRow, { failure }: CopyStatus): void {
    const { code = "blocked", message = "A large copy needs a person", operation = "copy" } = failure ?? {};
    this.#record.transaction(() => {
      this.#record.large.markPaused(seq, true);
      // One code for every failure that waits for a person; the text says which one it is.
      const waiting = meshFailure("copy_blocked", `${message} (${code})`, operation);
      this.#record.applyEvent({ type: "runFailed", failure: waiting }, "copy_blocked", message);
    });
  }

  /** @param status of its copy; absent: it has none */
  #end(row: LargeRow, entry: Entry, status?: CopyStatus): boolean {
    const { seq, work } = row;
    const ended = this.#record.transaction(() => {
      if (!this.#record.large.take(seq)) return false;
      const spent = status === undefined ? NOTHING_SPENT : spentBy(status);
      if (!this.#account.settle(reservationOf(row), spent)) this.#record.spent.add(spent);
      this.#record.enter([entry]);
      largeEnded(this.#record, work, entry);
      return true;
    });
    this.#known().delete(seq);
    return ended;
  }

  /** What becomes of an archived object, the request says. */
  #endBlocked(row: LargeRow, status: CopyStatus): boolean {
    const { work } = row;
    const { ifArchived } = asSync(this.#record.load().spec);
    const isArchived = status.failure?.code === "source_archived";
    if (!isArchived || ifArchived === "fail")
      return this.#end(row, failed(work, failureOf(status), work.failedAttempts + 1), status);
    if (ifArchived === undefined || ifArchived === "skip")
      return this.#end(row, skipped(work, "archived"), status);
    this.#known().delete(row.seq);
    return this.#record.transaction(() => {
      if (!this.#record.large.take(row.seq)) return false;
      takeArchived(this.#record, [work]);
      return true;
    });
  }

  async #call(copyId: string, method: string, action: string, body?: object): Promise<Response> {
    const url = `https://coordinator/copies/${copyId}${action}`;
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return await this.#mesh.Coordinator.getByName(copyId).fetch(url, { method, ...sent });
  }
}

/**
 * The copy of one large object, or the entry that says why there can be none.
 *
 * @param share of the transfers that it begins with
 */
function resolve(
  id: string,
  spec: SyncSpec,
  work: ObjectWork,
  { env, share }: { readonly env: Env; readonly share: number },
): { readonly copy: CopySpec } | { readonly entry: Entry } {
  const { source, destination } = spec;
  const concurrency = transfersOf(spec, work, planLimits(env).maxPartBytes);
  try {
    const copy = resolveCopy(
      {
        source: { store: source.store, bucket: source.bucket, key: work.key, versionId: work.versionId },
        destination: { store: destination.store, bucket: destination.bucket, key: work.to },
        lanes: Math.ceil(concurrency / PARTS_PER_LANE),
        concurrency,
        ifBusy: "queue",
        ifSourceChanges: "restart",
        ...(keepsParts(work, spec) ? { partSize: "source" as const } : partsOfVersion(work, env)),
        // Gone in the middle, it is asked for once more. What was not restored for the run is not counted.
        ...(work.restored === undefined ? {} : { ifArchived: spec.ifArchived }),
      },
      env,
    );
    const { location, known = [], startedBy } = spec;
    const firstLanes = Math.min(copy.lanes, Math.ceil(share / PARTS_PER_LANE));
    const by = startedBy === undefined ? {} : { startedBy };
    // One limit for the sync and all its copies, which share it by its id.
    const own = limitsOf(spec);
    const limits = Object.keys(own).length === 0 ? {} : { ...own, limitsOf: id };
    return { copy: { ...copy, firstLanes, ...optionsOf(spec), location, known, ...by, ...limits } };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { entry: failed(work, meshFailure(error.code, error.message, "plan"), 1) };
  }
}

function reservationOf({ seq }: LargeRow): string {
  return `copy/${seq}`;
}

/** Of a reservation. */
export function isLargeShare(name: string): boolean {
  return name.includes("copy/");
}

/** What a copy of its own sends. */
function largeCost(
  work: ObjectWork,
  spec: SyncSpec,
  sides: { readonly source: Store; readonly destination: Store },
  limits: ReturnType<typeof planLimits>,
): Spent {
  const { minPartBytes, maxParts } = sides.destination.profile;
  const planned = planCopy(work.sizeBytes, null, { ...limits, minPartBytes, maxParts });
  const partBytes =
    planned.ok && planned.plan.kind === "parts" ? planned.plan.partSizeBytes : limits.maxPartBytes;
  const partCount = keepsParts(work, spec) ? partCountOf(work.etag ?? "") : null;
  const load = addObject(NO_LOAD, { sizeBytes: work.sizeBytes, partCount }, partBytes);
  const tags = spec.tags === "preserve" || spec.tags === "require";
  return sentFor(load, sides, { tags, asked: load.whole });
}

/**
 * A service may copy a large object in one request, and a request whose answer is lost is sent again, which
 * would make another version of it. Complete is not: whether an upload became an object is found out first.
 */
function partsOfVersion({ isInHistory, etag, sizeBytes }: ObjectWork, env: Env): { partSize?: number } {
  if (isInHistory !== true || partCountOf(etag ?? "") !== null) return {};
  const halfBytes = Math.ceil(sizeBytes / 2 / MIB) * MIB;
  return { partSize: Math.min(planLimits(env).maxPartBytes, Math.max(LEAST_PART_BYTES, halfBytes)) };
}

/** Of parts that every store takes. */
const LEAST_PART_BYTES = 5 * MIB;

/** The budget of a copy that may spend so much. */
function budgetWith({ usd, bytes, requests }: Amounts): Budget {
  return {
    ...(usd === Infinity ? {} : { maxUsd: usd }),
    ...(bytes === Infinity ? {} : { maxBytes: bytes }),
    ...(requests === Infinity ? {} : { maxRequests: requests }),
  };
}

/** Its requests are part of the sync's. */
function spentBy({ spent: { source, destination } }: CopyStatus): Spent {
  return {
    source: { ...source.requests, bytes: source.bytes },
    destination: { ...destination.requests, bytes: destination.bytes },
  };
}

/** The entry of a copy that has ended, or null. */
function entryOf(work: ObjectWork, status: CopyStatus): Entry | null {
  switch (status.phase) {
    case "completed":
      return copied(work, {
        etag: status.etag ?? "",
        proof: status.proof ?? "length",
        sizeBytes: status.size ?? work.sizeBytes,
        warnings: status.warnings,
      });
    case "failed":
      return failed(work, failureOf(status), work.failedAttempts + 1);
    case "cancelled":
      return skipped(work, "cancelled");
    default:
      return null;
  }
}

function failureOf({ failure }: CopyStatus): Failure {
  const { code = "internal_error", message = "The copy failed", operation = "copy" } = failure ?? {};
  return meshFailure(code, message, operation);
}
