// Small objects of a batch that go to the destination as one archive, which it unpacks (s3/tar.ts). Each
// costs one GET; the archive costs one PutObject, and one page of a listing that shows what became of it.
//
// What it needs: both sides, and a destination that unpacks (a check finds that out). An archive is gathered
// in memory before its PutObject begins. Streamed, it would hold a connection that waits for its answer while
// every GET waits for its own, and the five batches of a lane would need ten of their event's six.
//
// Invariant: an object is `copied` only if the destination lists it with the size and the MD5 of the bytes
// that were read, which the source has listed as well. What the store says of the archive proves nothing. An
// object that did not arrive, or whose attributes cannot go along, goes by itself.
//
// It keeps in memory how much all batches of this isolate gather, where archives were not unpacked, and what
// has been seen to keep its attributes; losing that costs requests.

import { createHash } from "node:crypto";
import { compareKeys } from "../listing/key_order.ts";
import { COPY_ID_HEADER, isPlainAttribute, unshownAttributes } from "../object/attributes.ts";
import { concludeProof, planProof } from "../object/proof.ts";
import { removeExactly } from "../s3/conditions.ts";
import { demandsDigest } from "../s3/demands.ts";
import { bareEtag } from "../s3/digest.ts";
import { isEncryptedWithKey } from "../s3/encryption.ts";
import { failureOfOne, S3Error } from "../s3/errors.ts";
import { MAX_PAGE_KEYS, listObjectsV2 } from "../s3/list.ts";
import type { ListedObject } from "../s3/listing_xml.ts";
import { getObject, headObject } from "../s3/read.ts";
import { keyVerdictOf } from "../s3/retry.ts";
import { putObject } from "../s3/s3.ts";
import { areTarAttributes, TAR_END, tarHeaders, tarPadding, UNPACK_HEADERS } from "../s3/tar.ts";
import { etagOf, sizeOf } from "../s3/value.ts";
import { archivedBytes, archivesOf, justBefore, LEAST_ENTRIES, sharedPrefix } from "./archive_plan.ts";
import type { BatchRun } from "./batch_run.ts";
import type { BatchSides } from "./batch_sides.ts";
import type { BatchTask, ObjectOutcome, ObjectWork } from "./batch_task.ts";
import { bodyOf } from "./digest_stream.ts";
import { transferLimitMs } from "./limits.ts";
import { attributesToSend } from "./sent_attributes.ts";

/** Of all batches of this isolate together; a batch for which nothing is left sends each object by itself. */
const MAX_GATHERED_BYTES = 32 * 2 ** 20;

let gatheredBytes = 0;

/** Buckets that have not unpacked what they were sent. */
const stubborn = new Set<string>();

/** Buckets, and the names of attributes that an unpacked object has shown there. */
const keeping = new Set<string>();

/** An object in an archive. */
interface Entry {
  readonly place: number;
  readonly work: ObjectWork;
  /** The source's, which is the MD5 of the bytes that were read. */
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Archived {
  /** By its place in the batch. */
  readonly outcomes: ReadonlyMap<number, ObjectOutcome>;
  /** Were in an archive and have not arrived: they go by themselves. */
  readonly missing: ReadonlySet<number>;
}

/** Copies what may go in archives; the caller copies the rest, each by itself. */
export async function copyInArchives(sides: BatchSides, task: BatchTask, run: BatchRun): Promise<Archived> {
  const outcomes = new Map<number, ObjectOutcome>();
  const missing = new Set<number>();
  const { store } = sides.destination;
  const planned = archivesOf(task, sides.source.store, store);
  for (let places = planned.shift(); places !== undefined; places = planned.shift()) {
    const { fitting, bytes } = whatFits(task, places);
    if (stubborn.has(bucketOf(sides, task)) || fitting.length < LEAST_ENTRIES) break;
    if (fitting.length < places.length) planned.unshift(places.slice(fitting.length));
    gatheredBytes += bytes;
    try {
      await new Archive(sides, task, run, bytes).copy(fitting, outcomes, missing);
    } finally {
      gatheredBytes -= bytes;
    }
  }
  return { outcomes, missing };
}

/** As many as may be gathered now. None takes more than a part of what is free: others come as well. */
function whatFits(task: BatchTask, places: readonly number[]): { fitting: number[]; bytes: number } {
  const most = (MAX_GATHERED_BYTES - gatheredBytes) / 4;
  let bytes = 0;
  const fitting: number[] = [];
  for (const place of places) {
    const more = archivedBytes(workAt(task, place));
    if (bytes + more > most) break;
    bytes += more;
    fitting.push(place);
  }
  return { fitting, bytes };
}

class Archive {
  readonly #sides: BatchSides;
  readonly #task: BatchTask;
  readonly #run: BatchRun;
  readonly #bytes: Uint8Array;
  #length = 0;
  readonly #entries: Entry[] = [];

  constructor(sides: BatchSides, task: BatchTask, run: BatchRun, maxBytes: number) {
    this.#sides = sides;
    this.#task = task;
    this.#run = run;
    this.#bytes = new Uint8Array(maxBytes + TAR_END.length);
  }

  async copy(
    places: readonly number[],
    outcomes: Map<number, ObjectOutcome>,
    missing: Set<number>,
  ): Promise<void> {
    for (const place of places) {
      const work = workAt(this.#task, place);
      if (!this.#run.mayStart(work, Date.now())) break;
      const failed = await this.#gather(place, work);
      if (failed !== null) outcomes.set(place, failed);
    }
    const [first] = this.#entries;
    if (first === undefined || this.#run.stop.aborted) return;
    try {
      const refused = await this.#send(first);
      if (refused !== null) {
        outcomes.set(first.place, refused);
        return;
      }
      const arrived = await this.#arrived(first);
      for (const { place, work, etag } of this.#entries) {
        const shown = arrived.get(work.to);
        if (shown === undefined) missing.add(place);
        else outcomes.set(place, this.#copied(work, etag, shown));
      }
    } catch (error) {
      // What has become of the others is not known.
      for (const { place } of this.#entries) missing.add(place);
      missing.delete(first.place);
      outcomes.set(first.place, this.#failed(error, "destination"));
    }
  }

  /** Puts an object into the archive, or leaves it to go by itself. @returns the outcome if it has failed */
  async #gather(place: number, work: ObjectWork): Promise<ObjectOutcome | null> {
    const { watchdog, patience, bucket } = this.#run;
    const limitMs = patience.limitMs(work.sizeBytes, 0) ?? transferLimitMs(work.sizeBytes);
    try {
      if (bucket !== null) await bucket.take();
      const read = async (signal: AbortSignal) => await this.#read(place, work, signal);
      await watchdog.run(limitMs, read, () => true);
      bucket?.spend(work.sizeBytes);
      return null;
    } catch (error) {
      // By itself it is asked for as it is now, or once more.
      if (watchdog.isOverdue || (error instanceof S3Error && error.status === 412)) return null;
      return this.#failed(error, "source");
    }
  }

  async #read(place: number, work: ObjectWork, signal: AbortSignal): Promise<void> {
    const { source, destination } = this.#sides;
    const from = { bucket: this.#task.source.bucket, key: work.key };
    const to = { bucket: this.#task.destination.bucket, key: work.to };
    const request = { range: null, ifMatch: work.etag, signal };
    const { status, headers: shown, ...response } = await this.#get(from, request);
    const etag = etagOf(shown) ?? "";
    const isListed =
      status === 200 && sizeOf(shown) === work.sizeBytes && bareEtag(etag) === bareEtag(work.etag ?? "");
    const isPlain = isListed && !isEncryptedWithKey(shown);
    const sent = isPlain
      ? await attributesToSend(
          { source, from, destination, to },
          { ...this.#task, etag, needsMark: false },
          shown,
        )
      : null;
    const travels =
      sent !== null &&
      sent.warnings.length === 0 &&
      Object.keys(sent.headers).every(isPlainAttribute) &&
      areTarAttributes(sent.headers);
    if (!travels) return await response.cancel();
    const bytes = await response.read();
    if (createHash("md5").update(bytes).digest("hex") !== bareEtag(etag).toLowerCase()) return;
    if (this.#add(work, sent.headers, bytes))
      this.#entries.push({ place, work, etag, headers: sent.headers });
  }

  async #get(from: { bucket: string; key: string }, request: Parameters<typeof getObject>[2]) {
    const response = await getObject(this.#sides.source, from, request);
    return {
      status: response.status,
      headers: response.headers,
      cancel: async () => void (await response.body?.cancel()),
      read: async () => new Uint8Array(await response.arrayBuffer()),
    };
  }

  /** @returns whether there is room */
  #add(work: ObjectWork, headers: Entry["headers"], bytes: Uint8Array): boolean {
    const { length: sizeBytes } = bytes;
    const before = tarHeaders({ key: work.to, sizeBytes, headers, modifiedMs: Date.now() });
    const pieces = [before, bytes, tarPadding(sizeBytes)];
    const whole = pieces.reduce((sum, { length }) => sum + length, 0);
    if (this.#length + whole + TAR_END.length > this.#bytes.length) return false;
    for (const piece of pieces) {
      this.#bytes.set(piece, this.#length);
      this.#length += piece.length;
    }
    return true;
  }

  /** @returns null: what has become of it is to be looked at, whatever was answered */
  async #send({ work }: Entry): Promise<ObjectOutcome | null> {
    const bytes = this.#bytes.subarray(0, this.#length + TAR_END.length);
    const address = { bucket: this.#task.destination.bucket, key: this.#nameBy(work) };
    const limitMs = transferLimitMs(bytes.length);
    // What arrives is proved object by object. A stream gets no digest of its own, which would cost more than
    // the request; its length is known all the same.
    const body = demandsDigest(this.#sides.destination, address) ? bytes : bodyOf(new Response(bytes));
    try {
      await this.#run.watchdog.run(
        limitMs,
        async (signal) =>
          await putObject(this.#sides.destination, address, { body, headers: UNPACK_HEADERS, signal }),
      );
      return null;
    } catch (error) {
      const failure = failureOfOne(error, "destination");
      const verdict = keyVerdictOf(failure);
      if (verdict === "fatal") this.#giveUp();
      return ["retry", "fatal"].includes(verdict) ? null : this.#run.took({ kind: "failed", failure });
    }
  }

  /** Of no other object, and listed right behind the first one: the page that shows that shows this too. */
  #nameBy({ to }: ObjectWork): string {
    const { syncId, batch, attempt } = this.#task;
    return `${to}.${syncId}-${batch}-${attempt}.tar`;
  }

  /** The objects that the destination shows to be those of the archive, by their key. */
  async #arrived(first: Entry): Promise<ReadonlyMap<string, Pick<ListedObject, "etag">>> {
    const keys = this.#entries.map(({ work }) => work.to).toSorted(compareKeys);
    const listed = await this.#listed([...keys, this.#nameBy(first.work)]);
    const arrived = new Map<string, Pick<ListedObject, "etag">>();
    for (const { work, etag } of this.#entries) {
      const shown = listed.get(work.to);
      const isSame = bareEtag(shown?.etag ?? "").toLowerCase() === bareEtag(etag).toLowerCase();
      if (shown?.sizeBytes === work.sizeBytes && isSame) arrived.set(work.to, shown);
    }
    const whole = listed.get(this.#nameBy(first.work));
    if (whole !== undefined) await this.#remove(first, whole);
    if (arrived.size === 0 || whole !== undefined) this.#giveUp();
    if (arrived.size > 0 && !(await this.#keepsAttributes(arrived))) {
      this.#giveUp();
      return new Map();
    }
    return arrived;
  }

  /** What is at these keys: by one page of a listing, and by HEAD where the page ends before them. */
  async #listed(
    keys: readonly string[],
  ): Promise<Map<string, { readonly etag: string | null; readonly sizeBytes: number }>> {
    const { committed } = this.#sides;
    const { bucket } = this.#task.destination;
    const [first = ""] = keys;
    const range = { prefix: sharedPrefix(keys), after: justBefore(first), maxKeys: MAX_PAGE_KEYS };
    const page = await listObjectsV2(committed, bucket, range).catch((error: unknown) => {
      if (error instanceof S3Error && keyVerdictOf(error.toFailure("destination")) === "fatal") return null;
      throw error;
    });
    const listed = new Map<string, { readonly etag: string | null; readonly sizeBytes: number }>(
      page?.objects.map((object) => [object.key, object]),
    );
    const last = page?.objects.at(-1)?.key;
    const isWhole = page !== null && page.isTruncated === false;
    for (const key of keys) {
      const isBehind = !isWhole && (last === undefined || compareKeys(key, last) > 0);
      if (listed.has(key) || !isBehind) continue;
      const found = await this.#head(key);
      if (found !== null) listed.set(key, { etag: etagOf(found), sizeBytes: sizeOf(found) ?? Number.NaN });
    }
    return listed;
  }

  async #head(key: string): Promise<Headers | null> {
    try {
      return (await headObject(this.#sides.committed, { bucket: this.#task.destination.bucket, key }))
        .headers;
    } catch (error) {
      if (error instanceof S3Error && error.status === 404) return null;
      throw error;
    }
  }

  /** Does one of them show what it was sent with? Asked once for each set of attributes. */
  async #keepsAttributes(arrived: ReadonlyMap<string, unknown>): Promise<boolean> {
    for (const { work, headers } of this.#entries) {
      const kind = JSON.stringify([bucketOf(this.#sides, this.#task), ...Object.keys(headers).toSorted()]);
      if (!arrived.has(work.to) || keeping.has(kind)) continue;
      const shown = await this.#head(work.to);
      if (shown === null || unshownAttributes(headers, shown).length > 0) return false;
      if (shown.get(COPY_ID_HEADER) !== (headers[COPY_ID_HEADER] ?? null)) return false;
      keeping.add(kind);
    }
    return true;
  }

  /** The archive is there itself: it was stored instead of unpacked, or as well. */
  async #remove(
    { work }: Entry,
    shown: { readonly etag: string | null; readonly sizeBytes: number },
  ): Promise<void> {
    const isOurs = shown.sizeBytes === this.#length + TAR_END.length && shown.etag !== null;
    const address = { bucket: this.#task.destination.bucket, key: this.#nameBy(work) };
    if (isOurs) await removeExactly(this.#sides.committed, address, shown.etag);
  }

  #giveUp(): void {
    stubborn.add(bucketOf(this.#sides, this.#task));
  }

  #copied(work: ObjectWork, etag: string, shown: Pick<ListedObject, "etag">): ObjectOutcome {
    const { profile: source } = this.#sides.source.store;
    const { profile } = this.#sides.destination.store;
    const plan = planProof({
      verify: this.#task.options.verify,
      via: "stream",
      kind: "whole",
      boundaries: "chosen",
      source: { etag, profile: source, encryptedWithKey: false, checksums: [] },
      destination: { profile, encryptedWithKey: false },
    });
    const proved = concludeProof({
      plan: { ...plan, contentMd5: null },
      sourceEtag: etag,
      destinationEtag: shown.etag ?? "",
      destinationEncryptedWithKey: false,
      destinationChecksums: [],
      ourChecksum: null,
      partsMatch: false,
    });
    const proof = proved.ok ? proved.proof : "length";
    return { kind: "copied", etag: shown.etag ?? "", proof, sizeBytes: work.sizeBytes, warnings: [] };
  }

  #failed(error: unknown, side: "source" | "destination"): ObjectOutcome {
    return this.#run.took({ kind: "failed", failure: failureOfOne(error, side) });
  }
}

function workAt({ objects }: BatchTask, place: number): ObjectWork {
  const work = objects[place];
  if (work === undefined) throw new RangeError(`A batch of ${objects.length} has no object ${place}`);
  return work;
}

function bucketOf({ destination }: BatchSides, task: BatchTask): string {
  return `${destination.store.endpoint}/${task.destination.bucket}`;
}
