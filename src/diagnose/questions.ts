// The single questions that a check asks a store (check.ts). Each writes something, looks at the result and
// records what it has seen. They build on one another, in the order in which they stand here.
//
// What it needs: the findings to record in, a bucket, and a prefix under which everything belongs to the
// check.

import { askCopy, askPartCopy } from "./copying.ts";
import { type Findings, isUnknown } from "./findings.ts";
import { askPartNumbers } from "./part_numbers.ts";
import { findReadable } from "./sample.ts";
import { fullObjectChecksums } from "../object/checksum.ts";
import { bareEtag, base64OfHex, md5Hex, multipartEtag } from "../s3/digest.ts";
import { S3Error } from "../s3/errors.ts";
import { listObjectsV2 } from "../s3/list.ts";
import { bytesOf, getObject, headObject } from "../s3/read.ts";
import { type Answer, type ObjectAddress, type S3, ask } from "../s3/request.ts";
import { customerKeyHeaders } from "../s3/encryption.ts";
import {
  type Stored,
  completeMultipartUpload,
  createMultipartUpload,
  getObjectTagging,
  listParts,
  listUploadsOfKey,
  putObject,
  uploadPart,
} from "../s3/s3.ts";
import type { ChecksumAlgorithm } from "../store/profiles.ts";
import type { Store } from "../store/stores.ts";

const CALL_LIMIT_MS = 60_000;

const FIRST_PART_BYTES = 5 * 2 ** 20;

interface UploadedParts {
  readonly uploadId: string;
  readonly parts: readonly { readonly partNumber: number; readonly etag: string }[];
}

export class Questions {
  readonly #s3: S3;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #findings: Findings;
  /** Checksums that HEAD reports of a whole upload that was sent without one. */
  #told: readonly ChecksumAlgorithm[] = [];
  /** Uploads that cleaning up must abort. */
  readonly uploads: { readonly key: string; readonly uploadId: string }[] = [];

  constructor(s3: S3, bucket: string, prefix: string, findings: Findings) {
    this.#s3 = s3;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#findings = findings;
  }

  /** A source that must not be written to: read an object that exists. */
  async readOnly(): Promise<void> {
    const object = await findReadable(this.#s3, this.#bucket);
    if (typeof object === "string") {
      for (const check of ["get", "range", "if-match"]) this.#findings.found(check, "skipped", object);
      return;
    }
    await this.#read(object.key, null);
    await this.#checksumMode(object.key, "HEAD accepts the request but reports none for this object");
  }

  /** A key with every character that signing gets wrong, and one whose path a URL parser would change. */
  async putAndRead(): Promise<boolean> {
    const key = `${this.#prefix}é +~*'()!&=@:/a..b`;
    const body = new TextEncoder().encode("0123456789");
    const put = await this.#findings.attempt("put", async () => {
      const stored = await this.#put(key, body);
      const md5 = await md5Hex(body);
      const isMd5 = bareEtag(stored.etag).toLowerCase() === md5 && !stored.encryptedWithKey;
      this.#findings.facts.md5Etag = isMd5;
      return ["yes", `PutObject; the ETag is ${isMd5 ? "the MD5 of the bytes" : "the store's own"}`];
    });
    if (!put) return false;
    await this.#read(key, body);
    await this.#findings.attempt("awkward keys", async () => {
      const page = await listObjectsV2(this.#s3, this.#bucket, { prefix: this.#prefix });
      return page.objects.some((object) => object.key === key)
        ? ["yes", "listed as it was put"]
        : ["no", `listed as ${JSON.stringify(page.objects[0]?.key)}`];
    });
    await this.#signedPath();
    return true;
  }

  async #signedPath(): Promise<void> {
    const key = `${this.#prefix}x/../y`;
    const { profile } = this.#s3.store;
    for (const signedPath of [
      profile.signedPath,
      profile.signedPath === "raw" ? "decoded" : "raw",
    ] as const) {
      // Its own profile's: another way of signing is not to be tried by the way.
      const own = { ...this.#s3.store.ownProfile, signedPath };
      const store: Store = { ...this.#s3.store, profile: { ...profile, signedPath }, ownProfile: own };
      try {
        await this.#put(key, new Uint8Array(1), {}, { ...this.#s3, store });
        const page = await listObjectsV2(this.#s3, this.#bucket, { prefix: `${this.#prefix}x` });
        const isThere = page.objects.some((object) => object.key === key);
        if (isThere) this.#findings.facts.signedPath = signedPath;
        this.#findings.found(
          "dot segments",
          isThere ? "yes" : "no",
          isThere
            ? `signed as the ${signedPath} path`
            : `"x/../y" became ${JSON.stringify(page.objects[0]?.key ?? null)}`,
        );
        return;
      } catch (error) {
        if (!(error instanceof S3Error)) throw error;
        if (error.code === "key_not_addressable" && signedPath === profile.signedPath) continue;
        this.#findings.found(
          "dot segments",
          "refused",
          `keys with "." or ".." as a segment: ${error.message}`,
        );
        return;
      }
    }
  }

  async #read(key: string, body: Uint8Array | null): Promise<void> {
    const address = { bucket: this.#bucket, key };
    const signal = AbortSignal.timeout(CALL_LIMIT_MS);
    let etag: string | null = null;
    await this.#findings.attempt("get", async () => {
      const response = await getObject(this.#s3, address, {
        range: { offset: 0, length: 1 },
        ifMatch: null,
        signal,
      });
      const bytes = await bytesOf(address, response);
      etag = response.headers.get("etag");
      const same = body === null || bytes[0] === body[0];
      return same
        ? ["yes", `GetObject of ${JSON.stringify(key)}`]
        : ["no", "the bytes differ from those that were put"];
    });
    await this.#findings.attempt("range", async () => {
      const response = await getObject(this.#s3, address, {
        range: { offset: 1, length: 1 },
        ifMatch: null,
        signal,
      });
      await response.body?.cancel();
      const range = response.headers.get("content-range") ?? "";
      if (response.status === 206 && range.startsWith("bytes 1-1/")) return ["yes", range];
      return [
        "ignored",
        `a range was answered with ${response.status} ${range}: such a source cannot be copied in parts`,
      ];
    });
    await this.#findings.attempt("if-match", async () => {
      const wrong = await getObject(this.#s3, address, {
        range: null,
        ifMatch: '"00000000000000000000000000000000"',
        signal,
      })
        .then(async (response) => void (await response.body?.cancel()))
        .catch((error: unknown) =>
          error instanceof S3Error && error.status === 412 ? "refused" : Promise.reject(error as Error),
        );
      if (wrong !== "refused")
        return [
          "ignored",
          "a wrong ETag was answered with the object: only comparing ETags notices a change of the source",
        ];
      const right = await getObject(this.#s3, address, {
        range: { offset: 0, length: 1 },
        ifMatch: etag,
        signal,
      });
      await right.body?.cancel();
      return ["yes", "a wrong ETag is refused, the right one is not"];
    });
  }

  /** A 412 means that the condition is honoured; a success is the dangerous answer. */
  async conditions(): Promise<void> {
    await this.#findings.attempt(
      "if-none-match on PutObject",
      async () => {
        const key = `${this.#prefix}once`;
        await this.#put(key, new Uint8Array(1));
        const heeded = await this.#isRefusedAsPresent(
          this.#put(key, new Uint8Array(2), { "if-none-match": "*" }),
        );
        this.#findings.facts.conditionalPut = heeded;
        return heeded
          ? ["yes", "an existing object is not overwritten"]
          : ["ignored", "the object was overwritten"];
      },
      "conditionalPut",
    );
    await this.#findings.attempt("content-md5", async () => {
      try {
        const wrong = base64OfHex("0".repeat(32));
        await this.#put(`${this.#prefix}md5`, new Uint8Array(1), { "content-md5": wrong });
      } catch (error) {
        if (!(error instanceof S3Error) || error.status !== 400) throw error;
        this.#findings.facts.contentMd5 = true;
        return ["yes", "bytes that do not match are refused"];
      }
      this.#findings.facts.contentMd5 = false;
      return ["ignored", "bytes that do not match their MD5 were accepted"];
    });
  }

  /** Attributes that not every store accepts: sent, then looked for. */
  async attributes(): Promise<void> {
    await this.#findings.attempt("tags", async () => {
      const key = `${this.#prefix}tags`;
      try {
        await this.#put(key, new Uint8Array(1), { "x-amz-tagging": "a=b" });
      } catch (error) {
        if (error instanceof S3Error && isUnknown(error)) await this.#withoutTags(`${this.#prefix}once`);
        throw error;
      }
      const tags = await getObjectTagging(this.#s3, { bucket: this.#bucket, key });
      const isSet = tags.some(([name, value]) => name === "a" && value === "b");
      // A tag that is accepted and dropped is not a fact: as a source the store may have tags that were set
      // by other means.
      if (!isSet) return ["ignored", "accepted but not there afterwards"];
      this.#findings.facts.tags = true;
      const { headers } = await headObject(this.#s3, { bucket: this.#bucket, key });
      const isCounted = (this.#findings.facts.tagCount = headers.get("x-amz-tagging-count") === "1");
      const ofCount = isCounted ? "" : "; HEAD does not tell their number, so a sync asks for each object's";
      return ["yes", `set with the object and read back${ofCount}`];
    });
    await this.#findings.attempt(
      "website redirect",
      async () => {
        const key = `${this.#prefix}redirect`;
        await this.#put(key, new Uint8Array(1), { "x-amz-website-redirect-location": "/a" });
        const { headers } = await headObject(this.#s3, { bucket: this.#bucket, key });
        this.#findings.facts.websiteRedirect = headers.get("x-amz-website-redirect-location") === "/a";
        return this.#findings.facts.websiteRedirect
          ? ["yes", "kept"]
          : ["ignored", "accepted but not there afterwards"];
      },
      "websiteRedirect",
    );
    await this.#findings.attempt("user metadata", async () => {
      const key = `${this.#prefix}meta`;
      await this.#put(key, new Uint8Array(1), { "x-amz-meta-note": "a b" });
      const { headers } = await headObject(this.#s3, { bucket: this.#bucket, key });
      return headers.get("x-amz-meta-note") === "a b"
        ? ["yes", "kept"]
        : ["ignored", "accepted but not there afterwards"];
    });
  }

  /** Both ways to a tag must be unknown, because a source whose tags are not read loses them. */
  async #withoutTags(key: string): Promise<void> {
    try {
      await getObjectTagging(this.#s3, { bucket: this.#bucket, key });
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      if (isUnknown(error)) this.#findings.facts.tags = false;
    }
  }

  /**
   * The checksums that HEAD reports of an upload without one. #complete() checks those of a multipart upload.
   */
  async checksums(): Promise<void> {
    this.#told = await this.#checksumMode(
      `${this.#prefix}once`,
      "HEAD reports none for an upload that was sent without one",
    );
    if (this.#findings.facts.checksumMode !== undefined && this.#told.length === 0)
      this.#findings.facts.checksums = [];
  }

  async #checksumMode(key: string, none: string): Promise<ChecksumAlgorithm[]> {
    let told: ChecksumAlgorithm[] = [];
    await this.#findings.attempt(
      "checksums",
      async () => {
        const { headers } = await this.#headWithChecksums({ bucket: this.#bucket, key });
        this.#findings.facts.checksumMode = true;
        told = checksumsIn(headers);
        return told.length > 0 ? ["yes", `reported by HEAD: ${told.join(", ")}`] : ["no", none];
      },
      "checksumMode",
    );
    return told;
  }

  async #headWithChecksums(address: ObjectAddress): Promise<Answer> {
    const keys = await customerKeyHeaders(this.#s3.store.encryption);
    const headers = { ...keys, "x-amz-checksum-mode": "ENABLED" };
    return await ask(this.#s3, "HeadObject", address, { method: "HEAD", headers });
  }

  /** The store's own copy. */
  async copyInside(): Promise<void> {
    const source = { bucket: this.#bucket, key: `${this.#prefix}once` };
    await askCopy(this.#s3, source, { prefix: this.#prefix, findings: this.#findings });
  }

  /** A multipart upload, with every question that can be asked of one. */
  async multipart(): Promise<void> {
    const address = { bucket: this.#bucket, key: `${this.#prefix}parts` };
    const bodies = [new Uint8Array(FIRST_PART_BYTES), new Uint8Array(1)];
    const md5s = await Promise.all(bodies.map(async (body) => await md5Hex(body)));
    const upload = await this.#uploadInParts(address, bodies, md5s);
    if (upload === null) return;
    await this.#listings(address, upload.uploadId);
    const numbered = { bucket: this.#bucket, key: `${this.#prefix}numbered` };
    await askPartNumbers(this.#s3, numbered, { findings: this.#findings, uploads: this.uploads });
    if (!(await this.#complete(address, upload, md5s))) return;
    await this.#partSizes(address);
    await this.#copyPartInside(address);
    await this.#conditionalComplete(address.key);
  }

  /** @returns null if the store does not accept multipart uploads */
  async #uploadInParts(
    address: ObjectAddress,
    bodies: readonly Uint8Array[],
    md5s: readonly string[],
  ): Promise<UploadedParts | null> {
    const parts: { partNumber: number; etag: string }[] = [];
    let uploadId = "";
    const works = await this.#findings.attempt("multipart", async () => {
      ({ uploadId } = await createMultipartUpload(this.#s3, address, {}));
      this.uploads.push({ key: address.key, uploadId });
      for (const [index, body] of bodies.entries()) {
        const signal = AbortSignal.timeout(CALL_LIMIT_MS);
        const { etag } = await uploadPart(this.#s3, address, {
          uploadId,
          partNumber: index + 1,
          body,
          signal,
        });
        parts.push({ partNumber: index + 1, etag });
      }
      this.#findings.facts.md5PartEtag = parts.every(
        ({ etag }, index) => bareEtag(etag).toLowerCase() === md5s[index],
      );
      return [
        "yes",
        `a part's ETag is ${this.#findings.facts.md5PartEtag ? "the MD5 of its bytes" : "the store's own"}`,
      ];
    });
    return works ? { uploadId, parts } : null;
  }

  async #listings(address: ObjectAddress, uploadId: string): Promise<void> {
    await this.#findings.attempt("list parts", async () => {
      const { parts, isWhole } = await listParts(this.#s3, address, uploadId);
      if (!isWhole) return ["no", "its pages repeat"];
      return parts.length === 2 ? ["yes", "both are listed"] : ["no", `${parts.length} of 2 are listed`];
    });
    await this.#findings.attempt("list uploads", async () => {
      const listed = await listUploadsOfKey(this.#s3, address);
      return listed.some((upload) => upload.uploadId === uploadId)
        ? ["yes", "by their key"]
        : ["no", "the upload is not listed"];
    });
  }

  /** @returns whether the object exists now */
  async #complete(
    address: ObjectAddress,
    { uploadId, parts }: UploadedParts,
    md5s: readonly string[],
  ): Promise<boolean> {
    return await this.#findings.attempt("complete", async () => {
      await completeMultipartUpload(this.#s3, address, uploadId, { parts, onlyIfAbsent: false });
      const { facts } = this.#findings;
      const asks = facts.checksumMode === true;
      const { headers } = await (asks ? this.#headWithChecksums(address) : headObject(this.#s3, address));
      const isByRule =
        bareEtag(headers.get("etag") ?? "").toLowerCase() === (await multipartEtag(md5s, md5Hex));
      if (headers.has("etag")) facts.md5MultipartEtag = isByRule;
      // A copy in parts that relies on a checksum which only whole uploads get would end without a proof.
      const alsoInParts = checksumsIn(headers).filter((algorithm) => this.#told.includes(algorithm));
      if (asks) facts.checksums = alsoInParts;
      const told = alsoInParts.length === 0 ? "" : `, and HEAD reports its ${alsoInParts.join(", ")}`;
      return ["yes", `the ETag is ${isByRule ? "made by S3's rule" : "the store's own"}${told}`];
    });
  }

  async #partSizes(address: ObjectAddress): Promise<void> {
    await this.#findings.attempt("part sizes by HEAD", async () => {
      const { status, headers } = await headObject(this.#s3, address, { partNumber: 1 });
      return status === 206 && headers.get("content-length") === String(FIRST_PART_BYTES)
        ? ["yes", "the part boundaries of a source can be kept, and with them its ETag"]
        : ["ignored", "partNumber is ignored: part boundaries are guessed"];
    });
  }

  async #copyPartInside(address: ObjectAddress): Promise<void> {
    await askPartCopy(this.#s3, address, {
      target: { bucket: this.#bucket, key: `${this.#prefix}parts-copy` },
      firstBytes: FIRST_PART_BYTES,
      findings: this.#findings,
      uploads: this.uploads,
    });
  }

  async #conditionalComplete(key: string): Promise<void> {
    await this.#findings.attempt(
      "if-none-match on Complete",
      async () => {
        const address = { bucket: this.#bucket, key };
        const { uploadId } = await createMultipartUpload(this.#s3, address, {});
        this.uploads.push({ key, uploadId });
        const signal = AbortSignal.timeout(CALL_LIMIT_MS);
        const { etag } = await uploadPart(this.#s3, address, {
          uploadId,
          partNumber: 1,
          body: new Uint8Array(1),
          signal,
        });
        const heeded = await this.#isRefusedAsPresent(
          completeMultipartUpload(this.#s3, address, uploadId, {
            parts: [{ partNumber: 1, etag }],
            onlyIfAbsent: true,
          }),
        );
        this.#findings.facts.conditionalComplete = heeded;
        return heeded
          ? ["yes", "an existing object is not replaced"]
          : ["ignored", "the object was replaced"];
      },
      "conditionalComplete",
    );
  }

  async #put(
    key: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
    s3: S3 = this.#s3,
  ): Promise<Stored> {
    const signal = AbortSignal.timeout(CALL_LIMIT_MS);
    return await putObject(s3, { bucket: this.#bucket, key }, { body, headers, signal });
  }

  /** @throws {S3Error} for any refusal but the one that the condition makes */
  async #isRefusedAsPresent(call: Promise<unknown>): Promise<boolean> {
    try {
      await call;
      return false;
    } catch (error) {
      if (error instanceof S3Error && error.status === 412) return true;
      throw error;
    }
  }
}

/** The checksums of the whole object, each algorithm once. */
function checksumsIn(headers: Headers): ChecksumAlgorithm[] {
  return [...new Set(fullObjectChecksums(headers).map(({ algorithm }) => algorithm))];
}
