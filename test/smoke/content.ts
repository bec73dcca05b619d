// Bytes that need not be kept: any range of them can be generated again, so what was written can be compared
// with what is read, whatever its size. Pure.

import { createCipheriv, createHash } from "node:crypto";

export interface Content {
  readonly sizeBytes: number;
  /** Fewer than `length` at the end. */
  slice(offset: number, length: number): Buffer;
}

const BLOCK_BYTES = 16;

/**
 * Bytes that look random and are the same for each seed: the key stream of AES-CTR, which can start anywhere.
 */
export function generated(seed: string, sizeBytes: number): Content {
  const key = createHash("sha256").update(seed).digest().subarray(0, 16);
  return {
    sizeBytes,
    slice: (offset, length) => {
      const end = Math.min(sizeBytes, offset + length);
      if (end <= offset) return Buffer.alloc(0);
      const counter = Buffer.alloc(BLOCK_BYTES);
      counter.writeBigUInt64BE(BigInt(Math.floor(offset / BLOCK_BYTES)), 8);
      const before = offset % BLOCK_BYTES;
      const stream = createCipheriv("aes-128-ctr", key, counter).update(Buffer.alloc(before + end - offset));
      return stream.subarray(before);
    },
  };
}

export function fixed(bytes: Buffer): Content {
  return { sizeBytes: bytes.length, slice: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** Takes bytes as they are read and reports where they start to differ. */
export class Comparison {
  readonly #content: Content;
  #offset = 0;
  #difference: string | null = null;

  constructor(content: Content) {
    this.#content = content;
  }

  take(bytes: Buffer): void {
    const expected = this.#content.slice(this.#offset, bytes.length);
    if (this.#difference === null && !expected.equals(bytes.subarray(0, expected.length))) {
      const at = expected.findIndex((byte, index) => byte !== bytes[index]);
      this.#difference = `byte ${this.#offset + at} is ${bytes[at]} and was written as ${expected[at]}`;
    }
    this.#offset += bytes.length;
  }

  /** @returns null if all bytes came and are the same */
  end(): string | null {
    const { sizeBytes } = this.#content;
    if (this.#difference !== null) return this.#difference;
    return this.#offset === sizeBytes ? null : `${this.#offset} bytes came of ${sizeBytes}`;
  }
}
