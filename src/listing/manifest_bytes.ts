// The bytes of a manifest, from any offset: read in ranges that are pinned to one ETag, unpacked if they are
// gzip, and cut into lines.
//
// No connection stays open between two ranges, so whoever reads may take as long as it likes. A file that is
// not packed is read on at any byte. One that is packed, or whose MD5 is to be checked, is read again from
// its start, and what was read before is skipped: that costs its bytes once more for each death, and nothing
// else.
//
// Memory holds two ranges, what one piece of a packed one unpacks to, and one line.

import { createHash } from "node:crypto";
import { bareEtag } from "../s3/digest.ts";
import { FailureError, S3Error, meshError } from "../s3/errors.ts";
import { bytesOf, getPinned, headObject } from "../s3/read.ts";
import { type ObjectAddress, type S3, CALL_LIMIT_MS } from "../s3/request.ts";
import { parseContentRange } from "../s3/url.ts";
import { etagOf, sizeOf } from "../s3/value.ts";

const RANGE_BYTES = 2 ** 20;

/** A packed range unpacks to many times its size. */
const PACKED_RANGE_BYTES = 2 ** 18;

/** Unpacked at once: a piece of zeros becomes a thousand times as much. */
const PIECE_BYTES = 2 ** 15;

/** A key of 1,024 bytes is far shorter, whatever its encoding. */
const MAX_LINE_BYTES = 2 ** 16;

export interface ManifestFile {
  readonly address: ObjectAddress;
  readonly sizeBytes: number;
  readonly etag: string;
}

type Chunks = AsyncGenerator<Uint8Array, void>;

/** @param etag that it must have; null: any @throws {FailureError | S3Error} */
export async function openFile(s3: S3, address: ObjectAddress, etag: string | null): Promise<ManifestFile> {
  const { headers } = await headObject(s3, address);
  const [sizeBytes, own] = [sizeOf(headers), etagOf(headers)];
  if (sizeBytes === null || own === null) {
    const message = `${address.key} has no size or no ETag, and could change while it is read`;
    throw meshError("bad_manifest", message, "HeadObject");
  }
  if (etag !== null && bareEtag(own) !== bareEtag(etag)) throw changed(address);
  return { address, sizeBytes, etag: own };
}

/** All of a small file. */
export async function readWhole(s3: S3, file: ManifestFile): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of rangesOf(s3, file, 0, RANGE_BYTES))
    text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/**
 * @param offset in the unpacked bytes, behind a line
 * @param md5 in hex, of the bytes as they are stored; null: not known
 */
export function linesOf(s3: S3, file: ManifestFile, offset: number, md5: string | null): ManifestLines {
  const isPacked = /\.gz$/i.test(file.address.key);
  const fromStart = isPacked || md5 !== null;
  const stored = rangesOf(s3, file, fromStart ? 0 : offset, isPacked ? PACKED_RANGE_BYTES : RANGE_BYTES);
  const checked = md5 === null ? stored : withMd5(stored, md5, file.address);
  const bytes = isPacked ? unpacked(checked, file.address) : checked;
  return new ManifestLines(fromStart ? without(bytes, offset) : bytes, offset);
}

interface RawLine {
  /** Null: it is too long, or no UTF-8. */
  readonly text: string | null;
  readonly why: string;
}

export class ManifestLines {
  readonly #source: Chunks;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** The beginning of a line whose end is not read yet. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Behind the last line that was given. */
  offset: number;

  constructor(source: Chunks, offset: number) {
    this.#source = source;
    this.offset = offset;
  }

  /** The next line without its end; null: there is none. */
  async next(): Promise<RawLine | null> {
    for (;;) {
      const end = this.#chunk.indexOf(NEWLINE, this.#at);
      if (end >= 0) {
        const line = this.#take(this.#chunk.subarray(this.#at, end));
        this.#at = end + 1;
        this.offset += 1;
        return line;
      }
      this.#hold(this.#chunk.subarray(this.#at));
      const more = await this.#source.next();
      this.#chunk = more.done === true ? new Uint8Array(0) : more.value;
      this.#at = 0;
      if (more.done === true) return this.#heldBytes === 0 ? null : this.#take(new Uint8Array(0));
    }
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#heldBytes += bytes.length;
    if (this.#heldBytes <= MAX_LINE_BYTES) this.#held.push(bytes);
    else this.#held = [];
  }

  #take(last: Uint8Array): RawLine {
    this.#hold(last);
    const [held, length] = [this.#held, this.#heldBytes];
    this.#held = [];
    this.#heldBytes = 0;
    this.offset += length;
    if (length > MAX_LINE_BYTES)
      return { text: null, why: `it has ${length} bytes, more than any key takes` };
    try {
      const text = this.#decoder.decode(held.length === 1 ? held[0] : joined(held, length));
      return { text: text.endsWith("\r") ? text.slice(0, -1) : text, why: "" };
    } catch {
      return { text: null, why: "it is not UTF-8" };
    }
  }
}

const NEWLINE = 10;

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** One range is read ahead. */
async function* rangesOf(s3: S3, file: ManifestFile, from: number, stepBytes: number): Chunks {
  const readAt = (at: number) => {
    if (at >= file.sizeBytes) return null;
    const reading = readRange(s3, file, { offset: at, length: Math.min(stepBytes, file.sizeBytes - at) });
    // Its error is for whoever waits for it, if anybody does.
    reading.catch(() => undefined);
    return reading;
  };
  let ahead = readAt(from);
  for (let at = from; ahead !== null; at += stepBytes) {
    const bytes = await ahead;
    ahead = readAt(at + stepBytes);
    yield bytes;
  }
}

async function readRange(
  s3: S3,
  { address, etag, sizeBytes }: ManifestFile,
  range: { readonly offset: number; readonly length: number },
): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(CALL_LIMIT_MS);
  const response = await getPinned(s3, address, { range, ifMatch: etag, signal }).catch((error: unknown) => {
    throw error instanceof S3Error && error.status === 412 ? changed(address) : error;
  });
  const { status, headers } = response;
  const bytes = await bytesOf(address, response);
  if (bareEtag(etagOf(headers) ?? "") !== bareEtag(etag)) throw changed(address);
  const told = parseContentRange(headers.get("content-range"));
  const isAsked =
    status === 206
      ? told?.offset === range.offset && told.totalBytes === sizeBytes
      : range.offset === 0 && range.length === sizeBytes;
  if (isAsked && bytes.length === range.length) return bytes;
  const detail = `${range.length} bytes from ${range.offset} on were asked for, and ${bytes.length} came with status ${status}`;
  throw new S3Error("GetObject", address, { code: "wrong_range", detail, status });
}

async function* withMd5(source: Chunks, md5: string, { key }: ObjectAddress): Chunks {
  const hash = createHash("md5");
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
  const own = hash.digest("hex");
  if (own === md5) return;
  const message = `The file ${key} of the inventory has the MD5 ${own}, and its manifest.json says ${md5}`;
  throw meshError("checksum_mismatch", message, "GetObject");
}

async function* without(source: Chunks, count: number): Chunks {
  let left = count;
  for await (const chunk of source) {
    if (left < chunk.length) yield chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}

/** A piece is given to the stream only while somebody waits for what it unpacks to: nothing piles up. */
async function* unpacked(source: Chunks, { key }: ObjectAddress): Chunks {
  const { readable, writable } = new DecompressionStream("gzip");
  const [reader, writer] = [readable.getReader(), writable.getWriter()];
  writer.closed.catch(() => undefined);
  const pieces = piecesOf(source);
  let isFed = false;
  const spoiled = (error: unknown) => {
    if (error instanceof FailureError || error instanceof S3Error) throw error;
    throw meshError("bad_manifest", `${key} is no gzip, or is cut off: ${String(error)}`, "GetObject");
  };
  for (;;) {
    const waiting = { isRead: false };
    const read = reader.read().finally(() => (waiting.isRead = true));
    read.catch(() => undefined);
    while (!isFed) {
      // What is unpacked already is read first.
      await Promise.race([read, turnOver()]).catch(spoiled);
      if (waiting.isRead) break;
      const piece = await pieces.next();
      isFed = piece.done === true;
      const given = piece.done === true ? writer.close() : writer.write(piece.value);
      given.catch(() => undefined);
      await Promise.race([given, read]).catch(spoiled);
    }
    const { done, value } = await read.catch(spoiled);
    if (done) return;
    yield value as Uint8Array;
  }
}

/** The streams have had their turn. */
async function turnOver(): Promise<void> {
  await new Promise<void>((resolve) => setTimeout(resolve, 0));
}

async function* piecesOf(source: Chunks): Chunks {
  for await (const chunk of source)
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) yield chunk.subarray(at, at + PIECE_BYTES);
}

function changed({ key }: ObjectAddress): FailureError {
  const message = `${key} is another object than when the run began to read it`;
  return meshError("manifest_changed", message, "GetObject");
}
