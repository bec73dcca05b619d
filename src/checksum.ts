// Full-object CRCs from the CRCs of parts, and ETags from the MD5s of parts. Pure.
//
// A CRC of A‖B follows from crc(A), crc(B) and the length of B, so the parts can be summed by whoever copied them, in
// any order, and combined here: no byte is read twice. MD5 has no such law; S3's multipart ETag is the MD5 of the parts'
// MD5s instead (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html, 2026-11).

import type { ChecksumAlgorithm } from "./profiles.ts";

/** Reflected polynomials. Check values for "123456789": cbf43926, e3069283, ae8b14860a799888. */
const POLYNOMIALS: Readonly<
  Record<ChecksumAlgorithm, { readonly polynomial: bigint; readonly bits: number }>
> = {
  crc32: { polynomial: 0xedb88320n, bits: 32 },
  crc32c: { polynomial: 0x82f63b78n, bits: 32 },
  crc64nvme: { polynomial: 0x9a6c9329ac4bc9b5n, bits: 64 },
};

/**
 * The CRC of parts laid end to end, as lower-case hex.
 *
 * @param parts in the object's order, each with its CRC in hex and its length in bytes
 */
export function combineCrcs(
  algorithm: ChecksumAlgorithm,
  parts: Iterable<{ readonly crc: string; readonly length: number }>,
): string {
  const { polynomial, bits } = POLYNOMIALS[algorithm];
  // All parts but the last have one length: the shift is computed twice for 10,000 parts, not 10,000 times.
  const shifts = new Map<number, bigint>();
  let combined = 0n; // the CRC of nothing
  for (const { crc, length } of parts) {
    let shift = shifts.get(length);
    if (shift === undefined) shifts.set(length, (shift = powerOfX(BigInt(length) * 8n, polynomial, bits)));
    combined = multiply(combined, shift, polynomial, bits) ^ BigInt(`0x${crc}`);
  }
  return combined.toString(16).padStart(bits / 4, "0");
}

/** `x-amz-checksum-*` holds base64 of the big-endian bytes; we compare hex. Null when it is no such value. */
export function hexOfBase64(base64: string): string | null {
  try {
    return bytesToHex(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
  } catch {
    return null; // a composite checksum ("…-5"), or no checksum at all
  }
}

export function base64OfHex(hex: string): string {
  return btoa(String.fromCharCode(...bytesOfHex(hex)));
}

export function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function bytesToHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What S3's rule makes the ETag of parts with these MD5s: the MD5 of the raw digests, and their number. */
export async function multipartEtag(
  md5s: readonly string[],
  md5: (bytes: Uint8Array) => Promise<string>,
): Promise<string> {
  const digests = new Uint8Array(md5s.length * 16);
  for (const [index, hex] of md5s.entries()) digests.set(bytesOfHex(hex), index * 16);
  return `${await md5(digests)}-${md5s.length}`;
}

// a·b mod P in the reflected field: the top bit is x^0 and a right shift multiplies by x.
function multiply(a: bigint, b: bigint, polynomial: bigint, bits: number): bigint {
  let product = 0n;
  for (let bit = 1n << BigInt(bits - 1); bit > 0n && a !== 0n; bit >>= 1n) {
    if ((b & bit) !== 0n) product ^= a;
    a = (a & 1n) === 1n ? (a >> 1n) ^ polynomial : a >> 1n;
  }
  return product;
}

// x^exponent mod P, by squaring.
function powerOfX(exponent: bigint, polynomial: bigint, bits: number): bigint {
  let power = 1n << BigInt(bits - 1);
  let square = 1n << BigInt(bits - 2);
  for (; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) power = multiply(power, square, polynomial, bits);
    square = multiply(square, square, polynomial, bits);
  }
  return power;
}
