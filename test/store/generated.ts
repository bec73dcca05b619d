/**
 * Bytes of objects of any size, terabytes included, as a pure function of (seed, offset), at memory speed.
 *
 * A random block of prime length `period` is repeated; lap n of it is rotated by a step that grows
 * quadratically, so that neither a shift by a multiple of a part size nor one by a multiple of the period
 * maps the pattern onto itself: a part stored at a wrong offset is always seen. The block is kept twice in a
 * row, so every piece handed out is a view of it and nothing is copied, neither when producing nor when
 * checking.
 */
import { createCipheriv, createHash } from "node:crypto";

/** A prime just above 1 MiB. */
export const period = 1_048_583;

const blocks = new Map<string, Buffer>();
const maximumBlocks = 16;

/** Random bytes of `seed`, twice in a row, so that any rotation is one contiguous view. */
function blockOf(seed: string): Buffer {
  const known = blocks.get(seed);
  if (known !== undefined) return known;
  const key = createHash("sha256").update(seed).digest();
  const block = createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(period));
  const doubled = Buffer.concat([block, block]);
  if (blocks.size >= maximumBlocks) blocks.clear();
  blocks.set(seed, doubled);
  return doubled;
}

/** Where lap `lap` starts in the block; exact for every lap below 2^53, since factors are reduced first. */
function rotation(lap: number): number {
  const reduced = lap % period;
  return (
    (((reduced * 7919) % period) * (reduced + 1) + (Math.floor(lap / period) % period) * 104_729) % period
  );
}

/**
 * The longest run of bytes at `offset` that is one view of memory, at most `limit` of them. Do not write to
 * it.
 */
function generatedChunk(seed: string, offset: number, limit: number): Buffer {
  const lap = Math.floor(offset / period);
  const within = offset - lap * period;
  const start = rotation(lap) + within;
  return blockOf(seed).subarray(start, start + Math.min(limit, period - within));
}

/** Yields the bytes [start, end) as views. */
export function* generatedChunks(seed: string, start: number, end: number): Generator<Buffer> {
  for (let offset = start; offset < end;) {
    const chunk = generatedChunk(seed, offset, end - offset);
    yield chunk;
    offset += chunk.length;
  }
}

/** A copy of the bytes [start, end); for tests on small ranges. */
export function generatedBytes(seed: string, start: number, end: number): Buffer {
  return Buffer.concat([...generatedChunks(seed, start, end)]);
}

/**
 * Index in `chunk` of the first byte that differs from the pattern at `offset`, or -1 when all agree.
 */
export function firstDifference(seed: string, offset: number, chunk: Buffer): number {
  for (let position = 0; position < chunk.length;) {
    const expected = generatedChunk(seed, offset + position, chunk.length - position);
    if (expected.compare(chunk, position, position + expected.length) !== 0) {
      let index = 0;
      while (expected[index] === chunk[position + index]) index++;
      return position + index;
    }
    position += expected.length;
  }
  return -1;
}
