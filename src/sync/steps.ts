// The steps of a sync that talk to the stores: listing and deciding, storing a part of the report, deleting.
// Each does one thing, records the result, and may run twice. The sync runs them, one at a time.
//
// What they need: the record of the sync, and the env with the stores.

import { type Env, planLimits } from "../env.ts";
import type { Filter } from "../listing/filter.ts";
import { ManifestReader } from "../listing/manifest.ts";
import { type Rename, renaming } from "../listing/rename.ts";
import { type Cursor, type ListElsewhere, type WalkPage, Walk } from "../listing/walk.ts";
import { markedSourceEtag } from "../object/mark.ts";
import { type DeleteOutcome, each, headersOf } from "../s3/delete.ts";
import { deleteListed } from "../s3/delete_listed.ts";
import { type S3Error, failedAt, failureOf, FailureError } from "../s3/errors.ts";
import { type Failure, type StoreSide, meshFailure } from "../s3/failure.ts";
import { type S3, connect } from "../s3/request.ts";
import { stoppable } from "../s3/stop.ts";
import type { PrefixRef } from "../store/address.ts";
import { findKnownStore } from "../store/facts.ts";
import type { Store } from "../store/stores.ts";
import { abandon } from "./abandon.ts";
import { batchesOf, goesWhole, wholeLimitsAt } from "./batches.ts";
import { planPage, whyNothing } from "./decide.ts";
import { asideOf, nothingAt } from "./found_work.ts";
import { enterCompared, conclude } from "./comparison_steps.ts";
import { asSync, isComparison, isRepair, reportPlaceOf, type RunSpec } from "./comparison_spec.ts";
import { judgeDeletes, keepAtMost } from "./deletes.ts";
import { bytesOf, rulesOf } from "./delete_rules.ts";
import { takeNames } from "./first_reading.ts";
import { manifestOf } from "./names.ts";
import type { HistoryCursor, Requeue, RunCursor } from "./phase.ts";
import { type ReadReported, RepairWalk } from "./repair_walk.ts";
import { failed } from "./outcome.ts";
import { settleDeletes } from "./deletion.ts";
import type { SyncRecord } from "./record.ts";
import { type Entry, type Extra } from "./report.ts";
import { addTo } from "./sums.ts";
import { keepPart, readReport } from "./report_parts.ts";
import { takeArchived, tendRestores } from "./restore_steps.ts";
import { filterOf } from "./run_spec.ts";
import type { SyncStep } from "./step.ts";
import { quoted } from "./quote.ts";
import { asOfMs } from "./version_spec.ts";
import { listHistories } from "./version_steps.ts";
import type { TurnsAt } from "../throttle/shares.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import type { WholeLimits } from "../work/load.ts";
import type { PageAnswer, PageTask } from "../work/page_task.ts";
import type { Account } from "../work/account.ts";
import { SpentCount } from "../work/spent.ts";
import { pageWithin, stepFailed } from "./terms.ts";

/** How long a cancelled sync waits for the answer to deletions that are under way. */
const TOLD_MS = 3000;

const UNTOLD =
  "The sync was cancelled while keys were being deleted: the report does not name those of the last ones that are gone";

const UNMARKED =
  "The destination has keys that no source object becomes and that no mark shows to be copies: they are left as they are";

/** Failed keys that one step retries. */
const REQUEUE_KEYS = 500;

type SyncStoreStep = Exclude<SyncStep, { do: "rest" | "settle" }>;

/** Asks a comparison for the lines of its report. */
type ReportOf = (comparison: string) => ReadReported;

type PageAt = (task: PageTask) => Promise<PageAnswer>;

export class SyncSteps {
  readonly #record: SyncRecord;
  readonly #env: Env;
  readonly #turnsAt: TurnsAt;
  readonly #onRefusal: (failure: Failure) => void;
  readonly #pageAt: PageAt;
  readonly #reportOf: ReportOf;
  readonly #transfers: () => number;
  // Pages that are listed and not yet decided. In memory only: the cursor says where to list again.
  #walk: Walk | RepairWalk | null = null;
  // Their patterns are compiled once.
  #filter: Filter | null = null;
  #rename: Rename | null = null;
  readonly #sent: SpentCount;
  readonly #account: Account;
  #stop = new AbortController();
  #isDeleting = false;
  // Which side an error comes from, where a step asks both.
  readonly #sides = new WeakMap<Error, StoreSide>();

  /**
   * @param transfers that run at once now
   * @param turnsAt what requests to a store wait for, where it has a cap
   * @param onRefusal receives every refusal of the source or the destination, including those that a step
   *   tolerates
   * @param pageAt has another event list a page
   * @param reportOf where the keys of a repair are
   * @param account what may be sent
   */
  constructor(
    record: SyncRecord,
    env: Env,
    transfers: () => number,
    turnsAt: TurnsAt,
    onRefusal: (failure: Failure) => void,
    pageAt: PageAt,
    reportOf: ReportOf,
    account: Account,
  ) {
    this.#account = account;
    this.#sent = new SpentCount(account.charge);
    this.#reportOf = reportOf;
    this.#pageAt = pageAt;
    this.#transfers = transfers;
    this.#record = record;
    this.#env = env;
    this.#turnsAt = turnsAt;
    this.#onRefusal = onRefusal;
  }

  /** Ends the step that runs: what it waits for is of no use any more. Deletions get the time to be told. */
  cancel(): void {
    const stop = this.#stop;
    this.#walk = null;
    setTimeout(() => stop.abort(new Error("cancelled")), this.#isDeleting ? TOLD_MS : 0);
  }

  /** Takes one step. A store's failure is recorded; any other error is rethrown. */
  async take(step: SyncStoreStep): Promise<void> {
    if (this.#stop.signal.aborted) this.#stop = new AbortController();
    const stop = this.#stop;
    this.#isDeleting = step.do === "delete";
    try {
      switch (step.do) {
        case "list":
          return await this.#list(step.cursor);
        case "report":
          return await this.#storeReport();
        case "requeue":
          return this.#requeue(step.which);
        case "restore":
          return await tendRestores(this.#record, this.#connect("source"), (works) => this.#takeOn(works));
        case "awaitRestores":
          return void this.#record.applyEvent({ type: "restoresWait", only: step.only });
        case "judgeDeletes":
          return this.#judgeDeletes();
        case "delete":
          return await this.#delete();
        case "conclude":
          return conclude(this.#record);
        case "abandon":
          return abandon(this.#record);
        case "end":
          this.#record.applyEvent({ type: "ended", errors: this.#record.counts().errors });
      }
    } catch (error) {
      if (stop.signal.aborted) {
        if (this.#isDeleting) this.#record.warn(UNTOLD);
        return;
      }
      const told = error instanceof Error ? this.#sides.get(error) : undefined;
      const failure = failureOf(
        error,
        told ?? (step.do === "list" || step.do === "restore" ? "source" : "destination"),
      );
      stepFailed(this.#record, step.do, failure);
    } finally {
      this.#record.spent.add(this.#sent.take());
    }
  }

  // 1. The next keys of both sides: decided, counted and in the window, in one transaction with the cursor.
  async #list(cursor: RunCursor): Promise<void> {
    const { spec, startedAtMs } = this.#record.load();
    if (cursor.kind === "histories") return await this.#listHistories(cursor);
    const walk = this.#walk ?? this.#startAt(spec, cursor);
    // The walk has moved on and the record has not. If the page is not recorded, going on with this walk
    // would lose its keys.
    this.#walk = null;
    const page = await walk.next();
    if (page.isWaiting) {
      this.#walk = walk;
      return;
    }
    const filter = (this.#filter ??= filterOf(spec, startedAtMs ?? Date.now()));
    const source = findKnownStore(this.#env, spec.source, spec.known);
    const destination = findKnownStore(this.#env, spec.destination, spec.known);
    const rules = this.#renaming(spec);
    if (page.isFirstReading === true && rules !== null) {
      takeNames(this.#record, page, { spec, filter, source, rename: rules });
      if (this.#record.load().job.phase === "listing") this.#walk = walk;
      return;
    }
    const claim = (image: string, key: string) => this.#record.images.claim(image, key);
    const rename = rules === null ? undefined : { rename: rules, claim };
    if (isComparison(spec)) {
      const context = { spec, filter, source, destination, rename, whole: this.#wholeLimits() };
      enterCompared(this.#record, page, context, (works) => this.#addBatches(works));
      if (page.cursor !== null) this.#walk = walk;
      return;
    }
    const context = {
      spec,
      filter,
      source,
      destination,
      whole: this.#wholeLimits(),
      rename,
    };
    this.#record.transaction(() => {
      // Cancelled during the listing: these keys were never part of the run.
      if (!this.#record.applyEvent({ type: "listed", cursor: page.cursor })) return;
      const plan = planPage(page.pairs, page.known, context);
      if (asSync(spec).dryRun) this.#record.enter([], (counters) => quoted(counters, context.whole));
      const unreadable = [
        ...this.#unreadable(page.unreadable),
        ...(page.aside === undefined ? [] : asideOf(page.aside)),
      ];
      this.#record.enter([...plan.entries, ...unreadable], (counters) => ({
        ...counters,
        listed: addTo(counters.listed, plan.listed.objects + unreadable.length, plan.listed.bytes),
        destination: addTo(counters.destination, plan.destination.objects, plan.destination.bytes),
        extra: addTo(counters.extra, plan.extras.length, bytesOf(plan.extras)),
      }));
      this.#addBatches(plan.small);
      this.#record.large.add(plan.large);
      takeArchived(this.#record, plan.archived);
      if (spec.delete) {
        const most = keepAtMost(spec.maxDeletes);
        if (most !== null && this.#record.load().counters.extra.objects > most) this.#record.dropDeletions();
        else this.#record.addDeletions(plan.extras);
      }
    });
    if (page.cursor !== null) this.#walk = walk;
  }

  async #listHistories(cursor: HistoryCursor): Promise<void> {
    const { spec, startedAtMs } = this.#record.load();
    const s3 = { source: this.#connect("source"), destination: this.#connect("destination") };
    const stores = { source: s3.source.store, destination: s3.destination.store };
    const filter = (this.#filter ??= filterOf(spec, startedAtMs ?? Date.now()));
    const context = { spec: asSync(spec), filter, ...stores, whole: this.#wholeLimits() };
    await listHistories(this.#record, s3, context, cursor, (keys) =>
      this.#unreadable(keys.map((shown) => ({ side: "source", shown }))),
    );
  }

  #startAt(spec: RunSpec, cursor: Exclude<RunCursor, HistoryCursor>): Walk | RepairWalk {
    if (cursor.kind !== "report") return this.#startWalk(spec, cursor);
    const { repairs } = asSync(spec);
    return new RepairWalk(spec, this.#reportOf(repairs?.comparison ?? ""), cursor);
  }

  #startWalk(spec: RunSpec, cursor: Cursor): Walk {
    const stores = { source: this.#connect("source"), destination: this.#connect("destination") };
    const { id } = this.#record.load();
    const elsewhere: ListElsewhere = async (event, side, range, at) => {
      const { store } = spec[side];
      const task = { syncId: id, event, store, range, cursor: at, known: spec.known ?? [] };
      await stores[side].turn?.();
      const ask = async (purse: PageTask["purse"]) => await this.#pageAt({ ...task, purse });
      const { page, sent } = await pageWithin(this.#account, side, ask);
      this.#sent[side].add(sent);
      return page;
    };
    const isImage = spec.rename === undefined ? null : (key: string) => this.#record.images.has(key);
    const manifest = this.#manifestOf(spec);
    // A comparison tells what only the destination has, but no list names it, and no past state.
    const atMs = asOfMs(spec);
    const sides = isComparison(spec) ? { ...spec, delete: manifest === null && atMs === null } : spec;
    return new Walk(sides, stores, cursor, { elsewhere, isImage, manifest, asOfMs: atMs });
  }

  #manifestOf(spec: RunSpec): ManifestReader | null {
    const manifest = manifestOf(spec);
    if (manifest === null) return null;
    const s3 =
      manifest.kind === "keys"
        ? this.#connect("source")
        : this.#connectBeside({ ...manifest.object, prefix: "" });
    return new ManifestReader(s3, manifest, spec.source);
  }

  #renaming({ rename }: RunSpec): Rename | null {
    return rename === undefined ? null : (this.#rename ??= renaming(rename));
  }

  /** Keys that no request can name. The destination's are left as they are. */
  #unreadable(keys: WalkPage["unreadable"]): Entry[] {
    const entries: Entry[] = [];
    for (const { side, shown } of keys) {
      const message = `The ${side} has a key that is no UTF-8, listed as ${JSON.stringify(shown)}: no request can name it`;
      if (side === "destination") this.#record.warn(`${message}, and it is left as it is`);
      else if (!this.#record.hasFailed(shown, "unreadable_key")) {
        entries.push(failed(nothingAt(shown), meshFailure("unreadable_key", message, "ListObjectsV2"), 1));
      }
    }
    return entries;
  }

  // 2. A part of the report, under a number and with lines that are fixed before it is stored.
  async #storeReport(): Promise<void> {
    const fixed = this.#record.transaction(() => this.#record.report.fix());
    if (fixed === null) return;
    const report = reportPlaceOf(this.#record.load().spec);
    await keepPart(this.#record, report === null ? null : this.#connectBeside(report), fixed);
  }

  // 3. Failed keys of earlier rounds, back into the window.
  #requeue(which: Requeue): void {
    this.#record.transaction(() => {
      const { objects, more } = this.#record.takeFailures(which, REQUEUE_KEYS);
      takeArchived(this.#record, objects.filter(mustRestore));
      this.#takeOn(objects.filter((work) => !mustRestore(work)));
      if (!more) this.#record.applyEvent({ type: "requeued" });
    });
  }

  #takeOn(objects: readonly ObjectWork[]): void {
    const spec = asSync(this.#record.load().spec);
    const limits = this.#wholeLimits();
    this.#addBatches(objects.filter((work) => goesWhole(work, spec, limits)));
    this.#record.large.add(objects.filter((work) => !goesWhole(work, spec, limits)));
  }

  // 4. Every listed key is done. May the extra ones be deleted?
  #judgeDeletes(): void {
    this.#record.transaction(() => {
      const { counters, job, ...row } = this.#record.load();
      const spec = asSync(row.spec);
      const failure = job.phase === "copying" ? job.failure : null;
      const decision = judgeDeletes(...rulesOf(spec, counters), failure);
      const nothing = failure === null && !isRepair(spec) ? whyNothing(spec, counters) : null;
      if (nothing !== null) this.#record.warn(nothing);
      const mayCome =
        decision.do === "delete" || (decision.do === "refuse" && decision.code === "failed_keys");
      if (!mayCome) this.#record.dropDeletions();
      else if (!spec.dryRun && this.#record.planRoom() > 0) {
        this.#record.applyEvent({ type: "deletesJudged", delete: "room" }, "making_room");
        return;
      }
      if (decision.do === "refuse") {
        this.#record.refuseDeletes(decision.code, decision.message);
        this.#record.timeline.add(Date.now(), `deletes_refused_${decision.code}`, decision.message);
      }
      this.#record.applyEvent({
        type: "deletesJudged",
        delete: decision.do === "delete" ? "extras" : "nothing",
      });
    });
  }

  // 5. One planned deletion of up to 500 keys. Deleting a key that is already gone succeeds, so it may run
  //    twice. What the store could not delete now comes last.
  async #delete(): Promise<void> {
    const { job, ...row } = this.#record.load();
    const spec = asSync(row.spec);
    const what = job.phase === "deleting" ? job.what : "extras";
    const planned = this.#record.firstDeletion(what);
    if (planned === null) {
      this.#record.transaction(() => {
        if (what === "room") this.#record.newRound();
        this.#record.applyEvent({ type: "deleted" });
      });
      return;
    }
    const { seq } = planned;
    const { prefix } = spec.destination;
    const extras = spec.rename === undefined ? planned.extras : await this.#marked(planned.extras);
    const stranger = extras.find(({ key }) => !key.startsWith(prefix));
    if (stranger !== undefined) throw new Error(`"${stranger.key}" is not under the destination's prefix`);
    if (spec.dryRun) {
      const entries = extras.map(({ key, sizeBytes }): Entry => ({ action: "would_delete", key, sizeBytes }));
      this.#record.transaction(() => {
        if (this.#record.takeDeletion(seq)) this.#record.enter(entries);
      });
      return;
    }
    const outcome = await this.#deleteListed(extras);
    const times = { now: Date.now(), random: Math.random() };
    const { entries, again, refusals, blocked } = settleDeletes(extras, outcome, times);
    for (const failure of refusals) this.#onRefusal(failure);
    this.#record.transaction(() => {
      if (!this.#record.takeDeletion(seq)) return;
      this.#record.enter(entries);
      this.#record.addDeletions(again.extras, what);
      const { notBeforeMs } = again;
      this.#record.applyEvent({ type: "deletedSome", notBeforeMs });
    });
    if (blocked !== null) throw new FailureError(blocked);
  }

  /** Of keys that no source names: those that the mark shows to be copies. */
  async #marked(extras: readonly Extra[]): Promise<Extra[]> {
    const { bucket } = this.#record.load().spec.destination;
    const s3 = this.#connect("destination");
    const isCopy = await each(extras, async ({ key }) => {
      const headers = await headersOf(s3, bucket, key).catch(failedAt("destination"));
      return headers === null || markedSourceEtag(headers, { bucket, key }) !== null;
    });
    if (isCopy.includes(false)) this.#record.warn(UNMARKED);
    return extras.filter((_, index) => isCopy[index] === true);
  }

  async #deleteListed(extras: readonly Extra[]): Promise<DeleteOutcome> {
    const { source, destination, rename, repairs } = asSync(this.#record.load().spec);
    const isLater = this.#record.round() > 1 || repairs !== undefined;
    const back: string[] = [];
    // Much later than the listing, the source may have a key again. A renamed one does not tell which.
    if (isLater && rename !== undefined) back.push(...extras.map(({ key }) => key));
    else if (isLater) {
      const s3 = this.#connect("source");
      await each(extras, async ({ key }) => {
        const name = source.prefix + key.slice(destination.prefix.length);
        if (name === "") return;
        const headers = await headersOf(s3, source.bucket, name).catch(failedAt("source"));
        if (headers !== null) back.push(key);
      });
    }
    const listed = extras
      .filter(({ key }) => !back.includes(key))
      .map(({ key, etag = null, modifiedMs = null }) => ({ key, etag, modifiedMs }));
    const outcome = await deleteListed(this.#connect("destination"), destination.bucket, listed);
    const message =
      rename === undefined
        ? "the source has it again"
        : "since its names were read, the source may have an object that becomes it: a new sync will know";
    const kept = back.map((key) => ({
      key,
      code: "source_changed",
      message,
      status: null,
      retryAfterMs: null,
    }));
    return { deleted: outcome.deleted, refused: [...outcome.refused, ...kept] };
  }

  readReport(): ReadableStream {
    return readReport(this.#record, () => {
      const report = reportPlaceOf(this.#record.load().spec);
      if (report === null) throw new Error("The report has no store of its own");
      return this.#connectBeside(report);
    });
  }

  #wholeLimits(): WholeLimits {
    const { spec } = this.#record.load();
    return wholeLimitsAt(spec, this.#destination(), planLimits(this.#env).maxPartBytes);
  }

  #destination(): Store {
    const { spec } = this.#record.load();
    return findKnownStore(this.#env, spec.destination, spec.known);
  }

  #addBatches(objects: readonly ObjectWork[]): void {
    const waiting = this.#record.batches.totals().objects;
    const unpacks = this.#destination().profile.unpacksTar;
    for (const batch of batchesOf(objects, this.#transfers(), { waiting, unpacks }))
      this.#record.batches.add(batch, 0);
  }

  #connect(side: StoreSide): S3 {
    return stoppable(this.#connectTo(this.#record.load().spec[side], side), this.#stop.signal);
  }

  /** To what is neither side: where a report is written, or a manifest is read. */
  #connectBeside(report: PrefixRef): S3 {
    const { source, destination } = this.#record.load().spec;
    // The side that the report's store is on; null if the sync uses that store for the report alone.
    const side =
      report.store === destination.store ? "destination" : report.store === source.store ? "source" : null;
    return this.#connectTo(report, side);
  }

  #connectTo(ref: PrefixRef, side: StoreSide | null): S3 {
    const { id, spec } = this.#record.load();
    const store = findKnownStore(this.#env, ref, spec.known);
    const { signal } = this.#stop;
    const onRefusal = (error: S3Error) => {
      if (side !== null) this.#sides.set(error, side);
      if (side !== null && !signal.aborted) this.#onRefusal(error.toFailure(side));
    };
    const s3 = connect(store, `bucket-brigade sync/${id}`, this.#turnsAt(store), onRefusal);
    return { ...s3, sent: this.#sent[side ?? "destination"] };
  }
}

/** A key that failed before its restore had ended. */
const mustRestore = ({ isArchived }: ObjectWork): boolean => isArchived === true;
