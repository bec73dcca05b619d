/**
 * Where the bytes of objects and parts are: in memory, in a file, generated on demand, or nowhere any more.
 *
 * A `Body` is a value: cutting a range out of it or joining several copies no bytes. Files are shared by
 * counting holders, so a reader that is half way through keeps its bytes while the object is replaced: S3
 * never mixes two versions in one answer. Reading and writing files is synchronous on purpose: the page cache
 * is faster than a round trip through the thread pool, and order is then obvious. Nothing here knows HTTP.
 */
import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { firstDifference, generatedChunks } from "./generated.ts";

export type Body =
  | { readonly kind: "memory"; readonly bytes: Buffer }
  | { readonly kind: "file"; readonly file: SharedFile; readonly start: number; readonly size: number }
  | { readonly kind: "generated"; readonly seed: string; readonly start: number; readonly size: number }
  | { readonly kind: "sequence"; readonly pieces: readonly Body[]; readonly size: number }
  /** Counted and thrown away. */
  | { readonly kind: "discarded"; readonly size: number };

const readBytes = 256 * 1024;
/** Bodies known to be at most this long stay in memory: a file each would cost more than it saves. */
const memoryBytes = 64 * 1024;

/** A file that is deleted when its last holder lets go. */
class SharedFile {
  readonly path: string;
  #holders = 1;

  constructor(path: string) {
    this.path = path;
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) unlinkSync(this.path);
  }
}

export const emptyBody: Body = { kind: "memory", bytes: Buffer.alloc(0) };

export function bodySize(body: Body): number {
  return body.kind === "memory" ? body.bytes.length : body.size;
}

/** The bytes [start, end) of `body`, sharing its storage. The caller must `retain` what it keeps. */
export function sliceBody(body: Body, start: number, end: number): Body {
  if (start === 0 && end === bodySize(body)) return body;
  switch (body.kind) {
    case "memory":
      return { kind: "memory", bytes: body.bytes.subarray(start, end) };
    case "file":
    case "generated":
      return { ...body, start: body.start + start, size: end - start };
    case "discarded":
      return { kind: "discarded", size: end - start };
    case "sequence": {
      const pieces: Body[] = [];
      let position = 0;
      for (const piece of body.pieces) {
        const size = bodySize(piece);
        if (position + size > start && position < end) {
          pieces.push(sliceBody(piece, Math.max(0, start - position), Math.min(size, end - position)));
        }
        position += size;
        if (position >= end) break;
      }
      return { kind: "sequence", pieces, size: end - start };
    }
  }
}

/** One body out of several; neighbouring ranges of one generated object become one. */
export function joinBodies(pieces: readonly Body[]): Body {
  const joined: Body[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    const continues =
      last?.kind === "generated" &&
      piece.kind === "generated" &&
      last.seed === piece.seed &&
      last.start + last.size === piece.start;
    if (continues) joined[joined.length - 1] = { ...last, size: last.size + piece.size };
    else joined.push(piece);
  }
  const only = joined[0];
  if (only !== undefined && joined.length === 1) return only;
  return { kind: "sequence", pieces: joined, size: joined.reduce((sum, piece) => sum + bodySize(piece), 0) };
}

export function retainBody(body: Body): void {
  if (body.kind === "file") body.file.retain();
  if (body.kind === "sequence") body.pieces.forEach(retainBody);
}

export function releaseBody(body: Body): void {
  if (body.kind === "file") body.file.release();
  if (body.kind === "sequence") body.pieces.forEach(releaseBody);
}

/** False when some byte was discarded, so that the body cannot be read back. */
export function isReadable(body: Body): boolean {
  if (body.kind === "sequence") return body.pieces.every(isReadable);
  return body.kind !== "discarded" || body.size === 0;
}

/**
 * Yields the bytes in order; views of shared memory, not to be written to. @throws Error on discarded bytes.
 */
export function* readBody(body: Body): Generator<Buffer> {
  switch (body.kind) {
    case "memory":
      if (body.bytes.length > 0) yield body.bytes;
      return;
    case "generated":
      yield* generatedChunks(body.seed, body.start, body.start + body.size);
      return;
    case "sequence":
      for (const piece of body.pieces) yield* readBody(piece);
      return;
    case "discarded":
      if (body.size > 0) throw new Error("these bytes were counted and discarded");
      return;
    case "file": {
      const descriptor = openSync(body.file.path, "r");
      try {
        for (let position = 0; position < body.size;) {
          const chunk = Buffer.allocUnsafeSlow(Math.min(readBytes, body.size - position));
          const read = readSync(descriptor, chunk, 0, chunk.length, body.start + position);
          if (read === 0) throw new Error(`file ends early: ${body.file.path}`);
          position += read;
          yield chunk.subarray(0, read);
        }
      } finally {
        closeSync(descriptor);
      }
    }
  }
}

/** Takes an incoming body. Exactly one of `finish` and `discard` is called, once. */
export interface Sink {
  write(chunk: Buffer): void;
  finish(): Body;
  discard(): void;
}

/** Keeps bytes in memory. */
export function memorySink(): Sink {
  const chunks: Buffer[] = [];
  return {
    write: (chunk) => void chunks.push(chunk),
    finish: () => ({ kind: "memory", bytes: Buffer.concat(chunks) }),
    discard: () => void chunks.splice(0),
  };
}

/** Gives every stored body a file of its own in one directory. */
export class FileDepot {
  readonly #directory: string;
  #next = 1;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** A sink for `size` bytes, if the size is known. */
  sink(size: number | undefined): Sink {
    if (size !== undefined && size <= memoryBytes) return memorySink();
    const path = join(this.#directory, `body-${this.#next++}`);
    const descriptor = openSync(path, "wx");
    let written = 0;
    return {
      write: (chunk) => {
        for (let position = 0; position < chunk.length;) position += writeSync(descriptor, chunk, position);
        written += chunk.length;
      },
      finish: () => {
        closeSync(descriptor);
        return { kind: "file", file: new SharedFile(path), start: 0, size: written };
      },
      discard: () => {
        closeSync(descriptor);
        unlinkSync(path);
      },
    };
  }
}

/** The object that incoming bytes are compared with. */
export interface Pattern {
  readonly seed: string;
  readonly size: number;
}

/** What a checking sink found: where the bytes belong, or where they first differ. */
export type Verdict =
  | { readonly kind: "matches"; readonly offset: number }
  | { readonly kind: "differs"; readonly offset: number; readonly byte: number };

/**
 * Counts and discards. With a pattern it compares as it goes, so it can still serve the bytes afterwards.
 *
 * @param candidates offsets in the pattern at which the bytes may belong: a part's size alone does not tell
 * whether it is a full part or the shorter last one.
 * @param report called at the end with what was found.
 */
export function swallowingSink(
  pattern: Pattern | undefined,
  candidates: readonly number[],
  report: (verdict: Verdict) => void,
): Sink {
  let size = 0;
  let open = [...new Set(candidates)];
  let difference: Verdict | undefined;
  return {
    write: (chunk) => {
      if (pattern !== undefined && difference === undefined) {
        let first: Verdict | undefined;
        open = open.filter((offset) => {
          const index = firstDifference(pattern.seed, offset + size, chunk);
          if (index >= 0) first ??= { kind: "differs", offset, byte: offset + size + index };
          return index < 0;
        });
        if (open.length === 0) difference = first;
      }
      size += chunk.length;
    },
    finish: () => {
      const offset = open[0];
      if (pattern === undefined) return { kind: "discarded", size };
      if (difference !== undefined || offset === undefined) {
        if (difference !== undefined) report(difference);
        return { kind: "discarded", size };
      }
      report({ kind: "matches", offset });
      return { kind: "generated", seed: pattern.seed, start: offset, size };
    },
    discard: () => {},
  };
}
