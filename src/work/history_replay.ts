// A stretch of the history of one key, brought over in order: an object version by GET and PUT, as any object
// of a batch, a delete marker by a DELETE that names no version. Before that the destination is asked what it
// has, each time: so what was written by an attempt that nobody has heard of is not written again.
//
// What it needs: both sides. It keeps nothing.
//
// Invariant: version n is acknowledged before n+1 is sent, and nothing is added to a history that is not a
// beginning of the source's.

import { expectVersions, versionsOfKey } from "../listing/versions.ts";
import {
  type HistoryVersion,
  type Reached,
  type Shown,
  align,
  beginningFault,
  isFirstStretch,
  mayBeSame,
  type Stretch,
} from "../object/history.ts";
import { markedVersion } from "../object/mark.ts";
import { failedAt, failureOfOne, meshError } from "../s3/errors.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";
import { deleteToMarker } from "../s3/versions.ts";
import type { ListedVersion } from "../s3/versions_xml.ts";
import type { BatchRun } from "./batch_run.ts";
import type { BatchSides } from "./batch_sides.ts";
import type { BatchTask, ObjectOutcome, ObjectWork, Replayed, ReplayEnd } from "./batch_task.ts";
import { headIfAny } from "./held_object.ts";
import { ObjectCopy } from "./object_copy.ts";

interface Batch {
  readonly sides: BatchSides;
  readonly task: BatchTask;
  readonly run: BatchRun;
}

/** Batches whose destination was asked whether it keeps versions. */
const asked = new WeakSet<BatchRun>();

export class HistoryReplay {
  readonly #batch: Batch;
  readonly #source: S3;
  readonly #destination: S3;
  readonly #from: ObjectAddress;
  readonly #to: ObjectAddress;
  readonly #work: ObjectWork;
  readonly #stretch: Stretch;
  readonly #maxPartBytes: number;

  constructor(batch: Batch, work: ObjectWork, stretch: Stretch, maxPartBytes: number) {
    const { sides, task } = batch;
    this.#batch = batch;
    this.#source = sides.source;
    this.#destination = sides.destination;
    this.#from = { bucket: task.source.bucket, key: work.key };
    this.#to = { bucket: task.destination.bucket, key: work.to };
    this.#work = work;
    this.#stretch = stretch;
    this.#maxPartBytes = maxPartBytes;
  }

  async run(): Promise<Extract<ObjectOutcome, { kind: "replayed" }>> {
    const { versions, known } = this.#stretch;
    const done: Replayed[] = [];
    if (known !== undefined) {
      const kind = known === "there" ? "same" : "absent";
      return { kind: "replayed", done: versions.map(() => ({ kind })), ends: { kind: "all" } };
    }
    if (!this.#mayStart(0)) return { kind: "replayed", done, ends: { kind: "left" } };
    const ends = await this.#replay(done).catch((error: unknown): ReplayEnd => {
      const failure = failureOfOne(error, "destination");
      const outcome = this.#batch.run.took({ kind: "failed", failure });
      return outcome.kind === "left" ? { kind: "left" } : { kind: "failed", failure };
    });
    return { kind: "replayed", done, ends };
  }

  async #replay(done: Replayed[]): Promise<ReplayEnd> {
    const { versions, isDryRun } = this.#stretch;
    const there = await this.#find();
    if (typeof there === "string") return { kind: "ahead", versionId: there };
    done.push(...versions.slice(0, there).map(() => ({ kind: "same" }) as const));
    for (const version of versions.slice(there)) {
      if (isDryRun === true) {
        done.push({ kind: "absent" });
        continue;
      }
      if (version.isLarge === true) return { kind: "large" };
      if (!this.#mayStart(version.sizeBytes)) return { kind: "left" };
      await this.#expectVersions();
      const end = await this.#bring(version, done);
      if (end !== null) return end;
    }
    return { kind: "all" };
  }

  #mayStart(sizeBytes: number): boolean {
    return this.#batch.run.mayStart({ ...this.#work, first: "copy", sizeBytes }, Date.now());
  }

  /** A bucket whose versioning is off or suspended would lose what is there. */
  async #expectVersions(): Promise<void> {
    const { run, task } = this.#batch;
    if (asked.has(run)) return;
    await expectVersions(this.#destination, task.destination.bucket, "all", "destination");
    asked.add(run);
  }

  /** @returns null: it is acknowledged */
  async #bring(version: HistoryVersion, done: Replayed[]): Promise<ReplayEnd | null> {
    const { versionId, sizeBytes, etag } = version;
    if (version.isDeleteMarker === true) {
      await deleteToMarker(this.#destination, this.#to);
      done.push({ kind: "marked" });
      return null;
    }
    if (version.isArchived === true)
      throw meshError("source_archived", `Its version ${versionId} is archived: restore it first`, "plan");
    const { key, to, failedAttempts } = this.#work;
    const work: ObjectWork = {
      key,
      to,
      versionId,
      sizeBytes,
      etag,
      failedAttempts,
      first: "copy",
      isInHistory: true,
    };
    const outcome = await new ObjectCopy(this.#batch, work, this.#maxPartBytes).run();
    if (outcome.kind === "differs") return { kind: "large" };
    if (outcome.kind !== "copied") throw new Error(`"${outcome.kind}" is no outcome of a version`);
    const { proof, warnings } = outcome;
    done.push({ kind: "copied", etag: outcome.etag, proof, warnings });
    return null;
  }

  /**
   * How much of the stretch is there. @returns its number of versions; or the version of the source that
   * everything up to is there, if it is none of them
   */
  async #find(): Promise<number | string> {
    // One more than may be there, so that it shows.
    const listed = versionsOfKey(this.#destination, this.#to, null, this.#stretch.versions.length + 1);
    const shown: ListedVersion[] = [];
    const end = await this.#endOf(listed, shown).catch(failedAt("destination"));
    const aligned = align(this.#stretch, end);
    const isFirst = isFirstStretch(this.#stretch);
    if (aligned.kind === "differs") throw this.#differs(aligned.why);
    if (aligned.kind === "elsewhere") {
      const { versionId } = end;
      if (!isFirst || versionId === null)
        throw this.#differs("its newest version there is not the one that was written last");
      await this.#expectSameBefore(versionId, listed);
      return versionId;
    }
    if (isFirst) {
      const { versions } = this.#stretch;
      for (;;) {
        const next = await listed.next().catch(failedAt("destination"));
        if (next.done === true || shown.length > aligned.index) break;
        shown.push(next.value);
      }
      const fault = beginningFault(versions, shown, aligned.index);
      if (fault !== null) throw this.#differs(fault);
    }
    return aligned.index;
  }

  /** The newest object there, and the delete markers after it. @param shown gets them */
  async #endOf(listed: AsyncGenerator<ListedVersion>, shown: ListedVersion[]): Promise<Reached> {
    for (;;) {
      const next = await listed.next();
      if (next.done === true) return { versionId: null, markers: shown.length };
      shown.push(next.value);
      if (next.value.isDeleteMarker) continue;
      const headers = await headIfAny(this.#destination, { ...this.#to, versionId: next.value.versionId });
      const versionId = headers === null ? null : markedVersion(headers, this.#to);
      if (versionId === null) throw this.#differs("its newest version there has no mark of a copied version");
      return { versionId, markers: shown.length - 1 };
    }
  }

  /** Holds what is older than the two versions against each other, a page of either side at a time. */
  async #expectSameBefore(versionId: string, listed: AsyncGenerator<ListedVersion>): Promise<void> {
    const at = { ...this.#from, versionId };
    if ((await headIfAny(this.#source, at).catch(failedAt("source"))) === null)
      throw this.#differs(
        `the source no longer has its version ${versionId}, from which the newest there is`,
      );
    const older = versionsOfKey(this.#source, this.#from, versionId);
    for (let count = 1; ; count++) {
      const ours: IteratorResult<Shown> = await older.next().catch(failedAt("source"));
      const theirs: IteratorResult<Shown> = await listed.next().catch(failedAt("destination"));
      if (ours.done === true && theirs.done === true) return;
      if (ours.done !== true && theirs.done !== true && mayBeSame(ours.value, theirs.value)) continue;
      throw this.#differs(`${count} before its newest version there, it is not the source's`);
    }
  }

  #differs(why: string): Error {
    const key = JSON.stringify(this.#work.to);
    const message = `The history of ${key} at the destination is no beginning of the source's: ${why}. It is left as it is`;
    return meshError("history_differs", message, "ListObjectVersions");
  }
}
