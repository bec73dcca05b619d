/**
 * What the operations share: the contents, the options, ETags, sinks for incoming bodies, and the swallow
 * rules.
 *
 * Invariant: every body kept in a bucket or an upload came out of `sinkFor` or was put there by a test. ETags
 * are made here and nowhere else, because their style is an option: MD5 where S3 says so, random where
 * encryption makes them opaque (SSE-KMS and SSE-C on AWS too, whatever the option). This module answers no
 * requests. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
 */
import { createHash } from "node:crypto";
import type { Encryption } from "./attributes.ts";
import { readBody, swallowingSink, type Body, type FileDepot, type Pattern, type Sink } from "./bodies.ts";
import { StoreError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { ResolvedOptions } from "./options.ts";
import { Buckets, Random, type Bucket, type StoredObject, type UploadedPart } from "./state.ts";

/** Objects whose bytes are counted and thrown away on arrival. */
export interface SwallowRule {
  readonly bucket?: string;
  readonly key?: string | RegExp;
  /** Compare what comes in with this generated object. */
  readonly verifyAgainst?: Pattern | ((key: string) => Pattern | undefined);
}

/** A received byte that is not the one the pattern has. */
export interface Mismatch {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string | undefined;
  readonly partNumber: number | undefined;
  /** Offset in the object of the first wrong byte. */
  readonly byte: number;
}

interface IncomingPart {
  readonly number: number;
  readonly uploadId: string;
}

export class Core {
  readonly options: ResolvedOptions;
  readonly buckets = new Buckets();
  readonly random: Random;
  readonly mismatches: Mismatch[] = [];
  readonly swallowRules = new Set<SwallowRule>();
  readonly #depot: FileDepot;

  constructor(options: ResolvedOptions, depot: FileDepot) {
    this.options = options;
    this.random = new Random(options.seed);
    this.#depot = depot;
  }

  /** Now, in whole seconds, as S3 keeps times. */
  now(): number {
    return Math.floor(this.options.clock() / 1000) * 1000;
  }

  /** Whether ETags of bodies encrypted like this are MD5 digests. */
  usesMd5(encryption: Encryption): boolean {
    return this.options.etags === "md5" && encryption.kind !== "kms" && encryption.kind !== "customer";
  }

  /** The ETag of a body received in one piece; random where MD5 does not apply. */
  etagOf(md5: Buffer | undefined, encryption: Encryption): string {
    return md5 === undefined || !this.usesMd5(encryption)
      ? this.random.bytes(16).toString("hex")
      : md5.toString("hex");
  }

  /** The ETag of a body that is already here. */
  etagOfBody(body: Body, encryption: Encryption): string {
    return this.etagOf(this.usesMd5(encryption) ? md5Of(body) : undefined, encryption);
  }

  /** MD5 over the parts' raw digests, with the count: what S3 does for multipart objects. */
  multipartEtag(parts: readonly Pick<UploadedPart, "etag">[]): string {
    const hash = createHash("md5");
    for (const part of parts) hash.update(Buffer.from(part.etag, "hex"));
    return `${hash.digest("hex")}-${parts.length}`;
  }

  /** An ETag as this store shows it. */
  showEtag(etag: string): string {
    const text = this.options.etagCase === "upper" ? etag.toUpperCase() : etag;
    return this.options.etagQuotes === "unquoted" ? text : `"${text}"`;
  }

  /** Where an incoming body goes: the depot, or nowhere when a swallow rule says so. */
  sinkFor(bucket: string, key: string, size: number | undefined, part?: IncomingPart): Sink {
    const rule = [...this.swallowRules].find(
      (candidate) =>
        (candidate.bucket === undefined || candidate.bucket === bucket) &&
        (candidate.key === undefined ||
          (typeof candidate.key === "string" ? candidate.key === key : candidate.key.test(key))),
    );
    if (rule === undefined) return this.#depot.sink(size);
    const { verifyAgainst } = rule;
    const pattern = typeof verifyAgainst === "function" ? verifyAgainst(key) : verifyAgainst;
    // A full part starts at (n-1)·size, and the last one ends at the object's end. Complete finds out which
    // it was.
    const candidates =
      part === undefined || pattern === undefined || size === undefined
        ? [0]
        : [(part.number - 1) * size, Math.max(0, pattern.size - size)];
    return swallowingSink(pattern, candidates, (verdict) => {
      if (verdict.kind === "differs") {
        this.mismatches.push({
          bucket,
          key,
          uploadId: part?.uploadId,
          partNumber: part?.number,
          byte: verdict.byte,
        });
      }
    });
  }

  /** Notes parts that hold the right bytes of the wrong place: each was compared with one offset only. */
  checkPlaces(bucket: string, key: string, uploadId: string, parts: readonly UploadedPart[]): void {
    let offset = 0;
    for (const part of parts) {
      const { body } = part;
      if (body.kind === "generated" && this.#isSwallowed(bucket, key) && body.start !== offset) {
        this.mismatches.push({ bucket, key, uploadId, partNumber: part.number, byte: offset });
      }
      offset += part.size;
    }
  }

  #isSwallowed(bucket: string, key: string): boolean {
    return [...this.swallowRules].some(
      (rule) =>
        rule.verifyAgainst !== undefined &&
        (rule.bucket === undefined || rule.bucket === bucket) &&
        (rule.key === undefined || (typeof rule.key === "string" ? rule.key === key : rule.key.test(key))),
    );
  }

  /** The bucket of a request, once region and payer are right. @throws StoreError otherwise. */
  bucketOf(exchange: Exchange): Bucket {
    const bucket = this.buckets.get(exchange.bucket);
    if (bucket.requesterPays && exchange.header("x-amz-request-payer") !== "requester") {
      throw new StoreError("AccessDenied");
    }
    return bucket;
  }

  /** @throws StoreError InvalidRequest, in AWS's words, for a write without the digest that is demanded. */
  checkDigest(exchange: Exchange, what: "Object" | "Part"): void {
    if (this.options.digests === "optional" || exchange.hasDigest()) return;
    throw new StoreError(
      "InvalidRequest",
      `Content-MD5 OR x-amz-checksum- HTTP header is required for Put ${what} requests with Object Lock parameters`,
    );
  }

  /** @throws StoreError PreconditionFailed and the like when a conditional write does not apply. */
  checkWriteConditions(exchange: Exchange, current: StoredObject | undefined): void {
    const ifNoneMatch = exchange.header("if-none-match");
    const ifMatch = exchange.header("if-match");
    if (ifNoneMatch === undefined && ifMatch === undefined) return;
    if (exchange.faults.first("ignore-conditions") !== undefined) return;
    if (this.options.conditionalWrites === "ignored") return;
    const header = ifNoneMatch === undefined ? "If-Match" : "If-None-Match";
    if (this.options.conditionalWrites === "501" || (ifNoneMatch !== undefined && ifNoneMatch !== "*")) {
      throw new StoreError("NotImplemented", undefined, { elements: { Header: header } });
    }
    if (ifNoneMatch === "*" && current !== undefined) {
      throw new StoreError("PreconditionFailed", undefined, { elements: { Condition: "If-None-Match" } });
    }
    if (ifMatch === undefined) return;
    if (current === undefined)
      throw new StoreError("NoSuchKey", undefined, { elements: { Key: exchange.key } });
    if (!etagMatches(ifMatch, current.etag)) {
      throw new StoreError("PreconditionFailed", undefined, { elements: { Condition: "If-Match" } });
    }
  }
}

/** Whether an If-Match style list names `etag`, quotes and case aside; `*` names any. */
export function etagMatches(list: string, etag: string): boolean {
  return list.split(",").some((item) => {
    const bare = bareEtag(item);
    return bare === "*" || bare === etag;
  });
}

/** An ETag as clients may spell it, reduced to what this store keeps. */
export function bareEtag(text: string): string {
  return text
    .trim()
    .replace(/^W\//, "")
    .replace(/^"(.*)"$/, "$1")
    .toLowerCase();
}

export function md5Of(body: Body): Buffer {
  const hash = createHash("md5");
  for (const chunk of readBody(body)) hash.update(chunk);
  return hash.digest();
}

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

export function httpTime(milliseconds: number): string {
  return new Date(milliseconds).toUTCString();
}
