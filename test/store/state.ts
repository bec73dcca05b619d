/**
 * The store's contents: buckets, object versions, uploads in progress and finished.
 *
 * Invariants: a key's versions are oldest first and the last one is current; an unversioned bucket has at
 * most one, with id "null"; bodies are retained exactly once per place that keeps them and released when they
 * go. No HTTP and no rules of S3 here, only the data and its bookkeeping: operations decide, this module
 * changes.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Attributes } from "./attributes.ts";
import { releaseBody, type Body } from "./bodies.ts";
import type { Checksum, ChecksumAlgorithm, ChecksumType } from "./checksums.ts";
import { StoreError } from "./errors.ts";

export interface PartLayout {
  readonly number: number;
  readonly size: number;
  readonly checksum: string | undefined;
}

export type ArchiveTier = "ARCHIVE_ACCESS" | "DEEP_ARCHIVE_ACCESS";

interface Restore {
  /** Infinity: until a test says so. */
  readonly readyMs: number;
  readonly untilMs: number;
  readonly days: number | null;
}

export interface StoredObject {
  readonly kind: "object";
  readonly key: string;
  readonly versionId: string;
  readonly body: Body;
  readonly size: number;
  /** As computed: lower case, without quotes. */
  readonly etag: string;
  /** Whole seconds, in ms since the epoch, as S3 keeps it. */
  readonly lastModified: number;
  readonly attributes: Attributes;
  /** Empty for an object that was not uploaded in parts. */
  readonly parts: readonly PartLayout[];
  readonly checksum: Checksum | undefined;
  /** Where INTELLIGENT_TIERING has archived it; undefined: nowhere. */
  readonly archiveTier: ArchiveTier | undefined;
  /** Of an archived object: from when and until when it can be read; undefined: nobody has asked. */
  readonly restore: Restore | undefined;
}

interface DeleteMarker {
  readonly kind: "delete-marker";
  readonly key: string;
  readonly versionId: string;
  readonly lastModified: number;
}

export type Version = StoredObject | DeleteMarker;

/** What has become of a key. */
export type BucketChange =
  | { readonly kind: "created"; readonly atMs: number; readonly object: StoredObject }
  | { readonly kind: "deleted"; readonly atMs: number; readonly key: string };

export interface UploadedPart {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly body: Body;
  readonly digest: Buffer | undefined;
  readonly lastModified: number;
}

export interface Upload {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly initiated: number;
  readonly attributes: Attributes;
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined;
  readonly parts: Map<number, UploadedPart>;
}

export interface BucketOptions {
  readonly region?: string;
  readonly versioning?: boolean;
  /** Implies versioning. */
  readonly objectLock?: boolean;
  /** 403 for every call without `x-amz-request-payer: requester`. */
  readonly requesterPays?: boolean;
}

/** Compares by UTF-8 bytes, which is S3's order; JavaScript's own order differs above U+FFFF. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    // Surrogates stand for code points above every other code unit.
    const leftHigh = left >= 0xd800 && left <= 0xdfff;
    const rightHigh = right >= 0xd800 && right <= 0xdfff;
    return leftHigh === rightHigh ? left - right : leftHigh ? 1 : -1;
  }
  return a.length - b.length;
}

/** Keys of both, which are in S3's order, each once: sorting all anew for each listing would take seconds. */
function* merged(some: readonly string[], others: readonly string[]): Generator<string> {
  let place = 0;
  let last: string | undefined;
  for (const key of some) {
    for (; place < others.length; place++) {
      const other = others[place] ?? "";
      if (compareKeys(other, key) >= 0) break;
      if (other !== last) yield (last = other);
    }
    yield (last = key);
  }
  for (; place < others.length; place++) {
    const other = others[place] ?? "";
    if (other !== last) yield (last = other);
  }
}

export class Bucket {
  readonly name: string;
  readonly region: string;
  readonly created: number;
  readonly requesterPays: boolean;
  readonly objectLock: boolean;
  versioning: "off" | "Enabled" | "Suspended";
  readonly uploads = new Map<string, Upload>();
  /** Results of finished uploads by id, so that Complete can be repeated. */
  readonly finished = new Map<string, { readonly key: string; readonly object: StoredObject }>();
  /** Aborted uploads whose parts may still come in. */
  readonly aborted = new Map<string, Upload>();
  /** Told of each change of a key once it is done. */
  readonly watchers = new Set<(change: BucketChange) => void>();
  readonly #versions = new Map<string, Version[]>();
  /** In S3's order, as far as keys() has been asked: since then keys have come, and some may have gone. */
  #sorted: readonly string[] = [];
  #come: string[] = [];
  #haveGone = false;

  constructor(name: string, region: string, created: number, options: BucketOptions) {
    this.name = name;
    this.region = options.region ?? region;
    this.created = created;
    this.requesterPays = options.requesterPays ?? false;
    this.objectLock = options.objectLock ?? false;
    this.versioning = options.versioning === true || this.objectLock ? "Enabled" : "off";
  }

  /** All keys that have any version, in S3's order. */
  keys(): readonly string[] {
    if (this.#haveGone) this.#sorted = this.#sorted.filter((key) => this.#versions.has(key));
    if (this.#come.length > 0) {
      const come = this.#come.filter((key) => this.#versions.has(key)).toSorted(compareKeys);
      this.#sorted = [...merged(this.#sorted, come)];
    }
    this.#come = [];
    this.#haveGone = false;
    return this.#sorted;
  }

  /** Versions of a key, oldest first. */
  versions(key: string): readonly Version[] {
    return this.#versions.get(key) ?? [];
  }

  /** The current object, or undefined when there is none or it is deleted. */
  current(key: string): StoredObject | undefined {
    const latest = this.#versions.get(key)?.at(-1);
    return latest?.kind === "object" ? latest : undefined;
  }

  nextVersionId(): string {
    return this.versioning === "Enabled" ? `v${randomBytes(24).toString("base64url")}` : "null";
  }

  /** Makes `version` the current one. Without versioning it replaces the null version. */
  add(version: Version): void {
    const versions = this.#versions.get(version.key) ?? [];
    if (versions.length === 0) {
      this.#versions.set(version.key, versions);
      this.#come.push(version.key);
    }
    if (version.versionId === "null") {
      const old = versions.findIndex((other) => other.versionId === "null");
      if (old >= 0) release(versions.splice(old, 1)[0]);
    }
    versions.push(version);
    if (version.kind === "object") this.#tell({ kind: "created", atMs: Date.now(), object: version });
    else this.#tell({ kind: "deleted", atMs: Date.now(), key: version.key });
  }

  /** Puts `changed` in the place of the version with the same id. */
  replace(changed: StoredObject): void {
    const versions = this.#versions.get(changed.key);
    const index = versions?.findIndex((other) => other.versionId === changed.versionId) ?? -1;
    if (versions !== undefined && index >= 0) versions[index] = changed;
  }

  /** Removes one version for good; returns it. */
  remove(key: string, versionId: string): Version | undefined {
    const versions = this.#versions.get(key);
    const index = versions?.findIndex((version) => version.versionId === versionId) ?? -1;
    if (versions === undefined || index < 0) return undefined;
    const [removed] = versions.splice(index, 1);
    release(removed);
    if (versions.length === 0) {
      this.#versions.delete(key);
      this.#haveGone = true;
    }
    this.#tell({ kind: "deleted", atMs: Date.now(), key });
    return removed;
  }

  #tell(change: BucketChange): void {
    for (const watch of this.watchers) watch(change);
  }

  isEmpty(): boolean {
    return this.#versions.size === 0;
  }
}

function release(version: Version | undefined): void {
  if (version?.kind === "object") releaseBody(version.body);
}

export class Buckets {
  readonly #buckets = new Map<string, Bucket>();

  add(bucket: Bucket): void {
    this.#buckets.set(bucket.name, bucket);
  }

  find(name: string): Bucket | undefined {
    return this.#buckets.get(name);
  }

  /** @throws StoreError NoSuchBucket */
  get(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined)
      throw new StoreError("NoSuchBucket", undefined, { elements: { BucketName: name } });
    return bucket;
  }

  remove(name: string): void {
    this.#buckets.delete(name);
  }

  all(): readonly Bucket[] {
    return [...this.#buckets.values()].toSorted((a, b) => compareKeys(a.name, b.name));
  }
}

/** Deterministic randomness: the n-th value is a function of the seed. */
export class Random {
  readonly #seed: string;
  #counter = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  bytes(length: number): Buffer {
    const chunks: Buffer[] = [];
    for (let have = 0; have < length; have += 32) {
      chunks.push(createHash("sha256").update(`${this.#seed}:${this.#counter++}`).digest());
    }
    return Buffer.concat(chunks).subarray(0, length);
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.bytes(6).readUIntBE(0, 6) / 2 ** 48;
  }
}
