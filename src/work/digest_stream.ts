// Digests of bytes on their way: a stream in, the same stream out with its length known, the digests when it
// has ended.
//
// It is the cheapest way measured in workerd: reads of a caller's buffer (BYOB) in lock step with the writes,
// and native digests. tee() would cost several times the CPU and memory that an isolate does not have, a
// JavaScript TransformStream ten times, and both lose what fetch needs to send a Content-Length. Without
// digests the body is handed on as it is, and no JavaScript touches a byte, unless its length has to be
// counted.
//
// Memory: one buffer, whatever the part's length. A stream that moves nothing for IDLE_LIMIT_MS is let go
// with a StallError that tells which end it waited for.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Digest } from "../object/proof.ts";
import { bytesToHex } from "../s3/digest.ts";
import { IDLE_LIMIT_MS } from "./limits.ts";
import type { PartDigests } from "./part_task.ts";

const BUFFER_BYTES = 512 * 1024;

/** What is sent in place of a body. */
export interface Passing {
  readonly body: ReadableStream | Uint8Array;
  /** Settles when all bytes have passed; fails when either stream does. */
  readonly digests: Promise<PartDigests>;
  /** Does every buffer pass through here? The runtime alone tells nothing of what it moves. */
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

/** The body has come to its end, or gone past it, at another length than it was to have. */
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

/**
 * A body whose length the runtime knows, and of which no digest is wanted, is moved by the runtime alone. Any
 * other goes through a FixedLengthStream: it would be sent chunked otherwise, which S3 refuses (501 or 411).
 *
 * @param length the exact number of bytes: fewer or more make both streams fail
 * @param sized the body came with a Content-Length, which is enforced by the runtime
 */
export function digestWhileStreaming(
  body: ReadableStream | Uint8Array,
  { length, sized, digests }: { length: number; sized: boolean; digests: readonly Digest[] },
): Passing {
  const digesters = digests.map(makeDigester);
  if (digesters.length === 0 && sized) return { body, digests: Promise.resolve({}), watched: false };
  if (body instanceof Uint8Array) {
    return { body, digests: (async () => finish(digesters, [body]))(), watched: false };
  }
  const { readable, writable } = new FixedLengthStream(length);
  const pumped = pump(body, writable, length, digesters);
  // The sender of `readable` fails with the same cause and is the one who is waited for.
  pumped.catch(() => undefined);
  return { body: readable, digests: pumped, watched: true };
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
  lengthBytes: number,
  digesters: readonly Digester[],
): Promise<PartDigests> {
  const reader = body.getReader({ mode: "byob" });
  const writer = writable.getWriter();
  let movedBytes = 0;
  try {
    for (let buffer = new ArrayBuffer(BUFFER_BYTES); ;) {
      const read = reader.readAtLeast(BUFFER_BYTES, new Uint8Array(buffer));
      const { done, value } = await orStall(read, "source", movedBytes);
      if (value !== undefined && value.length > 0) {
        if (movedBytes + value.length > lengthBytes) throw new LengthError(Infinity, lengthBytes);
        for (const digester of digesters) await digester.update(value);
        await orStall(writer.write(value), "destination", movedBytes);
        movedBytes += value.length;
        buffer = value.buffer;
      }
      if (done || value === undefined) break;
    }
    if (movedBytes < lengthBytes) throw new LengthError(movedBytes, lengthBytes);
    await orStall(writer.close(), "destination", movedBytes);
    return await finish(digesters, []);
  } catch (error) {
    const ended = Promise.allSettled([writer.abort(error), reader.cancel(error)]);
    // A stream that stalls may not even end: the caller aborts both requests.
    if (!(error instanceof StallError)) await ended;
    throw error;
  }
}

/** Waits for a step of one of the two streams, but not for ever. @throws {StallError} */
async function orStall<T>(step: Promise<T>, side: "source" | "destination", movedBytes: number): Promise<T> {
  const stalled = Promise.withResolvers<never>();
  const timer = setTimeout(() => stalled.reject(new StallError(side, movedBytes)), IDLE_LIMIT_MS);
  step.catch(() => undefined); // when it fails after its time, nobody waits for it any more
  try {
    return await Promise.race([step, stalled.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function finish(digesters: readonly Digester[], rest: readonly Uint8Array[]): Promise<PartDigests> {
  const digests: Partial<Record<Digest, string>> = {};
  for (const digester of digesters) {
    for (const bytes of rest) await digester.update(bytes);
    digests[digester.digest] = await digester.finish();
  }
  return digests;
}
