// The part table of one copy: a row for each part that was ever handed out, in the coordinator's SQLite.
//
// Invariants:
// - A part has one current attempt, and only the report of that attempt counts.
// - A part that is `leased` belongs to a lane that either names it as running in each of its calls or has not
//   called for LANE_LEASE_MS. After that the part is free again: it is `lost` until ListParts has shown
//   whether the dead lane brought it to the store, else `pending`.
// - A part that is `done` stays so until the store itself says that it does not have it.
//
// Parts above the highest row were never handed out and need no row: 10,000 parts are 10,000 inserts and
// 10,000 updates, no more. cache.ts knows which are open and how many are done.

import { PartCache } from "./cache.ts";
import { compareDigests } from "./digests.ts";
import { FlightTable } from "./flights.ts";
import { bytesPerSecond } from "./rate.ts";
import {
  type Leased,
  type LeaseContext,
  type PartRow,
  type PartTotals,
  type ReportContext,
  PART_TABLES,
  partRowOf,
} from "./rows.ts";
import { bareEtag } from "../s3/digest.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { backoffMs, isStoreTrouble, MAX_ATTEMPTS, verdictOf } from "../s3/retry.ts";
import type { ListedPart } from "../s3/upload_xml.ts";
import type { PartClaim, PartDigests, PartReport } from "../work/part_task.ts";

/** How often a part that was done is sent again because ListParts or its digest demands it. */
const MAX_RESENDS = 2;

/**
 * A store that has sent the whole object for a range so often knows no ranges: once, and three times more.
 */
const MAX_RANGE_ATTEMPTS = 4;

export class PartTable {
  readonly #sql: SqlStorage;
  readonly #cache: PartCache;
  readonly flights: FlightTable;
  /**
   * Of each part that was under way when a person mended something: its last attempt then. In memory only: if
   * it is lost, that person is asked once more.
   */
  readonly #forgiven = new Map<number, number>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#cache = new PartCache(sql);
    this.flights = new FlightTable(sql, this.#cache);
  }

  /** A transaction was rolled back: the cache may no longer match the table. */
  forgetCache(): void {
    this.#cache.forget();
  }

  createTables(): void {
    this.flights.createTables();
    this.#sql.exec(PART_TABLES);
    this.#cache.forget();
  }

  totals(): PartTotals {
    const { failed_attempts: failedAttempts } = this.#sql.exec("SELECT failed_attempts FROM totals").one();
    const done = this.#cache.done();
    const open = this.#cache.all();
    const inFlight = open.filter(({ state, isRaced }) => state === "leased" && !isRaced).length;
    return {
      done: done.count,
      inFlight: inFlight + this.flights.count(),
      lost: open.filter(({ state }) => state === "lost").length,
      doneBytes: done.bytes,
      failedAttempts: Number(failedAttempts),
    };
  }

  /** All attempts so far. They follow from the parts' attempt numbers, so no row is written to count them. */
  attempts(): number {
    const query =
      "SELECT attempts + (SELECT coalesce(sum(attempt - attempt_base), 0) FROM parts) AS n FROM totals";
    return Number(this.#sql.exec(query).one()["n"]);
  }

  /**
   * Takes in what a lane reports.
   *
   * @param context.health of the stores; counts every report
   * @returns the failure that ends the copy, if a part has failed for good
   */
  takeReports({ lane, finished, running }: PartClaim, context: ReportContext): Failure | null {
    let final: Failure | null = null;
    for (const report of finished) final = this.#recordReport(report, context) ?? final;
    // A part that this lane was given, and neither runs nor reports, was lost with an earlier event of the
    // lane.
    const alive = new Map(running.map(({ partNumber, attempt }) => [partNumber, attempt]));
    for (const { partNumber, attempt } of this.#cache.ofLane(lane))
      if (alive.get(partNumber) !== attempt) this.#lose(partNumber);
    for (const { partNumber, attempt } of this.flights.ofLane(lane))
      if (alive.get(partNumber) !== attempt) this.#loseFlight(partNumber, attempt);
    return final;
  }

  /** Leases up to `wanted` parts to a lane, waiting ones before new ones. */
  lease(
    lane: number,
    wanted: number,
    { partCount, lengthOf, now, fits = () => true }: LeaseContext,
  ): Leased[] {
    const leased: Leased[] = [];
    if (wanted <= 0) return leased;
    const ready = this.#cache
      .inState("pending")
      .filter(({ notBeforeMs, length, failedAttempts }) => notBeforeMs <= now && fits(length, failedAttempts))
      .toSorted((one, other) => one.partNumber - other.partNumber);
    for (const { partNumber, attempt: last, failedAttempts, heldEtag } of ready.slice(0, wanted)) {
      const attempt = last + 1;
      const change = "state = 'leased', attempt = ?, lane = ?, leased_at_ms = ?, raced = 0";
      this.#cache.update(partNumber, change, attempt, lane, now);
      leased.push({ partNumber, attempt, failedAttempts, heldEtag });
    }
    const attempt = this.#attemptBase() + 1;
    for (
      let partNumber = this.#highest() + 1;
      leased.length < wanted && partNumber <= partCount && fits(lengthOf(partNumber), 0);
      partNumber++
    ) {
      this.#cache.add({ partNumber, attempt, lane, length: lengthOf(partNumber) }, now);
      leased.push({ partNumber, attempt, failedAttempts: 0, heldEtag: null });
    }
    return leased;
  }

  /** How long the slowest finished part took per MiB; null before the first. */
  slowestMsPerMib(): number | null {
    return this.#cache.done().slowestMsPerMib;
  }

  /** How many parts are neither done nor with a lane, and when the first of them may be tried. */
  waiting(partCount: number): { count: number; earliestMs: number } {
    const pending = this.#cache.inState("pending");
    const fresh = partCount - this.#highest();
    const earliestMs =
      fresh > 0 || pending.length === 0
        ? 0
        : pending.reduce((least, { notBeforeMs }) => Math.min(least, notBeforeMs), Infinity);
    return { count: pending.length + fresh, earliestMs };
  }

  /** A lane has died: its parts are lost until it is known whether the store has them. */
  loseLane(lane: number): void {
    for (const { partNumber } of this.#cache.ofLane(lane)) this.#lose(partNumber);
    for (const { partNumber, attempt } of this.flights.ofLane(lane)) this.#loseFlight(partNumber, attempt);
  }

  #lose(partNumber: number): void {
    this.#cache.update(partNumber, "state = 'lost'");
  }

  /** One of the attempts of a part that was sent twice is gone. */
  #loseFlight(partNumber: number, attempt: number): void {
    this.flights.take(partNumber, attempt);
    if (!this.flights.has(partNumber) && this.#cache.get(partNumber)?.state === "leased")
      this.#lose(partNumber);
  }

  /**
   * The store refuses a part and does not say which: those that were sent twice are sent once more, alone.
   *
   * @returns how many
   */
  reopenRaced(): number {
    const rows = this.#sql.exec("SELECT part_number FROM parts WHERE state = 'done' AND raced = 1").toArray();
    for (const row of rows) this.#reopen(Number(row["part_number"]));
    return rows.length;
  }

  /**
   * Settles the parts of dead lanes: those that the store lists are not sent again. Where digests are wanted,
   * the source is read again for them, and nothing is sent.
   *
   * @param listed by ListParts; empty where the store cannot list parts
   * @returns how many the store has
   */
  settleLost(listed: readonly ListedPart[], wantsDigests: boolean, now: number): number {
    const held = new Map(listed.map((part) => [part.partNumber, part]));
    let found = 0;
    for (const { partNumber, length } of this.#cache.inState("lost")) {
      const part = held.get(partNumber);
      if (part === undefined || part.sizeBytes !== length) {
        this.#cache.update(partNumber, "state = 'pending'");
        continue;
      }
      found += 1;
      if (wantsDigests) {
        this.#cache.update(partNumber, "state = 'pending', not_before_ms = 0, held_etag = ?", part.etag);
      } else {
        this.#done(partNumber, { etag: part.etag, digests: {}, durationMs: null }, now);
      }
    }
    return found;
  }

  /** The object of a single PutObject exists, although no report of it came. */
  finishWhole(etag: string, length: number, now: number): void {
    if (this.totals().done > 0) return;
    this.#cache.addPending(1, length);
    this.#done(1, { etag, digests: {}, durationMs: null }, now);
  }

  /** A person has fixed what was wrong: failures no longer count, also of attempts that are under way. */
  forgive(): void {
    for (const { partNumber, attempt } of this.#cache.inState("leased"))
      this.#forgiven.set(partNumber, attempt);
    for (const { partNumber } of [...this.#cache.inState("pending"), ...this.#cache.inState("lost")])
      this.#cache.update(partNumber, "failed_attempts = 0, own_failures = 0, not_before_ms = 0");
  }

  /** The parts for CompleteMultipartUpload, ascending. */
  *completed(): Iterable<{ partNumber: number; etag: string }> {
    for (const row of this.#sql.exec(
      "SELECT part_number, etag FROM parts WHERE state = 'done' ORDER BY part_number",
    )) {
      yield { partNumber: Number(row["part_number"]), etag: String(row["etag"]) };
    }
  }

  /**
   * Corrects the table by what the store lists. A part that is missing there, or has another length, must be
   * sent again. Where a part had several attempts, the store has the one that arrived last, so its ETag
   * replaces the recorded one. A part that the list keeps omitting is sent again only MAX_RESENDS times; then
   * Complete decides.
   *
   * @param missing what happens to parts that are not listed
   * @returns how many parts must be sent again
   */
  reconcile(listed: readonly ListedPart[], missing: "keep" | "send" = "send"): number {
    const held = new Map(listed.map((part) => [part.partNumber, part]));
    const first = this.#attemptBase() + 1;
    let lost = 0;
    for (const row of this.#sql
      .exec("SELECT part_number, length, etag, attempt, resends FROM parts WHERE state = 'done'")
      .toArray()) {
      const partNumber = Number(row["part_number"]);
      const part = held.get(partNumber);
      const sentAgain = Number(row["attempt"]) > first;
      const isHeld = part !== undefined && part.sizeBytes === Number(row["length"]);
      const sameEtag = part !== undefined && bareEtag(part.etag) === bareEtag(String(row["etag"]));
      if ((isHeld && sameEtag) || (part === undefined && missing === "keep")) continue;
      if (isHeld && sentAgain) {
        this.#cache.update(partNumber, "etag = ?", part.etag);
      } else if (Number(row["resends"]) < MAX_RESENDS) {
        this.#reopen(partNumber);
        lost += 1;
      }
    }
    return lost;
  }

  /** Bytes of the parts that were finished since `sinceMs`. */
  bytesPerSecond(now: number): number | null {
    return bytesPerSecond(this.#sql, this.#cache.all(), now);
  }

  /** Rows above part number `after`, at most `limit`. */
  page(after: number, limit: number): PartRow[] {
    return this.#sql
      .exec("SELECT * FROM parts WHERE part_number > ? ORDER BY part_number LIMIT ?", after, limit)
      .toArray()
      .map(partRowOf);
  }

  /** @param name part and attempt, as `3/1` */
  isUnderWay(name: string): boolean {
    const [partNumber, attempt] = name.split("/").map(Number);
    const part = this.#cache.get(partNumber ?? 0);
    return part?.state === "leased" && part.attempt === attempt;
  }

  /** Every part that was handed out and is not done, in no order. */
  open(): PartRow[] {
    return this.#cache.all();
  }

  #recordReport(
    { partNumber, attempt, result }: PartReport,
    { now, random, health, isCompleting }: ReportContext,
  ): Failure | null {
    const part = this.#cache.get(partNumber);
    const flown = this.flights.take(partNumber, attempt);
    if (part === undefined) {
      if (flown && result.ok && !isCompleting) this.#landedLate(partNumber, result.etag);
      return null;
    }
    const { isRaced } = part;
    // A superseded attempt, or a report that was delivered twice.
    if (part.state !== "leased" || (isRaced ? !flown : part.attempt !== attempt)) return null;
    if (result.ok) {
      this.#done(partNumber, result, now);
      if (isRaced) this.flights.markBeaten(partNumber, now);
      if (result.encryptedWithKey) this.#opaque();
      health.succeeded(part.failedAttempts);
      return null;
    }
    // The other attempt goes on.
    if (isRaced && this.flights.has(partNumber)) return null;
    // Once parts have arrived, a store that takes no more of them is failing, whatever else it answers.
    const failure = this.totals().done > 0 ? unspecific(result.failure) : result.failure;
    const { code } = failure;
    if (code === "cancelled" || code === "budget_reached" || code === "platform_limit") {
      // The event ended, not the part, so this is no attempt of it. It is final only if no event has got
      // anywhere for long.
      this.#cache.update(partNumber, "state = 'pending'");
      if (code !== "platform_limit") return null;
      const stuck = health.isHopeless(failure.side, now);
      health.failed(failure, now, random());
      return stuck ? failure : null;
    }
    const verdict = verdictOf(failure);
    const isForgiven = verdict !== "fatal" && attempt <= (this.#forgiven.get(partNumber) ?? 0);
    const failedAttempts = isForgiven ? 0 : part.failedAttempts + 1;
    // A store in trouble refuses everybody, which says nothing about this part.
    const isOwn = !isStoreTrouble(failure);
    const ownFailures = isForgiven ? 0 : part.ownFailures + (isOwn ? 1 : 0);
    this.#cache.update(
      partNumber,
      "state = 'pending', failed_attempts = ?, own_failures = ?, not_before_ms = ?, held_etag = ?",
      failedAttempts,
      ownFailures,
      now + backoffMs(failure, failedAttempts, random()),
      result.heldEtag ?? part.heldEtag,
    );
    this.#sql.exec("UPDATE totals SET failed_attempts = failed_attempts + 1");
    if (isForgiven) return null;
    if (verdict === "fatal" || verdict === "blocked") return failure;
    if (failure.code === "BadDigest" && this.#refusedTooOften(partNumber)) return failure;
    const allowed = failure.code === "range_ignored" ? MAX_RANGE_ATTEMPTS : MAX_ATTEMPTS;
    const tries = { attempts: isOwn ? ownFailures : failedAttempts, allowed };
    const usedUp = health.isUsedUp(failure, tries, now);
    health.failed(failure, now, random());
    return usedUp ? failure : null;
  }

  /**
   * A beaten attempt has stored its part as well. Where the two ETags differ, it is unknown which of the two
   * the store holds now, so the part is sent again.
   */
  #landedLate(partNumber: number, etag: string): void {
    const [part] = this.page(partNumber - 1, 1);
    if (part?.partNumber !== partNumber || part.etag === null) return;
    if (bareEtag(part.etag) !== bareEtag(etag)) this.#reopen(partNumber);
  }

  /** Bytes that differ from their stated digest three times are no accident on the way. */
  #refusedTooOften(partNumber: number): boolean {
    return this.#cache.update(partNumber, "resends = resends + 1").resends > MAX_RESENDS;
  }

  #done(
    partNumber: number,
    { etag, digests, durationMs }: { etag: string; digests: PartDigests; durationMs: number | null },
    now: number,
  ): void {
    const change = "state = 'done', etag = ?, digests = ?, duration_ms = ?, done_at_ms = ?";
    this.#cache.update(partNumber, change, etag, JSON.stringify(digests), durationMs, now);
  }

  /**
   * Compares the parts' ETags with the MD5s of the bytes that passed, and reopens the parts where they
   * differ.
   *
   * A store whose part ETags are not MD5s must not be called corrupt. It is recognised by the shape of its
   * ETags, by an upload in which no part matches, or by another ETag for the same bytes at the second
   * attempt. Then nothing is compared any more, and nothing is claimed.
   */
  checkDigests(): { kind: "reopened"; count: number } | { kind: "failed"; failure: Failure } | null {
    if (this.hasOpaqueEtags()) return null;
    const rows = this.#sql
      .exec("SELECT part_number, resends, etag, digests, refused_etag FROM parts WHERE state = 'done'")
      .toArray()
      .map((row) => ({
        partNumber: Number(row["part_number"]),
        resends: Number(row["resends"]),
        etag: bareEtag(String(row["etag"])).toLowerCase(),
        md5: (JSON.parse(String(row["digests"] ?? "{}")) as PartDigests).md5,
        refused: typeof row["refused_etag"] === "string" ? row["refused_etag"] : null,
      }));
    const { differing, opaque } = compareDigests(rows);
    if (differing.length === 0) return null;
    if (opaque) return this.#opaque();
    for (const { partNumber, resends, etag, md5 } of differing) {
      if (resends >= MAX_RESENDS) {
        const message = `Part ${partNumber}: the bytes sent have MD5 ${md5}, and the destination's ETag is ${etag}`;
        return { kind: "failed", failure: meshFailure("part_corrupt", message, "UploadPart") };
      }
      this.#cache.update(partNumber, "refused_etag = ?", etag);
      this.#reopen(partNumber);
    }
    return { kind: "reopened", count: differing.length };
  }

  #opaque(): null {
    this.#sql.exec("UPDATE totals SET opaque_etags = 1 WHERE opaque_etags = 0");
    return null;
  }

  hasOpaqueEtags(): boolean {
    return Number(this.#sql.exec("SELECT opaque_etags AS n FROM totals").one()["n"]) === 1;
  }

  /** Every finished part in order, with what is known of its bytes. */
  finished(): { etag: string; length: number; digests: PartDigests }[] {
    return this.#sql
      .exec("SELECT etag, length, digests FROM parts WHERE state = 'done' ORDER BY part_number")
      .toArray()
      .map((row) => ({
        etag: String(row["etag"]),
        length: Number(row["length"]),
        digests: JSON.parse(String(row["digests"] ?? "{}")) as PartDigests,
      }));
  }

  /** All finished parts must be sent again. */
  reopenAll(): void {
    this.#cache.updateAll(
      "state = 'pending', etag = NULL, digests = NULL, held_etag = NULL, done_at_ms = NULL, not_before_ms = 0, raced = 0",
    );
  }

  /** The upload is gone, and a new plan begins. */
  clear(): void {
    // A late report of the old upload must not match an attempt of the new one.
    this.#sql.exec("UPDATE totals SET attempts = ?", this.attempts());
    this.#sql.exec(
      "UPDATE totals SET attempt_base = (SELECT coalesce(max(attempt), attempt_base) FROM parts)",
    );
    this.#cache.clear();
    this.flights.clear();
    this.#sql.exec("UPDATE totals SET opaque_etags = 0");
  }

  #reopen(partNumber: number): void {
    this.#cache.update(
      partNumber,
      `state = 'pending', etag = NULL, held_etag = NULL, done_at_ms = NULL, not_before_ms = 0,
         resends = resends + 1`,
    );
  }

  #attemptBase(): number {
    return Number(this.#sql.exec("SELECT attempt_base AS n FROM totals").one()["n"]);
  }

  #highest(): number {
    return Number(this.#sql.exec("SELECT coalesce(max(part_number), 0) AS n FROM parts").one()["n"]);
  }
}

/** The failure as one of the store, and not of the part that met it. */
function unspecific({ answersOthers: _answersOthers, ...failure }: Failure): Failure {
  return failure;
}
