// Digests of bytes on their way: a stream goes in, and the same stream comes out with its length known. The
// digests follow when it has ended.
//
// This is the cheapest way measured in workerd: reads into the caller's buffer (BYOB) in lock step with the
// writes, and native digests. tee() would cost several times the CPU, and more memory than an isolate has; a
// JavaScript TransformStream would cost ten times the CPU. Both lose what fetch needs to send a
// Content-Length. Without digests the body is handed on as it is and no JavaScript touches a byte, unless its
// length has to be counted.
//
// Memory: one buffer, whatever the part's length; digest_buffers.ts says how large. A stream that moves
// nothing for IDLE_LIMIT_MS is abandoned with a StallError that says which end it waited for.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Digest } from "../object/proof.ts";
import { bytesToHex } from "../s3/digest.ts";
import type { ByteBucket } from "../throttle/byte_bucket.ts";
import { DigestBuffers } from "./digest_buffers.ts";
import { IDLE_LIMIT_MS } from "./limits.ts";
import type { PartDigests } from "./part_task.ts";

/** Of all the streams of this isolate. Each of a stream's two ends may be idle for IDLE_LIMIT_MS. */
const BUFFERS = new DigestBuffers(2 * IDLE_LIMIT_MS);

/** What is sent as the body. */
export interface Passing {
  readonly body: ReadableStream | Uint8Array;
  /** Settles when all bytes have passed; fails when either stream does. */
  readonly digests: Promise<PartDigests>;
  /** Does every buffer pass through here? If not, the runtime moves the bytes and does not show them. */
  readonly watched: boolean;
}

/** Neither end did anything for too long. */
export class StallError extends Error {
  override readonly name = "StallError";
  readonly side: "source" | "destination";

  constructor(side: "source" | "destination", movedBytes: number) {
    const what = side === "source" ? "the source sent nothing" : "the destination took nothing";
    super(`${what} for ${IDLE_LIMIT_MS / 1000} s, after ${movedBytes} bytes`);
    this.side = side;
  }
}

/** The body ended short of its stated length, or went past it. */
export class LengthError extends Error {
  override readonly name = "LengthError";

  constructor(movedBytes: number, lengthBytes: number) {
    super(
      movedBytes < lengthBytes
        ? `${movedBytes} of ${lengthBytes} bytes arrived`
        : `more than ${lengthBytes} bytes arrived`,
    );
  }
}

interface Wanted {
  readonly length: number;
  readonly sized: boolean;
  readonly digests: readonly Digest[];
  /** Null: as fast as both ends can. */
  readonly bucket?: ByteBucket | null;
}

/**
 * The runtime alone moves a body whose length it knows and of which no digest is wanted. Any other body goes
 * through a FixedLengthStream: it would otherwise be sent chunked, which S3 refuses (501 or 411).
 *
 * @param wanted.length the exact number of bytes: fewer or more make both streams fail
 * @param wanted.sized the body came with a Content-Length, which the runtime enforces
 */
export function digestWhileStreaming(
  body: ReadableStream | Uint8Array,
  { length, sized, digests, bucket = null }: Wanted,
): Passing {
  const digesters = digests.map(makeDigester);
  if (digesters.length === 0 && sized && bucket === null)
    return { body, digests: Promise.resolve({}), watched: false };
  if (body instanceof Uint8Array) {
    return { body, digests: (async () => finish(digesters, [body]))(), watched: false };
  }
  const { readable, writable } = new FixedLengthStream(length);
  const pumped = pump(body, writable, { lengthBytes: length, digesters, bucket });
  // The request that sends `readable` fails with the same cause; its caller waits for that one.
  pumped.catch(() => undefined);
  return { body: readable, digests: pumped, watched: true };
}

/** Reads bytes for their digests alone. */
export async function readForDigests({ body, digests }: Passing): Promise<PartDigests> {
  if (body instanceof ReadableStream) await body.pipeTo(new WritableStream());
  return await digests;
}

/** The body of an answer; an empty stream where the runtime gives none. */
export function bodyOf(response: Response): ReadableStream {
  const body = response.body ?? new Response(new Uint8Array(0)).body;
  if (body === null) throw new TypeError("Cannot read the body of a GetObject answer");
  return body;
}

interface Digester {
  readonly digest: Digest;
  update(bytes: Uint8Array): Promise<void> | void;
  finish(): Promise<string> | string;
}

function makeDigester(digest: Digest): Digester {
  switch (digest) {
    case "md5": {
      const hash = createHash("md5");
      return { digest, update: (bytes) => void hash.update(bytes), finish: () => hash.digest("hex") };
    }
    case "crc32": {
      let value = 0;
      return {
        digest,
        update: (bytes) => void (value = crc32(bytes, value)),
        finish: () => value.toString(16).padStart(8, "0"),
      };
    }
    case "crc32c":
    case "crc64nvme": {
      const stream = new crypto.DigestStream(digest);
      const writer = stream.getWriter();
      return {
        digest,
        update: (bytes) => writer.write(bytes),
        finish: async () => {
          await writer.close();
          return bytesToHex(new Uint8Array(await stream.digest));
        },
      };
    }
  }
}

async function pump(
  body: ReadableStream,
  writable: WritableStream,
  {
    lengthBytes,
    digesters,
    bucket,
  }: { lengthBytes: number; digesters: readonly Digester[]; bucket: ByteBucket | null },
): Promise<PartDigests> {
  const reader = body.getReader({ mode: "byob" });
  const writer = writable.getWriter();
  const holder = {};
  const stalls = new StallWatch();
  let buffer: ArrayBufferLike = new ArrayBuffer(0);
  let movedBytes = 0;
  try {
    for (;;) {
      if (bucket !== null) await bucket.take();
      const bufferBytes = BUFFERS.resize(holder, bucket?.atMost(lengthBytes) ?? lengthBytes, Date.now());
      if (buffer.byteLength !== bufferBytes) buffer = new ArrayBuffer(bufferBytes);
      const read: Promise<ReadableStreamReadResult<Uint8Array>> = reader.readAtLeast(
        bufferBytes,
        new Uint8Array(buffer),
      );
      const { done, value } = await stalls.within(read, "source", movedBytes);
      if (value !== undefined && value.length > 0) {
        if (movedBytes + value.length > lengthBytes) throw new LengthError(Infinity, lengthBytes);
        for (const digester of digesters) await digester.update(value);
        await stalls.within(writer.write(value), "destination", movedBytes);
        movedBytes += value.length;
        bucket?.spend(value.length);
        buffer = value.buffer;
      }
      if (done || value === undefined) break;
    }
    if (movedBytes < lengthBytes) throw new LengthError(movedBytes, lengthBytes);
    // The last bytes have passed at once: the next stream begins when their time is over.
    if (bucket !== null) await bucket.take();
    await stalls.within(writer.close(), "destination", movedBytes);
    return await finish(digesters, []);
  } catch (error) {
    const ended = Promise.allSettled([writer.abort(error), reader.cancel(error)]);
    // A stream that stalls may never end: the caller aborts both requests.
    if (!(error instanceof StallError)) await ended;
    throw error;
  } finally {
    stalls.stop();
    BUFFERS.close(holder);
  }
}

/**
 * Waits for the steps of the two streams of a pump, one after the other, but for none indefinitely. One timer
 * serves them all: a timer for each buffer would take a twentieth of the CPU.
 */
class StallWatch {
  #timer: ReturnType<typeof setTimeout>;
  #step: { readonly sinceMs: number; readonly giveUp: () => void } | null = null;

  constructor() {
    this.#timer = setTimeout(this.#look, IDLE_LIMIT_MS);
  }

  /** @throws {StallError} */
  async within<T>(step: Promise<T>, side: "source" | "destination", movedBytes: number): Promise<T> {
    const stalled = Promise.withResolvers<never>();
    const giveUp = () => stalled.reject(new StallError(side, movedBytes));
    this.#step = { sinceMs: Date.now(), giveUp };
    step.catch(() => undefined); // if it fails after its time, nobody waits for it any more
    try {
      return await Promise.race([step, stalled.promise]);
    } finally {
      this.#step = null;
    }
  }

  /** A timer that is left keeps its event alive. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  readonly #look = (): void => {
    const now = Date.now();
    const leftMs = (this.#step?.sinceMs ?? now) + IDLE_LIMIT_MS - now;
    if (this.#step !== null && leftMs <= 0) this.#step.giveUp();
    else this.#timer = setTimeout(this.#look, Math.max(1, leftMs));
  };
}

async function finish(digesters: readonly Digester[], rest: readonly Uint8Array[]): Promise<PartDigests> {
  const digests: Partial<Record<Digest, string>> = {};
  for (const digester of digesters) {
    for (const bytes of rest) await digester.update(bytes);
    digests[digester.digest] = await digester.finish();
  }
  return digests;
}
