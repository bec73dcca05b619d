// Finds out whether something between the mesh and a store changes its answers: Cloudflare's network, which a
// Worker's requests pass through, or a proxy in front of the store. An intermediary may cache by the
// extension of a key, and decompress or compress by Content-Encoding. To a copy, both look like a broken
// store.
//
// What it needs: a bucket, the findings to record in, and a prefix that belongs to the check. Its requests
// are those of a copy, so it finds what a copy would meet.

import type { Findings } from "./findings.ts";
import { needsRestore } from "../object/archive.ts";
import { bareEtag } from "../s3/digest.ts";
import { listObjectsV2 } from "../s3/list.ts";
import { bytesOf, getObject, headObject } from "../s3/read.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";
import { putObject } from "../s3/s3.ts";

const CALL_LIMIT_MS = 60_000;

/** The most often copied of the extensions that Cloudflare caches by default. */
const CACHEABLE =
  /\.(?:7z|avif|apk|bin|bmp|bz2|css|csv|docx?|dmg|exe|flac|gif|gz|ico|iso|jar|jpe?g|js|midi?|mkv|mp[34]|ogg|pdf|png|pptx?|svg|tar|tiff?|webm|webp|xlsx?|zip|zst)$/i;

const RANGE = { offset: 1, length: 3 };

const LEAST_BYTES = RANGE.offset + RANGE.length;

/** How many objects are searched for a suitable one. */
const LISTED = 100;

const TEXT = "what is packed is copied as it is packed\n".repeat(50);

interface Stored {
  readonly address: ObjectAddress;
  readonly etag: string;
  readonly sizeBytes: number;
  /** Null: the object was put by somebody else. */
  readonly bytes: Uint8Array | null;
}

export class Intermediary {
  readonly #s3: S3;
  readonly #bucket: string;
  readonly #findings: Findings;

  constructor(s3: S3, bucket: string, findings: Findings) {
    this.#s3 = s3;
    this.#bucket = bucket;
    this.#findings = findings;
  }

  /** Puts two objects under `prefix`: one that caches consider cacheable, and one that is compressed. */
  async ask(prefix: string): Promise<void> {
    const zip: ObjectAddress = { bucket: this.#bucket, key: `${prefix}x.zip` };
    const gzip: ObjectAddress = { bucket: this.#bucket, key: `${prefix}gzip.txt` };
    const objects: Stored[] = [];
    await this.#attempt("cacheable key", async () => {
      const headers = { "cache-control": "public, max-age=3600" };
      const first = await this.#put(zip, new TextEncoder().encode("0123456789"), headers);
      const stored = differenceOf(first, await headObject(this.#s3, zip));
      if (stored !== null) return stored;
      const second = await this.#put(zip, new TextEncoder().encode("9876543210-"), headers);
      objects.push(second);
      const replaced = differenceOf(second, await headObject(this.#s3, zip));
      return replaced === null ? null : `after it was replaced ${replaced}`;
    });
    await this.#attempt("stored encoding", async () => {
      const object = await this.#put(gzip, await gzipped(TEXT), { "content-encoding": "gzip" });
      const head = await headObject(this.#s3, gzip);
      const difference = differenceOf(object, head) ?? (await this.#differenceOfBytes(object, head));
      // Ranges of an object that is not returned as it is stored say nothing more.
      if (difference === null) objects.push(object);
      return difference;
    });
    await this.#attempt("pinned ranges", async () => {
      for (const object of objects) {
        const difference = await this.#differenceOfRange(object);
        if (difference !== null) return difference;
      }
      return objects.length > 0 ? null : "no object could be put and read back";
    });
  }

  /** Asks what the bucket's own objects show, for a bucket that must not be written to. */
  async askReadOnly(): Promise<void> {
    const { objects } = await listObjectsV2(this.#s3, this.#bucket, { prefix: "", maxKeys: LISTED });
    this.#findings.found("stored encoding", "skipped", "tested only in a bucket that may be written to");
    const listed = objects.find(
      (object) =>
        CACHEABLE.test(object.key) &&
        object.sizeBytes >= LEAST_BYTES &&
        object.etag !== null &&
        !needsRestore(object, this.#s3.store.provider),
    );
    if (listed === undefined) {
      const detail = `none of the bucket's first ${LISTED} objects has an extension that caches use`;
      for (const check of ["cacheable key", "pinned ranges"]) this.#findings.found(check, "skipped", detail);
      return;
    }
    const { key, sizeBytes, etag } = listed;
    const object = { address: { bucket: this.#bucket, key }, etag: etag ?? "", sizeBytes, bytes: null };
    await this.#attempt("cacheable key", async () =>
      differenceOf(object, await headObject(this.#s3, object.address)),
    );
    await this.#attempt("pinned ranges", async () => await this.#differenceOfRange(object));
  }

  async #put(address: ObjectAddress, bytes: Uint8Array, headers: Record<string, string>): Promise<Stored> {
    const signal = AbortSignal.timeout(CALL_LIMIT_MS);
    const { etag } = await putObject(this.#s3, address, { body: bytes, headers, signal });
    return { address, etag, sizeBytes: bytes.length, bytes };
  }

  /** @param ask returns what differs from the stored object, or null */
  async #attempt(check: keyof typeof QUESTIONS, ask: () => Promise<string | null>): Promise<void> {
    const { good, advice } = QUESTIONS[check];
    await this.#findings.attempt(check, async () => {
      const difference = await ask();
      if (difference === null) return ["yes", good];
      this.#findings.advise(advice);
      return ["no", difference];
    });
  }

  async #differenceOfBytes(
    { address, bytes }: Stored,
    { acceptEncoding }: { acceptEncoding: string | null },
  ): Promise<string | null> {
    const signal = AbortSignal.timeout(CALL_LIMIT_MS);
    const request = { range: null, ifMatch: null, acceptEncoding, signal };
    const found = await bytesOf(address, await getObject(this.#s3, address, request));
    return bytes === null || isSame(found, bytes)
      ? null
      : `GetObject returned ${found.length} bytes, which differ from the ${bytes.length} stored`;
  }

  async #differenceOfRange({ address, etag, bytes }: Stored): Promise<string | null> {
    const { acceptEncoding } = await headObject(this.#s3, address);
    const signal = AbortSignal.timeout(CALL_LIMIT_MS);
    const response = await getObject(this.#s3, address, {
      range: RANGE,
      ifMatch: etag,
      acceptEncoding,
      signal,
    });
    const name = JSON.stringify(address.key);
    if (response.status !== 206) {
      await response.body?.cancel();
      return `a range of ${name} was answered with ${response.status}`;
    }
    const found = await bytesOf(address, response);
    const expected = bytes?.subarray(RANGE.offset, RANGE.offset + RANGE.length) ?? found;
    const same = found.length === RANGE.length && isSame(found, expected);
    return same ? null : `a range of ${name} returned other bytes than the stored ones`;
  }
}

const QUESTIONS = {
  "cacheable key": {
    good: "a key that caches would cache is answered by the store itself",
    advice:
      "A cache answers in the store's place: if its host is proxied by Cloudflare, make it DNS-only, or add a Cache Rule that bypasses the cache for it",
  },
  "stored encoding": {
    good: "an object stored as gzip is returned as it is stored",
    advice:
      "Something on the way compresses or decompresses objects: turn that off for the store's host, or objects with a Content-Encoding are not copied",
  },
  "pinned ranges": {
    good: "ranges with If-Match are honoured",
    advice:
      "Ranges or conditions do not reach the store for every key: look for a cache or proxy in front of its host",
  },
} as const;

/** How a HEAD differs from the stored object, or null. */
function differenceOf({ etag, sizeBytes }: Stored, { headers }: { headers: Headers }): string | null {
  const length = headers.get("content-length");
  if (length !== String(sizeBytes)) return `HEAD reports ${length ?? "no"} bytes of ${sizeBytes}`;
  const found = headers.get("etag");
  return bareEtag(found ?? "") === bareEtag(etag) ? null : `HEAD reports the ETag ${found}, not ${etag}`;
}

async function gzipped(text: string): Promise<Uint8Array> {
  const zipped = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(zipped).arrayBuffer());
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
