// A comparison of one object: one HEAD of each side, or a stretch of both sides' bytes. It writes nothing.
//
// A listing may be older than the objects, and a HEAD is not: so both sides are asked, also where a listing
// has shown one. Bytes are read from the objects that the HEADs have shown, pinned by their ETags, a range of
// each side at a time; their CRC64NVME is computed while they pass, and no byte is kept.

import { judgeHeads } from "../object/compare.ts";
import { bareEtag } from "../s3/digest.ts";
import { failedAt, FailureError, S3Error } from "../s3/errors.ts";
import { type StoreSide, answerFailure, meshFailure } from "../s3/failure.ts";
import { getPinned, headObject } from "../s3/read.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";
import { parseContentRange } from "../s3/url.ts";
import { etagOf } from "../s3/value.ts";
import type { BatchRun } from "./batch_run.ts";
import type { BatchSides } from "./batch_sides.ts";
import {
  type BatchTask,
  type ObjectOutcome,
  type ObjectWork,
  type Reading,
  type SeenSide,
  READ_BYTES,
} from "./batch_task.ts";
import { bodyOf, digestWhileStreaming, readForDigests } from "./digest_stream.ts";
import { headIfAny, objectHead } from "./held_object.ts";
import { transferLimitMs } from "./limits.ts";

interface Place {
  readonly s3: S3;
  readonly at: ObjectAddress;
}

/** What the objects of a batch share. */
interface Batch {
  readonly sides: Pick<BatchSides, StoreSide>;
  readonly task: BatchTask;
  readonly run: BatchRun;
}

export class ObjectComparison {
  readonly #sides: Readonly<Record<StoreSide, Place>>;
  readonly #task: BatchTask;
  readonly #work: ObjectWork;
  readonly #run: BatchRun;

  constructor({ sides, task, run }: Batch, work: ObjectWork) {
    this.#sides = {
      source: {
        s3: sides.source,
        at: { bucket: task.source.bucket, key: work.key, versionId: work.versionId },
      },
      destination: { s3: sides.destination, at: { bucket: task.destination.bucket, key: work.to } },
    };
    this.#task = task;
    this.#work = work;
    this.#run = run;
  }

  async run(): Promise<ObjectOutcome> {
    const { reading } = this.#work;
    return reading === undefined ? await this.#ask() : await this.#read(reading);
  }

  async #ask(): Promise<ObjectOutcome> {
    const { source, destination } = this.#sides;
    const there = await this.#head("destination");
    const here = this.#work.isUnseen === true ? await this.#headNamed() : await this.#head("source");
    const [own, held] = [here && objectHead(here, source.at), there && objectHead(there, destination.at)];
    const sides = { source: sideOf(own), destination: sideOf(held) };
    // It was listed. What the destination has is not compared with nothing.
    if (own === null)
      return { kind: "compared", verdict: { outcome: "unknown", reason: "source_changed" }, ...sides };
    if (held === null) return { kind: "compared", verdict: { outcome: "missing" }, ...sides };
    const profiles = { source: source.s3.store.profile, destination: destination.s3.store.profile };
    return {
      kind: "compared",
      verdict: judgeHeads(this.#task.options.compare, profiles, own, held),
      ...sides,
    };
  }

  /** Nobody has seen it: what is not there cannot be compared. */
  async #headNamed(): Promise<Headers> {
    const { s3, at } = this.#sides.source;
    return (await headObject(s3, at).catch(failedAt("source"))).headers;
  }

  /** Null: there is no such object. A bucket that is gone is no answer about the object. */
  async #head(side: StoreSide): Promise<Headers | null> {
    const { s3, at } = this.#sides[side];
    return await headIfAny(s3, at).catch(failedAt(side));
  }

  /** As far as the time of this call goes. */
  async #read(reading: Reading): Promise<ObjectOutcome> {
    const { sourceEtag, destinationEtag, untilBytes } = reading;
    let { fromBytes } = reading;
    const sides = {
      source: { sizeBytes: this.#work.sizeBytes, etag: sourceEtag },
      destination: { sizeBytes: this.#work.sizeBytes, etag: destinationEtag },
    };
    while (fromBytes < untilBytes) {
      const length = Math.min(READ_BYTES, untilBytes - fromBytes);
      if (fromBytes > reading.fromBytes && !this.#run.mayStart(this.#work, Date.now()))
        return { kind: "read", fromBytes };
      const range = { offset: fromBytes, length };
      const own = await this.#digest("source", sourceEtag, range);
      const held = await this.#digest("destination", destinationEtag, range);
      if (own !== held)
        return { kind: "compared", verdict: { outcome: "different", reason: "bytes" }, ...sides };
      fromBytes += length;
    }
    return { kind: "compared", verdict: { outcome: "equal", proof: "bytes" }, ...sides };
  }

  /** The CRC64NVME of a range of the object with that ETag. @throws {FailureError} if it is another now */
  async #digest(side: StoreSide, etag: string, range: { offset: number; length: number }): Promise<string> {
    const { s3, at } = this.#sides[side];
    return await this.#run.watchdog.run(transferLimitMs(range.length), async (signal) => {
      const response = await getPinned(s3, at, { range, ifMatch: etag, signal }).catch((error: unknown) => {
        const isOther = error instanceof S3Error && (error.status === 412 || error.status === 404);
        if (isOther) throw new FailureError(changed(side, error.message));
        return failedAt(side)(error);
      });
      const told = parseContentRange(response.headers.get("content-range"));
      const now = etagOf(response.headers);
      if (now !== null && bareEtag(now) !== bareEtag(etag))
        throw new FailureError(changed(side, `its ETag was ${etag} and is ${now} now`));
      const isRight =
        told?.offset === range.offset &&
        told.length === range.length &&
        told.totalBytes === this.#work.sizeBytes;
      if (response.status !== 206 || !isRight) {
        const message = `Status ${response.status} with Content-Range ${JSON.stringify(response.headers.get("content-range"))} for ${range.length} bytes from ${range.offset} of ${this.#work.sizeBytes}`;
        throw new FailureError(answerFailure(side, "wrong_range", message, "GetObject"));
      }
      const sized = response.headers.has("content-length");
      const passing = digestWhileStreaming(bodyOf(response), {
        length: range.length,
        sized,
        digests: ["crc64nvme"],
        bucket: this.#run.bucket,
      });
      const { crc64nvme } = await readForDigests(passing).catch((error: unknown) => {
        if (signal.aborted) throw signal.reason;
        const message = `The body broke off or has another length than ${range.length} bytes: ${String(error)}`;
        throw new FailureError(answerFailure(side, "wrong_length", message, "GetObject"));
      });
      if (crc64nvme === undefined) throw new Error("No CRC64NVME was computed");
      return crc64nvme;
    });
  }
}

function changed(side: StoreSide, detail: string) {
  const message = `The ${side} has changed while it was compared: ${detail}`;
  return meshFailure(`${side}_changed`, message, "GetObject");
}

function sideOf(head: { readonly sizeBytes: number; readonly etag: string | null } | null): SeenSide | null {
  // JSON has no NaN.
  return head && { sizeBytes: Number.isFinite(head.sizeBytes) ? head.sizeBytes : 0, etag: head.etag };
}
