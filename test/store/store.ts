/**
 * An S3-compatible store for tests, over real HTTP on loopback.
 *
 * It is strict where S3 is strict (signatures from the raw request line, byte-exact keys, digests, limits),
 * can be told to be any weaker dialect (`StoreOptions`), to misbehave (`fault`, `hold`, outages), to hold
 * objects of any size without storing them (`putGenerated`, `swallow`), and it records every request. It is
 * not secure, not durable and not for data anyone wants to keep.
 *
 *     const store = await startStore({ buckets: ["source"] });
 *     store.put("source", "a+b", "PLUS");
 *     const effect = { kind: "answer", code: "SlowDown" };
 *     const rule = store.fault({ operation: "GetObject" }, effect, { times: 2 });
 *     … store.requests({ operation: "GetObject" }), rule.hits …
 *     await store.stop();
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { begun, expired, finished } from "./archive.ts";
import { plainAttributes, type Attributes, type Encryption, type Tag } from "./attributes.ts";
import { FileDepot, joinBodies, readBody, sliceBody, type Body } from "./bodies.ts";
import { Core, md5Of, type Mismatch, type SwallowRule } from "./core.ts";
import {
  Faults,
  Gate,
  type Effect,
  type FaultMatch,
  type FaultRule,
  type FaultSchedule,
  type Stage,
} from "./faults.ts";
import { handle, type Host } from "./http.ts";
import { Journal, type Peaks, type RequestFilter, type RequestRecord } from "./journal.ts";
import { resolveOptions, type StoreOptions } from "./options.ts";
import { RateLimit } from "./pacing.ts";
import { EventSender, type SenderOptions } from "./sender.ts";
import { type ClaimedPort, claimPort } from "./ports.ts";
import { checkBucketName, checkKey, type Operation } from "./routing.ts";
import type { Credentials } from "./sigv4.ts";
import { type ArchiveTier, Bucket, type BucketOptions, type StoredObject, type Upload } from "./state.ts";
import { storeObject } from "./operations_object.ts";

export type { Credentials } from "./sigv4.ts";
export type { Effect, FaultMatch, FaultRule, FaultSchedule, Gate, Stage } from "./faults.ts";
export type { RequestFilter, RequestRecord } from "./journal.ts";
export type { BucketOptions, StoredObject, Upload, UploadedPart } from "./state.ts";
export type { Mismatch, SwallowRule } from "./core.ts";
export type { StoreOptions } from "./options.ts";
export type { Operation } from "./routing.ts";
export { generatedBytes, generatedChunks } from "./generated.ts";

/** What a test can say about an object it puts; everything else is S3's default. */
export interface PutAttributes {
  readonly contentType?: string;
  /** content-encoding, cache-control and the like, by lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tags?: readonly Tag[];
  readonly storageClass?: string;
  /** Of an object of INTELLIGENT_TIERING. */
  readonly archiveTier?: ArchiveTier;
  readonly encryption?: Encryption;
  /** Whole seconds, in ms since the epoch; default: now. */
  readonly lastModified?: number;
  /** Without quotes; default: MD5 as S3 would have it. */
  readonly etag?: string;
  /** Make it a multipart object: one size for every part but the last, or all sizes. */
  readonly parts?: number | readonly number[];
}

interface GeneratedAttributes extends PutAttributes {
  readonly size: number;
  /** Names the byte pattern; default "seed". */
  readonly seed?: string;
  /** Compute the true MD5 ETag by running through all bytes; default: one that only looks like it. */
  readonly computeEtag?: boolean;
}

const defaultCredentials: Credentials = {
  accessKeyId: "AKIATESTSTORE0000000",
  secretAccessKey: "test/secret+key/that=needs/no/hiding",
};

/**
 * A client remembers by its address what a store cannot do, so no other store of this process reuses the
 * address.
 */
const portsUsed = new Set<number>();

async function claimUnused(): Promise<ClaimedPort> {
  for (;;) {
    const claimed = await claimPort();
    if (!portsUsed.has(claimed.port)) {
      portsUsed.add(claimed.port);
      return claimed;
    }
    claimed.release();
  }
}

/** Starts a store on loopback. */
export async function startStore(options: StoreOptions = {}): Promise<TestStore> {
  const store = new TestStore(options);
  await store.start();
  return store;
}

export class TestStore {
  readonly region: string;
  readonly journal: Journal;
  /** Errors inside the store itself: always empty unless the store has a bug. */
  readonly failures: unknown[] = [];
  readonly #core: Core;
  readonly #faults: Faults;
  readonly #host: Host;
  readonly #directory: string;
  readonly #ownsDirectory: boolean;
  readonly #address: string;
  #port: number;
  readonly #senders = new Set<EventSender>();
  readonly #gates = new Set<Gate>();
  /** Kept while the store is down, so that it can return to the same port. */
  #claim: ClaimedPort | undefined;
  #server: Server | undefined;

  constructor(options: StoreOptions) {
    const resolved = resolveOptions(options);
    this.region = resolved.region;
    this.#address = resolved.host;
    this.#port = options.port ?? 0;
    this.#ownsDirectory = options.directory === undefined;
    this.#directory = options.directory ?? mkdtempSync(join(tmpdir(), "test-store-"));
    this.#core = new Core(resolved, new FileDepot(this.#directory));
    this.#faults = new Faults(this.#core.random);
    this.journal = new Journal(resolved.journalLimit);
    const given = options.credentials ?? defaultCredentials;
    this.#host = {
      core: this.#core,
      journal: this.journal,
      faults: this.#faults,
      failures: this.failures,
      credentials: "accessKeyId" in given ? [given] : given,
      rateLimit: undefined,
      unavailable: false,
    };
    for (const bucket of options.buckets ?? []) this.createBucket(bucket);
  }

  /** Base URL for path style. */
  get endpoint(): string {
    return `http://${this.#address}:${this.#port}`;
  }

  /** Base URL in front of whose host a bucket may stand; needs a resolver that knows `*.localhost`. */
  get virtualEndpoint(): string {
    return `http://localhost:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** Of every part but the last. */
  get minPartBytes(): number {
    return this.#core.options.minPartBytes;
  }

  /** The first, usually only, credentials. */
  get credentials(): Credentials {
    return this.#host.credentials[0] ?? defaultCredentials;
  }

  /** Replaces all credentials, e.g. by ones with a newer session token. */
  setCredentials(...credentials: readonly Credentials[]): void {
    this.#host.credentials = credentials;
  }

  /** Listens; on the same port again after an outage. */
  async start(): Promise<void> {
    if (this.#port === 0) {
      this.#claim = await claimUnused();
      this.#port = this.#claim.port;
    }
    const answer = (expects: boolean) => (request: IncomingMessage, response: ServerResponse) =>
      void handle(this.#host, request, response, expects);
    const server = createServer(
      {
        keepAliveTimeout: 60_000,
        // Keys of 1,024 bytes and long upload ids make long request lines.
        maxHeaderSize: 64 * 1024,
        noDelay: true,
        highWaterMark: 1024 * 1024,
        requestTimeout: 0,
      },
      answer(false),
    );
    server.on("checkContinue", answer(true));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, this.#address, resolve);
    });
    this.#server = server;
  }

  /** Stops listening and cuts every connection; keeps the contents. */
  async pause(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  /** Cuts every connection and listens again on the same port, contents kept. */
  async restart(): Promise<void> {
    await this.pause();
    await this.start();
  }

  /** Stops for good and removes what was stored on disk. */
  async stop(): Promise<void> {
    for (const sender of this.#senders) sender.stop();
    await this.pause();
    this.#claim?.release();
    if (this.#ownsDirectory) rmSync(this.#directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  // --- contents --------------------------------------------------------------------------------------------

  createBucket(name: string, options: BucketOptions = {}): void {
    checkBucketName(name);
    this.#core.buckets.add(new Bucket(name, this.region, this.#core.now(), options));
  }

  /** Puts an object without HTTP. Its ETag is what S3 would have computed. */
  put(bucket: string, key: string, bytes: string | Uint8Array, attributes: PutAttributes = {}): StoredObject {
    const buffer = typeof bytes === "string" ? Buffer.from(bytes) : Buffer.from(bytes);
    return this.#put(bucket, key, { kind: "memory", bytes: buffer }, attributes, true);
  }

  /** Puts an object whose bytes are generated when they are read: any size, no storage. */
  putGenerated(bucket: string, key: string, attributes: GeneratedAttributes): StoredObject {
    const body: Body = {
      kind: "generated",
      seed: attributes.seed ?? "seed",
      start: 0,
      size: attributes.size,
    };
    return this.#put(bucket, key, body, attributes, attributes.computeEtag ?? false);
  }

  #put(
    bucketName: string,
    key: string,
    body: Body,
    given: PutAttributes,
    computeEtag: boolean,
  ): StoredObject {
    checkKey(key);
    const bucket = this.#core.buckets.get(bucketName);
    const size = body.kind === "memory" ? body.bytes.length : body.size;
    const sizes = given.parts === undefined ? [] : partSizes(size, given.parts);
    const attributes: Attributes = {
      contentType: given.contentType ?? plainAttributes.contentType,
      headers: given.headers ?? {},
      metadata: given.metadata ?? {},
      tags: given.tags ?? [],
      storageClass: given.storageClass ?? "STANDARD",
      encryption: given.encryption ?? { kind: "none" },
    };
    const suffix = sizes.length === 0 ? "" : `-${sizes.length}`;
    const etag =
      given.etag ??
      (computeEtag && this.#core.usesMd5(attributes.encryption)
        ? this.#trueEtag(body, sizes)
        : this.#core.random.bytes(16).toString("hex") + suffix);
    const parts = sizes.map((partSize, index) => ({
      number: index + 1,
      size: partSize,
      checksum: undefined,
    }));
    return storeObject(this.#core, bucket, key, {
      body,
      etag,
      attributes,
      parts,
      archiveTier: given.archiveTier,
      lastModified: given.lastModified,
    });
  }

  #trueEtag(body: Body, sizes: readonly number[]): string {
    if (sizes.length === 0) return md5Of(body).toString("hex");
    let start = 0;
    const parts = sizes.map((size) => {
      const part = sliceBody(body, start, start + size);
      start += size;
      return { etag: md5Of(part).toString("hex") };
    });
    return this.#core.multipartEtag(parts);
  }

  /** From now on bytes for these keys are counted (and compared, if asked) and thrown away. */
  swallow(rule: SwallowRule = {}): { remove: () => void } {
    this.#core.swallowRules.add(rule);
    return { remove: () => void this.#core.swallowRules.delete(rule) };
  }

  /** Received bytes that were not those of the pattern a swallow rule names. */
  get mismatches(): Mismatch[] {
    return this.#core.mismatches;
  }

  /** The current object, or undefined. */
  get(bucket: string, key: string): StoredObject | undefined {
    return this.#core.buckets.get(bucket).current(key);
  }

  /** All bytes of the current object, or of that version. @throws Error when there is none. */
  bytes(bucket: string, key: string, object = this.get(bucket, key)): Buffer {
    if (object === undefined) throw new Error(`there is no object ${JSON.stringify(key)} in ${bucket}`);
    return Buffer.concat([...readBody(joinBodies([object.body]))]);
  }

  /** Current objects in S3's order. */
  objects(bucket: string): readonly StoredObject[] {
    const found = this.#core.buckets.get(bucket);
    return found
      .keys()
      .map((key) => found.current(key))
      .filter((object) => object !== undefined);
  }

  /** The bucket itself, with all versions and delete markers. */
  bucket(name: string): Bucket {
    return this.#core.buckets.get(name);
  }

  /** Marks a key of a versioned bucket as deleted. */
  mark(bucketName: string, key: string, lastModified = this.#core.now()): void {
    const bucket = this.#core.buckets.get(bucketName);
    bucket.add({ kind: "delete-marker", key, versionId: bucket.nextVersionId(), lastModified });
  }

  delete(bucket: string, key: string): void {
    const found = this.#core.buckets.get(bucket);
    for (const version of found.versions(key).toReversed()) found.remove(key, version.versionId);
  }

  /** Uploads neither completed nor aborted, in all buckets. */
  uploads(): readonly Upload[] {
    return this.#core.buckets.all().flatMap((bucket) => Array.from(bucket.uploads.values()));
  }

  /** A part of an aborted upload arrives after all, and the upload is back, as at some stores. */
  landLate(bucketName: string, key: string): void {
    const bucket = this.#core.buckets.get(bucketName);
    const [upload] = [...bucket.aborted.values()].filter((aborted) => aborted.key === key);
    if (upload === undefined) throw new Error(`No upload of ${key} was aborted`);
    const bytes = Buffer.from("late");
    const body = { kind: "memory", bytes } as const;
    const etag = createHash("md5").update(bytes).digest("hex");
    const part = { number: 1, size: bytes.length, etag, body, digest: undefined, lastModified: 0 };
    upload.parts.set(1, part);
    bucket.aborted.delete(upload.id);
    bucket.uploads.set(upload.id, upload);
  }

  /** Forgets an upload as a lifecycle rule would: later calls answer NoSuchUpload. */
  forgetUpload(uploadId: string): void {
    for (const bucket of this.#core.buckets.all()) bucket.uploads.delete(uploadId);
  }

  /** Somebody has asked for a restore. */
  beginRestore(bucket: string, key: string): void {
    const object = this.get(bucket, key);
    if (object !== undefined) this.#core.buckets.get(bucket).replace(begun(this.#core, object));
  }

  /** The archived object can be read now, as if a restore had ended. */
  finishRestore(bucket: string, key: string): void {
    const object = this.get(bucket, key);
    if (object !== undefined) this.#core.buckets.get(bucket).replace(finished(this.#core, object));
  }

  /** The restored copy is gone, or INTELLIGENT_TIERING has archived the object. */
  archiveAgain(bucket: string, key: string, archiveTier?: ArchiveTier): void {
    const object = this.get(bucket, key);
    if (object !== undefined) this.#core.buckets.get(bucket).replace(expired(object, archiveTier));
  }

  /** From now on each change of a bucket is told to a receiver; `EventSender` says how badly. */
  sendEvents(bucket: string, options: SenderOptions): EventSender {
    const sender = new EventSender(bucket, options);
    this.#senders.add(sender);
    this.#core.buckets.get(bucket).watchers.add((change) => sender.note(change));
    return sender;
  }

  // --- faults ----------------------------------------------------------------------------------------------

  /** Adds a fault; see `Effect` for what there is. */
  fault(match: FaultMatch, effect: Effect, schedule: FaultSchedule = {}): FaultRule {
    return this.#faults.add(match, effect, schedule);
  }

  /** Makes matching requests wait until the gate is released. Default stage: nothing read yet. */
  hold(match: FaultMatch, stage: Stage = "before-body", schedule: FaultSchedule = {}): Gate {
    const gate = new Gate(() => this.journal.changed());
    const rule = this.fault(match, { kind: "hold", gate, stage }, schedule);
    this.#gates.add(gate);
    gate.onRelease(() => rule.remove());
    return gate;
  }

  /** Opens all gates: what a test that has failed still holds would outlive it, and hang the next. */
  letGo(): void {
    for (const gate of this.#gates) gate.release();
    this.#gates.clear();
  }

  clearFaults(): void {
    this.#faults.clear();
    this.#host.rateLimit = undefined;
    this.#host.unavailable = false;
  }

  /** Takes the store away until `recover`: refused connections, or 503 to everything. */
  async outage(kind: "refuse" | "503" = "refuse"): Promise<void> {
    if (kind === "503") this.#host.unavailable = true;
    else await this.pause();
  }

  async recover(): Promise<void> {
    this.#host.unavailable = false;
    if (this.#server === undefined) await this.start();
  }

  /** Caps requests per second; those above get 503 SlowDown and are counted in the result's `refused`. */
  limitRate(requestsPerSecond: number, burst = requestsPerSecond): RateLimit {
    const limit = new RateLimit(requestsPerSecond, burst);
    this.#host.rateLimit = limit;
    return limit;
  }

  // --- what happened ---------------------------------------------------------------------------------------

  requests(filter: RequestFilter = {}): readonly RequestRecord[] {
    return this.journal.requests(filter);
  }

  count(operation?: Operation): number {
    return this.journal.count(operation);
  }

  counts(): Readonly<Partial<Record<Operation, number>>> {
    return this.journal.counts();
  }

  openRequests(): readonly RequestRecord[] {
    return this.journal.openRequests();
  }

  peaks(): Peaks {
    return this.journal.peaks();
  }

  peakUploadPartsPerLane(): ReadonlyMap<string, number> {
    return this.journal.peakUploadPartsPerLane();
  }

  /** Answers begun that the client has neither read to the end nor cancelled: leaked connections. */
  leakedBodies(): readonly RequestRecord[] {
    return this.journal.unfinishedAnswers();
  }

  /** Resolves once `predicate` holds; tried now and at every start, end and wait of a request. */
  async waitFor(predicate: (store: TestStore) => boolean): Promise<void> {
    await this.journal.waitFor(() => predicate(this));
  }
}

function partSizes(size: number, parts: number | readonly number[]): readonly number[] {
  if (typeof parts !== "number") {
    const sum = parts.reduce((total, part) => total + part, 0);
    if (sum !== size) throw new RangeError(`parts add up to ${sum} bytes, the object has ${size}`);
    return parts;
  }
  if (!(parts > 0)) throw new RangeError(`part size must be positive: ${parts}`);
  return Array.from({ length: Math.max(1, Math.ceil(size / parts)) }, (_, index) =>
    Math.min(parts, size - index * parts),
  );
}
